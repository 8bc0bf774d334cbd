//! A manifest as parameters of `bizproc.robot.add` and `bizproc.robot.update`.

use serde_json::{Map, Value, json};

use crate::manifest::{Localized, Manifest, OptionSource, Property, PropertyType};

/// What the registration needs besides the manifest.
#[derive(Debug, Clone, Copy)]
pub struct Handler<'a> {
    /// Address for the firings.
    pub url: &'a str,
    /// The portal user whose token comes with a firing.
    pub user_id: u64,
    /// Language of the portal: labels of options cannot be translated per viewer.
    pub language: &'a str,
    /// What the select fields offer.
    pub options: &'a PortalOptions,
}

/// The portal's own lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortalOptions {
    /// Its channels, keyed by [`crate::Channel::id`].
    pub channels: Vec<PortalOption>,
    /// Its Open Channels, keyed by number.
    pub lines: Vec<PortalOption>,
}

/// One entry of a drop-down list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalOption {
    /// What a firing brings.
    pub key: String,
    /// What the person reads.
    pub label: String,
}

/// Largest part of one option list in the portal's row, in bytes. The portal refuses serialised properties of 65 535
/// bytes and more; two lists and the labels must fit.
const OPTIONS_LIMIT_BYTES: usize = 24_000;

/// Bytes that the portal's serialisation adds to one option (`s:12:"…";s:34:"…";`).
const OPTION_OVERHEAD_BYTES: usize = 24;

/// Longest label, in characters.
const LABEL_LIMIT_CHARS: usize = 100;

/// Classes of the CRM documents that robots are offered for. Two elements, so that a rule matches every type of the
/// class, smart processes included.
const DOCUMENTS: [&str; 8] = [
    "CCrmDocumentLead",
    "CCrmDocumentDeal",
    "CCrmDocumentContact",
    "CCrmDocumentCompany",
    r"Bitrix\Crm\Integration\BizProc\Document\Quote",
    r"Bitrix\Crm\Integration\BizProc\Document\SmartInvoice",
    r"Bitrix\Crm\Integration\BizProc\Document\Order",
    r"Bitrix\Crm\Integration\BizProc\Document\Dynamic",
];

/// Parameters of `bizproc.robot.add`. To be sent as JSON: option keys keep their case and order only there.
pub fn registration(manifest: &Manifest, handler: &Handler<'_>) -> Value {
    let mut parameters = fields(manifest, handler);
    parameters.insert("CODE".to_owned(), Value::from(manifest.code.as_str()));
    Value::Object(parameters)
}

/// Parameters of `bizproc.robot.update`, which replaces the properties as a whole.
pub fn registration_update(manifest: &Manifest, handler: &Handler<'_>) -> Value {
    json!({ "CODE": manifest.code, "FIELDS": fields(manifest, handler) })
}

fn fields(manifest: &Manifest, handler: &Handler<'_>) -> Map<String, Value> {
    let include: Vec<Value> = DOCUMENTS.iter().map(|class| json!(["crm", class])).collect();
    let properties: Map<String, Value> =
        manifest.properties.iter().map(|property| (property.key.clone(), descriptor(property, handler))).collect();
    let returns: Map<String, Value> = manifest
        .returns
        .iter()
        .map(|result| (result.key.clone(), json!({ "Name": texts(&result.name), "Type": result.kind.wire() })))
        .collect();
    let mut fields = Map::new();
    fields.insert("HANDLER".to_owned(), Value::from(handler.url));
    fields.insert("AUTH_USER_ID".to_owned(), Value::from(handler.user_id));
    fields.insert("USE_SUBSCRIPTION".to_owned(), Value::from(letter(manifest.use_subscription)));
    fields.insert("NAME".to_owned(), texts(&manifest.name));
    fields.insert("DESCRIPTION".to_owned(), texts(&manifest.description));
    fields.insert("PROPERTIES".to_owned(), Value::Object(properties));
    fields.insert("RETURN_PROPERTIES".to_owned(), Value::Object(returns));
    fields.insert("FILTER".to_owned(), json!({ "INCLUDE": include }));
    fields
}

fn descriptor(property: &Property, handler: &Handler<'_>) -> Value {
    let options = property.options.map(|source| options(source, handler.options)).unwrap_or_default();
    // A select without options can never store a value, and one that is too long is refused as a whole: both become a
    // line in which the key can be written.
    let kind = match property.kind {
        PropertyType::Select if options.is_empty() => PropertyType::String,
        kind => kind,
    };
    let mut descriptor = Map::new();
    descriptor.insert("Name".to_owned(), texts(&property.name));
    if let Some(description) = &property.description {
        descriptor.insert("Description".to_owned(), texts(description));
    }
    descriptor.insert("Type".to_owned(), Value::from(kind.wire()));
    descriptor.insert("Required".to_owned(), Value::from(letter(property.required)));
    descriptor.insert("Multiple".to_owned(), Value::from(letter(property.multiple)));
    if let Some(default) = &property.default {
        descriptor.insert("Default".to_owned(), Value::from(default.as_str()));
    }
    if !options.is_empty() {
        descriptor.insert("Options".to_owned(), Value::Object(options));
    }
    Value::Object(descriptor)
}

fn options(source: OptionSource, portal: &PortalOptions) -> Map<String, Value> {
    let list = match source {
        OptionSource::Channels => &portal.channels,
        OptionSource::Lines => &portal.lines,
    };
    let mut size = 0_usize;
    let mut options = Map::new();
    for option in list {
        let label: String = option.label.chars().take(LABEL_LIMIT_CHARS).collect();
        size += option.key.len() + label.len() + OPTION_OVERHEAD_BYTES;
        if size > OPTIONS_LIMIT_BYTES {
            return Map::new();
        }
        options.insert(option.key.clone(), Value::from(label));
    }
    options
}

fn texts(text: &Localized) -> Value {
    json!({ "en": text.en, "ru": text.ru })
}

const fn letter(flag: bool) -> &'static str {
    if flag { "Y" } else { "N" }
}
