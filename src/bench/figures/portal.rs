//! One portal with its limits enforced: how long a thousand messages take, and what stands at the wall.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::relay::PATIENCE;
use crate::bench::{
    Bench, BenchError, CONNECTIONS, float,
    ledger::{Ledger, noted},
    load::{Numbers, flat_out},
    process::Settings,
    report::{Goal, Report, alone, median, short},
    requests::{Layout, webhook},
    stand_in::{Manner, OPERATING_LIMIT, OPERATING_WINDOW},
};

/// Bitrix24's own figures (`limits.md`).
const BURST: u32 = 50;
const PER_SECOND: u32 = 2;
/// What the portal of the documentation's example bills for a message.
const EACH: Duration = Duration::from_millis(1200);

fn true_limits(bench: &Bench) -> Settings {
    Settings { burst: BURST, rate: PER_SECOND, ..bench.settings() }
}

fn layout(bench: &Bench) -> Layout {
    Layout { portals: 1, chats: bench.sizes.to_one }
}

/// Messages of as many chats, one of each.
pub async fn bucket(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("bucket") {
        return Ok(());
    }
    let layout = layout(bench);
    let seeded = bench.seeded("one", layout, None).await?;
    let manner = Manner::Bucket { burst: f64::from(BURST), per_second: f64::from(PER_SECOND) };
    let (mut took, mut calls, mut refused) = (Vec::new(), Vec::new(), 0);
    for _sample in 0..bench.sizes.samples {
        let server = bench.server(&seeded, &true_limits(bench)).await?;
        let ledger = bench.stand_in.begin(manner, layout, 0..layout.chats);
        let make = noted(&ledger, &webhook(server.address, layout));
        flat_out(server.address, &make, Numbers::all(0..layout.chats), CONNECTIONS).await?;
        ledger.complete(PATIENCE * 5).await?;
        took.push(ledger.took().as_secs_f64());
        calls.push(float(bench.stand_in.seen.calls.load(Ordering::Relaxed)));
        refused += bench.stand_in.seen.over_bucket.load(Ordering::Relaxed);
    }
    let one_each = (float(layout.chats) - f64::from(BURST)) / f64::from(PER_SECOND);
    let told = format!("{} calls, {refused} × 503", short(median(calls)));
    let against = format!("{} s at one call each", short(one_each));
    let name = format!("{} messages to one portal, bucket enforced", layout.chats);
    report.judge(&name, (told, against), median(took), Goal::AtMost(30.0, " s"));
    report.judge("the same: calls refused with 503", alone(), float(refused), Goal::AtMost(0.0, ""));
    Ok(())
}

/// The same with operating time billed for every message. It would take longer than anybody waits, so a box of time is watched.
pub async fn operating(bench: &Bench, report: &mut Report) -> Result<(), BenchError> {
    if !bench.wants("operating") {
        return Ok(());
    }
    let layout = layout(bench);
    let seeded = bench.seeded("one", layout, None).await?;
    let (burst, per_second) = (f64::from(BURST), f64::from(PER_SECOND));
    let server = bench.server(&seeded, &true_limits(bench)).await?;
    let ledger = bench.stand_in.begin(Manner::Billed { burst, per_second, each: EACH }, layout, 0..layout.chats);
    let make = noted(&ledger, &webhook(server.address, layout));
    flat_out(server.address, &make, Numbers::all(0..layout.chats), CONNECTIONS).await?;
    let took = in_the_box(bench, &ledger).await;
    if ledger.faults() != (0, 0) {
        return Err(ledger.wrong("order or uniqueness was broken"));
    }
    let refused = bench.stand_in.seen.over_time.load(Ordering::Relaxed);
    // So many are let through at once, and then so many in every window.
    let window = OPERATING_LIMIT.as_secs_f64() / EACH.as_secs_f64();
    let arrived = float(ledger.count());
    let told = format!("{} of {} in {} s", ledger.count(), layout.chats, took.as_secs());
    let minutes = OPERATING_WINDOW.as_secs() / 60;
    let wall = format!("the portal lets {} through in {minutes} minutes", short(window));
    let possible = window.min(float(layout.chats));
    report.judge(
        "with 1.2 s of operating time billed each ÷ what the platform lets through",
        (told, wall),
        arrived / possible,
        Goal::AtLeast(0.75, ""),
    );
    report.judge("the same: calls refused with 429", alone(), float(refused), Goal::AtMost(0.0, ""));
    Ok(())
}

async fn in_the_box(bench: &Bench, ledger: &Ledger) -> Duration {
    let began = Instant::now();
    while began.elapsed() < bench.sizes.at_the_wall && ledger.count() < bench.sizes.to_one {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    began.elapsed()
}
