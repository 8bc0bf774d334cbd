//! Which deliveries run next.
//!
//! Fairness is a matter of what is under way, not only of order: a portal (or a messenger behind it) that answers slowly, or
//! that has ten thousand deliveries due, holds at most [`AT_ONCE_OF_ONE`] calls of a kind; the rest of the room is the others'.

use std::collections::HashMap;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, TextExpressionMethods as _,
    dsl::{exists, not, sql},
    sql_types::Bool,
};

use super::{
    Db, DbResult, Delivery, DeliveryState,
    conn::Conn,
    deliveries::Row,
    schema::{attempt, delivery, portal},
};
use crate::clock::Millis;

/// Calls of one kind under way for one portal. More would only queue up behind the portal's own budget of two a second.
const AT_ONCE_OF_ONE: i64 = 8;
/// Every look finds at least one more (portal, kind) that has enough, so this is a guard, not a limit.
const LOOKS: usize = 64;

// Spelled as in the partial indexes of `migrations/`, and as literals: a database uses such an index only where it can see
// that the query asks for nothing else.
const DUE: &str = "delivery.state IN ('waiting', 'parked')";
const OPEN_BEFORE: &str = "older.state IN ('waiting', 'sending', 'parked')";
/// What needs the messenger alone goes on while the portal is parked; whether an uninstall is true is asked in any state.
const PORTAL_ALLOWS: &str = "(portal.state = 'active' OR delivery.kind = 'uninstall' \
     OR (portal.state = 'parked' AND delivery.kind IN ('to_core', 'to_address')))";

/// What is under way, by [`key`].
type Busy = HashMap<String, i64>;

fn key(portal: &str, kind: &str) -> String {
    format!("{portal}/{kind}")
}

fn under_way(conn: &mut Conn) -> DbResult<Busy> {
    let rows: Vec<(String, String, i64)> = delivery::table
        .filter(sql::<Bool>("delivery.state = 'sending'"))
        .group_by((delivery::portal_id, delivery::kind))
        .select((delivery::portal_id, delivery::kind, diesel::dsl::count_star()))
        .load(conn)?;
    Ok(rows.into_iter().map(|(portal, kind, count)| (key(&portal, &kind), count)).collect())
}

/// The first deliveries that may run, of everybody who has room.
fn due(conn: &mut Conn, busy: &Busy, limit: i64, now: Millis) -> DbResult<Vec<Row>> {
    let full: Vec<String> =
        busy.iter().filter(|(_, count)| **count >= AT_ONCE_OF_ONE).map(|(key, _)| key.clone()).collect();
    let older = diesel::alias!(delivery as older);
    let blocked = older
        .filter(older.field(delivery::lane).eq(delivery::lane))
        .filter(older.field(delivery::id).lt(delivery::id))
        .filter(sql::<Bool>(OPEN_BEFORE));
    let allowed = portal::table.filter(portal::id.eq(delivery::portal_id)).filter(sql::<Bool>(PORTAL_ALLOWS));
    Ok(delivery::table
        .filter(sql::<Bool>(DUE))
        .filter(delivery::due_at.le(now.0))
        .filter(delivery::portal_id.concat("/").concat(delivery::kind).ne_all(full))
        .filter(exists(allowed).and(not(exists(blocked))))
        .order((delivery::priority, delivery::due_at, delivery::id))
        .limit(limit)
        .load(conn)?)
}

/// Records that an attempt begins.
fn begin(conn: &mut Conn, mut row: Row, now: Millis) -> DbResult<Delivery> {
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
    row.state = DeliveryState::Sending.text().into();
    row.try_into()
}

