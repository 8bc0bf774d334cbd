//! Which delivery runs when.
//!
//! A *lane* is the order in which the deliveries of one chat in one direction must happen. Only the head of a lane is `waiting`;
//! what comes after it is `queued` and becomes the head when the one before it has ended. A parked or failing head holds its
//! own lane and nothing else. A portal's row says when its next head can run (`ready_at`): the dispatcher asks for ready portals, then
//! for each one's due heads, so its cost depends on what is due now and not on what waits. What a gate holds (`relay::gates`) is told
//! with every claim and stays where it is.

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    RunQueryDsl as _, dsl::sql, sql_types::Bool,
};
use tokio::time::sleep;

use super::{
    Carried, Db, DbError, DbResult, Delivery, DeliveryKind, DeliveryState, Lane, NewDelivery, PortalState,
    conditions::{Holds, Runs},
    conn::Conn,
    deliveries::{Priority, Row},
    firsts, messages, nodes,
    schema::{delivery, portal},
};
use crate::{
    clock::Millis,
    domain::ids::{NodeId, PortalId},
};

/// Before a database that could not be read is read again.
const READ_AGAIN: Duration = Duration::from_millis(250);
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
/// A message that never goes alone: no attempt of it is doubtful, it brings no file, and its chat is known to the portal.
const SHARES: &str = "delivery.uncertain = FALSE \
    AND NOT EXISTS (SELECT 1 FROM part WHERE part.message_id = delivery.message_id AND part.media_id IS NOT NULL) \
    AND EXISTS (SELECT 1 FROM message JOIN chat ON chat.id = message.chat_id \
        WHERE message.id = delivery.message_id AND chat.b24_chat_id IS NOT NULL)";
/// A status that never goes alone.
const SHARES_ALWAYS: &str = "delivery.uncertain = FALSE";

/// How much may be claimed.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// All in all; what shares a call counts once.
    pub total: usize,
    /// Of one portal …
    pub usual: Quota,
    /// … unless it stands here.
    pub portals: HashMap<PortalId, Quota>,
    /// Whether portals that no node has may become this one's.
    pub takes: bool,
}

/// How much may be claimed of one portal, so that a slow one cannot take every place.
#[derive(Clone, Debug, Default)]
pub struct Quota {
    /// Deliveries that go to messengers.
    pub to_messengers: usize,
    /// Deliveries that call the portal.
    pub to_portal: usize,
    /// So many messages, or statuses, when they share calls.
    pub sharing: usize,
    /// Kinds that wait for a gate, and until when.
    pub closed: Vec<(DeliveryKind, Millis)>,
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

/// What stands first in a lane.
#[derive(Queryable)]
struct Head {
    id: i64,
    portal: String,
    state: String,
    due_at: i64,
    tries: i32,
    message: Option<i64>,
    place: i64,
}

fn head(conn: &mut Conn, lane: &str) -> DbResult<Option<Head>> {
    let columns = (
        delivery::id,
        delivery::portal_id,
        delivery::state,
        delivery::due_at,
        delivery::tries,
        delivery::message_id,
        delivery::place,
    );
    let held = delivery::table.filter(delivery::lane.eq(lane).and(Holds));
    Ok(held.order((delivery::place, delivery::id)).select(columns).first(conn).optional()?)
}

/// Whether anything of the head's message has been tried: then it is not put off any more.
fn has_begun(conn: &mut Conn, head: &Head) -> DbResult<bool> {
    if head.tries > 0 {
        return Ok(true);
    }
    let begun = delivery::table.filter(delivery::message_id.eq(head.message).and(delivery::tries.gt(0)));
    Ok(begun.select(delivery::id).first::<i64>(conn).optional()?.is_some())
}

/// Whether something holds a place in a lane.
pub(super) fn is_held(conn: &mut Conn, lane: &Lane) -> DbResult<bool> {
    Ok(head(conn, &lane.text()?)?.is_some())
}

/// Finds a new delivery's place in its lane. What comes too late for its own stands behind the message that is being sent.
fn line_up(conn: &mut Conn, lane: &str, place: i64) -> DbResult<(DeliveryState, i64)> {
    let Some(head) = head(conn, lane)? else { return Ok((DeliveryState::Waiting, place)) };
    if place >= head.place {
        return Ok((DeliveryState::Queued, place));
    }
    if has_begun(conn, &head)? {
        return Ok((DeliveryState::Queued, head.place));
    }
    let behind = delivery::state.eq(DeliveryState::Queued.text());
    diesel::update(delivery::table.find(head.id)).set(behind).execute(conn)?;
    Ok((DeliveryState::Waiting, place))
}

/// Adds a delivery to its lane.
pub(super) fn insert(conn: &mut Conn, owner: &str, new: &NewDelivery, now: Millis) -> DbResult<()> {
    let lane = new.lane.text()?;
    let due_at = match &new.first {
        Some(first) => firsts::turn(conn, owner, first, new.due_at)?,
        None => new.due_at,
    };
    let (state, place) = line_up(conn, &lane, new.place)?;
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
            delivery::due_at.eq(due_at.0),
            delivery::tries.eq(0),
            delivery::uncertain.eq(false),
            delivery::created_at.eq(now.0),
            delivery::changed_at.eq(now.0),
            delivery::place.eq(place),
            delivery::trace.eq(new.trace.map(|trace| trace.0)),
        ))
        .execute(conn)?;
    if state == DeliveryState::Waiting { touch(conn, owner, due_at.0) } else { Ok(()) }
}

