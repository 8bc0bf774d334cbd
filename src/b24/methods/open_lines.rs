//! Open lines and their conversations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// The portal's open lines.
#[derive(Debug, Serialize)]
pub struct ConfigListGet {
    #[serde(rename = "PARAMS")]
    pub params: LineQuery,
    #[serde(rename = "OPTIONS")]
    pub options: LineOptions,
}

#[derive(Debug, Serialize)]
pub struct LineQuery {
    /// Without `QUEUE` and its like, which [`LineOptions`] asks for.
    pub select: &'static [&'static str],
    /// At most 200.
    pub limit: u32,
    pub offset: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct LineOptions {
    /// Who answers in the line, departments resolved to their people.
    #[serde(serialize_with = "values::yes_no")]
    pub queue: bool,
}

impl ConfigListGet {
    /// One page of lines, with what the settings page shows.
    pub fn page(offset: u32) -> Self {
        Self {
            params: LineQuery { select: &["ID", "LINE_NAME", "ACTIVE"], limit: Self::PAGE, offset },
            options: LineOptions { queue: true },
        }
    }

    /// The largest page that the method gives.
    pub const PAGE: u32 = 200;
}

impl Method for ConfigListGet {
    type Output = values::List<Line>;
    const NAME: &'static str = "imopenlines.config.list.get";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

/// One open line; the answer is None when there is no such line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct ConfigGet {
    pub config_id: i64,
    #[serde(serialize_with = "values::yes_no")]
    pub with_queue: bool,
    /// People who are not online too.
    #[serde(serialize_with = "values::yes_no")]
    pub show_offline: bool,
}

impl Method for ConfigGet {
    type Output = values::Maybe<Line>;
    const NAME: &'static str = "imopenlines.config.get";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct Line {
    #[serde(deserialize_with = "values::some_id")]
    pub id: Option<i64>,
    #[serde(deserialize_with = "values::text")]
    pub line_name: String,
    #[serde(deserialize_with = "values::flag")]
    pub active: bool,
    /// Portal users who answer.
    #[serde(deserialize_with = "values::ints")]
    pub queue: Vec<i64>,
    /// `hide`: texts come without the operator's name. Only [`ConfigGet`] tells.
    #[serde(deserialize_with = "values::text")]
    pub operator_data: String,
    #[serde(deserialize_with = "values::text")]
    pub language_id: String,
    /// Who takes a chat over becomes responsible for its cards; the line does that itself.
    #[serde(deserialize_with = "values::flag")]
    pub crm_transfer_change: bool,
    /// By portal user; only [`ConfigGet`] tells.
    #[serde(deserialize_with = "values::map")]
    pub queue_full: BTreeMap<String, QueueMember>,
}

/// Somebody who answers in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct QueueMember {
    /// His name for clients, where the line has its own.
    #[serde(deserialize_with = "values::text")]
    pub user_name: String,
}

impl Line {
    /// The name that stands before an operator's texts, if the line puts one there; `profile` is his own.
    pub fn signature<'a>(&'a self, user: i64, profile: &'a str) -> Option<&'a str> {
        let in_queue = self.queue_full.get(&user.to_string()).map_or("", |member| member.user_name.as_str());
        match self.operator_data.as_str() {
            "hide" => None,
            "queue" if !in_queue.is_empty() => Some(in_queue),
            _profile => Some(profile),
        }
    }
}

/// The open-line chats of a CRM card.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct CrmChatGet<'a> {
    /// `lead`, `deal`, `contact` or `company`; see [`CrmRef::chat_type`](crate::b24::crm_ref::CrmRef::chat_type).
    pub crm_entity_type: &'a str,
    pub crm_entity: i64,
    #[serde(serialize_with = "values::yes_no")]
    pub active_only: bool,
}

impl Method for CrmChatGet<'_> {
    type Output = values::List<CrmChat>;
    const NAME: &'static str = "imopenlines.crm.chat.get";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct CrmChat {
    #[serde(deserialize_with = "values::some_id")]
    pub chat_id: Option<i64>,
    #[serde(deserialize_with = "values::text")]
    pub connector_id: String,
    #[serde(deserialize_with = "values::text")]
    pub connector_title: String,
}

/// Which chat of the portal belongs to a user code (`connector|line|external chat id|portal user id`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct SessionOpen<'a> {
    pub user_code: &'a str,
}

