//! Editing and deleting.

use serde_json::{Value, json};

use super::{
    Call, Outcome, Refused, messages,
    sending::{Formatted, TEXT_LIMIT},
};
use crate::messengers::{model::Side, store::Place};

/// Milliseconds in which a message can be deleted; the documentation says 48 hours.
const DELETABLE_MS: i64 = 48 * 3600 * 1000;
/// Most messages of one `deleteMessages`.
const SEVERAL: usize = 100;

/// `editMessageText`
pub(super) fn text(call: &Call) -> Outcome {
    let text = call.formatted("text", "entities")?;
    if text.text.is_empty() {
        return Err(Refused::bad("message text is empty"));
    }
    if text.text.chars().count() > TEXT_LIMIT {
        return Err(Refused::bad("message is too long"));
    }
    edit(call, text, false)
}

/// `editMessageCaption`
pub(super) fn caption(call: &Call) -> Outcome {
    let caption = call.caption()?;
    edit(call, caption, true)
}

fn edit(call: &Call, new: Formatted, with_file: bool) -> Outcome {
    let chat = call.chat()?;
    let place =
        find(call, chat, call.params.number("message_id")).ok_or_else(|| Refused::bad("message to edit not found"))?;
    call.messengers.change(|store| {
        let row = store.message_mut(place);
        if row.side == Side::Client {
            return Err(Refused::bad("message can't be edited"));
        }
        if row.files.is_empty() == with_file {
            return Err(Refused::bad(if with_file {
                "there is no caption in the message to edit"
            } else {
                "there is no text in the message to edit"
            }));
        }
        if row.text == new.text && row.entities == new.entities {
            return Err(Refused::bad(
                "message is not modified: specified new message content and reply markup are \
                 exactly the same as a current content and reply markup of the message",
            ));
        }
        row.text = new.text;
        row.raw = new.raw;
        row.entities = new.entities;
        row.edited = true;
        Ok(messages::message(store, &call.token, place))
    })
}

fn find(call: &Call, chat: usize, id: Option<i64>) -> Option<Place> {
    let store = call.messengers.read();
    let mut messages = store.chats[chat].messages.iter();
    let at = messages.position(|row| Some(row.number()) == id && !row.deleted)?;
    Some((chat, at))
}

/// `deleteMessage`: the bot's own and, in a private chat, the person's, both for 48 hours.
pub(super) fn delete(call: &Call) -> Outcome {
    let chat = call.chat()?;
    let place = find(call, chat, call.params.number("message_id"))
        .ok_or_else(|| Refused::bad("message to delete not found"))?;
    call.messengers.change(|store| {
        let row = store.message_mut(place);
        if call.now_ms - row.time_ms > DELETABLE_MS {
            return Err(Refused::bad("message can't be deleted for everyone"));
        }
        row.deleted = true;
        Ok(json!(true))
    })
}

/// `deleteMessages`: those that are not there are skipped.
pub(super) fn delete_several(call: &Call) -> Outcome {
    let chat = call.chat()?;
    let Value::Array(ids) = call.params.json("message_ids") else {
        return Err(Refused::bad("message identifiers are not specified"));
    };
    if ids.len() > SEVERAL {
        return Err(Refused::bad("too many message identifiers specified"));
    }
    for id in &ids {
        if let Some(place) = find(call, chat, id.as_i64()) {
            call.messengers.change(|store| store.message_mut(place).deleted = true);
        }
    }
    Ok(json!(true))
}
