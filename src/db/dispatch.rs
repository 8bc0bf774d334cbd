//! Which delivery runs when.
//!
//! A *lane* is the order in which the deliveries of one chat in one direction must happen. Only the head of a lane is `waiting`;
//! what comes after it is `queued` and becomes the head when the one before it has ended. A parked or failing head holds its
//! own lane and nothing else. A portal's row says when its next head can run (`ready_at`) and until when its REST budget
//! lets nothing run (`gated_until`): the dispatcher asks for ready portals, then for each one's due heads, so its cost depends on
//! what is due now and not on what waits.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::sql, sql_types::Bool,
};

use super::{
    Db, DbResult, Delivery, DeliveryKind, DeliveryState, Lane, NewDelivery, PortalState,
    conn::Conn,
    deliveries::{Priority, Row},
    schema::{attempt, delivery, portal},
};
use crate::{
    clock::Millis,
    domain::ids::{DeliveryId, PortalId},
};

/// Portals looked at in one round.
const PORTALS_AT_ONCE: i64 = 64;
/// What still runs while a portal is parked: what may bring it back or end it, and what needs the messenger alone.
const WHILE_PARKED: [DeliveryKind; 6] = [
    DeliveryKind::Provision,
    DeliveryKind::Uninstall,
    DeliveryKind::ToCore,
    DeliveryKind::ToAddress,
    DeliveryKind::Probe,
    DeliveryKind::Notice,
];
const WHILE_STOPPED: [DeliveryKind; 2] = [DeliveryKind::Provision, DeliveryKind::Uninstall];
// Letter by letter the conditions of the partial indexes (migrations/): a database uses such an index only where it sees that
// the query asks for nothing else.
/// A head that runs when it is due. A parked one is, too, now and then: it looks by itself whether it can go on.
const RUNS: &str = "delivery.state IN ('waiting', 'parked')";
/// A delivery that holds its place in its lane.
const HOLDS: &str = "delivery.state IN ('queued', 'waiting', 'sending', 'parked')";

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

/// The portal has something to do at `due_at`.
pub(super) fn touch(conn: &mut Conn, id: &str, due_at: i64) -> DbResult<()> {
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
        .filter(delivery::lane.eq(&lane).and(sql::<Bool>(HOLDS)))
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
            delivery::trace.eq(new.trace.map(|trace| trace.0)),
        ))
        .execute(conn)?;
    if ahead.is_none() { touch(conn, owner, new.due_at.0) } else { Ok(()) }
}

/// The head of a delivery's lane has ended: the next one is the head.
fn promote(conn: &mut Conn, id: DeliveryId) -> DbResult<()> {
    let lane: String = delivery::table.find(id.0).select(delivery::lane).first(conn)?;
    let next: Option<(i64, String, String, i64)> = delivery::table
        .filter(delivery::lane.eq(lane).and(sql::<Bool>(HOLDS)))
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

/// The kinds that a portal's state lets run; None: all.
fn allowed(state: PortalState) -> Option<Vec<&'static str>> {
    let texts = |kinds: &[DeliveryKind]| kinds.iter().map(|kind| kind.text()).collect();
    match state {
        PortalState::Active => None,
        PortalState::Parked => Some(texts(&WHILE_PARKED)),
        PortalState::Stopped => Some(texts(&WHILE_STOPPED)),
    }
}

/// Nothing that waits in a portal is ever done; what is under way ends by itself.
pub(super) fn cancel_all(conn: &mut Conn, owner: &str) -> DbResult<()> {
    let waits = sql::<Bool>("delivery.state IN ('queued', 'waiting', 'parked')");
    diesel::update(delivery::table.filter(delivery::portal_id.eq(owner).and(waits)))
        .set(delivery::state.eq(DeliveryState::Cancelled.text()))
        .execute(conn)?;
    diesel::update(portal::table.find(owner)).set(portal::ready_at.eq(None::<i64>)).execute(conn)?;
    Ok(())
}

