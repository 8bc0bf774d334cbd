//! PHP's way of writing nested data in a form: `a[b][0]=x`.
//!
//! Bitrix24 reads calls and writes events in this form. Only strings exist in it: numbers lose their type, `true` becomes
//! `1`, `false` becomes `0`, and `null` and empty containers are not there at all.

use serde_json::{Map, Value};
use url::form_urlencoded;

/// As PHP's `max_input_vars`, raised as the cloud has it.
const MAX_PAIRS: usize = 20_000;
const MAX_DEPTH: usize = 16;

/// Reads a query string or a form body. Containers whose keys are exactly 0..n become lists.
pub fn parse(raw: &[u8]) -> Map<String, Value> {
    let mut root = Map::new();
    for (key, value) in form_urlencoded::parse(raw).take(MAX_PAIRS) {
        if let Some(path) = segments(&key) {
            insert(&mut root, &path, value.into_owned());
        }
    }
    root.into_iter().map(|(key, value)| (key, listed(value))).collect()
}

/// Splits `a[b][]` into `a`, `b` and the empty segment. `None`: too deep or without a name.
fn segments(key: &str) -> Option<Vec<String>> {
    let (head, mut rest) = match key.find('[') {
        Some(0) | None => (key, ""),
        Some(at) => key.split_at(at),
    };
    if head.is_empty() {
        return None;
    }
    let mut path = vec![head.to_owned()];
    while let Some(inner) = rest.strip_prefix('[') {
        let (segment, after) = inner.split_once(']')?;
        path.push(segment.to_owned());
        rest = after;
        if path.len() > MAX_DEPTH {
            return None;
        }
    }
    Some(path)
}

fn insert(map: &mut Map<String, Value>, path: &[String], value: String) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let key = if first.is_empty() { next_index(map) } else { first.clone() };
    if rest.is_empty() {
        map.insert(key, Value::String(value));
        return;
    }
    let slot = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Value::Object(inner) = slot {
        insert(inner, rest, value);
    }
}

fn next_index(map: &Map<String, Value>) -> String {
    let highest = map.keys().filter_map(|key| key.parse::<u64>().ok()).max();
    highest.map_or(0, |index| index + 1).to_string()
}

fn listed(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let is_list = !map.is_empty() && (0..map.len()).all(|index| map.contains_key(&index.to_string()));
    if !is_list {
        return Value::Object(map.into_iter().map(|(key, inner)| (key, listed(inner))).collect());
    }
    let mut items: Vec<(usize, Value)> =
        map.into_iter().filter_map(|(key, inner)| key.parse().ok().map(|index| (index, listed(inner)))).collect();
    items.sort_by_key(|(index, _)| *index);
    Value::Array(items.into_iter().map(|(_, inner)| inner).collect())
}

/// Writes an object as pairs, in the form's bracket keys.
pub fn pairs(root: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    if let Value::Object(map) = root {
        for (key, value) in map {
            flatten(key, value, &mut out);
        }
    }
    out
}

fn flatten(key: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Bool(yes) => out.push((key.to_owned(), if *yes { "1" } else { "0" }.to_owned())),
        Value::Number(number) => out.push((key.to_owned(), number.to_string())),
        Value::String(text) => out.push((key.to_owned(), text.clone())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{key}[{index}]"), item, out);
            }
        }
        Value::Object(map) => {
            for (inner, item) in map {
                flatten(&format!("{key}[{inner}]"), item, out);
            }
        }
    }
}

/// A form body of the given pairs, brackets percent-encoded as the queue server does.
pub fn body(pairs: &[(String, String)]) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (key, value) in pairs {
        out.append_pair(key, value);
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_become_lists_and_maps_and_sparse_indexes_stay_maps() {
        let parsed = parse("a[0][x]=1&a[1][x]=2&b[3]=q&c[]=1&c[]=%D1%8F+z&d%5Be%5D=f".as_bytes());
        assert_eq!(
            Value::Object(parsed),
            json!({"a": [{"x": "1"}, {"x": "2"}], "b": {"3": "q"}, "c": ["1", "я z"], "d": {"e": "f"}})
        );
    }

    #[test]
    fn null_and_empty_containers_vanish_and_booleans_become_digits() {
        let written = pairs(&json!({"a": null, "b": [], "c": true, "d": {"e": false}, "f": 7}));
        let expected = [("c", "1"), ("d[e]", "0"), ("f", "7")];
        assert_eq!(written, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
