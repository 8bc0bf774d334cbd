//! The worker: expands, claims, delivers, records.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::places::Places;
use crate::{
    app::App,
    db::{DbError, DbResult, Delivery, DeliveryState, InboxItem, Settled, Source},
    domain::ids::PortalId,
    outgoing::CALL_TIMEOUT,
    relay::{self, ExpandError},
};

/// Inbox items expanded between two looks at the deliveries.
const EXPAND_AT_ONCE: i64 = 64;
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

/// One round: everything that is due now, waited for. Tests call it; [`run`] is the loop around the same pieces.
pub async fn step(app: &Arc<App>) -> DbResult<Work> {
    let expanded = expand(app).await?;
    let mut under_way = UnderWay::default();
    let delivered = under_way.start(app).await?;
    while under_way.one_ended().await {}
    Ok(Work { expanded, delivered })
}

/// Works until told to stop, then lets what is under way finish.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut under_way = UnderWay::default();
    while !*stop.borrow() {
        let busy = round(&app, &mut under_way).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the queue could not be read");
            false
        });
        if !busy {
            tokio::select! {
                () = app.bell.wait(POLL) => {}
                _ended = under_way.one_ended(), if !under_way.is_empty() => {}
                _changed = stop.changed() => {}
            }
        }
    }
    // Whatever is not done by then is asked about by the next start.
    if timeout(STOP_PATIENCE, async { while under_way.one_ended().await {} }).await.is_err() {
        tracing::error!("calls were still under way when the server stopped");
    }
}

/// Starts what there is room for; true when there may be more.
async fn round(app: &Arc<App>, under_way: &mut UnderWay) -> DbResult<bool> {
    let expanded = expand(app).await?;
    under_way.forget_ended();
    let started = under_way.start(app).await?;
    Ok(expanded > 0 || started > 0)
}

/// The calls that run now.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    places: Places,
}

impl UnderWay {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Claims and starts what there is room for.
    async fn start(&mut self, app: &Arc<App>) -> DbResult<usize> {
        let now = app.clock.now();
        let messages = |portal: &PortalId| relay::messages_a_call(app, portal);
        let room = self.places.room(app.gates.closed(now), messages, (now, Instant::now()));
        if room.total == 0 {
            return Ok(0);
        }
        let claimed = app.db.delivery_claim(room, now).await?;
        let count = claimed.len();
        for group in relay::groups(claimed, messages) {
            let Some(work) = group.first().map(|first| (first.portal.clone(), first.kind)) else { continue };
            let app = Arc::clone(app);
            let task = self.tasks.spawn(async move { carry_out(&app, group).await });
            self.places.enter(task.id(), work, Instant::now());
        }
        Ok(count)
    }

    /// Waits for one to end; false when none runs.
    async fn one_ended(&mut self) -> bool {
        let Some(ended) = self.tasks.join_next_with_id().await else { return false };
        self.places.leave(ended.map_or_else(|error| error.id(), |(task, ())| task), Instant::now());
        true
    }

    fn forget_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.places.leave(ended.map_or_else(|error| error.id(), |(task, ())| task), Instant::now());
        }
    }
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

/// Makes an attempt at each delivery of a group and records how it ended.
async fn carry_out(app: &Arc<App>, group: Vec<Delivery>) {
    let outcomes = AssertUnwindSafe(relay::deliver(app, &group)).catch_unwind().await.unwrap_or_default();
    // Together, so that they share a commit.
    join_all(group.iter().map(async |delivery| {
        let settled = match outcomes.iter().find(|(id, _)| *id == delivery.id) {
            Some((_, settled)) => settled.clone(),
            None => conclude(app, delivery).await,
        };
        record(app, delivery, settled).await;
    }))
    .await;
}

/// Ends an attempt that our own code broke off.
async fn conclude(app: &App, delivery: &Delivery) -> Settled {
    const WHY: &str = "panic";
    tracing::error!(delivery = %delivery.id, "an attempt broke off");
    let settled = AssertUnwindSafe(relay::broken(app, delivery, WHY)).catch_unwind().await;
    settled.unwrap_or_else(|_panic| Settled { error: Some(WHY.into()), ..Settled::new(DeliveryState::Unknown, WHY) })
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
                uncertain: next.uncertain,
                counted: next.counted,
                told: next.told,
                error: next.error,
                ..Settled::new(next.state, next.outcome)
            };
        }
        tokio::time::sleep(POLL).await;
    }
}
