//! The only module that speaks to the database.
//!
//! Who is who: [`Db`] is the handle that everybody clones; [`writer::Writer`] is a thread that owns one connection and does
//! every write, many commands to a transaction (group commit), and answers only after the commit; readers take
//! connections from an r2d2 pool on blocking threads. The functions are methods of [`Db`], one file per noun, named
//! `noun_verb`; those on a tenant's data take the portal first. They return plain structs: no diesel type leaves this module.
//!
//! Guaranteed: when a write's future yields `Ok`, the rows are on disk (SQLite `synchronous=FULL`, PostgreSQL's default).

mod bindings;
mod buckets;
mod channels;
mod chats;
mod conn;
mod deliveries;
mod dispatch;
mod grants;
mod inbox;
mod installations;
mod logins;
mod media;
mod messages;
mod portals;
mod provision;
mod runs;
mod schema;
mod settle;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::sync::Arc;

use diesel::r2d2;
use tokio::sync::Semaphore;

pub use bindings::{Binding, BindingState, NewBinding};
pub use buckets::Bucket;
pub use channels::{Channel, ChannelState, Intake, NewChannel};
pub use chats::{Chat, ChatView, Contact, NewContact};
pub use deliveries::{Delivery, DeliveryKind, DeliveryState, Lane, NewDelivery, OpenCounts, Priority};
pub use dispatch::{Quota, Room};
pub use grants::{Grant, GrantState};
pub use inbox::{Accepted, InboxItem, InboxState, NewInbox, Source};
pub use installations::{Ended, Installation, InstallationState};
pub use logins::Login;
pub use media::{Media, MediaOwner, MediaState, NewMedia};
pub use messages::{Direction, Message, MessageOrigin, MessageProgress, NewMessage, NewPart, Part, Recorded, SentPart};
pub use portals::{Portal, PortalState};
pub use provision::{Step, StepState};
pub use runs::{NewRun, Outcomes, RecipientOutcome, Run};
pub use settle::{Expansion, Settled};

use conn::{Conn, Manager};
use writer::Writer;

use crate::secret::Keys;

/// How many connections read at the same time; more wait without blocking a thread.
const READERS: u32 = 4;

/// What a query can fail with. Nothing here may be shown to a person.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database is away, full or closing: nothing was written, try again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    #[error("the query failed: {0}")]
    Query(#[from] diesel::result::Error),
    /// A stored value that this version does not understand.
    #[error("a stored value is not understood: {0}")]
    Corrupt(String),
    #[error("a value could not be sealed or opened: {0}")]
    Seal(#[from] crate::secret::SealError),
}

pub type DbResult<T> = Result<T, DbError>;

/// The handle of the database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    writer: Writer,
    readers: r2d2::Pool<Manager>,
    /// Seals and opens what must not lie in the tables as it is.
    keys: Arc<Keys>,
    /// As many permits as readers, so that waiting for one is async instead of a blocked thread.
    permits: Arc<Semaphore>,
}

impl Db {
    /// Opens (and for SQLite creates) the database, migrates it and starts the writer.
    /// `url` is `sqlite://<path>` or `postgres://…`.
    pub fn open(url: &str, keys: Arc<Keys>) -> DbResult<Self> {
        let manager = Manager::new(url)?;
        conn::migrate(&manager)?;
        let readers = r2d2::Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .error_handler(Box::new(conn::PoolLog))
            .build(manager.clone())
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        Ok(Self {
            writer: Writer::start(manager)?,
            readers,
            keys,
            permits: Arc::new(Semaphore::new(usize::try_from(READERS).unwrap_or(1))),
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

    pub(crate) async fn read<T, F>(&self, query: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|closed| DbError::Unavailable(closed.to_string()))?;
        let readers = self.readers.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut conn = readers.get().map_err(|error| DbError::Unavailable(error.to_string()))?;
            query(&mut conn)
        });
        task.await.map_err(|error| DbError::Unavailable(error.to_string()))?
    }

    /// Waits for all commands given so far and stops the writer; later writes answer [`DbError::Unavailable`].
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Writes and rolls back nothing of value: proves for `/health` that a commit is possible.
    pub async fn probe(&self) -> DbResult<()> {
        self.write(|_conn| Ok(())).await
    }
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
