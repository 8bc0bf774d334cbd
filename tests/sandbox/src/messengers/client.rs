//! A person of the make-believe world, as tests see them: what they do and what they receive.

use actix_web::web;

use super::{
    Messengers, markup,
    model::{Attachment, Core, Entity, Extra, MediaKind, Message, Side, Status},
    people::Refusal,
    phone::Account,
    store::{Draft, Store},
    telegram,
};

/// A person with a phone.
#[derive(Clone)]
pub struct Client {
    messengers: Messengers,
    id: String,
}

/// A file as the receiver has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub mime: String,
    pub kind: MediaKind,
    pub url: String,
    pub bytes: web::Bytes,
}

/// A message of the business on a person's phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The messenger's id.
    pub id: String,
    /// What one reads: marks of WhatsApp as they came, tags of Telegram taken out.
    pub text: String,
    /// As it came over the wire.
    pub raw: String,
    /// As the phone shows it.
    pub html: String,
    pub entities: Vec<Entity>,
    pub files: Vec<File>,
    /// Parts of one album have the same.
    pub album: Option<String>,
    /// The messenger's id of the message that it answers.
    pub reply_to: Option<String>,
    pub tracking: Option<String>,
    pub at_ms: i64,
    pub edited: bool,
    pub deleted: bool,
}

