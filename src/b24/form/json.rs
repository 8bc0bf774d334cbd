//! JSON bodies into the same tree, under the same limits. The limits are checked while reading: nothing beyond them is built.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{FormError, Limits, Value};

/// Parses a JSON document into the shape that the same data has as a form: numbers become texts, `true` and `false` become `1`
/// and `0`, `null` is left out (a list keeps the gap), of equal keys the last one counts. Whole numbers beyond 64 bits lose
/// precision.
pub fn parse_json(body: &[u8], limits: &Limits) -> Result<Value, FormError> {
    if body.len() > limits.body_bytes {
        return Err(FormError::BodyTooLong);
    }
    let state = State { limits: *limits, pairs: Cell::new(0), broken: Cell::new(None) };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = Element { state: &state, depth: 0 }.deserialize(&mut reader);
    let value = parsed.map_err(|_error| state.broken.get().unwrap_or(FormError::NotJson))?;
    reader.end().map_err(|_error| FormError::NotJson)?;
    Ok(value.unwrap_or_default())
}

/// Parses a field that holds JSON inside a form (`PLACEMENT_OPTIONS`). Portals send `""`, `[]`, `{}` and the word `undefined`
/// when there is nothing: all that is not an object is an empty map.
pub fn parse_options(text: &str, limits: &Limits) -> Value {
    if !text.trim_start().starts_with('{') {
        return Value::default();
    }
    parse_json(text.as_bytes(), limits).unwrap_or_default()
}

struct State {
    limits: Limits,
    pairs: Cell<usize>,
    /// The limit that was passed; the reader's own error type has no place for it.
    broken: Cell<Option<FormError>>,
}

impl State {
    fn refuse<E: Error>(&self, error: FormError) -> E {
        self.broken.set(Some(error));
        E::custom("limit")
    }

    fn count<E: Error>(&self) -> Result<(), E> {
        self.pairs.set(self.pairs.get() + 1);
        if self.pairs.get() > self.limits.pairs { Err(self.refuse(FormError::TooManyPairs)) } else { Ok(()) }
    }
}

struct Element<'a> {
    state: &'a State,
    depth: usize,
}

impl Element<'_> {
    fn inside<E: Error>(&self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > self.state.limits.depth {
            return Err(self.state.refuse(FormError::TooDeep));
        }
        Ok(Self { state: self.state, depth })
    }

    fn text<E: Error>(&self, text: String) -> Result<Option<Value>, E> {
        self.state.count()?;
        Ok(Some(Value::Text(storable(text))))
    }
}

fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text }
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.state.count()?;
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.text(if value { "1" } else { "0" }.to_owned())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.text(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.text(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.text(value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.text(value.to_owned())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        self.state.count()?;
        let mut entries = Vec::new();
        let mut index = 0_u64;
        while let Some(value) = list.next_element_seed(self.inside()?)? {
            if let Some(value) = value {
                entries.push((index.to_string(), value));
            }
            index += 1;
        }
        Ok(Some(Value::Map(entries)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        self.state.count()?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.len() > self.state.limits.key_bytes {
                return Err(self.state.refuse(FormError::KeyTooLong));
            }
            let key = storable(key);
            let Some(value) = map.next_value_seed(self.inside()?)? else {
                continue;
            };
            let place = *places.entry(key.clone()).or_insert(entries.len());
            match entries.get_mut(place) {
                Some(entry) => entry.1 = value,
                None => entries.push((key, value)),
            }
        }
        Ok(Some(Value::Map(entries)))
    }
}
