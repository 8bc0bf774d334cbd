//! Calls in a portal's name.
//!
//! The grant's access token lives an hour; a refresh token works once. So a refresh is made by one task at a time, only for the
//! grant that was just seen to be too old, and the new pair is stored before anything else is done with it. Refreshing often
//! gets an application blocked: nothing here refreshes "to be sure".

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use super::budget::Caller;
use crate::{
    app::App,
    b24::{
        Method,
        client::Access,
        error::{CallError, Code},
        oauth::{ClientKey, OAuthError, TokenSet},
    },
    clock::Millis,
    config::Application,
    db::{DbError, Grant, GrantState, Installation, InstallationState, Portal},
    domain::{
        failure::{Failure, Retry, Told},
        ids::{InstallationId, PortalId},
    },
};

/// How long a person's call waits for the budget …
const PATIENCE: Duration = Duration::from_secs(10);
/// … and one of many that set a portal up.
const SETUP_PATIENCE: Duration = Duration::from_mins(1);
/// A token that ends so soon may die on the way.
const TOO_OLD: Duration = Duration::from_mins(1);

/// One lock for each installation that is refreshing now.
#[derive(Default)]
pub struct Locks(Mutex<HashMap<InstallationId, Arc<AsyncMutex<()>>>>);

impl Locks {
    fn of(&self, id: InstallationId) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Locks that nobody holds are forgotten, so that the map is as large as what goes on now.
        locks.retain(|_id, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(id).or_default())
    }
}

