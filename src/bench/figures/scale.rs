//! What size costs: processor time for each message, memory, and the time to start.

use std::time::{Duration, Instant};

use super::relay::{self, PATIENCE, Way};
use crate::{
    bench::{
        Bench, BenchError, MANY, float,
        process::Process,
        report::{Goal, Report, alone, median, short},
        requests::{Layout, event},
        seed::Backlog,
        stand_in::Manner,
    },
    db::Direction,
};

/// Chats of a portal of the large databases.
const CHATS_EACH: usize = 5;
/// How long a server is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(2);

fn layout((portals, messages): (usize, usize)) -> Layout {
    Layout { portals, chats: (portals * CHATS_EACH).min(messages) }
}

/// Processor time for each message while a backlog is worked off.
pub async fn cost(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("cost") {
        return Ok(());
    }
    let (small, large) = (bench.sizes.small, bench.sizes.large);
    let small = (small, cost_of(bench, small).await?);
    let large = (large, cost_of(bench, large).await?);
    let told = |((portals, due), cost): ((usize, usize), f64)| format!("{cost:.0} µs at {portals} portals, {due} due");
    let ratio = large.1 / small.1;
    report.judge("cost per message, large ÷ small", (told(large), told(small)), ratio, Goal::AtMost(1.6, ""));
    Ok(())
}

/// Microseconds for each message, from some of the backlog.
async fn cost_of(bench: &Bench, (portals, due): (usize, usize)) -> Result<f64, BenchError> {
    let layout = layout((portals, due));
    let backlog = Backlog { messages: due, direction: Direction::Out, parked: false };
    let seeded = bench.seeded("backlog", layout, Some(backlog)).await?;
    // As many as the small database has, without its end.
    let each = bench.sizes.small.1 / (bench.sizes.samples + 1);
    let ledger = bench.stand_in.begin(Manner::Instant, layout, 0..due);
    let server = bench.server(&seeded, &bench.settings()).await?;
    until(&server, || ledger.count() > each / 2).await?;
    let mut samples = Vec::new();
    for _sample in 0..bench.sizes.samples {
        let (count, used) = (ledger.count(), server.processor_time()?);
        until(&server, || ledger.count() >= (count + each).min(due)).await?;
        let used = server.processor_time()?.saturating_sub(used);
        samples.push(used.as_secs_f64() * 1e6 / float((ledger.count() - count).max(1)));
    }
    if ledger.faults() != (0, 0) {
        return Err(ledger.wrong("order or uniqueness was broken"));
    }
    Ok(median(samples))
}

async fn until(server: &Process, holds: impl Fn() -> bool) -> Result<(), BenchError> {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > PATIENCE {
            let memory = server.memory()?;
            return Err(BenchError::Unexpected(format!("the server does not get on (it holds {memory:.0} MB)")));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Resident memory: with nothing to do, after many messages, and with many parked.
pub async fn memory(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("memory") {
        return Ok(());
    }
    let seeded = bench.seeded("many", MANY, None).await?;
    bench.stand_in.begin(Manner::Instant, MANY, 0..0);
    let server = bench.server(&seeded, &bench.settings()).await?;
    tokio::time::sleep(SETTLE).await;
    let goal = |most| Goal::AtMost(most, " MB");
    report.judge("memory idle", alone(), server.memory()?, goal(25.0));
    let (many, half) = (bench.sizes.many, bench.sizes.many / 2);
    relay::run(bench, &server, Way::Out, 0..half).await?;
    relay::run(bench, &server, Way::In, half..many).await?;
    tokio::time::sleep(SETTLE).await;
    report.judge(&format!("memory after {many} messages"), alone(), server.memory()?, goal(60.0));
    drop(server);
    let seeded = parked(bench).await?;
    let server = bench.server(&seeded, &bench.settings()).await?;
    tokio::time::sleep(SETTLE).await;
    let name = format!("memory with {} parked", bench.sizes.parked.1);
    report.judge(&name, alone(), server.memory()?, goal(80.0));
    Ok(())
}

async fn parked(bench: &Bench) -> Result<std::path::PathBuf, BenchError> {
    let backlog = Backlog { messages: bench.sizes.parked.1, direction: Direction::In, parked: true };
    bench.seeded("parked", layout(bench.sizes.parked), Some(backlog)).await
}

/// From the start of the process to the first event that is stored.
pub async fn start(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("start") {
        return Ok(());
    }
    let layout = layout(bench.sizes.parked);
    let seeded = parked(bench).await?;
    bench.stand_in.begin(Manner::Instant, layout, 0..0);
    let mut samples = Vec::new();
    for _sample in 0..bench.sizes.samples {
        let mut server = bench.spawned(&seeded, &bench.settings())?;
        let mut request = Vec::new();
        // Of the first portal, the only one that is not parked.
        event(server.address, layout)(0, &mut request);
        samples.push(server.takes(&request).await?.as_secs_f64() * 1000.0);
    }
    let (portals, due) = bench.sizes.parked;
    let spread = samples.iter().map(|sample| short(*sample)).collect::<Vec<_>>().join(", ");
    let name = format!("start to first durable 200 with {portals} portals and {due} parked");
    report.judge(&name, (spread, String::new()), median(samples), Goal::AtMost(150.0, " ms"));
    Ok(())
}
