//! Which delivery runs when.
//!
//! A *lane* is the order in which the deliveries of one chat in one direction must happen. Only the head of a lane is `waiting`;
//! what comes after it is `queued` and becomes the head when the one before it has ended. A parked or failing head holds its
//! own lane and nothing else. A portal's row says when its next head can run (`ready_at`): the dispatcher asks for ready portals, then
//! for each one's due heads, so its cost depends on what is due now and not on what waits. What a gate holds (`relay::gates`) is told
//! with every claim and stays where it is.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

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
const WHILE_PARKED: [DeliveryKind; 4] =
    [DeliveryKind::Provision, DeliveryKind::Uninstall, DeliveryKind::ToCore, DeliveryKind::ToAddress];
const WHILE_STOPPED: [DeliveryKind; 2] = [DeliveryKind::Provision, DeliveryKind::Uninstall];
// Letter by letter the conditions of the partial indexes (migrations/): a database uses such an index only where it sees that
// the query asks for nothing else.
/// A head that runs when it is due. A parked one is, too, now and then: it looks by itself whether it can go on.
const RUNS: &str = "delivery.state IN ('waiting', 'parked')";
/// A message that never goes alone: no attempt of it is doubtful, it brings no file, and its chat is known to the portal.
const SHARES: &str = "delivery.uncertain = FALSE \
    AND NOT EXISTS (SELECT 1 FROM part WHERE part.message_id = delivery.message_id AND part.media_id IS NOT NULL) \
    AND EXISTS (SELECT 1 FROM message JOIN chat ON chat.id = message.chat_id \
        WHERE message.id = delivery.message_id AND chat.b24_chat_id IS NOT NULL)";
/// A delivery that holds its place in its lane.
const HOLDS: &str = "delivery.state IN ('queued', 'waiting', 'sending', 'parked')";

/// How much may be claimed.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// All in all; what shares a call counts once.
    pub total: usize,
    /// Of one portal …
    pub usual: Quota,
    /// … unless it stands here.
    pub portals: HashMap<PortalId, Quota>,
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

/// The kinds that a portal's state lets run.
fn allowed(state: PortalState) -> Vec<DeliveryKind> {
    match state {
        PortalState::Active => DeliveryKind::ALL.to_vec(),
        PortalState::Parked => WHILE_PARKED.to_vec(),
        PortalState::Stopped => WHILE_STOPPED.to_vec(),
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

/// Which heads of a portal are looked for.
struct Wanted<'a> {
    owner: &'a str,
    kinds: Vec<&'static str>,
    /// First tries alone.
    first: bool,
}

impl Wanted<'_> {
    /// Those that are due, the most urgent first.
    fn due(&self, conn: &mut Conn, limit: usize, now: Millis) -> DbResult<Vec<Row>> {
        let mut rows: Vec<Row> = Vec::new();
        for priority in Priority::ALL {
            let left = i64::try_from(limit.saturating_sub(rows.len())).unwrap_or(0);
            if left == 0 {
                break;
            }
            let mut due = delivery::table
                .filter(delivery::portal_id.eq(self.owner.to_owned()).and(sql::<Bool>(RUNS)))
                .filter(delivery::priority.eq(priority.number()).and(delivery::due_at.le(now.0)))
                .filter(delivery::kind.eq_any(self.kinds.clone()))
                .into_boxed();
            if self.first {
                due = due.filter(delivery::tries.eq(0));
            }
            rows.extend(due.order((delivery::due_at, delivery::id)).limit(left).load::<Row>(conn)?);
        }
        Ok(rows)
    }

    /// The same, with a quarter of the places for first tries where retries would take more than the rest.
    fn fair(&self, conn: &mut Conn, limit: usize, now: Millis) -> DbResult<Vec<Row>> {
        let rows = self.due(conn, limit, now)?;
        let share = limit.div_ceil(4);
        let retries = rows.iter().filter(|row| row.tries > 0).count();
        if rows.len() < limit || retries + share <= limit {
            return Ok(rows);
        }
        let mut firsts = Wanted { first: true, owner: self.owner, kinds: self.kinds.clone() }.due(conn, share, now)?;
        let known: Vec<i64> = firsts.iter().map(|row| row.id).collect();
        firsts.extend(rows.into_iter().filter(|row| !known.contains(&row.id)));
        firsts.truncate(limit);
        Ok(firsts)
    }

    /// When the first of them is due.
    fn next(&self, conn: &mut Conn) -> DbResult<Option<i64>> {
        let mut next: Option<i64> = None;
        for priority in Priority::ALL {
            let heads = delivery::table
                .filter(delivery::portal_id.eq(self.owner.to_owned()).and(sql::<Bool>(RUNS)))
                .filter(delivery::priority.eq(priority.number()))
                .filter(delivery::kind.eq_any(self.kinds.clone()));
            let first: Option<i64> =
                heads.order((delivery::due_at, delivery::id)).select(delivery::due_at).first(conn).optional()?;
            next = next.into_iter().chain(first).min();
        }
        Ok(next)
    }
}