/// The head of a lane has ended: the next one is the head.
fn promote(conn: &mut Conn, lane: &str) -> DbResult<()> {
    let queued = |next: &Head| next.state == DeliveryState::Queued.text();
    let Some(next) = head(conn, lane)?.filter(queued) else { return Ok(()) };
    let waits = delivery::state.eq(DeliveryState::Waiting.text());
    diesel::update(delivery::table.find(next.id)).set(waits).execute(conn)?;
    touch(conn, &next.portal, next.due_at)
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
fn allowed(state: PortalState) -> Option<&'static [DeliveryKind]> {
    match state {
        PortalState::Active => None,
        PortalState::Parked => Some(&WHILE_PARKED),
        PortalState::Stopped => Some(&WHILE_STOPPED),
    }
}

/// Nothing that waits in a portal is ever done; what is under way ends by itself.
pub(super) fn cancel_all(conn: &mut Conn, owner: &str) -> DbResult<()> {
    let waits = Holds.and(delivery::state.ne(DeliveryState::Sending.text()));
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

/// Due heads, and when there is more.
type Heads = (Vec<Row>, Option<i64>);

/// The due heads of one portal, the most urgent first, and when it has to be looked at again. `kinds`: None: all.
fn heads_of(
    conn: &mut Conn,
    id: &str,
    kinds: Option<&[&'static str]>,
    (room, now): (usize, Millis),
) -> DbResult<Heads> {
    let (mut rows, mut next): (Vec<Row>, Option<i64>) = (Vec::new(), None);
    for priority in Priority::ALL {
        let left = room.saturating_sub(rows.len());
        // One more than there is room for: it tells when to come again.
        let limit = i64::try_from(left).unwrap_or(i64::MAX).saturating_add(1);
        let own = delivery::portal_id.eq(id).and(delivery::priority.eq(priority.number()));
        let heads = delivery::table.filter(own).filter(Runs).order((delivery::due_at, delivery::id)).limit(limit);
        let mut found: Vec<Row> = match kinds {
            None => heads.load(conn)?,
            Some(kinds) => heads.filter(delivery::kind.eq_any(kinds.to_vec())).load(conn)?,
        };
        let due = found.iter().take(left).take_while(|row| row.due_at <= now.0).count();
        next = next.into_iter().chain(found.get(due).map(|row| row.due_at)).min();
        found.truncate(due);
        rows.append(&mut found);
    }
    if room > 0 && rows.len() == room {
        rows = with_first_tries(conn, id, (rows, kinds), now)?;
    }
    Ok((rows, next))
}

/// Keeps a quarter of the places for first tries, where retries would take more than the rest.
fn with_first_tries(
    conn: &mut Conn,
    id: &str,
    (rows, kinds): (Vec<Row>, Option<&[&'static str]>),
    now: Millis,
) -> DbResult<Vec<Row>> {
    let share = rows.len().div_ceil(4);
    let firsts = rows.iter().filter(|row| row.tries == 0).count();
    if firsts >= share {
        return Ok(rows);
    }
    let own = delivery::portal_id.eq(id).and(delivery::tries.eq(0)).and(delivery::due_at.le(now.0));
    let heads = delivery::table.filter(own).filter(delivery::priority.eq_any(Priority::ALL.map(Priority::number)));
    let heads = heads.filter(Runs).order((delivery::due_at, delivery::id)).limit(i64::try_from(share).unwrap_or(1));
    let mut kept: Vec<Row> = match kinds {
        None => heads.load(conn)?,
        Some(kinds) => heads.filter(delivery::kind.eq_any(kinds.to_vec())).load(conn)?,
    };
    let room = rows.len();
    let known: Vec<i64> = kept.iter().map(|row| row.id).collect();
    kept.extend(rows.into_iter().filter(|row| !known.contains(&row.id)));
    kept.truncate(room);
    Ok(kept)
}

/// The due heads of one portal that its quota lets run, and when it has to be looked at again.
fn heads(conn: &mut Conn, portal: &Ready, (quota, left): (&Quota, usize), now: Millis) -> DbResult<Heads> {
    let all = allowed(portal.state).unwrap_or(&DeliveryKind::ALL);
    let gate = |kind: DeliveryKind| quota.closed.iter().find(|(closed, _)| *closed == kind).map(|(_, until)| *until);
    let open = |messengers: Option<bool>| {
        let open = all.iter().filter(|kind| gate(**kind).is_none());
        let of = open.filter(|kind| messengers.is_none_or(|wanted| kind.is_to_messenger() == wanted));
        of.map(|kind| kind.text()).collect::<Vec<_>>()
    };
    let kinds = (quota.closed.is_empty() && allowed(portal.state).is_none())
        .then_some(())
        .map_or_else(|| Some(open(None)), |()| None);
    let room = left.min(quota.to_messengers + quota.to_portal);
    let (mut rows, mut next) = heads_of(conn, &portal.id, kinds.as_deref(), (room, now))?;
    let to_messengers = rows.iter().filter(|row| row.is_to_messenger()).count();
    if to_messengers > quota.to_messengers || rows.len() - to_messengers > quota.to_portal {
        // Many for the one side hide those for the other.
        let first = heads_of(conn, &portal.id, Some(&open(Some(true))), (left.min(quota.to_messengers), now))?;
        let left = left.saturating_sub(first.0.len());
        let second = heads_of(conn, &portal.id, Some(&open(Some(false))), (left.min(quota.to_portal), now))?;
        rows = first.0;
        rows.extend(second.0);
        next = first.1.into_iter().chain(second.1).min();
    }
    for kind in all {
        let Some(until) = gate(*kind) else { continue };
        let (_none, first) = heads_of(conn, &portal.id, Some(&[kind.text()]), (0, now))?;
        next = next.into_iter().chain(first.map(|due_at| due_at.max(until.0))).min();
    }
    Ok((rows, next))
}

/// What can share a call with a head that was taken: messages without files into chats that the portal knows, and statuses.
fn sharing(conn: &mut Conn, portal: &Ready, (taken, quota): (&[Row], &Quota), now: Millis) -> DbResult<Vec<Row>> {
    let mut rows = Vec::new();
    for (kind, shares) in [(DeliveryKind::ToPortal, SHARES), (DeliveryKind::Status, SHARES_ALWAYS)] {
        let known: Vec<i64> = taken.iter().filter(|row| row.kind == kind.text()).map(|row| row.id).collect();
        let limit = quota.sharing.saturating_sub(known.len());
        // With places left over, what is due was taken already.
        if limit == 0 || known.is_empty() || taken.len() < quota.to_portal {
            continue;
        }
        let due = delivery::table
            .filter(delivery::portal_id.eq(&portal.id).and(delivery::due_at.le(now.0)))
            .filter(delivery::priority.eq_any(Priority::ALL.map(Priority::number)))
            .filter(Runs)
            .filter(delivery::kind.eq(kind.text()).and(sql::<Bool>(shares)))
            .filter(delivery::id.ne_all(known))
            .order((delivery::due_at, delivery::id))
            .limit(i64::try_from(limit).unwrap_or(0));
        rows.extend(due.load::<Row>(conn)?);
    }
    Ok(rows)
}

/// Portals with something to do, those that have waited longest first: this node's own, then free ones, which become its own.
fn ready(conn: &mut Conn, me: NodeId, room: &Room, now: Millis) -> DbResult<Vec<Ready>> {
    // Those that have no room, or little, stay ready and must not hide the others.
    let busy = i64::try_from(room.portals.len()).unwrap_or(i64::MAX);
    let own: Vec<(String, String, i64)> = portal::table
        .filter(portal::node_id.eq(me.0).and(portal::ready_at.le(now.0)))
        .order(portal::ready_at)
        .limit(PORTALS_AT_ONCE.saturating_add(busy))
        .select((portal::id, portal::state, portal::epoch))
        .load(conn)?;
    let mut ready = Vec::new();
    for (id, state, epoch) in own {
        ready.push(Ready { id, state: PortalState::read(&state)?, epoch });
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
    let mut left = room.total;
    for portal in ready(conn, me, room, now)? {
        if left == 0 {
            break;
        }
        let quota = room.portals.get(&PortalId(portal.id.clone())).unwrap_or(&room.usual);
        let (mut rows, next) = heads(conn, &portal, (quota, left), now)?;
        left = left.saturating_sub(rows.len());
        rows.extend(sharing(conn, &portal, (&rows, quota), now)?);
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
    // What may have happened waits until the other side can tell.
    let waiting = delivery::portal_id.eq(owner).and(delivery::uncertain.eq(false)).and(Runs);
    let resumed = diesel::update(delivery::table.filter(waiting))
        .filter(delivery::kind.ne_all([DeliveryKind::RobotAnswer, DeliveryKind::ToAddress].map(DeliveryKind::text)))
        .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
        .execute(conn)?;
    if let (_none, Some(due_at)) = heads_of(conn, owner, None, (0, now))? {
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
            let known = self.carried(ids).await?;
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

    /// Whatever becomes of the database meanwhile: what was claimed is forgotten by nobody else, so it must be carried out here.
    async fn carried(&self, ids: Vec<i64>) -> DbResult<HashMap<i64, (String, Arc<Carried>)>> {
        loop {
            let ids = ids.clone();
            match self.read(move |conn| messages::carried(conn, &ids)).await {
                Err(DbError::Unavailable(why)) => {
                    tracing::warn!(why, "what was claimed could not be read");
                    sleep(READ_AGAIN).await;
                }
                done => return done,
            }
        }
    }

    /// Has a portal looked at now: one of its gates has opened before its time.
    pub async fn portal_wake(&self, portal: &PortalId, now: Millis) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            diesel::update(portal::table.find(&owner).filter(portal::ready_at.gt(now.0)))
                .set(portal::ready_at.eq(now.0))
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
            let open: i64 = delivery::table.filter(own).filter(Holds).count().get_result(conn)?;
            let own = delivery::portal_id.eq(&owner).and(delivery::lane.eq(&lane));
            let hastened = diesel::update(delivery::table.filter(own).filter(Runs))
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
    /// answer keeps its time: too early it finds nobody; so does a text to an address, which may have to wait for its turn.
    pub async fn delivery_resume(&self, portal: &PortalId, now: Millis) -> DbResult<usize> {
        let owner = portal.0.clone();
        self.write(move |conn| resume(conn, &owner, now)).await
    }
}
