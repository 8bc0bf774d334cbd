//! What applications hear of chats.

use serde_json::{Map, Value, json};

use super::{Author, Chat, ChatId, File, Message, MessageId, Portal, State, UserId, events::Event, files::for_people};

impl Portal {
    /// `ONIMCONNECTORMESSAGEADD`, to the connector's owner.
    pub(super) fn tells_add(&self, state: &mut State, chat: &Chat, message: &Message) {
        let mut body = Map::new();
        body.insert("user_id".to_owned(), json!(message.author.id()));
        if !message.text.is_empty() {
            body.insert("text".to_owned(), json!(signed_text(state, chat, message.author, &message.text, " [br]")));
        }
        let files: Vec<Value> = message.files.iter().map(|file| self.event_file(state, file)).collect();
        body.insert("files".to_owned(), json!(files));
        let item = json!({
            "im": {"chat_id": chat.id, "message_id": message.id},
            "message": body,
            "chat": {"id": chat.external_id},
        });
        self.tells_connector(state, chat, ("ONIMCONNECTORMESSAGEADD", message.author), &[item]);
    }

    fn event_file(&self, state: &mut State, file: &File) -> Value {
        let token = self.link(state, file.id);
        json!({
            "name": file.name,
            "type": file.kind,
            "mime": file.mime,
            "size": file.size,
            "sizef": for_people(file.size),
            // A public short link: it gives a page, not the file.
            "link": format!("http://{}/~f/{token}", state.domain),
            "downloadLink": format!("/rest/download.json?token={token}"),
        })
    }

    /// `ONIMCONNECTORMESSAGEUPDATE` (text) or `...DELETE` (none).
    pub(super) fn tells_change(
        &self,
        state: &mut State,
        (chat, message): (ChatId, MessageId),
        mids: Vec<String>,
        text: Option<&str>,
    ) {
        let Some(row) = state.chats.get(&chat).cloned() else {
            return;
        };
        let Some(connector) = state.connectors.get(&row.connector) else {
            return;
        };
        let taken = if text.is_some() { connector.edit_internal } else { connector.del_internal };
        let author = row.messages.iter().find(|it| it.id == message).map_or(Author::System, |it| it.author);
        if mids.is_empty() || !taken {
            return;
        }
        let im = json!({"chat_id": chat, "message_id": message});
        let ext = json!({"id": row.external_id});
        match text {
            Some(text) => {
                let text = signed_text(state, &row, author, text, "[br] ");
                let body = json!({"user_id": author.id(), "id": mids, "text": text});
                let item = json!({"im": im, "message": body, "chat": ext});
                self.tells_connector(state, &row, ("ONIMCONNECTORMESSAGEUPDATE", author), &[item]);
            }
            None => {
                let item =
                    |mid: &String| json!({"im": im, "message": {"user_id": author.id(), "id": mid}, "chat": ext});
                let items: Vec<Value> = mids.iter().map(item).collect();
                self.tells_connector(state, &row, ("ONIMCONNECTORMESSAGEDELETE", author), &items);
            }
        }
    }

    fn tells_connector(&self, state: &State, chat: &Chat, (name, author): (&str, Author), items: &[Value]) {
        let Some(connector) = state.connectors.get(&chat.connector) else {
            return;
        };
        let data = json!({"CONNECTOR": chat.connector, "LINE": chat.line, "MESSAGES": items});
        let event = Event { name, data, actor: actor(author), only: Some(&connector.client_id) };
        self.emit(state, &event);
    }

    /// `OnOpenLineMessageAdd`, for both directions.
    pub(super) fn tells_line_message(&self, state: &State, chat: &Chat, message: &Message) {
        let Some(connector) = state.connectors.get(&chat.connector) else {
            return;
        };
        let files: Vec<Value> =
            message.files.iter().map(|file| json!({"id": file.id, "name": file.name, "size": file.size})).collect();
        let data = json!({"DATA": [{
            "connector": connector_block(chat),
            "chat": {"id": chat.id},
            "message": {
                "id": message.id,
                "date": crate::clock::iso(message.at_ms),
                "text": message.text,
                "files": files,
                "attach": "",
                "system": if message.author == Author::System { "Y" } else { "N" },
                "user_id": message.author.id(),
            },
            "ref": [],
            "extra": {"EXTRA_URL": ""},
        }]});
        let event = Event {
            name: "ONOPENLINEMESSAGEADD",
            data,
            actor: actor(message.author),
            only: Some(&connector.client_id),
        };
        self.emit(state, &event);
    }

    pub(super) fn tells_session(&self, state: &State, chat: ChatId, name: &str, actor: Option<UserId>) {
        let Some(chat) = state.chats.get(&chat) else {
            return;
        };
        let Some(connector) = state.connectors.get(&chat.connector) else {
            return;
        };
        let minutes = state.lines.get(&chat.line).map(|line| line.setting("FULL_CLOSE_TIME").to_owned());
        let data = json!({"CONNECTOR": chat.connector, "LINE": chat.line, "DATA": [{
            "connector": connector_block(chat),
            "session": {
                "id": chat.session.id,
                "closed": if chat.session.closed_ms.is_some() { "Y" } else { "N" },
                "parent_id": chat.session.parent_id,
                "close_term": minutes.unwrap_or_default(),
            },
            "chat": {"id": chat.external_id},
            "user": {"id": chat.client},
        }]});
        self.emit(state, &Event { name, data, actor, only: Some(&connector.client_id) });
    }
}

fn connector_block(chat: &Chat) -> Value {
    json!({
        "connector_id": chat.connector,
        "line_id": chat.line,
        "chat_id": chat.external_id,
        "user_id": chat.client,
    })
}

/// Only employees have tokens.
fn actor(author: Author) -> Option<UserId> {
    match author {
        Author::Operator(user) => Some(user),
        Author::Client(_) | Author::System => None,
    }
}

/// The operator's name in front of his text, if connector and line want it. The space before or behind the line break
/// differs between new and changed messages.
fn signed_text(state: &State, chat: &Chat, author: Author, text: &str, separator: &str) -> String {
    let wanted = state.connectors.get(&chat.connector).is_some_and(|connector| connector.need_signature)
        && state.lines.get(&chat.line).is_some_and(|line| line.setting("OPERATOR_DATA") != "hide");
    match author {
        Author::Operator(user) if wanted => {
            format!("[b]{}:[/b]{separator}{text}", state.user_name(user))
        }
        _ => text.to_owned(),
    }
}
