//! Connections of both databases behind one type, the pool's manager, and the migrations.

use diesel::{
    Connection as _, SqliteConnection,
    connection::SimpleConnection as _,
    r2d2::{self, ManageConnection},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::{DbError, DbResult};

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// FULL, because a 200 promises that the row survives a power cut (in WAL mode, NORMAL may lose the last commits).
pub(super) const SQLITE_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; \
     PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;";

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::PgConnection),
}

#[derive(Clone)]
enum Kind {
    Sqlite,
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
            return Ok(Self { kind: Kind::Sqlite, target: path.to_owned() });
        }
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self { kind: Kind::Postgres, target: url.to_owned() });
        }
        Err(DbError::Unavailable("DATABASE_URL must begin with sqlite:// or postgres://".into()))
    }

    /// A database that takes one writer at a time wants its write lock at the start of the transaction, not in its
    /// middle, where it could only fail.
    pub fn begin(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            #[cfg(feature = "postgres")]
            Kind::Postgres => "BEGIN",
        }
    }

    /// Whether other nodes may write too.
    pub fn is_shared(&self) -> bool {
        !matches!(self.kind, Kind::Sqlite)
    }

    pub fn open(&self) -> DbResult<Conn> {
        let opened = match self.kind {
            Kind::Sqlite => SqliteConnection::establish(&self.target).and_then(|mut conn| {
                conn.batch_execute(SQLITE_PRAGMAS).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(Conn::Sqlite(conn))
            }),
            #[cfg(feature = "postgres")]
            Kind::Postgres => diesel::PgConnection::establish(&self.target).map(Conn::Postgres),
        };
        opened.map_err(|error| DbError::Unavailable(error.to_string()))
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
