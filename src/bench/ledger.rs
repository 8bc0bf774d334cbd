//! Who sent what when, and when it arrived: once, in order, after how long.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{BenchError, float, load::Make, requests::Layout};

/// How often it is looked whether everything has arrived.
const LOOK: Duration = Duration::from_millis(1);

/// The messages of one run, by number. Times are microseconds since the ledger was opened, plus one: zero is "not yet".
pub struct Ledger {
    opened: Instant,
    layout: Layout,
    first: usize,
    sent: Vec<AtomicU64>,
    arrived: Vec<AtomicU64>,
    /// The newest number seen of each chat.
    newest: Vec<AtomicUsize>,
    count: AtomicUsize,
    doubled: AtomicUsize,
    inverted: AtomicUsize,
    /// Delivery statuses told to portals.
    pub statuses: AtomicUsize,
}

impl Ledger {
    pub fn new(layout: Layout, numbers: Range<usize>) -> Self {
        let zeros = || std::iter::repeat_with(AtomicU64::default).take(numbers.len()).collect();
        Self {
            opened: Instant::now(),
            layout,
            first: numbers.start,
            sent: zeros(),
            arrived: zeros(),
            newest: std::iter::repeat_with(AtomicUsize::default).take(layout.chats).collect(),
            count: AtomicUsize::new(0),
            doubled: AtomicUsize::new(0),
            inverted: AtomicUsize::new(0),
            statuses: AtomicUsize::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX) + 1
    }

    fn slot<'a>(&self, slots: &'a [AtomicU64], number: usize) -> Option<&'a AtomicU64> {
        slots.get(number.checked_sub(self.first)?)
    }

    /// A message has reached the other side.
    pub fn arrives(&self, number: usize) {
        let Some(slot) = self.slot(&self.arrived, number) else { return };
        if slot.compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.doubled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Some(newest) = self.newest.get(self.layout.chat_of(number))
            && newest.fetch_max(number + 1, Ordering::Relaxed) > number
        {
            self.inverted.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Numbers that came twice, and numbers that came behind a later one of their chat.
    pub fn faults(&self) -> (usize, usize) {
        (self.doubled.load(Ordering::Relaxed), self.inverted.load(Ordering::Relaxed))
    }

    /// Waits until everything has arrived; fails when it does not, or not once, or not in order.
    pub async fn complete(&self, patience: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + patience;
        while self.count() < self.arrived.len() {
            if Instant::now() > until {
                return Err(self.wrong("not everything arrived in time"));
            }
            tokio::time::sleep(LOOK).await;
        }
        match self.faults() {
            (0, 0) => Ok(()),
            _some => Err(self.wrong("order or uniqueness was broken")),
        }
    }

    pub fn wrong(&self, what: &str) -> BenchError {
        let (doubled, inverted) = self.faults();
        BenchError::Unexpected(format!(
            "{what}: {} of {} messages arrived, {doubled} twice, {inverted} out of order",
            self.count(),
            self.arrived.len()
        ))
    }

    /// Waits until the portals have heard of every message of their operators.
    pub async fn all_told(&self, patience: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + patience;
        while self.statuses.load(Ordering::Relaxed) < self.arrived.len() {
            if Instant::now() > until {
                let told = self.statuses.load(Ordering::Relaxed);
                return Err(self.wrong(&format!("only {told} delivery statuses were told in time")));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// From the first sending to the last arrival.
    pub fn took(&self) -> Duration {
        let times = |slots: &[AtomicU64]| slots.iter().map(|at| at.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let first = times(&self.sent).into_iter().filter(|at| *at > 0).min().unwrap_or(0);
        let last = times(&self.arrived).into_iter().max().unwrap_or(0);
        Duration::from_micros(last.saturating_sub(first))
    }

    /// Messages a second.
    pub fn rate(&self) -> f64 {
        float(self.count()) / self.took().as_secs_f64()
    }

    /// From sending to arrival, of the numbers that are wanted.
    pub fn latencies(&self, wanted: impl Fn(usize) -> bool) -> Vec<Duration> {
        let all = self.sent.iter().zip(&self.arrived).enumerate();
        all.filter(|(at, _)| wanted(self.first + at))
            .map(|(_, (sent, arrived))| (sent.load(Ordering::Relaxed), arrived.load(Ordering::Relaxed)))
            .filter(|(sent, arrived)| *sent > 0 && *arrived > 0)
            .map(|(sent, arrived)| Duration::from_micros(arrived.saturating_sub(sent)))
            .collect()
    }
}

/// The same requests, each written down when it is made.
pub fn noted(ledger: &std::sync::Arc<Ledger>, make: &Make) -> Make {
    let (ledger, make) = (std::sync::Arc::clone(ledger), std::sync::Arc::clone(make));
    std::sync::Arc::new(move |number, request| {
        make(number, request);
        if let Some(slot) = ledger.slot(&ledger.sent, number) {
            slot.store(ledger.now(), Ordering::Relaxed);
        }
    })
}
