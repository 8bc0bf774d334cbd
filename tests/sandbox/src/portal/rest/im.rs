//! `im.*`: notifications, and messages of chats.

use serde_json::{Map, Value, json};

use super::{
    Answer, Caller, RestError,
    imopenlines::{may_enter, page_link},
    params::Params,
};
use crate::{
    clock::iso,
    portal::{Author, ChatId, Notification, Portal, UserId, chats::Draft},
};

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    match method {
        "im.notify" | "im.notify.personal.add" | "im.notify.system.add" => notify(portal, params),
        "im.message.add" => add(portal, caller, params),
        "im.dialog.messages.get" => messages(portal, caller, params),
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

fn notify(portal: &Portal, params: Params<'_>) -> Answer {
    let user = params.int("USER_ID").and_then(|user| UserId::try_from(user).ok()).unwrap_or(0);
    let text = params.text("MESSAGE").trim().to_owned();
    let tag = params.text("TAG");
    let at_ms = portal.now_ms();
    portal.change(|state| {
        if state.users.get(&user).is_none_or(|user| user.external.is_some()) {
            return Err(RestError::new(400, "USER_ID_EMPTY", "User not found"));
        }
        if text.is_empty() {
            return Err(RestError::new(400, "MESSAGE_EMPTY", "Message can't be empty"));
        }
        // A tag is unique: the new notification replaces the old one.
        if !tag.is_empty() {
            state.notifications.retain(|old| old.tag != tag || old.user != user);
        }
        state.notifications.push(Notification { user, text, tag, at_ms });
        Ok(json!(state.notifications.len()).into())
    })
}

fn chat_id(params: Params<'_>) -> Option<ChatId> {
    params.text("DIALOG_ID").strip_prefix("chat")?.parse().ok()
}

/// Into an open-line chat: a system text stays inside, anything else is the user's message to the client.
fn add(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let denied = || RestError::new(400, "ACCESS_ERROR", "Action unavailable");
    let chat = chat_id(params).ok_or_else(denied)?;
    let text = params.text("MESSAGE");
    let allowed = portal.chat(chat).is_some_and(|chat| portal.read(|state| may_enter(state, caller.user, &chat)));
    if !allowed {
        return Err(denied());
    }
    if text.is_empty() {
        return Err(RestError::new(400, "MESSAGE_EMPTY", "Message can't be empty"));
    }
    if params.text("SYSTEM") == "Y" {
        let id = portal.change(|state| portal.add_message(state, chat, Draft::new(Author::System, &text)));
        return Ok(json!(id).into());
    }
    match portal.user_writes(caller.user, chat, &text, &[]) {
        Ok(id) => Ok(json!(id).into()),
        Err(_) => Err(RestError::new(400, "CANCELED", "Message canceled")),
    }
}

fn messages(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let denied = || RestError::new(400, "ACCESS_ERROR", "You do not have access to the specified dialog");
    let chat = chat_id(params).and_then(|chat| portal.chat(chat)).ok_or_else(denied)?;
    if !portal.read(|state| may_enter(state, caller.user, &chat)) {
        return Err(denied());
    }
    let limit = params.int("LIMIT").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(20).min(50);
    let mut found: Vec<_> = chat
        .messages
        .iter()
        .filter(|message| params.int("LAST_ID").is_none_or(|last| message.id < last))
        .filter(|message| params.int("FIRST_ID").is_none_or(|first| message.id > first))
        .collect();
    if params.int("FIRST_ID").is_some() {
        found.truncate(limit);
    } else {
        found.drain(..found.len().saturating_sub(limit));
    }
    let domain = portal.domain();
    let link = |file| page_link(&domain, file);
    let files: Vec<Value> = found
        .iter()
        .flat_map(|message| message.files.iter().map(move |file| (message, file)))
        .map(|(message, file)| {
            json!({"id": file.id, "chatId": chat.id, "date": iso(message.at_ms), "type": file.kind, "name": file.name,
                "size": file.size, "status": "done", "authorId": message.author.id(), "urlDownload": link(file)})
        })
        .collect();
    let rows: Vec<Value> = found
        .iter()
        .rev()
        .map(|message| {
            let mut extra = Map::new();
            if !message.connector_mid.is_empty() {
                extra.insert("CONNECTOR_MID".to_owned(), json!(message.connector_mid));
            }
            if message.sending {
                extra.insert("SENDING".to_owned(), json!("Y"));
            }
            if message.deleted {
                extra.insert("IS_DELETED".to_owned(), json!("Y"));
            }
            if message.edited {
                extra.insert("IS_EDITED".to_owned(), json!("Y"));
            }
            if !message.files.is_empty() {
                extra.insert("FILE_ID".to_owned(), message.files.iter().map(|file| json!(file.id)).collect());
            }
            json!({
                "id": message.id,
                "chat_id": chat.id,
                "author_id": message.author.id(),
                "date": iso(message.at_ms),
                "text": if message.deleted { "" } else { message.text.as_str() },
                "unread": false,
                "uuid": null,
                "replaces": [],
                "params": if extra.is_empty() { json!([]) } else { Value::Object(extra) },
                "disappearing_date": null,
            })
        })
        .collect();
    Ok(json!({"chat_id": chat.id, "messages": rows, "users": [], "files": files}).into())
}
