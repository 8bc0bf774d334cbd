//! Events: who hears them, what they carry, and the queue that posts them.
//!
//! As in life: only applications that are active and installed hear anything; an event is posted once and never again,
//! whatever the answer; posts of a portal go out one after another.

use std::sync::Weak;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{Binding, Inner, Portal, State, UserId};
use crate::{form, oauth::ACCESS_LIFE_S};

/// Seconds that the queue waits for an answer; the real number is not published.
const PATIENCE_S: u64 = 15;

/// A post that went to an application.
#[derive(Clone, Debug)]
pub struct PostedEvent {
    /// The event's name in capitals, `ROBOT <code>`, `SMS <code>`, or the raw sender's label.
    pub event: String,
    pub url: String,
    pub form: Vec<(String, String)>,
    pub at_ms: i64,
    /// Status of the answer; `None` while it is on its way or when nobody answered.
    pub status: Option<u16>,
    /// It was tried.
    pub done: bool,
}

impl PostedEvent {
    /// A field by its bracket key.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.form.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// A post on its way: its place in the journal, address and body.
pub(super) struct Post {
    at: usize,
    url: String,
    body: String,
}

/// Posts what the queue holds until the portal is gone.
pub(super) async fn deliver(portal: Weak<Inner>, http: reqwest::Client, mut posts: mpsc::UnboundedReceiver<Post>) {
    while let Some(post) = posts.recv().await {
        let sent = http
            .post(&post.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("user-agent", "Bitrix24 Webhook Engine")
            .timeout(std::time::Duration::from_secs(PATIENCE_S))
            .body(post.body)
            .send()
            .await;
        let Some(inner) = portal.upgrade() else {
            return;
        };
        let portal = Portal { inner };
        portal.journal(|journal| {
            if let Some(record) = journal.posted.get_mut(post.at) {
                record.status = sent.ok().map(|answer| answer.status().as_u16());
                record.done = true;
            }
        });
        portal.inner.revision.send_modify(|revision| *revision += 1);
    }
}

/// Events that carry the refresh token of the user they are sent for.
const WITH_REFRESH: [&str; 4] = ["ONAPPINSTALL", "ONAPPUPDATE", "ONAPPTEST", "ONSUBSCRIPTIONRENEW"];
/// Events that carry no tokens at all.
const WITHOUT_AUTH: [&str; 3] = ["ONAPPUNINSTALL", "ONAPPPAYMENT", "ONAPPMETHODCONFIRM"];

/// Events that an application may bind, with the scopes any of which is enough (none: no scope is needed).
pub(super) const KNOWN: &[(&str, &[&str])] = &[
    ("ONAPPINSTALL", &[]),
    ("ONAPPUNINSTALL", &[]),
    ("ONAPPUPDATE", &[]),
    ("ONAPPPAYMENT", &[]),
    ("ONAPPTEST", &[]),
    ("ONAPPMETHODCONFIRM", &[]),
    ("ONSUBSCRIPTIONRENEW", &[]),
    ("ONOFFLINEEVENT", &[]),
    ("ONUSERADD", &["user", "user_brief", "user_basic"]),
    ("ONIMCONNECTORMESSAGEADD", &["imopenlines", "imconnector"]),
    ("ONIMCONNECTORMESSAGEUPDATE", &["imopenlines", "imconnector"]),
    ("ONIMCONNECTORMESSAGEDELETE", &["imopenlines", "imconnector"]),
    ("ONIMCONNECTORDIALOGSTART", &["imopenlines", "imconnector"]),
    ("ONIMCONNECTORDIALOGFINISH", &["imopenlines", "imconnector"]),
    ("ONIMCONNECTORSTATUSDELETE", &["imopenlines", "imconnector"]),
    ("ONIMCONNECTORLINEDELETE", &["imopenlines", "imconnector"]),
    ("ONOPENLINEMESSAGEADD", &["imopenlines"]),
    ("ONOPENLINEMESSAGEUPDATE", &["imopenlines"]),
    ("ONOPENLINEMESSAGEDELETE", &["imopenlines"]),
    ("ONSESSIONSTART", &["imopenlines"]),
    ("ONSESSIONFINISH", &["imopenlines"]),
    ("ONCRMLEADADD", &["crm"]),
    ("ONCRMLEADUPDATE", &["crm"]),
    ("ONCRMLEADDELETE", &["crm"]),
    ("ONCRMDEALADD", &["crm"]),
    ("ONCRMDEALUPDATE", &["crm"]),
    ("ONCRMDEALDELETE", &["crm"]),
    ("ONCRMCONTACTADD", &["crm"]),
    ("ONCRMCONTACTUPDATE", &["crm"]),
    ("ONCRMCONTACTDELETE", &["crm"]),
    ("ONCRMCOMPANYADD", &["crm"]),
    ("ONCRMCOMPANYUPDATE", &["crm"]),
    ("ONCRMCOMPANYDELETE", &["crm"]),
];

/// An event that happened.
pub(super) struct Event<'a> {
    pub name: &'a str,
    pub data: Value,
    /// Who caused it. `None`: the portal itself, and no tokens are sent.
    pub actor: Option<UserId>,
    /// Only this application hears it. `None`: all that have bound it.
    pub only: Option<&'a str>,
}

impl Portal {
    /// Hands an event to the queue, once per handler.
    pub(super) fn emit(&self, state: &State, event: &Event<'_>) {
        for binding in &state.bindings {
            let meant = binding.event == event.name
                && !binding.offline
                && event.only.is_none_or(|client_id| client_id == binding.client_id);
            let hears =
                state.installs.get(&binding.client_id).is_some_and(|install| install.active && install.installed);
            if meant && hears {
                self.post_event(state, binding, event);
            }
        }
    }

