//! Clients from outside as users of the portal.

use serde_json::{Map, Value};

use super::{Counter, State, User, UserId, rest::params::Params};

pub(super) fn known_client(state: &State, connector: &str, external: &str) -> Option<UserId> {
    let is_it = |user: &&User| user.external.as_ref().is_some_and(|(of, id)| of == connector && id == external);
    state.users.values().find(is_it).map(|user| user.id)
}

/// The portal's user behind an external one, made or brought up to date. One external id is one user per connector,
/// on whatever line.
pub(super) fn client(state: &mut State, connector: &str, given: &Map<String, Value>) -> UserId {
    let given = Params(given);
    let external = given.text("id");
    let id = known_client(state, connector, &external).unwrap_or_else(|| state.next_id(Counter::Client));
    let guest = state.text("Гость", "Guest");
    let (name, last_name) = split_name(given, &guest);
    let user = state.users.entry(id).or_insert_with(|| User {
        id,
        name: String::new(),
        last_name: String::new(),
        admin: false,
        active: true,
        phone: String::new(),
        email: String::new(),
        external: Some((connector.to_owned(), external)),
    });
    user.name = name;
    user.last_name = last_name;
    let phone = given.text("phone");
    if given.text("skip_phone_validate") == "Y" || is_phone(&phone) {
        user.phone = phone;
    }
    let email = given.text("email");
    if !email.is_empty() {
        user.email = email;
    }
    id
}

/// A name of exactly two words is split when no last name is given; without any name the client is a guest.
fn split_name(given: Params<'_>, guest: &str) -> (String, String) {
    let (name, last_name, title) = (given.text("name"), given.text("last_name"), given.text("title"));
    if last_name.is_empty() {
        let words: Vec<&str> = name.split_whitespace().collect();
        if let [first, second] = words[..] {
            return (first.to_owned(), second.to_owned());
        }
    }
    match (name.is_empty() && last_name.is_empty(), title.is_empty()) {
        (false, _) => (name, last_name),
        (true, false) => (title, last_name),
        (true, true) => (guest.to_owned(), last_name),
    }
}

/// The validator takes E.164 with its plus; what it refuses is dropped, and with it the link to the CRM.
fn is_phone(phone: &str) -> bool {
    phone.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
