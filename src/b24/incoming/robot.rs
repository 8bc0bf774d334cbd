//! A robot firing.

use std::collections::BTreeMap;

use super::{Auth, Malformed, some_text};
use crate::{
    b24::{crm_ref::CrmRef, form::Value},
    clock::Millis,
    secret::Secret,
};

/// One firing of a robot.
#[derive(Clone, Debug)]
pub struct RobotCall {
    pub code: String,
    pub workflow_id: String,
    /// Module, class, document: `crm`, `CCrmDocumentDeal`, `DEAL_12`. Empty texts where the portal sent nothing.
    pub document_id: [String; 3],
    /// Module, class, type.
    pub document_type: [String; 3],
    /// Unique per firing; whoever has it can answer.
    pub event_token: Secret,
    /// By code; a single value is a list of one, an empty one an empty list.
    pub properties: BTreeMap<String, Vec<String>>,
    /// Whether the process waits for our answer. Decides for this firing, whatever the robot is registered with.
    pub use_subscription: bool,
    /// Seconds after which the process goes on without us; None: never.
    pub timeout_s: Option<u64>,
    /// When the portal sent it.
    pub sent_at: Option<Millis>,
    /// Its tokens are those of "run as": rights and authorship follow them.
    pub auth: Auth,
}

impl RobotCall {
    pub fn from_form(form: &Value) -> Result<Self, Malformed> {
        let required = |key: &'static str| some_text(form, &[key]).ok_or(Malformed(key));
        Ok(Self {
            auth: Auth::from_form(form)?,
            code: required("code")?.to_owned(),
            event_token: Secret::new(required("event_token")?),
            workflow_id: form.text(&["workflow_id"]).unwrap_or_default().to_owned(),
            document_id: triple(form, "document_id"),
            document_type: triple(form, "document_type"),
            properties: properties(form.get(&["properties"])),
            use_subscription: form.flag(&["use_subscription"]).unwrap_or(false),
            timeout_s: form
                .int(&["timeout_duration"])
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0),
            sent_at: form.int(&["ts"]).map(Millis::from_seconds),
        })
    }

    /// The card that the robot works on; None for other documents.
    pub fn card(&self) -> Option<CrmRef> {
        let [module, _, document] = &self.document_id;
        if !module.eq_ignore_ascii_case("crm") {
            return None;
        }
        CrmRef::from_document_id(document)
    }

    /// The first value of a property; None when it is missing or empty.
    pub fn property(&self, code: &str) -> Option<&str> {
        self.properties.get(code)?.first().map(String::as_str)
    }
}

fn triple(form: &Value, key: &str) -> [String; 3] {
    ["0", "1", "2"].map(|index| form.text(&[key, index]).unwrap_or_default().to_owned())
}

fn properties(field: Option<&Value>) -> BTreeMap<String, Vec<String>> {
    let Some(Value::Map(entries)) = field else {
        return BTreeMap::new();
    };
    entries.iter().map(|(code, value)| (code.clone(), property_values(value))).collect()
}

/// A value, a list of them, or the CRM's own `{VALUE, VALUE_TYPE}`.
fn property_values(value: &Value) -> Vec<String> {
    let one = |value: &Value| some_text(value, &[]).or_else(|| some_text(value, &["VALUE"])).map(str::to_owned);
    match one(value) {
        Some(text) => vec![text],
        None => value.items(&[]).into_iter().filter_map(one).collect(),
    }
}
