//! Which delivery runs when.
//!
//! A *lane* is the order in which the deliveries of one chat in one direction must happen. Only the head of a lane is `waiting`;
//! what comes after it is `queued` and becomes the head when the one before it has ended. A parked or failing head holds its
//! own lane and nothing else. A portal's row says when its next head can run (`ready_at`) and until when its REST budget
//! lets nothing run (`gated_until`): the dispatcher asks for ready portals, then for each one's due heads, so its cost depends on
//! what is due now and not on what waits.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{
    Db, DbResult, Delivery, DeliveryKind, DeliveryState, NewDelivery, PortalState,
    conn::Conn,
    deliveries::{OPEN, Priority, Row},
    schema::{attempt, delivery, portal},
};
use crate::{
    clock::Millis,
    domain::ids::{DeliveryId, PortalId},
};

/// Portals looked at in one round.
const PORTALS_AT_ONCE: i64 = 64;
/// What still runs while a portal is parked: what goes to its clients, and what may bring it back or end it.
const WHILE_PARKED: &[&str] =
    &[DeliveryKind::ToCore.text(), DeliveryKind::Provision.text(), DeliveryKind::Uninstall.text()];
/// What still runs when it is uninstalled.
const WHILE_STOPPED: &[&str] = &[DeliveryKind::Uninstall.text()];

/// How much may be claimed.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// All in all.
    pub total: usize,
    /// Of one portal, so that a slow one cannot take every place.
    pub per_portal: usize,
    /// Portals that have as many under way as they may.
    pub full: Vec<PortalId>,
}

/// A literal, so that the partial index is seen to fit.
fn is_head() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql("delivery.state IN ('waiting', 'parked')")
}

/// The portal has something to do at `due_at`.
fn touch(conn: &mut Conn, id: &str, due_at: i64) -> DbResult<()> {
    let known: Option<(Option<i64>, i64)> =
        portal::table.find(id).select((portal::ready_at, portal::gated_until)).first(conn).optional()?;
    let Some((ready_at, gated_until)) = known else { return Ok(()) };
    let ready = due_at.max(gated_until);
    if ready_at.is_none_or(|known| known > ready) {
        diesel::update(portal::table.find(id)).set(portal::ready_at.eq(ready)).execute(conn)?;
    }
    Ok(())
}

/// Adds a delivery at the end of its lane.
pub(super) fn insert(conn: &mut Conn, owner: &str, new: &NewDelivery, now: Millis) -> DbResult<()> {
    let lane = new.lane.text()?;
    let ahead: Option<i64> = delivery::table
        .filter(delivery::lane.eq(&lane).and(delivery::state.eq_any(OPEN)))
        .select(delivery::id)
        .first(conn)
        .optional()?;
    let state = if ahead.is_some() { DeliveryState::Queued } else { DeliveryState::Waiting };
    diesel::insert_into(delivery::table)
        .values((
            delivery::portal_id.eq(owner),
            delivery::lane.eq(lane),
            delivery::kind.eq(new.kind.text()),
            delivery::priority.eq(new.priority.number()),
            delivery::message_id.eq(new.message.map(|id| id.0)),
            delivery::part_id.eq(new.part.map(|id| id.0)),
            delivery::run_id.eq(new.run.map(|id| id.0)),
            delivery::payload.eq(&new.payload),
            delivery::state.eq(state.text()),
            delivery::due_at.eq(new.due_at.0),
            delivery::tries.eq(0),
            delivery::uncertain.eq(false),
            delivery::created_at.eq(now.0),
            delivery::changed_at.eq(now.0),
        ))
        .execute(conn)?;
    if ahead.is_none() { touch(conn, owner, new.due_at.0) } else { Ok(()) }
}

/// The head of a delivery's lane has ended: the next one is the head.
fn promote(conn: &mut Conn, id: DeliveryId) -> DbResult<()> {
    let lane: String = delivery::table.find(id.0).select(delivery::lane).first(conn)?;
    let next: Option<(i64, String, String, i64)> = delivery::table
        .filter(delivery::lane.eq(lane).and(delivery::state.eq_any(OPEN)))
        .order(delivery::id)
        .select((delivery::id, delivery::state, delivery::portal_id, delivery::due_at))
        .first(conn)
        .optional()?;
    let Some((next, _queued, owner, due_at)) = next.filter(|(_, state, ..)| state == DeliveryState::Queued.text())
    else {
        return Ok(());
    };
    diesel::update(delivery::table.find(next)).set(delivery::state.eq(DeliveryState::Waiting.text())).execute(conn)?;
    touch(conn, &owner, due_at)
}

