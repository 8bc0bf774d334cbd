//! The other way: a tree as a form body, in the notation that PHP's own client writes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Value;

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
