//! What every part of the server shares.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use placements::connectors;

use crate::{
    b24::{client::Client, oauth::OAuth},
    clock::Clock,
    config::{Config, ConfigError},
    db::{Db, DbError, Gauges},
    domain::{
        capabilities::{Capabilities, Groups},
        connector::Connector,
        ids::{InstallationId, PortalId},
    },
    journal::Journal,
    media::{Memory, Store},
    messaging::{CoreKind, MessagingCore, chatapp::ChatApp, embedded::Embedded},
    outgoing::{Guard, Outgoing, OutgoingError},
    queue::{Bell, Node},
    relay::{Failures, KeptTokens, Locks, gates::Gates, offered::Offered},
    secret::Keys,
};

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The server's parts, made once at the start.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    /// Signs sessions and links to media; `db` seals with the same.
    pub keys: Arc<Keys>,
    pub outgoing: Outgoing,
    pub b24: Client,
    pub oauth: OAuth,
    pub chatapp: ChatApp,
    pub embedded: Embedded,
    pub store: Store,
    /// What files may take of the memory at the same time.
    pub memory: Memory,
    /// Tells the worker that there may be work.
    pub bell: Bell,
    /// This process among those that work on the database.
    pub node: Node,
    /// What every portal and every channel lets through now.
    pub gates: Gates,
    /// Templates that were listed lately.
    pub offered: Offered,
    /// Who has failed to prove himself lately.
    pub failures: Failures,
    /// One refresh at a time for each installation.
    pub refreshing: Locks<InstallationId>,
    /// One change of what is connected to what at a time for each portal.
    pub connecting: Locks<PortalId>,
    /// What waited a moment ago: whoever asks often for the metrics does not have it counted each time.
    gauges: tokio::sync::Mutex<Option<(Instant, Gauges)>>,
}

const GAUGES_KEPT: Duration = Duration::from_secs(5);

impl App {
    pub fn new(config: Config, clock: Clock) -> Result<Self, StartError> {
        let keys = Arc::new(Keys::new(&config.app_secret, config.app_secret_old.as_ref()));
        let db = Db::open(&config.database_url, Arc::clone(&keys))?;
        let node = Node::default();
        let acting = node.clone();
        let outgoing = Outgoing::new(Guard::new(&config.allow_hosts))?.only_while(move || acting.may_act());
        let journal = Journal::start(&config.data_dir, config.journal_days)?;
        let tokens = Arc::new(KeptTokens::new(db.clone(), clock.clone(), node.clone()));
        Ok(Self {
            b24: Client::new(outgoing.clone()).with_journal(journal, clock.clone()),
            oauth: OAuth::new(outgoing.clone(), config.b24_oauth_servers.clone()),
            chatapp: ChatApp::new(outgoing.clone(), config.chatapp_api_url.clone(), tokens, clock.clone()),
            embedded: Embedded::new(outgoing.clone(), config.telegram_api_url.clone()),
            store: Store::new(config.media_dir.clone()),
            memory: Memory::default(),
            bell: Bell::default(),
            node,
            gates: Gates::new(config.b24_rate.into(), config.b24_burst.into()),
            offered: Offered::default(),
            failures: Failures::default(),
            refreshing: Locks::default(),
            connecting: Locks::default(),
            gauges: tokio::sync::Mutex::default(),
            config,
            clock,
            db,
            keys,
            outgoing,
        })
    }

    pub async fn queue_gauges(&self) -> Result<Gauges, DbError> {
        let mut kept = self.gauges.lock().await;
        if let Some((at, gauges)) = *kept
            && at.elapsed() < GAUGES_KEPT
        {
            return Ok(gauges);
        }
        let gauges = self.db.queue_gauges(self.clock.now()).await?;
        *kept = Some((Instant::now(), gauges));
        Ok(gauges)
    }

    pub fn core(&self, kind: CoreKind) -> &dyn MessagingCore {
        match kind {
            CoreKind::Chatapp => &self.chatapp,
            CoreKind::Embedded => &self.embedded,
        }
    }

    /// The connectors that this server's cores can serve, in the order of the tiles.
    pub fn connectors(&self) -> impl Iterator<Item = &'static connectors::Connector> + '_ {
        connectors::all().iter().filter(|connector| {
            let by_chatapp = !connector.chatapp_types.is_empty() && self.config.cores.contains(&CoreKind::Chatapp);
            let Some(known) = Connector::from_id(&connector.id) else { return false };
            let by_us = Embedded::serves(known.messenger()) && self.config.cores.contains(&CoreKind::Embedded);
            let has_groups = || self.capabilities_of(known.messenger()).any(|can| can.groups != Groups::No);
            (by_chatapp || by_us) && (!known.is_group() || has_groups())
        })
    }

    /// What channels of a connector can do on each core of this server.
    pub fn capabilities_of(&self, connector: Connector) -> impl Iterator<Item = Capabilities> {
        self.config.cores.iter().map(move |core| self.core(*core).capabilities(connector.messenger()))
    }
}
