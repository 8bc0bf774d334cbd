//! A conversation's history: whether something was sent, after an attempt whose answer was not seen.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    ChatApp,
    account::account_path,
    api::Call,
    events::millis,
    send::{owner, path_part},
    wire,
};
use crate::{
    clock::Millis,
    domain::failure::Failure,
    messaging::{ChannelRef, Found, IdempotencyKey, Sent, transfer::harmless},
};

/// As many messages as one call gives in public clients.
const ROWS: usize = 50;
const PAGE: &[(&str, &str)] = &[("limit", "50"), ("direction", "prev")];
/// Older than these pages nothing is looked for: then nobody can tell.
const PAGES: usize = 40;
/// Messages are dated by ChatApp's clock, in seconds.
const SKEW: Duration = Duration::from_secs(30);

/// What follows a page.
enum Next {
    Nothing,
    /// The query of the next call.
    Page(Vec<(String, String)>),
    /// It cannot be told whether there is more, or how to ask for it.
    Unknown,
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
        let mut query: Vec<(String, String)> =
            PAGE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for _page in 0..PAGES {
            let pairs: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let call = Call { query: &pairs, ..Call::new(Method::GET, path.clone()) };
            let data = self.call(login, &call).await.map_err(harmless)?;
            let next = next_page(&data);
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
            query = match next {
                _ if reaches_back => return Ok(Found::DidNot),
                Next::Nothing => return Ok(Found::DidNot),
                Next::Unknown => return Ok(Found::CannotTell),
                Next::Page(query) => query,
            };
        }
        Ok(Found::CannotTell)
    }
}

/// `nextPage` is null at the end; what else it is, is not documented. An address is believed as far as its query goes: it is
/// asked of the same path, so it leads nowhere else.
fn next_page(data: &Value) -> Next {
    let is_full = data.get("items").unwrap_or(data).as_array().is_some_and(|rows| rows.len() >= ROWS);
    match data.get("nextPage") {
        None if is_full => Next::Unknown,
        None | Some(Value::Null) => Next::Nothing,
        Some(Value::String(text)) => {
            let query = Url::parse(text).ok().and_then(|url| url.query().map(str::to_owned));
            let query = query.or_else(|| text.split_once('?').map(|(_, query)| query.to_owned()));
            query.map_or(Next::Unknown, |query| {
                Next::Page(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
            })
        }
        Some(_strange) => Next::Unknown,
    }
}