/// Why a call in a portal's name failed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the portal refused: {0}")]
    Portal(#[from] CallError),
    #[error("the OAuth server refused: {0}")]
    OAuth(#[from] OAuthError),
    /// The portal's REST budget is used up for so long.
    #[error("the portal's budget is used up")]
    Budget(Duration),
    /// An administrator must open the application.
    #[error("there is no living grant")]
    NoGrant,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Refused {
    pub fn to_failure(&self) -> Failure {
        match self {
            Self::Portal(error) => error.to_failure(),
            Self::OAuth(error) => error.to_failure(),
            Self::NoGrant => Failure::permanent(Told::PortalUnauthorised, self).retry(Retry::WhenPortalReturns),
            Self::Db(error) => Failure::transient(error),
            Self::Budget(wait) => Failure::transient(self).retry(Retry::After(*wait)),
        }
    }

    /// The portal's own error, where it was the portal's.
    pub fn portal(&self) -> Option<&CallError> {
        match self {
            Self::Portal(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.to_failure()
    }
}

/// The application's key pair for the OAuth server.
pub fn client_key(application: &Application) -> ClientKey {
    ClientKey { id: application.client_id.clone(), secret: application.client_secret.clone() }
}

/// The grant that a token set is.
pub fn grant_of(set: &TokenSet, user: i64, version: i64, now: Millis) -> Grant {
    Grant {
        access: set.access.clone(),
        refresh: set.refresh.clone(),
        expires_at: now.after(Duration::from_secs(u64::try_from(set.expires_in_s).unwrap_or(0))),
        user,
        version,
        state: GrantState::Alive,
    }
}

/// Calls a method for a person who waits, with the installation's grant.
pub async fn call<M: Method>(app: &App, installation: &Installation, method: &M) -> Result<M::Output, Refused> {
    call_as(app, installation, method, Caller::Person).await
}

/// The same for one of the many calls that set a portal up.
pub async fn call_in_setup<M: Method>(
    app: &App,
    installation: &Installation,
    method: &M,
) -> Result<M::Output, Refused> {
    call_as(app, installation, method, Caller::Setup).await
}

/// Calls a method with the installation's grant, refreshing the token once if it is too old.
async fn call_as<M: Method>(
    app: &App,
    installation: &Installation,
    method: &M,
    caller: Caller,
) -> Result<M::Output, Refused> {
    let portal = app.db.portal_get(&installation.portal).await?.ok_or(Refused::NoGrant)?;
    let mut grant = living(app, installation).await?;
    if grant.expires_at < app.clock.now().after(TOO_OLD) {
        grant = refreshed(app, installation, &portal, &grant).await?;
    }
    let mut answer = call_once(app, &portal, &grant, (method, caller)).await;
    if matches!(&answer, Err(Refused::Portal(error)) if error.is_expired_token()) {
        grant = refreshed(app, installation, &portal, &grant).await?;
        answer = call_once(app, &portal, &grant, (method, caller)).await;
    }
    match &answer {
        // The next administrator who opens a page of ours gives a new one.
        Err(Refused::Portal(error)) if error.is_giver_gone() => bury(app, installation, &grant, error).await?,
        _other => {}
    }
    answer
}

/// The grant is dead: calls are not even tried until there is a new one.
async fn bury(
    app: &App,
    installation: &Installation,
    grant: &Grant,
    error: &(dyn std::error::Error + Sync),
) -> Result<(), DbError> {
    tracing::warn!(portal = %installation.portal, %error, "the portal's grant is dead");
    app.db.grant_mark_dead(&installation.portal, installation.id, grant.version, app.clock.now()).await
}

/// The same for background work, with the installation that owns what the call is about: a connector or a robot answers only to
/// the application that registered it.
pub async fn call_of<M: Method>(
    app: &App,
    (portal, installation): (&PortalId, InstallationId),
    method: &M,
) -> Result<M::Output, Refused> {
    let installation = app.db.installation_get(portal, installation).await?;
    let working = installation.filter(|known| known.state != InstallationState::Stopped);
    call_as(app, &working.ok_or(Refused::NoGrant)?, method, Caller::Background).await
}

async fn living(app: &App, installation: &Installation) -> Result<Grant, Refused> {
    let grant = app.db.grant_get(&installation.portal, installation.id).await?;
    grant.filter(|grant| grant.state == GrantState::Alive).ok_or(Refused::NoGrant)
}

async fn call_once<M: Method>(
    app: &App,
    portal: &Portal,
    grant: &Grant,
    (method, caller): (&M, Caller),
) -> Result<M::Output, Refused> {
    afford(app, portal, caller).await?;
    let endpoint = Url::parse(&portal.client_endpoint).map_err(|error| DbError::Corrupt(error.to_string()))?;
    let access = Access { endpoint, token: grant.access.clone() };
    let answer = app.b24.call(&access, method).await.inspect_err(|error| {
        if error.code == Code::QueryLimitExceeded {
            app.budgets.fill(&portal.domain, app.clock.now());
        }
    })?;
    if let Some(endpoint) = &answer.moved_to {
        moved(app, &portal.id, endpoint).await;
    }
    Ok(answer.result)
}

/// Takes a call out of the portal's budget. A person waits a moment for it, and so does a setup; background work comes again, and
/// until then nothing of this portal is tried.
async fn afford(app: &App, portal: &Portal, caller: Caller) -> Result<(), Refused> {
    let mut patience = match caller {
        Caller::Person => PATIENCE,
        Caller::Setup => SETUP_PATIENCE,
        Caller::Background => Duration::ZERO,
    };
    // Others take from the same budget while this one waits.
    while let Err(wait) = app.budgets.take(&portal.domain, caller, app.clock.now()) {
        if caller == Caller::Background {
            app.db.portal_gate(&portal.id, app.clock.now().after(wait)).await?;
        }
        patience = patience.checked_sub(wait).ok_or(Refused::Budget(wait))?;
        tokio::time::sleep(wait).await;
    }
    Ok(())
}

/// The portal has another address now. Forgetting it costs one redirect a call, so a failure to write is only logged.
pub async fn moved(app: &App, portal: &PortalId, endpoint: &Url) {
    let written = app.db.portal_move(portal, domain_of(endpoint), endpoint.to_string(), app.clock.now()).await;
    match written {
        Ok(()) => tracing::info!(%portal, "the portal has moved"),
        Err(error) => tracing::error!(%portal, %error, "the portal's new address could not be written"),
    }
}

/// Host with its port where it has one.
pub fn domain_of(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A newer grant than `seen`: somebody else's refresh if there was one, else our own.
async fn refreshed(app: &App, installation: &Installation, portal: &Portal, seen: &Grant) -> Result<Grant, Refused> {
    let lock = app.refreshing.of(installation.id);
    let _one_at_a_time = lock.lock().await;
    let current = living(app, installation).await?;
    if current.version != seen.version {
        return Ok(current);
    }
    let application = app.config.application(&installation.client_id).ok_or(Refused::NoGrant)?;
    let server = app.oauth.server_for(&portal.server_endpoint).ok_or(OAuthError::UnknownServer)?;
    let set = match app.oauth.refresh(server, &client_key(application), &current.refresh).await {
        Ok(set) => set,
        Err(error) => return Err(refusal(app, installation, &current, error).await),
    };
    let now = app.clock.now();
    let grant = grant_of(&set, current.user, current.version, now);
    if !app.db.grant_swap(&installation.portal, installation.id, &grant, now).await? {
        return living(app, installation).await;
    }
    if let Some(endpoint) = set.client_endpoint.filter(|endpoint| endpoint.as_str() != portal.client_endpoint) {
        moved(app, &installation.portal, &endpoint).await;
    }
    Ok(Grant { version: current.version + 1, ..grant })
}

async fn refusal(app: &App, installation: &Installation, grant: &Grant, error: OAuthError) -> Refused {
    if error.is_final()
        && let Err(error) = bury(app, installation, grant, &error).await
    {
        return Refused::Db(error);
    }
    Refused::OAuth(error)
}
