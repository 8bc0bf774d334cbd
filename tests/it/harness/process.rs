//! Our server as a process of its own, which can be killed as the machine kills: no farewell, no last write.

use std::{
    fs::File,
    io::Read as _,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use super::Story;

/// How many lines of a process a failed story shows.
const SAID: usize = 60;

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// What a process has of its own; the rest is the story's server's. The default is in its place.
#[derive(Clone, Debug, Default)]
pub struct Own {
    pub bind: Option<SocketAddr>,
    pub data_dir: Option<PathBuf>,
    pub database_url: Option<String>,
    /// Where it breaks off, as `src/failpoint.rs` reads it.
    pub failpoint: Option<String>,
}

/// A running process. It is killed when it is dropped.
pub struct Process<'s> {
    story: &'s Story,
    child: Child,
    log: PathBuf,
    address: SocketAddr,
    failpoint: Option<String>,
    began: Instant,
}

impl Story {
    /// The story's server goes on as a process, on the same address and data.
    pub async fn becomes_a_process(&self) -> Process<'_> {
        self.server_stops().await;
        self.starts_process().await
    }

    pub async fn starts_process(&self) -> Process<'_> {
        let process = self.spawns_process(&Own::default());
        process.answers().await;
        process
    }

    /// Starts a process without waiting for it.
    pub fn spawns_process(&self, own: &Own) -> Process<'_> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatapp-server"));
        command.stdin(Stdio::null());
        self.spawns_with(command, own)
    }

    /// Starts a process that is given this socket as systemd would give it, without waiting for it.
    pub fn spawns_on(&self, socket: &TcpListener) -> Process<'_> {
        // The shell becomes the server, so it has the number that the variable names.
        let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_chatapp-server")]);
        let socket = socket.try_clone().expect("a socket can have two holders");
        command.stdin(OwnedFd::from(socket));
        self.spawns_with(command, &Own::default())
    }

    fn spawns_with(&self, mut command: Command, own: &Own) -> Process<'_> {
        let config = self.config();
        let application = config.applications.first().expect("the story has an application");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = std::env::temp_dir().join(format!("chatapp-process-{}-{number}.log", std::process::id()));
        let file = File::create(&log).expect("a log can be written");
        let joined = |urls: &[url::Url]| urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let address = own.bind.unwrap_or(self.address());
        let began = Instant::now();
        let child = command
            .arg("serve")
            .env("BIND", address.to_string())
            .env("PUBLIC_URL", config.public_url.as_str())
            .env("DATABASE_URL", own.database_url.as_ref().unwrap_or(&config.database_url))
            .env("DATA_DIR", own.data_dir.as_ref().unwrap_or(&config.data_dir))
            .env("MEDIA_URL", &config.media_dir)
            .env("APP_SECRET", config.app_secret.expose())
            .env("B24_CLIENT_ID", &application.client_id)
            .env("B24_CLIENT_SECRET", application.client_secret.expose())
            .env("B24_OAUTH_SERVERS", joined(&config.b24_oauth_servers))
            .env("CORES", "chatapp,embedded")
            .env("CHATAPP_API_URL", config.chatapp_api_url.as_str())
            .env("TELEGRAM_API_URL", config.telegram_api_url.as_str())
            .env("B24_RATE", config.b24_rate.to_string())
            .env("B24_BURST", config.b24_burst.to_string())
            .env("ALLOW_HOSTS", config.allow_hosts.join(","))
            .env("FAILPOINT", own.failpoint.as_deref().unwrap_or_default())
            .env("RUST_LOG", "info,chatapp_server=debug")
            .stdout(file.try_clone().expect("a log can be written"))
            .stderr(file)
            .spawn()
            .expect("our own program starts");
        Process { story: self, child, log, address, failpoint: own.failpoint.clone(), began }
    }
}

impl Process<'_> {
    /// The process is asked to end, as its operators ask it.
    pub fn is_asked_to_end(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.is_ok_and(|status| status.success()), "the process is there to be asked");
    }

    /// Waits until the process has ended, and well.
    pub async fn has_ended(mut self) {
        let story = self.story;
        let status = story.until("the process has ended", async || self.child.try_wait().ok().flatten()).await;
        assert!(status.success(), "the process ended with {status}");
    }

    /// Waits until the process answers (before that it has committed its recovery), and tells how long after its start that was.
    pub async fn answers(&self) -> Duration {
        let url = format!("http://{}/health/ping", self.address);
        self.story
            .until("the process answers", async || {
                let answer = self.story.http().get(&url).send().await.ok()?;
                answer.status().is_success().then_some(())
            })
            .await;
        self.began.elapsed()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has ended by itself.
    pub async fn breaks_off(mut self) {
        let story = self.story;
        let what = match &self.failpoint {
            Some(point) => format!("the process breaks off at {point}"),
            None => "the process ends".to_owned(),
        };
        story.until(&what, async || self.child.try_wait().ok().flatten()).await;
    }

    /// Sends a signal, named without its `SIG`.
    pub fn signals(&self, signal: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{signal} was not sent");
    }

    /// The process stops as its operators stop it.
    pub async fn stops(self) {
        self.signals("TERM");
        self.breaks_off().await;
    }

    /// The process is gone from one instruction to the next.
    pub fn dies(mut self) {
        self.ends();
    }

    /// The process is gone, and what it left is taken over by a server of the story.
    pub async fn dies_and_is_replaced(self) {
        let story = self.story;
        self.dies();
        story.server_starts().await;
    }

    fn ends(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        self.ends();
        let mut text = String::new();
        let read = File::open(&self.log).and_then(|mut file| file.read_to_string(&mut text));
        let _ = std::fs::remove_file(&self.log);
        if std::thread::panicking() {
            let lines: Vec<&str> = text.lines().collect();
            println!(
                "--- the process said last\n{}",
                lines.get(lines.len().saturating_sub(SAID)..).unwrap_or_default().join("\n")
            );
        } else {
            assert!(read.is_ok() && !text.contains("panicked at"), "the process panicked:\n{text}");
        }
    }
}
