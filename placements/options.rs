//! What the portal posts with a frame, read tolerantly: the same field is an object, an empty list, an empty string or
//! the word `undefined`, depending on the placement and the portal's age.

use serde_json::{Map, Value};

/// Longest `PLACEMENT_OPTIONS` that is read, in bytes. Real ones stay under 1 KB.
const OPTIONS_LIMIT_BYTES: usize = 64 * 1024;

/// One posted opening, not yet understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    code: String,
    values: Map<String, Value>,
}

impl Options {
    /// From the posted `PLACEMENT` and `PLACEMENT_OPTIONS`. Whatever is not a JSON object counts as empty.
    pub fn parse(code: &str, options: Option<&str>) -> Self {
        let text = options.unwrap_or_default();
        let values = match serde_json::from_str(text) {
            Ok(Value::Object(values)) if text.len() <= OPTIONS_LIMIT_BYTES => values,
            _ => Map::new(),
        };
        Self { code: code.trim().to_ascii_uppercase(), values }
    }

    /// The placement code in upper case.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// A value as text, if it is a text or a number and not blank.
    pub fn text(&self, key: &str) -> Option<String> {
        let text = match self.values.get(key)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// A value as a positive number that a database's signed 64-bit column can hold.
    pub fn id(&self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        let id: i64 = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
        u64::try_from(id).ok().filter(|id| *id > 0)
    }

    /// A value as yes or no; no when it is absent.
    pub fn flag(&self, key: &str) -> bool {
        match self.values.get(key) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.as_str(), "Y" | "y" | "1" | "true"),
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }
}
