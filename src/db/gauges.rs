//! What waits, in numbers for `/metrics` and `/health`. Each comes from an index of its own, and those of `/metrics` count to a
//! limit: looking must not cost more when there is more.

use diesel::{
    QueryDsl as _, QueryableByName, RunQueryDsl as _,
    sql_types::{BigInt, Nullable},
};

use super::{
    Db, DbResult, DeliveryState,
    conditions::{Holds, IsDead, IsNew, IsNotUnderstood},
    conn::Conn,
    on_each,
    schema::{delivery, inbox},
};
use crate::{clock::Millis, metrics::Page};

/// What is beyond it counts as this.
const MOST: i64 = 100_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Deliveries that could run now, of portals that may.
    pub due: i64,
    /// Since when the oldest of them could.
    pub oldest_due: Option<Millis>,
    pub inbox: i64,
    pub inbox_dead: i64,
    pub parked: i64,
    pub parked_portals: i64,
    pub failed: i64,
    pub unknown: i64,
}

impl Gauges {
    pub fn write(&self, page: &mut Page, now: Millis) {
        let age = self.oldest_due.map_or(0, |at| now.wait_from(at).as_secs());
        for (name, help, value) in [
            ("due", "Deliveries that could run now", self.due),
            ("inbox", "Accepted things not yet understood", self.inbox),
            ("inbox_dead", "Accepted things that were given up", self.inbox_dead),
            ("parked", "Deliveries that wait for a repaired channel or portal", self.parked),
            ("parked_portals", "Portals of which nothing can be called", self.parked_portals),
            ("failed", "Deliveries that failed for good", self.failed),
            ("unknown", "Deliveries of which nobody can tell whether they happened", self.unknown),
        ] {
            page.value(name, help, "gauge", value);
        }
        page.value("oldest_due_seconds", "How long the oldest of the due waits", "gauge", age);
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

fn number(conn: &mut Conn, sql: &str) -> DbResult<Option<i64>> {
    let row: Number = on_each!(conn, |c| diesel::sql_query(sql).get_result(c))?;
    Ok(row.number)
}

/// Rows of an index that has just them.
fn count(conn: &mut Conn, rows: &str) -> DbResult<i64> {
    let sql = format!("SELECT COUNT(*) AS number FROM (SELECT 1 FROM {rows} LIMIT {MOST}) AS counted");
    Ok(number(conn, &sql)?.unwrap_or(0))
}

/// Deliveries that are not finished, and those that ended badly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenCounts {
    pub queued: i64,
    pub waiting: i64,
    pub sending: i64,
    pub parked: i64,
    pub failed: i64,
    pub unknown: i64,
    /// Inbox items not yet expanded.
    pub inbox: i64,
    /// Inbox items given up.
    pub inbox_dead: i64,
}

impl Db {
    /// What is left, over all portals: for `/health` and for tests that must leave nothing behind.
    pub async fn delivery_counts(&self) -> DbResult<OpenCounts> {
        self.read(move |conn| {
            // Each from an index that has just these rows: what is done is most of both tables.
            let of_state = (delivery::state, diesel::dsl::count_star());
            let mut rows: Vec<(String, i64)> =
                delivery::table.filter(Holds).group_by(delivery::state).select(of_state).load(conn)?;
            rows.extend(
                delivery::table
                    .filter(IsDead)
                    .group_by(delivery::state)
                    .select(of_state)
                    .load::<(String, i64)>(conn)?,
            );
            let of = |state: DeliveryState| {
                rows.iter().find(|(name, _)| name == state.text()).map_or(0, |(_, count)| *count)
            };
            Ok(OpenCounts {
                queued: of(DeliveryState::Queued),
                waiting: of(DeliveryState::Waiting),
                sending: of(DeliveryState::Sending),
                parked: of(DeliveryState::Parked),
                failed: of(DeliveryState::Failed),
                unknown: of(DeliveryState::Unknown),
                inbox: inbox::table.filter(IsNew).count().get_result(conn)?,
                inbox_dead: inbox::table.filter(IsNotUnderstood).count().get_result(conn)?,
            })
        })
        .await
    }

    pub async fn queue_gauges(&self, now: Millis) -> DbResult<Gauges> {
        self.read(move |conn| {
            // The heads of portals that are ready, which are few; what a parked portal holds is in `parked_portals`.
            let ready = format!("SELECT id FROM portal WHERE ready_at <= {} ORDER BY ready_at LIMIT 1000", now.0);
            let due = format!(
                "delivery WHERE state IN ('waiting', 'parked') AND due_at <= {} AND portal_id IN ({ready})",
                now.0
            );
            let oldest =
                format!("SELECT MIN(due_at) AS number FROM (SELECT due_at FROM {due} LIMIT {MOST}) AS counted");
            Ok(Gauges {
                due: count(conn, &due)?,
                oldest_due: number(conn, &oldest)?.map(Millis),
                inbox: count(conn, "inbox WHERE state = 'new'")?,
                inbox_dead: count(conn, "inbox WHERE state = 'dead'")?,
                parked: count(conn, "delivery WHERE state = 'parked'")?,
                parked_portals: count(conn, "parking WHERE resumed_at IS NULL")?,
                failed: count(conn, "delivery WHERE state IN ('failed', 'unknown') AND state = 'failed'")?,
                unknown: count(conn, "delivery WHERE state IN ('failed', 'unknown') AND state = 'unknown'")?,
            })
        })
        .await
    }
}
