//! Comparison of the table with Bitrix24's machine-readable descriptions, `<method>.json` files in one folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use serde::Deserialize;

use super::{Method, Param, contract};

/// A place where table and description differ although no exception says so, or an exception that explains nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub method: String,
    /// Dotted path of the parameter, or `@scope`, `@params`, `@file`.
    pub at: String,
    pub what: String,
}

#[derive(Deserialize)]
struct Description {
    scope: Option<String>,
    #[serde(default)]
    params: Vec<Described>,
    #[serde(default)]
    defs: BTreeMap<String, Definition>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    base: String,
    required: Required,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Required {
    Known(bool),
    Unknown(#[expect(dead_code, reason = "the page does not say; only the fact counts")] String),
}

#[derive(Deserialize)]
struct Definition {
    dynamic: Option<Dynamic>,
    #[serde(default)]
    fields: Vec<Described>,
}

#[derive(Deserialize)]
struct Dynamic {
    allowed: bool,
}

/// Every difference that the table does not explain. The folder must be readable; a missing or broken file is a difference.
pub fn compare_with_spec(dir: &Path) -> io::Result<Vec<Difference>> {
    fs::read_dir(dir)?;
    let mut found = Vec::new();
    for (name, method) in &contract().method {
        let path = dir.join(format!("{name}.json"));
        let mut seen = match (fs::read_to_string(&path), method.undescribed) {
            (Err(_), true) => Vec::new(),
            (Ok(_), true) => vec![("@file".to_owned(), "a description exists".to_owned())],
            (Err(error), false) => vec![("@file".to_owned(), error.to_string())],
            (Ok(text), false) => match serde_json::from_str::<Description>(&text) {
                Ok(description) => differences(method, &description),
                Err(error) => vec![("@file".to_owned(), error.to_string())],
            },
        };
        let explained: BTreeSet<&str> = method.exceptions.iter().map(|exception| exception.at.as_str()).collect();
        for at in &explained {
            if !seen.iter().any(|(place, _)| place == at) {
                seen.push((format!("{at} "), "the exception explains no difference".to_owned()));
            }
        }
        seen.retain(|(at, _)| !explained.contains(at.as_str()));
        found.extend(seen.into_iter().map(|(at, what)| Difference { method: name.clone(), at, what }));
    }
    Ok(found)
}

fn differences(method: &Method, description: &Description) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let scope = match description.scope.as_deref() {
        // The Russian pages call methods without a scope basic ones.
        None | Some("базовый") => "",
        Some(scope) => scope,
    };
    if scope != method.scope {
        out.push(("@scope".to_owned(), format!("described as {scope:?}, here {:?}", method.scope)));
    }
    if method.exceptions.iter().any(|exception| exception.at == "@params") {
        let names: BTreeSet<&str> = description.params.iter().map(|param| param.name.as_str()).collect();
        if names != method.params.keys().map(String::as_str).collect() {
            out.push(("@params".to_owned(), "other parameters are described".to_owned()));
        }
        return out;
    }
    compare_fields("", &method.params, &description.params, description, &mut out);
    out
}

fn compare_fields(
    at: &str,
    ours: &BTreeMap<String, Param>,
    theirs: &[Described],
    description: &Description,
    out: &mut Vec<(String, String)>,
) {
    for described in theirs {
        let path = format!("{at}{}", described.name);
        let Some(param) = ours.get(&described.name) else {
            out.push((path, "described, not here".to_owned()));
            continue;
        };
        let base = if described.base == "int" { "integer" } else { described.base.as_str() };
        if param.kind != base {
            out.push((path.clone(), format!("type described as {base}, here {}", param.kind)));
        }
        if let Required::Known(required) = described.required
            && required != param.required
        {
            out.push((path.clone(), format!("required described as {required}, here {}", param.required)));
        }
        let definition = described.reference.as_deref().and_then(|reference| reference.rsplit('/').next());
        let definition = definition.and_then(|name| description.defs.get(name));
        if let Some(definition) = definition.filter(|it| !it.dynamic.as_ref().is_some_and(|it| it.allowed)) {
            match &param.fields {
                Some(fields) => {
                    compare_fields(&format!("{path}."), fields, &definition.fields, description, out);
                }
                None => out.push((path, "its fields are described, open here".to_owned())),
            }
        }
    }
    for name in ours.keys() {
        if !theirs.iter().any(|described| described.name == *name) {
            out.push((format!("{at}{name}"), "here, not described".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The descriptions are not part of this repository; `B24_SPEC` names the folder with the `<method>.json` files.
    #[test]
    #[ignore = "needs B24_SPEC, the folder of Bitrix24's method descriptions"]
    fn the_table_differs_from_the_descriptions_only_where_it_says_so() {
        let dir = std::env::var_os("B24_SPEC").expect("B24_SPEC names the folder");
        assert_eq!(compare_with_spec(Path::new(&dir)).unwrap(), []);
    }

    #[test]
    fn unexplained_differences_are_found() {
        let description: Description = serde_json::from_str(
            r##"{"scope": "im", "params": [
                {"name": "EVENT_TOKEN", "type": "string", "base": "integer", "required": "unknown"},
                {"name": "NEW", "type": "string", "base": "string", "required": true}]}"##,
        )
        .unwrap();
        let mut found = differences(contract().method("bizproc.event.send").unwrap(), &description);
        found.sort();
        let places: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
        assert_eq!(places, ["@scope", "EVENT_TOKEN", "LOG_MESSAGE", "NEW", "RETURN_VALUES"]);
    }
}
