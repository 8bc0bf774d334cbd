//! The intake: how many events become durable, and how soon each is acknowledged.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use crate::bench::{
    Bench, BenchError, CONNECTIONS, MANY, ceilings, float,
    load::{Make, Numbers, flat_out, paced, paced_count},
    report::{Goal, Report, median, ms, per_second, percentile},
    requests::{event, idle_event},
    stand_in::Manner,
};

/// Which server takes the load.
#[derive(Clone, Copy)]
enum Taker<'a> {
    Ceiling(&'a str),
    /// Ours, on a copy of this database.
    Server(&'a Path),
}

/// What a server did under load.
struct Sample {
    /// Requests a second.
    rate: f64,
    /// Microseconds of processor time for each.
    cost: f64,
}

/// The middle of samples: rate and cost.
fn middle(samples: Vec<Sample>) -> Sample {
    let (rates, costs) = samples.into_iter().map(|sample| (sample.rate, sample.cost)).unzip();
    Sample { rate: median(rates), cost: median(costs) }
}

impl Sample {
    fn told(&self) -> String {
        format!("{}, {:.0} µs of processor", per_second(self.rate), self.cost)
    }
}

/// How many requests a second a fresh server answers.
async fn rate(
    bench: &Bench,
    taker: Taker<'_>,
    make: fn(std::net::SocketAddr, crate::bench::requests::Layout) -> Make,
    preload: Option<&Path>,
) -> Result<Sample, BenchError> {
    let server = match taker {
        Taker::Ceiling(kind) => bench.ceiling(kind, preload).await?,
        Taker::Server(seeded) => {
            let settings = crate::bench::process::Settings { preload: preload.map(Path::to_owned), ..bench.settings() };
            bench.server(seeded, &settings).await?
        }
    };
    let make = make(server.address, MANY);
    let before = server.processor_time()?;
    let answered = flat_out(server.address, &make, Numbers::during(0, bench.sizes.flat_out), CONNECTIONS).await?;
    if answered.refused > 0 {
        return Err(BenchError::Unexpected(format!("{} requests were refused", answered.refused)));
    }
    let used = server.processor_time()?.saturating_sub(before);
    Ok(Sample { rate: answered.rate(), cost: used.as_secs_f64() * 1e6 / float(answered.latencies.len()) })
}

/// Against a server that stores nothing, and one that stores a row.
pub async fn throughput(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("accept") {
        return Ok(());
    }
    let seeded = bench.seeded("many", MANY, None).await?;
    bench.stand_in.begin(Manner::Instant, MANY, 0..0);
    let (mut bare, mut group, mut ours, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _sample in 0..bench.sizes.samples {
        bare.push(rate(bench, Taker::Ceiling("bare"), event, None).await?);
        group.push(rate(bench, Taker::Ceiling("group"), event, None).await?);
        ours.push(rate(bench, Taker::Server(&seeded), event, None).await?);
        idle.push(rate(bench, Taker::Server(&seeded), idle_event, None).await?);
    }
    let (bare, group, ours, idle) = (middle(bare), middle(group), middle(ours), middle(idle));
    let pair = |against: &Sample| (ours.told(), against.told());
    report.judge("accept ÷ bare form POST", pair(&bare), ours.rate / bare.rate, Goal::AtLeast(0.25, ""));
    report.judge("accept ÷ group commit of one row", pair(&group), ours.rate / group.rate, Goal::AtLeast(0.5, ""));
    report.tell("accept of events that ask for nothing", idle.told());
    Ok(())
}

/// Where an fsync takes as long as on an ordinary disk.
pub async fn slow_disk(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("accept-slow-disk") {
        return Ok(());
    }
    let library = ceilings::slow_disk(&bench.folder("slow")?)?;
    let seeded = bench.seeded("many", MANY, None).await?;
    bench.stand_in.begin(Manner::Instant, MANY, 0..0);
    let (mut single, mut ours) = (Vec::new(), Vec::new());
    for _sample in 0..bench.sizes.samples {
        single.push(rate(bench, Taker::Ceiling("single"), event, Some(&library)).await?);
        ours.push(rate(bench, Taker::Server(&seeded), event, Some(&library)).await?);
    }
    let (single, ours) = (middle(single), middle(ours));
    let (pair, ratio) = ((ours.told(), single.told()), ours.rate / single.rate);
    report.judge("accept, 5 ms more an fsync ÷ commit per request", pair, ratio, Goal::AtLeast(20.0, ""));
    Ok(())
}

/// Acknowledged p99 at a thousand events a second.
pub async fn latency(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    const PACE: u32 = 1000;
    if !bench.wants("accept-latency") {
        return Ok(());
    }
    let seeded = bench.seeded("many", MANY, None).await?;
    bench.stand_in.begin(Manner::Instant, MANY, 0..0);
    let (mut p50, mut p99, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    let count = paced_count(bench.sizes.paced, PACE);
    for _sample in 0..bench.sizes.samples {
        let server = bench.server(&seeded, &bench.settings()).await?;
        let make = event(server.address, MANY);
        let answered = paced(server.address, &make, 0..count, (PACE, CONNECTIONS)).await?;
        p50.push(ms(percentile(&answered.latencies, 500)));
        p99.push(ms(percentile(&answered.latencies, 990)));
        drop(server);
        syncs.push(ms(fsync_p50(&bench.folder("sync")?)?));
    }
    let (p50, p99, sync) = (median(p50), median(p99), median(syncs));
    let told = format!("p50 {p50:.2} ms, p99 {p99:.2} ms");
    let goal = Goal::AtMost(5.0 + 2.0 * sync, " ms");
    report.judge("acknowledged p99 at 1,000 events/s", (told, format!("fsync {sync:.2} ms")), p99, goal);
    Ok(())
}

/// Half of the appends of a page are on disk after this time.
fn fsync_p50(folder: &Path) -> Result<Duration, BenchError> {
    let mut file = File::create(folder.join("sync"))?;
    let mut times = Vec::new();
    for _append in 0..200 {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(percentile(&times, 500))
}
