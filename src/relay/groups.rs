//! Groups: conversations of many people. A group comes through a connector of its own, where everybody in it is a person of the portal;
//! or through its messenger's connector for private chats, if that takes groups in: then the group is one client, whose words have
//! their author's name before them. `db::serving` says which.

use serde::{Deserialize, Serialize};

use super::{
    db_failure, grant, notes, payload,
    to_portal::{self, Place},
};
use crate::{
    app::App,
    b24::{
        bbcode,
        methods::{connector::ChatNameSet, messages::LineUser},
    },
    db::{Contact, DbResult, Delivery, DeliveryKind, Lane, NewDelivery, Settled},
    domain::{
        failure::{Failure, Retry},
        ids::{ChannelId, ChatId, ExternalChatId, PortalId},
        names,
    },
    messaging::Person,
};

/// A name with so many digits is a phone number, perhaps with words.
const PHONE_DIGITS: usize = 7;

/// What a new title's delivery carries.
#[derive(Serialize, Deserialize)]
struct Rename {
    chat: i64,
}

/// Has the portal told of a group's new title. (One that the portal does not have yet gets its title with its first message.)
pub(super) async fn renamed(
    app: &App,
    portal: &PortalId,
    (channel, peer): (&ChannelId, &str),
    title: Option<&String>,
) -> DbResult<Option<NewDelivery>> {
    let Some(view) = app.db.chat_of_peer(portal, channel, peer).await? else { return Ok(None) };
    let is_news = title.is_some() && title != view.chat.title.as_ref() && view.chat.b24_chat.is_some();
    let id = view.chat.id();
    let rename = || NewDelivery::new(Lane::Title(id), DeliveryKind::Rename, app.clock.now());
    Ok(is_news.then(|| rename().payload(&Rename { chat: id.0 })))
}

pub(super) async fn rename(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let Rename { chat } = payload(delivery)?;
    let portal = &delivery.portal;
    let view = app.db.chat_get(portal, ChatId(chat)).await.map_err(db_failure)?;
    let Some(chat) = view.map(|view| view.chat) else { return Ok(Settled::done()) };
    let binding = app.db.binding_of_chats(portal, (&chat.channel(), true)).await.map_err(db_failure)?;
    // Elsewhere the title is a client's name, and comes with his next message.
    let binding = binding.filter(|binding| binding.connector.is_group());
    let external = ExternalChatId::new(chat.channel(), &chat.peer).map(|id| id.to_string());
    let (Some(binding), Some(external), Some(title)) = (binding, external, chat.title) else {
        return Ok(Settled::done());
    };
    let name = ChatNameSet {
        connector: binding.connector.id(),
        line: binding.line,
        chat_id: &external,
        name: &title,
        user_id: None,
    };
    match grant::call_of(app, (portal, binding.installation), &name).await {
        // Nobody misses a message for it.
        Err(refused) if refused.portal().is_some() && refused.to_failure().retry == Retry::Never => {
            tracing::info!(%portal, delivery = %delivery.id, %refused, "a group's title was not taken");
        }
        told => drop(told?),
    }
    Ok(Settled::done())
}

/// Who a group's message is from, for the portal: its author where everybody is a person of his own, else the group.
pub(super) async fn user(app: &App, place: &Place) -> LineUser {
    let Some(author) = author(place) else {
        let name = names::title_name(place.view.chat.title.as_deref().unwrap_or_default());
        let id = place.external.peer.clone();
        return LineUser { id, name: name.first, last_name: name.last, ..LineUser::default() };
    };
    let is_new = author.b24_member.is_none();
    if place.binding.settings.group_phones {
        return to_portal::person(app, place, author, is_new).await;
    }
    let mut seen = author.clone();
    let phone = seen.phone.take().unwrap_or_default();
    let shows_phone = |text: &mut String| !phone.is_empty() && text.contains(phone.trim_start_matches('+'));
    seen.username.take_if(shows_phone);
    seen.link.take_if(shows_phone);
    to_portal::person(app, place, &seen, is_new).await
}

