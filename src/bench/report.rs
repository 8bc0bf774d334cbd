//! The table of figures.

use std::{fmt, time::Duration};

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub figure: String,
    pub measured: String,
    /// What it is compared with, measured in the same run.
    pub against: String,
    pub result: String,
    pub goal: String,
    /// None: told, and no goal is set.
    pub reached: Option<bool>,
}

/// What a figure must not be above, or below.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64, &'static str),
    AtMost(f64, &'static str),
}

impl Goal {
    fn reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least, _) => value >= least,
            Self::AtMost(most, _) => value <= most,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least, unit) => write!(f, "≥ {}{unit}", short(*least)),
            Self::AtMost(most, unit) => write!(f, "≤ {}{unit}", short(*most)),
        }
    }
}

/// For a figure that says everything by itself.
pub fn alone() -> (String, String) {
    (String::new(), String::new())
}

#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// A figure that has a goal. `measured` and `against` are told as they are.
    pub fn judge(&mut self, figure: &str, (measured, against): (String, String), value: f64, goal: Goal) {
        let unit = match goal {
            Goal::AtLeast(_, unit) | Goal::AtMost(_, unit) => unit,
        };
        self.add(Row {
            figure: figure.to_owned(),
            measured,
            against,
            result: format!("{}{unit}", short(value)),
            goal: goal.to_string(),
            reached: Some(goal.reached(value)),
        });
    }

    /// A number that explains others.
    pub fn tell(&mut self, figure: &str, measured: String) {
        let none = String::new;
        self.add(Row {
            figure: figure.to_owned(),
            measured,
            against: none(),
            result: none(),
            goal: none(),
            reached: None,
        });
    }

    fn add(&mut self, row: Row) {
        // Long runs: whoever watches sees each as soon as it is known.
        println!("{}", line(&row));
        self.rows.push(row);
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | measured | against | result | goal | reached |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row)))
    }
}

fn line(row: &Row) -> String {
    let reached = match row.reached {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let Row { figure, measured, against, result, goal, .. } = row;
    format!("| {figure} | {measured} | {against} | {result} | {goal} | {reached} |")
}

/// A number as people read it.
pub fn short(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{large:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small => format!("{small:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

pub fn per_second(rate: f64) -> String {
    format!("{}/s", short(rate))
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The middle one.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The time that so many of a thousand do not exceed.
pub fn percentile(times: &[Duration], of_thousand: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    let at = (sorted.len() * of_thousand / 1000).min(last);
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_of_what_was_measured() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        let times: Vec<_> = (1..=1000).map(Duration::from_micros).collect();
        assert_eq!(percentile(&times, 500), Duration::from_micros(501));
        assert_eq!(percentile(&times, 990), Duration::from_micros(991));
        assert_eq!(percentile(&times[..1], 990), Duration::from_micros(1));
    }

    #[test]
    fn goals_are_judged_and_numbers_stay_short() {
        let mut report = Report::default();
        report.judge("a", ("1".into(), "2".into()), 0.5, Goal::AtLeast(0.5, ""));
        report.judge("b", ("3 ms".into(), String::new()), 3.001, Goal::AtMost(3.0, " ms"));
        assert_eq!(report.rows().iter().map(|row| row.reached).collect::<Vec<_>>(), [Some(true), Some(false)]);
        assert_eq!([short(0.5), short(12.34), short(1234.5), short(0.0)], ["0.5", "12.3", "1234", "0"]);
    }
}
