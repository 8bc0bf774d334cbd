//! What this process has done, in numbers for `GET /metrics`: counters that cost a few nanoseconds, no label with more values than
//! the source has words, nobody's data. What waits is counted in the database (`Db::queue_gauges`), now and then.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Counters of two labels.
type Table = Mutex<BTreeMap<(&'static str, &'static str), u64>>;

/// Commands of one commit, and seconds of one, up to …
const SIZES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const MICROS: [u64; 8] = [250, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

/// A process has one set of them, so it is one static: what counts is far apart in the code.
pub static METRICS: Metrics = Metrics::new();

pub struct Metrics {
    /// By source, and whether it was new.
    accepted: Table,
    /// By kind of delivery and outcome.
    attempts: Table,
    /// By REST method and outcome.
    calls: Table,
    call_micros: AtomicU64,
    in_flight: AtomicI64,
    /// Times that a portal's budget had no room for a call.
    budget_waits: AtomicU64,
    commits: Histogram<9>,
    commit_micros: Histogram<8>,
    commits_failed: AtomicU64,
    journal_dropped: AtomicU64,
}

/// Cumulative buckets, as Prometheus wants them; the last one is everything.
struct Histogram<const N: usize> {
    limits: [u64; N],
    below: [AtomicU64; N],
    count: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    const fn new(limits: [u64; N]) -> Self {
        Self { limits, below: [const { AtomicU64::new(0) }; N], count: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    fn add(&self, value: u64) {
        for (limit, below) in self.limits.iter().zip(&self.below) {
            if value <= *limit {
                below.fetch_add(1, Relaxed);
            }
        }
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    fn write(&self, out: &mut Page, name: &str, help: &str, text: impl Fn(u64) -> String) {
        out.head(name, help, "histogram");
        let count = self.count.load(Relaxed);
        for (limit, below) in self.limits.iter().zip(&self.below) {
            out.line(&format!("{name}_bucket{{le=\"{}\"}}", text(*limit)), &below.load(Relaxed).to_string());
        }
        out.line(&format!("{name}_bucket{{le=\"+Inf\"}}"), &count.to_string());
        out.line(&format!("{name}_sum"), &text(self.sum.load(Relaxed)));
        out.line(&format!("{name}_count"), &count.to_string());
    }
}

fn count(table: &Table, first: &'static str, second: &'static str) {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    *table.entry((first, second)).or_default() += 1;
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds as seconds.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

impl Metrics {
    const fn new() -> Self {
        Self {
            accepted: Mutex::new(BTreeMap::new()),
            attempts: Mutex::new(BTreeMap::new()),
            calls: Mutex::new(BTreeMap::new()),
            call_micros: AtomicU64::new(0),
            in_flight: AtomicI64::new(0),
            budget_waits: AtomicU64::new(0),
            commits: Histogram::new(SIZES),
            commit_micros: Histogram::new(MICROS),
            commits_failed: AtomicU64::new(0),
            journal_dropped: AtomicU64::new(0),
        }
    }

    /// Something verified was stored, or was there already.
    pub fn accepted(&self, source: &'static str, repeated: bool) {
        count(&self.accepted, source, if repeated { "repeated" } else { "stored" });
    }

    /// So many deliveries are under way until the answer is dropped, however that comes.
    pub fn under_way(&self, deliveries: usize) -> UnderWay<'_> {
        let deliveries = i64::try_from(deliveries).unwrap_or(0);
        self.in_flight.fetch_add(deliveries, Relaxed);
        UnderWay(&self.in_flight, deliveries)
    }

    pub fn attempt_ended(&self, kind: &'static str, outcome: &'static str) {
        count(&self.attempts, kind, outcome);
    }

    /// A call to a portal. `outcome`: `ok`, or the error's code.
    pub fn called(&self, method: &'static str, outcome: &'static str, took: Duration) {
        count(&self.calls, method, outcome);
        self.call_micros.fetch_add(micros(took), Relaxed);
    }

    pub fn budget_waited(&self) {
        self.budget_waits.fetch_add(1, Relaxed);
    }

    /// One transaction of the writer with so many commands.
    pub fn committed(&self, commands: usize, took: Duration, done: bool) {
        self.commits.add(u64::try_from(commands).unwrap_or(0));
        self.commit_micros.add(micros(took));
        if !done {
            self.commits_failed.fetch_add(1, Relaxed);
        }
    }

    pub fn journal_dropped(&self) {
        self.journal_dropped.fetch_add(1, Relaxed);
    }

    /// Prometheus' text format.
    pub fn write(&self, out: &mut Page) {
        out.table(
            "accepted_total",
            "Verified things, by who brought them and whether they were new",
            &self.accepted,
            ("source", "outcome"),
        );
        out.table("attempts_total", "Attempts at deliveries, by kind and outcome", &self.attempts, ("kind", "outcome"));
        out.table("rest_calls_total", "Calls to portals, by method and outcome", &self.calls, ("method", "outcome"));
        let seconds_called = seconds(self.call_micros.load(Relaxed));
        out.value("rest_call_seconds_total", "Seconds that calls to portals took", "counter", seconds_called);
        let waits = self.budget_waits.load(Relaxed);
        out.value("budget_waits_total", "Times that a portal's REST budget had no room", "counter", waits);
        out.value("in_flight", "Deliveries being attempted", "gauge", self.in_flight.load(Relaxed));
        self.commits.write(out, "chatapp_commit_commands", "Commands of one transaction", |size| size.to_string());
        self.commit_micros.write(out, "chatapp_commit_seconds", "Seconds of one transaction", seconds);
        let failed = self.commits_failed.load(Relaxed);
        out.value("commits_failed_total", "Transactions that were not committed", "counter", failed);
        let dropped = self.journal_dropped.load(Relaxed);
        out.value("journal_dropped_total", "Lines that the REST journal had no time or room for", "counter", dropped);
        if let Some(bytes) = resident_bytes() {
            out.value("resident_memory_bytes", "Memory of this process", "gauge", bytes);
        }
    }
}

pub struct UnderWay<'m>(&'m AtomicI64, i64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Relaxed);
    }
}

/// The text that grows.
#[derive(Default)]
pub struct Page(pub String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name} {value}");
    }

    pub fn value(&mut self, name: &str, help: &str, kind: &str, value: impl std::fmt::Display) {
        let name = format!("chatapp_{name}");
        self.head(&name, help, kind);
        self.line(&name, &format!("{value}"));
    }

    fn table(&mut self, name: &str, help: &str, table: &Table, (first, second): (&str, &str)) {
        let name = format!("chatapp_{name}");
        self.head(&name, help, "counter");
        let table = table.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((one, other), count) in table {
            self.line(&format!("{name}{{{first}=\"{one}\",{second}=\"{other}\"}}"), &count.to_string());
        }
    }
}

/// Linux tells it in pages of `VmRSS`; elsewhere it is not told.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_prometheus_reads() {
        let metrics = Metrics::new();
        metrics.accepted("portal", false);
        metrics.accepted("portal", false);
        metrics.accepted("portal", true);
        metrics.committed(3, Duration::from_micros(1_500), true);
        let mut page = Page::default();
        metrics.write(&mut page);
        for line in [
            "chatapp_accepted_total{source=\"portal\",outcome=\"stored\"} 2",
            "chatapp_accepted_total{source=\"portal\",outcome=\"repeated\"} 1",
            "chatapp_commit_commands_bucket{le=\"2\"} 0",
            "chatapp_commit_commands_bucket{le=\"4\"} 1",
            "chatapp_commit_commands_bucket{le=\"+Inf\"} 1",
            "chatapp_commit_seconds_sum 0.001500",
            "# TYPE chatapp_in_flight gauge",
        ] {
            assert!(page.0.lines().any(|own| own == line), "`{line}` is not in\n{}", page.0);
        }
    }
}
