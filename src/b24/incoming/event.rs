//! An event of a portal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Auth, Malformed, attachments::with_attachments, some_text};
use crate::{
    b24::{
        form::Value,
        methods::{events::CARD_EVENTS, messages::ImRef},
    },
    clock::Millis,
    secret::fingerprint,
};

/// An event with its sender.
#[derive(Clone, Debug)]
pub struct EventPost {
    /// In upper case.
    pub name: String,
    pub event: PortalEvent,
    pub auth: Auth,
    /// When the portal sent it.
    pub sent_at: Option<Millis>,
}

/// The decoded thing from Bitrix24. External ids are ours (chats, messages of the messenger); `im` ids are the portal's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalEvent {
    Install,
    /// `clean`: the administrator wants his data deleted.
    Uninstall {
        clean: bool,
    },
    Update,
    /// The echo of `event.test`; keys in lower case.
    Test {
        query: BTreeMap<String, String>,
    },
    /// Operators have written.
    MessageAdd(LineItems<OperatorMessage>),
    /// Operators have changed what they wrote.
    MessageUpdate(LineItems<OperatorMessage>),
    /// Operators have deleted what they wrote.
    MessageDelete(LineItems<OperatorMessage>),
    DialogStart(Vec<SessionEvent>),
    DialogFinish(Vec<SessionEvent>),
    /// A connector was taken off a line.
    StatusDelete {
        connector: String,
        line: i64,
    },
    /// A line is gone; comes for lines that never were ours too.
    LineDelete {
        line: i64,
    },
    /// A message stands in an open-line chat, whoever wrote it: a receipt for ours.
    OpenLineMessageAdd(Vec<LineItem>),
    /// A CRM card has changed; nobody says in what.
    CardChanged {
        /// Bitrix24's number of the kind.
        entity_type_id: i64,
        id: i64,
    },
    /// An event that we do not use.
    Other {
        name: String,
    },
}

/// What happened to one connector on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItems<T> {
    pub connector: String,
    pub line: i64,
    pub messages: Vec<T>,
    /// Elements without the ids that everything hangs on.
    pub skipped: usize,
}

/// A message of an operator, or what became of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorMessage {
    pub im: ImRef,
    /// The external chat id.
    pub chat_id: String,
    /// The operator; 0 for automatic texts. Missing in updates and deletions.
    pub user_id: i64,
    /// BB-code, often with the operator's name before it, and with what is attached behind it.
    pub text: String,
    pub files: Vec<OperatorFile>,
    /// Ids of the messenger, in updates and deletions.
    pub ids: Vec<String>,
    /// When he wrote it, in seconds since 1970, where that was looked up: events do not tell it, they come at once.
    pub sent_at: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorFile {
    pub name: String,
    /// `image`, `video`, `audio` or `file`.
    pub kind: String,
    pub mime: String,
    /// A public link, at times to a page instead of the file.
    pub link: Option<String>,
    /// Preferred; may be relative to the portal. Both links die soon.
    pub download_link: Option<String>,
    pub size: Option<u64>,
}

/// A conversation as its connector and its chat name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogRef {
    pub connector: String,
    pub line: i64,
    /// The external chat id.
    pub chat_id: String,
    /// The client's user in the portal.
    pub user_id: Option<i64>,
    /// The portal's own chat id.
    pub im_chat_id: Option<i64>,
}

/// A session of a conversation began or ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    pub dialog: DialogRef,
    pub session_id: Option<i64>,
    pub closed: bool,
    /// The session that this one continues.
    pub parent_id: Option<i64>,
}

/// A message that stands in an open-line chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    pub dialog: DialogRef,
    /// The portal's message id.
    pub message_id: i64,
    pub date: String,
    pub text: String,
    /// A note of the portal itself.
    pub system: bool,
    /// Who wrote it: an operator, the client's user, or 0.
    pub author_id: i64,
    pub files: usize,
}

/// The event's name in `event`.
pub const MESSAGE_ADD: &str = "ONIMCONNECTORMESSAGEADD";

