//! One telling of a story: the make-believe world, our server, their one clock, and what must not be left behind.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chatapp_server::{
    app::App,
    b24::methods,
    clock::Clock,
    config::{Config, Flags},
    db::OpenCounts,
    web::{self, Running},
};
use clap::Parser as _;
use sandbox::{
    Options, Sandbox,
    messengers::chatapp::Call,
    oauth::{AppCard, AppKind},
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{logs, portal::Portal, window::Window};

/// What waits longer than this in real time is taken to wait for ever. A loaded machine gets its time.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition without a bell of its own is looked at.
const LOOK: Duration = Duration::from_millis(15);

/// How many calls and posts of each kind a failed story shows.
const SEEN: usize = 40;

pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);

/// Of the application that is tested.
pub const CLIENT_ID: &str = "app.6551feb29b4141.20400031";
const CLIENT_SECRET: &str = "a-secret-of-the-make-believe-cabinet";

static NUMBER: AtomicU32 = AtomicU32::new(1);

#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    flags: Flags,
}

/// A folder that goes away with the story.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let name = format!("chatapp-it-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Story {
    pub sandbox: Sandbox,
    /// The server's time; [`Story::time_passes`] moves it together with the world's.
    clock: Clock,
    config: Config,
    address: SocketAddr,
    server: tokio::sync::Mutex<Option<Running>>,
    app: Mutex<Arc<App>>,
    portals: Mutex<Vec<sandbox::portal::Portal>>,
    /// What the story says will be left behind; everything else is a complaint.
    expected: Mutex<OpenCounts>,
    windows: Mutex<Vec<Window>>,
    began: logs::Mark,
    _folder: Folder,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Story {
    /// A world without portals, and our server in it. `database`: a URL, or none for SQLite.
    pub async fn begin(database: Option<String>) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let sandbox = Sandbox::start(Options::default()).await.map_err(|error| told(&error))?;
        // Phones of the make-believe world answer at once: nobody waits for the sake of looking real.
        sandbox.messengers().chatapp().deliver_after(Duration::from_millis(5));
        let folder = Folder::new().map_err(|error| told(&error))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| told(&error))?;
        let address = listener.local_addr().map_err(|error| told(&error))?;
        let config = config(&sandbox, address, &folder, database).map_err(|error| told(&error))?;
        let clock = Clock::system();
        let app = Arc::new(App::new(config.clone(), clock.clone()).map_err(|error| told(&error))?);
        let server = web::serve(Arc::clone(&app), vec![listener]).await.map_err(|error| told(&error))?;
        let story = Self {
            sandbox,
            clock,
            config,
            address,
            server: tokio::sync::Mutex::new(Some(server)),
            app: Mutex::new(app),
            portals: Mutex::default(),
            expected: Mutex::default(),
            windows: Mutex::default(),
            began: logs::mark(),
            _folder: folder,
        };
        story.publishes(true);
        Ok(story)
    }

    /// The vendor's cabinet: an application with pages, or one that only calls REST.
    pub fn publishes(&self, has_pages: bool) {
        self.sandbox.publish(AppCard {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            kind: AppKind::Market,
            title: "ChatApp".to_owned(),
            scope: methods::scopes().into_iter().map(str::to_owned).collect(),
            version: 1,
            app_url: has_pages.then(|| self.url("/b24/app")),
            install_url: Some(self.url("/b24/install")),
            redirect_url: Some(self.url("/b24/oauth/callback")),
        });
    }

    /// A new portal: an administrator, a manager, one calm open line.
    pub async fn portal(&self) -> Portal<'_> {
        let title = format!("Portal {}", held(&self.portals).len() + 1);
        let portal = self.sandbox.add_portal(&title).await.expect("a port is free");
        held(&self.portals).push(portal.clone());
        Portal::new(self, portal)
    }

    /// A window of a browser, closed with the story.
    pub async fn window(&self) -> Window {
        self.window_where("").await
    }

    /// A window whose browser finds hosts by these rules, see [`super::browser::window`].
    pub async fn window_where(&self, rules: &str) -> Window {
        let window = Window::open(rules).await;
        held(&self.windows).push(window.clone());
        window
    }

    pub fn app(&self) -> Arc<App> {
        Arc::clone(&held(&self.app))
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where our server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address of our server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// For calls that no portal and no messenger makes: forgers, curious people.
    pub fn http(&self) -> &reqwest::Client {
        &self.sandbox.world().http
    }

    /// Time passes for everybody; who waits for it is woken.
    pub fn time_passes(&self, by: Duration) {
        self.clock.advance(by);
        self.sandbox.clock().advance(by);
        self.app().bell.ring();
    }

    /// The server is stopped as its operators stop it, and started again on the same address.
    pub async fn server_restarts(&self) {
        self.server_stops().await;
        self.server_starts().await;
    }

    pub async fn server_stops(&self) {
        if let Some(running) = self.server.lock().await.take() {
            running.stop().await;
        }
    }

    /// The server's address as a socket that outlives every server. There must be none now.
    pub fn listens(&self) -> TcpListener {
        TcpListener::bind(self.address).expect("the address is free")
    }

    /// Its operators change the settings. The address on which it listens stays.
    pub async fn server_restarts_with(&self, change: impl FnOnce(&mut Config)) {
        self.server_stops().await;
        let mut config = self.config.clone();
        change(&mut config);
        self.server_starts_with(config).await;
    }

    pub async fn server_starts(&self) {
        self.server_starts_with(self.config.clone()).await;
    }

    async fn server_starts_with(&self, config: Config) {
        let app = Arc::new(App::new(config, self.clock.clone()).expect("it started before"));
        let listener = self.until("the address is free again", async || TcpListener::bind(self.address).ok()).await;
        let running = web::serve(Arc::clone(&app), vec![listener]).await.expect("it started before");
        *held(&self.app) = app;
        *self.server.lock().await = Some(running);
    }

    /// Waits until something is so, or fails with the words.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut again = interval(LOOK);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            again.tick().await;
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain until {what}");
        }
    }

    /// The same for what happens only when time passes: retries. A minute at every look, three days at most.
    pub async fn passes_until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        for _minute in 0..3 * 24 * 60 {
            if let Some(found) = look().await {
                return found;
            }
            self.time_passes(MINUTE);
            self.calms_or_waits().await;
        }
        panic!("three days passed in vain until {what}");
    }

    /// Waits until everything that is due has been tried; what waits for another time goes on waiting.
    pub async fn calms_or_waits(&self) {
        self.until("nothing is being tried any more", async || {
            let counts = self.counts().await?;
            let next = self.app().db.delivery_next_due().await.ok()?;
            let due = next.is_some_and(|at| at <= self.clock.now());
            (counts.sending == 0 && counts.inbox == 0 && !due).then_some(())
        })
        .await;
    }

    /// What was logged since the story began.
    pub fn logged(&self) -> String {
        logs::all_since(self.began, std::thread::current().name().unwrap_or_default())
    }

    /// Every file that our server keeps, with its name. (Of a PostgreSQL there is only the folder of files.)
    pub fn stored(&self) -> Vec<(String, Vec<u8>)> {
        let mut open = vec![self.config.data_dir.clone()];
        let mut found = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
                }
            }
        }
        found
    }

    /// Waits until nothing is under way anywhere: portals have posted, messengers have told, the queue is empty.
    pub async fn calms_down(&self) {
        self.until("nothing is under way any more", async || self.is_calm().await.then_some(())).await;
    }

    pub(super) async fn is_calm(&self) -> bool {
        // Work goes round: what one side posts, the other has to answer. Calm is calm only if it is so twice.
        for _look in 0..2 {
            let portals = held(&self.portals).iter().all(sandbox::portal::Portal::is_quiet);
            let messengers = self.sandbox.messengers().chatapp().webhooks_waiting() == 0;
            let expected = *held(&self.expected);
            let idle = self.counts().await.is_some_and(|counts| {
                counts.sending == 0 && counts.waiting <= expected.waiting && counts.inbox <= expected.inbox
            });
            if !(portals && messengers && idle) {
                return false;
            }
        }
        true
    }

    pub async fn counts(&self) -> Option<OpenCounts> {
        self.app().db.delivery_counts().await.ok()
    }

    /// The story says what it leaves behind.
    pub fn expects(&self, left: impl FnOnce(&mut OpenCounts)) {
        left(&mut held(&self.expected));
    }

    /// The story ends with so many deliveries failed for good.
    pub fn expects_failed(&self, count: i64) {
        self.expects(|left| left.failed = count);
    }

    /// The story ends with so many deliveries of which nobody knows the outcome.
    pub fn expects_unknown(&self, count: i64) {
        self.expects(|left| left.unknown = count);
    }

    /// What the story left behind although it did not say so.
    pub async fn leftovers(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.server.lock().await.is_some() {
            let deadline = Instant::now() + PATIENCE;
            let mut again = interval(LOOK);
            let expected = *held(&self.expected);
            let mut found = None;
            // Between two looks something may begin by itself: a chat is compared with the portal's history now and then.
            while Instant::now() < deadline {
                found = self.counts().await;
                if found == Some(expected) && self.is_calm().await {
                    break;
                }
                again.tick().await;
            }
            if found != Some(expected) {
                complaints.push(format!("left behind in the queue: {found:?}\n   what the story told: {expected:?}"));
            }
        }
        for portal in held(&self.portals).iter() {
            let breaches = portal.contract_violations();
            complaints.extend(
                breaches.iter().map(|it| format!("{} was called against its contract: {}", it.method, it.what)),
            );
            let overlaps = portal.overlaps();
            complaints
                .extend(overlaps.iter().map(|it| format!("two messages at once for {} {}", it.connector, it.chat)));
        }
        let windows = held(&self.windows).clone();
        for window in windows {
            complaints.extend(window.complaints().await);
        }
        // A message to somebody who is not there is answered with 404 too.
        let is_unknown = |call: &Call| call.status == 405 || (call.status == 404 && !call.path.contains("/messages/"));
        let unknown = self.sandbox.messengers().chatapp().calls().into_iter().filter(is_unknown);
        complaints.extend(unknown.map(|call| format!("ChatApp has no {} {}: {}", call.method, call.path, call.status)));
        complaints
    }

    /// What the make-believe world has seen last, to understand a failure by.
    pub fn seen(&self) -> String {
        let mut seen = Vec::new();
        for portal in held(&self.portals).iter() {
            seen.push(format!("--- calls of {}", portal.domain()));
            let calls = portal
                .calls()
                .into_iter()
                .map(|it| format!("{} {} {}", it.status, it.method, it.error.unwrap_or_default()));
            seen.extend(last(calls.collect()));
            seen.push(format!("--- posts of {}", portal.domain()));
            let posts =
                portal.posted_events().into_iter().map(|it| format!("{:?} {} -> {}", it.status, it.event, it.url));
            seen.extend(last(posts.collect()));
        }
        let chatapp = self.sandbox.messengers().chatapp();
        seen.push("--- calls of ChatApp".to_owned());
        seen.extend(last(
            chatapp.calls().into_iter().map(|it| format!("{} {} {}", it.status, it.method, it.path)).collect(),
        ));
        seen.push("--- webhooks of ChatApp".to_owned());
        seen.extend(last(chatapp.posted().into_iter().map(|it| format!("{} {}", it.status, it.body)).collect()));
        seen.join("\n")
    }

    pub async fn end(self) {
        let windows = std::mem::take(&mut *held(&self.windows));
        for window in windows {
            window.close().await;
        }
        self.server_stops().await;
    }
}

