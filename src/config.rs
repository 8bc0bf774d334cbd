//! The settings: defaults (`config.default.toml`, which documents each), then a file, then environment and flags.
//! Contradictions are refused at the start, in words.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Deserialize;
use toml::{Table, Value};
use url::Url;

use crate::{
    messaging::CoreKind,
    secret::{SealError, Secret, random_token},
};

const DEFAULTS: &str = include_str!("config.default.toml");
const SQLITE: &str = "sqlite://";
const SECRET_FILE: &str = "app-secret";
const SECRET_LENGTH: usize = 32;

/// Flags and environment variables; each overrides the setting of its name.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// A TOML file with settings
    #[arg(long, env = "CONFIG")]
    config: Option<PathBuf>,
    #[arg(long, env = "BIND")]
    bind: Option<String>,
    #[arg(long, env = "ADMIN_BIND")]
    admin_bind: Option<String>,
    #[arg(long, env = "PUBLIC_URL")]
    public_url: Option<String>,
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    #[arg(long, env = "DATA_DIR")]
    data_dir: Option<String>,
    #[arg(long, env = "MEDIA_URL")]
    media_url: Option<String>,
    #[arg(long, env = "APP_SECRET", hide_env_values = true)]
    app_secret: Option<String>,
    #[arg(long, env = "APP_SECRET_OLD", hide_env_values = true)]
    app_secret_old: Option<String>,
    #[arg(long, env = "B24_CLIENT_ID")]
    b24_client_id: Option<String>,
    #[arg(long, env = "B24_CLIENT_SECRET", hide_env_values = true)]
    b24_client_secret: Option<String>,
    #[arg(long, env = "B24_OAUTH_SERVERS")]
    b24_oauth_servers: Option<String>,
    #[arg(long, env = "B24_BURST")]
    b24_burst: Option<u32>,
    #[arg(long, env = "B24_RATE")]
    b24_rate: Option<u32>,
    #[arg(long, env = "JOURNAL_DAYS")]
    journal_days: Option<u32>,
    #[arg(long, env = "B24_JS_URL")]
    b24_js_url: Option<String>,
    #[arg(long, env = "CORES")]
    cores: Option<String>,
    #[arg(long, env = "CHATAPP_API_URL")]
    chatapp_api_url: Option<String>,
    #[arg(long, env = "TELEGRAM_API_URL")]
    telegram_api_url: Option<String>,
    #[arg(long, env = "ALLOW_HOSTS")]
    allow_hosts: Option<String>,
    #[arg(long, env = "TRUSTED_PROXIES")]
    trusted_proxies: Option<String>,
    #[arg(long, env = "SUPPORT_URL")]
    support_url: Option<String>,
    #[arg(long, env = "LOG_FORMAT")]
    log_format: Option<String>,
}

/// A setting that cannot be used, with the sentence that the person at the terminal reads.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Invalid(String),
    #[error("cannot read {0}: {1}")]
    File(PathBuf, io::Error),
    #[error("the secret could not be made: {0}")]
    Secret(#[from] SealError),
}

