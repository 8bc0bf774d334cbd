//! Connectors: the tiles of the Contact Center, and their state on each open line.

use serde::{Deserialize, Serialize};

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// Registers a kind of messenger; the same id again changes it. Truths go as JSON booleans: the portal compares strictly.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Register<'a> {
    /// Lower-case letters, digits and `_`; no dot.
    pub id: &'a str,
    pub name: &'a str,
    pub icon: Icon<'a>,
    pub icon_disabled: Icon<'a>,
    /// The page inside the Contact Center (placement `SETTING_CONNECTOR`, which is bound by this call alone).
    pub placement_handler: &'a str,
    #[serde(flatten)]
    pub flags: ConnectorFlags,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Icon<'a> {
    /// An SVG as a data URI.
    pub data_image: &'a str,
    /// The background, `#rrggbb`.
    pub color: &'a str,
    /// CSS `background-size`, for example `90%`.
    pub size: &'a str,
    /// CSS `background-position`, for example `center`.
    pub position: &'a str,
}

/// What the messenger can do, so that the portal offers no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the portal's own independent switches, one field each"
)]
pub struct ConnectorFlags {
    /// The client may delete his messages.
    pub del_external_messages: bool,
    /// Operators may edit theirs: we get update events.
    pub edit_internal_messages: bool,
    /// Operators may delete theirs: we get delete events.
    pub del_internal_messages: bool,
    /// The channel may be used in the portal's own mailings.
    pub newsletter: bool,
    /// Automatic texts of the line go to the client too.
    pub need_system_messages: bool,
    /// Texts begin with the operator's name.
    pub need_signature: bool,
    /// Conversations are groups. It belongs to the connector, not to a chat.
    pub chat_group: bool,
}

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
        let activate = |active| {
            to_value(Activate {
                connector: "chatapp_telegram",
                line: 107,
                active,
            })
            .unwrap()
        };
        assert_eq!(
            activate(true),
            json!({"CONNECTOR": "chatapp_telegram", "LINE": 107, "ACTIVE": 1})
        );
        assert_eq!(activate(false)["ACTIVE"], json!(0));
    }

    #[test]
    fn a_registration_has_the_documented_keys_and_json_booleans() {
        let icon = Icon {
            data_image: "data:image/svg+xml,x",
            color: "#2aabee",
            size: "90%",
            position: "center",
        };
        let register = Register {
            id: "chatapp_telegram",
            name: "ChatApp - Telegram (external provider)",
            icon,
            icon_disabled: icon,
            placement_handler: "https://app.example/b24/placements/connector",
            flags: ConnectorFlags {
                del_external_messages: false,
                edit_internal_messages: true,
                del_internal_messages: true,
                newsletter: false,
                need_system_messages: true,
                need_signature: true,
                chat_group: false,
            },
        };
        assert_eq!(
            to_value(register).unwrap(),
            json!({
                "ID": "chatapp_telegram",
                "NAME": "ChatApp - Telegram (external provider)",
                "ICON": {"DATA_IMAGE": "data:image/svg+xml,x", "COLOR": "#2aabee", "SIZE": "90%", "POSITION": "center"},
                "ICON_DISABLED": {"DATA_IMAGE": "data:image/svg+xml,x", "COLOR": "#2aabee", "SIZE": "90%", "POSITION": "center"},
                "PLACEMENT_HANDLER": "https://app.example/b24/placements/connector",
                "DEL_EXTERNAL_MESSAGES": false,
                "EDIT_INTERNAL_MESSAGES": true,
                "DEL_INTERNAL_MESSAGES": true,
                "NEWSLETTER": false,
                "NEED_SYSTEM_MESSAGES": true,
                "NEED_SIGNATURE": true,
                "CHAT_GROUP": false
            })
        );
    }
}
