//! Buckets on disk: a portal goes on counting while the server restarts.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{Bucket, Gates, PortalGates};
use crate::{
    app::App,
    clock::Millis,
    db::{Bucket as Row, DbResult},
};

/// How often what has changed is written, all portals in one go.
const WRITTEN: Duration = Duration::from_secs(1);

impl Gates {
    /// Takes over what was written. After an unclean end the last second's calls are not in it: whatever portal was called then is full
    /// for all that we know, so every one that is not known is.
    fn take_over(&self, rows: Vec<Row>, now: Millis) {
        let drained = Duration::from_secs_f64(self.limits.burst / self.limits.rate);
        let unclean =
            rows.iter().filter(|row| !row.clean).map(|row| row.written_at.after(WRITTEN).after(drained)).max();
        let mut known = self.known();
        known.unseen_until = unclean.unwrap_or(Millis(0));
        for row in rows.into_iter().filter(|row| row.clean && row.empty_at > now) {
            let bucket = Bucket::until(row.empty_at, self.limits, now);
            known.portals.insert(row.portal.clone(), PortalGates { bucket, ..PortalGates::default() });
            known.closed.insert(row.portal);
        }
    }

    /// What has changed since it was last asked.
    fn unwritten(&self, clean: bool, now: Millis) -> Vec<Row> {
        let mut known = self.known();
        let mut rows = Vec::new();
        for (portal, gates) in &mut known.portals {
            if std::mem::take(&mut gates.changed) || clean {
                let empty_at = gates.bucket.empty_at(self.limits);
                rows.push(Row { portal: portal.clone(), empty_at, written_at: now, clean });
            }
        }
        rows
    }
}

/// Before the first call of this process.
pub async fn load(app: &App) -> DbResult<()> {
    let now = app.clock.now();
    app.gates.take_over(app.db.bucket_all().await?, now);
    app.db.bucket_begin(now).await
}

/// Writes what has changed until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(WRITTEN) => {}
            _changed = stop.changed() => {}
        }
        save(&app, false).await;
    }
}

/// `clean`: nobody calls any more, so that what is written is all.
pub async fn save(app: &App, clean: bool) {
    let rows = app.gates.unwritten(clean, app.clock.now());
    if rows.is_empty() {
        return;
    }
    if let Err(error) = app.db.bucket_put(rows).await {
        tracing::error!(%error, "the portals' buckets could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::ids::PortalId, relay::gates::Caller};

    fn portal(name: &str) -> PortalId {
        PortalId(name.into())
    }

    fn used(calls: usize, now: Millis) -> Gates {
        let gates = Gates::new(2.0, 50.0);
        for _call in 0..calls {
            let passed = gates.pass(&portal("p"), ("app.info", 0), Caller::Background, now).unwrap();
            gates.succeeded(&passed, None, now);
        }
        gates
    }

    fn calls(gates: &Gates, name: &str, now: Millis) -> usize {
        let pass = |_| gates.pass(&portal(name), ("app.info", 0), Caller::Background, now).is_ok();
        (0..60).take_while(|at| pass(*at)).count()
    }

    #[test]
    fn after_a_proper_stop_the_bucket_goes_on_where_it_was() {
        let rows = used(40, Millis(0)).unwritten(true, Millis(0));
        let next = Gates::new(2.0, 50.0);
        next.take_over(rows, Millis(5_000));
        assert_eq!((calls(&next, "p", Millis(5_000)), calls(&next, "q", Millis(5_000))), (12, 42));
    }

    #[test]
    fn after_any_other_end_every_bucket_is_taken_for_full() {
        let rows = used(1, Millis(0)).unwritten(false, Millis(0));
        let next = Gates::new(2.0, 50.0);
        next.take_over(rows.clone(), Millis(500));
        assert_eq!((calls(&next, "p", Millis(500)), calls(&next, "q", Millis(500))), (0, 0));
        assert_eq!(calls(&next, "q", Millis(26_000)), 42);
        let late = Gates::new(2.0, 50.0);
        late.take_over(rows, Millis(60_000));
        assert_eq!(calls(&late, "q", Millis(60_000)), 42, "what was full then has leaked away");
    }

    #[test]
    fn what_was_written_is_not_written_again() {
        let gates = used(1, Millis(0));
        assert_eq!(gates.unwritten(false, Millis(0)).len(), 1);
        assert!(gates.unwritten(false, Millis(1)).is_empty());
    }
}
