//! Parking: a portal that is gone, unpaid or unauthorised holds all its deliveries until it has come back.

use std::time::Duration;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{
    Db, DbResult, DeliveryKind, Lane, NewDelivery, PortalState,
    conditions::{HeadIsSending, HeadRuns, Holds, Runs},
    conn::Conn,
    dispatch, on_each,
    schema::{delivery, parking, portal},
};
use crate::{clock::Millis, domain::ids::PortalId};

/// A portal that is parked again so soon after it came back has not really come back: it is looked at as rarely as before.
const RELAPSE: Duration = Duration::from_hours(1);

/// What became of the wish to park a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parking {
    Begun,
    Already,
    /// Somebody has repaired it since.
    Repaired,
}

/// What waited in a portal that has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub parked_at: Millis,
    /// Messages, both ways.
    pub messages: i64,
}

/// Messages in the lanes whose heads wait or are being tried: each condition is that of a partial index.
fn messages_held(conn: &mut Conn, owner: &str) -> DbResult<i64> {
    macro_rules! behind {
        ($heads:expr) => {{
            let head = diesel::alias!(delivery as head);
            let own = head.filter(head.field(delivery::portal_id).eq(owner.to_owned())).filter($heads);
            let kinds = [DeliveryKind::ToPortal.text(), DeliveryKind::ToCore.text()];
            let held =
                delivery::table.filter(delivery::lane.eq_any(own.select(head.field(delivery::lane)))).filter(Holds);
            held.filter(delivery::kind.eq_any(kinds)).count().get_result::<i64>(conn)?
        }};
    }
    Ok(behind!(HeadRuns) + behind!(HeadIsSending))
}

/// How often a portal that is parked now has been looked at already.
fn looks(conn: &mut Conn, owner: &str, now: Millis) -> DbResult<i32> {
    let last: Option<(Option<i64>, i32)> =
        parking::table.find(owner).select((parking::resumed_at, parking::looks)).first(conn).optional()?;
    let relapsed = last.filter(|(resumed_at, _)| resumed_at.is_some_and(|at| now < Millis(at).after(RELAPSE)));
    Ok(relapsed.map_or(0, |(_, looks)| looks.saturating_add(1)))
}

impl Db {
    /// Parks a portal that an attempt begun at `began` has found closed. `follow` is told how often it has been looked at, and
    /// gives what follows if it was not parked before.
    pub async fn portal_park(
        &self,
        portal: &PortalId,
        began: Millis,
        follow: impl FnOnce(i32) -> Vec<NewDelivery> + Send + 'static,
        now: Millis,
    ) -> DbResult<Parking> {
        let id = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let active = portal::state.eq(PortalState::Active.text()).and(portal::changed_at.le(began.0));
            let changed = diesel::update(portal::table.find(&id).filter(active))
                .set((portal::state.eq(PortalState::Parked.text()), portal::changed_at.eq(now.0)))
                .execute(conn)?;
            if changed == 0 {
                let state: Option<String> = portal::table.find(&id).select(portal::state).first(conn).optional()?;
                let parked = state.as_deref() == Some(PortalState::Parked.text());
                return Ok(if parked { Parking::Already } else { Parking::Repaired });
            }
            let looks = looks(conn, &id, now)?;
            let row = (parking::parked_at.eq(now.0), parking::resumed_at.eq(None::<i64>), parking::looks.eq(looks));
            on_each!(conn, |c| diesel::insert_into(parking::table)
                .values((parking::portal_id.eq(&id), row))
                .on_conflict(parking::portal_id)
                .do_update()
                .set(row)
                .execute(c))?;
            follow(looks).iter().try_for_each(|new| dispatch::insert(conn, &id, new, now))?;
            Ok(Parking::Begun)
        })
        .await
    }

    /// A look at a parked portal was in vain; how many were.
    pub async fn portal_looked(&self, portal: &PortalId) -> DbResult<i32> {
        let id = portal.0.clone();
        self.write(move |conn| {
            diesel::update(parking::table.find(&id)).set(parking::looks.eq(parking::looks + 1)).execute(conn)?;
            Ok(parking::table.find(&id).select(parking::looks).first(conn).optional()?.unwrap_or(0))
        })
        .await
    }

    /// Has a parked portal looked at now, if the last look is older than `before`.
    pub async fn portal_look_now(&self, portal: &PortalId, before: Millis, now: Millis) -> DbResult<()> {
        let (owner, lane) = (portal.0.clone(), Lane::Probe(portal.clone()).text()?);
        self.write(move |conn| {
            let probe = delivery::lane.eq(&lane).and(Runs);
            let hastened = diesel::update(delivery::table.filter(delivery::portal_id.eq(&owner)).filter(probe))
                .filter(delivery::changed_at.le(before.0))
                .set(delivery::due_at.eq(now.0))
                .execute(conn)?;
            if hastened > 0 { dispatch::touch(conn, &owner, now.0) } else { Ok(()) }
        })
        .await
    }

    /// The portal can be called again: what waits in it goes on. If it was parked, `notice` makes what its administrators read
    /// of what it held.
    pub async fn portal_resume(
        &self,
        portal: &PortalId,
        notice: impl FnOnce(Held) -> Option<NewDelivery> + Send + 'static,
        now: Millis,
    ) -> DbResult<Option<Held>> {
        let id = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let parked = portal::state.eq(PortalState::Parked.text());
            diesel::update(portal::table.find(&id).filter(parked))
                .set((portal::state.eq(PortalState::Active.text()), portal::changed_at.eq(now.0)))
                .execute(conn)?;
            let open = parking::table.find(&id).filter(parking::resumed_at.is_null());
            let parked_at: Option<i64> = open.select(parking::parked_at).first(conn).optional()?;
            let held = match parked_at {
                Some(at) => Some(Held { parked_at: Millis(at), messages: messages_held(conn, &id)? }),
                None => None,
            };
            dispatch::resume(conn, &id, now)?;
            if let Some(held) = held {
                diesel::update(parking::table.find(&id)).set(parking::resumed_at.eq(now.0)).execute(conn)?;
                notice(held).iter().try_for_each(|new| dispatch::insert(conn, &id, new, now))?;
            }
            Ok(held)
        })
        .await
    }
}
