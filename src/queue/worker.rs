//! The worker: expands, claims, delivers, records.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    app::App,
    db::{DbResult, Delivery, DeliveryState, InboxItem, Settled},
    relay,
};

/// Inbox items expanded between two looks at the deliveries.
const EXPAND_AT_ONCE: i64 = 64;
/// Deliveries under way at the same time in this process.
const AT_ONCE: usize = 128;
/// How often the database is asked although the bell was silent.
const POLL: Duration = Duration::from_secs(1);
/// An item that fails to expand this often is put aside to be looked at.
const MAX_EXPANSIONS: i32 = 8;

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub expanded: usize,
    pub delivered: usize,
}

impl Work {
    pub fn is_idle(self) -> bool {
        self == Self::default()
    }
}

/// One round: everything that is due now, waited for. Tests call it; [`run`] is the loop around the same pieces.
pub async fn step(app: &Arc<App>) -> DbResult<Work> {
    let expanded = expand(app).await?;
    let claimed = claim(app, AT_ONCE).await?;
    let delivered = claimed.len();
    let mut tasks = JoinSet::new();
    for delivery in claimed {
        tasks.spawn(carry_out(Arc::clone(app), delivery));
    }
    while tasks.join_next().await.is_some() {}
    Ok(Work { expanded, delivered })
}

/// Works until told to stop, then lets what is under way finish.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    while !*stop.borrow() {
        let busy = round(&app, &mut tasks).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the queue could not be read");
            false
        });
        while tasks.try_join_next().is_some() {}
        if !busy {
            tokio::select! {
                () = app.bell.wait(POLL) => {}
                _done = tasks.join_next(), if !tasks.is_empty() => {}
                _changed = stop.changed() => {}
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Starts what there is room for; true when there may be more.
async fn round(app: &Arc<App>, tasks: &mut JoinSet<()>) -> DbResult<bool> {
    let expanded = expand(app).await?;
    let room = AT_ONCE.saturating_sub(tasks.len());
    let claimed = if room == 0 { Vec::new() } else { claim(app, room).await? };
    let busy = expanded > 0 || !claimed.is_empty();
    for delivery in claimed {
        let app = Arc::clone(app);
        tasks.spawn(async move {
            carry_out(Arc::clone(&app), delivery).await;
            // The next one of its lane may be due already.
            app.bell.ring();
        });
    }
    Ok(busy)
}

async fn claim(app: &Arc<App>, room: usize) -> DbResult<Vec<Delivery>> {
    app.db.delivery_claim(i64::try_from(room).unwrap_or(1), app.clock.now()).await
}

async fn expand(app: &Arc<App>) -> DbResult<usize> {
    let items = app.db.inbox_due(EXPAND_AT_ONCE, app.clock.now()).await?;
    let count = items.len();
    for item in items {
        expand_one(app, &item).await?;
    }
    Ok(count)
}

async fn expand_one(app: &Arc<App>, item: &InboxItem) -> DbResult<()> {
    let failure = match relay::expand(app, item).await {
        Ok(expansion) => match app.db.inbox_expand(&item.portal, item.id, expansion, app.clock.now()).await {
            Ok(()) => return Ok(()),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    let again = (item.tries < MAX_EXPANSIONS).then(|| app.clock.now().after(Duration::from_secs(5)));
    tracing::error!(inbox = %item.id, portal = %item.portal, failure, "an inbox item could not be expanded");
    app.db.inbox_postpone(&item.portal, item.id, again, failure).await
}

async fn carry_out(app: Arc<App>, delivery: Delivery) {
    let work = AssertUnwindSafe(relay::deliver(&app, &delivery)).catch_unwind();
    let settled = work.await.unwrap_or_else(|_panic| {
        tracing::error!(delivery = %delivery.id, "a delivery panicked");
        Settled { error: Some("panic".into()), ..Settled::new(DeliveryState::Unknown, "panic") }
    });
    // A result that cannot be written now must be written later: forgetting it would do the work twice.
    while let Err(error) = app.db.delivery_settle(&delivery.portal, delivery.id, settled.clone(), app.clock.now()).await
    {
        tracing::error!(delivery = %delivery.id, %error, "the result of a delivery could not be written");
        tokio::time::sleep(POLL).await;
    }
}
