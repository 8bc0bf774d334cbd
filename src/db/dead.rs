//! What was given up: failed and unknown deliveries, and inbox items that were not understood. The operators of the server list
//! them and put them back.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::{
    Db, DbResult, DeliveryKind, DeliveryState, InboxState, MessageProgress, PortalState,
    conditions::{IsDead, IsNotUnderstood},
    conn::Conn,
    dispatch,
    schema::{delivery, inbox, message, portal},
};
use crate::{
    clock::Millis,
    domain::ids::{DeliveryId, InboxId, MessageId, PortalId},
};

/// Which of the dead. Empty lists of ids: all that the rest of it admits; else only those listed.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    pub portal: Option<PortalId>,
    /// Ended not before that.
    pub since: Option<Millis>,
    pub deliveries: Vec<DeliveryId>,
    pub inbox: Vec<InboxId>,
}

#[derive(Clone, Debug)]
pub struct DeadDelivery {
    pub id: DeliveryId,
    pub portal: PortalId,
    pub kind: DeliveryKind,
    /// Failed or unknown; of a message with which the messenger failed later, done.
    pub state: DeliveryState,
    pub message: Option<MessageId>,
    pub told: Option<String>,
    pub error: Option<String>,
    pub tries: i32,
    pub created_at: Millis,
    pub ended_at: Millis,
}

#[derive(Clone, Debug)]
pub struct DeadItem {
    pub id: InboxId,
    pub portal: PortalId,
    pub source: String,
    pub error: Option<String>,
    pub received_at: Millis,
}

/// How many were put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutBack {
    pub deliveries: usize,
    pub inbox: usize,
}

impl DeadFilter {
    fn names_ids(&self) -> bool {
        !self.deliveries.is_empty() || !self.inbox.is_empty()
    }

    fn deliveries(&self, conn: &mut Conn, limit: i64) -> DbResult<Vec<super::deliveries::Row>> {
        let mut dead = delivery::table.filter(IsDead).into_boxed();
        if let Some(portal) = &self.portal {
            dead = dead.filter(delivery::portal_id.eq(portal.0.clone()));
        }
        if let Some(since) = self.since {
            dead = dead.filter(delivery::changed_at.ge(since.0));
        }
        if self.names_ids() {
            dead = dead.filter(delivery::id.eq_any(self.deliveries.iter().map(|id| id.0).collect::<Vec<_>>()));
        }
        Ok(dead.order(delivery::id).limit(limit).load(conn)?)
    }

    fn items(&self, conn: &mut Conn, limit: i64) -> DbResult<Vec<ItemRow>> {
        let mut dead = inbox::table.filter(IsNotUnderstood).into_boxed();
        if let Some(portal) = &self.portal {
            dead = dead.filter(inbox::portal_id.eq(portal.0.clone()));
        }
        if let Some(since) = self.since {
            dead = dead.filter(inbox::received_at.ge(since.0));
        }
        if self.names_ids() {
            dead = dead.filter(inbox::id.eq_any(self.inbox.iter().map(|id| id.0).collect::<Vec<_>>()));
        }
        let columns = (inbox::id, inbox::portal_id, inbox::source, inbox::error, inbox::received_at);
        Ok(dead.order(inbox::id).limit(limit).select(columns).load(conn)?)
    }
}

type ItemRow = (i64, String, String, Option<String>, i64);

/// Lets a dead delivery be tried again: with patience as for a new one, and an unknown one only after the other side was asked.
fn revive(conn: &mut Conn, row: &super::deliveries::Row, now: Millis) -> DbResult<()> {
    let (state, place) = dispatch::line_up(conn, &row.lane, row.place)?;
    let was_unknown = row.state == DeliveryState::Unknown.text();
    diesel::update(delivery::table.find(row.id))
        .set((
            delivery::state.eq(state.text()),
            delivery::place.eq(place),
            delivery::uncertain.eq(was_unknown),
            delivery::tries.eq(0),
            delivery::due_at.eq(now.0),
            delivery::created_at.eq(now.0),
            delivery::changed_at.eq(now.0),
        ))
        .execute(conn)?;
    if state == DeliveryState::Waiting { dispatch::touch(conn, &row.portal_id, now.0) } else { Ok(()) }
}

