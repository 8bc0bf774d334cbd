//! When a chat is compared with the portal's history. A chat carries the time of its next look (`look_at`), so what is due is found by
//! an index, and a portal in which nobody writes costs nothing.

use std::time::Duration;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{
    Db, DbResult, NewDelivery, PortalState, chats,
    conn::Conn,
    deliveries::{DeliveryKind, Lane},
    dispatch,
    messages::Direction,
    schema::{chat, inbox, message, portal},
};
use crate::{
    clock::Millis,
    domain::ids::{ChatId, PortalId},
};

/// A parked portal can tell nothing: its chats are looked at when it is asked again.
const PARKED: Duration = Duration::from_hours(1);

/// Which chats are looked at after a gap, and when.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// Chats that were active since then.
    pub active_since: Millis,
    /// The first one, the one that was active last.
    pub from: Millis,
    /// Between two of them.
    pub step: Duration,
    pub limit: i64,
}

/// A message that ought to have come, and what looks for it if it has not.
#[derive(Clone, Debug)]
pub struct Missed {
    pub chat: ChatId,
    /// The portal's number of it.
    pub message: i64,
    /// Its author, who may be one of a group instead of an operator.
    pub stranger: Option<i64>,
    pub look: NewDelivery,
}

/// Has a message looked for, unless it has come.
pub(super) fn insert_missed(conn: &mut Conn, owner: &str, missed: &Missed, now: Millis) -> DbResult<()> {
    if let Some(author) = missed.stranger {
        // Whom the portal takes him for is told by the answer to what is being written there.
        let is_open = dispatch::is_held(conn, &Lane::InOf(missed.chat))?;
        if is_open || chats::is_member(conn, owner, author)? {
            return Ok(());
        }
    }
    if known(conn, owner, missed.chat, &[missed.message])?.is_empty() {
        dispatch::insert(conn, owner, &missed.look, now)?;
    }
    Ok(())
}

/// Which of these messages of operators have been written down.
fn known(conn: &mut Conn, owner: &str, id: ChatId, messages: &[i64]) -> DbResult<Vec<i64>> {
    let keys: Vec<String> = messages.iter().map(i64::to_string).collect();
    let own = message::portal_id.eq(owner).and(message::chat_id.eq(id.0));
    let known: Vec<String> = message::table
        .filter(own.and(message::direction.eq(Direction::Out.text())).and(message::source_key.eq_any(keys)))
        .select(message::source_key)
        .load(conn)?;
    Ok(known.iter().filter_map(|key| key.parse().ok()).collect())
}

/// Has a chat looked at, not later than `at`.
pub(super) fn set(conn: &mut Conn, owner: &str, id: ChatId, at: Millis) -> DbResult<()> {
    diesel::update(chat::table.find(id.0).filter(chat::portal_id.eq(owner)))
        .filter(chat::look_at.is_null().or(chat::look_at.gt(at.0)))
        .set(chat::look_at.eq(at.0))
        .execute(conn)?;
    Ok(())
}

/// Turns one chat's due look into a delivery, unless another node was faster or one is under way.
fn begin(conn: &mut Conn, (id, owner, due): (i64, String, i64), now: Millis) -> DbResult<()> {
    let state: String = portal::table.find(&owner).select(portal::state).first(conn)?;
    let next = match PortalState::read(&state)? {
        PortalState::Parked => Some(now.after(PARKED).0),
        PortalState::Active | PortalState::Stopped => None,
    };
    let taken =
        diesel::update(chat::table.find(id).filter(chat::look_at.eq(due))).set(chat::look_at.eq(next)).execute(conn)?;
    let lane = Lane::Look(ChatId(id));
    if taken == 0 || state != PortalState::Active.text() || dispatch::is_held(conn, &lane)? {
        return Ok(());
    }
    let look = NewDelivery::new(lane, DeliveryKind::Look, now).payload(&serde_json::json!({ "chat": id }));
    dispatch::insert(conn, &owner, &look, now)
}

impl Db {
    /// Has chats of a portal looked at that were active lately, those that were so last first. Returns how many.
    pub async fn look_after_gap(&self, portal: &PortalId, gap: Gap) -> DbResult<usize> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            let active: Vec<i64> = chat::table
                .filter(chat::portal_id.eq(&owner).and(chat::last_message_at.ge(gap.active_since.0)))
                .filter(chat::b24_chat_id.is_not_null())
                .order(chat::last_message_at.desc())
                .limit(gap.limit)
                .select(chat::id)
                .load(conn)?;
            let mut at = gap.from;
            for id in &active {
                set(conn, &owner, ChatId(*id), at)?;
                at = at.after(gap.step);
            }
            Ok(active.len())
        })
        .await
    }

    /// Turns due looks into deliveries, those that have waited longest first. Returns how many were due.
    pub async fn look_begin_due(&self, limit: i64, now: Millis) -> DbResult<usize> {
        let is_due = move |conn: &mut Conn| -> DbResult<Vec<(i64, String, i64)>> {
            let due = chat::table.filter(chat::look_at.le(now.0)).order(chat::look_at).limit(limit);
            let rows: Vec<(i64, String, Option<i64>)> =
                due.select((chat::id, chat::portal_id, chat::look_at)).load(conn)?;
            Ok(rows.into_iter().filter_map(|(id, owner, at)| Some((id, owner, at?))).collect())
        };
        // Mostly nothing is due, and reading keeps nobody who writes.
        let due = self.read(is_due).await?;
        let count = due.len();
        if count > 0 {
            self.write(move |conn| due.iter().try_for_each(|row| begin(conn, row.clone(), now))).await?;
        }
        Ok(count)
    }

    /// The active portals after `after` in the order of their ids.
    pub async fn look_portals(&self, after: Option<PortalId>, limit: i64) -> DbResult<Vec<PortalId>> {
        self.read(move |conn| {
            let after = after.map_or_else(String::new, |portal| portal.0);
            let rows: Vec<String> = portal::table
                .filter(portal::state.eq(PortalState::Active.text()).and(portal::id.gt(after)))
                .order(portal::id)
                .limit(limit)
                .select(portal::id)
                .load(conn)?;
            Ok(rows.into_iter().map(PortalId).collect())
        })
        .await
    }

    /// When something was accepted last: the server was alive then.
    pub async fn look_last_alive(&self) -> DbResult<Option<Millis>> {
        self.read(move |conn| {
            let last: Option<i64> =
                inbox::table.order(inbox::id.desc()).select(inbox::received_at).first(conn).optional()?;
            Ok(last.map(Millis))
        })
        .await
    }

    /// Which of these messages of operators have been written down.
    pub async fn look_known(&self, portal: &PortalId, id: ChatId, messages: Vec<i64>) -> DbResult<Vec<i64>> {
        let owner = portal.0.clone();
        self.read(move |conn| known(conn, &owner, id, &messages)).await
    }
}
