//! Turns stories and rules into trials, each story on each database, and runs them.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    process::ExitCode,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{runtime, time::timeout};

use super::{
    Story, browser, logs,
    needs::{self, everything_is_required},
    postgres,
};

/// Stories wait far more than they work, so more of them are told at once than there are processors.
const AT_ONCE: usize = 8;
/// Browsers work: not more of them at once than a small machine has processors.
const BROWSERS_AT_ONCE: usize = 2;
const HEAVY_AT_ONCE: usize = 2;
/// How many of the slowest stories are named at the end.
const SLOWEST: usize = 8;
/// A story that takes longer hangs. The slowest take a few seconds; a loaded machine gets its time.
const LONGEST_STORY: Duration = Duration::from_mins(3);
/// … but for the long forms of `CHAOS=long`.
const LONGEST_CHAOS: Duration = Duration::from_hours(12);

/// Letting the queue run empty, and stopping everything.
const LONGEST_END: Duration = Duration::from_secs(90);

pub type Telling<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A story as its module lists it.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub in_browser: bool,
    /// Told on this database alone; None: on each.
    pub only: Option<On>,
    pub tell: for<'a> fn(&'a Story) -> Telling<'a>,
}

/// A rule of the house.
pub struct Rule {
    pub name: &'static str,
    pub check: fn(),
}

/// Lists the stories of a module: `stories![one, two]`, those that need a browser behind `in_browser:`, those about one database
/// behind `on_sqlite:` and `on_postgres:`.
macro_rules! stories {
    (
        $($name:ident),* $(,)?
        $(; in_browser: $($seen:ident),* $(,)?)?
        $(; on_sqlite: $($sqlite:ident),* $(,)?)?
        $(; on_postgres: $($postgres:ident),* $(,)?)?
    ) => {
        pub fn list() -> Vec<$crate::harness::Case> {
            vec![
                $($crate::harness::stories!(@case $name, false, None),)*
                $($($crate::harness::stories!(@case $seen, true, None),)*)?
                $($($crate::harness::stories!(@case $sqlite, false, Some($crate::harness::On::Sqlite)),)*)?
                $($($crate::harness::stories!(@case $postgres, false, Some($crate::harness::On::Postgres)),)*)?
            ]
        }
    };
    (@case $name:ident, $in_browser:literal, $only:expr) => {
        $crate::harness::Case {
            name: concat!(module_path!(), "::", stringify!($name)),
            in_browser: $in_browser,
            only: $only,
            tell: |story| Box::pin($name(story)),
        }
    };
}
pub(crate) use stories;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Stories that are told with thousands of messages, or by several processes: more of them side by side would only wait in vain.
static HEAVY: Places = Places { free: Mutex::new(HEAVY_AT_ONCE), left: Condvar::new() };
static BROWSERS: Places = Places { free: Mutex::new(BROWSERS_AT_ONCE), left: Condvar::new() };
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// So many may be inside at once.
struct Places {
    free: Mutex<usize>,
    left: Condvar,
}

impl Places {
    fn enter(&self) -> Inside<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.left.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Inside(self)
    }
}

struct Inside<'a>(&'a Places);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.left.notify_one();
    }
}

pub fn run(arguments: Arguments, rules: Vec<Rule>, cases: &[Case]) -> ExitCode {
    logs::start();
    let arguments = Arguments { test_threads: arguments.test_threads.or(Some(AT_ONCE)), ..arguments };
    let rules = rules.into_iter().map(|rule| Trial::test(rule.name, move || checked(rule.check)));
    let told_on = |case: &Case, on| case.only.is_none_or(|only| only == on).then(|| trial(case, on));
    let stories =
        cases.iter().flat_map(|case| [On::Sqlite, On::Postgres].into_iter().filter_map(|on| told_on(case, on)));
    let conclusion = libtest_mimic::run(&arguments, rules.chain(stories).collect());
    browser::stop();
    postgres::stop();
    let mut took = TOOK.lock().unwrap_or_else(PoisonError::into_inner);
    took.sort_by(|one, other| other.cmp(one));
    for (time, name) in took.iter().take(SLOWEST) {
        println!("{:7.1} s  {name}", time.as_secs_f64());
    }
    conclusion.exit_code()
}

