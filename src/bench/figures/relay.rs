//! Messages from one side to the other: how many a second, and how soon each.

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use crate::bench::{
    Bench, BenchError, CONNECTIONS, MANY,
    ledger::{Ledger, noted},
    load::{Make, Numbers, flat_out, paced, paced_count},
    process::Process,
    report::{Goal, Report, alone, median, ms, per_second, percentile},
    requests::{event, webhook},
    stand_in::Manner,
};

/// A message that takes longer is lost, or as good as lost.
pub const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Operator → messenger.
    Out,
    /// Client → portal.
    In,
}

impl Way {
    pub const BOTH: [Self; 2] = [Self::Out, Self::In];

    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "operator → messenger",
            Self::In => "client → portal",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }

    pub fn make(self, server: &Process) -> Make {
        match self {
            Self::Out => event(server.address, MANY),
            Self::In => webhook(server.address, MANY),
        }
    }
}

/// Everything accepted as fast as it goes in, until the last has arrived.
pub async fn run(bench: &Bench, server: &Process, way: Way, numbers: Range<usize>) -> Result<Arc<Ledger>, BenchError> {
    let ledger = bench.stand_in.begin(Manner::Instant, MANY, numbers.clone());
    let make = noted(&ledger, &way.make(server));
    let answered = flat_out(server.address, &make, Numbers::all(numbers), CONNECTIONS).await?;
    if answered.refused > 0 {
        return Err(ledger.wrong(&format!("{} requests were refused", answered.refused)));
    }
    ledger.complete(PATIENCE).await?;
    if way == Way::Out {
        ledger.all_told(PATIENCE).await?;
    }
    Ok(ledger)
}

pub async fn throughput(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    for way in Way::BOTH {
        if !bench.wants(&format!("relay-{}", way.key())) {
            continue;
        }
        let seeded = bench.seeded("many", MANY, None).await?;
        let (mut rates, mut cost) = (Vec::new(), Vec::new());
        for _sample in 0..bench.sizes.samples {
            let server = bench.server(&seeded, &bench.settings()).await?;
            let before = server.processor_time()?;
            let ledger = run(bench, &server, way, 0..bench.sizes.messages).await?;
            rates.push(ledger.rate());
            let used = server.processor_time()?.saturating_sub(before);
            cost.push(used.as_secs_f64() * 1e6 / crate::bench::float(bench.sizes.messages));
        }
        let (rate, cost) = (median(rates), median(cost));
        let name = format!("accepted → relayed, {}", way.name());
        let told = (per_second(rate), format!("{cost:.0} µs of processor each"));
        report.judge(&name, told, rate, Goal::AtLeast(3000.0, "/s"));
    }
    Ok(())
}

/// At a pace that leaves the machine idle most of the time.
pub async fn latency(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    for way in Way::BOTH {
        if !bench.wants(&format!("latency-{}", way.key())) {
            continue;
        }
        let seeded = bench.seeded("many", MANY, None).await?;
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for _sample in 0..bench.sizes.samples {
            let times = at_a_pace(bench, &seeded, way).await?;
            p50.push(ms(percentile(&times, 500)));
            p99.push(ms(percentile(&times, 990)));
        }
        let name = |part| format!("end to end {part} at 100 messages/s, {}", way.name());
        report.judge(&name("p50"), alone(), median(p50), Goal::AtMost(4.0, " ms"));
        report.judge(&name("p99"), alone(), median(p99), Goal::AtMost(15.0, " ms"));
    }
    Ok(())
}

async fn at_a_pace(bench: &Bench, seeded: &Path, way: Way) -> Result<Vec<Duration>, BenchError> {
    const PACE: u32 = 100;
    let server = bench.server(seeded, &bench.settings()).await?;
    let count = paced_count(bench.sizes.paced, PACE);
    let ledger = bench.stand_in.begin(Manner::Instant, MANY, 0..count);
    let make = noted(&ledger, &way.make(&server));
    paced(server.address, &make, 0..count, (PACE, 8)).await?;
    ledger.complete(PATIENCE).await?;
    Ok(ledger.latencies(|_all| true))
}