fn last(mut lines: Vec<String>) -> Vec<String> {
    let skipped = lines.len().saturating_sub(SEEN);
    lines.drain(..skipped);
    lines
}

fn config(
    sandbox: &Sandbox,
    address: SocketAddr,
    folder: &Folder,
    database: Option<String>,
) -> Result<Config, Box<dyn std::error::Error>> {
    let cloud = sandbox.cloud_url();
    let mut arguments = vec![
        "it".to_owned(),
        format!("--bind={address}"),
        format!("--public-url=http://{address}"),
        format!("--data-dir={}", folder.0.join("data").display()),
        format!("--b24-client-id={CLIENT_ID}"),
        format!("--b24-client-secret={CLIENT_SECRET}"),
        format!("--b24-oauth-servers={cloud}"),
        format!("--b24-js-url={cloud}/api/v1/"),
        // As much as a story likes; one about the budget restarts the server with the real one.
        "--b24-rate=1000".to_owned(),
        "--b24-burst=1000".to_owned(),
        "--cores=chatapp,embedded".to_owned(),
        format!("--chatapp-api-url={cloud}/chatapp/v1/"),
        format!("--telegram-api-url={cloud}/telegram/"),
        "--allow-hosts=127.0.0.0/8,::1,localhost".to_owned(),
        "--app-secret=only-for-tests-only-for-tests-only-for-tests".to_owned(),
    ];
    arguments.push(format!("--database-url={}", database.unwrap_or_default()));
    Ok(Config::load(&CommandLine::try_parse_from(arguments)?.flags)?)
}
