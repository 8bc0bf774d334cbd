//! One firing as data, and the plan it becomes.

use std::collections::BTreeMap;

use crate::outcome::ErrorCode;

/// One firing of a robot, already verified and decoded by the trunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Values by property code. A property that the form body left out is absent: empty lists vanish on the way.
    pub properties: BTreeMap<String, Vec<String>>,
    /// What the trunk's normaliser read in the properties marked `addresses`, by property code, in their order.
    pub addresses: BTreeMap<String, Vec<Address>>,
    /// The channels that this installation may use now.
    pub channels: Vec<Channel>,
    /// Whether the process waits for an answer to this firing.
    pub use_subscription: bool,
}

impl Call {
    /// The first value of a property that is not blank, trimmed.
    pub fn value(&self, key: &str) -> Option<&str> {
        let values = self.properties.get(key)?;
        values.iter().map(|value| value.trim()).find(|value| !value.is_empty())
    }

    /// A property as yes or no; `default` when it is empty, since placed robots may be older than the property.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        match self.value(key) {
            Some(value) => value.eq_ignore_ascii_case("y") || value == "1" || value.eq_ignore_ascii_case("true"),
            None => default,
        }
    }
}

/// What reaches a person, as the trunk's normaliser understood it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A phone number in E.164, with the plus.
    Phone(String),
    /// A username without `@`.
    Username(String),
    /// An e-mail address.
    Email(String),
    /// An external chat id: `<short channel id>:<peer id>`, or a bare peer id of the chosen channel.
    ChatId(String),
    /// Text in which no address was found, as the person wrote it.
    Unusable(String),
}

/// The kinds of address by which a channel may be able to write first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// By phone number.
    Phone,
    /// By username.
    Username,
    /// By e-mail address.
    Email,
    /// By the id of a chat that exists already.
    ChatId,
}

impl Address {
    /// The kind, or nothing for text without an address.
    pub const fn kind(&self) -> Option<AddressKind> {
        match self {
            Self::Phone(_) => Some(AddressKind::Phone),
            Self::Username(_) => Some(AddressKind::Username),
            Self::Email(_) => Some(AddressKind::Email),
            Self::ChatId(_) => Some(AddressKind::ChatId),
            Self::Unusable(_) => None,
        }
    }

    /// How results name it: digits for a phone, `@name` for a username, otherwise the text itself.
    pub fn label(&self) -> String {
        match self {
            Self::Phone(phone) => phone.trim_start_matches('+').to_owned(),
            Self::Username(name) => format!("@{name}"),
            Self::Email(text) | Self::ChatId(text) | Self::Unusable(text) => text.clone(),
        }
    }
}

/// A channel of the portal, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Key of the `channel` option and the part of an external chat id before the colon.
    pub id: String,
    /// Its connector, for instance `chatapp_whatsapp`.
    pub connector: String,
    /// What people call it.
    pub title: String,
    /// The Open Channels it is connected to.
    pub lines: Vec<String>,
    /// By which kinds of address it can write to somebody first.
    pub reaches: Vec<AddressKind>,
    /// Whether it can send now; a channel that lost its session still counts, so that the person reads why.
    pub is_connected: bool,
}

/// What a firing asks for: one step per recipient, in the order of the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Empty when no recipient was named at all; [`crate::summary`] of nothing says so.
    pub steps: Vec<Step>,
    /// The text to send, as the process evaluated it.
    pub text: String,
    /// What the person should know although it stops nothing.
    pub notices: Vec<Notice>,
    /// Whether the outcome is also written into the card.
    pub add_comment: bool,
}

/// What happens to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send to this recipient.
    Send(Recipient),
    /// Send nothing, for a known reason.
    Refuse(Refusal),
}

/// One person to write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Where to.
    pub address: Address,
    /// Through which channel of the call: its [`Channel::id`].
    pub channel: String,
}

/// Why one recipient gets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The recipient as results name it.
    pub label: String,
    /// The reason.
    pub code: ErrorCode,
}

/// A remark on a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// More than one recipient field was filled; they were united.
    SeveralSources,
    /// The same recipient was named more than once and is written to once.
    DuplicateRecipients,
}
