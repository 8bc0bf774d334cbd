//! The only module that speaks to the database.
//!
//! Who is who: [`Db`] is the handle that everybody clones; [`writer::Writer`] is a thread that owns one connection and does
//! every write, many commands to a transaction (group commit), and answers only after the commit; readers take
//! connections from an r2d2 pool on blocking threads. The functions are methods of [`Db`], one file per noun, named
//! `noun_verb`; those on a tenant's data take the portal first. They return plain structs: no diesel type leaves this module.
//!
//! Guaranteed: when a write's future yields `Ok`, the rows are on disk (SQLite `synchronous=FULL`, PostgreSQL
//! `synchronous_commit=on`).

mod administrators;
mod albums;
#[cfg(feature = "bench")]
mod bench;
mod bindings;
mod buckets;
mod channels;
mod chat_operators;
mod chats;
mod checkpoint;
mod claim;
mod conditions;
mod conn;
mod dead;
mod deliveries;
mod dispatch;
mod firsts;
mod gauges;
mod grants;
mod hearings;
mod inbox;
mod installations;
mod intake;
mod kept;
mod logins;
mod looks;
mod media;
mod messages;
mod nodes;
mod parking;
mod portals;
mod provision;
#[cfg(test)]
mod queue_model;
mod retention;
mod runs;
mod schema;
mod settle;
mod spool;
mod tenants;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, r2d2};
use tokio::{sync::Semaphore, time::timeout};

pub use albums::album_key;
#[cfg(feature = "bench")]
pub use bench::Ceiling;
pub use bindings::{Binding, BindingState, NewBinding, serving};
pub use buckets::Bucket;
pub use channels::{Channel, ChannelState, Intake, NewChannel};
pub use chats::{Chat, ChatView, Contact, NewContact};
pub use claim::{Quota, Room};
pub use dead::{DeadDelivery, DeadFilter, DeadItem, PutBack};
pub use deliveries::{Delivery, DeliveryKind, DeliveryState, Lane, NewDelivery, Priority};
pub use firsts::First;
pub use gauges::{Gauges, OpenCounts};
pub use grants::{Grant, GrantState};
pub use inbox::{Accepted, InboxItem, InboxState, NewInbox, Source};
pub use installations::{Ended, Installation, InstallationState};
pub use intake::Spooled;
pub use logins::{Consent, Login, NewLogin};
pub use looks::{Gap, Missed};
pub use media::{Media, MediaOwner, MediaState, NewMedia};
pub use messages::{
    Carried, CorePlace, Direction, Message, MessageOrigin, MessageProgress, NewMessage, NewPart, Part, Recorded,
    SentPart,
};
pub use nodes::{Interrupted, Resumption};
pub use parking::{Held, Parking};
pub use portals::{Portal, PortalState};
pub use provision::{Step, StepState};
pub use runs::{NewRun, Outcomes, RecipientOutcome, Run};
pub use settle::{Expansion, Round, Settled, Turn};

use conn::{Conn, Manager};
use tenants::Tenants;
use writer::{Extent, Writer};

use crate::{domain::ids::PortalId, secret::Keys};

/// How many connections read at the same time; more wait without blocking a thread.
const READERS: u32 = 4;
/// How long a query waits for one of them, and a connection for a database that is away.
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// How long a database that gave no connection is not asked again: whoever reads meanwhile is told at once.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// After so long what another node has changed is seen.
const SEEN_ELSEWHERE: Duration = Duration::from_secs(1);
/// Written and taken back by [`Db::probe`]: more than a page that happens to have room.
const PROBE_BYTES: usize = 16 * 1024;

/// What a query can fail with. Nothing here may be shown to a person.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database is away, full or closing: nothing was written, try again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refuses the query itself: it would fail again.
    #[error("the query failed: {0}")]
    Query(diesel::result::Error),
    /// A stored value that this version does not understand.
    #[error("a stored value is not understood: {0}")]
    Corrupt(String),
    #[error("a value could not be sealed or opened: {0}")]
    Seal(#[from] crate::secret::SealError),
}

pub type DbResult<T> = Result<T, DbError>;

impl From<diesel::result::Error> for DbError {
    fn from(error: diesel::result::Error) -> Self {
        if conn::is_away(&error) { Self::Unavailable(error.to_string()) } else { Self::Query(error) }
    }
}