impl Client {
    pub(super) fn new(messengers: Messengers, id: &str) -> Self {
        Self { messengers, id: id.to_owned() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The person's number at Telegram.
    pub fn telegram_id(&self) -> i64 {
        let store = self.messengers.read();
        store.person(&self.id).map_or(0, |person| person.telegram_id)
    }

    /// The person's phone number as it was given; empty: without one.
    pub fn phone(&self) -> String {
        let store = self.messengers.read();
        store.person(&self.id).and_then(|person| person.phone.clone()).unwrap_or_default()
    }

    /// Writes a text. Answers the messenger's id of the message.
    pub fn writes(&self, account: &Account, text: &str) -> String {
        let draft = Draft { entities: telegram::html::found_in(text), ..Draft::text(text) };
        self.sends(account, draft).remove(0)
    }

    /// Writes a text with formatting of one's own; other messengers than Telegram see the text alone.
    pub fn writes_formatted(&self, account: &Account, text: &str, entities: Vec<Entity>) -> String {
        let draft = Draft { entities, ..Draft::text(text) };
        self.sends(account, draft).remove(0)
    }

    /// Presses Start in a bot, with the payload of the link that led there.
    pub fn starts(&self, account: &Account, payload: &str) -> String {
        self.writes(account, format!("/start {payload}").trim_end())
    }

    /// Answers a message by quoting it.
    pub fn replies(&self, account: &Account, to: &str, text: &str) -> String {
        let draft = Draft { reply_to: Some(to.to_owned()), ..Draft::text(text) };
        self.sends(account, draft).remove(0)
    }

    /// Passes on what somebody has written who does not let others be led to him.
    pub fn forwards(&self, account: &Account, from: &str, text: &str) -> String {
        let draft = Draft { forwarded_from: Some(from.to_owned()), ..Draft::text(text) };
        self.sends(account, draft).remove(0)
    }

    /// Sends a file, shown as its type says.
    pub fn sends_file(&self, account: &Account, file: (&str, &str, impl Into<web::Bytes>), caption: &str) -> String {
        let (name, mime, bytes) = file;
        let kind = MediaKind::of(mime);
        let draft = Draft { files: vec![self.keep((name, mime, bytes), kind)], ..Draft::text(caption) };
        self.sends(account, draft).remove(0)
    }

    /// Sends a picture as a file, unchanged, as Telegram's "send without compression" does.
    pub fn sends_as_document(
        &self,
        account: &Account,
        file: (&str, &str, impl Into<web::Bytes>),
        caption: &str,
    ) -> String {
        let draft = Draft { files: vec![self.keep(file, MediaKind::Document)], ..Draft::text(caption) };
        self.sends(account, draft).remove(0)
    }

    /// Sends several files at once: `(name, type, bytes)` each. Answers one id per file.
    pub fn sends_album(&self, account: &Account, files: &[(&str, &str, &[u8])], caption: &str) -> Vec<String> {
        let files = files.iter().map(|(name, mime, bytes)| {
            let bytes = web::Bytes::copy_from_slice(bytes);
            self.keep((name, mime, bytes), MediaKind::of(mime))
        });
        let draft = Draft { files: files.collect(), ..Draft::text(caption) };
        self.sends(account, draft)
    }

    /// Speaks into the phone.
    pub fn sends_voice(&self, account: &Account, bytes: impl Into<web::Bytes>) -> String {
        let file = self.keep(("voice.ogg", "audio/ogg", bytes), MediaKind::Voice);
        let draft = Draft { files: vec![file], ..Draft::default() };
        self.sends(account, draft).remove(0)
    }

    pub fn sends_sticker(&self, account: &Account, emoji: &str, bytes: impl Into<web::Bytes>) -> String {
        let file = self.keep(("sticker.webp", "image/webp", bytes), MediaKind::Sticker);
        let draft =
            Draft { files: vec![file], extra: Some(Extra::Sticker { emoji: emoji.to_owned() }), ..Draft::default() };
        self.sends(account, draft).remove(0)
    }

    pub fn sends_location(&self, account: &Account, latitude: f64, longitude: f64) -> String {
        let draft = Draft { extra: Some(Extra::Location { latitude, longitude }), ..Draft::default() };
        self.sends(account, draft).remove(0)
    }

    /// Sends somebody's card; one's own when it is one's own number.
    pub fn sends_contact(&self, account: &Account, name: &str, phone: &str) -> String {
        let draft = Draft {
            extra: Some(Extra::Contact { phone: phone.to_owned(), name: name.to_owned() }),
            ..Draft::default()
        };
        self.sends(account, draft).remove(0)
    }

    /// Writes into a group that the business has made, named by the messenger's id of it.
    pub fn writes_to_group(&self, account: &Account, group: &str, text: &str) -> String {
        let chat = {
            let store = self.messengers.read();
            let at = store.chat_by_external(account.id(), group).unwrap_or_else(|| panic!("no group {group}"));
            store.chats[at].id.clone()
        };
        let written = self.messengers.member_writes(&self.id, &chat, Draft::text(text));
        first_id(&self.messengers, &done(written))
    }

    /// Changes a message of one's own, named by the messenger's id.
    pub fn edits(&self, account: &Account, id: &str, text: &str) {
        done(self.messengers.person_edits(self.key(account, id), text));
    }

    /// Deletes a message of one's own for everybody.
    pub fn deletes(&self, account: &Account, id: &str) {
        done(self.messengers.person_deletes(self.key(account, id)));
    }

    /// Puts an emoji on a message, of whomever.
    pub fn reacts(&self, account: &Account, id: &str, emoji: &str) {
        let key = self.key(account, id);
        let now_ms = self.messengers.now_ms();
        self.messengers.change(|store| {
            let core = store.account(account.id()).map(|row| row.core.clone());
            if let (Some(place), Some(Core::TelegramBot { token })) = (store.place(key), core) {
                telegram::updates::reaction(store, &token, (place, &self.id), emoji, now_ms);
            }
        });
        self.messengers.post_all();
    }

    /// Everything that the business has written to this person, in order.
    pub fn received(&self, account: &Account) -> Vec<Received> {
        let store = self.messengers.read();
        let chats = store.chats.iter().filter(|chat| chat.account == account.id() && chat.has_member(&self.id));
        let mut messages: Vec<&Message> = chats
            .flat_map(|chat| &chat.messages)
            .filter(|message| message.side == Side::Business && message.status != Status::Failed)
            .collect();
        messages.sort_by_key(|message| message.key);
        messages.into_iter().map(|message| received(&self.messengers, &store, message)).collect()
    }

    /// Waits until the business has written so many messages to this person, half a minute at most.
    pub async fn receives(&self, account: &Account, count: usize) -> Vec<Received> {
        let what = format!("{} receives {count} messages", self.id);
        let enough = || {
            let received = self.received(account);
            (received.len() >= count).then_some(received)
        };
        self.messengers.until(&what, enough).await
    }

    /// Looks at the chat: what is in it is read.
    pub fn reads(&self, account: &Account) {
        let chat = {
            let store = self.messengers.read();
            let chat = store.private_chat(account.id(), &self.id);
            chat.map(|at| store.chats[at].id.clone())
        };
        if let Some(chat) = chat {
            done(self.messengers.person_reads(&chat));
        }
    }

    pub fn blocks(&self, account: &Account) {
        done(self.messengers.person_blocks(&self.id, account.id(), true));
    }

    pub fn unblocks(&self, account: &Account) {
        done(self.messengers.person_blocks(&self.id, account.id(), false));
    }

    /// The person does not have this messenger (`grWhatsApp`, `telegram`, …) although they have the address for it.
    pub fn lacks(&self, messenger: &str) {
        self.messengers.change(|store| {
            if let Some(person) = store.person_mut(&self.id) {
                person.lacks.insert(messenger.to_owned());
            }
        });
    }

    /// Gives the person a picture.
    pub fn looks_like(&self, mime: &str, bytes: impl Into<web::Bytes>) {
        let picture = self.keep(("face", mime, bytes), MediaKind::Photo);
        self.messengers.change(|store| {
            if let Some(person) = store.person_mut(&self.id) {
                person.picture = Some(picture);
            }
        });
    }

    fn sends(&self, account: &Account, draft: Draft) -> Vec<String> {
        let written = self.messengers.person_writes(&self.id, account.id(), draft);
        let keys = done(written);
        let store = self.messengers.read();
        let places = keys.iter().filter_map(|key| store.place(*key));
        places.map(|place| store.message(place).external_id.clone()).collect()
    }

    fn keep(&self, file: (&str, &str, impl Into<web::Bytes>), kind: MediaKind) -> Attachment {
        kept(&self.messengers, file, kind)
    }

    fn key(&self, account: &Account, id: &str) -> u64 {
        let store = self.messengers.read();
        let chats = store.chats.iter().filter(|chat| chat.account == account.id() && chat.has_member(&self.id));
        let mut messages = chats.flat_map(|chat| &chat.messages);
        messages.find(|message| message.external_id == id).unwrap_or_else(|| panic!("no message {id}")).key
    }
}

/// A message of the business as it is seen on a phone.
pub(super) fn received(messengers: &Messengers, store: &Store, message: &Message) -> Received {
    let file = |file: &Attachment| File {
        name: file.name.clone(),
        mime: file.mime.clone(),
        kind: file.kind,
        url: messengers.file_url(file),
        bytes: store.files.get(&file.file).map(|row| row.bytes.clone()).unwrap_or_default(),
    };
    Received {
        id: message.external_id.clone(),
        text: message.text.clone(),
        raw: message.raw.clone(),
        html: markup::html(message),
        entities: message.entities.clone(),
        files: message.files.iter().map(file).collect(),
        album: message.album.clone(),
        reply_to: message.reply_to.clone(),
        tracking: message.from_app.as_ref().and_then(|app| app.tracking.clone()),
        at_ms: message.time_ms,
        edited: message.edited,
        deleted: message.deleted,
    }
}

/// Puts a file where messages take it from.
pub(super) fn kept(
    messengers: &Messengers,
    (name, mime, bytes): (&str, &str, impl Into<web::Bytes>),
    kind: MediaKind,
) -> Attachment {
    let bytes = bytes.into();
    messengers.change(|store| {
        let id = store.files.add(name, mime, bytes);
        let kept = store.files.attachment_as(&id, kind);
        kept.expect("the file was added just now")
    })
}

pub(super) fn done<T>(outcome: Result<T, Refusal>) -> T {
    outcome.unwrap_or_else(|reason| panic!("{reason}"))
}

pub(super) fn first_id(messengers: &Messengers, keys: &[u64]) -> String {
    let store = messengers.read();
    let place = keys.first().and_then(|key| store.place(*key));
    place.map_or_else(String::new, |place| store.message(place).external_id.clone())
}
