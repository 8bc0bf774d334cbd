//! Connectors: the tiles of the Contact Center, and their state on each open line.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// Registers a kind of messenger; the same id again changes it. The parameters are made by the connector's manifest
/// (`placements::connectors::registration`). Truths are JSON booleans: the portal compares strictly.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Register<'a>(pub &'a Value);

impl Method for Register<'_> {
    type Output = values::Done;
    const NAME: &'static str = "imconnector.register";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

/// Removes a connector from every line. A failure for one that was never active means nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Unregister<'a> {
    pub id: &'a str,
}

impl Method for Unregister<'_> {
    type Output = values::Done;
    const NAME: &'static str = "imconnector.unregister";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

/// Switches a connector on or off on one line. Off makes the portal send `ONIMCONNECTORSTATUSDELETE`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Activate<'a> {
    pub connector: &'a str,
    pub line: i64,
    /// Goes as 1 or 0: every non-empty text, even `N`, means on.
    #[serde(serialize_with = "values::one_zero")]
    pub active: bool,
}

impl Method for Activate<'_> {
    type Output = values::Done;
    const NAME: &'static str = "imconnector.activate";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Status<'a> {
    pub connector: &'a str,
    pub line: i64,
}

impl Method for Status<'_> {
    type Output = values::Maybe<ConnectorStatus>;
    const NAME: &'static str = "imconnector.status";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct ConnectorStatus {
    /// Set by [`SetError`], cleared by [`Activate`].
    #[serde(deserialize_with = "values::flag")]
    pub error: bool,
    #[serde(deserialize_with = "values::flag")]
    pub configured: bool,
    /// Everything together: false means that operators cannot write.
    #[serde(deserialize_with = "values::flag")]
    pub status: bool,
}

/// Names the outside account of a line for the portal's widgets. All four are always sent: the documentation overwrites
/// what is missing, the portal's code merges.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct DataSet<'a> {
    pub connector: &'a str,
    pub line: i64,
    pub data: ConnectorData<'a>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct ConnectorData<'a> {
    pub id: &'a str,
    /// Where a client starts a conversation.
    pub url: &'a str,
    pub url_im: &'a str,
    pub name: &'a str,
}

impl Method for DataSet<'_> {
    type Output = values::Done;
    const NAME: &'static str = "imconnector.connector.data.set";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

/// What a chat is called; it must exist. Ids are ours: of the chat, and of its client unless the connector is for groups.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct ChatNameSet<'a> {
    pub connector: &'a str,
    pub line: i64,
    /// The external chat id.
    pub chat_id: &'a str,
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a str>,
}

impl Method for ChatNameSet<'_> {
    type Output = serde::de::IgnoredAny;
    const NAME: &'static str = "imconnector.chat.name.set";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

/// Marks a connector on a line as broken: operators cannot write until it is activated again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct SetError<'a> {
    pub connector: &'a str,
    pub line: i64,
}

impl Method for SetError<'_> {
    type Output = values::Done;
    const NAME: &'static str = "imconnector.set.error";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn on_and_off_are_numbers() {
        let activate = |active| to_value(Activate { connector: "chatapp_telegram", line: 107, active }).unwrap();
        assert_eq!(activate(true), json!({"CONNECTOR": "chatapp_telegram", "LINE": 107, "ACTIVE": 1}));
        assert_eq!(activate(false)["ACTIVE"], json!(0));
    }
}