/// One of our applications, as the vendor's cabinet or a portal registered it.
#[derive(Clone, Debug)]
pub struct Application {
    /// Names it in `/b24/install/{app}`; empty for the only one.
    pub key: String,
    pub client_id: String,
    pub client_secret: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub bind: String,
    pub admin_bind: Option<String>,
    pub public_url: Url,
    pub database_url: String,
    pub data_dir: PathBuf,
    pub media_dir: PathBuf,
    pub app_secret: Secret,
    pub app_secret_old: Option<Secret>,
    pub applications: Vec<Application>,
    pub b24_oauth_servers: Vec<Url>,
    /// Calls at once, and calls a second, of one portal.
    pub b24_burst: u32,
    pub b24_rate: u32,
    /// How long the REST journal is kept; 0: none is written.
    pub journal_days: u32,
    pub b24_js_url: Option<Url>,
    pub cores: Vec<CoreKind>,
    pub chatapp_api_url: Url,
    pub telegram_api_url: Url,
    pub allow_hosts: Vec<String>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub support_url: Option<Url>,
    pub log_format: LogFormat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    bind: String,
    admin_bind: String,
    public_url: String,
    database_url: String,
    data_dir: PathBuf,
    media_url: String,
    app_secret: String,
    app_secret_old: String,
    b24_client_id: String,
    b24_client_secret: String,
    #[serde(default)]
    applications: Vec<RawApplication>,
    b24_oauth_servers: Vec<String>,
    b24_burst: u32,
    b24_rate: u32,
    journal_days: u32,
    b24_js_url: String,
    cores: Vec<String>,
    chatapp_api_url: String,
    telegram_api_url: String,
    allow_hosts: Vec<String>,
    trusted_proxies: Vec<String>,
    support_url: String,
    log_format: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApplication {
    key: String,
    client_id: String,
    client_secret: String,
}

impl Flags {
    fn table(&self) -> Table {
        let texts = [
            ("bind", &self.bind),
            ("admin_bind", &self.admin_bind),
            ("public_url", &self.public_url),
            ("database_url", &self.database_url),
            ("data_dir", &self.data_dir),
            ("media_url", &self.media_url),
            ("app_secret", &self.app_secret),
            ("app_secret_old", &self.app_secret_old),
            ("b24_client_id", &self.b24_client_id),
            ("b24_client_secret", &self.b24_client_secret),
            ("b24_js_url", &self.b24_js_url),
            ("chatapp_api_url", &self.chatapp_api_url),
            ("telegram_api_url", &self.telegram_api_url),
            ("support_url", &self.support_url),
            ("log_format", &self.log_format),
        ];
        let lists = [
            ("b24_oauth_servers", &self.b24_oauth_servers),
            ("cores", &self.cores),
            ("allow_hosts", &self.allow_hosts),
            ("trusted_proxies", &self.trusted_proxies),
        ];
        let numbers = [("b24_burst", self.b24_burst), ("b24_rate", self.b24_rate), ("journal_days", self.journal_days)];
        let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, Value::Integer(value?.into()))));
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, Value::String(value.clone()?))));
        let lists = lists.into_iter().filter_map(|(name, value)| Some((name, list(value.as_ref()?))));
        texts.chain(lists).chain(numbers).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Config {
    /// Reads and checks everything; makes the data folder and, in the embedded default, the secret.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let mut table: Table = toml::from_str(DEFAULTS).map_err(|error| invalid(&error))?;
        if let Some(path) = &flags.config {
            let text = fs::read_to_string(path).map_err(|error| ConfigError::File(path.clone(), error))?;
            let file: Table = toml::from_str(&text).map_err(|error| invalid(&error))?;
            table.extend(file);
        }
        table.extend(flags.table());
        let raw: Raw = Value::Table(table).try_into().map_err(|error| invalid(&error))?;
        Self::check(raw)
    }

    /// The defaults with some settings replaced, for a server inside this process (`demo`, tests). Lists are comma-separated.
    pub fn with(settings: &[(&str, &str)]) -> Result<Self, ConfigError> {
        let mut table: Table = toml::from_str(DEFAULTS).map_err(|error| invalid(&error))?;
        for (name, text) in settings {
            let value = match table.get(*name) {
                Some(Value::Array(_)) => list(text),
                Some(Value::Integer(_)) => Value::Integer(text.parse().map_err(|error| invalid(&error))?),
                _text => Value::String((*text).to_owned()),
            };
            table.insert((*name).to_owned(), value);
        }
        let raw: Raw = Value::Table(table).try_into().map_err(|error| invalid(&error))?;
        Self::check(raw)
    }

    fn check(raw: Raw) -> Result<Self, ConfigError> {
        let data_dir = raw.data_dir.clone();
        fs::create_dir_all(&data_dir).map_err(|error| ConfigError::File(data_dir.clone(), error))?;
        let embedded = raw.database_url.is_empty() || raw.database_url.starts_with(SQLITE);
        let database_url = if raw.database_url.is_empty() {
            format!("{SQLITE}{}", data_dir.join("chatapp.sqlite").display())
        } else {
            raw.database_url.clone()
        };
        let trusted_proxies = raw
            .trusted_proxies
            .iter()
            .map(|text| {
                text.parse().map_err(|_not_a_network| invalid(&format!("TRUSTED_PROXIES: `{text}` is not a network")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            admin_bind: some(&raw.admin_bind).map(str::to_owned),
            public_url: public_url(&raw.public_url)?,
            database_url,
            media_dir: media_dir(&raw.media_url, &data_dir)?,
            app_secret: app_secret(&raw.app_secret, embedded, &data_dir)?,
            app_secret_old: some(&raw.app_secret_old).map(Secret::new),
            applications: applications(&raw)?,
            b24_oauth_servers: oauth_servers(&raw.b24_oauth_servers)?,
            b24_burst: at_least_one("B24_BURST", raw.b24_burst)?,
            b24_rate: at_least_one("B24_RATE", raw.b24_rate)?,
            journal_days: raw.journal_days,
            b24_js_url: optional_url("B24_JS_URL", &raw.b24_js_url)?,
            cores: cores(&raw.cores)?,
            chatapp_api_url: http_url("CHATAPP_API_URL", &with_slash(&raw.chatapp_api_url))?,
            telegram_api_url: http_url("TELEGRAM_API_URL", &with_slash(&raw.telegram_api_url))?,
            support_url: optional_url("SUPPORT_URL", &raw.support_url)?,
            log_format: match raw.log_format.as_str() {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                other => return Err(invalid(&format!("LOG_FORMAT is text or json, not `{other}`"))),
            },
            bind: raw.bind,
            allow_hosts: raw.allow_hosts,
            trusted_proxies,
            data_dir,
        })
    }

    /// Whether the database is a file of this server alone.
    pub fn is_embedded(&self) -> bool {
        self.database_url.starts_with(SQLITE)
    }

    /// The address of one of our own routes, as portals and messengers are given it.
    pub fn own_url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    pub fn application(&self, client_id: &str) -> Option<&Application> {
        self.applications.iter().find(|app| app.client_id == client_id)
    }

    /// The application of a path; the empty key is the only one's, or the first one's.
    pub fn application_by_key(&self, key: &str) -> Option<&Application> {
        if key.is_empty() {
            return self.applications.first();
        }
        self.applications.iter().find(|app| app.key == key)
    }
}

fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

fn invalid(why: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Invalid(why.to_string())
}

fn some(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn with_slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

fn http_url(name: &str, text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).map_err(|error| invalid(&format!("{name}: `{text}` is not a URL: {error}")))?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(invalid(&format!("{name} must be http or https")))
    }
}