/// A part that failed took the later parts of its message along, and the message was marked: both are undone.
fn revive_message(conn: &mut Conn, id: i64, now: Millis) -> DbResult<()> {
    let failed = message::progress.eq(MessageProgress::Failed.text());
    diesel::update(message::table.find(id).filter(failed))
        .set(message::progress.eq(MessageProgress::Waiting.text()))
        .execute(conn)?;
    let rest: Vec<super::deliveries::Row> = delivery::table
        .filter(delivery::message_id.eq(id).and(delivery::kind.eq(DeliveryKind::ToCore.text())))
        .filter(delivery::state.eq(DeliveryState::Cancelled.text()))
        .order(delivery::id)
        .load(conn)?;
    rest.iter().try_for_each(|row| revive(conn, row, now))
}

/// What did not reach the client of a message that was to go to the messenger: what is dead of it. A messenger may also have taken the
/// message and failed with it later; of several parts nobody knows then which.
fn of_message(conn: &mut Conn, portal: &str, id: MessageId) -> DbResult<Vec<super::deliveries::Row>> {
    let own = delivery::portal_id.eq(portal).and(delivery::message_id.eq(id.0));
    let to_core = || delivery::table.filter(own.and(delivery::kind.eq(DeliveryKind::ToCore.text())));
    let dead: Vec<super::deliveries::Row> = to_core().filter(IsDead).order(delivery::id).load(conn)?;
    let failed = message::id.eq(id.0).and(message::progress.eq(MessageProgress::Failed.text()));
    if !dead.is_empty() || message::table.filter(failed).count().get_result::<i64>(conn)? == 0 {
        return Ok(dead);
    }
    let all: Vec<super::deliveries::Row> = to_core().limit(2).load(conn)?;
    let is_done = |row: &super::deliveries::Row| row.state == DeliveryState::Done.text();
    Ok(if matches!(all.as_slice(), [one] if is_done(one)) { all } else { Vec::new() })
}

impl Db {
    /// What an operator's message can be tried again with.
    pub async fn dead_of_message(&self, portal: &PortalId, id: MessageId) -> DbResult<Vec<DeadDelivery>> {
        let portal = portal.0.clone();
        self.read(move |conn| of_message(conn, &portal, id)?.into_iter().map(DeadDelivery::try_from).collect()).await
    }

