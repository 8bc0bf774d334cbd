//! Tolerant readers over a [`Value`]. A missing field is never an error here; what must be there is the decoder's knowledge.

use super::{Value, write::Without};

impl Value {
    /// The value at a path, `&["auth", "member_id"]` for `auth[member_id]`. An empty path is the value itself.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |value, key| match value {
            Value::Text(_) => None,
            Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
        })
    }

    /// The scalar at a path as it came, empty strings included.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        match self.get(path)? {
            Value::Text(text) => Some(text),
            Value::Map(_) => None,
        }
    }

    /// The elements of the list at a path: numeric keys in numeric order, gaps allowed, then other keys as they came.
    /// A scalar or an absent field has no elements.
    pub fn items(&self, path: &[&str]) -> Vec<&Value> {
        let Some(Value::Map(entries)) = self.get(path) else {
            return Vec::new();
        };
        let mut keyed: Vec<_> =
            entries.iter().map(|(key, value)| (list_index(key).unwrap_or(i64::MAX), value)).collect();
        keyed.sort_by_key(|(index, _)| *index);
        keyed.into_iter().map(|(_, value)| value).collect()
    }

    /// Texts at a path that holds either one scalar or a list of them (`message[id]`, a robot's property). Empty texts are left
    /// out: `null` arrives as one.
    pub fn one_or_many(&self, path: &[&str]) -> Vec<&str> {
        match self.get(path) {
            None => Vec::new(),
            Some(Value::Text(text)) => Some(text.as_str()).filter(|text| !text.is_empty()).into_iter().collect(),
            Some(Value::Map(_)) => {
                self.items(path).into_iter().filter_map(|item| item.text(&[])).filter(|text| !text.is_empty()).collect()
            }
        }
    }

    /// A whole number at a path; surrounding spaces and a plus sign are forgiven.
    pub fn int(&self, path: &[&str]) -> Option<i64> {
        self.text(path)?.trim().parse().ok()
    }

    /// A yes or no at a path: `Y`, `1`, `true`, `on`, `yes` and their opposites in any case; an empty text is no, as PHP sends
    /// `false`. Absent or anything else: `None`.
    pub fn flag(&self, path: &[&str]) -> Option<bool> {
        let text = self.text(path)?.trim();
        let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        if is(&["Y", "1", "true", "on", "yes"]) {
            Some(true)
        } else if is(&["", "N", "0", "false", "off", "no"]) {
            Some(false)
        } else {
            None
        }
    }

    /// Without the fields of these names.
    pub fn without<'a>(&'a self, names: &'a [&'a str]) -> Without<'a> {
        Without { value: self, names }
    }
}

/// The number that PHP makes of a key: decimal, no leading zeros, no plus sign. Every other key stays a text.
pub(super) fn list_index(key: &str) -> Option<i64> {
    let digits = key.strip_prefix('-').unwrap_or(key);
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && (!digits.starts_with('0') || key == "0");
    if canonical { key.parse().ok() } else { None }
}
