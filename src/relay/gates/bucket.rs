//! A portal's REST budget.
//!
//! Bitrix24's cloud counts calls in a leaky bucket, per portal host and source address (its `limits.md`: 50 at once, 2 a second; twice as fast
//! and five times as large on Enterprise); over it a call is refused. So calls are counted here before they are made. Some room is
//! kept for people who wait in front of a page: background work leaves it alone and is told when to come again, instead
//! of waiting inside a worker. Only setting a portal up waits: begun again and again it would never come to its end.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::Millis;

/// Calls of a burst that background work does not touch.
const RESERVE: f64 = 8.0;
/// Buckets that have leaked empty are forgotten when there are more than this many.
const KEPT: usize = 4096;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A person waits for the answer.
    Person,
    /// Work of many calls that belong together: it waits for its turn and leaves people their room.
    Setup,
    Background,
}

/// The buckets of all portals that were called lately.
pub struct Budgets {
    /// Calls that leak away in a second.
    rate: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    level: f64,
    at: Millis,
}

impl Budgets {
    pub fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, buckets: Mutex::default() }
    }

    /// Counts a call to a portal's host; when there is no room, how long until there is.
    pub fn take(&self, host: &str, caller: Caller, now: Millis) -> Result<(), Duration> {
        let room = match caller {
            Caller::Person => self.burst,
            Caller::Setup | Caller::Background => (self.burst - RESERVE).max(1.0),
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > KEPT {
            buckets.retain(|_host, bucket| self.leaked(*bucket, now) > 0.0);
        }
        let bucket = buckets.entry(host.to_owned()).or_insert(Bucket { level: 0.0, at: now });
        let level = self.leaked(*bucket, now);
        *bucket = Bucket { level, at: now };
        if level + 1.0 > room {
            return Err(Duration::from_secs_f64((level + 1.0 - room) / self.rate));
        }
        bucket.level = level + 1.0;
        Ok(())
    }

    /// The portal says that its bucket is full: others call it from our address too.
    pub fn fill(&self, host: &str, now: Millis) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.insert(host.to_owned(), Bucket { level: self.burst, at: now });
    }

    fn leaked(&self, bucket: Bucket, now: Millis) -> f64 {
        (bucket.level - now.wait_from(bucket.at).as_secs_f64() * self.rate).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_two_a_second() {
        let budgets = Budgets::new(2.0, 50.0);
        for _call in 0..42 {
            budgets.take("portal", Caller::Background, Millis(0)).unwrap();
        }
        let wait = budgets.take("portal", Caller::Background, Millis(0)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert!(budgets.take("portal", Caller::Background, Millis(500)).is_ok());
        assert!(budgets.take("portal", Caller::Background, Millis(500)).is_err());
    }

    #[test]
    fn people_have_room_when_background_has_none_and_portals_do_not_share() {
        let budgets = Budgets::new(2.0, 50.0);
        while budgets.take("portal", Caller::Background, Millis(0)).is_ok() {}
        assert!(budgets.take("portal", Caller::Person, Millis(0)).is_ok());
        assert!(budgets.take("other", Caller::Background, Millis(0)).is_ok());
    }

    #[test]
    fn a_portal_that_says_full_is_believed() {
        let budgets = Budgets::new(2.0, 50.0);
        budgets.fill("portal", Millis(0));
        assert!(budgets.take("portal", Caller::Person, Millis(0)).is_err());
        assert!(budgets.take("portal", Caller::Person, Millis(1000)).is_ok());
    }
}
