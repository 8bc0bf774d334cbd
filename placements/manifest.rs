//! `placement.toml` as types, and its binding in a portal.

use serde::Deserialize;
use serde_json::{Value, json};

/// A text in the two languages every screen has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Localized {
    /// English; also for every other language.
    pub en: String,
    /// Russian.
    pub ru: String,
}

impl Localized {
    /// The text for a language code such as `ru` or `RU`; English for every code but Russian.
    pub fn get(&self, language: &str) -> &str {
        if language.eq_ignore_ascii_case("ru") { &self.ru } else { &self.en }
    }
}

/// The whole description of a placement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name in our routes and sessions.
    pub name: String,
    /// The path of our server that serves it.
    pub route: String,
    /// The portal's placement codes; empty when every code opens it.
    pub codes: Vec<String>,
    /// Whether `placement.bind` is called for the codes; otherwise the portal learns the address in another way.
    pub bind: bool,
    /// Who may open it.
    pub audience: Audience,
    /// Title of the tab or page.
    pub title: Localized,
}

/// Who may open a placement. The trunk proves it with the person's own token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Everybody who may open the application; what only administrators may do is checked per action.
    Everyone,
    /// Administrators of the portal.
    Administrators,
    /// Whoever may change connectors: `imconnector.list` with the person's token answers only them.
    ConnectorManagers,
}

impl Manifest {
    /// Reads and checks a `placement.toml`; the error is a sentence for the developer.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if manifest.name.is_empty() || !manifest.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return Err(format!("`{}` is no placement name", manifest.name));
        }
        if !manifest.route.starts_with("/b24/") {
            return Err(format!("{} has no route of ours", manifest.name));
        }
        if manifest.bind && manifest.codes.is_empty() {
            return Err(format!("{} is bound to no code", manifest.name));
        }
        // The portal accepts a binding of these two and never shows it.
        let unbindable = ["DEFAULT", "SETTING_CONNECTOR"];
        if manifest.bind && manifest.codes.iter().any(|code| unbindable.contains(&code.as_str())) {
            return Err(format!("{} cannot be bound", manifest.name));
        }
        if manifest.title.en.trim().is_empty() || manifest.title.ru.trim().is_empty() {
            return Err(format!("{} lacks a title", manifest.name));
        }
        Ok(manifest)
    }

    /// Whether the portal may open it under this code, which may come in any case.
    pub fn serves(&self, code: &str) -> bool {
        self.codes.is_empty() || self.codes.iter().any(|own| own.eq_ignore_ascii_case(code.trim()))
    }
}

/// Parameters of `placement.bind`, one call per code; nothing for a placement that is not bound. `handler` is the full
/// address. A title cannot be changed by binding again: unbind first.
pub fn bindings(manifest: &Manifest, handler: &str) -> Vec<Value> {
    if !manifest.bind {
        return Vec::new();
    }
    let titles = json!({ "en": { "TITLE": manifest.title.en }, "ru": { "TITLE": manifest.title.ru } });
    let binding = |code: &String| json!({ "PLACEMENT": code, "HANDLER": handler, "LANG_ALL": titles });
    manifest.codes.iter().map(binding).collect()
}
