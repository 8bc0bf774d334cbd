//! Whom a `chatId` in the address of a sending call means.

use super::{Refused, Target};
use crate::messengers::{
    model::Peer,
    store::{Store, digits},
};

/// Milliseconds after its creation in which a group takes no message yet; public clients wait two to three seconds.
const GROUP_SETTLES_MS: i64 = 2000;

/// Finds the chat, or opens one with a person whom the messenger can reach: by phone in any form, by `@username`.
pub(super) fn resolve(store: &mut Store, target: &Target, given: &str, now_ms: i64) -> Result<usize, Refused> {
    let account = target.account.as_str();
    if let Some(chat) = store.chat_by_external(account, given) {
        let row = &store.chats[chat];
        let settling = now_ms - row.created_ms < GROUP_SETTLES_MS;
        if matches!(row.peer, Peer::Group { .. }) && settling {
            return Err(not_found());
        }
        return Ok(chat);
    }
    let person = find(store, &target.messenger, given).ok_or_else(not_found)?;
    store.open_chat(account, &person, now_ms).ok_or_else(not_found)
}

/// A person by an address that this messenger can write to first.
pub(super) fn find(store: &Store, messenger: &str, given: &str) -> Option<String> {
    let by_phone = |phone: &str| {
        let phone = digits(phone)?;
        store.people.iter().find(|person| person.phone.as_deref() == Some(phone.as_str()))
    };
    let person = match messenger {
        "grWhatsApp" => by_phone(given.strip_suffix("@c.us").unwrap_or(given)),
        "caWhatsApp" | "viber" => by_phone(given),
        "telegram" => match given.strip_prefix('@') {
            Some(name) => store.people.iter().find(|person| {
                let own = person.username.as_deref().unwrap_or_default();
                !own.is_empty() && own.eq_ignore_ascii_case(name)
            }),
            None => by_phone(given),
        },
        // VK, Avito, bots: nobody can be written to who has not written.
        _ => None,
    }?;
    person.has(messenger).then(|| person.id.clone())
}

fn not_found() -> Refused {
    Refused::new(404, "ApiChatNotFoundError", "chat not found")
}
