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

    /// Date and time of day in UTC, `2026-11-22` and `01:02:03.004`.
    pub fn utc(self) -> (String, String) {
        let (year, month, day) = civil_date(self.seconds().div_euclid(86_400));
        let (second, rest) = (self.seconds().rem_euclid(86_400), self.0.rem_euclid(1000));
        let time = format!("{:02}:{:02}:{:02}.{rest:03}", second / 3600, second % 3600 / 60, second % 60);
        (format!("{year:04}-{month:02}-{day:02}"), time)
    }

    /// Reads a time as Bitrix24 answers it: `2026-03-16T15:25:05+03:00`.
    pub fn from_iso(text: &str) -> Option<Self> {
        let (date, time) = text.trim().split_once('T')?;
        let numbers =
            |text: &str, by: char| text.splitn(3, by).map(|part| part.parse().ok()).collect::<Option<Vec<i64>>>();
        let (time, offset) = match time.find(['+', '-', 'Z']) {
            Some(at) => time.split_at_checked(at)?,
            None => (time, "Z"),
        };
        let offset_s = match (offset.strip_prefix(['+', '-']), numbers(offset.trim_start_matches(['+', '-']), ':')) {
            (None, _utc) => 0,
            (Some(_), Some(parts)) => {
                let [hours, minutes] = parts.try_into().ok()?;
                (hours * 3600 + minutes * 60) * if offset.starts_with('-') { -1 } else { 1 }
            }
            (Some(_), None) => return None,
        };
        let [year, month, day]: [i64; 3] = numbers(date, '-')?.try_into().ok()?;
        let [hour, minute, second]: [i64; 3] = numbers(time, ':')?.try_into().ok()?;
        let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        let in_day = hour * 3600 + minute * 60 + second;
        is_date.then(|| Self::from_seconds(days(year, month, day) * 86_400 + in_day - offset_s))
    }

    /// How long it is from `now` to this moment; zero when it has passed.
    pub fn wait_from(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0))
    }
}

/// Year, month and day in the Gregorian calendar of a day counted from 1970-01-01. Years are counted from March, so that the
/// leap day is a year's last one.
pub fn civil_date(days: i64) -> (i64, i64, i64) {
    /// Days of 400 years, after which the calendar repeats.
    const ERA: i64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    let shifted = days + EPOCH;
    let (era, day) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day_of_month)
}

/// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is a year's last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
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
    fn times_of_answers_are_read() {
        let seconds = |text: &str| Millis::from_iso(text).map(Millis::seconds);
        assert_eq!(seconds("1970-01-01T00:00:00+00:00"), Some(0));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2026-11-21T03:00:00+03:00"), Some(1_795_219_200));
        assert_eq!(seconds("2026-11-20T19:30:00-04:30"), Some(1_795_219_200));
        for wrong in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T1:2", "2026-01-01T00:00:00+x"]
        {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn seconds_round_down_and_waits_are_never_negative() {
        assert_eq!(Millis(1999).seconds(), 1);
        assert_eq!(Millis(5).wait_from(Millis(10)), Duration::ZERO);
        assert_eq!(Millis(15).wait_from(Millis(10)), Duration::from_millis(5));
    }
}
