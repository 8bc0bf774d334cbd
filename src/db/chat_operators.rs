//! Whose a chat was when it was last compared with its CRM cards.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{Db, DbResult, on_each, schema::chat_operator};
use crate::{
    clock::Millis,
    domain::ids::{ChatId, PortalId},
};

impl Db {
    /// The portal user, and when he or one of the cards was last made responsible.
    pub async fn chat_operator_get(&self, portal: &PortalId, chat: ChatId) -> DbResult<Option<(i64, Millis)>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let own = chat_operator::chat_id.eq(chat.0).and(chat_operator::portal_id.eq(portal));
            let found: Option<(i64, i64)> = chat_operator::table
                .filter(own)
                .select((chat_operator::user_id, chat_operator::changed_at))
                .first(conn)
                .optional()?;
            Ok(found.map(|(user, at)| (user, Millis(at))))
        })
        .await
    }

    pub async fn chat_operator_put(&self, portal: &PortalId, chat: ChatId, user: i64, now: Millis) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let key = (chat_operator::chat_id.eq(chat.0), chat_operator::portal_id.eq(&portal));
            let known = (chat_operator::user_id.eq(user), chat_operator::changed_at.eq(now.0));
            on_each!(conn, |c| diesel::insert_into(chat_operator::table)
                .values((key, known))
                .on_conflict(chat_operator::chat_id)
                .do_update()
                .set(known)
                .execute(c))?;
            Ok(())
        })
        .await
    }
}
