//! ChatApp's tokens of many logins: always one that works, refreshed by one caller at a time.
//!
//! Both tokens rotate with a refresh and the old ones die, so two refreshes at once lose one of the pairs, and an interrupted
//! one loses both. Therefore: one refresh per login at a time, in this process by a lock and among nodes by a right that the store
//! gives; the refresh runs as a task of its own, so that a caller who gives up does not interrupt it; and a pair that could not
//! be stored is kept here and stored by the next caller. When the refresh token is dead, the password helps, if its owner has
//! consented that it is kept.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use super::{
    api::{Api, Auth, Body, Call},
    error::{ApiError, LoginError, disconnected},
    wire,
};
use crate::{
    clock::{Clock, Millis},
    domain::{
        failure::{Failure, Retry, Told},
        ids::LoginId,
    },
    messaging::{Credentials, LoginTokens, TokenStore, transfer::harmless},
    secret::Secret,
};

/// Access tokens live 24 h; with less than this left they are refreshed before use.
const EARLY: Duration = Duration::from_hours(1);
/// An early refresh that gave no longer life, or failed, is not tried again for this long.
const PAUSE: Duration = Duration::from_mins(10);
/// How often it is looked whether another node has renewed the tokens …
const ANOTHER_NODE_LOOK: Duration = Duration::from_millis(250);
/// … and how often at most: longer than ChatApp takes to answer.
const ANOTHER_NODE_LOOKS: usize = 160;

pub(super) struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    api: Arc<Api>,
    store: Arc<dyn TokenStore>,
    clock: Clock,
    /// One entry per login ever used here; there are as many as customers.
    flights: std::sync::Mutex<HashMap<LoginId, Arc<Flight>>>,
}

/// What is known of one login's refreshes; its lock is the permission to refresh.
type Flight = tokio::sync::Mutex<Flown>;

#[derive(Default)]
struct Flown {
    /// A rotated pair that the store did not take yet: without it the login would be dead.
    unsaved: Option<LoginTokens>,
    /// When the last refresh was tried.
    tried: Option<Millis>,
}

impl Tokens {
    pub(super) fn new(api: Arc<Api>, store: Arc<dyn TokenStore>, clock: Clock) -> Self {
        let flights = std::sync::Mutex::default();
        Self { shared: Arc::new(Shared { api, store, clock, flights }) }
    }

    /// Tokens to call with: as stored, or refreshed when they end soon.
    pub(super) async fn current(&self, login: LoginId) -> Result<LoginTokens, Failure> {
        let stored = self.shared.store.load(login).await?;
        let now = self.shared.clock.now();
        if stored.access_until > now.after(EARLY) {
            return Ok(stored);
        }
        let usable = stored.access_until > now;
        match self.refresh(login, stored.version, usable).await {
            // There is still time: a ChatApp that is away for a moment stops nobody.
            Err(failure) if usable && failure.told == Told::Unavailable => Ok(stored),
            other => other,
        }
    }

    /// Tokens newer than those of version `refused`, which ChatApp did not take.
    pub(super) async fn renewed(&self, login: LoginId, refused: i64) -> Result<LoginTokens, Failure> {
        self.refresh(login, refused, false).await
    }

    /// Fresh tokens of version `version` were refused too: nothing but a new login helps.
    pub(super) async fn give_up(&self, login: LoginId, version: i64) -> Failure {
        match self.shared.store.load_now(login).await {
            // Somebody has logged in, or refreshed, meanwhile.
            Ok(stored) if stored.version > version => Failure::transient("tokens changed meanwhile"),
            Ok(_) => self.shared.dead(login, "fresh tokens were refused").await,
            Err(failure) => failure,
        }
    }

    async fn refresh(&self, login: LoginId, seen: i64, early: bool) -> Result<LoginTokens, Failure> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { shared.fly(login, seen, early).await })
            .await
            .unwrap_or_else(|gone| Err(Failure::transient(format!("the refresh ended: {gone}"))))
    }
}