/// The due heads of one portal that its quota lets run.
fn heads(conn: &mut Conn, owner: &str, (state, quota): (PortalState, &Quota), now: Millis) -> DbResult<Vec<Row>> {
    let open = |kind: &DeliveryKind| quota.closed.iter().all(|(closed, _)| closed != kind);
    let kinds: Vec<DeliveryKind> = allowed(state).into_iter().filter(open).collect();
    let of = |messengers: Option<bool>| {
        let kinds = kinds.iter().filter(|kind| messengers.is_none_or(|wanted| kind.is_to_messenger() == wanted));
        Wanted { owner, kinds: kinds.map(|kind| kind.text()).collect(), first: false }
    };
    let rows = of(None).fair(conn, quota.to_messengers + quota.to_portal, now)?;
    let to_messengers = rows.iter().filter(|row| row.is_to_messenger()).count();
    if to_messengers <= quota.to_messengers && rows.len() - to_messengers <= quota.to_portal {
        return Ok(rows);
    }
    // Many for the one side hide those for the other.
    let mut rows = of(Some(true)).fair(conn, quota.to_messengers, now)?;
    rows.extend(of(Some(false)).fair(conn, quota.to_portal, now)?);
    Ok(rows)
}

/// What can share a call with a head that was taken: messages without files into chats that the portal knows, and statuses.
fn sharing(conn: &mut Conn, owner: &str, (taken, quota): (&[Row], &Quota), now: Millis) -> DbResult<Vec<Row>> {
    let mut rows = Vec::new();
    for (kind, shares) in [(DeliveryKind::ToPortal, SHARES), (DeliveryKind::Status, "delivery.uncertain = FALSE")] {
        if quota.sharing == 0 || !taken.iter().any(|row| row.kind == kind.text() && !row.uncertain) {
            continue;
        }
        let known: Vec<i64> = taken.iter().filter(|row| row.kind == kind.text()).map(|row| row.id).collect();
        let due = delivery::table
            .filter(delivery::portal_id.eq(owner.to_owned()).and(sql::<Bool>(RUNS)))
            .filter(delivery::priority.eq_any(Priority::ALL.map(Priority::number)).and(delivery::due_at.le(now.0)))
            .filter(delivery::kind.eq(kind.text()).and(sql::<Bool>(shares)))
            .filter(delivery::id.ne_all(known))
            .order((delivery::due_at, delivery::id))
            .limit(i64::try_from(quota.sharing.saturating_sub(taken.len())).unwrap_or(0));
        rows.extend(due.load::<Row>(conn)?);
    }
    Ok(rows)
}

/// When the portal has to be looked at again.
fn next_ready(conn: &mut Conn, owner: &str, (state, quota): (PortalState, &Quota)) -> DbResult<Option<i64>> {
    let kinds = allowed(state);
    let gate = |kind: &DeliveryKind| quota.closed.iter().find(|(closed, _)| closed == kind).map(|(_, until)| *until);
    let open = kinds.iter().filter(|kind| gate(kind).is_none()).map(|kind| kind.text()).collect();
    let mut next = Wanted { owner, kinds: open, first: false }.next(conn)?;
    for kind in kinds {
        let Some(until) = gate(&kind) else { continue };
        let first = Wanted { owner, kinds: vec![kind.text()], first: false }.next(conn)?;
        next = next.into_iter().chain(first.map(|due_at| due_at.max(until.0))).min();
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
            let ready: Vec<(String, String)> = portal::table
                .filter(portal::ready_at.le(now.0))
                .order(portal::ready_at)
                .limit(PORTALS_AT_ONCE)
                .select((portal::id, portal::state))
                .load(conn)?;
            let mut claimed = Vec::new();
            let mut left = room.total;
            for (owner, state) in ready {
                if left == 0 {
                    break;
                }
                let state = PortalState::read(&state)?;
                let quota = room.portals.get(&PortalId(owner.clone())).unwrap_or(&room.usual);
                let mut rows = heads(conn, &owner, (state, quota), now)?;
                rows.truncate(left);
                left -= rows.len();
                rows.extend(sharing(conn, &owner, (&rows, quota), now)?);
                for row in &mut rows {
                    begin_attempt(conn, row, now)?;
                }
                // What a parked portal does not let run is looked at again when it comes back.
                let next = next_ready(conn, &owner, (state, quota))?;
                // To the end of the row of ready portals, so that one with much to do does not hold the others up.
                let next = next.map(|at| at.max(now.0));
                diesel::update(portal::table.find(&owner)).set(portal::ready_at.eq(next)).execute(conn)?;
                claimed.extend(rows.into_iter().map(Delivery::try_from).collect::<DbResult<Vec<_>>>()?);
            }
            Ok(claimed)
        })
        .await
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
        self.write(move |conn| {
            let heads = delivery::portal_id.eq(&owner).and(sql::<Bool>(RUNS));
            let resumed = diesel::update(delivery::table.filter(heads))
                .filter(delivery::kind.ne(DeliveryKind::RobotAnswer.text()))
                .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
                .execute(conn)?;
            if let Some(due_at) = next_ready(conn, &owner, (PortalState::Active, &Quota::default()))? {
                touch(conn, &owner, due_at)?;
            }
            Ok(resumed)
        })
        .await
    }
}
