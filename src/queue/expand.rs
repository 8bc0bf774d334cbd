//! Expands what came in: reads items, has `relay` understand them, writes what follows.
//!
//! Items are understood side by side and written in the order in which they came, one transaction each, which the writer puts
//! into one commit.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{sync::watch, time::sleep};

use crate::{
    app::App,
    db::{DbError, DbResult, Expansion, InboxItem, Round, Source, Turn},
    domain::ids::PortalId,
    relay::{self, ExpandError},
};

/// Items expanded at once: they are in memory together, and one commit is enough for them.
const AT_ONCE: i64 = 64;
/// An item that fails to expand this often is put aside to be looked at.
const MAX_TRIES: i32 = 8;
const AGAIN: Duration = Duration::from_secs(5);
/// Before a database that failed is asked again.
const AWAY: Duration = Duration::from_secs(1);

/// Works until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match round(&app).await {
            Ok(0) => tokio::select! {
                () = app.bell.arrived(app.node.poll()) => {}
                _changed = stop.changed() => {}
            },
            Ok(_expanded) => app.bell.ring_due(),
            Err(error) => {
                tracing::error!(%error, "what came in could not be expanded");
                // No bell: what rings it comes faster than a database returns.
                tokio::select! {
                    () = sleep(AWAY) => {}
                    _changed = stop.changed() => {}
                }
            }
        }
    }
}

/// How many items were expanded.
async fn round(app: &App) -> DbResult<usize> {
    let items = app.db.inbox_due(app.node.id(), app.node.takes(), AT_ONCE, app.clock.now()).await?;
    let understood = join_all(items.iter().map(|item| understand(app, item))).await;
    let order = Round::default();
    let mut held: Vec<(&PortalId, &Source)> = Vec::new();
    let mut writes = Vec::with_capacity(items.len());
    for (item, outcome) in items.iter().zip(understood) {
        // An earlier item that must wait may be of the same chat: the later one must not overtake it.
        if held.contains(&(&item.portal, &item.source)) {
            continue;
        }
        if matches!(&outcome, Err(error) if !is_hopeless(item, error)) {
            held.push((&item.portal, &item.source));
        }
        writes.push(write(app, item, outcome, order.turn(item)));
    }
    let count = writes.len();
    // The futures begin in this order, and the writer takes commands in the order in which they were given.
    for written in join_all(writes).await {
        written?;
    }
    Ok(count)
}

async fn understand(app: &App, item: &InboxItem) -> Result<Expansion, ExpandError> {
    let understood = AssertUnwindSafe(relay::expand(app, item)).catch_unwind().await;
    understood.unwrap_or_else(|_panic| Err(ExpandError::Malformed("a panic".into())))
}

fn is_hopeless(item: &InboxItem, error: &ExpandError) -> bool {
    matches!(error, ExpandError::Malformed(_)) || item.tries >= MAX_TRIES
}

async fn write(app: &App, item: &InboxItem, outcome: Result<Expansion, ExpandError>, turn: Turn) -> DbResult<()> {
    let error = match outcome {
        Ok(expansion) => match app.db.inbox_expand(&item.portal, (item.id, turn), expansion, app.clock.now()).await {
            Ok(()) => return Ok(()),
            Err(error @ DbError::Unavailable(_)) => return Err(error),
            Err(error) => ExpandError::Db(error),
        },
        // It is not the item's fault that the database is away or full: it is not given up for that.
        Err(ExpandError::Db(error @ DbError::Unavailable(_))) => return Err(error),
        Err(error) => error,
    };
    let hopeless = is_hopeless(item, &error);
    let again = (!hopeless).then(|| app.clock.now().after(AGAIN));
    tracing::error!(inbox = %item.id, portal = %item.portal, %error, hopeless, "an inbox item could not be expanded");
    app.db.inbox_postpone(&item.portal, item.id, again, error.to_string()).await
}