    fn post_event(&self, state: &State, binding: &Binding, event: &Event<'_>) {
        let user = if WITHOUT_AUTH.contains(&event.name) {
            None
        } else if binding.auth_type == 0 {
            event.actor
        } else {
            Some(binding.auth_type)
        };
        let auth = self.auth(state, &binding.client_id, user, WITH_REFRESH.contains(&event.name));
        let body = json!({
            "event": event.name,
            "event_handler_id": binding.id,
            "data": event.data,
            "ts": self.world().clock.now_s(),
            "auth": auth,
        });
        let form = form::pairs(&body);
        let is_held = self.journal(|journal| {
            let is_held = journal.held_names.iter().any(|name| name == event.name);
            if is_held {
                journal.held.push((event.name.to_owned(), binding.handler.clone(), form.clone()));
            }
            is_held
        });
        if !is_held {
            self.post(event.name, &binding.handler, form);
        }
    }

    /// The `auth` block of a post: the portal's identity, and a user's tokens if there is an active one.
    pub(super) fn auth(&self, state: &State, client_id: &str, user: Option<UserId>, refresh: bool) -> Value {
        let world = self.world();
        let mut auth = Map::new();
        let token = state.installs.get(client_id).map(|install| install.application_token.clone());
        auth.insert("domain".to_owned(), json!(state.domain));
        auth.insert("client_endpoint".to_owned(), json!(format!("http://{}/rest/", state.domain)));
        auth.insert("server_endpoint".to_owned(), json!(self.server_endpoint()));
        auth.insert("member_id".to_owned(), json!(self.member_id()));
        auth.insert("application_token".to_owned(), json!(token.unwrap_or_default()));
        let active = user.filter(|user| state.users.get(user).is_some_and(|user| user.active));
        let card = world.oauth.app(client_id);
        if let (Some(user), Some(card)) = (active, card) {
            let tokens = world.oauth.issue(self.member_id(), client_id, user);
            auth.insert("access_token".to_owned(), json!(tokens.access));
            if refresh {
                auth.insert("refresh_token".to_owned(), json!(tokens.refresh));
            }
            auth.insert("expires".to_owned(), json!(tokens.expires_s));
            auth.insert("expires_in".to_owned(), json!(ACCESS_LIFE_S));
            auth.insert("scope".to_owned(), json!(card.scope.join(",")));
            auth.insert("status".to_owned(), json!(self.status_letter(client_id)));
            auth.insert("user_id".to_owned(), json!(user));
        }
        Value::Object(auth)
    }

    /// Puts a post into the queue and the journal.
    pub(super) fn post(&self, event: &str, url: &str, form: Vec<(String, String)>) {
        let body = form::body(&form);
        let record = PostedEvent {
            event: event.to_owned(),
            url: url.to_owned(),
            form,
            at_ms: self.now_ms(),
            status: None,
            done: false,
        };
        let at = self.journal(|journal| {
            journal.posted.push(record);
            journal.posted.len() - 1
        });
        // The queue is closed only when the sandbox is going away.
        let _ = self.inner.queue.send(Post { at, url: url.to_owned(), body });
    }

    /// Posts any form to any address, as a forger would.
    pub fn post_event_raw(&self, url: &str, form: &[(String, String)]) {
        self.post("RAW", url, form.to_vec());
    }

    /// The queue has nothing under way.
    pub fn is_quiet(&self) -> bool {
        self.posts_waiting() == 0
    }

    /// Posts that wait for their turn or are under way. They go out in order, so the first of them tells all.
    pub fn posts_waiting(&self) -> usize {
        self.journal(|journal| journal.posted.len() - journal.posted.partition_point(|post| post.done))
    }
}
