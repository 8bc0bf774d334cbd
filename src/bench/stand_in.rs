//! The other side: portals and ChatApp, answering at once with prebuilt JSON in the shapes that `src/b24/` and
//! `src/messaging/chatapp/` read. It judges nothing (that is the sandbox's part): it counts, and takes note of what arrives.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{
    BenchError,
    ledger::Ledger,
    load::Message,
    requests::{Layout, number_in},
};
use crate::clock::Clock;

/// How the portals behave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Manner {
    #[default]
    Instant,
    /// The leaky bucket of the cloud, enforced.
    Bucket { burst: f64, per_second: f64 },
    /// The bucket, and so much operating time billed for every message of a call; over the limit in ten minutes: 429.
    Billed { burst: f64, per_second: f64, each: Duration },
    /// Of so many portals the first answers after `wait`.
    Slow { every: usize, wait: Duration },
}

/// Bitrix24's own example (`limits.md`): so much operating time of a method in ten minutes.
pub const OPERATING_LIMIT: Duration = Duration::from_mins(8);
pub const OPERATING_WINDOW: Duration = Duration::from_mins(10);
const BASKET: Duration = Duration::from_mins(1);

/// Everything that this process plays.
pub struct StandIn {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    listening: JoinHandle<()>,
}

/// What the portals and ChatApp know.
#[derive(Default)]
pub struct Seen {
    ledger: RwLock<Option<Arc<Ledger>>>,
    manner: RwLock<Manner>,
    portals: Mutex<HashMap<usize, Limits>>,
    ids: AtomicUsize,
    clock: Clock,
    pub calls: AtomicUsize,
    /// Calls refused with 503, because the bucket was full.
    pub over_bucket: AtomicUsize,
    /// Calls refused with 429, because the operating time was used up.
    pub over_time: AtomicUsize,
}

/// What a portal counts of our calls.
#[derive(Default)]
struct Limits {
    level: f64,
    at: Option<Instant>,
    /// Beginning of a minute, and what was billed in it.
    baskets: VecDeque<(Instant, Duration)>,
}

impl StandIn {
    pub async fn start() -> Result<Self, BenchError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let state = Arc::clone(&seen);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _from)) = listener.accept().await {
                let state = Arc::clone(&state);
                // A connection that the other side drops is over; nothing is lost with it.
                tokio::spawn(async move { drop(serve(stream, &state).await) });
            }
        });
        Ok(Self { address, seen, listening })
    }

    /// Behaves so from now on, with everything that was counted forgotten, and takes notes into a fresh ledger.
    pub fn begin(&self, manner: Manner, layout: Layout, numbers: std::ops::Range<usize>) -> Arc<Ledger> {
        let ledger = Arc::new(Ledger::new(layout, numbers));
        *write(&self.seen.ledger) = Some(Arc::clone(&ledger));
        *write(&self.seen.manner) = manner;
        self.seen.portals.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for counter in [&self.seen.calls, &self.seen.over_bucket, &self.seen.over_time] {
            counter.store(0, Ordering::Relaxed);
        }
        ledger
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: TcpStream, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let whole = Message::read(&buffer).filter(|message| message.is_whole(&buffer));
        let Some(message) = whole else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let length = message.len();
        let path = std::str::from_utf8(message.head).ok().and_then(|head| head.split(' ').nth(1)).unwrap_or_default();
        let body = buffer.get(message.head.len()..length).unwrap_or_default();
        let (status, wait, answer) = seen.answer(path, body);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).await?;
        buffer.drain(..length);
    }
}

type Answer = (&'static str, Duration, String);

fn ok(answer: String) -> Answer {
    ("200 OK", Duration::ZERO, answer)
}

#[derive(Deserialize)]
struct Messages<'a> {
    #[serde(borrow, rename = "MESSAGES")]
    messages: Vec<LineMessage<'a>>,
}

#[derive(Deserialize)]
struct LineMessage<'a> {
    #[serde(borrow)]
    message: Id<'a>,
    #[serde(borrow)]
    chat: Id<'a>,
}

#[derive(Deserialize)]
struct Id<'a> {
    id: &'a str,
}

