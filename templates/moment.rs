//! Times: written in UTC for everybody, turned into the viewer's own zone by the frame script.

use maud::{Markup, html};

const DAY_MS: i64 = 86_400_000;

/// A moment in civil time, UTC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
}

/// A day, as `dd.mm.yyyy`; `at_ms` is milliseconds since 1970.
pub(crate) fn date(at_ms: i64) -> Markup {
    let Civil { year, month, day, .. } = civil(at_ms);
    html! {
        time datetime=(iso(at_ms)) data-local="date" { (format!("{day:02}.{month:02}.{year:04}")) }
    }
}

/// A day and time; `at_ms` is milliseconds since 1970.
pub(crate) fn date_time(at_ms: i64) -> Markup {
    let Civil { year, month, day, hour, minute } = civil(at_ms);
    html! {
        time datetime=(iso(at_ms)) data-local="time" {
            (format!("{day:02}.{month:02}.{year:04} {hour:02}:{minute:02} UTC"))
        }
    }
}

fn iso(at_ms: i64) -> String {
    let Civil { year, month, day, hour, minute } = civil(at_ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z")
}

/// The proleptic Gregorian calendar, counted from 1 March so that a leap day ends the year. Times outside the years
/// 1970 to 9999 are clamped: no channel is paid for longer.
fn civil(at_ms: i64) -> Civil {
    let at_ms = at_ms.clamp(0, 253_402_300_799_000);
    let days = at_ms / DAY_MS + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: at_ms % DAY_MS / 3_600_000,
        minute: at_ms % 3_600_000 / 60_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(951_782_340_000), "2000-02-28T23:59:00Z");
        assert_eq!(iso(951_868_799_999), "2000-02-29T23:59:00Z");
        assert_eq!(iso(1_795_219_200_000), "2026-11-21T00:00:00Z");
        assert_eq!(iso(4_107_542_400_000), "2100-03-01T00:00:00Z");
        assert_eq!(iso(i64::MAX), "9999-12-31T23:59:00Z");
        assert_eq!(iso(i64::MIN), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut previous = String::new();
        for day in 0..60_000 {
            let now = iso(day * DAY_MS);
            assert!(now > previous, "{previous} {now}");
            previous = now;
        }
    }
}
