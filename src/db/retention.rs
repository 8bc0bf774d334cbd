//! What is deleted by age: inbox rows that are done with, and attempts. A few rows at a time, so that nobody waits for it.
//!
//! Ids grow with time, so the oldest rows are the first by id: a walk from there needs no index, and ends at the first young row.
//! What is new or dead stays, whatever its age.

use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::{
    Db, DbResult, InboxState,
    schema::{attempt, inbox},
};
use crate::clock::Millis;

/// Rows of one look.
const AT_ONCE: i64 = 500;

impl Db {
    /// Deletes inbox rows that came before `before`, beginning behind `after`. The row to go on behind; None: the rest is younger.
    pub async fn inbox_forget(&self, before: Millis, after: i64) -> DbResult<Option<i64>> {
        let rows: Vec<(i64, String, i64)> = self
            .read(move |conn| {
                let next = inbox::table.filter(inbox::id.gt(after)).order(inbox::id).limit(AT_ONCE);
                Ok(next.select((inbox::id, inbox::state, inbox::received_at)).load(conn)?)
            })
            .await?;
        let last = rows.last().filter(|(.., at)| *at < before.0).map(|(id, ..)| *id);
        let done = [InboxState::Done.text(), InboxState::Ignored.text()];
        let old: Vec<i64> = rows
            .into_iter()
            .filter(|(_, state, at)| *at < before.0 && done.contains(&state.as_str()))
            .map(|(id, ..)| id)
            .collect();
        if !old.is_empty() {
            self.write(move |conn| {
                diesel::delete(inbox::table.filter(inbox::id.eq_any(old))).execute(conn)?;
                Ok(())
            })
            .await?;
        }
        Ok(last)
    }

    /// The same of attempts that ended.
    pub async fn attempt_forget(&self, before: Millis, after: i64) -> DbResult<Option<i64>> {
        let rows: Vec<(i64, Option<i64>)> = self
            .read(move |conn| {
                let next = attempt::table.filter(attempt::id.gt(after)).order(attempt::id).limit(AT_ONCE);
                Ok(next.select((attempt::id, attempt::ended_at)).load(conn)?)
            })
            .await?;
        let is_old = |ended: &Option<i64>| ended.is_some_and(|at| at < before.0);
        let last = rows.last().filter(|(_, ended)| is_old(ended)).map(|(id, _)| *id);
        let old: Vec<i64> = rows.into_iter().filter(|(_, ended)| is_old(ended)).map(|(id, _)| id).collect();
        if !old.is_empty() {
            self.write(move |conn| {
                diesel::delete(attempt::table.filter(attempt::id.eq_any(old))).execute(conn)?;
                Ok(())
            })
            .await?;
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{NewInbox, Source, testing},
        domain::ids::ChannelId,
    };

    #[tokio::test]
    async fn what_is_done_with_and_old_goes_and_nothing_else() {
        let (db, _folder) = testing::db("retention");
        let portal = testing::portal(&db, "p").await;
        for key in 0..1200_i64 {
            let source = Source::Channel(ChannelId("a".into()));
            let item = NewInbox { source, key: key.to_string(), body: "{}".into() };
            db.inbox_accept(&portal, vec![item], Millis(key)).await.unwrap();
        }
        let states =
            "UPDATE inbox SET state = 'done' WHERE id % 3 <> 0; UPDATE inbox SET state = 'dead' WHERE id % 5 = 0";
        db.write(move |conn| {
            use diesel::connection::SimpleConnection as _;
            Ok(conn.batch_execute(states)?)
        })
        .await
        .unwrap();
        let mut after = 0;
        let mut looks = 0;
        while let Some(next) = db.inbox_forget(Millis(1100), after).await.unwrap() {
            after = next;
            looks += 1;
        }
        assert_eq!(looks, 2, "a look at 500 rows, another one, and the end");
        let left: Vec<i64> =
            db.read(|conn| Ok(inbox::table.order(inbox::id).select(inbox::id).load(conn)?)).await.unwrap();
        let kept = |id: &i64| *id > 1100 || id % 3 == 0 || id % 5 == 0;
        assert_eq!(left, (1..=1200).filter(kept).collect::<Vec<i64>>());
    }
}
