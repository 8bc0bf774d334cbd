//! Whether a destination is away: after some failures in a row, or when most calls of a minute fail, nobody calls it any more, but
//! for one who looks from time to time.

use std::time::Duration;

use crate::clock::Millis;

/// Failures in a row that open it (reference "What we promise", 5).
const FAILURES: u32 = 5;
/// Or more than half of the calls of a minute, if they are as many as this (the same).
const ENOUGH: u32 = 20;
const WINDOW: Duration = Duration::from_mins(1);
/// The wait before the first look, and the longest.
const SHORTEST: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_mins(1);
/// While somebody looks the others wait; a look cannot take longer than a call.
const LOOK: Duration = Duration::from_secs(75);

/// Failures of one destination. The default is closed: all may pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    /// In a row.
    failures: u32,
    /// Open: nobody passes before.
    until: Option<Millis>,
    lately: Lately,
}

/// Calls since the minute began.
#[derive(Clone, Copy, Debug, Default)]
struct Lately {
    since: Millis,
    calls: u32,
    failures: u32,
}

impl Lately {
    fn count(&mut self, failures: u32, now: Millis) {
        if now.wait_from(self.since) >= WINDOW {
            *self = Self { since: now, ..Self::default() };
        }
        self.calls = self.calls.saturating_add(1);
        self.failures = self.failures.saturating_add(failures);
    }

    fn is_bad(self) -> bool {
        self.calls >= ENOUGH && self.failures > self.calls / 2
    }
}

impl Breaker {
    /// When the next one may pass, if not now.
    pub fn shut(self, now: Millis) -> Option<Millis> {
        self.until.filter(|until| now < *until)
    }

    pub fn is_open(self) -> bool {
        self.until.is_some()
    }

    /// Nothing worth keeping.
    pub fn is_fresh(self) -> bool {
        self.failures == 0
    }

    /// Nothing failed lately.
    pub fn is_trusted(self) -> bool {
        self.failures == 0 && self.lately.failures == 0
    }

    /// Somebody passes: of an open one he is the only one until it is known how it went.
    pub fn pass(&mut self, now: Millis) {
        if self.until.is_some() {
            self.until = Some(now.after(LOOK));
        }
    }

    /// True when this closed it.
    pub fn succeeded(&mut self, now: Millis) -> bool {
        let was_open = self.is_open();
        // What it did before it was away says nothing of what it does now.
        let lately = if was_open { Lately::default() } else { self.lately };
        *self = Self { lately, ..Self::default() };
        self.lately.count(0, now);
        was_open
    }

    /// `seed` spreads the looks of destinations that went away together.
    pub fn failed(&mut self, now: Millis, seed: u64) {
        self.failures = self.failures.saturating_add(1);
        self.lately.count(1, now);
        if self.failures < FAILURES && !self.lately.is_bad() && !self.is_open() {
            return;
        }
        let doubled = SHORTEST.saturating_mul(1 << self.failures.saturating_sub(FAILURES).min(2));
        // From 100 % to 125 %, but never above the longest.
        let percent = 100
            + u32::try_from((seed ^ u64::from(self.failures)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40)
                .unwrap_or_default()
                % 26;
        self.until = Some(now.after((doubled * percent / 100).min(LONGEST)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_look() {
        let mut breaker = Breaker::default();
        for _failure in 0..4 {
            breaker.failed(Millis(0), 1);
        }
        breaker.succeeded(Millis(0));
        for _failure in 0..4 {
            breaker.failed(Millis(0), 1);
            assert_eq!(breaker.shut(Millis(0)), None);
        }
        breaker.failed(Millis(0), 1);
        let first = breaker.shut(Millis(0)).unwrap();
        assert!((15_000..19_000).contains(&first.0), "{first:?}");
        assert_eq!(breaker.shut(first), None);
        breaker.pass(first);
        assert!(breaker.shut(first).is_some(), "one looks, the others wait");
        assert!(breaker.succeeded(first));
        assert_eq!(breaker.shut(first), None);
    }

    #[test]
    fn it_opens_when_most_calls_of_a_minute_fail() {
        let after = |failures_of_five: u32, pause: i64| {
            let mut breaker = Breaker::default();
            let mut now = Millis(1_000_000);
            for call in 0..60 {
                now = Millis(now.0 + pause);
                if breaker.is_open() {
                    return true;
                }
                if call % 5 < failures_of_five {
                    breaker.failed(now, 1);
                } else {
                    breaker.succeeded(now);
                }
            }
            false
        };
        assert!(after(3, 100), "three of five");
        assert!(!after(2, 100), "two of five");
        assert!(!after(3, 10_000), "six calls a minute are too few to judge");
    }

    #[test]
    fn looks_come_at_least_every_minute_and_not_all_at_once() {
        let until = |failures: u32, seed| {
            let mut breaker = Breaker::default();
            for _failure in 0..failures {
                breaker.failed(Millis(0), seed);
            }
            breaker.shut(Millis(0)).unwrap().0
        };
        for failures in 5..100 {
            assert!((15_000..=60_000).contains(&until(failures, 7)), "{failures}");
        }
        let looks: std::collections::BTreeSet<i64> = (0..50).map(|seed| until(5, seed)).collect();
        assert!(looks.len() > 10, "{looks:?}");
    }
}
