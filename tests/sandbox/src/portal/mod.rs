//! A make-believe Bitrix24 account.
//!
//! [`Portal`] is a handle; its methods are spread over this folder by what they are about and are named as people act:
//! `adds_app`, `opens_frame`, `connects`, `operator_writes`, `moves_stage`. REST ([`rest`]) is what applications see.
//! Everything happens under one short lock; posts to applications go out from a queue of their own, each once.

mod apps;
mod chats;
mod clients;
pub(crate) mod crm;
mod events;
mod expressions;
mod files;
mod frames;
mod incoming;
mod journal;
mod lines;
mod model;
pub(crate) mod placements;
pub mod rest;
mod robots;
mod seed;
mod sms;
mod state;
mod telling;
mod trouble;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use apps::NotDone;
pub use chats::Blocked;
pub use events::PostedEvent;
pub use frames::{Closed, FrameForm, Screen};
pub use journal::{CallRecord, Fault, Overlap, Violation};
pub use model::*;
use ring::{digest, hmac};
pub(crate) use state::{Counter, State};
use tokio::sync::{mpsc, watch};
pub use trouble::Bill;

use crate::{World, random_hex};

/// A handle on one portal; clones are the same portal.
#[derive(Clone)]
pub struct Portal {
    inner: Arc<Inner>,
}

struct Inner {
    world: Arc<World>,
    member_id: String,
    /// Signs event tokens.
    key: hmac::Key,
    state: Mutex<State>,
    journal: Mutex<journal::Journal>,
    queue: mpsc::UnboundedSender<events::Post>,
    revision: watch::Sender<u64>,
}

impl Portal {
    pub(crate) fn new(world: Arc<World>, title: &str, domain: String) -> Self {
        let (queue, posts) = mpsc::unbounded_channel();
        let mut state = State::new(title.to_owned(), domain);
        seed::found(&mut state);
        let portal = Self {
            inner: Arc::new(Inner {
                member_id: random_hex(16),
                key: hmac::Key::new(hmac::HMAC_SHA256, random_hex(32).as_bytes()),
                state: Mutex::new(state),
                journal: Mutex::default(),
                queue,
                revision: watch::Sender::new(1),
                world,
            }),
        };
        portal.world().runtime.spawn(events::deliver(
            Arc::downgrade(&portal.inner),
            portal.world().http.clone(),
            posts,
        ));
        portal
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state; pages that wait for a new revision see it.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let done = act(&mut self.lock());
        self.inner.revision.send_modify(|revision| *revision += 1);
        done
    }

    pub fn world(&self) -> &Arc<World> {
        &self.inner.world
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.world().clock.now_ms()
    }

    /// Grows with every change that a page can show.
    pub fn revision(&self) -> u64 {
        *self.inner.revision.borrow()
    }

    /// Waits until the portal's state satisfies the question, which is asked again after each change. `None`: not in time.
    pub async fn waits_until<T>(
        &self,
        at_most: std::time::Duration,
        mut question: impl FnMut(&Self) -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.inner.revision.subscribe();
        let asked = async {
            loop {
                changes.borrow_and_update();
                if let Some(answer) = question(self) {
                    return answer;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(at_most, asked).await.ok()
    }

    /// 32 hexadecimal digits: the portal's name for ever.
    pub fn member_id(&self) -> &str {
        &self.inner.member_id
    }

    /// `localhost:{port}`; changes when the portal is renamed.
    pub fn domain(&self) -> String {
        self.read(|state| state.domain.clone())
    }

    /// `http://localhost:{port}`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.domain())
    }

    pub fn client_endpoint(&self) -> String {
        format!("{}/rest/", self.origin())
    }

    pub fn server_endpoint(&self) -> String {
        format!("{}/rest/", self.world().cloud_url)
    }

    /// Host of the OAuth server, with its port.
    pub(crate) fn oauth_host(&self) -> &str {
        self.world().cloud_url.trim_start_matches("http://")
    }

    /// `ru` or `en`.
    pub fn lang(&self) -> String {
        self.read(|state| state.lang.clone())
    }

    pub fn sets_lang(&self, lang: &str) {
        self.change(|state| lang.clone_into(&mut state.lang));
    }

    pub fn plan(&self, plan: Plan) {
        self.change(|state| state.plan = plan);
    }

    /// The administrator that every portal begins with.
    pub fn admin(&self) -> UserId {
        seed::ADMIN
    }

    /// The manager that every portal begins with: no administrator.
    pub fn employee(&self) -> UserId {
        seed::EMPLOYEE
    }

    /// Somebody whom the portal knows, from outside or not.
    pub fn user(&self, user: UserId) -> Option<User> {
        self.read(|state| state.users.get(&user).cloned())
    }

    pub(crate) fn user_is_active(&self, user: UserId) -> bool {
        self.read(|state| state.users.get(&user).is_some_and(|user| user.active))
    }

    /// Takes an employee's rights as an administrator away, or gives them.
    pub fn makes_admin(&self, user: UserId, admin: bool) {
        self.change(|state| {
            if let Some(user) = state.users.get_mut(&user) {
                user.admin = admin;
            }
        });
    }

    /// The administrator closes the application to an employee, or opens it. Administrators always have access.
    pub fn closes_app_to(&self, user: UserId, closed: bool) {
        self.change(|state| if closed { state.closed_to.insert(user) } else { state.closed_to.remove(&user) });
    }

    /// Dismisses an employee: his tokens stop working.
    pub fn dismisses(&self, user: UserId) {
        self.change(|state| {
            if let Some(user) = state.users.get_mut(&user) {
                user.active = false;
            }
        });
        self.world().oauth.revoke_user(self.member_id(), user);
    }

    /// Notifications that applications sent to employees, oldest first.
    pub fn notifications(&self) -> Vec<Notification> {
        self.read(|state| state.notifications.clone())
    }

    /// The portal moves to a new domain; the old one answers 302 from now on.
    pub(crate) fn moves_to(&self, domain: String) {
        self.change(|state| {
            let former = std::mem::replace(&mut state.domain, domain);
            state.former.insert(former);
        });
    }

    /// Signature of an event token.
    fn sign(&self, text: &str) -> String {
        hex(hmac::sign(&self.inner.key, text.as_bytes()).as_ref())
    }

    fn signed(&self, text: &str, signature: &str) -> bool {
        self.sign(text) == signature
    }
}

/// The same for an application in a portal at every installation.
fn application_token(member_id: &str, client_id: &str, secret: &str) -> String {
    let whole = digest::digest(&digest::SHA256, format!("{member_id}|{client_id}|{secret}").as_bytes());
    hex(whole.as_ref()).chars().take(32).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
