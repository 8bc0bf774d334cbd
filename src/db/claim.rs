//! Which deliveries run now: the due heads of ready portals, as many as there is room for.

use std::{collections::HashMap, sync::Arc, time::Duration};

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};
use tokio::time::sleep;

use super::{
    Carried, Db, DbError, DbResult, Delivery, DeliveryKind, DeliveryState, PortalState,
    conditions::{NeverAlone, Runs},
    conn::Conn,
    deliveries::{Priority, Row},
    kept::{kept, update},
    messages, nodes,
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
const WHILE_PARKED: [DeliveryKind; 10] = [
    DeliveryKind::Provision,
    DeliveryKind::Uninstall,
    DeliveryKind::ToCore,
    DeliveryKind::ToAddress,
    DeliveryKind::EditToCore,
    DeliveryKind::DeleteToCore,
    DeliveryKind::Hook,
    DeliveryKind::Probe,
    DeliveryKind::Notice,
    DeliveryKind::Hearing,
];
const WHILE_STOPPED: [DeliveryKind; 2] = [DeliveryKind::Provision, DeliveryKind::Uninstall];
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

/// The kinds that a portal's state lets run; None: all.
fn allowed(state: PortalState) -> Option<&'static [DeliveryKind]> {
    match state {
        PortalState::Active => None,
        PortalState::Parked => Some(&WHILE_PARKED),
        PortalState::Stopped => Some(&WHILE_STOPPED),
    }
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
            None => kept!(conn, load, heads)?,
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
    for kind in [DeliveryKind::ToPortal, DeliveryKind::Status] {
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
            .filter(delivery::kind.eq(kind.text()).and(delivery::uncertain.eq(false)))
            .filter(delivery::id.ne_all(known))
            .order((delivery::due_at, delivery::id))
            .limit(i64::try_from(limit).unwrap_or(0));
        rows.extend(match kind {
            DeliveryKind::ToPortal => due.filter(NeverAlone).load::<Row>(conn)?,
            _status => due.load::<Row>(conn)?,
        });
    }
    Ok(rows)
}

/// When something of a portal can run next, whatever its state.
pub(super) fn next_due(conn: &mut Conn, owner: &str) -> DbResult<Option<i64>> {
    Ok(heads_of(conn, owner, None, (0, Millis(0)))?.1)
}

/// Portals with something to do, those that have waited longest first: this node's own, then free ones, which become its own.
fn ready(conn: &mut Conn, me: NodeId, room: &Room, now: Millis) -> DbResult<Vec<Ready>> {
    // Those that have no room, or little, stay ready and must not hide the others.
    let busy = i64::try_from(room.portals.len()).unwrap_or(i64::MAX);
    let own = portal::table
        .filter(portal::node_id.eq(me.0).and(portal::ready_at.le(now.0)))
        .order(portal::ready_at)
        .limit(PORTALS_AT_ONCE.saturating_add(busy))
        .select((portal::id, portal::state, portal::epoch));
    let own: Vec<(String, String, i64)> = kept!(conn, load, own)?;
    let mut ready = Vec::new();
    for (id, state, epoch) in own {
        ready.push(Ready { id, state: PortalState::read(&state)?, epoch });
    }
    if !room.takes {
        return Ok(ready);
    }
    let free = portal::table
        .filter(portal::node_id.is_null().and(portal::ready_at.le(now.0)))
        .order(portal::ready_at)
        .limit(PORTALS_AT_ONCE)
        .select((portal::id, portal::state, portal::epoch));
    let free: Vec<(String, String, i64)> = kept!(conn, load, free)?;
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
    let begun = (
        delivery::state.eq(DeliveryState::Sending.text()),
        delivery::tries.eq(delivery::tries + 1),
        delivery::changed_at.eq(now.0),
    );
    let own = delivery::id.eq(row.id);
    // One whose outcome is not known is asked about first: what may have happened did so in an earlier attempt.
    if row.uncertain {
        kept!(conn, execute, update(own, begun))?;
    } else {
        kept!(conn, execute, update(own, (begun, delivery::tried_at.eq(now.0))))?;
    }
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
        let own = portal::id.eq(&portal.id);
        kept!(conn, execute, update(own, portal::ready_at.eq(next)))?;
        for row in rows {
            claimed.push(Delivery { epoch: portal.epoch, began_at: now, ..Delivery::try_from(row)? });
        }
    }
    Ok(claimed)
}

impl Db {
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
}
