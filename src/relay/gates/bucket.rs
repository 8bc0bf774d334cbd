//! Calls of one portal, counted in a leaky bucket before they are made.
//!
//! Bitrix24's cloud counts them the same way, per portal host and source address (its `limits.md`: 50 at once, 2 a second; five times as
//! many and 5 a second on Enterprise); over it a call is refused. Some room is kept for people who wait in front of a page: background
//! work leaves it alone and comes again instead of waiting inside a worker.

use std::time::Duration;

use super::Caller;
use crate::clock::Millis;

/// Calls of a burst that background work does not touch.
const RESERVE: f64 = 8.0;
/// Nobody needs to know of more calls than that.
const COUNTED: u32 = 64;

/// What a portal takes, by the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Calls that leak away in a second.
    pub rate: f64,
    pub burst: f64,
}

impl Limits {
    fn room(self, caller: Caller) -> f64 {
        match caller {
            Caller::Person => self.burst,
            Caller::Setup | Caller::Background => (self.burst - RESERVE).max(1.0),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    level: f64,
    at: Millis,
}

impl Bucket {
    /// One that will have leaked empty at `empty_at`.
    pub fn until(empty_at: Millis, limits: Limits, now: Millis) -> Self {
        let level = (empty_at.wait_from(now).as_secs_f64() * limits.rate).min(limits.burst);
        Self { level, at: now }
    }

    /// When it will have leaked empty if nobody calls.
    pub fn empty_at(self, limits: Limits) -> Millis {
        self.at.after(Duration::from_secs_f64(self.level / limits.rate))
    }

    /// Calls that have not leaked away.
    pub fn level(self, limits: Limits, now: Millis) -> f64 {
        (self.level - now.wait_from(self.at).as_secs_f64() * limits.rate).max(0.0)
    }

    /// Counts a call; when there is no room, how long until there is.
    pub fn take(&mut self, caller: Caller, limits: Limits, now: Millis) -> Result<(), Duration> {
        let room = limits.room(caller);
        let level = self.level(limits, now);
        *self = Self { level, at: now };
        if level + 1.0 > room {
            return Err(Duration::from_secs_f64((level + 1.0 - room) / limits.rate));
        }
        self.level = level + 1.0;
        Ok(())
    }

    /// Calls that background work may make now, and how long until it may make one.
    pub fn left(self, limits: Limits, now: Millis) -> (usize, Duration) {
        let left = limits.room(Caller::Background) - self.level(limits, now);
        let calls = (1..=COUNTED).take_while(|count| f64::from(*count) <= left).count();
        (calls, Duration::from_secs_f64(((1.0 - left) / limits.rate).max(0.0)))
    }

    /// The portal says that it is full: others call it from our address too.
    pub fn fill(&mut self, limits: Limits, now: Millis) {
        *self = Self { level: limits.burst, at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { rate: 2.0, burst: 50.0 };

    #[test]
    fn a_burst_passes_and_then_two_a_second() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.left(LIMITS, Millis(0)), (42, Duration::ZERO));
        for _call in 0..42 {
            bucket.take(Caller::Background, LIMITS, Millis(0)).unwrap();
        }
        let wait = bucket.take(Caller::Background, LIMITS, Millis(0)).unwrap_err();
        assert_eq!((wait, bucket.left(LIMITS, Millis(0))), (Duration::from_millis(500), (0, wait)));
        assert!(bucket.take(Caller::Background, LIMITS, Millis(500)).is_ok());
        assert!(bucket.take(Caller::Background, LIMITS, Millis(500)).is_err());
    }

    #[test]
    fn people_have_room_when_background_has_none() {
        let mut bucket = Bucket::default();
        while bucket.take(Caller::Background, LIMITS, Millis(0)).is_ok() {}
        assert!(bucket.take(Caller::Person, LIMITS, Millis(0)).is_ok());
    }

    #[test]
    fn a_portal_that_says_full_is_believed() {
        let mut bucket = Bucket::default();
        bucket.fill(LIMITS, Millis(0));
        assert!(bucket.take(Caller::Person, LIMITS, Millis(0)).is_err());
        assert!(bucket.take(Caller::Person, LIMITS, Millis(1000)).is_ok());
    }

    #[test]
    fn what_is_written_down_is_the_same_bucket_again() {
        let mut bucket = Bucket::default();
        for _call in 0..40 {
            bucket.take(Caller::Background, LIMITS, Millis(0)).unwrap();
        }
        let empty_at = bucket.empty_at(LIMITS);
        assert_eq!(empty_at, Millis(20_000));
        let again = Bucket::until(empty_at, LIMITS, Millis(5_000));
        assert_eq!(again.left(LIMITS, Millis(5_000)).0, bucket.left(LIMITS, Millis(5_000)).0);
        assert_eq!(Bucket::until(empty_at, LIMITS, Millis(30_000)).left(LIMITS, Millis(30_000)).0, 42);
    }
}
