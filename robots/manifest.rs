//! `robot.toml` as types. A forgotten language, an unknown key or a name the portal would refuse does not load.

use serde::Deserialize;

/// A text in the two languages every robot has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Localized {
    /// English; also what portals of every other language see.
    pub en: String,
    /// Russian; portals show it to Ukrainian viewers as well.
    pub ru: String,
}

impl Localized {
    /// The text for a language code such as `ru` or `RU`; English for every code but Russian.
    pub fn get(&self, language: &str) -> &str {
        if language.eq_ignore_ascii_case("ru") { &self.ru } else { &self.en }
    }

    fn is_complete(&self) -> bool {
        !self.en.trim().is_empty() && !self.ru.trim().is_empty()
    }
}

/// The whole description of a robot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `CODE` of the registration: permanent, because placed robots keep it.
    pub code: String,
    /// Whether the process waits for the answer. The payload of a firing decides, since a saved robot keeps the old value.
    pub use_subscription: bool,
    /// Caption without the application's name, which the portal itself puts before it.
    pub name: Localized,
    /// One sentence for the person who chooses a robot.
    pub description: Localized,
    /// Input fields in the order of the settings dialog.
    #[serde(rename = "property")]
    pub properties: Vec<Property>,
    /// Results that later robots of the process can use.
    #[serde(rename = "returns")]
    pub returns: Vec<ReturnProperty>,
}

/// An input field of a robot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Property {
    /// Code of the field: lower snake case, because the portal compares codes without case.
    pub key: String,
    /// How the dialog shows it and how its value is encoded.
    #[serde(rename = "type")]
    pub kind: PropertyType,
    /// Enforced by the portal only when the dialog is saved: a firing may still bring it empty.
    #[serde(default)]
    pub required: bool,
    /// Whether the dialog takes several values.
    #[serde(default)]
    pub multiple: bool,
    /// Whether values are addresses of people: the trunk normalises them into [`crate::Call::addresses`].
    #[serde(default)]
    pub addresses: bool,
    /// Value of a new robot; also what older placed robots get for a property added later.
    pub default: Option<String>,
    /// Which of the portal's lists fills a `select`.
    pub options: Option<OptionSource>,
    /// Label of the field.
    pub name: Localized,
    /// Placeholder of the field.
    pub description: Option<Localized>,
}

/// A result of a robot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnProperty {
    /// Code of the result; never that of an input field, which would win.
    pub key: String,
    /// How the portal keeps it.
    #[serde(rename = "type")]
    pub kind: PropertyType,
    /// Label in the list of results.
    pub name: Localized,
}

/// The portal's field types that this product uses. Dates are left out on purpose: they arrive in the portal's own
/// format and time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PropertyType {
    /// One line.
    String,
    /// Several lines.
    Text,
    /// `Y`, `N` or nothing.
    Bool,
    /// One key of a list.
    Select,
}

impl PropertyType {
    /// The name that Bitrix24 knows.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Select => "select",
        }
    }
}

/// A list of the portal that fills a `select`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptionSource {
    /// The portal's own channels.
    Channels,
    /// The portal's Open Channels that have one of our channels.
    Lines,
}

/// Names that the portal's own activity code already uses for itself.
const RESERVED: [&str; 8] = [
    "title",
    "usesubscription",
    "istimeout",
    "authuserid",
    "setstatusmessage",
    "statusmessage",
    "timeoutduration",
    "timeoutdurationtype",
];

impl Manifest {
    /// Reads and checks a `robot.toml`; the error is a sentence for the developer.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The input field with this code.
    pub fn property(&self, key: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.key == key)
    }

    fn check(&self) -> Result<(), String> {
        let code_fits =
            self.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if self.code.is_empty() || self.code.len() > 128 || !code_fits {
            return Err(format!("`{}` is no robot code", self.code));
        }
        let mut seen: Vec<&str> = Vec::new();
        let inputs = self.properties.iter().map(|property| (property.key.as_str(), &property.name));
        let results = self.returns.iter().map(|result| (result.key.as_str(), &result.name));
        for (key, name) in inputs.chain(results) {
            if !key_fits(key) || RESERVED.contains(&key.replace('_', "").as_str()) {
                return Err(format!("`{key}` of {} is no property code", self.code));
            }
            if seen.contains(&key) {
                return Err(format!("`{key}` of {} is there twice", self.code));
            }
            if !name.is_complete() {
                return Err(format!("`{key}` of {} lacks a name", self.code));
            }
            seen.push(key);
        }
        if !self.name.is_complete() || !self.description.is_complete() {
            return Err(format!("{} lacks a name or description", self.code));
        }
        self.properties.iter().try_for_each(|property| property.check(&self.code))
    }
}

impl Property {
    fn check(&self, code: &str) -> Result<(), String> {
        if (self.kind == PropertyType::Select) != self.options.is_some() {
            return Err(format!("`{}` of {code}: a select, and only a select, names its options", self.key));
        }
        if self.addresses && !matches!(self.kind, PropertyType::String | PropertyType::Text) {
            return Err(format!("`{}` of {code}: addresses are written as text", self.key));
        }
        if self.kind == PropertyType::Bool && !matches!(self.default.as_deref(), None | Some("Y" | "N")) {
            return Err(format!("`{}` of {code}: the default of a bool is Y or N", self.key));
        }
        Ok(())
    }
}

fn key_fits(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_lowercase())
        && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
