//! The REST journal: what was called in portals, with every value masked that could be somebody's, in append-only files of one UTC
//! day each (`journal/rest-2026-11-22.jsonl` in the data folder), so that "what did you do in our portal on Friday?" has an
//! answer.
//!
//! Who is who: callers hand in an [`Entry`] and never wait; a thread masks and writes. What it has no time or no room for is
//! dropped and counted. What an entry is [`about`] comes from the delivery under way, so that calls need not carry it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::{clock::Millis, metrics::METRICS};

/// Entries that wait to be written.
const WAITING: usize = 1024;
/// Parameters longer than this are not kept, only their size.
const LONGEST: usize = 64 * 1024;
/// A day's file is full at this size.
const DAY_BYTES: u64 = 256 * 1024 * 1024;
const DAY: Duration = Duration::from_hours(24);
/// Numbers of the portal's own, never a person's.
const NUMBERS: [&str; 5] = ["CHAT_ID", "CONFIG_ID", "MESSAGE_ID", "SESSION_ID", "USER_ID"];
/// Names of things; where a person's number may stand in one (`chat[id]`), it is masked. All other values are.
const NAMES: [&str; 12] = [
    "CODE",
    "CONNECTOR",
    "ENTITYTYPEID",
    "ENTITY_ID",
    "ENTITY_TYPE",
    "EVENT",
    "HANDLER",
    "ID",
    "LINE",
    "PLACEMENT",
    "START",
    "TAG",
];
/// So many digits may be a phone number.
const PHONE_DIGITS: usize = 7;

/// What a call is made for.
#[derive(Clone, Default)]
pub struct About {
    pub portal: String,
    pub deliveries: Vec<i64>,
    pub traces: Vec<String>,
}

tokio::task_local! {
    static ABOUT: About;
}

/// Does `work`, whose calls are made for this.
pub async fn about<F: Future>(about: About, work: F) -> F::Output {
    ABOUT.scope(about, work).await
}

/// One call, as it ended.
pub struct Entry {
    pub at: Millis,
    pub host: String,
    pub method: &'static str,
    /// The posted JSON.
    pub body: Vec<u8>,
    /// 0 without an answer.
    pub http: u16,
    /// `ok`, or the error's code.
    pub outcome: &'static str,
    pub operating: Option<Duration>,
    pub took: Duration,
}

/// The handle. Clones write into the same file.
#[derive(Clone, Default)]
pub struct Journal(Option<SyncSender<(Entry, About)>>);

