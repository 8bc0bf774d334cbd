//! The one place where what people type becomes an [`Address`]: robots' fields, CRM values, links, the search of a Dialog.
//!
//! [`parse_many`] takes a whole field with any number of addresses. What it cannot use comes back as it was typed, so that the
//! person can be told. Reading what [`Display`](fmt::Display) shows, in a field of the same kind, gives the same address again.
//!
//! Rules for phones, in this order: `+` and `00` (from Russia and Kazakhstan also `810`) begin an international number; 11 digits
//! with a leading 8 are Russian or Kazakh (so is `+8 9…`: no country has that code); 10 digits with a leading 9 are Russian
//! mobile numbers; other digits are taken as they are, with the country code in front. A leading 0 says that the country is
//! missing: such a number is refused rather than sent to a stranger.

use std::collections::HashSet;
use std::fmt;

mod link;
mod phone;

#[cfg(test)]
mod tests;

pub use phone::E164;

/// Longest external chat id, see the contract of `imconnector.send.messages`; longer texts are no address.
const MAX_ID: usize = 100;
/// RFC 5321's limit for a path, without its brackets.
const MAX_EMAIL: usize = 254;

/// What reaches a person in a messenger.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    Phone(E164),
    /// Without the `@`, as typed: messengers show the case, and do not care for it.
    Username(String),
    /// With the domain in lower case.
    Email(String),
    ChatId(ChatId),
}

/// A chat as its messenger names it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChatId {
    pub external_chat_id: String,
    /// Known if the id came from a CRM card's messenger field.
    pub origin: Option<Origin>,
}

/// The open line that a chat id belongs to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub connector: String,
    pub line: u64,
    /// The client's id on the messenger's side; may be empty.
    pub external_user_id: String,
}

/// What a field held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Each once, in the order of the field.
    pub usable: Vec<Address>,
    pub unusable: Vec<Unusable>,
}

/// A text that is no address, as typed, for the person who typed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Unusable(pub String);

/// What a field is for, where a text alone could mean either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Bare digits are a phone.
    Phones,
    /// Bare digits are a messenger's own id.
    ChatIds,
}

/// Reads a field of phones, usernames, e-mails, chat ids and links to them, separated by `,`, `;`, `·` or line breaks. Bare
/// digits are phones.
pub fn parse_many(text: &str) -> Addresses {
    parse_field(text, Field::Phones)
}

/// The first phone number of a field for phones.
pub fn first_phone(text: &str) -> Option<E164> {
    parse_field(text, Field::Phones).usable.into_iter().find_map(|address| match address {
        Address::Phone(phone) => Some(phone),
        _other => None,
    })
}

/// [`parse_many`] for a field whose purpose is known.
pub fn parse_field(text: &str, field: Field) -> Addresses {
    let mut found = Addresses::default();
    let mut seen = HashSet::new();
    let mut after_phone = false;
    for part in text.split([',', ';', '\n', '\r', '·']).flat_map(phone::split_joined) {
        let part = part.trim_matches(is_ignored);
        if part.is_empty() || (after_phone && phone::is_extension(part)) {
            continue;
        }
        let parsed = parse_one(part, field);
        after_phone = matches!(parsed, Some(Address::Phone(_)));
        match parsed {
            Some(address) => {
                if seen.insert(address.same()) {
                    found.usable.push(address);
                }
            }
            None => found.unusable.push(Unusable(part.to_owned())),
        }
    }
    found
}

/// Spaces, and the invisible marks that come along when a number is copied from a web page.
fn is_ignored(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn parse_one(text: &str, field: Field) -> Option<Address> {
    if let Some(chat) = messenger_field(text) {
        return Some(Address::ChatId(chat));
    }
    if let Some(linked) = link::target(text) {
        return match linked {
            link::Target::Phone(phone) => phone::parse(&phone).map(Address::Phone),
            link::Target::Username(name) => username(&name),
            link::Target::Email(email) => parse_email(&email),
            link::Target::Nobody => None,
        };
    }
    let is_id = is_negative(text) || (field == Field::ChatIds && is_digits(text));
    if !is_id && let Some(phone) = phone::parse(text) {
        return Some(Address::Phone(phone));
    }
    if let Some(name) = text.strip_prefix('@') {
        return username(name);
    }
    parse_email(text).or_else(|| chat_id(text, field))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Groups of Telegram have negative numbers.
fn is_negative(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(is_digits)
}

/// `imol|connector|line|chat|user`, as open lines write it into a card; also without the `imol`, as events call it.
fn messenger_field(text: &str) -> Option<ChatId> {
    let parts: Vec<_> = text.split('|').map(str::trim).collect();
    let (connector, line, chat, user) = match parts.as_slice() {
        [imol, connector, line, chat, user] if imol.eq_ignore_ascii_case("imol") => (connector, line, chat, *user),
        [imol, connector, line, chat] if imol.eq_ignore_ascii_case("imol") => (connector, line, chat, ""),
        [connector, line, chat, user] => (connector, line, chat, *user),
        _ => return None,
    };
    let line = line.parse().ok()?;
    let short = |id: &str| id.len() <= MAX_ID;
    let whole = !connector.is_empty() && !chat.is_empty() && [*connector, *chat, user].into_iter().all(short);
    whole.then(|| ChatId {
        external_chat_id: (*chat).to_owned(),
        origin: Some(Origin { connector: (*connector).to_owned(), line, external_user_id: user.to_owned() }),
    })
}

fn username(name: &str) -> Option<Address> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    let fine = (2..=64).contains(&name.len())
        && name.bytes().all(allowed)
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric());
    fine.then(|| Address::Username(name.to_owned()))
}

