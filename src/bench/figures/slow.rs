//! What others feel of portals that are slow.

use std::{path::Path, time::Duration};

use super::relay::PATIENCE;
use crate::bench::{
    Bench, BenchError, CONNECTIONS, MANY,
    ledger::noted,
    load::{paced, paced_count},
    report::{Goal, Report, median, ms, percentile},
    requests::webhook,
    stand_in::Manner,
};

/// One portal of so many is slow.
const EVERY: usize = 100;
/// Messages a second, over all portals.
const PACE: u32 = 200;

/// The healthy portals' p99 with slow ones beside them, and without.
pub async fn portals(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("slow-portals") {
        return Ok(());
    }
    let seeded = bench.seeded("many", MANY, None).await?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _sample in 0..bench.sizes.samples {
        alone.push(p99(bench, &seeded, Manner::Instant).await?);
        beside.push(p99(bench, &seeded, Manner::Slow { every: EVERY, wait: bench.sizes.slow }).await?);
    }
    let (alone, beside) = (median(alone), median(beside));
    let told = (format!("p99 {beside:.2} ms"), format!("p99 {alone:.2} ms without"));
    let name = format!("healthy portals with 1 % answering in {} s ÷ without", bench.sizes.slow.as_secs());
    report.judge(&name, told, beside / alone, Goal::AtMost(1.5, ""));
    Ok(())
}

/// In milliseconds, of the portals that are never slow.
async fn p99(bench: &Bench, seeded: &Path, manner: Manner) -> Result<f64, BenchError> {
    let server = bench.server(seeded, &bench.settings()).await?;
    let count = paced_count(bench.sizes.paced, PACE);
    let ledger = bench.stand_in.begin(manner, MANY, 0..count);
    let make = noted(&ledger, &webhook(server.address, MANY));
    paced(server.address, &make, 0..count, (PACE, CONNECTIONS)).await?;
    let healthy = |number: usize| !MANY.portal_of(MANY.chat_of(number)).is_multiple_of(EVERY);
    let wanted = (0..count).filter(|number| healthy(*number)).count();
    let until = std::time::Instant::now() + PATIENCE;
    while ledger.latencies(healthy).len() < wanted {
        if std::time::Instant::now() > until {
            return Err(ledger.wrong("the healthy portals did not get everything"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(ms(percentile(&ledger.latencies(healthy), 990)))
}
