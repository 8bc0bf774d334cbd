//! What ChatApp remembers: conversations and their messages. It is asked whether something was sent, after an attempt whose answer was
//! not seen, and for what no webhook brought.
//!
//! Lists come in pages, what is new first. What `nextPage` holds is not documented: one public client reads an address in it, another
//! gives it back as the query's `nextPage`.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{
    ChatApp,
    account::account_path,
    api::Call,
    events::{millis, raw},
    send::{owner, path_part},
    wire,
};
use crate::{
    clock::Millis,
    domain::{failure::Failure, ids::LoginId},
    messaging::{ChannelRef, Found, IdempotencyKey, RawItem, Sent, transfer::harmless},
};

/// As many messages as one call gives in public clients.
const ROWS: usize = 50;
const PAGE: &[(&str, &str)] = &[("limit", "50"), ("direction", "prev")];
const CHATS: &[(&str, &str)] = &[("limit", "50")];
/// Older than these pages nothing is looked for: then nobody can tell.
const PAGES: usize = 40;
/// Of one conversation nobody writes more than so many pages in a day.
const PAGES_UNHEARD: usize = 20;
/// Messages are dated by ChatApp's clock, in seconds.
const SKEW: Duration = Duration::from_secs(30);

/// The query of a page.
pub type Query = Vec<(String, String)>;