impl Method for SessionOpen<'_> {
    type Output = values::Maybe<OpenedChat>;
    const NAME: &'static str = "imopenlines.session.open";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenedChat {
    #[serde(deserialize_with = "values::some_id")]
    pub chat_id: Option<i64>,
}

/// An open-line chat, by its user code or by its id. The token's owner must have access to it.
#[derive(Debug, Serialize)]
pub enum DialogGet<'a> {
    #[serde(rename = "USER_CODE")]
    UserCode(&'a str),
    #[serde(rename = "CHAT_ID")]
    ChatId(i64),
}

impl Method for DialogGet<'_> {
    type Output = values::Maybe<LineDialog>;
    const NAME: &'static str = "imopenlines.dialog.get";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

/// Gives a chat to a portal user, who need not be of the line's queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct OperatorTransfer {
    pub chat_id: i64,
    pub user_id: i64,
}

impl Method for OperatorTransfer {
    type Output = values::Done;
    const NAME: &'static str = "imopenlines.operator.transfer";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LineDialog {
    #[serde(deserialize_with = "values::some_id")]
    pub id: Option<i64>,
    #[serde(deserialize_with = "values::text")]
    pub name: String,
    /// The operator who leads it; None while it waits in the queue.
    #[serde(deserialize_with = "values::some_id")]
    pub owner: Option<i64>,
    /// The user code.
    #[serde(deserialize_with = "values::text")]
    pub entity_id: String,
    #[serde(deserialize_with = "values::text")]
    pub entity_data_1: String,
    /// `LEAD|id|COMPANY|id|CONTACT|id|DEAL|id`.
    #[serde(deserialize_with = "values::text")]
    pub entity_data_2: String,
    #[serde(deserialize_with = "values::some_id")]
    pub last_message_id: Option<i64>,
}

impl LineDialog {
    /// The current session: the sixth field of `entity_data_1`. It changes with every session, so it is not kept.
    pub fn session_id(&self) -> Option<i64> {
        let id = self.entity_data_1.split('|').nth(5)?.parse().ok()?;
        (id > 0).then_some(id)
    }

    /// The cards of this chat: pairs of a type (`LEAD`, `CONTACT`, …) and an id.
    pub fn cards(&self) -> Vec<(&str, i64)> {
        let fields: Vec<&str> = self.entity_data_2.split('|').collect();
        fields
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [kind, id] => Some((*kind, id.parse().ok()?)),
                _ => None,
            })
            .filter(|(_, id)| *id > 0)
            .collect()
    }
}

/// The messages of a session, to find what an event did not bring and what became of an uncertain call.
#[derive(Debug, Serialize)]
pub enum SessionHistoryGet {
    #[serde(rename = "SESSION_ID")]
    Session(i64),
    #[serde(rename = "CHAT_ID")]
    Chat(i64),
}

