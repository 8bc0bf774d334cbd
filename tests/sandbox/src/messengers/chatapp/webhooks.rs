//! What ChatApp tells a callback address: new messages and their statuses.

use serde_json::{Value, json};

use crate::messengers::{
    files,
    model::{Chat, Core, Message, Peer, Side, Status},
    people::kind_word,
    store::{Place, Store},
};

pub(crate) fn core(license: i64, messenger: &str) -> Core {
    Core::ChatApp { license, messenger: messenger.to_owned() }
}

/// Tells about a new message, written by whomever.
pub(crate) fn message(store: &mut Store, place: Place, cloud_url: &str) {
    let item = message_item(store, place, cloud_url, "mimeType");
    tell(store, place, "message", vec![item]);
}

/// Tells that a message of the business left, or that it did not.
pub(crate) fn sent(store: &mut Store, place: Place) {
    let message = store.message(place);
    let item = status_item(store, place, message.status, message.time_ms / 1000);
    if store.chatapp.knobs.scramble && message.status != Status::Failed {
        store.chatapp.held_back.push(item);
    } else {
        tell(store, place, "messageStatus", vec![item]);
    }
}

pub(crate) fn delivered(store: &mut Store, place: Place, now_s: i64) {
    let item = status_item(store, place, Status::Delivered, now_s);
    let id = item["id"].clone();
    let mut items = vec![item];
    let held = &mut store.chatapp.held_back;
    items.extend(held.extract_if(.., |held| held["id"] == id));
    tell(store, place, "messageStatus", items);
}

/// Tells about everything that was read at once. As recorded: one array, and `delivered` behind `viewed` where it was
/// not told before.
pub(crate) fn viewed(store: &mut Store, seen: &[(Place, Status)], now_s: i64) {
    let Some((first, _)) = seen.first() else {
        return;
    };
    let mut items = Vec::new();
    for (place, before) in seen {
        items.push(status_item(store, *place, Status::Viewed, now_s));
        if *before == Status::Sent {
            items.push(status_item(store, *place, Status::Delivered, now_s));
        }
    }
    tell(store, *first, "messageStatus", items);
}

/// Queues one envelope for the account's callback address, if it wants this kind of event.
fn tell(store: &mut Store, place: Place, kind: &str, items: Vec<Value>) {
    let account = store.account(&store.chats[place.0].account).map(|row| row.core.clone());
    let Some(Core::ChatApp { license, messenger }) = account else {
        return;
    };
    let knobs = &store.chatapp.knobs;
    let (dropped, away, twice, arrays) = (knobs.drop_webhooks, knobs.away, knobs.twice, knobs.arrays);
    let row = store.chatapp.callbacks.iter_mut().find(|row| {
        row.license == license && row.messenger == messenger && row.events.iter().any(|event| event == kind)
    });
    let Some(row) = row.filter(|_| !away) else {
        return;
    };
    let envelope = json!({
        "data": items,
        "meta": { "type": kind, "licenseId": license, "messengerType": messenger },
    });
    let body = if arrays { json!([envelope]) } else { envelope };
    if dropped {
        store.chatapp.dropped.push((license, messenger, body));
        return;
    }
    if twice {
        row.queue.push_back(body.clone());
    }
    row.queue.push_back(body);
}

/// A message as webhooks and the history show it. The type of a file is called `mimeType` in webhooks and `contentType`
/// in the history.
pub(super) fn message_item(store: &Store, place: Place, cloud_url: &str, mime_field: &str) -> Value {
    let (chat, message) = (&store.chats[place.0], store.message(place));
    let file = message.files.first().map(|file| {
        let mut shown = json!({
            "link": files::url(cloud_url, &file.file, &file.name),
            "name": file.name,
            "size": file.size,
        });
        shown[mime_field] = json!(file.mime);
        shown
    });
    let (text, caption) = if file.is_some() { ("", message.text.as_str()) } else { (message.text.as_str(), "") };
    let from_me = message.side == Side::Business;
    json!({
        "id": message.external_id,
        "internalId": message.external_id,
        "fromApi": message.by_api,
        "fromMe": from_me,
        "side": if from_me { "out" } else { "in" },
        "time": message.time_ms / 1000,
        "type": kind_word(message),
        "message": { "text": text, "caption": caption, "file": file },
        "fromUser": from_user(store, chat, message),
        "fromApp": from_app(message),
        "chat": chat_item(store, chat, cloud_url),
    })
}

fn from_app(message: &Message) -> Value {
    let app = message.from_app.as_ref();
    app.map_or(Value::Null, |app| json!({ "id": app.id, "tracking": app.tracking }))
}

fn from_user(store: &Store, chat: &Chat, message: &Message) -> Value {
    let account = store.account(&chat.account);
    let messenger = account.map_or("", |row| row.messenger());
    let Some(person) = message.author.as_deref().and_then(|id| store.person(id)) else {
        let title = account.map_or("", |row| row.title.as_str());
        return json!({ "id": format!("me-{}", chat.account), "name": title, "phone": null });
    };
    json!({
        "id": crate::messengers::store::chat_id_of(messenger, person),
        "name": person.name,
        "phone": phone_of(messenger, person.phone.as_deref()),
        "username": (messenger == "telegram").then_some(person.username.as_deref()).flatten(),
    })
}

/// A messenger that does not address by phone does not show one either.
fn phone_of<'a>(messenger: &str, phone: Option<&'a str>) -> Option<&'a str> {
    phone.filter(|_| matches!(messenger, "grWhatsApp" | "caWhatsApp" | "viber"))
}

/// A chat as messages and the list of chats show it.
pub(super) fn chat_item(store: &Store, chat: &Chat, cloud_url: &str) -> Value {
    let mut item = status_chat(store, chat);
    let person = chat.person().and_then(|id| store.person(id));
    let picture = person.and_then(|person| person.picture.as_ref());
    item["name"] = match &chat.peer {
        Peer::Person(_) => json!(person.map(|person| person.name.as_str())),
        Peer::Group { title, .. } => json!(title),
    };
    item["image"] = json!(picture.map(|picture| files::url(cloud_url, &picture.file, &picture.name)));
    item
}

fn status_chat(store: &Store, chat: &Chat) -> Value {
    let messenger = store.account(&chat.account).map_or("", |row| row.messenger());
    let person = chat.person().and_then(|id| store.person(id));
    let username = person.and_then(|person| person.username.as_deref());
    json!({
        "id": chat.external_id,
        "hash": null,
        "type": if person.is_some() { "private" } else { "group" },
        "phone": phone_of(messenger, person.and_then(|person| person.phone.as_deref())),
        "username": username.filter(|_| messenger == "telegram"),
        "email": null,
    })
}

fn status_item(store: &Store, place: Place, status: Status, time_s: i64) -> Value {
    let (chat, message) = (&store.chats[place.0], store.message(place));
    json!({
        "id": message.external_id,
        "type": status.chatapp(),
        "time": time_s,
        "chat": status_chat(store, chat),
        "fromApp": from_app(message),
        "error": message.error,
    })
}
