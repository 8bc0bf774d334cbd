//! A throw-away PostgreSQL cluster for the whole run, and a fresh database for every story.
//!
//! The cluster listens on a Unix socket in its own folder, so it needs no port and nobody else reaches it.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    helper::Helper,
    needs::{self, Postgres},
};

/// Users that may run the server where we are root, whom PostgreSQL refuses.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// `$1`: folder of the tools. Prints the folder of the cluster, then the server's log. Reads `stop` (as its operators stop it),
/// `crash` (as a machine does) and `start`; ends with its input.
const SCRIPT: &str = r#"
set -eu
umask 077
export LC_ALL=C
folder=$(mktemp -d "${TMPDIR:-/tmp}/chatapp-it.XXXXXX")
cd "$folder"
trap 'cd /; rm -rf "$folder"' EXIT
trap : INT TERM HUP
echo "folder $folder"
# Only making the cluster does without fsync; the server itself runs with it, as in life.
"$1/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >initdb.log 2>&1 || { cat initdb.log; exit 1; }
start() {
  "$1/postgres" -D data -c listen_addresses= -c unix_socket_directories="$folder" -c timezone=UTC </dev/null 2>&1 &
  server=$!
}
stop() {
  kill "$1" "$server" 2>/dev/null || true
  wait "$server" || true
}
start "$1"
while read -r line; do
  case "$line" in
    stop) stop -INT ;;
    crash) stop -QUIT ;;
    start) start "$1" ;;
  esac
done
stop -INT
"#;

/// A server of one story's own, which can go away.
pub struct Server {
    helper: Arc<Mutex<Helper>>,
    /// Of a fresh database.
    pub url: String,
}

impl Server {
    pub async fn start() -> Self {
        let started = tokio::task::spawn_blocking(|| match needs::found().postgres.clone()? {
            Postgres::Tools(tools) => start_own(&tools),
            Postgres::Running(_) => Err("a server of somebody else cannot be stopped".to_owned()),
        });
        let cluster = started.await.unwrap().expect("another PostgreSQL starts");
        let url = with_database(&cluster.url, "postgres");
        Self { helper: Arc::new(Mutex::new(cluster.own.expect("it is ours"))), url }
    }

    /// The server ends as its operators end it, and with it every connection.
    pub async fn stops(&self) {
        self.does("stop", "database system is shut down").await;
    }

    /// The server ends in the middle of what it does.
    pub async fn crashes(&self) {
        self.does("crash", "immediate shutdown").await;
    }

    pub async fn starts(&self) {
        self.does("start", "ready to accept connections").await;
    }

    /// Does something past our server.
    pub fn executes(&self, sql: &str) {
        self.connection().batch_execute(sql).expect("the statements are right");
    }

    pub fn connection(&self) -> PgConnection {
        PgConnection::establish(&self.url).expect("the server takes connections")
    }

    pub fn may_connect(&self) -> Option<PgConnection> {
        PgConnection::establish(&self.url).ok()
    }

    async fn does(&self, line: &'static str, until: &'static str) {
        let helper = Arc::clone(&self.helper);
        let done = tokio::task::spawn_blocking(move || {
            let mut helper = helper.lock().unwrap_or_else(PoisonError::into_inner);
            helper.told(line)?;
            helper.says(|said| said.contains(until).then_some(()))
        });
        done.await.unwrap().unwrap();
    }
}

struct Cluster {
    /// A URL without its database.
    url: String,
    /// None when the server was there before us.
    own: Option<Helper>,
}

static CLUSTER: Mutex<Option<Result<Cluster, String>>> = Mutex::new(None);
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A database of one story. It is dropped with the story.
pub struct Database {
    server: String,
    name: String,
    pub url: String,
}

impl Database {
    /// A new, empty database; starts the cluster if this is the first.
    pub fn create() -> Result<Self, String> {
        let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        let server = match cluster.get_or_insert_with(start) {
            Ok(cluster) => cluster.url.clone(),
            Err(why) => return Err(why.clone()),
        };
        drop(cluster);
        let name = format!("chatapp_it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        execute(&server, &format!("CREATE DATABASE {name}"))?;
        let url = with_database(&server, &name);
        Ok(Self { server, name, url })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A cluster of ours goes away as a whole; on somebody else's server nothing is left behind.
        if let Err(why) = execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)) {
            eprintln!("the database {} could not be dropped: {why}", self.name);
        }
    }
}

fn execute(server: &str, sql: &str) -> Result<(), String> {
    let mut conn = PgConnection::establish(&with_database(server, "postgres")).map_err(|error| error.to_string())?;
    conn.batch_execute(sql).map_err(|error| error.to_string())
}

/// The URL of a database on the server; what follows a `?` is kept.
fn with_database(server: &str, name: &str) -> String {
    let (base, options) =
        server.split_once('?').map_or((server, String::new()), |(base, rest)| (base, format!("?{rest}")));
    let scheme = base.find("://").map_or(0, |at| at + 3);
    let host = base[scheme..].find('/').map_or(base.len(), |at| scheme + at);
    format!("{}/{name}{options}", &base[..host])
}

fn start() -> Result<Cluster, String> {
    match needs::found().postgres.clone()? {
        Postgres::Running(url) => Ok(Cluster { url, own: None }),
        Postgres::Tools(tools) => start_own(&tools),
    }
}

fn start_own(tools: &Path) -> Result<Cluster, String> {
    let mut command = as_permitted_user()?;
    command.args(["sh", "-c", SCRIPT, "sh"]).arg(tools).current_dir("/");
    let helper = Helper::start(command)?;
    let folder = helper.says(|line| line.strip_prefix("folder ").map(str::to_owned))?;
    helper.says(|line| line.contains("ready to accept connections").then_some(()))?;
    let host = utf8_percent_encode(&folder, NON_ALPHANUMERIC);
    Ok(Cluster { url: format!("postgres://postgres@{host}"), own: Some(helper) })
}

/// The beginning of a command that does not run as root.
fn as_permitted_user() -> Result<Command, String> {
    if !is_root() {
        return Ok(Command::new("env"));
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let user = USERS
        .into_iter()
        .find(|user| passwd.lines().any(|line| line.split(':').next() == Some(user)))
        .ok_or("PostgreSQL does not run as root, and there is neither `postgres` nor `nobody`")?;
    if let Some(setpriv) = needs::program(&["setpriv"]) {
        let mut command = Command::new(setpriv);
        let group = group_of(&passwd, user).ok_or("a user without a group")?;
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into(), "--".into()]);
        return Ok(command);
    }
    let runuser = needs::program(&["runuser"]).ok_or("neither setpriv nor runuser, to run PostgreSQL with")?;
    let mut command = Command::new(runuser);
    command.args(["-u", user, "--"]);
    Ok(command)
}

fn group_of(passwd: &str, user: &str) -> Option<String> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
    line.split(':').nth(3).map(str::to_owned)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Stops the cluster of this run and waits for its end.
pub fn stop() {
    let cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Ok(Cluster { own: Some(helper), .. })) = cluster {
        helper.stop();
    }
}
