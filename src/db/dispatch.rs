//! In which order deliveries happen; `claim` takes those whose turn it is.
//!
//! A *lane* is the order in which the deliveries of one chat in one direction must happen. Only the head of a lane is `waiting`;
//! what comes after it is `queued` and becomes the head when the one before it has ended. A parked or failing head holds its
//! own lane and nothing else. A portal's row says when its next head can run (`ready_at`): the dispatcher asks for ready portals, then
//! for each one's due heads, so its cost depends on what is due now and not on what waits. What a gate holds (`relay::gates`) is told
//! with every claim and stays where it is.

#[cfg(test)]
mod tests;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    RunQueryDsl as _,
};

use super::{
    Db, DbResult, Delivery, DeliveryKind, DeliveryState, Lane, NewDelivery, PortalState, claim,
    conditions::{Holds, Runs},
    conn::Conn,
    firsts,
    kept::{kept, update},
    schema::{delivery, portal},
};
use crate::{
    clock::Millis,
    domain::{failure::ASK_AFTER, ids::PortalId},
};

/// The portal has something to do at `due_at`.
pub(super) fn touch(conn: &mut Conn, id: &str, due_at: i64) -> DbResult<()> {
    let later = portal::ready_at.is_null().or(portal::ready_at.gt(due_at));
    kept!(conn, execute, update(portal::id.eq(id).and(later), portal::ready_at.eq(due_at)))?;
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
    let first = held.order((delivery::place, delivery::id)).select(columns).limit(1);
    Ok(kept!(conn, get_result, first).optional()?)
}

/// Whether anything of the head's message has been tried: then it is not put off any more.
fn has_begun(conn: &mut Conn, head: &Head) -> DbResult<bool> {
    if head.tries > 0 {
        return Ok(true);
    }
    let begun = delivery::table.filter(delivery::message_id.eq(head.message).and(delivery::tries.gt(0)));
    let found: Option<i64> = kept!(conn, get_result, begun.select(delivery::id).limit(1)).optional()?;
    Ok(found.is_some())
}

/// Whether something holds a place in a lane.
pub(super) fn is_held(conn: &mut Conn, lane: &Lane) -> DbResult<bool> {
    Ok(head(conn, &lane.text()?)?.is_some())
}

/// Writes a delivery that looks at something now and then, unless one is under way or the portal is over.
pub(super) fn insert_look(conn: &mut Conn, portal: &str, look: &NewDelivery, now: Millis) -> DbResult<()> {
    let state: String = portal::table.find(portal).select(portal::state).first(conn)?;
    if state == PortalState::Stopped.text() || is_held(conn, &look.lane)? {
        return Ok(());
    }
    insert(conn, portal, look, now)
}

/// Finds the place in its lane of a delivery that holds none. What comes too late for its own stands behind the message that is being sent.
pub(super) fn line_up(conn: &mut Conn, lane: &str, place: i64) -> DbResult<(DeliveryState, i64)> {
    let Some(head) = head(conn, lane)? else { return Ok((DeliveryState::Waiting, place)) };
    if place >= head.place {
        return Ok((DeliveryState::Queued, place));
    }
    if has_begun(conn, &head)? {
        return Ok((DeliveryState::Queued, head.place));
    }
    let behind = delivery::state.eq(DeliveryState::Queued.text());
    kept!(conn, execute, update(delivery::id.eq(head.id), behind))?;
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
    let row = (
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
    );
    kept!(conn, execute, diesel::insert_into(delivery::table).values(row))?;
    if state == DeliveryState::Waiting { touch(conn, owner, due_at.0) } else { Ok(()) }
}

/// The head of a lane has ended: the next one is the head.
fn promote(conn: &mut Conn, lane: &str) -> DbResult<()> {
    let queued = |next: &Head| next.state == DeliveryState::Queued.text();
    let Some(next) = head(conn, lane)?.filter(queued) else { return Ok(()) };
    let waits = delivery::state.eq(DeliveryState::Waiting.text());
    kept!(conn, execute, update(delivery::id.eq(next.id), waits))?;
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
    let portal = portal::table.find(&delivery.portal.0).select(portal::epoch);
    let epoch: Option<i64> = kept!(conn, get_result, portal).optional()?;
    Ok(epoch == Some(delivery.epoch))
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

/// See [`Db::delivery_resume`].
pub(super) fn resume(conn: &mut Conn, owner: &str, now: Millis) -> DbResult<usize> {
    let waiting = |uncertain| delivery::portal_id.eq(owner).and(delivery::uncertain.eq(uncertain)).and(Runs);
    let resumed = diesel::update(delivery::table.filter(waiting(false)))
        .filter(delivery::kind.ne_all([DeliveryKind::RobotAnswer, DeliveryKind::ToAddress].map(DeliveryKind::text)))
        .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
        .execute(conn)?;
    // What may have happened is asked about, and not before the other side can tell.
    let ask_at = now.after(ASK_AFTER);
    let asked = diesel::update(delivery::table.filter(waiting(true)).filter(delivery::due_at.gt(ask_at.0)))
        .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(ask_at.0)))
        .execute(conn)?;
    if let Some(due_at) = claim::next_due(conn, owner)? {
        touch(conn, owner, due_at)?;
    }
    Ok(resumed + asked)
}

impl Db {
    /// Adds a delivery that belongs to no message.
    pub async fn delivery_add(&self, portal: &PortalId, new: NewDelivery, now: Millis) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| insert(conn, &portal, &new, now)).await
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