impl LineItems<OperatorMessage> {
    /// Names what operators wrote by the portal's own numbers: the same messages have the same key, whoever brings them.
    pub fn key(&self) -> String {
        let key = |message: &OperatorMessage| format!("{}/{}", message.im.chat_id, message.im.message_id);
        let ids = self.messages.iter().map(key).collect::<Vec<_>>().join(",");
        format!("{MESSAGE_ADD}:{}", fingerprint(&format!("{}:{}:{ids}", self.connector, self.line)))
    }

    /// The kept form of the event that would have brought them; [`PortalEvent::from_form`] reads it.
    pub fn to_form(&self) -> serde_json::Value {
        let file = |file: &OperatorFile| {
            json!({
                "name": file.name, "type": file.kind, "mime": file.mime, "size": file.size,
                "link": file.link, "downloadLink": file.download_link,
            })
        };
        let message = |message: &OperatorMessage| {
            json!({
                "im": message.im,
                "message": {
                    "user_id": message.user_id,
                    "text": message.text,
                    "files": message.files.iter().map(file).collect::<Vec<_>>(),
                    "sent_at": message.sent_at,
                },
                "chat": {"id": message.chat_id},
            })
        };
        let messages: Vec<_> = self.messages.iter().map(message).collect();
        json!({"event": MESSAGE_ADD, "data": {"CONNECTOR": self.connector, "LINE": self.line, "MESSAGES": messages}})
    }
}

impl EventPost {
    pub fn from_form(form: &Value) -> Result<Self, Malformed> {
        Ok(Self {
            auth: Auth::from_form(form)?,
            name: name(form)?,
            event: PortalEvent::from_form(form)?,
            sent_at: form.int(&["ts"]).map(Millis::from_seconds),
        })
    }
}

fn name(form: &Value) -> Result<String, Malformed> {
    let name = some_text(form, &["event"]).ok_or(Malformed("event"))?;
    if name.len() > 100 {
        return Err(Malformed("event"));
    }
    Ok(name.trim().to_ascii_uppercase())
}

impl PortalEvent {
    /// Reads `event` and `data`; needs no `auth`, so that a kept form without tokens reads as well.
    pub fn from_form(form: &Value) -> Result<Self, Malformed> {
        let nothing = Value::default();
        let data = form.get(&["data"]).unwrap_or(&nothing);
        let name = name(form)?;
        Ok(match name.as_str() {
            "ONAPPINSTALL" => Self::Install,
            "ONAPPUNINSTALL" => Self::Uninstall { clean: data.flag(&["CLEAN"]).unwrap_or(false) },
            "ONAPPUPDATE" => Self::Update,
            "ONAPPTEST" => Self::Test { query: query(data) },
            MESSAGE_ADD => Self::MessageAdd(operator_messages(data)?),
            "ONIMCONNECTORMESSAGEUPDATE" => Self::MessageUpdate(operator_messages(data)?),
            "ONIMCONNECTORMESSAGEDELETE" => Self::MessageDelete(operator_messages(data)?),
            "ONIMCONNECTORDIALOGSTART" => Self::DialogStart(sessions(data)),
            "ONIMCONNECTORDIALOGFINISH" => Self::DialogFinish(sessions(data)),
            "ONIMCONNECTORSTATUSDELETE" => Self::StatusDelete { connector: connector(data)?, line: line(data)? },
            "ONIMCONNECTORLINEDELETE" => Self::LineDelete { line: data.int(&[]).map_or_else(|| line(data), Ok)? },
            "ONOPENLINEMESSAGEADD" => {
                Self::OpenLineMessageAdd(data.items(&["DATA"]).into_iter().filter_map(line_item).collect())
            }
            _ => match CARD_EVENTS.iter().find(|(event, _)| *event == name) {
                Some((_, kind)) => {
                    let id = data.int(&["FIELDS", "ID"]).ok_or(Malformed("data[FIELDS][ID]"))?;
                    Self::CardChanged { entity_type_id: *kind, id }
                }
                None => Self::Other { name },
            },
        })
    }
}

