//! Automation robots: their registration, and the answer to one that waits.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::b24::{
    method::{Method, Scope},
    values::{self, Ordered},
};

/// Texts per language; `en` must be there, because it is what other languages fall back to.
pub type Texts = BTreeMap<String, String>;

/// Everything about a robot but its code.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct RobotFields {
    /// At most 1000 characters, http or https, a host with a dot.
    pub handler: String,
    /// Whose token comes with a firing, unless the person who placed the robot chose another.
    pub auth_user_id: i64,
    /// The process waits for [`EventSend`]. Always told: what nothing means, the portal and its documentation disagree.
    #[serde(serialize_with = "values::yes_no")]
    pub use_subscription: bool,
    pub name: Texts,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub description: Texts,
    /// In the order in which the form shows them.
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub properties: Ordered<String, Property>,
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub return_properties: Ordered<String, Property>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Our own page instead of the portal's form.
    #[serde(serialize_with = "values::yes_no")]
    pub use_placement: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement_handler: Option<String>,
}

/// A field of a robot, or one of its results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Property {
    pub name: Texts,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub description: Texts,
    /// `string`, `text`, `int`, `bool`, `select`, `file`, …
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(serialize_with = "values::yes_no")]
    pub required: bool,
    #[serde(serialize_with = "values::yes_no")]
    pub multiple: bool,
    /// For `select` the key of an option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Key to label of a `select`, in the order shown. Labels are plain texts: a map of languages would be misread.
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub options: Ordered<String, String>,
}

/// On which documents a robot is offered; each rule is a beginning of `[module, class, type]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Filter {
    pub include: Vec<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct RobotAdd<'a> {
    /// Forever: placed robots name it.
    pub code: &'a str,
    #[serde(flatten)]
    pub fields: &'a RobotFields,
}

impl Method for RobotAdd<'_> {
    type Output = values::Done;
    const NAME: &'static str = "bizproc.robot.add";
    const SCOPE: Scope = Scope::Bizproc;
    /// A second call is refused with `ERROR_ACTIVITY_ALREADY_INSTALLED`.
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct RobotUpdate<'a> {
    pub code: &'a str,
    pub fields: &'a RobotFields,
}

impl Method for RobotUpdate<'_> {
    type Output = values::Done;
    const NAME: &'static str = "bizproc.robot.update";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

/// The codes of our robots. On plans without automation the method does not exist.
#[derive(Debug, Serialize)]
pub struct RobotList {}

impl Method for RobotList {
    type Output = values::List<String>;
    const NAME: &'static str = "bizproc.robot.list";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct RobotDelete<'a> {
    pub code: &'a str,
}

impl Method for RobotDelete<'_> {
    type Output = values::Done;
    const NAME: &'static str = "bizproc.robot.delete";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

/// Answers a waiting robot. The portal runs the following robots inside this call, for seconds. A second answer to the
/// same step is ignored.
#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct EventSend<'a> {
    /// A secret: whoever has it can answer.
    pub event_token: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub return_values: &'a BTreeMap<String, ReturnValue>,
    /// A line of the process's log.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub log_message: &'a str,
}

/// A result of a robot; truths go as `Y` and `N` texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ReturnValue {
    Text(String),
    Many(Vec<String>),
}

impl Method for EventSend<'_> {
    /// True does not prove that the process went on.
    type Output = values::Done;
    const NAME: &'static str = "bizproc.event.send";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(en: &str, ru: &str) -> Texts {
        [("en", en), ("ru", ru)]
            .map(|(lang, text)| (lang.to_owned(), text.to_owned()))
            .into()
    }

    fn fields() -> RobotFields {
        let property = Property {
            name: texts("Channel", "Канал"),
            kind: "select".into(),
            required: true,
            options: [("waba", "WABA"), ("avito", "Avito")]
                .map(|(key, label)| (key.to_owned(), label.to_owned()))
                .into_iter()
                .collect(),
            ..Property::default()
        };
        RobotFields {
            handler: "https://app.example/b24/robots/ca_send_message".into(),
            auth_user_id: 1,
            use_subscription: true,
            name: texts("Send a message", "Отправить сообщение"),
            properties: Ordered(vec![
                ("message".into(), Property::default()),
                ("channel".into(), property),
            ]),
            ..RobotFields::default()
        }
    }

    #[test]
    fn a_robot_goes_out_in_the_documented_form_and_order() {
        let fields = fields();
        let add = RobotAdd {
            code: "ca_send_message",
            fields: &fields,
        };
        let text = serde_json::to_string(&add).unwrap();
        assert!(
            text.find("\"message\"") < text.find("\"channel\""),
            "{text}"
        );
        assert!(
            text.contains(r#""Options":{"waba":"WABA","avito":"Avito"}"#),
            "{text}"
        );
        let value = serde_json::to_value(&add).unwrap();
        assert_eq!(value["USE_SUBSCRIPTION"], json!("Y"));
        assert_eq!(value["USE_PLACEMENT"], json!("N"));
        assert_eq!(value["PROPERTIES"]["channel"]["Type"], json!("select"));
        assert_eq!(value["PROPERTIES"]["channel"]["Required"], json!("Y"));
        assert!(value.get("PLACEMENT_HANDLER").is_none());
    }

    #[test]
    fn an_update_puts_the_fields_under_one_key() {
        let fields = fields();
        let value = serde_json::to_value(RobotUpdate {
            code: "ca_send_message",
            fields: &fields,
        })
        .unwrap();
        assert_eq!(value["CODE"], json!("ca_send_message"));
        assert_eq!(value["FIELDS"]["AUTH_USER_ID"], json!(1));
    }
}
