//! What a bot gets to know: new and edited messages, being blocked.

use serde_json::{Value, json};

use super::{knobs::Update, messages};
use crate::messengers::{
    model::Peer,
    store::{Draft, Place, Store},
};

/// Milliseconds that an update is kept; the server's source says 24 hours.
pub(super) const KEPT_MS: i64 = 24 * 3600 * 1000;
/// Kinds that a bot gets only when it asks for them by name.
const BY_REQUEST: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

pub(crate) fn message(store: &mut Store, token: &str, place: Place, now_ms: i64) {
    let body = messages::message(store, token, place);
    queue(store, token, "message", body, now_ms);
}

pub(crate) fn edited(store: &mut Store, token: &str, place: Place, now_ms: i64) {
    let body = messages::message(store, token, place);
    queue(store, token, "edited_message", body, now_ms);
}

/// The person has blocked the bot or has taken it back; or a member of a group has thrown it out, or made it an administrator.
pub(crate) fn membership(store: &mut Store, token: &str, chat: usize, now_ms: i64) {
    let row = &store.chats[chat];
    let (who, status) = match &row.peer {
        Peer::Person(id) => (Some(id), "member"),
        Peer::Group { members, .. } => (members.first(), "administrator"),
    };
    let Some(person) = who.and_then(|id| store.person(id)) else {
        return;
    };
    let bot = messages::bot(store, token);
    let state = |blocked: bool| match blocked {
        true => json!({ "user": bot, "status": "kicked", "until_date": 0 }),
        false => json!({ "user": bot, "status": status }),
    };
    let body = json!({
        "chat": messages::chat_of(store, row),
        "from": messages::user(person),
        "date": now_ms / 1000,
        "old_chat_member": state(!row.blocked),
        "new_chat_member": state(row.blocked),
    });
    queue(store, token, "my_chat_member", body, now_ms);
}

/// A group is called something else: a message that nobody wrote, with a number like any other.
pub(crate) fn renamed(store: &mut Store, token: &str, chat: usize, now_ms: i64) {
    let Peer::Group { title, members } = store.chats[chat].peer.clone() else {
        return;
    };
    let place = store.push(chat, members.first().map(String::as_str), Draft::default(), now_ms);
    let mut body = messages::message(store, token, place);
    body["new_chat_title"] = json!(title);
    queue(store, token, "message", body, now_ms);
}

/// A person has put an emoji on a message.
pub(crate) fn reaction(store: &mut Store, token: &str, (place, who): (Place, &str), emoji: &str, now_ms: i64) {
    let Some(person) = store.person(who) else {
        return;
    };
    let body = json!({
        "chat": messages::chat_of(store, &store.chats[place.0]),
        "user": messages::user(person),
        "message_id": store.message(place).number(),
        "date": now_ms / 1000,
        "old_reaction": [],
        "new_reaction": [{ "type": "emoji", "emoji": emoji }],
    });
    queue(store, token, "message_reaction", body, now_ms);
}

fn queue(store: &mut Store, token: &str, kind: &str, body: Value, now_ms: i64) {
    let twice = store.telegram.knobs.twice;
    let Some(bot) = store.telegram.bot_mut(token) else {
        return;
    };
    let wanted = match &bot.allowed_updates {
        Some(allowed) => allowed.iter().any(|allowed| allowed == kind),
        None => !BY_REQUEST.contains(&kind),
    };
    if !wanted {
        return;
    }
    bot.last_update += 1;
    let update = Update {
        id: bot.last_update,
        body: json!({ "update_id": bot.last_update, kind: body }),
        expires_ms: now_ms + KEPT_MS,
        posts: if twice { 2 } else { 1 },
    };
    bot.queue.push_back(update);
}