/// The author of a message, where the portal knows everybody in the group.
pub(super) fn author(place: &Place) -> Option<&Contact> {
    place.view.contact.as_ref().filter(|_| place.binding.connector.is_group())
}

/// A client's text as it is to stand in the portal: with its author before it, where the group is one client.
pub(super) fn said(lang: &str, place: &Place, text: String) -> String {
    match author_name(lang, place).filter(|_| author(place).is_none()) {
        Some(name) => under(&name, &text),
        None => text,
    }
}

/// A text with its author before it, both BB-code.
pub(super) fn under(name: &str, text: &str) -> String {
    let border = if text.is_empty() { "" } else { "[br]" };
    format!("[b]{name}:[/b]{border}{text}")
}

/// How the author of a group's message is called, as BB-code; none in a private chat, and where nobody of the group wrote it.
pub(super) fn author_name(lang: &str, place: &Place) -> Option<String> {
    let author = place.view.contact.as_ref().filter(|_| place.view.chat.is_group)?;
    let (name, username, phone) = (&author.name, &author.username, &author.phone);
    Some(shown(lang, (name.as_deref(), username.as_deref(), phone.as_deref()), place.binding.settings.group_phones))
}

/// The same of somebody whom a core has named.
pub(super) fn person_name(lang: &str, person: &Person, phones: bool) -> String {
    let (name, username, phone) = (&person.name, &person.username, &person.phone);
    shown(lang, (name.as_deref(), username.as_deref(), phone.as_deref()), phones)
}

fn shown(lang: &str, (name, username, phone): (Option<&str>, Option<&str>, Option<&str>), phones: bool) -> String {
    let shown = name.and_then(|name| named(name, phones));
    let shown = shown.or_else(|| named(username?, phones).map(|name| format!("@{name}")));
    let shown = shown.or_else(|| phone.filter(|_| phones).map(str::to_owned));
    shown.map_or_else(|| notes::member(lang).to_owned(), |name| bbcode::from_plain(&name))
}

/// What may be shown of a name: of one that holds a phone number the words alone, unless phones are shown.
fn named(name: &str, phones: bool) -> Option<String> {
    let name = name.trim();
    if phones || name.chars().filter(char::is_ascii_digit).count() < PHONE_DIGITS {
        return Some(name.to_owned()).filter(|name| !name.is_empty());
    }
    let words = names::clean_name(name);
    words.first.map(|first| [first, words.last.unwrap_or_default()].join(" ").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_shown_only_where_phones_are() {
        let phone = Some("+79001234567");
        for (name, username, hidden, open) in [
            (Some("Anna Petrova"), Some("anna_p"), "Anna Petrova", "Anna Petrova"),
            (Some("+7 900 123-45-67"), Some("anna_p"), "@anna_p", "+7 900 123-45-67"),
            (Some("Anna 8 (900) 1234567"), None, "Anna", "Anna 8 (900) 1234567"),
            (Some(" "), None, "Group member", "+79001234567"),
            (None, None, "Group member", "+79001234567"),
            (Some("Flat 42"), None, "Flat 42", "Flat 42"),
        ] {
            assert_eq!(shown("en", (name, username, phone), false), hidden, "{name:?}");
            assert_eq!(shown("en", (name, username, phone), true), open, "{name:?}");
        }
        assert_eq!(shown("ru", (None, None, None), true), "Участник группы");
    }

    #[test]
    fn a_name_is_no_markup() {
        let name = shown("en", (Some("[b]Anna[/b]"), None, None), false);
        assert_eq!(name.replace('\u{200b}', ""), "[b]Anna[/b]");
        assert!(name.contains('\u{200b}'));
        assert_eq!(under("Anna", "hi"), "[b]Anna:[/b][br]hi");
        assert_eq!(under("Anna", ""), "[b]Anna:[/b]");
    }
}