impl Journal {
    /// Begins a journal that is kept for `days`; none for 0.
    pub fn start(data_dir: &Path, days: u32) -> std::io::Result<Self> {
        if days == 0 {
            return Ok(Self::default());
        }
        let (sender, entries) = sync_channel(WAITING);
        let file = Files { folder: data_dir.join("journal"), days, day: i64::MIN, open: None, size: 0 };
        thread::Builder::new().name("journal".into()).spawn(move || write_all(file, &entries))?;
        Ok(Self(Some(sender)))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub fn write(&self, entry: Entry) {
        let Some(sender) = &self.0 else { return };
        let about = ABOUT.try_with(About::clone).unwrap_or_default();
        if sender.try_send((entry, about)).is_err() {
            METRICS.journal_dropped();
        }
    }
}

fn write_all(mut files: Files, entries: &Receiver<(Entry, About)>) {
    let mut told = false;
    while let Ok((entry, about)) = entries.recv() {
        match files.append(entry.at, &line(&entry, &about)) {
            Ok(()) => told = false,
            Err(error) => {
                METRICS.journal_dropped();
                if !told {
                    tracing::warn!(%error, "the REST journal could not be written");
                }
                told = true;
            }
        }
    }
}

fn line(entry: &Entry, about: &About) -> String {
    let params = match serde_json::from_slice(&entry.body) {
        _any if entry.body.len() > LONGEST => json!({ "bytes": entry.body.len() }),
        Ok(Value::Object(params)) => masked_object(params),
        _other => Value::Null,
    };
    let (date, time) = entry.at.utc();
    let mut line = json!({
        "at": format!("{date}T{time}Z"),
        "host": entry.host,
        "method": entry.method,
        "params": params,
        "http": entry.http,
        "outcome": entry.outcome,
        "took_ms": u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
    });
    if let Some(object) = line.as_object_mut() {
        let operating = entry.operating.map(|spent| ("operating_s", json!(spent.as_secs_f64())));
        let about = (!about.portal.is_empty()).then(|| {
            [("portal", json!(about.portal)), ("deliveries", json!(about.deliveries)), ("traces", json!(about.traces))]
        });
        let more = operating.into_iter().chain(about.into_iter().flatten());
        object.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    format!("{line}\n")
}

fn masked_object(params: Map<String, Value>) -> Value {
    let kept = params.into_iter().filter(|(key, _)| key != "auth");
    kept.map(|(key, value)| {
        let value = masked(value, &key.to_ascii_uppercase());
        (key, value)
    })
    .collect()
}

/// A masked text tells its length; a masked number nothing.
fn masked(value: Value, key: &str) -> Value {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
    let plain = |text: &str| NUMBERS.contains(&key) || (NAMES.contains(&key) && digits(text) < PHONE_DIGITS);
    match value {
        Value::Object(object) => masked_object(object),
        Value::Array(list) => list.into_iter().map(|item| masked(item, key)).collect(),
        Value::String(text) if !plain(&text) => format!("…{}", text.chars().count()).into(),
        Value::Number(number) if !plain(&number.to_string()) => "…".into(),
        other => other,
    }
}

/// The day's file.
struct Files {
    folder: PathBuf,
    days: u32,
    day: i64,
    open: Option<File>,
    size: u64,
}

impl Files {
    fn append(&mut self, at: Millis, line: &str) -> std::io::Result<()> {
        let day = at.0.div_euclid(i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX));
        if day != self.day || self.open.is_none() {
            self.turn(at)?;
            self.day = day;
        }
        let full = self.size.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX)) > DAY_BYTES;
        let Some(file) = self.open.as_mut().filter(|_| !full) else {
            METRICS.journal_dropped();
            return Ok(());
        };
        let written = file.write_all(line.as_bytes());
        match written {
            Ok(()) => self.size += u64::try_from(line.len()).unwrap_or(0),
            // It is opened anew for the next line.
            Err(_) => self.open = None,
        }
        written
    }

    /// Opens the file of a day and removes those that are too old.
    fn turn(&mut self, at: Millis) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let name = |at: Millis| format!("rest-{}.jsonl", at.utc().0);
        let oldest = name(at.before(DAY * self.days.saturating_sub(1)));
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let own = entry.file_name().to_string_lossy().into_owned();
            let is_ours = own.strip_prefix("rest-").is_some_and(|rest| rest.strip_suffix(".jsonl").is_some());
            if is_ours && own < oldest {
                fs::remove_file(entry.path())?;
            }
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.folder.join(name(at)))?;
        self.size = file.metadata()?.len();
        self.open = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: Millis, body: &Value) -> Entry {
        Entry {
            at,
            host: "portal.example".into(),
            method: "imconnector.send.messages",
            body: body.to_string().into_bytes(),
            http: 200,
            outcome: "ok",
            operating: None,
            took: Duration::from_millis(7),
        }
    }

    #[test]
    fn a_line_tells_what_was_called_and_nobodys_words() {
        let body = json!({"auth": "a-token", "CONNECTOR": "chatapp_whatsapp", "LINE": 3, "MESSAGES": [
            {"user": {"name": "Anna", "phone": "+79005556001"}, "message": {"text": "Hello", "id": "m-1"}, "chat": {"id": "abcdefgh:79005556001"}},
        ]});
        let told: Value = serde_json::from_str(&line(&entry(Millis(0), &body), &About::default())).unwrap();
        assert_eq!(told["at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(told["params"]["CONNECTOR"], "chatapp_whatsapp");
        assert_eq!(told["params"]["MESSAGES"][0]["user"], json!({"name": "…4", "phone": "…12"}));
        assert_eq!(told["params"]["MESSAGES"][0]["message"], json!({"text": "…5", "id": "m-1"}));
        assert_eq!(told["params"]["MESSAGES"][0]["chat"]["id"], "…20");
        assert!(told["params"].get("auth").is_none());
    }

    #[test]
    fn old_days_are_removed() {
        let folder = std::env::temp_dir().join(format!("chatapp-journal-{}", std::process::id()));
        let mut files = Files { folder: folder.clone(), days: 2, day: i64::MIN, open: None, size: 0 };
        for day in 0..4 {
            files.append(Millis(0).after(DAY * day), "x\n").unwrap();
        }
        let mut left: Vec<String> =
            fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, ["rest-1970-01-03.jsonl", "rest-1970-01-04.jsonl"]);
    }
}
