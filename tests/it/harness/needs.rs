//! What a machine may lack, found once. What is missing is told by name, and with `REQUIRE=all` it is a failure.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// Where the tools of PostgreSQL are, or how to reach a server that runs already.
#[derive(Clone, Debug)]
pub enum Postgres {
    /// `TEST_POSTGRES_URL`: a server on which databases may be created.
    Running(String),
    /// The folder of `initdb` and `postgres`.
    Tools(PathBuf),
}

#[derive(Clone, Debug)]
pub struct Chromium {
    pub browser: PathBuf,
    pub driver: PathBuf,
}

/// What was found on this machine.
pub struct Found {
    pub postgres: Result<Postgres, String>,
    pub chromium: Result<Chromium, String>,
}

static FOUND: LazyLock<Found> = LazyLock::new(|| Found { postgres: postgres(), chromium: chromium() });

pub fn found() -> &'static Found {
    &FOUND
}

/// `REQUIRE=all`: nothing may be missing.
pub fn everything_is_required() -> bool {
    env::var("REQUIRE").is_ok_and(|it| it == "all")
}

fn postgres() -> Result<Postgres, String> {
    if let Ok(url) = env::var("TEST_POSTGRES_URL") {
        return Ok(Postgres::Running(url));
    }
    let mut folders: Vec<PathBuf> = path_folders();
    let mut packaged: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    packaged.sort();
    folders.extend(packaged.into_iter().rev().map(|(_, folder)| folder));
    folders
        .into_iter()
        // Beside a link in a common folder the other tools need not be.
        .filter_map(|folder| fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_owned))
        .find(|folder| is_program(&folder.join("postgres")))
        .map(Postgres::Tools)
        .ok_or_else(|| "PostgreSQL: set TEST_POSTGRES_URL or install its server (initdb, postgres)".to_owned())
}

fn chromium() -> Result<Chromium, String> {
    let browser = program(&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]);
    let driver = program(&["chromedriver"]);
    match (browser, driver) {
        (Some(browser), Some(driver)) => Ok(Chromium { browser, driver }),
        (None, _) => Err("Chromium: install it (chromium)".to_owned()),
        (_, None) => Err("Chromium: install its driver (chromedriver, on Debian chromium-driver)".to_owned()),
    }
}

/// The first of these programs that is on the path.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let folders = path_folders();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| is_program(path))
}

fn path_folders() -> Vec<PathBuf> {
    env::split_paths(env::var_os("PATH").as_deref().unwrap_or(OsStr::new(""))).collect()
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}
