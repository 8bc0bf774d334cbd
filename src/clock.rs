//! The one source of time. Times are milliseconds since 1970 (UTC) everywhere, so that both databases store the same
//! number and tests move the clock instead of sleeping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub i64);

impl Millis {
    /// This moment moved by `duration` into the future.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This moment moved by `duration` into the past.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// Whole seconds since 1970, as Bitrix24 and ChatApp write times.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// How long it is from `now` to this moment; zero when it has passed.
    pub fn wait_from(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Tells the time. Clones share one offset, which only tests move.
#[derive(Clone, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    pub fn system() -> Self {
        Self::default()
    }

    pub fn now(&self) -> Millis {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else asks")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis(millis(since).saturating_add(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// Moves the clock forward for everybody who shares it.
    pub fn advance(&self, by: Duration) {
        self.offset_ms.fetch_add(millis(by), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_clock_moves_for_all_its_clones() {
        let clock = Clock::system();
        let clone = clock.clone();
        let before = clone.now();
        clock.advance(Duration::from_hours(1));
        assert!(clone.now() >= before.after(Duration::from_hours(1)));
    }

    #[test]
    fn seconds_round_down_and_waits_are_never_negative() {
        assert_eq!(Millis(1999).seconds(), 1);
        assert_eq!(Millis(5).wait_from(Millis(10)), Duration::ZERO);
        assert_eq!(Millis(15).wait_from(Millis(10)), Duration::from_millis(5));
    }
}
