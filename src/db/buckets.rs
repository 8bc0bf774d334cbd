//! Portals' buckets of calls, as `relay::gates` keeps them.

use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::{Db, DbResult, on_each, schema::bucket};
use crate::{clock::Millis, domain::ids::PortalId};

/// A portal's leaky bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub portal: PortalId,
    /// When it will have leaked empty if nobody calls.
    pub empty_at: Millis,
    pub written_at: Millis,
    /// Written at a proper stop: there were no calls after it.
    pub clean: bool,
}

impl Db {
    /// Every bucket that was written down.
    pub async fn bucket_all(&self) -> DbResult<Vec<Bucket>> {
        self.read(move |conn| {
            let rows: Vec<(String, i64, i64, bool)> = bucket::table.load(conn)?;
            let read = |(portal, empty_at, written_at, clean)| Bucket {
                portal: PortalId(portal),
                empty_at: Millis(empty_at),
                written_at: Millis(written_at),
                clean,
            };
            Ok(rows.into_iter().map(read).collect())
        })
        .await
    }

    /// From now on what is written is not all: those that are empty are forgotten, the others are no longer the word of a proper stop.
    pub async fn bucket_begin(&self, now: Millis) -> DbResult<()> {
        self.write(move |conn| {
            diesel::delete(bucket::table.filter(bucket::empty_at.le(now.0))).execute(conn)?;
            diesel::update(bucket::table).set((bucket::clean.eq(false), bucket::written_at.eq(now.0))).execute(conn)?;
            Ok(())
        })
        .await
    }

    pub async fn bucket_put(&self, rows: Vec<Bucket>) -> DbResult<()> {
        self.write(move |conn| {
            for row in rows {
                let changes = (
                    bucket::empty_at.eq(row.empty_at.0),
                    bucket::written_at.eq(row.written_at.0),
                    bucket::clean.eq(row.clean),
                );
                on_each!(conn, |c| diesel::insert_into(bucket::table)
                    .values((bucket::portal_id.eq(&row.portal.0), changes))
                    .on_conflict(bucket::portal_id)
                    .do_update()
                    .set(changes)
                    .execute(c))?;
            }
            Ok(())
        })
        .await
    }
}
