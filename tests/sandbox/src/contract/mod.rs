//! The table of REST methods that the product may call, and the check of every call against it.
//!
//! `contract.toml` is built from Bitrix24's machine-readable descriptions plus listed exceptions. [`contract`] gives it to
//! anyone (the product's tests compare their own list of methods and scopes with it), [`Contract::violation`] judges one call,
//! [`compare_with_spec`] compares the table with the descriptions themselves.

mod compare;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::{Map, Value};

pub use compare::{Difference, compare_with_spec};

/// Parameters that every method takes besides its own.
const EVERYWHERE: [&str; 4] = ["auth", "access_token", "auth_connector", "state"];

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    method: BTreeMap<String, Method>,
}

/// One REST method.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Scope that a token needs; empty: none.
    pub scope: String,
    /// Documentation page, or the module's file where no page exists.
    pub page: String,
    /// Bitrix24 has no machine-readable description of it.
    #[serde(default)]
    pub undescribed: bool,
    /// Takes any parameters.
    #[serde(default)]
    pub open: bool,
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// Places where this table knows better than the description.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// One parameter or nested field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// `string`, `integer`, `boolean`, `char`, `array`, `object`, `any`; several joined by `|`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub required: bool,
    /// Fields of the object, or of each element of the array. `None`: open.
    pub fields: Option<BTreeMap<String, Param>>,
}

/// A difference from the description that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Dotted path of the parameter, `@scope` or `@params`.
    pub at: String,
    pub why: String,
    pub source: String,
}

static TABLE: LazyLock<Contract> =
    LazyLock::new(|| toml::from_str(include_str!("../../contract.toml")).expect("the table is checked by a test"));

/// The table.
pub fn contract() -> &'static Contract {
    &TABLE
}

impl Contract {
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.method.get(name)
    }

    /// Names of all methods, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.method.keys().map(String::as_str)
    }

    /// What is wrong with a call of a known method, in words that name the parameter. `None`: nothing, or an unknown method.
    pub fn violation(&self, name: &str, params: &Map<String, Value>) -> Option<String> {
        let method = self.method.get(name)?;
        if method.open {
            return None;
        }
        let own: Map<String, Value> = params
            .iter()
            .filter(|(key, _)| !EVERYWHERE.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        fields_violation("", &method.params, &own)
    }
}

fn fields_violation(at: &str, fields: &BTreeMap<String, Param>, given: &Map<String, Value>) -> Option<String> {
    for (name, value) in given {
        let path = format!("{at}{name}");
        let Some(param) = fields.get(name) else {
            return Some(format!("unknown parameter {path}"));
        };
        if let Some(wrong) = value_violation(&path, param, value) {
            return Some(wrong);
        }
    }
    let missing = fields.iter().find(|(name, param)| param.required && given.get(*name).is_none_or(Value::is_null));
    missing.map(|(name, _)| format!("missing parameter {at}{name}"))
}

fn value_violation(path: &str, param: &Param, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    if !param.kind.split('|').any(|kind| fits(kind, value)) {
        return Some(format!("parameter {path} is not of type {}", param.kind));
    }
    let fields = param.fields.as_ref()?;
    match value {
        Value::Object(map) if param.kind == "object" => fields_violation(&format!("{path}."), fields, map),
        // A list may come as a map with numbers for keys.
        Value::Object(map) => map.values().enumerate().find_map(|(index, item)| element(path, index, fields, item)),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| element(path, index, fields, item)),
        _ => None,
    }
}

fn element(path: &str, index: usize, fields: &BTreeMap<String, Param>, item: &Value) -> Option<String> {
    match item {
        Value::Object(map) => fields_violation(&format!("{path}.{index}."), fields, map),
        _ => Some(format!("element {path}.{index} is not an object")),
    }
}

/// Bitrix24's loose typing: numbers may be strings, lists and maps are one thing, flags are written in many ways.
fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "any" => true,
        "array" | "object" => value.is_array() || value.is_object(),
        "integer" => match value {
            Value::Number(number) => number.is_i64() || number.is_u64(),
            Value::String(text) => text.trim().parse::<i64>().is_ok(),
            _ => false,
        },
        "boolean" => match value {
            Value::Bool(_) => true,
            Value::Number(number) => matches!(number.as_i64(), Some(0 | 1)),
            Value::String(text) => {
                matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "1" | "0" | "true" | "false" | "")
            }
            _ => false,
        },
        "char" => match value {
            Value::String(text) => text.chars().count() <= 3,
            Value::Bool(_) | Value::Number(_) => true,
            _ => false,
        },
        "string" => value.is_string() || value.is_number() || value.is_boolean(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(method: &str, params: &Value) -> Option<String> {
        contract().violation(method, params.as_object().unwrap())
    }

    #[test]
    fn every_type_in_the_table_is_known_and_every_exception_has_a_source() {
        fn walk(fields: &BTreeMap<String, Param>) {
            for (name, param) in fields {
                for kind in param.kind.split('|') {
                    assert!(
                        ["string", "integer", "boolean", "char", "array", "object", "any"].contains(&kind),
                        "{name}: {kind}"
                    );
                }
                if let Some(inner) = &param.fields {
                    walk(inner);
                }
            }
        }
        for (name, method) in &contract().method {
            assert!(!method.page.is_empty(), "{name} names no page");
            walk(&method.params);
            for exception in &method.exceptions {
                assert!(!exception.why.is_empty() && !exception.source.is_empty(), "{name}: {}", exception.at);
            }
        }
    }

    #[test]
    fn a_call_is_judged_down_to_nested_fields() {
        let good = json!({"CONNECTOR": "c", "LINE": "7", "auth": "x", "MESSAGES": [
            {"user": {"id": 5}, "message": {"id": "m", "text": "t"}, "chat": {"id": "q"}}]});
        assert_eq!(judged("imconnector.send.messages", &good), None);
        let cases = [
            (json!({"CONNECTOR": "c", "LINE": 7, "MESSAGES": [], "EXTRA": 1}), "unknown parameter EXTRA"),
            (json!({"CONNECTOR": "c", "LINE": 7}), "missing parameter MESSAGES"),
            (json!({"CONNECTOR": "c", "LINE": "x", "MESSAGES": []}), "parameter LINE is not of type integer"),
            (
                json!({"CONNECTOR": "c", "LINE": 7, "MESSAGES": [{"user": {"id": "1"}, "message": {"id": "1"}, "chat": {}}]}),
                "missing parameter MESSAGES.0.chat.id",
            ),
            (
                json!({"CONNECTOR": "c", "LINE": 7, "MESSAGES": [{"user": {"id": "1", "sex": "m"}, "message": {"id": "1"}, "chat": {"id": "1"}}]}),
                "unknown parameter MESSAGES.0.user.sex",
            ),
        ];
        for (params, expected) in cases {
            assert_eq!(judged("imconnector.send.messages", &params).as_deref(), Some(expected));
        }
    }
}