    /// Has what did not reach the client of an operator's message tried again, because a person wants it: once for each message. False:
    /// that was done before, or nothing of it is dead.
    pub async fn dead_retry(&self, portal: &PortalId, id: MessageId, now: Millis) -> DbResult<bool> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let own = message::id.eq(id.0).and(message::portal_id.eq(&portal)).and(message::retried_at.is_null());
            let alive = portal::table.find(&portal).filter(portal::state.ne(PortalState::Stopped.text()));
            let dead = of_message(conn, &portal, id)?;
            if dead.is_empty() || alive.count().get_result::<i64>(conn)? == 0 {
                return Ok(false);
            }
            if diesel::update(message::table.filter(own)).set(message::retried_at.eq(now.0)).execute(conn)? == 0 {
                return Ok(false);
            }
            for row in &dead {
                revive(conn, row, now)?;
            }
            revive_message(conn, id.0, now)?;
            Ok(true)
        })
        .await
    }

    /// The dead, the oldest first, at most `limit` of each kind.
    pub async fn dead_list(&self, filter: DeadFilter, limit: i64) -> DbResult<(Vec<DeadDelivery>, Vec<DeadItem>)> {
        self.read(move |conn| {
            let deliveries = filter.deliveries(conn, limit)?.into_iter().map(DeadDelivery::try_from);
            let deliveries = deliveries.collect::<DbResult<_>>()?;
            let items = filter.items(conn, limit)?.into_iter();
            let items = items.map(|(id, portal, source, error, received_at)| DeadItem {
                id: InboxId(id),
                portal: PortalId(portal),
                source,
                error,
                received_at: Millis(received_at),
            });
            Ok((deliveries, items.collect()))
        })
        .await
    }

    /// Has the dead tried again, at most `limit` of each kind. Those of a portal that has uninstalled us stay dead.
    pub async fn dead_put_back(&self, filter: DeadFilter, limit: i64, now: Millis) -> DbResult<PutBack> {
        self.write(move |conn| {
            let mut done = PutBack::default();
            for row in filter.deliveries(conn, limit)? {
                let state: String = portal::table.find(&row.portal_id).select(portal::state).first(conn)?;
                if state == PortalState::Stopped.text() {
                    continue;
                }
                revive(conn, &row, now)?;
                if let Some(message) = row.message_id.filter(|_| row.kind == DeliveryKind::ToCore.text()) {
                    revive_message(conn, message, now)?;
                }
                done.deliveries += 1;
            }
            let items: Vec<i64> = filter.items(conn, limit)?.into_iter().map(|row| row.0).collect();
            done.inbox = diesel::update(inbox::table.filter(inbox::id.eq_any(items)))
                .set((inbox::state.eq(InboxState::New.text()), inbox::tries.eq(0), inbox::due_at.eq(now.0)))
                .execute(conn)?;
            Ok(done)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        db::{Delivery, Lane, NewDelivery, NewInbox, Quota, Room, Settled, Source, testing},
        domain::ids::{ChannelId, ChatId},
    };

    async fn claim(db: &Db, now: Millis) -> Vec<Delivery> {
        let usual = Quota { to_messengers: 9, to_portal: 9, ..Quota::default() };
        let room = Room { total: 9, usual, takes: true, ..Room::default() };
        db.delivery_claim(testing::node(db).await, room, now).await.unwrap()
    }

    async fn ends(db: &Db, delivery: &Delivery, state: DeliveryState) {
        db.delivery_settle(delivery, Settled::new(state, "ended"), Millis(5)).await.unwrap();
    }

    #[tokio::test]
    async fn the_dead_take_their_place_in_their_lane_and_are_asked_about() {
        let (db, _folder) = testing::db("dead");
        let portal = testing::portal(&db, "p").await;
        let new = |chat| NewDelivery::new(Lane::OutOf(ChatId(chat)), DeliveryKind::Note, Millis(0));
        for chat in [1, 2, 2] {
            db.delivery_add(&portal, new(chat), Millis(0)).await.unwrap();
        }
        let heads = claim(&db, Millis(1)).await;
        ends(&db, &heads[0], DeliveryState::Failed).await;
        ends(&db, &heads[1], DeliveryState::Unknown).await;
        let behind = claim(&db, Millis(6)).await;
        assert_eq!(behind.len(), 1);

        let filter = |since| DeadFilter { since: Some(Millis(since)), ..DeadFilter::default() };
        assert_eq!(db.dead_list(filter(6), 9).await.unwrap().0.len(), 0);
        assert_eq!(db.dead_list(filter(5), 9).await.unwrap().0.len(), 2);
        let other = DeadFilter { portal: Some(PortalId("q".into())), ..DeadFilter::default() };
        assert_eq!(db.dead_put_back(other, 9, Millis(7)).await.unwrap(), PutBack::default());
        let done = db.dead_put_back(DeadFilter::default(), 9, Millis(7)).await.unwrap();
        assert_eq!(done, PutBack { deliveries: 2, inbox: 0 });

        let again = claim(&db, Millis(8)).await;
        assert_eq!(again.iter().map(|it| (it.id, it.uncertain)).collect::<Vec<_>>(), [(heads[0].id, false)]);
        // Its lane is not free before what has begun there ends.
        ends(&db, &behind[0], DeliveryState::Done).await;
        let again = claim(&db, Millis(9)).await;
        assert_eq!(again.iter().map(|it| (it.id, it.uncertain)).collect::<Vec<_>>(), [(heads[1].id, true)]);
        assert_eq!((again[0].created_at, again[0].tried_at), (Millis(7), Millis(1)), "it may have happened long ago");
        assert_eq!(db.dead_list(DeadFilter::default(), 9).await.unwrap().0.len(), 0);
    }

    #[tokio::test]
    async fn a_dead_inbox_item_is_expanded_again() {
        let (db, _folder) = testing::db("dead-inbox");
        let portal = testing::portal(&db, "p").await;
        let source = Source::Channel(ChannelId("a".into()));
        let item = NewInbox { source, key: "1".into(), body: "{}".into() };
        db.inbox_accept(&portal, vec![item], Millis(0)).await.unwrap();
        let due = db.inbox_due(testing::node(&db).await, true, 9, Millis(0)).await.unwrap().remove(0);
        db.inbox_postpone(&portal, due.id, None, "not understood".into()).await.unwrap();
        assert_eq!(db.queue_gauges(Millis(0)).await.unwrap().inbox_dead, 1);
        let (_deliveries, items) = db.dead_list(DeadFilter::default(), 9).await.unwrap();
        assert_eq!(items[0].error.as_deref(), Some("not understood"));
        let later = Millis(0).after(Duration::from_hours(1));
        let one = DeadFilter { inbox: vec![items[0].id], ..DeadFilter::default() };
        assert_eq!(db.dead_put_back(one, 9, later).await.unwrap().inbox, 1);
        assert_eq!(db.inbox_due(testing::node(&db).await, true, 9, later).await.unwrap().len(), 1);
    }
}
