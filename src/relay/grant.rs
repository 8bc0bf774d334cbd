//! Calls in a portal's name.
//!
//! The grant's access token lives an hour; a refresh token works once. So a refresh is made by one task at a time, only for the
//! grant that was just seen to be too old, and the new pair is stored before anything else is done with it. Refreshing often
//! gets an application blocked: nothing here refreshes "to be sure".

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use super::gates::{Caller, Passed};
use crate::{
    app::App,
    b24::{
        Method,
        client::Access,
        error::CallError,
        oauth::{ClientKey, OAuth, OAuthError, TokenSet},
    },
    clock::{Clock, Millis},
    config::Application,
    db::{Db, DbError, Grant, GrantState, Installation, InstallationState, Portal},
    domain::{
        failure::{Failure, Retry, Told},
        ids::{InstallationId, NodeId, PortalId},
    },
    metrics::METRICS,
};

/// How long a person's call waits for its turn …
const PATIENCE: Duration = Duration::from_secs(10);
/// … and one of many that set a portal up.
const SETUP_PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether another node has refreshed a grant.
const ANOTHER_NODE_LOOK: Duration = Duration::from_millis(200);
/// A token that ends so soon may die on the way.
const TOO_OLD: Duration = Duration::from_mins(1);

/// One lock for each of those about which something is going on now.
pub struct Locks<K>(Mutex<HashMap<K, Arc<AsyncMutex<()>>>>);

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Locks<K> {
    pub fn of(&self, key: &K) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Locks that nobody holds are forgotten, so that the map is as large as what goes on now.
        locks.retain(|_key, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(key.clone()).or_default())
    }
}

