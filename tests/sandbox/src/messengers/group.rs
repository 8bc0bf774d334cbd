//! A group that an account of a business is in, as tests see it.
//!
//! A bot is in a group as its administrator, so that it is told of everything (a plain member hears what is addressed to it; Bot API,
//! "Privacy mode"), reactions among it. Its groups are supergroups, which number their messages by themselves: an id means a message
//! only together with its chat (Bot API, `Message.message_id`).

use actix_web::web;

use super::{
    Messengers,
    client::{Client, Received, done, first_id, kept, received},
    model::{Core, MediaKind, Message, Peer, Side},
    phone::Account,
    store::{Draft, Place, Store},
    telegram,
};

/// A group with its members.
#[derive(Clone)]
pub struct Group {
    messengers: Messengers,
    account: String,
    /// The messenger's id of it.
    pub id: String,
}

impl Account {
    /// Somebody takes the account into a group that was made a while ago.
    pub fn is_taken_into(&self, title: &str, members: &[&Client]) -> Group {
        let messengers = self.messengers();
        let made_ms = messengers.now_ms() - 60_000;
        let id = messengers.change(|store| {
            let members = members.iter().map(|member| member.id().to_owned()).collect();
            let peer = Peer::Group { title: title.to_owned(), members };
            let id = store.new_group_id(self.id());
            let chat = store.add_chat(self.id(), peer, id.clone(), made_ms);
            // Until now the account was not there.
            store.chats[chat].blocked = true;
            id
        });
        let group = Group { messengers: messengers.clone(), account: self.id().to_owned(), id };
        group.takes_in(true);
        group
    }
}

impl Group {
    /// A member writes. Answers the messenger's id of the message.
    pub fn hears(&self, who: &Client, text: &str) -> String {
        self.takes(who, Draft { entities: telegram::html::found_in(text), ..Draft::text(text) })
    }

    /// A member sends a file: name, type, bytes.
    pub fn hears_file(&self, who: &Client, file: (&str, &str, impl Into<web::Bytes>), caption: &str) -> String {
        let kind = MediaKind::of(file.1);
        let file = kept(&self.messengers, file, kind);
        self.takes(who, Draft { files: vec![file], ..Draft::text(caption) })
    }

    /// A member answers a message.
    pub fn hears_reply(&self, who: &Client, to: &str, text: &str) -> String {
        self.takes(who, Draft { reply_to: Some(to.to_owned()), ..Draft::text(text) })
    }

    fn takes(&self, who: &Client, draft: Draft) -> String {
        let chat = self.read(|store, chat| store.chats[chat].id.clone());
        first_id(&self.messengers, &done(self.messengers.member_writes(who.id(), &chat, draft)))
    }

    /// Somebody of the business writes with the messenger's own program. Answers the messenger's id of the message.
    pub fn staff_writes(&self, text: &str) -> String {
        let chat = self.read(|store, chat| store.chats[chat].id.clone());
        first_id(&self.messengers, &done(self.messengers.staff_writes_to_group(&chat, Draft::text(text))))
    }

    /// A member changes what he wrote.
    pub fn edits(&self, id: &str, text: &str) {
        let key = self.read(|store, chat| store.message(place(store, chat, id)).key);
        done(self.messengers.person_edits(key, text));
    }

    /// A member puts an emoji on a message, of whomever. Only bots are known to be told.
    pub fn reacts(&self, who: &Client, id: &str, emoji: &str) {
        self.tells(|store, token, chat, now_ms| {
            let place = place(store, chat, id);
            telegram::updates::reaction(store, token, (place, who.id()), emoji, now_ms);
        });
    }

    /// Somebody calls it something else. (What ChatApp tells of that is not known.)
    pub fn is_renamed(&self, new: &str) {
        self.messengers.change(|store| {
            let at = store.chat_by_external(&self.account, &self.id);
            if let Some(Peer::Group { title, .. }) = at.map(|at| &mut store.chats[at].peer) {
                new.clone_into(title);
            }
        });
        self.tells(telegram::updates::renamed);
    }

    /// The account is put into the group again, or thrown out of it.
    pub fn takes_in(&self, is_in: bool) {
        let chat = self.read(|_, chat| chat);
        self.messengers.change(|store| store.chats[chat].blocked = !is_in);
        self.tells(telegram::updates::membership);
    }

    /// Everything that the business has written here, in order.
    pub fn received(&self) -> Vec<Received> {
        self.read(|store, chat| {
            let written = store.chats[chat].messages.iter().filter(|message| message.side == Side::Business);
            written.map(|message: &Message| received(&self.messengers, store, message)).collect()
        })
    }

    /// Waits until the business has written so many messages here, half a minute at most.
    pub async fn receives(&self, count: usize) -> Vec<Received> {
        let enough = || Some(self.received()).filter(|received| received.len() >= count);
        self.messengers.until(&format!("the group has {count} messages"), enough).await
    }

    fn read<T>(&self, read: impl FnOnce(&Store, usize) -> T) -> T {
        let store = self.messengers.read();
        let chat = store.chat_by_external(&self.account, &self.id).expect("the group is there");
        read(&store, chat)
    }

    /// Has a bot told something of the group.
    fn tells(&self, tell: impl FnOnce(&mut Store, &str, usize, i64)) {
        let now_ms = self.messengers.now_ms();
        self.messengers.change(|store| {
            let core = store.account(&self.account).map(|row| row.core.clone());
            let chat = store.chat_by_external(&self.account, &self.id);
            if let (Some(Core::TelegramBot { token }), Some(chat)) = (core, chat) {
                tell(store, &token, chat, now_ms);
            }
        });
        self.messengers.post_all();
    }
}

fn place(store: &Store, chat: usize, id: &str) -> Place {
    let mut messages = store.chats[chat].messages.iter();
    (chat, messages.position(|message| message.external_id == id).unwrap_or_else(|| panic!("no message {id}")))
}