/// The handle of the database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    writer: Writer,
    readers: r2d2::Pool<Manager>,
    /// Seals and opens what must not lie in the tables as it is.
    keys: Arc<Keys>,
    /// As many permits as readers, so that waiting for one is async instead of a blocked thread.
    permits: Arc<Semaphore>,
    /// Where events wait while the database is away; empty beside an embedded one.
    spool: Arc<OnceLock<spool::Spool>>,
    /// When the database last gave no connection to read with.
    unread: Arc<Mutex<Option<Instant>>>,
    tenants: Arc<Tenants>,
    shared: bool,
}

impl Db {
    /// Opens (and for SQLite creates) the database, migrates it and starts the writer.
    /// `url` is `sqlite://<path>` or `postgres://…`.
    pub fn open(url: &str, keys: Arc<Keys>) -> DbResult<Self> {
        let manager = Manager::new(url)?;
        conn::migrate(&manager)?;
        let shared = manager.is_shared();
        let readers = r2d2::Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .connection_timeout(READ_PATIENCE)
            .error_handler(Box::new(conn::PoolLog))
            .build(manager.clone())
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        Ok(Self {
            writer: Writer::start(manager)?,
            readers,
            keys,
            tenants: Arc::new(Tenants::new(shared.then_some(SEEN_ELSEWHERE))),
            shared,
            permits: Arc::new(Semaphore::new(usize::try_from(READERS).unwrap_or(1))),
            unread: Arc::default(),
            spool: Arc::default(),
        })
    }

    /// Does `command` inside the writer's next transaction. Rolled back alone when it fails.
    pub(crate) async fn write<T, F>(&self, command: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        self.writer.write(command).await
    }

    /// The same for what changes a portal's settings: whoever asks for them afterwards reads them anew.
    pub(crate) async fn write_settings<T, F>(&self, portal: &PortalId, command: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let (tenants, portal) = (Arc::clone(&self.tenants), portal.clone());
        self.writer.write_then(command, move |_done| tenants.forget(&portal)).await
    }

    pub(crate) async fn read<T, F>(&self, query: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let away = |why: &dyn std::fmt::Display| DbError::Unavailable(why.to_string());
        let resting = || held(&self.unread).is_some_and(|at| at.elapsed() < ASK_AGAIN);
        let permit = timeout(READ_PATIENCE, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_elapsed| away(&"every reading connection is busy"))?
            .map_err(|closed| away(&closed))?;
        if resting() {
            return Err(away(&"no connection to read with"));
        }
        let (readers, unread) = (self.readers.clone(), Arc::clone(&self.unread));
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut conn = readers.get().map_err(|error| {
                *held(&unread) = Some(Instant::now());
                DbError::Unavailable(error.to_string())
            })?;
            query(&mut conn)
        });
        task.await.map_err(|error| away(&error))?
    }

    /// Waits for all commands given so far and stops the writer; later writes answer [`DbError::Unavailable`].
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Proves for `/health` that there is room and that a commit is possible: writes a row and takes it back.
    pub async fn probe(&self) -> DbResult<()> {
        use schema::inbox;
        self.writer
            .write_soon(Extent::Many, |conn| {
                let id: i64 = diesel::insert_into(inbox::table)
                    .values((
                        inbox::portal_id.eq(""),
                        inbox::source.eq("probe"),
                        inbox::dedup_key.eq(""),
                        inbox::body.eq(" ".repeat(PROBE_BYTES)),
                        inbox::state.eq(InboxState::Ignored.text()),
                        inbox::tries.eq(0),
                        inbox::due_at.eq(0),
                        inbox::received_at.eq(0),
                    ))
                    .returning(inbox::id)
                    .get_result(conn)?;
                diesel::delete(inbox::table.find(id)).execute(conn)?;
                Ok(())
            })
            .await
    }
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An enum that is stored as text: one list of names, both directions.
macro_rules! stored_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn read(text: &str) -> $crate::db::DbResult<Self> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::db::DbError::Corrupt(format!(concat!(stringify!($name), " `{}`"), text))),
                }
            }
        }
    };
}
pub(crate) use stored_enum;

/// Runs one query natively on the variant's own connection, for what the multi-backend cannot express (`ON CONFLICT`).
macro_rules! on_each {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::db::conn::Conn::Sqlite($c) => $body,
            #[cfg(feature = "postgres")]
            $crate::db::conn::Conn::Postgres($c) => $body,
        }
    };
}
pub(crate) use on_each;
