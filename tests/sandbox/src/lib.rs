//! A make-believe Bitrix24 cloud with its portals, ChatApp, Telegram and a phone, as real HTTP servers on loopback.
//!
//! It knows nothing of the product: it behaves as the platforms are documented and seen to behave, traps included, so that
//! the product can be shown (`demo`) and tested without an account and without the internet.
//!
//! [`Sandbox`] is the whole; [`portal::Portal`] one Bitrix24 account; [`messengers::Messengers`] the other side.

pub mod api;
pub mod clock;
mod cloud;
pub mod contract;
pub mod form;
pub mod messengers;
pub mod oauth;
pub mod pages;
pub mod portal;
mod unrest;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use actix_web::dev::ServerHandle;
use ring::rand::{SecureRandom, SystemRandom};
use url::Url;

pub use unrest::Unrest;

use crate::{
    clock::Clock,
    messengers::Messengers,
    oauth::{AppCard, OAuth, RefreshCount},
    portal::Portal,
};

/// How to start a sandbox.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Port of the cloud listener; 0 takes a free one.
    pub cloud_port: u16,
    /// Where Telegram calls with a token of no make-believe bot go. `None` answers 401 as Telegram does.
    pub telegram_upstream: Option<Url>,
}

/// What a part of the sandbox needs of its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    pub clock: Clock,
    /// For calls to the product under test, which is on loopback too.
    pub http: reqwest::Client,
    /// Background work is spawned here, so that it outlives the request that started it.
    pub runtime: tokio::runtime::Handle,
    /// Origin of the cloud listener, `http://127.0.0.1:{port}`, without a slash at the end.
    pub cloud_url: String,
    pub telegram_upstream: Option<Url>,
}

/// Everything that the listeners share: `web::Data<World>` in every handler.
pub struct World {
    pub clock: Clock,
    pub http: reqwest::Client,
    pub runtime: tokio::runtime::Handle,
    /// Origin of the cloud listener, without a slash at the end.
    pub cloud_url: String,
    pub oauth: OAuth,
    pub messengers: Messengers,
    pub portals: RwLock<Vec<Portal>>,
    /// What listens for portals.
    servers: Mutex<Vec<cloud::Serving>>,
}

impl World {
    pub(crate) fn servers(&self) -> MutexGuard<'_, Vec<cloud::Serving>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The portal with the member id.
    pub fn portal(&self, member_id: &str) -> Option<Portal> {
        let portals = self.portals.read().unwrap_or_else(PoisonError::into_inner);
        portals.iter().find(|portal| portal.member_id() == member_id).cloned()
    }
}

/// The whole make-believe world. Clones share it; the servers stop when the last clone is dropped.
#[derive(Clone)]
pub struct Sandbox {
    running: Arc<Running>,
}

struct Running {
    world: Arc<World>,
    cloud: ServerHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Portals hold the world and the world its portals.
        self.world.portals.write().unwrap_or_else(PoisonError::into_inner).clear();
        // The order is sent by the call itself; nobody waits for the answer here.
        drop(self.cloud.stop(false));
        for server in self.world.servers().drain(..) {
            drop(server.handle.stop(false));
        }
    }
}

impl Sandbox {
    /// Starts the cloud listener. Must be called inside a Tokio runtime.
    pub async fn start(options: Options) -> io::Result<Self> {
        let (listeners, port) = cloud::bind(options.cloud_port)?;
        let around = Surroundings {
            clock: Clock::default(),
            http: http_client(),
            runtime: tokio::runtime::Handle::current(),
            cloud_url: format!("http://127.0.0.1:{port}"),
            telegram_upstream: options.telegram_upstream,
        };
        let world = Arc::new(World {
            clock: around.clock.clone(),
            http: around.http.clone(),
            runtime: around.runtime.clone(),
            cloud_url: around.cloud_url.clone(),
            oauth: OAuth::new(around.clock.clone()),
            messengers: Messengers::new(around),
            portals: RwLock::default(),
            servers: Mutex::default(),
        });
        let cloud = cloud::serve_cloud(&world, listeners)?;
        Ok(Self { running: Arc::new(Running { world, cloud }) })
    }

    /// Adds a portal on a free port.
    pub async fn add_portal(&self, title: &str) -> io::Result<Portal> {
        self.add_portal_on(title, 0).await
    }

    /// Adds a portal on the given port; 0 takes a free one.
    pub async fn add_portal_on(&self, title: &str, port: u16) -> io::Result<Portal> {
        let world = &self.running.world;
        let (listeners, port) = cloud::bind(port)?;
        let portal = Portal::new(Arc::clone(world), title, format!("localhost:{port}"));
        world.portals.write().unwrap_or_else(PoisonError::into_inner).push(portal.clone());
        portal.listens(listeners)?;
        Ok(portal)
    }

    /// Fills a portal and the phone for the demo: the same people on both sides, accounts to connect, deals to work on.
    /// Gives the accounts' handles. `lang` is `ru` or `en`.
    pub fn seed_demo(&self, portal: &Portal, lang: &str) -> messengers::demo::Demo {
        portal.sets_lang(lang);
        portal.seed_demo();
        messengers::demo::seed(self.messengers(), lang)
    }

    /// Makes an application known to the OAuth server and the Market.
    pub fn publish(&self, card: AppCard) {
        self.running.world.oauth.publish(card);
    }

    /// How often servers have refreshed tokens.
    pub fn refreshes(&self) -> RefreshCount {
        self.running.world.oauth.refreshes()
    }

    pub fn world(&self) -> &Arc<World> {
        &self.running.world
    }

    pub fn clock(&self) -> &Clock {
        &self.running.world.clock
    }

    pub fn messengers(&self) -> &Messengers {
        &self.running.world.messengers
    }

    /// Origin of the cloud listener, without a slash at the end.
    pub fn cloud_url(&self) -> &str {
        &self.running.world.cloud_url
    }
}

/// Random bytes as lower-case hexadecimal digits, two per byte.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut raw = vec![0_u8; bytes];
    SystemRandom::new().fill(&mut raw).expect("the machine has random numbers");
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::disallowed_methods, reason = "the sandbox stands outside of the product's address guard")]
fn http_client() -> reqwest::Client {
    // Someone else in the process may have chosen a provider already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(60))
        .no_proxy()
        .build()
        .expect("the client has no unusual settings")
}
