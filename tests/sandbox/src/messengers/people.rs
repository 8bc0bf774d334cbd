//! What happens when a person writes, reads, edits, deletes or blocks, and when a message of the business arrives.

use std::time::Duration;

use super::{
    Messengers, chatapp,
    model::{Core, MediaKind, Message, Side, Status},
    store::{Draft, Place, Store},
    telegram,
};

/// Why a person cannot do that, in words for the one who called.
pub(crate) type Refusal = &'static str;

impl Messengers {
    /// A person writes into the private chat with an account. Several files become one message each, as messengers do
    /// it, the text being the first one's caption. Answers the keys of the new messages.
    pub(crate) fn person_writes(&self, person: &str, account: &str, draft: Draft) -> Result<Vec<u64>, Refusal> {
        let now_ms = self.now_ms();
        let keys = self.change(|store| {
            reachable(store, person, account)?;
            let chat = store.open_chat(account, person, now_ms).ok_or("no such person or account")?;
            // One who writes again has unblocked first.
            store.chats[chat].blocked = false;
            Ok::<_, Refusal>(write(store, chat, person, draft, now_ms))
        })?;
        self.announce(&keys);
        Ok(keys)
    }

    /// A member writes into a group.
    pub(crate) fn member_writes(&self, person: &str, chat: &str, draft: Draft) -> Result<Vec<u64>, Refusal> {
        let now_ms = self.now_ms();
        let keys = self.change(|store| {
            let chat = store.chat(chat).ok_or("no such chat")?;
            if !store.chats[chat].has_member(person) {
                return Err("the person is not in this chat");
            }
            Ok(write(store, chat, person, draft, now_ms))
        })?;
        self.announce(&keys);
        Ok(keys)
    }

    /// Somebody of the business writes with the messenger's own program, past every API. Only where there is such a
    /// program: a bot has none.
    pub(crate) fn staff_writes(&self, account: &str, person: &str, draft: Draft) -> Result<Vec<u64>, Refusal> {
        let now_ms = self.now_ms();
        let keys = self.change(|store| {
            reachable(store, person, account)?;
            if !matches!(store.account(account).map(|row| &row.core), Some(Core::ChatApp { .. })) {
                return Err("a bot has no phone");
            }
            let chat = store.open_chat(account, person, now_ms).ok_or("no such person or account")?;
            let place = store.push(chat, None, draft, now_ms);
            Ok(vec![store.message(place).key])
        })?;
        self.announce(&keys);
        for key in &keys {
            self.deliver_later(*key);
        }
        Ok(keys)
    }

    /// The same into a group.
    pub(crate) fn staff_writes_to_group(&self, chat: &str, draft: Draft) -> Result<Vec<u64>, Refusal> {
        let now_ms = self.now_ms();
        let key = self.change(|store| {
            let chat = store.chat(chat).ok_or("no such chat")?;
            let account = store.account(&store.chats[chat].account);
            if !matches!(account.map(|row| &row.core), Some(Core::ChatApp { .. })) {
                return Err("a bot has no phone");
            }
            let place = store.push(chat, None, draft, now_ms);
            Ok(store.message(place).key)
        })?;
        self.announce(&[key]);
        self.deliver_later(key);
        Ok(vec![key])
    }

    /// Tells the business's side about new messages.
    pub(crate) fn announce(&self, keys: &[u64]) {
        let now_ms = self.now_ms();
        self.change(|store| {
            for key in keys {
                let Some(place) = store.place(*key) else {
                    continue;
                };
                match core_of(store, place) {
                    Core::ChatApp { .. } => {
                        chatapp::webhooks::message(store, place, &self.around().cloud_url);
                        if store.message(place).side == Side::Business {
                            chatapp::webhooks::sent(store, place);
                        }
                    }
                    Core::TelegramBot { token } if store.message(place).side == Side::Client => {
                        telegram::updates::message(store, &token, place, now_ms);
                    }
                    Core::TelegramBot { .. } => {}
                }
            }
        });
        self.post_all();
    }

