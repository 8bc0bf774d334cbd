//! Loose reading of parameters: everything may be a string.

use serde_json::{Map, Value};

/// A call's parameters, or a block of them.
#[derive(Clone, Copy)]
pub(in crate::portal) struct Params<'a>(pub &'a Map<String, Value>);

impl<'a> Params<'a> {
    pub fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A scalar as text; empty when absent.
    pub fn text(self, key: &str) -> String {
        self.get(key).map(scalar).unwrap_or_default()
    }

    pub fn int(self, key: &str) -> Option<i64> {
        self.get(key).and_then(|value| match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Bool(yes) => Some(i64::from(*yes)),
            _ => None,
        })
    }

    /// PHP's idea of truth: everything but `0`, `"0"`, `""`, `false` and nothing. Even `"N"` is true.
    pub fn truthy(self, key: &str) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Bool(yes)) => *yes,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !matches!(text.as_str(), "" | "0"),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
            Some(Value::Null) => false,
        }
    }

    /// A flag that was registered: true unless it says no.
    pub fn flag(self, key: &str, default: bool) -> bool {
        match self.get(key) {
            None => default,
            Some(Value::Bool(yes)) => *yes,
            Some(other) => matches!(scalar(other).to_ascii_lowercase().as_str(), "y" | "1" | "true"),
        }
    }

    pub fn block(self, key: &str) -> Map<String, Value> {
        match self.get(key) {
            Some(Value::Object(map)) => map.clone(),
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(index, item)| (index.to_string(), item.clone())).collect()
            }
            _ => Map::new(),
        }
    }

    pub fn list(self, key: &str) -> Vec<Value> {
        match self.get(key) {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::Object(map)) => map.values().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// A list of scalars, or one scalar, as texts.
    pub fn texts(self, key: &str) -> Vec<String> {
        match self.get(key) {
            None => Vec::new(),
            Some(Value::Array(_) | Value::Object(_)) => self.list(key).iter().map(scalar).collect(),
            Some(one) => vec![scalar(one)],
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => if *yes { "1" } else { "0" }.to_owned(),
        _ => String::new(),
    }
}
