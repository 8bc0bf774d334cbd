//! The keeper: what has to be done now and then beside the deliveries, and never in a hurry. It brings into the inbox what was spooled
//! while the database was away, and deletes what is old.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::{app::App, clock::Millis, db::DbResult};

/// How often it looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(250);
/// DESIGN.md, "Delivery": inbox and attempts are kept for 14 days. As long a repeat is recognised.
const KEPT: Duration = Duration::from_hours(14 * 24);
/// How often it looks for what has become old.
const EVERY: Duration = Duration::from_hours(1);

/// Works until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut sweep = Sweep::default();
    while !*stop.borrow() {
        if drain(&app).await > 0 {
            continue;
        }
        if let Err(error) = sweep.step(&app).await {
            tracing::debug!(%error, "what is old could not be deleted");
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            _changed = stop.changed() => {}
        }
    }
}

/// How many spooled requests were brought into the inbox.
async fn drain(app: &App) -> usize {
    match app.db.spool_drain().await {
        Ok(0) => 0,
        Ok(drained) => {
            tracing::info!(drained, left = app.db.spooled().waiting, "spooled events are in the database now");
            app.bell.ring();
            drained
        }
        // That the database is away was logged where it was found, and `/health` tells what waits.
        Err(error) => {
            tracing::debug!(%error, "the spool could not be drained");
            0
        }
    }
}

/// Where the walk over each table stands; None: it is over until the next time.
#[derive(Default)]
struct Sweep {
    next: Millis,
    inbox: Option<i64>,
    attempts: Option<i64>,
}

impl Sweep {
    /// A few rows.
    async fn step(&mut self, app: &App) -> DbResult<()> {
        let now = app.clock.now();
        if now >= self.next {
            *self = Self { next: now.after(EVERY), inbox: Some(0), attempts: Some(0) };
        }
        let before = now.before(KEPT);
        if let Some(after) = self.inbox {
            self.inbox = app.db.inbox_forget(before, after).await?;
        }
        if let Some(after) = self.attempts {
            self.attempts = app.db.attempt_forget(before, after).await?;
        }
        Ok(())
    }
}
