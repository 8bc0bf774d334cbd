//! `bench`: the figures of the delivery, measured on this machine against what this machine can do.
//!
//! Who is who: a [`process::Process`] is the real server (or a *ceiling*, the least that could be called the same) as a child
//! process; [`load`] posts to it; [`stand_in`] is everything that it calls, and notes in a [`ledger`] what arrives; [`seed`]
//! makes the tenants; `figures/` has one file for each group of figures; [`report`] prints them. Everything is on the
//! loopback, in a folder that is removed. Rates are machine-dependent, so most figures are ratios of two numbers of one run.

mod ceilings;
mod figures;
mod ledger;
mod load;
mod process;
mod report;
mod requests;
mod seed;
mod stand_in;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

pub use ceilings::CeilingFlags;

use process::{Process, Settings};
use requests::Layout;
use seed::Backlog;
use stand_in::StandIn;

use crate::{app::StartError, db::DbError};

#[derive(Args)]
pub struct BenchFlags {
    /// Only these figures, comma-separated; a name may be the beginning of several
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Smaller and once instead of five times: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Writes the table here as JSON, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the databases are made; it must be on a real disk. Default: beside the program
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("{0}")]
    Unexpected(String),
}

impl From<BenchError> for StartError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Io(error) => Self::Io(error),
            BenchError::Db(error) => Self::Db(error),
            BenchError::Unexpected(what) => Self::Io(std::io::Error::other(what)),
        }
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub samples: usize,
    /// How long a load that is as fast as it can be lasts.
    pub flat_out: Duration,
    /// Messages of one run that is about throughput …
    pub messages: usize,
    /// … and how long one lasts that is about latency.
    pub paced: Duration,
    /// Messages to one portal.
    pub to_one: usize,
    /// How long the run at the wall of the operating time may take.
    pub at_the_wall: Duration,
    /// Portals and waiting messages of the large database …
    pub large: (usize, usize),
    /// … of the small one …
    pub small: (usize, usize),
    /// … and of the one whose messages are parked.
    pub parked: (usize, usize),
    /// Messages after which the memory is looked at.
    pub many: usize,
    /// How long a portal that is slow takes.
    pub slow: Duration,
}

const FULL: Sizes = Sizes {
    samples: 5,
    flat_out: Duration::from_secs(2),
    messages: 20_000,
    paced: Duration::from_secs(10),
    to_one: 1000,
    at_the_wall: Duration::from_mins(3),
    large: (10_000, 500_000),
    small: (10, 10_000),
    parked: (10_000, 100_000),
    many: 100_000,
    slow: Duration::from_secs(30),
};

const QUICK: Sizes = Sizes {
    samples: 1,
    flat_out: Duration::from_millis(300),
    messages: 500,
    paced: Duration::from_secs(1),
    to_one: 60,
    at_the_wall: Duration::from_secs(5),
    large: (200, 2000),
    small: (10, 500),
    parked: (100, 1000),
    many: 1000,
    slow: Duration::from_secs(3),
};

/// Many portals, none of which is special.
pub const MANY: Layout = Layout { portals: 200, chats: 2000 };
/// As many connections as the goals name.
pub const CONNECTIONS: usize = 64;
/// A budget that is never used up.
pub const UNLIMITED: u32 = 1_000_000;

/// What all figures share.
pub struct Bench {
    pub sizes: Sizes,
    pub stand_in: StandIn,
    folder: PathBuf,
    only: Vec<String>,
}

/// Runs the verb.
pub async fn run(flags: BenchFlags) -> Result<(), StartError> {
    let beside = || std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned));
    let parent = flags.folder.or_else(beside).unwrap_or_else(std::env::temp_dir);
    let bench = Bench {
        sizes: if flags.quick { QUICK } else { FULL },
        stand_in: StandIn::start().await?,
        folder: parent.join(format!("chatapp-bench-{}", std::process::id())),
        only: flags.only,
    };
    fs::create_dir_all(&bench.folder)?;
    let measured = figures::all(&bench).await;
    // Left-overs of make-believe tenants are worth nothing, so a failure to remove them is no failure.
    let _ = fs::remove_dir_all(&bench.folder);
    let report = measured?;
    println!("\n{report}");
    if let Some(path) = flags.json {
        let json = serde_json::to_string_pretty(report.rows()).map_err(std::io::Error::other)?;
        fs::write(path, json)?;
    }
    Ok(())
}

/// Runs a server that others are compared with.
pub async fn ceiling(flags: CeilingFlags) -> Result<(), StartError> {
    ceilings::serve(flags).await
}

impl Bench {
    pub fn wants(&self, figure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| figure.starts_with(only.as_str()))
    }

    /// A folder of this run, empty.
    pub fn folder(&self, name: &str) -> Result<PathBuf, BenchError> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub fn settings(&self) -> Settings {
        Settings { stand_in: self.stand_in.address, burst: UNLIMITED, rate: UNLIMITED, preload: None }
    }

    /// A database with tenants, to be copied for each server that begins with it.
    pub async fn seeded(&self, name: &str, layout: Layout, backlog: Option<Backlog>) -> Result<PathBuf, BenchError> {
        let folder = self.folder(&format!("seed-{name}"))?;
        seed::seed(&folder, self.stand_in.address, layout, backlog).await?;
        Ok(folder)
    }

    /// A server on a copy of a seeded database.
    pub async fn server(&self, seeded: &Path, settings: &Settings) -> Result<Process, BenchError> {
        let mut process = self.spawned(seeded, settings)?;
        process.answers().await?;
        Ok(process)
    }

    /// The same, not waited for.
    pub fn spawned(&self, seeded: &Path, settings: &Settings) -> Result<Process, BenchError> {
        let folder = self.folder("server")?;
        for entry in fs::read_dir(seeded)? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
        Process::spawn(&folder, settings)
    }

    pub async fn ceiling(&self, kind: &str, preload: Option<&Path>) -> Result<Process, BenchError> {
        let mut process = Process::spawn_ceiling(&self.folder(&format!("ceiling-{kind}"))?, kind, preload)?;
        process.answers().await?;
        Ok(process)
    }
}

/// A count for arithmetic.
pub fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
