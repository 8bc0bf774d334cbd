//! The keeper: what has to be done now and then beside the deliveries, and never in a hurry.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::app::App;

/// How often it looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(250);

/// Works until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let drained = drain(&app).await;
        if drained > 0 {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _changed = stop.changed() => {}
        }
    }
}

/// Brings into the inbox what was spooled while the database was away.
async fn drain(app: &App) -> usize {
    match app.db.spool_drain().await {
        Ok(0) => 0,
        Ok(drained) => {
            tracing::info!(drained, left = app.db.spooled().waiting, "spooled events are in the database now");
            app.bell.ring();
            drained
        }
        // That the database is away was logged where it was found; the spool's own failure is not told elsewhere.
        Err(error) => {
            tracing::debug!(%error, "the spool could not be drained");
            0
        }
    }
}
