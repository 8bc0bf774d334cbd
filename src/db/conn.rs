//! Connections of both databases behind one type, the pool's manager, and the migrations.

use diesel::{
    Connection as _, SqliteConnection,
    connection::SimpleConnection as _,
    r2d2::{self, ManageConnection},
    result::{DatabaseErrorKind, Error},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::{DbError, DbResult};

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// FULL, because a 200 promises that the row survives a power cut (in WAL mode, NORMAL may lose the last commits).
pub(super) const SQLITE_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; \
     PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024;";

/// The connection that writes holds more of what it has touched lately in memory (4 MB), and leaves the checkpoints to
/// [`super::checkpoint`] until the journal is long (32 MB).
const SQLITE_WRITER_PRAGMAS: &str = "PRAGMA cache_size = -4096; PRAGMA wal_autocheckpoint = 8000;";

/// PostgreSQL: somebody who holds a lock, or a session of ours whose process stands still, must not hold everybody for ever (the
/// latter shorter than the silence after which the node is declared dead: its portals could not be taken over);
/// and a 200 promises what `synchronous_commit = off` would not keep.
#[cfg(feature = "postgres")]
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

/// Added to the address of a PostgreSQL that does not say otherwise. Seconds, and milliseconds for `tcp_user_timeout`: a
/// machine that is gone without a word is noticed.
#[cfg(feature = "postgres")]
const POSTGRES_OPTIONS: &[(&str, &str)] = &[
    ("connect_timeout", "5"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
    ("application_name", "chatapp-server"),
];

/// In SQLite's words: no room, no disk, or not our turn. Nothing is wrong with the command.
const SQLITE_AWAY: &[&str] = &[
    "database or disk is full",
    "disk I/O error",
    "database is locked",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
];

/// The same in PostgreSQL's words, for what diesel has no kind for (classes 53, 55, 57 and 40P01). A server that speaks another
/// language is understood by the kind alone.
#[cfg(feature = "postgres")]
const POSTGRES_AWAY: &[&str] = &[
    "canceling statement due to",
    "deadlock detected",
    "terminating connection",
    "No space left on device",
    "could not extend file",
    "out of shared memory",
    "out of memory",
    "current transaction is aborted",
];

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::PgConnection),
}

#[derive(Clone)]
enum Kind {
    /// The most pages that the file may have; None: as many as the disk has room for.
    Sqlite { max_pages: Option<u32> },
    #[cfg(feature = "postgres")]
    Postgres,
}

/// Opens connections; the URL's scheme picks the database.
#[derive(Clone)]
pub struct Manager {
    kind: Kind,
    target: String,
}

impl Manager {
    pub fn new(url: &str) -> DbResult<Self> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let (path, max_pages) = match path.split_once("?max_page_count=") {
                Some((path, pages)) => (path, Some(pages.parse().map_err(|_not_a_number| bad_limit())?)),
                None => (path, None),
            };
            return Ok(Self { kind: Kind::Sqlite { max_pages }, target: path.to_owned() });
        }
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self { kind: Kind::Postgres, target: with_options(url) });
        }
        Err(DbError::Unavailable("DATABASE_URL must begin with sqlite:// or postgres://".into()))
    }

    /// A database that takes one writer at a time wants its write lock at the start of the transaction, not in its
    /// middle, where it could only fail.
    pub fn begin(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite { .. } => "BEGIN IMMEDIATE",
            #[cfg(feature = "postgres")]
            Kind::Postgres => "BEGIN",
        }
    }

    /// Whether other nodes may write too.
    pub fn is_shared(&self) -> bool {
        !matches!(self.kind, Kind::Sqlite { .. })
    }

    /// For the one connection that writes.
    pub fn open_to_write(&self) -> DbResult<Conn> {
        let mut conn = self.open()?;
        if matches!(self.kind, Kind::Sqlite { .. }) {
            conn.batch_execute(SQLITE_WRITER_PRAGMAS)?;
        }
        Ok(conn)
    }

    pub fn open(&self) -> DbResult<Conn> {
        let opened = match self.kind {
            Kind::Sqlite { max_pages } => SqliteConnection::establish(&self.target).and_then(|mut conn| {
                let limit = max_pages.map(|pages| format!("PRAGMA max_page_count = {pages};")).unwrap_or_default();
                conn.batch_execute(&format!("{SQLITE_PRAGMAS}{limit}"))
                    .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(Conn::Sqlite(conn))
            }),
            #[cfg(feature = "postgres")]
            Kind::Postgres => diesel::PgConnection::establish(&self.target).and_then(|mut conn| {
                conn.batch_execute(POSTGRES_SETTINGS).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(Conn::Postgres(conn))
            }),
        };
        opened.map_err(|error| DbError::Unavailable(error.to_string()))
    }
}

