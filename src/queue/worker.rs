//! The worker: expands, claims, delivers, records.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    app::App,
    db::{DbError, DbResult, Delivery, DeliveryState, InboxItem, Settled, Source},
    domain::ids::PortalId,
    outgoing::CALL_TIMEOUT,
    relay::{self, ExpandError},
};

/// Inbox items expanded between two looks at the deliveries.
const EXPAND_AT_ONCE: i64 = 64;
/// Deliveries under way at the same time in this process.
const AT_ONCE: usize = 256;
/// How often the database is asked although the bell was silent.
const POLL: Duration = Duration::from_secs(1);
/// An item that fails to expand this often is put aside to be looked at.
const MAX_EXPANSIONS: i32 = 8;
const EXPAND_AGAIN: Duration = Duration::from_secs(5);
/// A result that the database itself refuses so often is written without what follows from it.
const MAX_REFUSALS: usize = 5;
/// How long the calls under way are waited for when the server stops: the longest of them, and a moment to write it down.
const STOP_PATIENCE: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(5));

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

/// Concludes what the last process left, then works until told to stop, then lets what is under way finish.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut recovered = false;
    while !*stop.borrow() {
        let worked = if recovered {
            round(&app, &mut tasks).await
        } else {
            let swept = recover(&app, &mut tasks).await;
            recovered = swept.is_ok();
            swept.map(|()| true)
        };
        let busy = worked.unwrap_or_else(|error| {
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
    // Whoever is not done by then is concluded by the next start.
    let finish = async { while tasks.join_next().await.is_some() {} };
    if timeout(STOP_PATIENCE, finish).await.is_err() {
        tracing::error!("calls were still under way when the server stopped");
    }
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
    let mut expanded = 0;
    let mut held: Vec<(PortalId, Source)> = Vec::new();
    for item in items {
        let from = (item.portal.clone(), item.source.clone());
        // An earlier item that must wait may be of the same chat: the later one must not overtake it.
        if held.contains(&from) {
            continue;
        }
        expanded += 1;
        if !expand_one(app, &item).await? {
            held.push(from);
        }
    }
    Ok(expanded)
}

/// False when the item waits to be tried again.
async fn expand_one(app: &Arc<App>, item: &InboxItem) -> DbResult<bool> {
    let understood = AssertUnwindSafe(relay::expand(app, item)).catch_unwind().await;
    let understood = understood.unwrap_or_else(|_panic| Err(ExpandError::Malformed("a panic".into())));
    let (failure, hopeless) = match understood {
        Ok(expansion) => match app.db.inbox_expand(&item.portal, item.id, expansion, app.clock.now()).await {
            Ok(()) => return Ok(true),
            Err(error) => (error.to_string(), false),
        },
        Err(error) => (error.to_string(), matches!(error, ExpandError::Malformed(_))),
    };
    let hopeless = hopeless || item.tries >= MAX_EXPANSIONS;
    let again = (!hopeless).then(|| app.clock.now().after(EXPAND_AGAIN));
    tracing::error!(inbox = %item.id, portal = %item.portal, failure, hopeless, "an inbox item could not be expanded");
    app.db.inbox_postpone(&item.portal, item.id, again, failure).await?;
    Ok(hopeless)
}

/// What the last process left half done: repeated where that does no harm, else found out or told.
async fn recover(app: &Arc<App>, tasks: &mut JoinSet<()>) -> DbResult<()> {
    let (again, interrupted) = app.db.delivery_sweep(relay::REPEATABLE, app.clock.now()).await?;
    if again > 0 || !interrupted.is_empty() {
        tracing::warn!(again, unknown = interrupted.len(), "deliveries were interrupted when the server stopped");
    }
    for delivery in interrupted {
        let app = Arc::clone(app);
        tasks.spawn(async move {
            conclude(&app, &delivery, "interrupted").await;
            app.bell.ring();
        });
    }
    Ok(())
}

async fn carry_out(app: Arc<App>, delivery: Delivery) {
    match AssertUnwindSafe(relay::deliver(&app, &delivery)).catch_unwind().await {
        Ok(settled) => record(&app, &delivery, settled).await,
        Err(_panic) => conclude(&app, &delivery, "panic").await,
    }
}

/// Ends an attempt whose own end nobody saw.
async fn conclude(app: &App, delivery: &Delivery, why: &'static str) {
    tracing::error!(delivery = %delivery.id, why, "an attempt ended without an outcome");
    let settled = AssertUnwindSafe(relay::unseen(app, delivery, why)).catch_unwind().await;
    let bare = || Settled { error: Some(why.into()), ..Settled::new(DeliveryState::Unknown, why) };
    record(app, delivery, settled.unwrap_or_else(|_panic| bare())).await;
}

/// A result that cannot be written now must be written later: forgetting it would do the work twice. What follows from it is
/// given up only when the database refuses it for good.
async fn record(app: &App, delivery: &Delivery, settled: Settled) {
    let mut next = settled;
    let mut refused = 0;
    while let Err(error) = app.db.delivery_settle(&delivery.portal, delivery.id, next.clone(), app.clock.now()).await {
        tracing::error!(delivery = %delivery.id, %error, "the result of a delivery could not be written");
        refused += usize::from(!matches!(error, DbError::Unavailable(_)));
        if refused >= MAX_REFUSALS {
            next = Settled {
                due_at: next.due_at,
                told: next.told,
                error: next.error,
                ..Settled::new(next.state, next.outcome)
            };
        }
        tokio::time::sleep(POLL).await;
    }
}