/// The due heads of one portal, the most urgent first.
fn heads(conn: &mut Conn, owner: &str, (state, room): (PortalState, usize), now: Millis) -> DbResult<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for priority in Priority::ALL {
        let left = i64::try_from(room.saturating_sub(rows.len())).unwrap_or(0);
        let mut due = delivery::table
            .filter(delivery::portal_id.eq(owner.to_owned()).and(sql::<Bool>(RUNS)))
            .filter(delivery::priority.eq(priority.number()).and(delivery::due_at.le(now.0)))
            .into_boxed();
        if let Some(kinds) = allowed(state) {
            due = due.filter(delivery::kind.eq_any(kinds));
        }
        rows.extend(due.order((delivery::due_at, delivery::id)).limit(left).load::<Row>(conn)?);
    }
    Ok(rows)
}

/// When the portal has to be looked at again.
fn next_ready(conn: &mut Conn, owner: &str, state: PortalState) -> DbResult<Option<i64>> {
    let mut next: Option<i64> = None;
    for priority in Priority::ALL {
        let mut heads = delivery::table
            .filter(delivery::portal_id.eq(owner.to_owned()).and(sql::<Bool>(RUNS)))
            .filter(delivery::priority.eq(priority.number()))
            .into_boxed();
        if let Some(kinds) = allowed(state) {
            heads = heads.filter(delivery::kind.eq_any(kinds));
        }
        let first: Option<i64> =
            heads.order((delivery::due_at, delivery::id)).select(delivery::due_at).first(conn).optional()?;
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

/// See [`Db::delivery_resume`].
pub(super) fn resume(conn: &mut Conn, owner: &str, now: Millis) -> DbResult<usize> {
    let heads = delivery::portal_id.eq(owner).and(sql::<Bool>(RUNS));
    let resumed = diesel::update(delivery::table.filter(heads))
        .filter(delivery::kind.ne(DeliveryKind::RobotAnswer.text()))
        .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
        .execute(conn)?;
    if let Some(due_at) = next_ready(conn, owner, PortalState::Active)? {
        touch(conn, owner, due_at)?;
    }
    Ok(resumed)
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
                let state = PortalState::read(&state)?;
                let mut rows = heads(conn, &owner, (state, left), now)?;
                for row in &mut rows {
                    begin_attempt(conn, row, now)?;
                }
                // What a parked portal does not let run is looked at again when it comes back.
                let next = next_ready(conn, &owner, state)?;
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

    /// Has what a lane holds done now instead of at its time; false when it holds nothing.
    pub async fn delivery_hasten(&self, portal: &PortalId, lane: Lane, now: Millis) -> DbResult<bool> {
        let (owner, lane) = (portal.0.clone(), lane.text()?);
        self.write(move |conn| {
            let own = delivery::portal_id.eq(&owner).and(delivery::lane.eq(&lane));
            let open: i64 = delivery::table.filter(own).filter(sql::<Bool>(HOLDS)).count().get_result(conn)?;
            let own = delivery::portal_id.eq(&owner).and(delivery::lane.eq(&lane));
            let hastened = diesel::update(delivery::table.filter(own).filter(sql::<Bool>(RUNS)))
                .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
                .execute(conn)?;
            if hastened > 0 {
                touch(conn, &owner, now.0)?;
            }
            Ok(open > 0)
        })
        .await
    }

    /// Lets what waits in a portal run again: its grant, one of its channels or one of its lines has been repaired. A robot's
    /// answer keeps its time: too early it finds nobody.
    pub async fn delivery_resume(&self, portal: &PortalId, now: Millis) -> DbResult<usize> {
        let owner = portal.0.clone();
        self.write(move |conn| resume(conn, &owner, now)).await
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

    async fn add(db: &Db, portal: &PortalId, lane: i64, kind: DeliveryKind) {
        let new = NewDelivery::new(Lane::Card(RunId(lane)), kind, Millis(0));
        db.delivery_add(portal, new, Millis(0)).await.unwrap();
    }

    async fn claim(db: &Db, now: i64) -> Vec<Delivery> {
        let room = Room { total: 64, per_portal: 8, full: Vec::new() };
        db.delivery_claim(room, Millis(now)).await.unwrap()
    }

    async fn settle(db: &Db, delivery: &Delivery, settled: Settled, now: i64) {
        db.delivery_settle(&delivery.portal, delivery.id, settled, Millis(now)).await.unwrap();
    }

    #[tokio::test]
    async fn a_portal_with_thousands_due_leaves_room_and_costs_little() {
        let (db, _folder) = testing::db("dispatch-fair");
        let (big, small) = (testing::portal(&db, "big").await, testing::portal(&db, "small").await);
        futures_util::future::join_all((0..5000).map(|lane| add(&db, &big, lane, DeliveryKind::Note))).await;
        add(&db, &small, 9999, DeliveryKind::Note).await;
        let began = Instant::now();
        let claimed = claim(&db, 1).await;
        // Without the indexes it takes minutes; the bound is for loaded machines.
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let of = |portal: &PortalId| claimed.iter().filter(|delivery| delivery.portal == *portal).count();
        assert_eq!((of(&big), of(&small)), (8, 1));
    }

    #[tokio::test]
    async fn a_parked_head_holds_its_lane_and_looks_again_when_it_is_due() {
        let (db, _folder) = testing::db("dispatch-parked");
        let portal = testing::portal(&db, "p").await;
        for _message in 0..2 {
            add(&db, &portal, 1, DeliveryKind::ToCore).await;
        }
        let first = claim(&db, 1).await;
        assert_eq!(first.len(), 1);
        let parked = Settled { due_at: Millis(50), ..Settled::new(DeliveryState::Parked, "x") };
        settle(&db, &first[0], parked.clone(), 2).await;
        assert!(claim(&db, 40).await.is_empty());
        let again = claim(&db, 50).await;
        assert_eq!(again[0].id, first[0].id);
        settle(&db, &again[0], parked, 51).await;
        assert_eq!(db.delivery_resume(&portal, Millis(52)).await.unwrap(), 1);
        let repaired = claim(&db, 52).await;
        settle(&db, &repaired[0], Settled::done(), 53).await;
        assert_eq!(claim(&db, 53).await.len(), 1, "the next one of the lane");
    }

    #[tokio::test]
    async fn a_parked_portal_still_writes_to_its_clients_and_a_stopped_one_does_not() {
        let (db, _folder) = testing::db("dispatch-portal");
        let portal = testing::portal(&db, "p").await;
        for (lane, kind) in (0..).zip([DeliveryKind::ToPortal, DeliveryKind::ToCore, DeliveryKind::Uninstall]) {
            add(&db, &portal, lane, kind).await;
        }
        let kinds = async |state, now| {
            db.portal_set_state(&portal, state, Millis(now)).await.unwrap();
            db.delivery_resume(&portal, Millis(now)).await.unwrap();
            claim(&db, now).await.into_iter().map(|delivery| delivery.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(PortalState::Stopped, 1).await, [DeliveryKind::Uninstall]);
        assert_eq!(kinds(PortalState::Parked, 2).await, [DeliveryKind::ToCore]);
        assert_eq!(kinds(PortalState::Active, 3).await, [DeliveryKind::ToPortal]);
    }

    #[tokio::test]
    async fn an_attempt_parks_no_portal_that_was_repaired_meanwhile() {
        let (db, _folder) = testing::db("dispatch-repaired");
        let portal = testing::portal(&db, "p").await;
        db.portal_set_state(&portal, PortalState::Active, Millis(20)).await.unwrap();
        let park = async |began| db.portal_park(&portal, Millis(began), |_looks| Vec::new(), Millis(30)).await.unwrap();
        assert_eq!(park(10).await, Parking::Repaired);
        assert_eq!(park(20).await, Parking::Begun);
        assert_eq!(park(20).await, Parking::Already);
    }
}