/// Brings lane and portal in step with a delivery's new state.
pub(super) fn settled(
    conn: &mut Conn,
    owner: &str,
    id: DeliveryId,
    (state, due_at): (DeliveryState, Millis),
) -> DbResult<()> {
    match state {
        DeliveryState::Waiting | DeliveryState::Parked => touch(conn, owner, due_at.0),
        DeliveryState::Queued | DeliveryState::Sending => Ok(()),
        DeliveryState::Done | DeliveryState::Failed | DeliveryState::Unknown | DeliveryState::Cancelled => {
            promote(conn, id)
        }
    }
}

/// The due heads of one portal, the most urgent first.
fn heads(
    conn: &mut Conn,
    owner: &str,
    (kinds, room): (Option<&[&'static str]>, usize),
    now: Millis,
) -> DbResult<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for priority in Priority::ALL {
        let left = i64::try_from(room.saturating_sub(rows.len())).unwrap_or(0);
        let mut due = delivery::table
            .filter(delivery::portal_id.eq(owner.to_owned()).and(is_head()))
            .filter(delivery::priority.eq(priority.number()).and(delivery::due_at.le(now.0)))
            .into_boxed();
        if let Some(kinds) = kinds {
            due = due.filter(delivery::kind.eq_any(kinds.to_vec()));
        }
        rows.extend(due.order((delivery::due_at, delivery::id)).limit(left).load::<Row>(conn)?);
    }
    Ok(rows)
}

/// When the portal has to be looked at again.
fn next_ready(conn: &mut Conn, owner: &str) -> DbResult<Option<i64>> {
    let mut next: Option<i64> = None;
    for priority in Priority::ALL {
        let first: Option<i64> = delivery::table
            .filter(delivery::portal_id.eq(owner).and(is_head()))
            .filter(delivery::priority.eq(priority.number()))
            .order((delivery::due_at, delivery::id))
            .select(delivery::due_at)
            .first(conn)
            .optional()?;
        next = next.into_iter().chain(first).min();
    }
    Ok(next)
}

fn begin_attempt(conn: &mut Conn, row: &mut Row, now: Millis) -> DbResult<()> {
    diesel::update(delivery::table.find(row.id))
        .set((
            delivery::state.eq(DeliveryState::Sending.text()),
            delivery::tries.eq(delivery::tries + 1),
            delivery::changed_at.eq(now.0),
        ))
        .execute(conn)?;
    diesel::insert_into(attempt::table)
        .values((attempt::portal_id.eq(&row.portal_id), attempt::delivery_id.eq(row.id), attempt::started_at.eq(now.0)))
        .execute(conn)?;
    row.tries += 1;
    DeliveryState::Sending.text().clone_into(&mut row.state);
    Ok(())
}

impl Db {
    /// Adds a delivery that belongs to no message.
    pub async fn delivery_add(&self, portal: &PortalId, new: NewDelivery, now: Millis) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| insert(conn, &portal, &new, now)).await
    }

    /// Takes due heads of ready portals, those that have waited longest first, and records that an attempt at each begins.
    pub async fn delivery_claim(&self, room: Room, now: Millis) -> DbResult<Vec<Delivery>> {
        self.write(move |conn| {
            let full: Vec<String> = room.full.iter().map(|portal| portal.0.clone()).collect();
            let ready: Vec<(String, String)> = portal::table
                .filter(portal::ready_at.le(now.0))
                .filter(portal::id.ne_all(full))
                .order(portal::ready_at)
                .limit(PORTALS_AT_ONCE)
                .select((portal::id, portal::state))
                .load(conn)?;
            let mut claimed = Vec::new();
            for (owner, state) in ready {
                let left = room.total.saturating_sub(claimed.len()).min(room.per_portal);
                if left == 0 {
                    break;
                }
                let kinds = match PortalState::read(&state)? {
                    PortalState::Active => None,
                    PortalState::Parked => Some(WHILE_PARKED),
                    PortalState::Stopped => Some(WHILE_STOPPED),
                };
                let mut rows = heads(conn, &owner, (kinds, left), now)?;
                for row in &mut rows {
                    begin_attempt(conn, row, now)?;
                }
                // A parked portal with nothing to do now is looked at again when it comes back or when something is added.
                let next = if kinds.is_some() && rows.is_empty() { None } else { next_ready(conn, &owner)? };
                // To the end of the row of ready portals, so that one with much to do does not hold the others up.
                let next = next.map(|at| at.max(now.0));
                diesel::update(portal::table.find(&owner)).set(portal::ready_at.eq(next)).execute(conn)?;
                claimed.extend(rows.into_iter().map(Delivery::try_from).collect::<DbResult<Vec<_>>>()?);
            }
            Ok(claimed)
        })
        .await
    }

    /// Lets nothing of a portal run before `until`: its REST budget is used up.
    pub async fn portal_gate(&self, portal: &PortalId, until: Millis) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            diesel::update(portal::table.find(&owner)).set(portal::gated_until.eq(until.0)).execute(conn)?;
            diesel::update(portal::table.find(&owner).filter(portal::ready_at.lt(until.0)))
                .set(portal::ready_at.eq(until.0))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// When the next portal is ready, if any.
    pub async fn delivery_next_due(&self) -> DbResult<Option<Millis>> {
        self.read(move |conn| {
            let next: Option<i64> = portal::table
                .filter(portal::ready_at.is_not_null())
                .order(portal::ready_at)
                .select(portal::ready_at)
                .first::<Option<i64>>(conn)
                .optional()?
                .flatten();
            Ok(next.map(Millis))
        })
        .await
    }

    /// After a crash: attempts that nobody finished run again. Those that might do something twice are marked, so that the other
    /// side is asked first. Returns how many of each.
    pub async fn delivery_sweep(&self, repeatable: &'static [DeliveryKind], now: Millis) -> DbResult<(usize, usize)> {
        self.write(move |conn| {
            let kinds: Vec<&str> = repeatable.iter().map(|kind| kind.text()).collect();
            let sending = || delivery::state.eq(DeliveryState::Sending.text());
            let owners: Vec<String> =
                delivery::table.filter(sending()).select(delivery::portal_id).distinct().load(conn)?;
            diesel::update(attempt::table.filter(attempt::ended_at.is_null()))
                .set((attempt::ended_at.eq(now.0), attempt::outcome.eq("interrupted")))
                .execute(conn)?;
            let waits = (delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0));
            let again = diesel::update(delivery::table.filter(sending().and(delivery::kind.eq_any(kinds))))
                .set(waits)
                .execute(conn)?;
            let uncertain = diesel::update(delivery::table.filter(sending()))
                .set((waits, delivery::uncertain.eq(true)))
                .execute(conn)?;
            for owner in owners {
                touch(conn, &owner, now.0)?;
            }
            Ok((again, uncertain))
        })
        .await
    }

    /// Lets what waits in a portal run again: its grant or one of its channels has been repaired.
    pub async fn delivery_resume(&self, portal: &PortalId, now: Millis) -> DbResult<usize> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            let parked = delivery::portal_id.eq(&owner).and(delivery::state.eq(DeliveryState::Parked.text()));
            let resumed = diesel::update(delivery::table.filter(parked))
                .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
                .execute(conn)?;
            if let Some(due_at) = next_ready(conn, &owner)? {
                touch(conn, &owner, due_at)?;
            }
            Ok(resumed)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        db::{Lane, Settled, testing},
        domain::ids::RunId,
    };

    fn room() -> Room {
        Room { total: 64, per_portal: 8, full: Vec::new() }
    }

    async fn add(db: &Db, portal: &PortalId, lane: i64, kind: DeliveryKind) {
        let new = NewDelivery::new(Lane::Card(RunId(lane)), kind, Millis(0));
        db.delivery_add(portal, new, Millis(0)).await.unwrap();
    }

    async fn claimed(db: &Db, at: i64) -> Vec<Delivery> {
        db.delivery_claim(room(), Millis(at)).await.unwrap()
    }

    #[tokio::test]
    async fn a_portal_with_thousands_due_leaves_room_and_costs_little() {
        let (db, _folder) = testing::db("claim-fair");
        let (big, small) = (testing::portal(&db, "big").await, testing::portal(&db, "small").await);
        futures_util::future::join_all((0..5000).map(|lane| add(&db, &big, lane, DeliveryKind::Note))).await;
        add(&db, &small, 9999, DeliveryKind::Note).await;
        let began = Instant::now();
        let first = claimed(&db, 1).await;
        // Without the indexes it takes minutes; the bound is for loaded machines.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        let of = |portal: &PortalId| first.iter().filter(|delivery| delivery.portal == *portal).count();
        assert_eq!((of(&big), of(&small)), (8, 1));
        // What must not wait is not behind the thousands.
        let urgent = NewDelivery::new(Lane::Card(RunId(10_000)), DeliveryKind::ToAddress, Millis(1)).urgent();
        db.delivery_add(&big, urgent, Millis(1)).await.unwrap();
        assert_eq!(claimed(&db, 2).await[0].kind, DeliveryKind::ToAddress);
    }

    #[tokio::test]
    async fn a_lane_runs_one_at_a_time_in_order() {
        let (db, _folder) = testing::db("claim-lane");
        let portal = testing::portal(&db, "p").await;
        for _message in 0..3 {
            add(&db, &portal, 1, DeliveryKind::Note).await;
        }
        let first = claimed(&db, 1).await;
        assert_eq!(first.len(), 1);
        assert!(claimed(&db, 1).await.is_empty());
        // A retry keeps its place at the head.
        let retry = Settled { due_at: Millis(50), ..Settled::new(DeliveryState::Waiting, "retry") };
        db.delivery_settle(&portal, first[0].id, retry, Millis(2)).await.unwrap();
        assert!(claimed(&db, 49).await.is_empty());
        assert_eq!(claimed(&db, 50).await[0].id, first[0].id);
        db.delivery_settle(&portal, first[0].id, Settled::done(), Millis(51)).await.unwrap();
        let second = claimed(&db, 52).await;
        assert!(second.len() == 1 && second[0].id > first[0].id);
    }

    #[tokio::test]
    async fn a_parked_portal_still_writes_to_its_clients() {
        let (db, _folder) = testing::db("claim-parked");
        let portal = testing::portal(&db, "p").await;
        for (lane, kind) in (0..).zip([DeliveryKind::ToPortal, DeliveryKind::ToCore, DeliveryKind::Uninstall]) {
            add(&db, &portal, lane, kind).await;
        }
        let kinds = async |state| {
            db.portal_set_state(&portal, state, Millis(0)).await.unwrap();
            db.delivery_resume(&portal, Millis(0)).await.unwrap();
            claimed(&db, 1).await.into_iter().map(|delivery| delivery.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(PortalState::Stopped).await, [DeliveryKind::Uninstall]);
        assert_eq!(kinds(PortalState::Parked).await, [DeliveryKind::ToCore]);
        assert_eq!(kinds(PortalState::Active).await, [DeliveryKind::ToPortal]);
    }

    #[tokio::test]
    async fn a_gated_portal_waits_and_the_others_do_not() {
        let (db, _folder) = testing::db("claim-gate");
        let (gated, free) = (testing::portal(&db, "gated").await, testing::portal(&db, "free").await);
        add(&db, &gated, 1, DeliveryKind::Note).await;
        add(&db, &free, 2, DeliveryKind::Note).await;
        db.portal_gate(&gated, Millis(500)).await.unwrap();
        assert_eq!(claimed(&db, 1).await.len(), 1);
        // What is added meanwhile does not open the gate.
        add(&db, &gated, 3, DeliveryKind::Note).await;
        assert!(claimed(&db, 499).await.is_empty());
        assert_eq!(claimed(&db, 500).await.len(), 2);
    }

    #[tokio::test]
    async fn an_interrupted_attempt_is_asked_about_before_it_is_repeated() {
        let (db, _folder) = testing::db("claim-sweep");
        let portal = testing::portal(&db, "p").await;
        add(&db, &portal, 1, DeliveryKind::Note).await;
        add(&db, &portal, 2, DeliveryKind::Status).await;
        assert_eq!(claimed(&db, 1).await.len(), 2);
        assert_eq!(db.delivery_sweep(&[DeliveryKind::Status], Millis(2)).await.unwrap(), (1, 1));
        let mut again = claimed(&db, 2).await;
        again.sort_by_key(|delivery| delivery.id);
        assert_eq!(again.iter().map(|delivery| delivery.uncertain).collect::<Vec<_>>(), [true, false]);
    }
}
