//! The figures, in the order of the table.

mod accept;
mod portal;
mod relay;
mod scale;
mod slow;

use super::{Bench, BenchError, report::Report};

/// Measures what is wanted.
pub async fn all(bench: &Bench) -> Result<Report, BenchError> {
    let mut report = Report::default();
    accept::throughput(bench, &mut report).await?;
    accept::slow_disk(bench, &mut report).await?;
    accept::latency(bench, &mut report).await?;
    relay::throughput(bench, &mut report).await?;
    relay::latency(bench, &mut report).await?;
    portal::bucket(bench, &mut report).await?;
    portal::operating(bench, &mut report).await?;
    scale::cost(bench, &mut report).await?;
    scale::memory(bench, &mut report).await?;
    scale::start(bench, &mut report).await?;
    slow::portals(bench, &mut report).await?;
    Ok(report)
}