fn at_least_one(name: &str, number: u32) -> Result<u32, ConfigError> {
    if number > 0 { Ok(number) } else { Err(invalid(&format!("{name} must be at least 1"))) }
}

fn optional_url(name: &str, text: &str) -> Result<Option<Url>, ConfigError> {
    some(text).map(|text| http_url(name, text)).transpose()
}

fn public_url(text: &str) -> Result<Url, ConfigError> {
    let url = http_url(
        "PUBLIC_URL",
        some(text)
            .ok_or_else(|| invalid(&"PUBLIC_URL is not set: under which address do portals reach this server?"))?,
    )?;
    if !url.host_str().is_some_and(|host| host.contains('.') || host.contains(':')) {
        return Err(invalid(&"PUBLIC_URL: Bitrix24 refuses handlers whose host has no dot"));
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(invalid(&"PUBLIC_URL must be an origin, without a path"));
    }
    Ok(url)
}

fn oauth_servers(texts: &[String]) -> Result<Vec<Url>, ConfigError> {
    let servers: Vec<Url> = texts.iter().map(|text| http_url("B24_OAUTH_SERVERS", text)).collect::<Result<_, _>>()?;
    if servers.is_empty() {
        Err(invalid(&"B24_OAUTH_SERVERS is empty: no installation could be proved"))
    } else {
        Ok(servers)
    }
}

/// A folder. Another kind of store must not become a folder of its name.
fn media_dir(text: &str, data_dir: &Path) -> Result<PathBuf, ConfigError> {
    let Some(given) = some(text) else { return Ok(data_dir.join("media")) };
    let path = given.strip_prefix("file://").unwrap_or(given);
    if path.contains("://") {
        return Err(invalid(&format!("MEDIA_URL: `{given}` is not a folder")));
    }
    Ok(PathBuf::from(path))
}

fn cores(names: &[String]) -> Result<Vec<CoreKind>, ConfigError> {
    let found: Option<Vec<_>> = names.iter().map(|name| CoreKind::from_name(name)).collect();
    found.filter(|cores| !cores.is_empty()).ok_or_else(|| invalid(&"CORES is a list of `chatapp` and `embedded`"))
}

fn applications(raw: &Raw) -> Result<Vec<Application>, ConfigError> {
    let mut list: Vec<Application> = raw
        .applications
        .iter()
        .map(|app| Application {
            key: app.key.clone(),
            client_id: app.client_id.clone(),
            client_secret: Secret::new(app.client_secret.clone()),
        })
        .collect();
    match (some(&raw.b24_client_id), some(&raw.b24_client_secret)) {
        (Some(id), Some(secret)) => {
            list.insert(
                0,
                Application { key: String::new(), client_id: id.into(), client_secret: Secret::new(secret) },
            );
        }
        (None, None) => {}
        _ => return Err(invalid(&"B24_CLIENT_ID and B24_CLIENT_SECRET belong together: one of them is missing")),
    }
    for (position, app) in list.iter().enumerate() {
        if list.iter().skip(position + 1).any(|other| other.key == app.key || other.client_id == app.client_id) {
            return Err(invalid(&format!("two applications share the key or the client id `{}`", app.client_id)));
        }
        if app.client_secret.is_empty() || app.client_id.is_empty() {
            return Err(invalid(&"an application lacks its client id or its client secret"));
        }
    }
    if list.is_empty() { Err(invalid(&"no application: set B24_CLIENT_ID and B24_CLIENT_SECRET")) } else { Ok(list) }
}

fn app_secret(given: &str, embedded: bool, data_dir: &Path) -> Result<Secret, ConfigError> {
    if let Some(secret) = some(given) {
        if secret.len() < SECRET_LENGTH {
            return Err(invalid(&format!("APP_SECRET must have at least {SECRET_LENGTH} characters")));
        }
        return Ok(Secret::new(secret));
    }
    if !embedded {
        return Err(invalid(&"APP_SECRET is not set: with PostgreSQL every node must be given the same one"));
    }
    let path = data_dir.join(SECRET_FILE);
    match fs::read_to_string(&path) {
        Ok(kept) if kept.trim().len() >= SECRET_LENGTH => Ok(Secret::new(kept.trim())),
        Ok(_short) => Err(invalid(&format!("{} is damaged", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = random_token(SECRET_LENGTH)?;
            write_private(&path, &made).map_err(|error| ConfigError::File(path, error))?;
            Ok(Secret::new(made))
        }
        Err(error) => Err(ConfigError::File(path, error)),
    }
}

/// Readable by this user alone from its first byte on.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
