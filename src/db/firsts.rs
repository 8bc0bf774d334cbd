//! First messages that must not follow each other too closely: a personal account that writes to many strangers is blocked by its
//! messenger. Each takes a turn of its channel when it is written down, so it is known when it goes, and a restart changes nothing.

use std::time::Duration;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{
    DbResult,
    conn::Conn,
    schema::{channel, chat, contact},
};
use crate::{clock::Millis, domain::ids::ChannelId};

/// Between two of them.
const APART: Duration = Duration::from_mins(3);

/// A message to somebody by his phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    pub channel: ChannelId,
    /// E.164 with `+`.
    pub phone: String,
}

/// When it goes, not before `at`. To somebody who has a chat it goes at once.
pub(super) fn turn(conn: &mut Conn, owner: &str, first: &First, at: Millis) -> DbResult<Millis> {
    let known: Option<i64> = chat::table
        .inner_join(contact::table.on(chat::contact_id.eq(contact::id.nullable())))
        .filter(contact::portal_id.eq(owner).and(contact::phone.eq(&first.phone)))
        .filter(chat::channel_id.eq(&first.channel.0))
        .select(chat::id)
        .first(conn)
        .optional()?;
    if known.is_some() {
        return Ok(at);
    }
    // In two steps, of which the second holds the row: another node may be at it too.
    let own = || channel::table.find(first.channel.0.clone()).filter(channel::portal_id.eq(owner.to_owned()));
    diesel::update(own().filter(channel::first_at.lt(at.0))).set(channel::first_at.eq(at.0)).execute(conn)?;
    let apart = Millis(0).after(APART).0;
    diesel::update(own()).set(channel::first_at.eq(channel::first_at + apart)).execute(conn)?;
    let next: Option<i64> = own().select(channel::first_at).first(conn).optional()?;
    Ok(next.map_or(at, |next| Millis(next).before(APART)))
}
