//! Which delivery runs when.
//!
//! A *lane* is the order in which the deliveries of one chat in one direction must happen. Only the head of a lane is `waiting`;
//! what comes after it is `queued` and becomes the head when the one before it has ended. A parked or failing head holds its
//! own lane and nothing else. A portal's row says when its next head can run (`ready_at`) and until when its REST budget
//! lets nothing run (`gated_until`): the dispatcher asks for ready portals, then for each one's due heads, so its cost depends on
//! what is due now and not on what waits.

use std::sync::Arc;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::sql, sql_types::Bool,
};

use super::{
    Db, DbResult, Delivery, DeliveryKind, DeliveryState, Lane, NewDelivery, PortalState,
    conn::Conn,
    deliveries::{Priority, Row},
    messages, nodes,
    schema::{delivery, portal},
};
use crate::{
    clock::Millis,
    domain::ids::{NodeId, PortalId},
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
    /// Whether portals that no node has may become this one's.
    pub takes: bool,
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

/// Whether something holds a place in a lane.
pub(super) fn is_held(conn: &mut Conn, lane: &Lane) -> DbResult<bool> {
    let held: Option<i64> = delivery::table
        .filter(delivery::lane.eq(lane.text()?).and(sql::<Bool>(HOLDS)))
        .select(delivery::id)
        .first(conn)
        .optional()?;
    Ok(held.is_some())
}

/// Adds a delivery at the end of its lane.
pub(super) fn insert(conn: &mut Conn, owner: &str, new: &NewDelivery, now: Millis) -> DbResult<()> {
    let lane = new.lane.text()?;
    let is_head = !is_held(conn, &new.lane)?;
    let state = if is_head { DeliveryState::Waiting } else { DeliveryState::Queued };
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
    if is_head { touch(conn, owner, new.due_at.0) } else { Ok(()) }
}

/// The head of a lane has ended: the next one is the head.
fn promote(conn: &mut Conn, lane: &str) -> DbResult<()> {
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
pub(super) fn settled(conn: &mut Conn, delivery: &Delivery, (state, due_at): (DeliveryState, Millis)) -> DbResult<()> {
    match state {
        DeliveryState::Waiting | DeliveryState::Parked => touch(conn, &delivery.portal.0, due_at.0),
        DeliveryState::Queued | DeliveryState::Sending => Ok(()),
        DeliveryState::Done | DeliveryState::Failed | DeliveryState::Unknown | DeliveryState::Cancelled => {
            promote(conn, &delivery.lane)
        }
    }
}

/// Whether the portal is still of the epoch in which a delivery was claimed: if not, another node has it, and has marked what
/// this one was doing.
pub(super) fn is_current(conn: &mut Conn, delivery: &Delivery) -> DbResult<bool> {
    let epoch: Option<i64> = portal::table.find(&delivery.portal.0).select(portal::epoch).first(conn).optional()?;
    Ok(epoch == Some(delivery.epoch))
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

/// A portal that has something to do.
struct Ready {
    id: String,
    state: PortalState,
    epoch: i64,
}

/// The due heads of one portal, the most urgent first, and when it has to be looked at again.
fn heads(conn: &mut Conn, portal: &Ready, room: usize, now: Millis) -> DbResult<(Vec<Row>, Option<i64>)> {
    let (mut rows, mut next): (Vec<Row>, Option<i64>) = (Vec::new(), None);
    for priority in Priority::ALL {
        let left = room.saturating_sub(rows.len());
        let mut heads = delivery::table
            .filter(delivery::portal_id.eq(portal.id.clone()).and(sql::<Bool>(RUNS)))
            .filter(delivery::priority.eq(priority.number()))
            .into_boxed();
        if let Some(kinds) = allowed(portal.state) {
            heads = heads.filter(delivery::kind.eq_any(kinds));
        }
        // One more than there is room for: it tells when to come again.
        let limit = i64::try_from(left).unwrap_or(i64::MAX).saturating_add(1);
        let mut found: Vec<Row> = heads.order((delivery::due_at, delivery::id)).limit(limit).load(conn)?;
        let due = found.iter().take(left).take_while(|row| row.due_at <= now.0).count();
        next = next.into_iter().chain(found.get(due).map(|row| row.due_at)).min();
        found.truncate(due);
        rows.append(&mut found);
    }
    Ok((rows, next))
}

/// Portals with something to do, those that have waited longest first: this node's own, then free ones, which become its own.
fn ready(conn: &mut Conn, me: NodeId, room: &Room, now: Millis) -> DbResult<Vec<Ready>> {
    let full = i64::try_from(room.full.len()).unwrap_or(i64::MAX);
    let own: Vec<(String, String, i64)> = portal::table
        .filter(portal::node_id.eq(me.0).and(portal::ready_at.le(now.0)))
        .order(portal::ready_at)
        .limit(PORTALS_AT_ONCE.saturating_add(full))
        .select((portal::id, portal::state, portal::epoch))
        .load(conn)?;
    let mut ready = Vec::new();
    for (id, state, epoch) in own {
        if !room.full.iter().any(|portal| portal.0 == id) {
            ready.push(Ready { id, state: PortalState::read(&state)?, epoch });
        }
    }
    if !room.takes {
        return Ok(ready);
    }
    let free: Vec<(String, String, i64)> = portal::table
        .filter(portal::node_id.is_null().and(portal::ready_at.le(now.0)))
        .order(portal::ready_at)
        .limit(PORTALS_AT_ONCE)
        .select((portal::id, portal::state, portal::epoch))
        .load(conn)?;
    if !free.is_empty() && nodes::is_alive(conn, me)? {
        for (id, state, epoch) in free {
            if nodes::take(conn, &id, me)? {
                ready.push(Ready { id, state: PortalState::read(&state)?, epoch: epoch + 1 });
            }
        }
    }
    Ok(ready)
}

fn begin_attempt(conn: &mut Conn, row: &mut Row, now: Millis) -> DbResult<()> {
    diesel::update(delivery::table.find(row.id))
        .set((
            delivery::state.eq(DeliveryState::Sending.text()),
            delivery::tries.eq(delivery::tries + 1),
            delivery::changed_at.eq(now.0),
        ))
        .execute(conn)?;
    row.tries += 1;
    DeliveryState::Sending.text().clone_into(&mut row.state);
    Ok(())
}

fn claim(conn: &mut Conn, me: NodeId, room: &Room, now: Millis) -> DbResult<Vec<Delivery>> {
    let mut claimed = Vec::new();
    for portal in ready(conn, me, room, now)? {
        let left = room.total.saturating_sub(claimed.len()).min(room.per_portal);
        if left == 0 {
            break;
        }
        let (mut rows, next) = heads(conn, &portal, left, now)?;
        for row in &mut rows {
            begin_attempt(conn, row, now)?;
        }
        // To the end of the row of ready portals, so that one with much to do does not hold the others up. What a parked portal does
        // not let run is looked at again when it comes back.
        let next = next.map(|at| at.max(now.0));
        diesel::update(portal::table.find(&portal.id)).set(portal::ready_at.eq(next)).execute(conn)?;
        for row in rows {
            claimed.push(Delivery { epoch: portal.epoch, began_at: now, ..Delivery::try_from(row)? });
        }
    }
    Ok(claimed)
}

/// See [`Db::delivery_resume`].
pub(super) fn resume(conn: &mut Conn, owner: &str, now: Millis) -> DbResult<usize> {
    let waiting = delivery::portal_id.eq(owner).and(sql::<Bool>(RUNS));
    let resumed = diesel::update(delivery::table.filter(waiting))
        .filter(delivery::kind.ne(DeliveryKind::RobotAnswer.text()))
        .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
        .execute(conn)?;
    let all = Ready { id: owner.to_owned(), state: PortalState::Active, epoch: 0 };
    if let (_none, Some(due_at)) = heads(conn, &all, 0, now)? {
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

    /// Takes due heads of ready portals, those that have waited longest first, and records that an attempt at each begins. What
    /// they carry comes with them.
    pub async fn delivery_claim(&self, me: NodeId, room: Room, now: Millis) -> DbResult<Vec<Delivery>> {
        let mut claimed = self.write(move |conn| claim(conn, me, &room, now)).await?;
        let ids: Vec<i64> = claimed.iter().filter_map(|delivery| delivery.message).map(|id| id.0).collect();
        if !ids.is_empty() {
            let known = self.read(move |conn| messages::carried(conn, &ids)).await?;
            for delivery in &mut claimed {
                delivery.carried = delivery
                    .message
                    .and_then(|id| known.get(&id.0))
                    .filter(|(portal, _carried)| *portal == delivery.portal.0)
                    .map(|(_portal, carried)| Arc::clone(carried));
            }
        }
        Ok(claimed)
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
        let room = Room { total: 64, per_portal: 8, full: Vec::new(), takes: true };
        db.delivery_claim(testing::node(db).await, room, Millis(now)).await.unwrap()
    }

    async fn settle(db: &Db, delivery: &Delivery, settled: Settled, now: i64) {
        assert!(db.delivery_settle(delivery, settled, Millis(now)).await.unwrap());
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
        assert_eq!(park(10).await, crate::db::Parking::Repaired);
        assert_eq!(park(20).await, crate::db::Parking::Begun);
        assert_eq!(park(20).await, crate::db::Parking::Already);
    }
}