impl Db {
    /// Takes due deliveries of all portals, at most one per lane and a few of a kind per portal, and records that an
    /// attempt at each begins.
    pub async fn delivery_claim(&self, limit: i64, now: Millis) -> DbResult<Vec<Delivery>> {
        self.write(move |conn| {
            let mut busy = under_way(conn)?;
            let mut claimed = Vec::new();
            let mut room = limit;
            for _look in 0..LOOKS {
                let rows = due(conn, &busy, limit, now)?;
                let was_all = i64::try_from(rows.len()).unwrap_or(i64::MAX) < limit;
                for row in rows {
                    let count = busy.entry(key(&row.portal_id, &row.kind)).or_default();
                    if *count < AT_ONCE_OF_ONE && room > 0 {
                        *count += 1;
                        room -= 1;
                        claimed.push(begin(conn, row, now)?);
                    }
                }
                if was_all || room == 0 {
                    break;
                }
            }
            Ok(claimed)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        db::{DeliveryKind, Lane, NewDelivery, PortalState, testing},
        domain::ids::{PortalId, RunId},
    };

    async fn add(db: &Db, portal: &PortalId, lane: i64, kind: DeliveryKind) {
        let new = NewDelivery::new(Lane::Card(RunId(lane)), kind, Millis(0));
        db.delivery_add(portal, new, Millis(0)).await.unwrap();
    }

    fn of<'a>(claimed: &'a [Delivery], portal: &'a PortalId) -> impl Iterator<Item = &'a Delivery> {
        claimed.iter().filter(move |delivery| delivery.portal == *portal)
    }

    #[tokio::test]
    async fn a_portal_with_thousands_due_leaves_room_and_costs_little() {
        let (db, _folder) = testing::db("claim-fair");
        let (big, small) = (testing::portal(&db, "big").await, testing::portal(&db, "small").await);
        let adds = (0..5000).map(|lane| add(&db, &big, lane, DeliveryKind::Note));
        futures_util::future::join_all(adds).await;
        add(&db, &small, 9999, DeliveryKind::Note).await;
        let began = Instant::now();
        let claimed = db.delivery_claim(64, Millis(1)).await.unwrap();
        // Without the indexes it takes minutes; the bound is for loaded machines.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!((of(&claimed, &big).count(), of(&claimed, &small).count()), (8, 1));
        // What is under way counts at the next claim; another kind has room of its own.
        add(&db, &big, 10_000, DeliveryKind::ToPortal).await;
        let claimed = db.delivery_claim(64, Millis(1)).await.unwrap();
        assert_eq!(claimed.iter().map(|delivery| delivery.kind).collect::<Vec<_>>(), [DeliveryKind::ToPortal]);
    }

    #[tokio::test]
    async fn a_lane_runs_one_at_a_time_in_order() {
        let (db, _folder) = testing::db("claim-lane");
        let portal = testing::portal(&db, "p").await;
        for _message in 0..3 {
            add(&db, &portal, 1, DeliveryKind::Note).await;
        }
        let first = db.delivery_claim(64, Millis(1)).await.unwrap();
        assert_eq!(first.len(), 1);
        assert!(db.delivery_claim(64, Millis(1)).await.unwrap().is_empty());
        let done = crate::db::Settled::done();
        db.delivery_settle(&portal, first[0].id, done, Millis(2)).await.unwrap();
        let second = db.delivery_claim(64, Millis(2)).await.unwrap();
        assert!(second.len() == 1 && second[0].id > first[0].id);
    }

    #[tokio::test]
    async fn a_parked_portal_still_writes_to_its_clients() {
        let (db, _folder) = testing::db("claim-parked");
        let portal = testing::portal(&db, "p").await;
        for (lane, kind) in (0..).zip([DeliveryKind::ToPortal, DeliveryKind::ToCore, DeliveryKind::Uninstall]) {
            add(&db, &portal, lane, kind).await;
        }
        let claim = async || {
            let claimed = db.delivery_claim(64, Millis(1)).await.unwrap();
            claimed.into_iter().map(|delivery| delivery.kind).collect::<Vec<_>>()
        };
        db.portal_set_state(&portal, PortalState::Stopped, Millis(0)).await.unwrap();
        assert_eq!(claim().await, [DeliveryKind::Uninstall]);
        db.portal_set_state(&portal, PortalState::Parked, Millis(0)).await.unwrap();
        assert_eq!(claim().await, [DeliveryKind::ToCore]);
        db.portal_set_state(&portal, PortalState::Active, Millis(0)).await.unwrap();
        assert_eq!(claim().await, [DeliveryKind::ToPortal]);
    }
}