fn bad_limit() -> DbError {
    DbError::Unavailable("DATABASE_URL: max_page_count is a number of pages".into())
}

#[cfg(feature = "postgres")]
fn with_options(url: &str) -> String {
    let missing = POSTGRES_OPTIONS.iter().filter(|(name, _)| !url.contains(&format!("{name}=")));
    missing.fold(url.to_owned(), |url, (name, value)| {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}{name}={value}")
    })
}

/// Whether a query failed because of the database's state, so that the same query may succeed later.
pub fn is_away(error: &Error) -> bool {
    let Error::DatabaseError(kind, information) = error else { return false };
    let says = |words: &[&str]| words.iter().any(|word| information.message().contains(word));
    match kind {
        DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::ReadOnlyTransaction
        | DatabaseErrorKind::SerializationFailure => true,
        DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::Unknown => {
            #[cfg(feature = "postgres")]
            if says(POSTGRES_AWAY) {
                return true;
            }
            says(SQLITE_AWAY)
        }
        _refused => false,
    }
}

#[cfg(feature = "postgres")]
#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::BigInt>)]
    number: Option<i64>,
}

#[cfg(feature = "postgres")]
#[derive(diesel::QueryableByName)]
struct Status {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    status: Option<String>,
}

/// What a transaction is known by when the answer to its COMMIT is not seen.
#[derive(Clone, Copy, Debug)]
pub struct TransactionId(i64);

impl Conn {
    /// Whether a statement that fails inside a transaction leaves the transaction as it was before.
    pub fn undoes_a_statement(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unnecessary_wraps, reason = "SQLite alone has nothing to ask that could fail")
    )]
    /// Fails if the transaction is broken: its COMMIT would be a roll-back that looks like a success. None: nothing was
    /// written, or the database is in this process, where every answer is seen.
    pub fn transaction_id(&mut self) -> diesel::QueryResult<Option<TransactionId>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                use diesel::RunQueryDsl as _;
                let id: Number = diesel::sql_query("SELECT txid_current_if_assigned() AS number").get_result(conn)?;
                Ok(id.number.map(TransactionId))
            }
        }
    }

    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unnecessary_wraps, reason = "SQLite alone has nothing to ask that could fail")
    )]
    /// How a transaction of an earlier connection ended; None while it has not.
    pub fn transaction_outcome(&mut self, id: TransactionId) -> diesel::QueryResult<Option<bool>> {
        match self {
            Self::Sqlite(_) => {
                let TransactionId(_asked_of_a_server_alone) = id;
                Ok(Some(false))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                use diesel::RunQueryDsl as _;
                let found: Status = diesel::sql_query("SELECT txid_status($1) AS status")
                    .bind::<diesel::sql_types::BigInt, _>(id.0)
                    .get_result(conn)?;
                Ok(match found.status.as_deref() {
                    Some("in progress") => None,
                    status => Some(status == Some("committed")),
                })
            }
        }
    }
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = DbError;

    fn connect(&self) -> DbResult<Conn> {
        self.open()
    }

    fn is_valid(&self, conn: &mut Conn) -> DbResult<()> {
        Ok(conn.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, _conn: &mut Conn) -> bool {
        false
    }
}

/// The pool's own failures (a lost connection while idle) go to our log, not to standard error.
#[derive(Debug)]
pub struct PoolLog;

impl r2d2::HandleError<DbError> for PoolLog {
    fn handle_error(&self, error: DbError) {
        tracing::warn!(%error, "a reading connection of the database failed");
    }
}

/// Brings the schema up to this version.
pub fn migrate(manager: &Manager) -> DbResult<()> {
    let mut conn = manager.open()?;
    let done = match &mut conn {
        Conn::Sqlite(conn) => conn.run_pending_migrations(SQLITE_MIGRATIONS).map(|_versions| ()),
        #[cfg(feature = "postgres")]
        Conn::Postgres(conn) => conn.run_pending_migrations(POSTGRES_MIGRATIONS).map(|_versions| ()),
    };
    done.map_err(|error| DbError::Unavailable(format!("migration failed: {error}")))
}
