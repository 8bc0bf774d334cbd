//! Tolerant decoding of what a portal answers: its typing is loose (an empty map is `[]`, numbers are often strings,
//! truths are `true`, `"Y"` or `"1"`), and differs between versions. A field that makes no sense becomes empty instead of
//! failing the whole answer; what a caller cannot do without is an `Option` that the caller looks at.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

/// A text, whatever it was written as: a number is its digits, `null`, `false` and containers are empty.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(true) => "1".to_owned(),
        _ => String::new(),
    }
}

/// A whole number, whatever it was written as.
pub fn int_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A truth: `true`, a number other than 0, `Y`, `true` or any text of a number other than 0.
pub fn flag_of(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64().is_some_and(|n| n != 0.0),
        Value::String(text) => flag_of_text(text),
        _ => false,
    }
}

/// The same for a text of a form.
pub fn flag_of_text(text: &str) -> bool {
    let text = text.trim();
    text.eq_ignore_ascii_case("y")
        || text.eq_ignore_ascii_case("true")
        || text.parse::<i64>().is_ok_and(|number| number != 0)
}

/// The elements of a list, or of a map that PHP made of a list with gaps.
pub fn list_of(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Object(map) => map.into_iter().map(|(_, item)| item).collect(),
        _ => Vec::new(),
    }
}

/// Scopes as they are written in a row: commas here, spaces there.
pub fn scope_list(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Value::deserialize(deserializer).map(|value| text_of(&value))
}

/// None when there is no text or an empty one.
pub fn some_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer).map(|text| Some(text).filter(|text| !text.is_empty()))
}

pub fn some_int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Value::deserialize(deserializer).map(|value| int_of(&value))
}

/// An id that means "none" when it is 0.
pub fn some_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    some_int(deserializer).map(|id| id.filter(|id| *id > 0))
}

pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|value| flag_of(&value))
}

/// A list of whole numbers; what is no number is left out.
pub fn ints<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    Value::deserialize(deserializer).map(|value| list_of(value).iter().filter_map(int_of).collect())
}

/// A list of texts; a bare text is a list of one.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(match value {
        Value::String(_) | Value::Number(_) => vec![text_of(&value)],
        other => list_of(other).iter().map(text_of).collect(),
    })
}

/// A list of things; what cannot be understood is left out, `[]`, `{}`, `false` and `null` are empty.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(list_of(value).into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}

/// A map; anything else (`[]` above all) is an empty one.
pub fn map<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let Value::Object(map) = Value::deserialize(deserializer)? else {
        return Ok(BTreeMap::new());
    };
    Ok(map.into_iter().filter_map(|(key, item)| Some((key, serde_json::from_value(item).ok()?))).collect())
}

/// A thing, or None for `false`, `[]`, `null` and what cannot be understood.
pub fn some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(value.is_object().then(|| serde_json::from_value(value).ok()).flatten())
}

/// The answer of methods that only do something: `true`, or `{"result": true}` as `imconnector.register` writes it, or
/// `{"SUCCESS": true}` as the sending methods do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done(pub bool);

impl<'de> Deserialize<'de> for Done {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let told = ["result", "SUCCESS"].iter().find_map(|key| value.get(key)).unwrap_or(&value);
        Ok(Self(flag_of(told)))
    }
}

/// The answer of methods that make something: its id; 0 when the portal named none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made(pub i64);

impl<'de> Deserialize<'de> for Made {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self(int_of(&value).unwrap_or(0)))
    }
}

/// A bare list as the whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list(deserializer).map(Self)
    }
}

/// A thing as the whole answer, or `false`, `[]` and the like where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maybe<T>(pub Option<T>);

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        some(deserializer).map(Self)
    }
}

/// A map that keeps its order on the wire: a portal shows a robot's fields and the options of a drop-down as they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> Ordered<K, V> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K, V> FromIterator<(K, V)> for Ordered<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<K: Serialize, V: Serialize> Serialize for Ordered<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

pub fn yes_no<S: Serializer>(truth: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *truth { "Y" } else { "N" })
}

pub fn some_yes_no<S: Serializer>(truth: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    match truth {
        Some(truth) => yes_no(truth, serializer),
        None => serializer.serialize_none(),
    }
}

/// 1 or 0, where the portal takes every non-empty text, even `N` and `false`, for a yes.
pub fn one_zero<S: Serializer>(truth: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*truth))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_truth_has_many_spellings() {
        for yes in [json!(true), json!("Y"), json!("y"), json!("1"), json!(1), json!("true")] {
            assert!(flag_of(&yes), "{yes}");
        }
        for no in [json!(false), json!("N"), json!("0"), json!(0), json!(""), json!(null), json!([])] {
            assert!(!flag_of(&no), "{no}");
        }
    }

    #[test]
    fn done_is_found_where_each_method_puts_it() {
        let done = |value| serde_json::from_value::<Done>(value).unwrap().0;
        assert!(done(json!(true)));
        assert!(done(json!({"result": true})));
        assert!(done(json!({"SUCCESS": true, "DATA": []})));
        assert!(!done(json!({"result": false})));
        assert!(!done(json!([])));
    }

    #[test]
    fn lists_come_as_lists_maps_and_nothing() {
        let list = |value| serde_json::from_value::<List<u32>>(value).unwrap().0;
        assert_eq!(list(json!([1, 2])), [1, 2]);
        assert_eq!(list(json!({"3": 7, "5": 9})), [7, 9]);
        assert_eq!(list(json!([1, "x", 3])), [1, 3]);
        assert!(list(json!(false)).is_empty());
        assert!(list(json!(null)).is_empty());
    }

    #[test]
    fn an_ordered_map_keeps_its_order() {
        let map: Ordered<_, _> = [("zebra", 1), ("ant", 2)].into_iter().collect();
        assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"zebra":1,"ant":2}"#);
    }
}
