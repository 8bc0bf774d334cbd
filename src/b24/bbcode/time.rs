//! `[timestamp=…]`: seconds since 1970 to what a client reads.

use super::{Shown, Timestamp};
use crate::clock::civil_date;

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