    /// The phone buzzes a moment after the business has written.
    pub(crate) fn deliver_later(&self, key: u64) {
        let this = self.clone();
        let wait = self.read().chatapp.knobs.deliver_after.unwrap_or(Duration::from_millis(300));
        self.around().runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            this.delivered(key);
        });
    }

    fn delivered(&self, key: u64) {
        let now_s = self.now_ms() / 1000;
        self.change(|store| {
            let Some(place) = store.place(key) else {
                return;
            };
            if store.chats[place.0].blocked || store.message(place).status != Status::Sent {
                return;
            }
            store.message_mut(place).status = Status::Delivered;
            if matches!(core_of(store, place), Core::ChatApp { .. }) {
                chatapp::webhooks::delivered(store, place, now_s);
            }
        });
        self.post_all();
    }

    /// The person looks at a chat: everything in it is read now.
    pub(crate) fn person_reads(&self, chat: &str) -> Result<(), Refusal> {
        let now_s = self.now_ms() / 1000;
        self.quietly(|store| {
            let chat = store.chat(chat).ok_or("no such chat")?;
            let mut seen = Vec::new();
            for (at, message) in store.chats[chat].messages.iter_mut().enumerate() {
                if message.side == Side::Business && message.status < Status::Viewed {
                    seen.push(((chat, at), message.status));
                    message.status = Status::Viewed;
                }
            }
            let Some((first, _)) = seen.first() else {
                return Ok(());
            };
            store.revision += 1;
            if matches!(core_of(store, *first), Core::ChatApp { .. }) {
                chatapp::webhooks::viewed(store, &seen, now_s);
            }
            Ok::<_, Refusal>(())
        })?;
        self.post_all();
        Ok(())
    }

    /// The person changes what they wrote. ChatApp is not known to tell anybody.
    pub(crate) fn person_edits(&self, key: u64, text: &str) -> Result<(), Refusal> {
        let now_ms = self.now_ms();
        self.change(|store| {
            let place = own_message(store, key)?;
            let message = store.message_mut(place);
            text.clone_into(&mut message.text);
            text.clone_into(&mut message.raw);
            message.entities = telegram::html::found_in(text);
            message.edited = true;
            if let Core::TelegramBot { token } = core_of(store, place) {
                telegram::updates::edited(store, &token, place, now_ms);
            }
            Ok::<_, Refusal>(())
        })?;
        self.post_all();
        Ok(())
    }

    /// The person deletes for everyone. Neither ChatApp nor Telegram tells a business about it.
    pub(crate) fn person_deletes(&self, key: u64) -> Result<(), Refusal> {
        self.change(|store| {
            let place = own_message(store, key)?;
            store.message_mut(place).deleted = true;
            Ok(())
        })
    }

    /// The person blocks the account, or takes it back.
    pub(crate) fn person_blocks(&self, person: &str, account: &str, blocked: bool) -> Result<(), Refusal> {
        let now_ms = self.now_ms();
        self.change(|store| {
            let chat = store.open_chat(account, person, now_ms).ok_or("no such person or account")?;
            let changed = store.chats[chat].blocked != blocked;
            store.chats[chat].blocked = blocked;
            let core = store.account(account).map(|row| row.core.clone());
            if let (true, Some(Core::TelegramBot { token })) = (changed, core) {
                telegram::updates::membership(store, &token, chat, now_ms);
            }
            Ok::<_, Refusal>(())
        })?;
        self.post_all();
        Ok(())
    }

    /// Starts every queue that has something to post.
    pub(crate) fn post_all(&self) {
        chatapp::posting::start(self);
        telegram::posting::start(self);
    }
}

/// Refuses what a person could not do: write to a messenger that they do not have.
fn reachable(store: &Store, person: &str, account: &str) -> Result<(), Refusal> {
    let person = store.person(person).ok_or("no such person")?;
    let account = store.account(account).ok_or("no such account")?;
    if person.has(account.messenger()) { Ok(()) } else { Err("the person does not have this messenger") }
}

fn own_message(store: &Store, key: u64) -> Result<Place, Refusal> {
    let place = store.place(key).ok_or("no such message")?;
    if store.message(place).side == Side::Client { Ok(place) } else { Err("the person did not write this message") }
}

fn write(store: &mut Store, chat: usize, person: &str, draft: Draft, now_ms: i64) -> Vec<u64> {
    let mut files = draft.files.clone().into_iter();
    let album = (files.len() > 1).then(|| format!("13{:015}", store.number()));
    let first = Draft { files: files.next().into_iter().collect(), album: album.clone(), ..draft };
    let mut places = vec![store.push(chat, Some(person), first, now_ms)];
    for file in files {
        let next = Draft { files: vec![file], album: album.clone(), ..Draft::default() };
        places.push(store.push(chat, Some(person), next, now_ms));
    }
    places.into_iter().map(|place| store.message(place).key).collect()
}

fn core_of(store: &Store, place: Place) -> Core {
    let account = &store.chats[place.0].account;
    store.account(account).expect("a chat belongs to an account").core.clone()
}

/// Both APIs' word for what a message is.
pub(crate) fn kind_word(message: &Message) -> &'static str {
    match (message.files.first().map(|file| file.kind), &message.extra) {
        (Some(MediaKind::Photo), _) => "image",
        (Some(MediaKind::Video), _) => "video",
        (Some(MediaKind::Audio), _) => "audio",
        (Some(MediaKind::Voice), _) => "voice",
        (Some(MediaKind::Sticker), _) => "sticker",
        (Some(MediaKind::Document), _) => "document",
        (None, Some(super::model::Extra::Location { .. })) => "location",
        (None, _) => "text",
    }
}
