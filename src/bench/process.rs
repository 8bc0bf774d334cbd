//! What is measured runs as a process of its own, from the same binary: so its memory and its processor time can be told apart
//! from ours.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    BenchError, float,
    load::Connection,
    requests::{APP_SECRET, CLIENT_ID, CLIENT_SECRET, get},
    seed,
};

/// `/proc` counts processor time in these on every Linux.
const TICKS_A_SECOND: u32 = 100;
const START_PATIENCE: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_millis(1);

/// A process that is killed when it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

/// How the server is started.
#[derive(Clone, Debug)]
pub struct Settings {
    pub stand_in: SocketAddr,
    pub burst: u32,
    pub rate: u32,
    /// A library that makes the disk slow.
    pub preload: Option<PathBuf>,
}

impl Process {
    /// The server on the database in this folder. It may not answer yet.
    pub fn spawn(folder: &Path, settings: &Settings) -> Result<Self, BenchError> {
        let address = free_address()?;
        let stand_in = settings.stand_in;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("serve")
            .env("BIND", address.to_string())
            .env("PUBLIC_URL", format!("http://{address}"))
            .env("DATABASE_URL", seed::url(folder))
            .env("DATA_DIR", folder)
            .env("APP_SECRET", APP_SECRET)
            .env("B24_CLIENT_ID", CLIENT_ID)
            .env("B24_CLIENT_SECRET", CLIENT_SECRET)
            .env("B24_OAUTH_SERVERS", format!("http://{stand_in}"))
            .env("B24_BURST", settings.burst.to_string())
            .env("B24_RATE", settings.rate.to_string())
            .env("CORES", "chatapp")
            .env("CHATAPP_API_URL", format!("http://{stand_in}/chatapp/v1/"))
            .env("ALLOW_HOSTS", "127.0.0.0/8");
        Self::launch(command, (address, folder), settings.preload.as_deref())
    }

    /// A server to compare with.
    pub fn spawn_ceiling(folder: &Path, kind: &str, preload: Option<&Path>) -> Result<Self, BenchError> {
        fs::create_dir_all(folder)?;
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench-ceiling", kind, "--bind", &address.to_string(), "--folder"]).arg(folder);
        Self::launch(command, (address, folder), preload)
    }

    fn launch(
        mut command: Command,
        (address, folder): (SocketAddr, &Path),
        preload: Option<&Path>,
    ) -> Result<Self, BenchError> {
        let log = folder.join("process.log");
        let file = File::create(&log)?;
        if let Some(library) = preload {
            command.env("LD_PRELOAD", library);
        }
        command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: command.spawn()?, address, log })
    }

    /// Waits until it answers.
    pub async fn answers(&mut self) -> Result<(), BenchError> {
        let ping = get(self.address, "/health/ping");
        self.takes(&ping).await.map(drop)
    }

    /// Tries a request until it is answered with a 200; how long that took.
    pub async fn takes(&mut self, request: &[u8]) -> Result<Duration, BenchError> {
        let began = Instant::now();
        loop {
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.exchange(request).await.is_ok_and(|status| status == 200)
            {
                return Ok(began.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&format!("it ended with {status}")));
            }
            if began.elapsed() > START_PATIENCE {
                return Err(self.failed("it does not answer"));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn failed(&self, what: &str) -> BenchError {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        BenchError::Unexpected(format!("the measured process: {what}\n{log}"))
    }

    /// Resident memory now, in MB.
    pub fn memory(&self) -> Result<f64, BenchError> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: Option<usize> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kilobytes
            .map(|kilobytes| float(kilobytes) / 1024.0)
            .ok_or_else(|| BenchError::Unexpected("/proc tells no memory".into()))
    }

    /// Processor time used so far.
    pub fn processor_time(&self) -> Result<Duration, BenchError> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold anything; the fields behind it are numbers, utime and stime the 12th and 13th.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(Duration::from_secs(1) * ticks / TICKS_A_SECOND)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its folder is thrown away, so it needs no farewell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
