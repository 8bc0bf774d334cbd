//! When a failed delivery is tried again, and when it is given up.

use std::time::Duration;

use crate::{
    clock::Millis,
    domain::failure::{Failure, Retry, Told},
};

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// Seconds before the second, third, … try; the last one repeats (README.md, "Delivery").
const SCHEDULE: [u64; 9] =
    [2 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, HOUR];

/// A failing message holds its chat this long …
const HOLD: Duration = Duration::from_secs(15 * MINUTE);
/// … unless the destination itself is down: then it waits for it this long.
pub const HOLD_WHEN_DOWN: Duration = Duration::from_secs(72 * HOUR);
/// What is meant for a client is not sent to him later than this: the conversation has gone on.
pub const STALE: Duration = Duration::from_secs(24 * HOUR);
/// How often a delivery that waits for a repaired channel looks by itself whether it is.
const PARKED_LOOK: Duration = Duration::from_secs(30 * MINUTE);

/// What to do with a delivery after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Again(Millis),
    /// It waits for its destination, and this was no try.
    Wait(Millis),
    GiveUp,
    /// Nobody knows whether it happened, and repeating it could do it twice.
    Unknown,
    ParkPortal,
    /// Until the channel is repaired; at that moment it looks for itself.
    ParkChannel(Millis),
}

/// What a verdict depends on besides the failure.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// How many attempts were made, the failed one included.
    pub tries: i32,
    pub created_at: Millis,
    pub now: Millis,
    /// Doing it twice is the same as doing it once.
    pub repeatable: bool,
    /// Somebody waits for the outcome who can do better than wait for a repaired channel.
    pub may_park: bool,
    /// How long it may wait for a destination that is down.
    pub hold_when_down: Duration,
    /// Spreads the retries of many deliveries that failed together.
    pub seed: i64,
}

pub fn verdict(failure: &Failure, tried: Tried) -> Verdict {
    if !failure.certain && !tried.repeatable {
        return Verdict::Unknown;
    }
    let hold = if is_down(failure.told) { tried.hold_when_down } else { HOLD };
    let within = |at: Millis| at <= tried.created_at.after(hold);
    let wait = match failure.retry {
        Retry::Never => return Verdict::GiveUp,
        Retry::WhenPortalReturns => return Verdict::ParkPortal,
        Retry::WhenChannelReturns => {
            let look = tried.now.after(PARKED_LOOK);
            let waits = tried.may_park && look <= tried.created_at.after(tried.hold_when_down);
            return if waits { Verdict::ParkChannel(look) } else { Verdict::GiveUp };
        }
        Retry::Closed(wait) => {
            let at = tried.now.after(wait);
            let patient = at <= tried.created_at.after(tried.hold_when_down);
            return if patient { Verdict::Wait(at) } else { Verdict::GiveUp };
        }
        Retry::After(wait) => wait,
        Retry::Backoff => jittered(scheduled(tried.tries), tried.seed ^ i64::from(tried.tries)),
    };
    let again = tried.now.after(wait);
    if within(again) { Verdict::Again(again) } else { Verdict::GiveUp }
}

/// Whether the destination itself cannot take anything now, whatever it is: repeating the same later can do better.
fn is_down(told: Told) -> bool {
    matches!(told, Told::Unavailable | Told::LineInactive | Told::PortalUnauthorised)
}

fn scheduled(tries: i32) -> Duration {
    let position = usize::try_from(tries.saturating_sub(1)).unwrap_or(0);
    let seconds = SCHEDULE.get(position).or(SCHEDULE.last()).copied().unwrap_or(HOUR);
    Duration::from_secs(seconds)
}

/// ±20 %, from a hash instead of a generator: the same delivery and try always wait the same.
fn jittered(wait: Duration, seed: i64) -> Duration {
    let mixed = seed.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let percent = 80 + u32::try_from(mixed % 41).unwrap_or(20);
    wait * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(tries: i32, age: Duration) -> Tried {
        Tried {
            tries,
            created_at: Millis(0),
            now: Millis(0).after(age),
            repeatable: false,
            may_park: true,
            hold_when_down: HOLD_WHEN_DOWN,
            seed: 7,
        }
    }

    #[test]
    fn waits_grow_within_a_fifth_of_the_schedule() {
        let mut last = Duration::ZERO;
        for (tries, seconds) in (1..).zip(SCHEDULE.iter().take(8)) {
            let Verdict::Again(at) = verdict(&Failure::transient("x"), tried(tries, Duration::ZERO)) else {
                panic!("given up")
            };
            let wait = at.wait_from(Millis(0));
            let nominal = Duration::from_secs(*seconds);
            assert!(wait >= nominal * 8 / 10 && wait <= nominal * 12 / 10, "{tries}: {wait:?}");
            assert!(wait > last);
            last = wait;
        }
    }

    #[test]
    fn a_message_that_fails_by_itself_frees_its_chat_after_a_quarter_of_an_hour() {
        let mut failure = Failure::transient("x");
        failure.told = Told::Rejected;
        assert_eq!(verdict(&failure, tried(5, Duration::from_secs(14 * 60 + 50))), Verdict::GiveUp);
        for down in [Told::Unavailable, Told::LineInactive, Told::PortalUnauthorised] {
            failure.told = down;
            assert!(matches!(verdict(&failure, tried(5, Duration::from_secs(14 * 60 + 50))), Verdict::Again(_)));
        }
        assert_eq!(verdict(&failure, tried(99, Duration::from_hours(72))), Verdict::GiveUp);
    }

    #[test]
    fn an_unknown_outcome_is_never_repeated_blindly() {
        assert_eq!(verdict(&Failure::unknown("x"), tried(1, Duration::ZERO)), Verdict::Unknown);
        let repeatable = Tried { repeatable: true, ..tried(1, Duration::ZERO) };
        assert!(matches!(verdict(&Failure::unknown("x"), repeatable), Verdict::Again(_)));
    }

    #[test]
    fn the_other_sides_word_on_when_is_kept() {
        let failure = Failure::transient("x").retry(Retry::After(Duration::from_secs(33)));
        assert_eq!(verdict(&failure, tried(1, Duration::ZERO)), Verdict::Again(Millis(33_000)));
    }

    #[test]
    fn who_waits_for_a_closed_way_has_not_tried_and_waits_as_long_as_for_one_that_is_down() {
        let closed = Failure::transient("x").retry(Retry::Closed(Duration::from_secs(40)));
        assert_eq!(verdict(&closed, tried(99, Duration::ZERO)), Verdict::Wait(Millis(40_000)));
        assert_eq!(verdict(&closed, tried(1, Duration::from_hours(72))), Verdict::GiveUp);
        let unknown = Failure { certain: false, ..closed };
        assert_eq!(verdict(&unknown, tried(1, Duration::ZERO)), Verdict::Unknown);
    }

    #[test]
    fn a_dead_channel_is_looked_at_again_and_not_for_ever() {
        let dead = || Failure::permanent(Told::ChannelDisconnected, "x").retry(Retry::WhenChannelReturns);
        let message = |age| Tried { hold_when_down: STALE, ..tried(1, age) };
        assert_eq!(verdict(&dead(), message(Duration::ZERO)), Verdict::ParkChannel(Millis(0).after(PARKED_LOOK)));
        assert_eq!(verdict(&dead(), message(STALE)), Verdict::GiveUp);
        let robot = Tried { may_park: false, ..message(Duration::ZERO) };
        assert_eq!(verdict(&dead(), robot), Verdict::GiveUp);
    }
}