fn parse_email(text: &str) -> Option<Address> {
    // `Ivan Petrov <ivan@example.ru>`
    let text = match text.split_once('<') {
        Some((_, address)) => address.strip_suffix('>')?.trim(),
        None => text,
    };
    let (local, domain) = text.rsplit_once('@')?;
    let domain = domain.to_lowercase();
    if is_messenger_domain(&domain) || local.is_empty() || text.len() > MAX_EMAIL {
        return None;
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || "<>()[]:\\\"|@".contains(c);
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let fine = !local.contains(strange) && domain.contains('.') && domain.split('.').all(label);
    fine.then(|| Address::Email(format!("{local}@{domain}")))
}

/// What stands behind the `@` in the ids of the WhatsApp family.
fn is_messenger_domain(domain: &str) -> bool {
    matches!(domain, "c.us" | "g.us" | "s.whatsapp.net" | "lid" | "newsletter" | "broadcast")
}

/// A messenger's own id: `79001234567@c.us`, `-1001234567890`, `u2i-AbC~1`, our own `short:peer`. Words are none: there must be
/// a digit and, unless the field is for ids, something that no phone has.
fn chat_id(text: &str, field: Field) -> Option<Address> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:.~=@".contains(&byte);
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let special = is_negative(text) || text.bytes().any(|byte| byte.is_ascii_alphabetic() || b"_:~".contains(&byte));
    let at_sign = match text.rsplit_once('@') {
        Some((local, domain)) => !local.is_empty() && is_messenger_domain(domain),
        None => true,
    };
    let fine = text.len() <= MAX_ID && text.bytes().all(allowed) && has_digit && at_sign;
    (fine && (special || field == Field::ChatIds))
        .then(|| Address::ChatId(ChatId { external_chat_id: text.to_owned(), origin: None }))
}

impl Address {
    /// For logs: enough to find the person who asks, too little for a stranger.
    pub fn masked(&self) -> String {
        match self {
            Self::Phone(phone) => phone.masked(),
            Self::Username(name) => format!("@{}", mask(name)),
            Self::Email(email) => match email.rsplit_once('@') {
                Some((local, domain)) => format!("{}@{domain}", mask(local)),
                None => mask(email),
            },
            Self::ChatId(chat) => mask(&chat.external_chat_id),
        }
    }

    /// Equal for addresses that reach the same person.
    fn same(&self) -> Self {
        match self {
            Self::Username(name) => Self::Username(name.to_ascii_lowercase()),
            other => other.clone(),
        }
    }
}

/// The first characters and, of long texts, the last ones: a third at most.
fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let shown = (chars.len() / 6).min(3);
    let first: String = chars.iter().take(shown.max(1)).collect();
    let last: String = chars.iter().skip(chars.len() - shown).collect();
    if chars.len() < 2 { "***".to_owned() } else { format!("{first}***{last}") }
}

/// For people, and readable again: `+7 900 123-45-67`, `@name`, an e-mail, a chat id as in a card's messenger field.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(phone) => phone.fmt(f),
            Self::Username(name) => write!(f, "@{name}"),
            Self::Email(email) => f.write_str(email),
            Self::ChatId(ChatId { external_chat_id, origin: None }) => f.write_str(external_chat_id),
            Self::ChatId(ChatId { external_chat_id, origin: Some(origin) }) => {
                let Origin { connector, line, external_user_id } = origin;
                write!(f, "imol|{connector}|{line}|{external_chat_id}|{external_user_id}")
            }
        }
    }
}

/// `Debug` ends in logs.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Phone(_) => "Phone",
            Self::Username(_) => "Username",
            Self::Email(_) => "Email",
            Self::ChatId(_) => "ChatId",
        };
        write!(f, "{kind}({})", self.masked())
    }
}

impl fmt::Debug for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unusable({})", mask(&self.0))
    }
}
