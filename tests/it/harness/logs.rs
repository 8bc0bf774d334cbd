//! What the servers say while a story is told, kept to be shown when it fails, and every panic.
//!
//! A story's threads carry its name; threads that belong to nobody (the web server's, the writer's) go into one common
//! record, of which a story is shown what was said in its time.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Lines kept in memory; a long run forgets the oldest.
const KEPT: usize = 40_000;
/// Lines shown of a failed story: the last of its own, and the last of nobody's.
const SHOWN: usize = 80;

struct Line {
    number: u64,
    thread: String,
    text: String,
}

#[derive(Clone, Debug)]
pub struct Panicked {
    number: u64,
    pub thread: String,
    /// File and line.
    pub place: String,
    pub message: String,
}

struct Record {
    next: u64,
    lines: VecDeque<Line>,
    panics: Vec<Panicked>,
}

static RECORD: Mutex<Record> = Mutex::new(Record { next: 0, lines: VecDeque::new(), panics: Vec::new() });

fn record() -> MutexGuard<'static, Record> {
    RECORD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A moment of the record.
#[derive(Clone, Copy)]
pub struct Mark(u64);

pub fn mark() -> Mark {
    Mark(record().next)
}

/// Starts keeping what is logged and every panic. `RUST_LOG` chooses what is logged.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let filter = EnvFilter::try_from_default_env()
            .unwrap_or_else(|_unset| EnvFilter::new("info,actix_server=warn,chatapp_server=debug"));
        let lines = fmt::layer().with_writer(|| Writer).with_ansi(false);
        tracing_subscriber::registry().with(filter).with(lines).init();
        std::panic::set_hook(Box::new(keep_panic));
    });
}

fn keep_panic(info: &std::panic::PanicHookInfo<'_>) {
    let message = words(info.payload());
    let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
    let thread = thread::current().name().unwrap_or_default().to_owned();
    // A failed assertion of a story says itself where it stands.
    let is_ours = !place.starts_with("tests/it/");
    let trace = if is_ours { Backtrace::capture() } else { Backtrace::disabled() };
    let mut record = record();
    let number = record.next;
    record.next += 1;
    if trace.status() == BacktraceStatus::Captured {
        let text = format!("{trace}");
        record.lines.push_back(Line { number, thread: thread.clone(), text });
    }
    record.panics.push(Panicked { number, thread, place, message });
}

/// What a panic said.
pub fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

/// Panics of a story's own threads and of nobody's, since the mark.
pub fn panics_since(mark: Mark, story: &str) -> Vec<Panicked> {
    let record = record();
    let own = thread_name(story);
    // A broken house rule panics on nobody's thread too; it tells so itself.
    let is_of = |it: &&Panicked| it.thread == own || (is_nobodys(&it.thread) && !it.place.starts_with("tests/it/"));
    record.panics.iter().filter(|it| it.number >= mark.0).filter(is_of).cloned().collect()
}

/// The last lines that belong to a story, with the last of those that belong to nobody in its time.
pub fn lines_since(mark: Mark, story: &str) -> String {
    let record = record();
    let name = thread_name(story);
    let last = |is_of: &dyn Fn(&Line) -> bool| {
        let of = record.lines.iter().rev().filter(|line| line.number >= mark.0 && is_of(line));
        of.take(SHOWN).map(|line| (line.number, line.text.as_str())).collect::<BTreeMap<_, _>>()
    };
    let mut shown = last(&|line| line.thread == name);
    shown.extend(last(&|line| is_nobodys(&line.thread)));
    shown.into_values().collect()
}

/// Everything that the thread's story, or nobody, has logged.
pub fn all_since(mark: Mark, thread: &str) -> String {
    let record = record();
    let own = record.lines.iter().filter(|line| line.number >= mark.0);
    own.filter(|line| line.thread == thread || is_nobodys(&line.thread)).map(|line| line.text.as_str()).collect()
}

/// Threads of stories are called `story <name>`.
fn is_nobodys(thread: &str) -> bool {
    !thread.starts_with("story ")
}

pub fn thread_name(story: &str) -> String {
    format!("story {story}")
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let thread = thread::current().name().unwrap_or_default().to_owned();
        let mut record = record();
        let number = record.next;
        record.next += 1;
        record.lines.push_back(Line { number, thread, text });
        if record.lines.len() > KEPT {
            record.lines.pop_front();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