fn trial(case: &Case, on: On) -> Trial {
    let case = *case;
    // `it::stories::install::…` is read without its beginning.
    let name = case.name.trim_start_matches("it::").trim_start_matches("stories::");
    let name = if on == On::Postgres { format!("{name}::postgres") } else { name.to_owned() };
    match missing(case, on) {
        None => {
            let own = name.clone();
            Trial::test(name, move || told(&own, case, on))
        }
        Some(what) if everything_is_required() => {
            Trial::test(name, move || Err(Failed::from(format!("REQUIRE=all, but {what}"))))
        }
        Some(what) => {
            let kind = what.split(':').next().unwrap_or_default().to_owned();
            Trial::test(name, || Ok(())).with_kind(format!("needs {kind}")).with_ignored_flag(true)
        }
    }
}

/// What this machine lacks for a story.
fn missing(case: Case, on: On) -> Option<String> {
    let found = needs::found();
    let postgres = found.postgres.as_ref().err().filter(|_| on == On::Postgres);
    let chromium = found.chromium.as_ref().err().filter(|_| case.in_browser);
    postgres.or(chromium).cloned()
}

fn checked(check: fn()) -> Result<(), Failed> {
    std::panic::catch_unwind(check).map_err(|panic| Failed::from(logs::words(&*panic)))
}

fn told(name: &str, case: Case, on: On) -> Result<(), Failed> {
    let _inside = case.in_browser.then(|| BROWSERS.enter());
    let is_heavy = ["chaos::", "intake::", "portal_away::"].iter().any(|module| case.name.contains(module));
    let _one_of_few = is_heavy.then(|| HEAVY.enter());
    let began = Instant::now();
    let mark = logs::mark();
    let database = match on {
        On::Sqlite => None,
        On::Postgres => Some(postgres::Database::create().map_err(Failed::from)?),
    };
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(logs::thread_name(name))
        .enable_all()
        .build()
        .map_err(|error| Failed::from(error.to_string()))?;
    let url = database.as_ref().map(|database| database.url.clone());
    // The story itself runs on a thread of its runtime, so that its panics are known as its own.
    let teller = std::thread::Builder::new().name(logs::thread_name(name));
    let mut complaints = std::thread::scope(|scope| {
        let tell = || runtime.block_on(tell(case, url));
        match teller.spawn_scoped(scope, tell).map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(complaints)) => complaints,
            Ok(Err(_panic)) => vec!["the story could not be told to its end".to_owned()],
            Err(error) => vec![error.to_string()],
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    let panics = logs::panics_since(mark, name);
    complaints
        .splice(0..0, panics.into_iter().map(|it| format!("panicked at {} ({}): {}", it.place, it.thread, it.message)));
    drop(database);
    TOOK.lock().unwrap_or_else(PoisonError::into_inner).push((began.elapsed(), name.to_owned()));
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Failed::from(format!(
        "{}\n\n--- what was logged meanwhile\n{}",
        complaints.join("\n"),
        logs::lines_since(mark, name)
    )))
}

/// Tells the story and looks at what it leaves behind. What it panics with is in the record.
async fn tell(case: Case, database: Option<String>) -> Vec<String> {
    let story = match Story::begin(database).await {
        Ok(story) => story,
        Err(why) => return vec![format!("the story could not begin: {why}")],
    };
    let longest = if crate::chaos::is_long() { LONGEST_CHAOS } else { LONGEST_STORY };
    let telling = AssertUnwindSafe(timeout(longest, (case.tell)(&story))).catch_unwind();
    let mut complaints = match telling.await {
        Ok(Ok(())) => match timeout(LONGEST_END, story.leftovers()).await {
            Ok(complaints) => complaints,
            Err(_elapsed) => vec!["what the story left behind could not be looked at in time".to_owned()],
        },
        Ok(Err(_elapsed)) => vec![format!("the story was not over after {longest:?}")],
        // Why is in the record of panics.
        Err(_panic) => vec!["the story was not told to its end".to_owned()],
    };
    if !complaints.is_empty() {
        complaints.push(story.seen());
    }
    if timeout(LONGEST_END, story.end()).await.is_err() {
        complaints.push("the story's server or browser did not stop in time".to_owned());
    }
    complaints
}
