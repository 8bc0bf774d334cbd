//! Sending through ChatApp.

use reqwest::Method;
use serde_json::json;

use super::{
    ChatApp,
    account::account_path,
    api::{Body, Call},
    kinds::{Account, capabilities},
    wire,
};
use crate::{
    domain::failure::{Failure, Told},
    domain::ids::LoginId,
    messaging::{ChannelRef, IdempotencyKey, Outgoing, Sent},
};

impl ChatApp {
    pub(super) async fn send_one(
        &self,
        channel: &ChannelRef,
        peer: &str,
        what: &Outgoing,
        key: &IdempotencyKey,
    ) -> Result<Sent, Failure> {
        let (login, account) = owner(channel)?;
        let license = account.license.to_string();
        let mut path = account_path(&license, &account);
        path.extend(["chats", path_part(peer)?, "messages"]);
        let body = match what {
            Outgoing::Text(text) => {
                path.push("text");
                Body::Json(json!({ "text": text, "tracking": key.0 }))
            }
            Outgoing::File(file) => {
                let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
                if size > capabilities(channel.connector).upload_limit {
                    return Err(Failure::permanent(Told::FileTooLarge, "over the channel's limit"));
                }
                path.push("file");
                Body::File { file, tracking: &key.0 }
            }
            Outgoing::Album(_) => return Err(Failure::permanent(Told::Unsupported, "ChatApp has no albums")),
        };
        let call = Call::new(Method::POST, path).body(body);
        let accepted: wire::Accepted = wire::read(self.call(login, &call).await?);
        Ok(Sent { ids: accepted.id.into_iter().collect(), peer: accepted.chat_id })
    }
}

/// Whose tokens to use, and for which messenger.
pub(super) fn owner(channel: &ChannelRef) -> Result<(LoginId, Account), Failure> {
    let account = Account::parse(&channel.account);
    channel
        .login
        .zip(account)
        .ok_or_else(|| Failure::permanent(Told::Internal, "the channel names no login or no account"))
}

/// A conversation's id as a path segment. A bare phone goes without its `+`. Dots alone would walk up the path.
pub(super) fn path_part(peer: &str) -> Result<&str, Failure> {
    let peer = peer.trim();
    let part = peer.strip_prefix('+').unwrap_or(peer);
    let fits = (1..=200).contains(&part.len()) && !part.chars().any(char::is_control) && !matches!(part, "." | "..");
    if fits { Ok(part) } else { Err(Failure::permanent(Told::NoSuchRecipient, "not an address")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stays_one_segment_and_a_phone_loses_its_plus() {
        assert_eq!(path_part("+79001234567").unwrap(), "79001234567");
        assert_eq!(path_part("79001234567@c.us").unwrap(), "79001234567@c.us");
        for wrong in ["", "+", ".", "..", "a\nb", &"7".repeat(300)] {
            assert_eq!(path_part(wrong).unwrap_err().told, Told::NoSuchRecipient);
        }
    }
}