fn query(pairs: &[(&str, &str)]) -> Query {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What follows a page.
enum Next {
    Nothing,
    /// The query of the next call.
    Page(Query),
    /// It cannot be told whether there is more, or how to ask for it.
    Unknown,
}

/// A page of a channel's conversations, those in which somebody wrote last first.
#[derive(Debug)]
pub struct Conversations {
    /// Their ids.
    pub peers: Vec<String>,
    /// The page with older ones, if there is any.
    pub next: Option<Query>,
}

/// What stands in a conversation since a time.
#[derive(Debug)]
pub struct Heard {
    /// The oldest first, each as its webhook would have brought it.
    pub items: Vec<RawItem>,
    /// False: there is more, and these are the newest.
    pub whole: bool,
}

impl ChatApp {
    /// Looks from the newest message back to `since`, before which it was not sent. "It did not happen" is told only of a history
    /// that was seen whole so far: in a busy conversation the newest messages prove nothing.
    pub(super) async fn find_tracked(
        &self,
        channel: &ChannelRef,
        peer: &str,
        (key, since): (&IdempotencyKey, Millis),
    ) -> Result<Found, Failure> {
        let (login, account) = owner(channel)?;
        let license = account.license.to_string();
        let mut path = account_path(&license, &account);
        path.extend(["chats", path_part(peer)?, "messages"]);
        let mut asked = query(PAGE);
        for _page in 0..PAGES {
            let (data, next) = self.page(login, &path, (&asked, PAGE)).await?;
            let messages: Vec<wire::Message> = wire::rows(data);
            // One without a time says nothing of how far the page reaches.
            let oldest =
                messages.iter().filter(|message| message.time.is_some()).map(|one| millis(one.time, since)).min();
            let reaches_back = oldest.is_some_and(|at| Millis(at).after(SKEW) < since);
            let is_it = |message: &wire::Message| message.from_app.tracking.as_deref() == Some(key.0.as_str());
            if let Some(message) = messages.into_iter().find(is_it) {
                let ids = message.id.into_iter().collect();
                return Ok(Found::Happened(Sent { ids, peer: message.chat.id }));
            }
            asked = match next {
                _ if reaches_back => return Ok(Found::DidNot),
                Next::Nothing => return Ok(Found::DidNot),
                Next::Unknown => return Ok(Found::CannotTell),
                Next::Page(query) => query,
            };
        }
        Ok(Found::CannotTell)
    }

    /// The conversations of a channel; `page`: as the page before told it.
    pub async fn conversations(&self, channel: &ChannelRef, page: Option<Query>) -> Result<Conversations, Failure> {
        let (login, account) = owner(channel)?;
        let license = account.license.to_string();
        let mut path = account_path(&license, &account);
        path.push("chats");
        let (data, next) = self.page(login, &path, (&page.unwrap_or_else(|| query(CHATS)), CHATS)).await?;
        let chats: Vec<wire::Party> = wire::rows(data);
        let next = match next {
            Next::Page(query) => Some(query),
            Next::Nothing | Next::Unknown => None,
        };
        Ok(Conversations { peers: chats.into_iter().filter_map(|chat| chat.id).collect(), next })
    }

    /// What was written in a conversation at `since` or later. A message without a time is left out: nobody knows how old it is.
    pub async fn unheard(&self, channel: &ChannelRef, peer: &str, since: Millis) -> Result<Heard, Failure> {
        let (login, account) = owner(channel)?;
        let license = account.license.to_string();
        let mut path = account_path(&license, &account);
        path.extend(["chats", path_part(peer)?, "messages"]);
        let meta = json!({
            "type": "message", "licenseId": account.license, "messengerType": account.messenger_type,
        });
        let mut asked = query(PAGE);
        let mut found: Vec<(i64, RawItem)> = Vec::new();
        let mut whole = false;
        for _page in 0..PAGES_UNHEARD {
            let (data, next) = self.page(login, &path, (&asked, PAGE)).await?;
            let dated = wire::items(data).into_iter().filter_map(|item| Some((written_at(&item)?, item)));
            let (new, old): (Vec<_>, Vec<_>) = dated.partition(|(at, _item)| Millis(*at) >= since);
            found.extend(new.into_iter().map(|(at, item)| (at, raw(&meta, in_chat(item, peer)))));
            match next {
                Next::Page(query) if old.is_empty() => asked = query,
                Next::Unknown if old.is_empty() => break,
                Next::Page(_) | Next::Unknown | Next::Nothing => {
                    whole = true;
                    break;
                }
            }
        }
        // The newest came first, and of one second in the reverse of their order.
        found.reverse();
        found.sort_by_key(|(at, _item)| *at);
        Ok(Heard { items: found.into_iter().map(|(_at, item)| item).collect(), whole })
    }

    /// One page, and what follows it. `first`: how the list begins.
    async fn page(
        &self,
        login: LoginId,
        path: &[&str],
        (asked, first): (&Query, &[(&str, &str)]),
    ) -> Result<(Value, Next), Failure> {
        let pairs: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let call = Call { query: &pairs, ..Call::new(Method::GET, path.to_vec()) };
        let data = self.call(login, &call).await.map_err(harmless)?;
        let next = match next_page(&data, first) {
            // A list that does not go on would never end.
            Next::Page(query) if query == *asked => Next::Unknown,
            next => next,
        };
        Ok((data, next))
    }
}

/// Milliseconds, if the message says when it was written.
fn written_at(item: &Value) -> Option<i64> {
    let time = wire::read_int(item.get("time")?).filter(|time| *time > 0)?;
    Some(millis(Some(time), Millis(0)))
}

/// A message names its conversation; one that does not stands in the one that was asked for.
fn in_chat(mut item: Value, peer: &str) -> Value {
    let named = item.get("chat").and_then(|chat| chat.get("id")).and_then(wire::read_text);
    if let (None, Some(fields)) = (named, item.as_object_mut()) {
        fields.insert("chat".to_owned(), json!({ "id": peer }));
    }
    item
}

/// `nextPage` is null at the end. An address is believed as far as its query goes: it is asked of the same path, so it leads nowhere
/// else.
fn next_page(data: &Value, first: &[(&str, &str)]) -> Next {
    let is_full = data.get("items").unwrap_or(data).as_array().is_some_and(|rows| rows.len() >= ROWS);
    match data.get("nextPage") {
        None if is_full => Next::Unknown,
        None | Some(Value::Null) => Next::Nothing,
        Some(Value::String(text)) if text.is_empty() => Next::Nothing,
        Some(Value::String(text)) => {
            let address = Url::parse(text).ok().and_then(|url| url.query().map(str::to_owned));
            let address = address.or_else(|| text.split_once('?').map(|(_, query)| query.to_owned()));
            Next::Page(address.map_or_else(
                || [query(first), query(&[("nextPage", text)])].concat(),
                |address| form_urlencoded::parse(address.as_bytes()).into_owned().collect(),
            ))
        }
        Some(_strange) => Next::Unknown,
    }
}