fn query(data: &Value) -> BTreeMap<String, String> {
    let Some(Value::Map(entries)) = data.get(&["QUERY"]) else {
        return BTreeMap::new();
    };
    entries.iter().filter_map(|(key, value)| Some((key.to_ascii_lowercase(), value.text(&[])?.to_owned()))).collect()
}

/// The status event writes its keys in lower case, the others in upper case.
fn connector(data: &Value) -> Result<String, Malformed> {
    some_text(data, &["CONNECTOR"])
        .or_else(|| some_text(data, &["connector"]))
        .map(str::to_owned)
        .ok_or(Malformed("data[CONNECTOR]"))
}

fn line(data: &Value) -> Result<i64, Malformed> {
    data.int(&["LINE"]).or_else(|| data.int(&["line"])).ok_or(Malformed("data[LINE]"))
}

fn operator_messages(data: &Value) -> Result<LineItems<OperatorMessage>, Malformed> {
    let items = data.items(&["MESSAGES"]);
    let messages: Vec<_> = items.iter().filter_map(|item| operator_message(item)).collect();
    Ok(LineItems { connector: connector(data)?, line: line(data)?, skipped: items.len() - messages.len(), messages })
}

fn operator_message(item: &Value) -> Option<OperatorMessage> {
    Some(OperatorMessage {
        im: ImRef { chat_id: item.int(&["im", "chat_id"]).unwrap_or(0), message_id: item.int(&["im", "message_id"])? },
        chat_id: some_text(item, &["chat", "id"])?.to_owned(),
        user_id: item.int(&["message", "user_id"]).unwrap_or(0),
        text: with_attachments(item, item.text(&["message", "text"]).unwrap_or_default()),
        files: item.items(&["message", "files"]).into_iter().filter_map(operator_file).collect(),
        ids: item.one_or_many(&["message", "id"]).into_iter().map(str::to_owned).collect(),
        sent_at: item.int(&["message", "sent_at"]),
    })
}

/// A file without a link is none.
fn operator_file(file: &Value) -> Option<OperatorFile> {
    let owned = |key: &str| some_text(file, &[key]).map(str::to_owned);
    let (link, download_link) = (owned("link"), owned("downloadLink"));
    if link.is_none() && download_link.is_none() {
        return None;
    }
    Some(OperatorFile {
        name: owned("name").unwrap_or_default(),
        kind: owned("type").unwrap_or_default(),
        mime: owned("mime").unwrap_or_default(),
        link,
        download_link,
        size: file.int(&["size"]).and_then(|size| u64::try_from(size).ok()),
    })
}

fn dialog(item: &Value) -> Option<DialogRef> {
    Some(DialogRef {
        connector: some_text(item, &["connector", "connector_id"])?.to_owned(),
        line: item.int(&["connector", "line_id"])?,
        chat_id: some_text(item, &["connector", "chat_id"])?.to_owned(),
        user_id: item.int(&["connector", "user_id"]).filter(|id| *id > 0),
        im_chat_id: item.int(&["chat", "id"]).filter(|id| *id > 0),
    })
}

fn sessions(data: &Value) -> Vec<SessionEvent> {
    let session = |item: &Value| {
        Some(SessionEvent {
            dialog: dialog(item)?,
            session_id: item.int(&["session", "id"]).filter(|id| *id > 0),
            closed: item.flag(&["session", "closed"]).unwrap_or(false),
            parent_id: item.int(&["session", "parent_id"]).filter(|id| *id > 0),
        })
    };
    data.items(&["DATA"]).into_iter().filter_map(session).collect()
}

fn line_item(item: &Value) -> Option<LineItem> {
    Some(LineItem {
        dialog: dialog(item)?,
        message_id: item.int(&["message", "id"])?,
        date: item.text(&["message", "date"]).unwrap_or_default().to_owned(),
        text: item.text(&["message", "text"]).unwrap_or_default().to_owned(),
        system: item.flag(&["message", "system"]).unwrap_or(false),
        author_id: item.int(&["message", "user_id"]).unwrap_or(0),
        files: item.items(&["message", "files"]).len(),
    })
}
