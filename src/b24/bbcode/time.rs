//! `[timestamp=…]`: seconds since 1970 to what a client reads.

use super::{Shown, Timestamp};

/// 9999-12-31T23:59:59Z: later moments are no dates.
const LAST_S: i64 = 253_402_300_799;
const DAY_S: i64 = 86_400;

pub(super) fn timestamp(unix: &str, format: &str) -> Option<Timestamp> {
    let unix_s = unix.parse().ok().filter(|unix| (0..=LAST_S).contains(unix))?;
    // Names of the portal's formats: SHORT_TIME_FORMAT, LONG_DATE_FORMAT, DAY_MONTH_FORMAT and so on.
    let format = format.to_ascii_uppercase();
    let date = ["DATE", "DAY", "MONTH", "YEAR"].iter().any(|word| format.contains(word));
    let time = format.contains("TIME");
    let shown = match (date, time) {
        (true, false) => Shown::Date,
        (false, true) => Shown::Time,
        _ => Shown::DateTime,
    };
    Some(Timestamp { unix_s, shown })
}

impl Timestamp {
    pub(super) fn format(self, utc_offset_s: i32) -> String {
        let local = self.unix_s + i64::from(utc_offset_s);
        let (year, month, day) = civil_date(local.div_euclid(DAY_S));
        let second = local.rem_euclid(DAY_S);
        let (hour, minute) = (second / 3600, second % 3600 / 60);
        match self.shown {
            Shown::Date => format!("{day:02}.{month:02}.{year:04}"),
            Shown::Time => format!("{hour:02}:{minute:02}"),
            Shown::DateTime => format!("{day:02}.{month:02}.{year:04} {hour:02}:{minute:02}"),
        }
    }
}

/// Year, month and day in the Gregorian calendar of a day counted from 1970-01-01. Years are counted from March, so that the
/// leap day is a year's last one.
fn civil_date(days: i64) -> (i64, i64, i64) {
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
