//! The state of the make-believe world and the plain facts about it. What follows from a change is decided elsewhere.

use super::{
    chatapp,
    files::Files,
    model::{AccountRow, Attachment, Chat, Core, Entity, Extra, FromApp, Message, Peer, Person, Side, Status},
    telegram,
};
use crate::random_hex;

#[derive(Default)]
pub(crate) struct Store {
    /// Grows with every change, so that a page can ask cheaply whether there is anything new.
    pub revision: u64,
    pub people: Vec<Person>,
    pub accounts: Vec<AccountRow>,
    pub chats: Vec<Chat>,
    pub files: Files,
    pub chatapp: chatapp::State,
    pub telegram: telegram::State,
    last_number: u64,
}

/// Where a message is: its chat's and its own place.
pub(crate) type Place = (usize, usize);

/// A message that is about to be put into a chat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub text: String,
    /// The text before its parse mode was applied, where one was given.
    pub raw: Option<String>,
    pub entities: Vec<Entity>,
    pub files: Vec<Attachment>,
    pub extra: Option<Extra>,
    pub album: Option<String>,
    pub reply_to: Option<String>,
    pub forwarded_from: Option<String>,
    pub from_app: Option<FromApp>,
    pub by_api: bool,
}

impl Draft {
    pub(crate) fn text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

impl Store {
    /// A number that nothing else in this sandbox has.
    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    pub(crate) fn person_mut(&mut self, id: &str) -> Option<&mut Person> {
        self.people.iter_mut().find(|person| person.id == id)
    }

    pub(crate) fn account(&self, id: &str) -> Option<&AccountRow> {
        self.accounts.iter().find(|account| account.id == id)
    }

    pub(crate) fn account_of(&self, core: &Core) -> Option<&AccountRow> {
        self.accounts.iter().find(|account| account.core == *core)
    }

    pub(crate) fn chat(&self, id: &str) -> Option<usize> {
        self.chats.iter().position(|chat| chat.id == id)
    }

    pub(crate) fn private_chat(&self, account: &str, person: &str) -> Option<usize> {
        self.chats.iter().position(|chat| chat.account == account && chat.person() == Some(person))
    }

    pub(crate) fn chat_by_external(&self, account: &str, external_id: &str) -> Option<usize> {
        self.chats.iter().position(|chat| chat.account == account && chat.external_id == external_id)
    }

    /// The private chat of an account with a person, made if it is not there. `None` when one of them is unknown.
    pub(crate) fn open_chat(&mut self, account: &str, person: &str, now_ms: i64) -> Option<usize> {
        if let Some(found) = self.private_chat(account, person) {
            return Some(found);
        }
        let messenger = self.account(account)?.messenger();
        let external_id = chat_id_of(messenger, self.person(person)?);
        Some(self.add_chat(account, Peer::Person(person.to_owned()), external_id, now_ms))
    }

    pub(crate) fn add_chat(&mut self, account: &str, peer: Peer, external_id: String, now_ms: i64) -> usize {
        let id = format!("chat{}", self.number());
        self.chats.push(Chat {
            id,
            account: account.to_owned(),
            peer,
            external_id,
            created_ms: now_ms,
            blocked: false,
            begun: false,
            messages: Vec::new(),
        });
        self.chats.len() - 1
    }

    /// How the account's messenger names a group that is made now.
    pub(crate) fn new_group_id(&mut self, account: &str) -> String {
        let number = self.number();
        match self.account(account).map(|row| (&row.core, row.messenger())) {
            Some((Core::ChatApp { .. }, "grWhatsApp")) => format!("1203630{number:011}@g.us"),
            Some((Core::ChatApp { .. }, _)) => format!("-{}", 4_000_000_000 + number),
            _bot => format!("-100{}", 4_000_000_000 + number),
        }
    }

    /// Puts a message into a chat. `author` is the writing person, `None` the business.
    pub(crate) fn push(&mut self, chat: usize, author: Option<&str>, draft: Draft, now_ms: i64) -> Place {
        let key = self.number();
        let account = self.account(&self.chats[chat].account).expect("a chat belongs to an account").clone();
        let is_group = matches!(self.chats[chat].peer, Peer::Group { .. });
        let external_id = match &account.core {
            // A supergroup has numbers of its own.
            Core::TelegramBot { .. } if is_group => (self.chats[chat].messages.len() + 1).to_string(),
            Core::TelegramBot { token } => self.telegram.next_message_id(token).to_string(),
            // Seen in recorded samples of WhatsApp Web.
            Core::ChatApp { messenger, .. } if messenger == "grWhatsApp" => {
                format!("3EB0{}", random_hex(9).to_uppercase())
            }
            Core::ChatApp { .. } => (100_000 + key).to_string(),
        };
        let row = &mut self.chats[chat];
        if author.is_some() {
            row.begun = true;
        }
        row.messages.push(Message {
            key,
            external_id,
            side: if author.is_some() { Side::Client } else { Side::Business },
            author: author.map(str::to_owned),
            raw: draft.raw.unwrap_or_else(|| draft.text.clone()),
            text: draft.text,
            markup: account.markup(),
            entities: draft.entities,
            files: draft.files,
            extra: draft.extra,
            album: draft.album,
            reply_to: draft.reply_to,
            forwarded_from: draft.forwarded_from,
            time_ms: now_ms,
            status: Status::Sent,
            error: None,
            edited: false,
            deleted: false,
            from_app: draft.from_app,
            by_api: draft.by_api,
        });
        (chat, row.messages.len() - 1)
    }

    pub(crate) fn message(&self, place: Place) -> &Message {
        &self.chats[place.0].messages[place.1]
    }

    pub(crate) fn message_mut(&mut self, place: Place) -> &mut Message {
        &mut self.chats[place.0].messages[place.1]
    }

    pub(crate) fn place(&self, key: u64) -> Option<Place> {
        self.chats.iter().enumerate().find_map(|(at, chat)| {
            // Keys grow, so that a long history is not searched from its beginning.
            let found = chat.messages.binary_search_by_key(&key, |message| message.key);
            found.ok().map(|message| (at, message))
        })
    }
}

/// How a messenger of ChatApp names the private chat with a person.
pub(crate) fn chat_id_of(messenger: &str, person: &Person) -> String {
    let phone = person.phone.as_deref();
    match (messenger, phone) {
        ("grWhatsApp", Some(phone)) => format!("{phone}@c.us"),
        ("caWhatsApp" | "viber", Some(phone)) => phone.to_owned(),
        _ => person.telegram_id.to_string(),
    }
}

/// The digits of a phone number as people write it. `None` when it is not one.
pub(crate) fn digits(phone: &str) -> Option<String> {
    let foreign = |c: char| !c.is_ascii_digit() && !" +-()\u{a0}".contains(c);
    if phone.contains(foreign) {
        return None;
    }
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    (7..=15).contains(&digits.len()).then_some(digits)
}
