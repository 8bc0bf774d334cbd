//! Ids as types, so that one cannot stand where another belongs. An outside id is unique only inside its owner; each
//! type says which.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

text_id! {
    /// A portal: Bitrix24's `member_id`. It never changes; the portal's domain may.
    PortalId
}
text_id! {
    /// A channel: eight lower-case letters and digits of our own making, unique in the server. It opens every external
    /// chat id (`<channel>:<peer>`), so it never changes either.
    ChannelId
}
/// By which the log is searched for everything that became of one accepted thing: the same for a repeat of it, and known
/// before it is stored. Not secret, and tells nothing of what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trace(pub i64);

impl Trace {
    /// Of an inbox item: where it came from and its key there.
    pub fn of(portal: &PortalId, source: &str, key: &str) -> Self {
        // FNV-1a: a name for people, which protects nothing.
        let parts = [portal.as_str(), source, key];
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
        let hash = bytes
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self(hash.cast_signed())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

row_id! {
    /// A process that works on the database; a restarted one has another.
    NodeId
}
row_id! {
    /// A row of `installation`.
    InstallationId
}
row_id! {
    /// A row of `login`: credentials with which a portal speaks to ChatApp.
    LoginId
}
row_id! {
    /// A row of `binding`.
    BindingId
}
row_id! {
    /// A row of `inbox`.
    InboxId
}
row_id! {
    /// A row of `chat`.
    ChatId
}
row_id! {
    /// A row of `contact`.
    ContactId
}
row_id! {
    /// A row of `message`.
    MessageId
}
row_id! {
    /// A row of `part`.
    PartId
}
row_id! {
    /// A row of `media`.
    MediaId
}
row_id! {
    /// A row of `delivery`.
    DeliveryId
}
row_id! {
    /// A row of `run`.
    RunId
}

impl PortalId {
    /// Reads a `member_id` from outside: 1–64 letters and digits (the cloud and the boxed edition send 32 hexadecimal
    /// digits; nothing promises it).
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }
}

impl ChannelId {
    /// Reads a channel id from a path.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }
}

/// An external chat id as the portal stores it: `<channel>:<peer>`, at most 100 characters, no `|` (it separates the
/// fields of Bitrix24's user code).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalChatId {
    pub channel: ChannelId,
    /// How the messenger names the conversation.
    pub peer: String,
}

impl ExternalChatId {
    /// None when the peer id cannot be carried by a portal.
    pub fn new(channel: ChannelId, peer: &str) -> Option<Self> {
        let fits = !peer.is_empty()
            && !peer.contains('|')
            && !peer.chars().any(char::is_control)
            && channel.0.len() + 1 + peer.chars().count() <= 100;
        fits.then(|| Self { channel, peer: peer.to_owned() })
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (channel, peer) = text.split_once(':')?;
        Self::new(ChannelId::parse(channel)?, peer)
    }

    /// The peer of a chat id that people entered: the channel's own id may stand before it, as portals store it.
    pub fn peer_of(id: String) -> String {
        Self::parse(&id).map_or(id, |external| external.peer)
    }
}

impl fmt::Display for ExternalChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_chat_id_keeps_colons_of_the_peer() {
        let id = ExternalChatId::parse("ab12cd34:user:7").unwrap();
        assert_eq!(id.peer, "user:7");
        assert_eq!(id.to_string(), "ab12cd34:user:7");
    }

    #[test]
    fn what_a_portal_cannot_carry_is_no_id() {
        let channel = || ChannelId("ab12cd34".into());
        assert!(ExternalChatId::new(channel(), "a|b").is_none());
        assert!(ExternalChatId::new(channel(), "").is_none());
        assert!(ExternalChatId::new(channel(), &"7".repeat(100)).is_none());
        assert!(ExternalChatId::parse("no-colon").is_none());
        assert!(PortalId::parse("a b").is_none());
    }
}