impl Shared {
    fn flight(&self, login: LoginId) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flights.entry(login).or_default())
    }

    /// Alone for this login: what somebody else has fetched meanwhile, or a new pair.
    async fn fly(&self, login: LoginId, seen: i64, early: bool) -> Result<LoginTokens, Failure> {
        let flight = self.flight(login);
        let mut flown = flight.lock().await;
        let stored = self.store.load_now(login).await?;
        if let Some(kept) = flown.unsaved.take_if(|kept| kept.version > stored.version) {
            return self.save(login, &mut flown, kept).await;
        }
        flown.unsaved = None;
        if stored.version != seen || (early && self.tried_lately(&flown)) {
            return Ok(stored);
        }
        flown.tried = Some(self.clock.now());
        if let Some(renewed) = self.alone(login, seen).await? {
            return Ok(renewed);
        }
        let done = match self.rotate(&stored).await {
            Ok(fresh) => self.save(login, &mut flown, fresh).await,
            Err(ApiError::Token(_)) => self.log_in_again(login, &mut flown, &stored).await,
            // Whatever became of the refresh: the transfer that needed it did not begin.
            Err(error) => Err(harmless(error.into_failure())),
        };
        if let Err(failure) = self.store.end(login).await {
            // This node may go on all the same, and a node that ends gives back what it has.
            tracing::warn!(%login, cause = %failure, "the right to renew tokens could not be given back");
        }
        done
    }

    /// Takes the right to renew among all nodes; or what another has made of it meanwhile.
    async fn alone(&self, login: LoginId, seen: i64) -> Result<Option<LoginTokens>, Failure> {
        for _look in 0..ANOTHER_NODE_LOOKS {
            if self.store.begin(login, seen).await? {
                return Ok(None);
            }
            let stored = self.store.load_now(login).await?;
            if stored.version != seen {
                return Ok(Some(stored));
            }
            sleep(ANOTHER_NODE_LOOK).await;
        }
        Err(Failure::transient("another node is renewing the tokens"))
    }

    fn tried_lately(&self, flown: &Flown) -> bool {
        let now = self.clock.now();
        flown.tried.is_some_and(|tried| tried.after(PAUSE) > now)
    }

    async fn rotate(&self, stored: &LoginTokens) -> Result<LoginTokens, ApiError> {
        if stored.refresh_until <= self.clock.now() {
            return Err(ApiError::Token("expired".to_owned()));
        }
        let call = Call::new(Method::POST, vec!["tokens", "refresh"]);
        let data = self.api.run(&call, Auth::Refresh(&stored.refresh)).await?;
        let (fresh, _) = read_tokens(data, stored.version.saturating_add(1)).ok_or(ApiError::Malformed(200))?;
        Ok(fresh)
    }

    /// Stores a new pair; a pair that cannot be stored now is usable all the same, and kept.
    async fn save(&self, login: LoginId, flown: &mut Flown, fresh: LoginTokens) -> Result<LoginTokens, Failure> {
        let before = fresh.version.saturating_sub(1);
        match self.store.swap(login, before, &fresh).await {
            Ok(true) => Ok(fresh),
            Ok(false) => self.store.load_now(login).await,
            Err(failure) => {
                tracing::error!(%login, cause = %failure, "rotated tokens of login {login} could not be stored yet");
                flown.unsaved = Some(fresh.clone());
                Ok(fresh)
            }
        }
    }

    /// The refresh token is refused. The password gives new ones, where it is kept.
    async fn log_in_again(
        &self,
        login: LoginId,
        flown: &mut Flown,
        seen: &LoginTokens,
    ) -> Result<LoginTokens, Failure> {
        let stored = self.store.load_now(login).await?;
        if stored.version != seen.version {
            return Ok(stored);
        }
        let Some(credentials) = self.store.credentials(login).await? else {
            return Err(self.dead(login, "the refresh token was refused").await);
        };
        match self.api.log_in(&credentials, seen.version.saturating_add(1)).await {
            Ok((fresh, _owner)) => {
                tracing::info!(%login, "logged in again with the password that is kept");
                self.save(login, flown, fresh).await
            }
            Err(LoginError::WrongCredentials) => {
                self.store.forget_credentials(login).await?;
                Err(self.dead(login, "the password that is kept was refused").await)
            }
            Err(LoginError::TooMany) => Err(Failure::transient(LoginError::TooMany).retry(Retry::After(PAUSE))),
            Err(error) => Err(Failure::transient(error)),
        }
    }

    async fn dead(&self, login: LoginId, cause: &str) -> Failure {
        match self.store.mark_dead(login).await {
            Ok(()) => disconnected(cause.to_owned()),
            Err(failure) => failure,
        }
    }
}

impl Api {
    /// Exchanges credentials for tokens, and the cabinet's user (0 when ChatApp does not say).
    pub(super) async fn log_in(
        &self,
        credentials: &Credentials,
        version: i64,
    ) -> Result<(LoginTokens, i64), LoginError> {
        let Credentials { email, password, app_id } = credentials;
        let body = json!({ "email": email, "password": password.expose(), "appId": app_id });
        let call = Call::new(Method::POST, vec!["tokens"]).body(Body::Json(body));
        let data = self.run(&call, Auth::Nobody).await?;
        read_tokens(data, version).ok_or(LoginError::Malformed)
    }
}

/// Tokens and the cabinet's user, when the answer holds them.
pub(super) fn read_tokens(data: serde_json::Value, version: i64) -> Option<(LoginTokens, i64)> {
    let data: wire::Tokens = wire::read(data);
    let tokens = LoginTokens {
        access: Secret::new(data.access_token?),
        access_until: Millis::from_seconds(data.access_token_end_time?),
        refresh: Secret::new(data.refresh_token?),
        refresh_until: Millis::from_seconds(data.refresh_token_end_time?),
        version,
    };
    Some((tokens, data.cabinet_user_id.unwrap_or_default()))
}
