//! Administrators of a portal who have opened one of our pages: whom notices are for.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::{Db, DbResult, on_each, schema::administrator};
use crate::{clock::Millis, domain::ids::PortalId};

/// Notices go to so many at most, those seen last first.
const TOLD: i64 = 20;

impl Db {
    pub async fn administrator_list(&self, portal: &PortalId) -> DbResult<Vec<i64>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            Ok(administrator::table
                .filter(administrator::portal_id.eq(portal))
                .order(administrator::seen_at.desc())
                .limit(TOLD)
                .select(administrator::user_id)
                .load(conn)?)
        })
        .await
    }

    pub async fn administrator_put(&self, portal: &PortalId, user: i64, now: Millis) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let key = (administrator::portal_id.eq(&portal), administrator::user_id.eq(user));
            let seen = administrator::seen_at.eq(now.0);
            on_each!(conn, |c| diesel::insert_into(administrator::table)
                .values((key, seen))
                .on_conflict((administrator::portal_id, administrator::user_id))
                .do_update()
                .set(seen)
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// He is no administrator any more, or not even there.
    pub async fn administrator_remove(&self, portal: &PortalId, user: i64) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let own = administrator::portal_id.eq(portal).and(administrator::user_id.eq(user));
            diesel::delete(administrator::table.filter(own)).execute(conn)?;
            Ok(())
        })
        .await
    }
}
