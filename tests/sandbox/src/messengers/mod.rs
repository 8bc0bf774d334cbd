//! The make-believe messengers: people with a phone in their hands, ChatApp's HTTP API and Telegram's Bot API.
//!
//! * A **person** ([`Client`]) writes from the phone page or from a test; a **business** writes through one of the APIs.
//! * An **account** ([`Account`]) is one messenger account of a business: a messenger of a ChatApp license, or a Telegram bot.
//! * A **chat** belongs to an account and holds its messages. Whoever writes puts a message there; what the other side
//!   gets to know (a webhook, an update, a bubble on the phone) follows from that.
//!
//! Both doubles answer and call back as the real services are seen to do, traps included: they do not take what the real
//! ones refuse. What nobody outside knows (ChatApp's codes of most errors) is chosen here and marked as such.
//!
//! Nothing here knows the product. All state is in memory and ends with the sandbox.

pub mod chatapp;
mod client;
pub mod demo;
mod files;
mod group;
mod image;
mod markup;
mod model;
mod multipart;
mod people;
mod phone;
mod phone_api;
mod store;
pub mod telegram;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::web;
use tokio::sync::Notify;

use crate::Surroundings;

pub use chatapp::{Cabinet, ChatApp, License};
pub use client::{Client, File, Received};
pub use group::Group;
pub use model::{Entity, MediaKind, Side, Status};
pub use phone::{Account, NewPerson, Phone, StatusOf};
pub use telegram::Telegram;

use store::Store;

/// How long [`Messengers::until`] waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accounts, people, chats and messages of the make-believe world. Clones share it.
#[derive(Clone)]
pub struct Messengers {
    inner: Arc<Inner>,
}

struct Inner {
    around: Surroundings,
    store: Mutex<Store>,
    /// Rung after every change; a long poll waits for it.
    bell: Notify,
}

impl Messengers {
    pub fn new(around: Surroundings) -> Self {
        Self { inner: Arc::new(Inner { around, store: Mutex::default(), bell: Notify::new() }) }
    }

    /// What people do with their phones.
    pub fn phone(&self) -> Phone {
        Phone::new(self.clone())
    }

    /// While set, public addresses of files answer 404, as those do whose time is over.
    pub fn loses_files(&self, on: bool) {
        self.quietly(|store| store.files.lost = on);
    }

    /// The knobs and the journal of ChatApp's API.
    pub fn chatapp(&self) -> ChatApp {
        ChatApp::new(self.clone())
    }

    /// The knobs and the journal of Telegram's Bot API.
    pub fn telegram(&self) -> Telegram {
        Telegram::new(self.clone())
    }

    fn around(&self) -> &Surroundings {
        &self.inner.around
    }

    fn now_ms(&self) -> i64 {
        self.inner.around.clock.now_ms()
    }

    /// The state, for reading. Never held across an `await`.
    fn read(&self) -> MutexGuard<'_, Store> {
        // A panic of one test thread must not hide what the others see.
        self.inner.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what can be seen on a phone, and tells everyone who waits.
    fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        self.quietly(|store| {
            store.revision += 1;
            change(store)
        })
    }

    /// Changes what no phone shows: journals, tokens, queues, knobs. Who waits for those is told too.
    fn quietly<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let outcome = change(&mut self.read());
        self.inner.bell.notify_waiters();
        outcome
    }

    /// Waits until something is so, half a minute at most; then panics with the words of the caller.
    pub async fn until<T>(&self, what: &str, mut check: impl FnMut() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            // Registered before looking, so that a bell in between is heard.
            let bell = self.inner.bell.notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            if let Some(found) = check() {
                return found;
            }
            let rung = tokio::time::timeout_at(deadline, bell).await;
            assert!(rung.is_ok(), "waited in vain until {what}");
        }
    }

    /// Public address of a file of the make-believe world.
    fn file_url(&self, file: &model::Attachment) -> String {
        files::url(&self.around().cloud_url, &file.file, &file.name)
    }
}

/// Routes of the cloud listener: `/chatapp/...`, `/telegram/...`, `/files/...`.
pub fn configure_cloud(cfg: &mut web::ServiceConfig) {
    cfg.configure(files::configure).configure(chatapp::configure).configure(telegram::configure);
}

/// Routes of a portal listener: `/~/phone/...`.
pub fn configure_phone(cfg: &mut web::ServiceConfig) {
    cfg.configure(phone_api::configure);
}