/// Why a call in a portal's name failed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the portal refused: {0}")]
    Portal(#[from] CallError),
    #[error("the OAuth server refused: {0}")]
    OAuth(#[from] OAuthError),
    /// The way to the portal is closed for so long; nothing was called.
    #[error("the way to the portal is closed")]
    Closed(Duration),
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
            Self::Closed(wait) => Failure::transient(self).retry(Retry::Closed(*wait)),
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
    let mut grant = living(&app.db, installation).await?;
    if grant.expires_at < app.clock.now().after(TOO_OLD) {
        grant = refreshed(app, installation, &portal, &grant).await?;
    }
    let mut answer = call_once(app, &portal, &grant, (method, caller)).await;
    if matches!(&answer, Err(Refused::Portal(error)) if error.is_expired_token()) {
        grant = refreshed(app, installation, &portal, &grant).await?;
        answer = call_once(app, &portal, &grant, (method, caller)).await;
    }
    if let Err(Refused::Portal(error)) = &answer
        && error.is_giver_gone()
    {
        // The next administrator who opens a page of ours gives a new one.
        bury(&app.db, installation, &grant, (error, app.clock.now())).await?;
    }
    answer
}

/// The grant is dead: calls are not even tried until there is a new one.
async fn bury(
    db: &Db,
    installation: &Installation,
    grant: &Grant,
    (error, now): (&(dyn std::error::Error + Sync), Millis),
) -> Result<(), DbError> {
    tracing::warn!(portal = %installation.portal, %error, "the portal's grant is dead");
    db.grant_mark_dead(&installation.portal, installation.id, grant.version, now).await
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

/// Whether the installation can act; until an administrator gives it a new grant it cannot.
pub async fn works(db: &Db, installation: &Installation) -> Result<bool, DbError> {
    let grant = db.grant_get(&installation.portal, installation.id).await?;
    Ok(installation.state != InstallationState::Stopped && grant.is_some_and(|grant| grant.is_alive()))
}

async fn living(db: &Db, installation: &Installation) -> Result<Grant, Refused> {
    let grant = db.grant_get(&installation.portal, installation.id).await?;
    grant.filter(Grant::is_alive).ok_or(Refused::NoGrant)
}

/// The same as the database has it now: a pair that was swapped a moment ago must not be refreshed again.
async fn living_now(db: &Db, installation: &Installation) -> Result<Grant, Refused> {
    let grant = db.grant_get_now(&installation.portal, installation.id).await?;
    grant.filter(Grant::is_alive).ok_or(Refused::NoGrant)
}

async fn call_once<M: Method>(
    app: &App,
    portal: &Portal,
    grant: &Grant,
    (method, caller): (&M, Caller),
) -> Result<M::Output, Refused> {
    let passed = afford(app, portal, method, caller).await?;
    let endpoint = Url::parse(&portal.client_endpoint).map_err(|error| DbError::Corrupt(error.to_string()))?;
    let access = Access { endpoint, token: grant.access.clone() };
    let answer = app.b24.call(&access, method).await;
    let now = app.clock.now();
    let is_back = match &answer {
        Ok(answer) => app.gates.succeeded(&passed, answer.time, now),
        Err(error) => app.gates.failed(&passed, error, now),
    };
    if is_back {
        wake(app, &portal.id, now).await;
    }
    let answer = answer?;
    if let Some(endpoint) = &answer.moved_to {
        moved(app, &portal.id, endpoint).await;
    }
    Ok(answer.result)
}

/// A portal that was away has answered: what waits for it goes on now, and not when the next look would have been.
async fn wake(app: &App, portal: &PortalId, now: Millis) {
    tracing::info!(%portal, "the portal answers again");
    if let Err(error) = app.db.portal_wake(portal, now).await {
        tracing::error!(%portal, %error, "what waits for the portal could not be woken");
    }
    app.bell.ring();
}

/// Passes the portal's gates. A person waits a moment for it, and so does a setup; background work comes again.
async fn afford<M: Method>(app: &App, portal: &Portal, method: &M, caller: Caller) -> Result<Passed, Refused> {
    let mut patience = match caller {
        Caller::Person => PATIENCE,
        Caller::Setup => SETUP_PATIENCE,
        Caller::Background => Duration::ZERO,
    };
    loop {
        let wait = match app.gates.pass(&portal.id, (M::NAME, method.elements()), caller, app.clock.now()) {
            Ok(passed) => return Ok(passed),
            Err(wait) => wait,
        };
        METRICS.budget_waited();
        // Others take from the same bucket while this one waits.
        patience = patience.checked_sub(wait).ok_or(Refused::Closed(wait))?;
        tokio::time::sleep(wait).await;
    }
}

/// The portal has another address now. Forgetting it costs one redirect a call, so a failure to write is only logged.
pub async fn moved(app: &App, portal: &PortalId, endpoint: &Url) {
    write_move(&app.db, portal, endpoint, app.clock.now()).await;
}

async fn write_move(db: &Db, portal: &PortalId, endpoint: &Url, now: Millis) {
    match db.portal_move(portal, domain_of(endpoint), endpoint.to_string(), now).await {
        Ok(()) => tracing::info!(%portal, "the portal has moved"),
        Err(error) => tracing::error!(%portal, %error, "the portal's new address could not be written"),
    }
}

/// Host with its port where it has one.
pub fn domain_of(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A newer grant than `seen`: somebody else's refresh if there was one, else our own. It runs as a task of its own: a person who
/// closes his page in its middle must not take the new pair with him, because the old one is used up.
async fn refreshed(app: &App, installation: &Installation, portal: &Portal, seen: &Grant) -> Result<Grant, Refused> {
    let application = app.config.application(&installation.client_id).ok_or(Refused::NoGrant)?;
    let server = app.oauth.server_for(&portal.server_endpoint).ok_or(OAuthError::UnknownServer)?;
    app.gates.refresh_passes(installation.id, app.clock.now()).map_err(Refused::Closed)?;
    let refresh = Refresh {
        node: app.node.id(),
        db: app.db.clone(),
        oauth: app.oauth.clone(),
        clock: app.clock.clone(),
        lock: app.refreshing.of(&installation.id),
        key: client_key(application),
        server: server.clone(),
        installation: installation.clone(),
        endpoint: portal.client_endpoint.clone(),
    };
    let seen = seen.version;
    let task = tokio::spawn(async move { refresh.run(seen).await });
    let refreshed = task.await.unwrap_or_else(|error| Err(Refused::Db(DbError::Unavailable(error.to_string()))));
    if let Err(Refused::OAuth(error)) = &refreshed
        && !error.is_final()
    {
        // Without a token nothing of the portal can be done: it waits as a whole.
        let now = app.clock.now();
        let wait = app.gates.refresh_failed(installation.id, now);
        app.gates.hold(&portal.id, now.after(wait), now);
    }
    refreshed
}

struct Refresh {
    node: NodeId,
    db: Db,
    oauth: OAuth,
    clock: Clock,
    lock: Arc<AsyncMutex<()>>,
    key: ClientKey,
    server: Url,
    installation: Installation,
    endpoint: String,
}

impl Refresh {
    async fn run(self, seen: i64) -> Result<Grant, Refused> {
        let _one_at_a_time = self.lock.lock().await;
        let (portal, id) = (&self.installation.portal, self.installation.id);
        let current = loop {
            let current = living_now(&self.db, &self.installation).await?;
            if current.version != seen {
                return Ok(current);
            }
            if self.db.grant_begin_refresh(portal, id, seen, self.node).await? {
                break current;
            }
            tokio::time::sleep(ANOTHER_NODE_LOOK).await;
        };
        let refreshed = self.refresh(&current).await;
        self.db.grant_end_refresh(portal, id, self.node).await?;
        refreshed
    }

    async fn refresh(&self, current: &Grant) -> Result<Grant, Refused> {
        let (portal, id) = (&self.installation.portal, self.installation.id);
        let set = match self.oauth.refresh(&self.server, &self.key, &current.refresh).await {
            Ok(set) => set,
            Err(error) => return Err(self.refusal(current, error).await),
        };
        let now = self.clock.now();
        let grant = grant_of(&set, current.user, current.version, now);
        if !self.db.grant_swap(portal, id, &grant, now).await? {
            return living_now(&self.db, &self.installation).await;
        }
        if let Some(endpoint) = set.client_endpoint.filter(|endpoint| endpoint.as_str() != self.endpoint) {
            write_move(&self.db, portal, &endpoint, now).await;
        }
        Ok(Grant { version: current.version + 1, ..grant })
    }

    async fn refusal(&self, grant: &Grant, error: OAuthError) -> Refused {
        if error.is_final()
            && !error.may_come_back()
            && let Err(error) = bury(&self.db, &self.installation, grant, (&error, self.clock.now())).await
        {
            return Refused::Db(error);
        }
        Refused::OAuth(error)
    }
}
