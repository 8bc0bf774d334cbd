//! Our server as a process of its own, which can be killed as the machine kills: no farewell, no last write.

use std::{
    fs::File,
    io::Read as _,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use super::Story;

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A running process. It is killed when it is dropped.
pub struct Process<'s> {
    story: &'s Story,
    child: Child,
    log: std::path::PathBuf,
}

impl Story {
    /// The story's server goes on as a process, on the same address and data.
    pub async fn becomes_a_process(&self) -> Process<'_> {
        self.server_stops().await;
        self.starts_process().await
    }

    pub async fn starts_process(&self) -> Process<'_> {
        let config = self.config();
        let application = config.applications.first().expect("the story has an application");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = std::env::temp_dir().join(format!("chatapp-process-{}-{number}.log", std::process::id()));
        let file = File::create(&log).expect("a log can be written");
        let joined = |urls: &[url::Url]| urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let child = Command::new(env!("CARGO_BIN_EXE_chatapp-server"))
            .arg("serve")
            .env("BIND", &config.bind)
            .env("PUBLIC_URL", config.public_url.as_str())
            .env("DATABASE_URL", &config.database_url)
            .env("DATA_DIR", &config.data_dir)
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
            .env("RUST_LOG", "info,chatapp_server=debug")
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log can be written"))
            .stderr(file)
            .spawn()
            .expect("our own program starts");
        let process = Process { story: self, child, log };
        self.until("the process answers", async || {
            let answer = self.http().get(self.url("/health/ping")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        process
    }
}

impl Process<'_> {
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
        if !std::thread::panicking() {
            assert!(read.is_ok() && !text.contains("panicked at"), "the process panicked:\n{text}");
        }
    }
}
