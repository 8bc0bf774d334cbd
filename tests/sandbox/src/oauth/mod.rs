//! The make-believe OAuth server: applications, tokens, codes.
//!
//! One server for all portals, as in life. An access token lives an hour of the sandbox's clock; a refresh token works once,
//! and the next one must be kept. Portals ask it what an access token stands for.

mod routes;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use routes::configure;
pub(crate) use routes::{cut, parameters};
use serde_json::{Value, json};

use crate::{clock::Clock, portal::Portal, random_hex};

/// Seconds that an access token lives.
pub const ACCESS_LIFE_S: i64 = 3600;
/// A refresh token lives 180 days by the documentation of 2026.
const REFRESH_LIFE_MS: i64 = 180 * 24 * 3600 * 1000;
/// An authorisation code lives half a minute.
const CODE_LIFE_MS: i64 = 30_000;

/// Where an application comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppKind {
    /// Made by an administrator for one portal.
    Local,
    /// Published on the Market.
    Market,
}

/// An application as its vendor describes it.
#[derive(Clone, Debug)]
pub struct AppCard {
    /// `local.<hex>.<digits>` or `app.<hex>.<digits>`.
    pub client_id: String,
    pub client_secret: String,
    pub kind: AppKind,
    pub title: String,
    pub scope: Vec<String>,
    pub version: u32,
    /// Page of the left menu. `None`: the application has no pages ("uses API only").
    pub app_url: Option<String>,
    /// Install wizard; for an application without pages the handler of its install event.
    pub install_url: Option<String>,
    /// Where `/oauth/authorize/` returns to.
    pub redirect_url: Option<String>,
}

/// What an access token stands for.
#[derive(Clone, Debug)]
pub struct Grant {
    pub member_id: String,
    pub client_id: String,
    pub user: u32,
    pub expires_ms: i64,
}

/// A freshly issued pair.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub expires_s: i64,
}

/// What the token endpoint was asked, for tests that watch how a server treats its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefreshCount {
    /// All refresh requests.
    pub total: u32,
    /// Those with a refresh token that was used, revoked or never there.
    pub stale: u32,
}

/// The server's state.
pub struct OAuth {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    apps: BTreeMap<String, AppCard>,
    access: HashMap<String, Grant>,
    refresh: HashMap<String, Grant>,
    codes: HashMap<String, Grant>,
    count: RefreshCount,
    down: bool,
    /// How many answers to refreshes are lost on their way, by portal.
    lost: HashMap<String, u32>,
}

/// How the token endpoint refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Client,
    Grant,
    Request,
}

impl OAuth {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an application known, or replaces its card.
    pub fn publish(&self, card: AppCard) {
        self.state().apps.insert(card.client_id.clone(), card);
    }

    pub fn app(&self, client_id: &str) -> Option<AppCard> {
        self.state().apps.get(client_id).cloned()
    }

    /// Everything that is published.
    pub fn apps(&self) -> Vec<AppCard> {
        self.state().apps.values().cloned().collect()
    }

    pub fn refreshes(&self) -> RefreshCount {
        self.state().count
    }

    /// A server that is down answers 503 with a page instead of JSON.
    pub fn is_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Every access token of a portal is past its time.
    pub(crate) fn expire_access(&self, member_id: &str) {
        let now = self.clock.now_ms();
        for grant in self.state().access.values_mut().filter(|grant| grant.member_id == member_id) {
            grant.expires_ms = grant.expires_ms.min(now);
        }
    }

    pub(crate) fn loses_answers(&self, member_id: &str, count: u32) {
        self.state().lost.insert(member_id.to_owned(), count);
    }

