//! Links that name a person in a messenger.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Phone(String),
    Username(String),
    Email(String),
    /// An invitation, a QR code: a link of a known kind that names no person.
    Nobody,
}

impl Target {
    fn or_nobody(target: Option<Self>) -> Self {
        target.unwrap_or(Self::Nobody)
    }
}

/// The person that a link leads to; `None` if the text is no link of the known kinds.
pub(super) fn target(text: &str) -> Option<Target> {
    if let Some((scheme, rest)) = text.split_once(':') {
        let phone = |field| Some(Target::or_nobody(query(rest, field).map(Target::Phone)));
        match scheme.to_ascii_lowercase().as_str() {
            "tel" | "callto" | "whatsapp" | "viber" if !rest.starts_with("//") => {
                return Some(Target::Phone(decoded(before(rest, "?"))));
            }
            "mailto" => return Some(Target::Email(decoded(before(rest, "?")))),
            "whatsapp" => return phone("phone"),
            "viber" => return phone("number"),
            "tg" => {
                return query(rest, "domain").map(Target::Username).or_else(|| phone("phone"));
            }
            _ => {}
        }
    }
    let address = strip_ci(text, "https://").or_else(|| strip_ci(text, "http://")).unwrap_or(text);
    let address = strip_ci(address, "www.").unwrap_or(address);
    let (host, path) = address.split_once('/')?;
    let found = match host.to_ascii_lowercase().as_str() {
        "wa.me" => whatsapp_path(path),
        "api.whatsapp.com" | "web.whatsapp.com" => query(path, "phone").map(Target::Phone),
        "t.me" | "telegram.me" | "telegram.dog" => telegram_path(path),
        _ => return None,
    };
    Some(Target::or_nobody(found))
}

fn whatsapp_path(path: &str) -> Option<Target> {
    let number = decoded(before(path, "?/#"));
    let is_number =
        number.bytes().any(|byte| byte.is_ascii_digit()) && !number.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_number.then_some(Target::Phone(number)).or_else(|| query(path, "phone").map(Target::Phone))
}

/// `t.me/name`, `t.me/+79001234567`; `t.me/+AbC`, `t.me/joinchat/…` and `t.me/c/…` are no persons.
fn telegram_path(path: &str) -> Option<Target> {
    let name = before(path, "?#").trim_end_matches('/');
    let name = decoded(name.strip_prefix("s/").unwrap_or(name));
    if let Some(number) = name.strip_prefix('+') {
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        return is_number.then_some(Target::Phone(name));
    }
    let name = name.strip_prefix('@').unwrap_or(&name);
    (!name.contains('/')).then(|| Target::Username(name.to_owned()))
}

/// A field of a link's query.
fn query(text: &str, field: &str) -> Option<String> {
    let (_, query) = text.split_once('?')?;
    let pairs = before(query, "#").split('&').filter_map(|pair| pair.split_once('='));
    let value =
        pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| decoded(value))?;
    Some(value).filter(|value| !value.is_empty())
}

fn decoded(text: &str) -> String {
    match percent_decode_str(text).decode_utf8_lossy() {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

fn before<'a>(text: &'a str, signs: &str) -> &'a str {
    text.find(|c| signs.contains(c)).and_then(|at| text.get(..at)).unwrap_or(text)
}

fn strip_ci<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
