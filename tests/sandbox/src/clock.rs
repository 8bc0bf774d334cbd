//! The sandbox's time: real time plus an offset that a test moves forward.
//!
//! Everything in the sandbox that expires (tokens, codes, links, waiting robots) reads this clock, so that a test
//! does not wait an hour for a token to die.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A shared clock; clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Milliseconds since 1970, UTC.
    pub fn now_ms(&self) -> i64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place where the sandbox asks the machine for the time"
        )]
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(real.as_millis()).unwrap_or(i64::MAX) + self.offset_ms.load(Ordering::Relaxed)
    }

    /// Seconds since 1970, UTC.
    pub fn now_s(&self) -> i64 {
        self.now_ms() / 1000
    }

    /// Moves the time forward for everyone who shares this clock.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }
}