    /// Whether the answer to a refresh that was just done is lost.
    fn loses_answer(&self, member_id: &str) -> bool {
        match self.state().lost.get_mut(member_id) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// Issues a pair for a user of a portal.
    pub(crate) fn issue(&self, member_id: &str, client_id: &str, user: u32) -> Tokens {
        let now = self.clock.now_ms();
        let grant = Grant {
            member_id: member_id.to_owned(),
            client_id: client_id.to_owned(),
            user,
            expires_ms: now + ACCESS_LIFE_S * 1000,
        };
        let tokens = Tokens { access: random_hex(35), refresh: random_hex(35), expires_s: grant.expires_ms / 1000 };
        let mut state = self.state();
        state.access.insert(tokens.access.clone(), grant.clone());
        state.refresh.insert(tokens.refresh.clone(), Grant { expires_ms: now + REFRESH_LIFE_MS, ..grant });
        tokens
    }

    /// What an access token stands for, even if it is past its time.
    pub(crate) fn grant(&self, access: &str) -> Option<Grant> {
        self.state().access.get(access).cloned()
    }

    /// Ends all tokens of an application in a portal.
    pub(crate) fn revoke(&self, member_id: &str, client_id: &str) {
        let mut state = self.state();
        let kept = |grant: &Grant| grant.member_id != member_id || grant.client_id != client_id;
        // Access tokens stay known: the portal says itself that the application is gone.
        state.refresh.retain(|_, grant| kept(grant));
        state.codes.retain(|_, grant| kept(grant));
    }

    /// Ends all refresh tokens of a user, as when an employee is dismissed.
    pub(crate) fn revoke_user(&self, member_id: &str, user: u32) {
        self.state().refresh.retain(|_, grant| grant.member_id != member_id || grant.user != user);
    }

    /// A code for the authorisation flow.
    pub(crate) fn code(&self, member_id: &str, client_id: &str, user: u32) -> String {
        let code = random_hex(35);
        let grant = Grant {
            member_id: member_id.to_owned(),
            client_id: client_id.to_owned(),
            user,
            expires_ms: self.clock.now_ms() + CODE_LIFE_MS,
        };
        self.state().codes.insert(code.clone(), grant);
        code
    }

    fn check_client(&self, client_id: &str, secret: &str) -> Result<(), Refusal> {
        match self.state().apps.get(client_id) {
            Some(card) if card.client_secret == secret => Ok(()),
            _ => Err(Refusal::Client),
        }
    }

    /// Spends a refresh token. The caller checks the client first and issues the next pair.
    fn spend_refresh(&self, client_id: &str, token: &str) -> Result<Grant, Refusal> {
        let now = self.clock.now_ms();
        let mut state = self.state();
        state.count.total += 1;
        let own = state.refresh.get(token).is_some_and(|grant| grant.client_id == client_id && grant.expires_ms > now);
        let spent = if own { state.refresh.remove(token) } else { None };
        if spent.is_none() {
            state.count.stale += 1;
        }
        spent.ok_or(Refusal::Grant)
    }

    fn spend_code(&self, client_id: &str, code: &str) -> Result<Grant, Refusal> {
        let now = self.clock.now_ms();
        let spent = self.state().codes.remove(code);
        spent.filter(|grant| grant.client_id == client_id && grant.expires_ms > now).ok_or(Refusal::Grant)
    }
}

/// The token endpoint's answer, of section "token endpoint" of the documentation: the OAuth host as `domain`, no `token_type`.
fn token_answer(portal: &Portal, card: &AppCard, tokens: &Tokens, user: Option<u32>) -> Value {
    let mut answer = json!({
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "expires_in": ACCESS_LIFE_S,
        "client_endpoint": portal.client_endpoint(),
        "server_endpoint": portal.server_endpoint(),
        "domain": portal.oauth_host(),
        "member_id": portal.member_id(),
        "scope": card.scope.join(","),
        "status": portal.status_letter(&card.client_id),
    });
    if let (Some(user), Value::Object(map)) = (user, &mut answer) {
        map.insert("expires".to_owned(), json!(tokens.expires_s));
        map.insert("user_id".to_owned(), json!(user));
    }
    answer
}
