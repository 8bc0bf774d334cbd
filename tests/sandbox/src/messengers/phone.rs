//! Handles in users' words, for tests and for the seed of the demo: everybody's phones and the accounts of businesses.
//!
//! They panic, with the reason, when asked for what cannot be (an unknown account, a messenger that the person does not
//! have): a test that does so is wrong.

use super::{
    Messengers,
    client::{Client, done, first_id},
    model::{Message, Person, Side, Status},
    store::{Draft, digits},
};

/// Everybody's phones.
#[derive(Clone)]
pub struct Phone {
    messengers: Messengers,
}

/// Who somebody is before they exist.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewPerson<'a> {
    /// A word of one's own for it; made up when empty.
    pub id: &'a str,
    pub name: &'a str,
    /// In any notation.
    pub phone: Option<&'a str>,
    /// Without `@`.
    pub username: Option<&'a str>,
}

impl Phone {
    pub(super) fn new(messengers: Messengers) -> Self {
        Self { messengers }
    }

    /// Brings a person into the world. With a phone they have WhatsApp and Telegram, without one Telegram.
    pub fn add(&self, new: NewPerson<'_>) -> Client {
        let id = self.messengers.change(|store| {
            let number = store.number();
            let id = match new.id {
                "" => format!("person{number}"),
                id => id.to_owned(),
            };
            assert!(store.person(&id).is_none(), "there is a person {id} already");
            store.people.push(Person {
                id: id.clone(),
                name: new.name.to_owned(),
                phone: new.phone.map(|phone| digits(phone).unwrap_or_else(|| panic!("{phone} is no phone number"))),
                username: new.username.map(str::to_owned),
                // As large as today's real ones, beyond 32 bits.
                telegram_id: 7_000_000_000 + i64::try_from(number).unwrap_or_default(),
                language: "ru".to_owned(),
                picture: None,
                lacks: std::collections::BTreeSet::new(),
            });
            id
        });
        self.client(&id)
    }

    /// Short form of [`Self::add`].
    pub fn person(&self, name: &str, phone: Option<&str>, username: Option<&str>) -> Client {
        self.add(NewPerson { id: "", name, phone, username })
    }

    /// A person who is there. Panics when there is none.
    pub fn client(&self, id: &str) -> Client {
        assert!(self.messengers.read().person(id).is_some(), "no person {id}");
        Client::new(self.messengers.clone(), id)
    }

    pub fn account(&self, id: &str) -> Option<Account> {
        self.messengers.read().account(id)?;
        Some(Account { messengers: self.messengers.clone(), id: id.to_owned() })
    }

    pub fn accounts(&self) -> Vec<Account> {
        let store = self.messengers.read();
        let rows = store.accounts.iter();
        rows.map(|row| Account { messengers: self.messengers.clone(), id: row.id.clone() }).collect()
    }
}

/// One messenger account of a business.
#[derive(Clone)]
pub struct Account {
    messengers: Messengers,
    id: String,
}

/// How a message of the business fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusOf {
    /// The messenger's id of the message.
    pub id: String,
    pub text: String,
    pub status: Status,
}

impl Account {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn messengers(&self) -> &Messengers {
        &self.messengers
    }

    /// Statuses of everything that the business has written here, in the order of writing.
    pub fn statuses(&self) -> Vec<StatusOf> {
        let store = self.messengers.read();
        let chats = store.chats.iter().filter(|chat| chat.account == self.id);
        let mut messages: Vec<&Message> =
            chats.flat_map(|chat| &chat.messages).filter(|message| message.side == Side::Business).collect();
        messages.sort_by_key(|message| message.key);
        let shown = messages.into_iter().map(|message| StatusOf {
            id: message.external_id.clone(),
            text: message.text.clone(),
            status: message.status,
        });
        shown.collect()
    }

    /// Waits until a message of the business has come so far, half a minute at most.
    pub async fn reaches(&self, id: &str, status: Status) {
        let what = format!("message {id} is {status:?}");
        let far = || {
            let statuses = self.statuses();
            let row = statuses.into_iter().find(|row| row.id == id)?;
            (row.status >= status).then_some(())
        };
        self.messengers.until(&what, far).await;
    }

    /// Somebody of the business writes with the messenger's own program, past every API. Answers the message's id.
    pub fn staff_writes(&self, to: &Client, text: &str) -> String {
        let written = self.messengers.staff_writes(&self.id, to.id(), Draft::text(text));
        first_id(&self.messengers, &done(written))
    }

    /// The messenger's id of the private chat with a person, if there is one.
    pub fn chat_with(&self, client: &Client) -> Option<String> {
        let store = self.messengers.read();
        let chat = store.private_chat(&self.id, client.id())?;
        Some(store.chats[chat].external_id.clone())
    }
}
