//! The other way: a tree as a form body, in the notation that PHP's own client writes, and as JSON.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};

use super::{Value, read::list_index};

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Encodes a map as a form body; brackets are percent-encoded. Empty maps vanish, as they do in PHP. A bare scalar has no name
/// and gives an empty body. `parse` reads it back to the same tree if no key holds a bracket and none is empty.
pub fn encode(value: &Value) -> String {
    let mut body = String::new();
    if let Value::Map(entries) = value {
        for (key, value) in entries {
            write_field(&mut body, &utf8_percent_encode(key, KEPT).to_string(), value);
        }
    }
    body
}

fn write_field(body: &mut String, name: &str, value: &Value) {
    match value {
        Value::Text(text) => {
            if !body.is_empty() {
                body.push('&');
            }
            body.push_str(name);
            body.push('=');
            body.extend(utf8_percent_encode(text, KEPT));
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                write_field(body, &format!("{name}%5B{}%5D", utf8_percent_encode(key, KEPT)), value);
            }
        }
    }
}

/// Texts stay texts, a map whose keys are exactly 0, 1, 2… becomes an array.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Map(entries) if is_dense_list(entries) => {
                serializer.collect_seq(entries.iter().map(|(_, value)| value))
            }
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

fn is_dense_list(entries: &[(String, Value)]) -> bool {
    !entries.is_empty() && (0_i64..).zip(entries).all(|(index, (key, _))| list_index(key) == Some(index))
}

/// A map to be written without some of its fields.
pub struct Without<'a> {
    pub(super) value: &'a Value,
    pub(super) names: &'a [&'a str],
}

impl Serialize for Without<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Text(_) => self.value.serialize(serializer),
            Value::Map(entries) => {
                let kept = entries.iter().filter(|(key, _)| !self.names.contains(&key.as_str()));
                serializer.collect_map(kept.map(|(key, value)| (key, value)))
            }
        }
    }
}
