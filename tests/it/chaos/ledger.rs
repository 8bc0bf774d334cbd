//! What was acknowledged, what arrived, and what is wrong between the two.

use std::{collections::BTreeMap, fmt};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From a client to the operators.
    In,
    /// From an operator to the client.
    Out,
}

impl Way {
    pub const BOTH: [Self; 2] = [Self::In, Self::Out];

    const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Which chat, and which way.
pub type Lane = (usize, Way);

/// The text of a message: it names its lane and its number in it.
pub fn text(lane: Lane, number: u32) -> String {
    format!("{} {} {number}", lane.1.word(), lane.0)
}

/// The lane and number of a text that [`text`] made, also behind an operator's signature.
pub fn read(text: &str) -> Option<(Lane, u32)> {
    let mut words = text.rsplit(|c: char| c.is_whitespace() || c == ']');
    let (number, talk) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let word = words.next()?;
    let way = Way::BOTH.into_iter().find(|way| way.word() == word)?;
    Some(((talk, way), number))
}

/// A message where it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub number: u32,
    /// Milliseconds since 1970, of the stand-in.
    pub at: i64,
}

/// The numbers of one lane.
#[derive(Debug, Default)]
pub struct Page {
    pub acknowledged: Vec<u32>,
    /// As they stand on the other side.
    pub arrived: Vec<Arrival>,
}

/// The death of a server that may have had calls under way.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Milliseconds since 1970.
    pub at: i64,
    /// How long the stand-in may still work on a call whose caller is dead, in milliseconds.
    pub reach: i64,
}

impl Cut {
    /// Whether the stand-in carried a dead server's call out afterwards, when the next server may have asked for it already.
    /// What was carried out before is found by asking, and is no excuse.
    fn explains(self, first: i64) -> bool {
        (self.at..=self.at + self.reach).contains(&first)
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub pages: BTreeMap<Lane, Page>,
    /// Moments at which a server died.
    pub cuts: Vec<Cut>,
}

/// What is wrong, in words.
#[derive(Debug, Default)]
pub struct Report {
    acknowledged: usize,
    arrived: usize,
    /// Acknowledged, and it never arrived.
    pub lost: Vec<String>,
    /// Arrived again, and the stand-in carried the first out for a dead server, see [`Cut`].
    pub explained: usize,
    /// Arrived again without such a reason.
    pub unexplained: Vec<String>,
    /// Acknowledged, and arrived behind a later one of its lane.
    pub inversions: Vec<String>,
}

impl Ledger {
    pub fn report(&self) -> Report {
        let mut report = Report::default();
        for (lane, page) in &self.pages {
            self.judge(*lane, page, &mut report);
        }
        report
    }

    fn judge(&self, lane: Lane, page: &Page, report: &mut Report) {
        report.acknowledged += page.acknowledged.len();
        report.arrived += page.arrived.len();
        let mut seen: BTreeMap<u32, i64> = BTreeMap::new();
        let mut latest = None;
        for arrival in &page.arrived {
            let Arrival { number, at } = *arrival;
            if let Some(first) = seen.get(&number).copied() {
                if self.cuts.iter().any(|cut| cut.explains(first)) {
                    report.explained += 1;
                } else {
                    report.unexplained.push(format!("{} at {first} and {at}", text(lane, number)));
                }
                continue;
            }
            seen.insert(number, at);
            if page.acknowledged.contains(&number) {
                if latest.is_some_and(|latest| latest > number) {
                    report.inversions.push(text(lane, number));
                }
                latest = latest.max(Some(number));
            }
        }
        let lost = page.acknowledged.iter().filter(|number| !seen.contains_key(number));
        report.lost.extend(lost.map(|number| text(lane, *number)));
    }
}

impl Report {
    /// Fails unless every acknowledged message arrived, in order, and no more often than the faults explain.
    pub fn is_clean(&self) {
        let clean = self.lost.is_empty() && self.unexplained.is_empty() && self.inversions.is_empty();
        assert!(
            clean,
            "{self}\nlost: {:?}\nrepeated: {:?}\nout of order: {:?}",
            self.lost, self.unexplained, self.inversions
        );
    }

    /// Fails if less was tried than would prove anything.
    pub fn tried_at_least(&self, count: usize) {
        assert!(self.acknowledged >= count, "too little was tried to prove anything: {self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "acknowledged {}, arrived {}, lost {}, repeated {} explained and {} unexplained, inversions {}",
            self.acknowledged,
            self.arrived,
            self.lost.len(),
            self.explained,
            self.unexplained.len(),
            self.inversions.len()
        )
    }
}