impl Seen {
    fn ledger(&self) -> Option<Arc<Ledger>> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, path: &str, body: &[u8]) -> Answer {
        if path.starts_with("/chatapp/") {
            return self.chatapp(path, body);
        }
        // /portal/<number>/rest/<method>
        let mut segments = path.split('/').skip(2);
        let portal = segments.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let method = segments.nth(1).unwrap_or_default();
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.rest(portal, method, body)
    }

    fn chatapp(&self, path: &str, body: &[u8]) -> Answer {
        if !path.ends_with("/messages/text") {
            return ok(r#"{"success":true,"data":[]}"#.to_owned());
        }
        if let (Some(number), Some(ledger)) = (number_in(body), self.ledger()) {
            ledger.arrives(number);
        }
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let chat = path.rsplit('/').nth(2).unwrap_or_default();
        ok(format!(r#"{{"success":true,"data":{{"id":"wamid.{id:012}","chatId":"{chat}"}}}}"#))
    }

    fn rest(&self, portal: usize, method: &str, body: &[u8]) -> Answer {
        let manner = *self.manner.read().unwrap_or_else(PoisonError::into_inner);
        let (elements, result) = match method {
            "imconnector.send.messages" => match serde_json::from_slice::<Messages<'_>>(body) {
                Ok(call) => (call.messages.len(), Some(call)),
                Err(_other_shape) => {
                    return ("400 Bad Request", Duration::ZERO, r#"{"error":"ERROR_ARGUMENT"}"#.into());
                }
            },
            _other => (1, None),
        };
        let operating = match self.bill(portal, manner, result.as_ref().map_or(0, |_| elements)) {
            Ok(operating) => operating,
            Err(refused) => return refused,
        };
        let wait = match manner {
            Manner::Slow { every, wait } if portal.is_multiple_of(every) => wait,
            _quick => Duration::ZERO,
        };
        let result = match (result, method) {
            (Some(call), _) => self.written(&call),
            (None, "imconnector.send.status.delivery") => {
                self.told(body);
                r#"{"SUCCESS":true,"DATA":[]}"#.to_owned()
            }
            (None, "imopenlines.session.history.get") => r#"{"chatId":1,"sessionId":1,"message":[]}"#.to_owned(),
            (None, _other) => "true".to_owned(),
        };
        ("200 OK", wait, format!(r#"{{"result":{result},"time":{operating}}}"#))
    }

    /// Every message of a call, one outcome each.
    fn written(&self, call: &Messages<'_>) -> String {
        let ledger = self.ledger();
        let mut outcomes = String::with_capacity(call.messages.len() * 200);
        for message in &call.messages {
            let (id, chat) = (message.message.id, message.chat.id);
            if let (Some(ledger), Some(number)) = (&ledger, id.strip_prefix('m').and_then(|id| id.parse().ok())) {
                ledger.arrives(number);
            }
            let comma = if outcomes.is_empty() { "" } else { "," };
            // Writing into memory does not fail.
            let _ = write!(
                outcomes,
                r#"{comma}{{"user":"585","message":{{"id":"{id}"}},"chat":{{"id":"{chat}"}},"SUCCESS":true,"ERRORS":[],"session":{{"ID":"323","CHAT_ID":"1767"}}}}"#
            );
        }
        format!(r#"{{"SUCCESS":true,"DATA":{{"RESULT":[{outcomes}]}}}}"#)
    }

    fn told(&self, body: &[u8]) {
        let count = body.windows(6).filter(|six| *six == br#"{"im":"#).count();
        if let Some(ledger) = self.ledger() {
            ledger.statuses.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Counts a call; the `time` of its answer, or the refusal.
    fn bill(&self, portal: usize, manner: Manner, elements: usize) -> Result<String, Answer> {
        let (burst, per_second, each) = match manner {
            Manner::Instant | Manner::Slow { .. } => {
                return Ok(r#"{"operating":0}"#.to_owned());
            }
            Manner::Bucket { burst, per_second } => (burst, per_second, Duration::ZERO),
            Manner::Billed { burst, per_second, each } => (burst, per_second, each),
        };
        let now = Instant::now();
        let mut portals = self.portals.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = portals.entry(portal).or_default();
        if !limits.fits(now, burst, per_second) {
            self.over_bucket.fetch_add(1, Ordering::Relaxed);
            let answer = r#"{"error":"QUERY_LIMIT_EXCEEDED","error_description":"Too many requests"}"#;
            return Err(("503 Service Unavailable", Duration::ZERO, answer.to_owned()));
        }
        let used = limits.used(now);
        if elements > 0 && used > OPERATING_LIMIT {
            self.over_time.fetch_add(1, Ordering::Relaxed);
            let answer = r#"{"error":"OPERATION_TIME_LIMIT","error_description":"Method is blocked due to operation time limit."}"#;
            return Err(("429 Too Many Requests", Duration::ZERO, answer.to_owned()));
        }
        let billed = each * u32::try_from(elements).unwrap_or(u32::MAX);
        limits.add(now, billed);
        let reset = self.clock.now().after(limits.reset_in(now)).seconds();
        let used = (used + billed).as_secs_f64();
        Ok(format!(r#"{{"operating":{used},"operating_reset_at":{reset}}}"#))
    }
}

impl Limits {
    fn fits(&mut self, now: Instant, burst: f64, per_second: f64) -> bool {
        let since = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        self.at = Some(now);
        self.level = (self.level - since.as_secs_f64() * per_second).max(0.0);
        let fits = self.level + 1.0 <= burst;
        if fits {
            self.level += 1.0;
        }
        fits
    }

    fn used(&mut self, now: Instant) -> Duration {
        self.baskets.retain(|(minute, _)| now.duration_since(*minute) < OPERATING_WINDOW);
        self.baskets.iter().map(|(_, billed)| *billed).sum()
    }

    /// When the oldest minute is forgotten.
    fn reset_in(&self, now: Instant) -> Duration {
        let oldest = self.baskets.front().map_or(now, |(minute, _)| *minute);
        (oldest + OPERATING_WINDOW).saturating_duration_since(now)
    }

    fn add(&mut self, now: Instant, billed: Duration) {
        match self.baskets.back_mut() {
            Some((minute, so_far)) if now.duration_since(*minute) < BASKET => *so_far += billed,
            _older => self.baskets.push_back((now, billed)),
        }
    }
}