impl Method for SessionHistoryGet {
    type Output = values::Maybe<History>;
    const NAME: &'static str = "imopenlines.session.history.get";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    #[serde(deserialize_with = "values::some_id")]
    pub chat_id: Option<i64>,
    #[serde(deserialize_with = "values::some_id")]
    pub session_id: Option<i64>,
    /// By message id; the keys sort as texts, so sort by `id` where order matters.
    #[serde(deserialize_with = "values::list")]
    pub message: Vec<HistoryMessage>,
    /// By user id.
    #[serde(deserialize_with = "values::map")]
    pub users: BTreeMap<String, HistoryUser>,
    /// By chat id: the one chat.
    #[serde(deserialize_with = "values::map")]
    pub chat: BTreeMap<String, HistoryChat>,
    /// By file id.
    #[serde(deserialize_with = "values::map")]
    pub files: BTreeMap<String, HistoryFile>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HistoryMessage {
    #[serde(deserialize_with = "values::some_id")]
    pub id: Option<i64>,
    /// A portal user; 0 is the system.
    #[serde(deserialize_with = "values::some_int")]
    pub senderid: Option<i64>,
    /// ISO 8601.
    #[serde(deserialize_with = "values::text")]
    pub date: String,
    /// BB-code, without a signature; empty when it was deleted.
    #[serde(deserialize_with = "values::text")]
    pub text: String,
    #[serde(deserialize_with = "values::some")]
    pub params: Option<HistoryParams>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HistoryParams {
    /// Ids of the messenger, where they are known.
    #[serde(alias = "CONNECTOR_MID", deserialize_with = "values::texts")]
    pub connector_mid: Vec<String>,
    #[serde(alias = "FILE_ID", deserialize_with = "values::texts")]
    pub file_id: Vec<String>,
    /// How the portal's page draws it. An operator's own words to the client have none; his words in whisper mode and everything
    /// that the portal says in his name have one (`bx-messenger-content-item-…`).
    #[serde(alias = "CLASS", deserialize_with = "values::texts")]
    pub class: Vec<String>,
    /// `Y` when it was.
    #[serde(alias = "IS_DELETED", deserialize_with = "values::texts")]
    pub is_deleted: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HistoryUser {
    #[serde(deserialize_with = "values::text")]
    pub name: String,
    /// A client of a connector.
    #[serde(deserialize_with = "values::flag")]
    pub connector: bool,
    #[serde(deserialize_with = "values::flag")]
    pub bot: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HistoryChat {
    /// The user code.
    #[serde(deserialize_with = "values::text")]
    pub entity_id: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HistoryFile {
    #[serde(deserialize_with = "values::text")]
    pub name: String,
    /// `image`, `video`, `audio` or `file`.
    #[serde(rename = "type", deserialize_with = "values::text")]
    pub kind: String,
    #[serde(deserialize_with = "values::some_int")]
    pub size: Option<i64>,
    /// At times it opens only in a browser that is signed in to the portal.
    #[serde(rename = "urlDownload", alias = "urldownload", deserialize_with = "values::text")]
    pub url_download: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn lines_come_with_texts_and_numbers_mixed() {
        let lines: values::List<Line> = from_value(json!([
            {"ID": "15", "LINE_NAME": "Sales", "ACTIVE": "Y", "QUEUE": [101, "205"], "QUEUE_USERS_FIELDS": []},
            {"ID": 16, "LINE_NAME": "Help", "ACTIVE": "N", "QUEUE": {"1": "7"}}
        ]))
        .unwrap();
        assert_eq!(lines.0[0].queue, [101, 205]);
        assert_eq!((lines.0[1].id, lines.0[1].active), (Some(16), false));
        assert_eq!(lines.0[1].queue, [7]);
        let none: values::Maybe<Line> = from_value(json!(false)).unwrap();
        assert_eq!(none.0, None);
    }

    #[test]
    fn a_dialog_names_its_session_and_cards() {
        let dialog: values::Maybe<LineDialog> = from_value(json!({
            "id": 1777, "name": "Guest - Sales", "owner": "27", "entity_id": "chatapp_vk|22|a:1|599",
            "entity_data_1": "Y|LEAD|1209|N|N|343|1773682918|0|0|0",
            "entity_data_2": "LEAD|1209|COMPANY|0|CONTACT|12|DEAL|0", "last_message_id": 86313
        }))
        .unwrap();
        let dialog = dialog.0.unwrap();
        assert_eq!(dialog.session_id(), Some(343));
        assert_eq!(dialog.cards(), [("LEAD", 1209), ("CONTACT", 12)]);
        assert_eq!(LineDialog::default().session_id(), None);
        assert!(LineDialog::default().cards().is_empty());
    }

    #[test]
    fn a_dialog_is_asked_by_one_key() {
        assert_eq!(to_value(DialogGet::UserCode("a|1|b|2")).unwrap(), json!({"USER_CODE": "a|1|b|2"}));
        assert_eq!(to_value(SessionHistoryGet::Chat(5)).unwrap(), json!({"CHAT_ID": 5}));
    }

    #[test]
    fn history_is_a_map_of_messages_with_our_ids_or_without() {
        let history: values::Maybe<History> = from_value(json!({
            "chatId": "1763", "sessionId": 321,
            "message": {"9": {"id": "9", "senderid": "27", "date": "2026-03-16T15:25:05+03:00", "text": "a",
                              "params": {"connectorMid": ["77"]}},
                        "10": {"id": 10, "senderid": 0, "text": "b", "params": []}},
            "files": []
        }))
        .unwrap();
        let mut messages = history.0.unwrap().message;
        messages.sort_by_key(|message| message.id);
        assert_eq!(messages[0].params.as_ref().unwrap().connector_mid, ["77"]);
        assert_eq!((messages[1].id, messages[1].params.as_ref()), (Some(10), None));
    }
}
