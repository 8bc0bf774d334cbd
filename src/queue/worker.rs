//! Claims what is due, delivers it, records how it went.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::places::Places;
use crate::{
    app::App,
    clock::Millis,
    db::{DbError, DbResult, Delivery, DeliveryState, Room, Settled},
    domain::ids::{NodeId, PortalId},
    failpoint,
    outgoing::{self, CALL_TIMEOUT},
    relay,
};

/// Before a database that failed is asked again, or given the same result to write.
const AGAIN: Duration = Duration::from_secs(1);
/// A result that the database itself refuses so often is written without what follows from it.
const MAX_REFUSALS: usize = 5;
/// How long the calls under way are waited for when the server stops: the longest of them, and a moment to write it down.
pub const STOP_PATIENCE: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(5));

/// Works until told to stop, then lets what is under way finish.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut under_way = UnderWay::default();
    let mut looks_at = Millis(0);
    while !*stop.borrow() {
        if app.clock.now() >= looks_at {
            relay::lost::begin_due(&app).await;
            relay::unheard::begin_due(&app).await;
            relay::licenses::begin_due(&app).await;
            looks_at = app.clock.now().after(relay::lost::ASK);
        }
        under_way.forget_ended();
        match under_way.start(&app).await {
            Ok(0) => tokio::select! {
                () = app.bell.due(app.node.poll()) => {}
                _ended = under_way.one_ended(), if !under_way.is_empty() => {}
                _changed = stop.changed() => {}
            },
            Ok(_started) => {}
            Err(error) => {
                tracing::error!(%error, "what is due could not be claimed");
                // No bell: what rings it comes faster than a database returns.
                tokio::select! {
                    () = sleep(AGAIN) => {}
                    _changed = stop.changed() => {}
                }
            }
        }
    }
    // Whatever is not done by then is asked about by the next start.
    if timeout(STOP_PATIENCE, async { while under_way.one_ended().await {} }).await.is_err() {
        tracing::error!("calls were still under way when the server stopped");
    }
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
        if !app.node.may_act() {
            return Ok(0);
        }
        let now = app.clock.now();
        let messages = |portal: &PortalId| relay::messages_a_call(app, portal);
        let room = self.places.room(app.gates.closed(now), messages, (now, Instant::now()));
        if room.total == 0 {
            return Ok(0);
        }
        let room = Room { takes: app.node.takes(), ..room };
        let me = app.node.id();
        let claimed = app.db.delivery_claim(me, room, now).await?;
        let count = claimed.len();
        if count > 0 {
            failpoint::pass("claimed");
        }
        for group in relay::groups(claimed, messages) {
            let Some(work) = group.first().map(|first| (first.portal.clone(), first.kind)) else { continue };
            let app = Arc::clone(app);
            let task = self.tasks.spawn(async move { carry_out(&app, group, me).await });
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

/// Makes an attempt at each delivery of a group, claimed in the name of `me`, and records how it ended.
async fn carry_out(app: &Arc<App>, group: Vec<Delivery>, me: NodeId) {
    let attempts = pin!(AssertUnwindSafe(relay::deliver(app, &group)).catch_unwind());
    let node = app.node.clone();
    let (outcomes, why) = match outgoing::only_while(move || node.acts_as(me), attempts).await {
        Some(done) => (done.unwrap_or_default(), "panic"),
        None => (Vec::new(), "node_silent"),
    };
    failpoint::pass("sent");
    let mut outcomes: HashMap<_, _> = outcomes.into_iter().collect();
    let ended = group.iter().map(|delivery| {
        let outcome = outcomes.remove(&delivery.id);
        async move {
            let settled = match outcome {
                Some(settled) => settled,
                None => conclude(app, delivery, why).await,
            };
            record(app, delivery, settled).await;
            failpoint::pass("settled");
        }
    });
    join_all(ended).await;
}

/// Ends an attempt that our own code broke off.
async fn conclude(app: &App, delivery: &Delivery, why: &'static str) -> Settled {
    tracing::error!(delivery = %delivery.id, why, "an attempt broke off");
    let settled = AssertUnwindSafe(relay::broken(app, delivery, why)).catch_unwind().await;
    settled.unwrap_or_else(|_panic| Settled { error: Some(why.into()), ..Settled::new(DeliveryState::Unknown, why) })
}

/// A result that cannot be written now must be written later: forgetting it would do the work twice. What follows from it is
/// given up only when the database refuses it for good.
async fn record(app: &App, delivery: &Delivery, settled: Settled) {
    let mut next = settled;
    let mut refused = 0;
    loop {
        match app.db.delivery_settle(delivery, next.clone(), app.clock.now()).await {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!(delivery = %delivery.id, outcome = next.outcome, "a result came too late: another node has the portal");
                return;
            }
            Err(error) => {
                tracing::error!(delivery = %delivery.id, %error, "the result of a delivery could not be written");
                refused += usize::from(!matches!(error, DbError::Unavailable(_)));
            }
        }
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
        sleep(AGAIN).await;
    }
}
