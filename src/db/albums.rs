//! Albums: a client's files that he sent at once, and that come one by one.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::{
    DbResult, DeliveryKind, DeliveryState, NewMessage, Part, Recorded,
    conn::Conn,
    messages,
    schema::{delivery, message},
};
use crate::clock::Millis;

/// Begins the key of a client's message whose files come one by one, and whose name only all of them share.
const ALBUM: &str = "album/";

/// The [`NewMessage::source_key`] of an album. Its pieces are new messages under this key, each with the messenger's id of it in its
/// first part: they join the first as long as that waits, and are messages of their own when they come later.
pub fn album_key(name: &str) -> String {
    format!("{ALBUM}{name}")
}

/// A message whose key is known: another piece of its album, or a repetition.
pub(super) fn join(conn: &mut Conn, portal: &str, (chat, new): (i64, &NewMessage), now: Millis) -> DbResult<Recorded> {
    if !new.source_key.starts_with(ALBUM) {
        return Ok(Recorded::Known);
    }
    let piece = new.parts.iter().find_map(|part| part.core_id.clone()).unwrap_or_default();
    let own = message::portal_id.eq(portal).and(message::chat_id.eq(chat));
    let named = message::direction.eq(new.direction.text()).and(message::source_key.eq(&new.source_key));
    let album: i64 = message::table.filter(own.and(named)).select(message::id).first(conn)?;
    let known = messages::parts_of(conn, portal, album)?;
    if known.iter().flat_map(Part::core_ids).any(|id| id == piece) {
        return Ok(Recorded::Known);
    }
    // The pause begins anew with every piece.
    let waits = [DeliveryState::Queued, DeliveryState::Waiting].map(DeliveryState::text);
    let due_at = new.delivery.as_ref().map_or(now, |delivery| delivery.due_at);
    // Who else is told of it waits for all of it, too; but only what is on its way to the portal decides.
    let untried = |kind: DeliveryKind| {
        let own =
            delivery::portal_id.eq(portal).and(delivery::message_id.eq(album)).and(delivery::kind.eq(kind.text()));
        delivery::table.filter(own.and(delivery::tries.eq(0)).and(delivery::state.eq_any(waits)))
    };
    diesel::update(untried(DeliveryKind::Hook)).set(delivery::due_at.eq(due_at.0)).execute(conn)?;
    let waiting = diesel::update(untried(DeliveryKind::ToPortal)).set(delivery::due_at.eq(due_at.0)).execute(conn)?;
    if waiting == 0 {
        let alone = NewMessage { source_key: piece, ..new.clone() };
        return messages::insert(conn, portal, &alone, now);
    }
    for (position, part) in new.parts.iter().enumerate() {
        messages::insert_part(conn, portal, (chat, album, None), (known.len() + position, part), now)?;
    }
    Ok(Recorded::Known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{
            ChannelState, Db, Direction, Expansion, InboxItem, Lane, MessageOrigin, MessageProgress, NewChannel,
            NewDelivery, NewInbox, NewPart, Quota, Room, Round, Source, testing,
        },
        domain::{
            connector::Connector,
            ids::{ChannelId, PortalId},
        },
        messaging::CoreKind,
    };

    fn piece(id: &str, now: i64) -> NewMessage {
        let part = |core_id: Option<&str>| NewPart { core_id: core_id.map(str::to_owned), ..NewPart::default() };
        NewMessage {
            channel: ChannelId("c".into()),
            peer: "7".into(),
            group: None,
            who: None,
            direction: Direction::In,
            origin: MessageOrigin::Client,
            source_key: album_key("13"),
            author: None,
            b24_message: None,
            b24_chat: None,
            progress: MessageProgress::Waiting,
            sent_at: Millis(now),
            parts: vec![part(Some(id)), part(None)],
            delivery: Some(NewDelivery::new(Lane::ChatIn, DeliveryKind::ToPortal, Millis(now + 10))),
            hook: None,
        }
    }

    async fn comes(db: &Db, portal: &PortalId, (id, now): (&str, i64)) {
        let source = Source::Channel(ChannelId("c".into()));
        let item = NewInbox { source, key: format!("{id}/{now}"), body: "{}".into() };
        db.inbox_accept(portal, vec![item], Millis(now)).await.unwrap();
        let due: InboxItem = db.inbox_due(testing::node(db).await, true, 9, Millis(now)).await.unwrap().remove(0);
        let expansion = Expansion { relevant: true, messages: vec![piece(id, now)], ..Expansion::default() };
        let turn = Round::default().turn(&due);
        db.inbox_expand(portal, (due.id, turn), expansion, Millis(now)).await.unwrap();
    }

    #[tokio::test]
    async fn pieces_join_until_the_album_is_on_its_way() {
        let (db, _folder) = testing::db("albums");
        let portal = testing::portal(&db, "p").await;
        let channel = NewChannel {
            id: ChannelId("c".into()),
            core: CoreKind::Embedded,
            connector: Connector::TelegramBot,
            account: "1".into(),
            title: String::new(),
            own_name: None,
            link: None,
            login: None,
            valid_until: None,
            secret: None,
            state: ChannelState::Alive,
        };
        db.channel_put(&portal, channel, Millis(0)).await.unwrap();
        for piece in [("1", 0), ("2", 5), ("2", 6)] {
            comes(&db, &portal, piece).await;
        }
        let node = testing::node(&db).await;
        let usual = || Quota { to_messengers: 9, to_portal: 9, ..Quota::default() };
        let room = || Room { total: 9, usual: usual(), takes: true, ..Room::default() };
        assert!(db.delivery_claim(node, room(), Millis(12)).await.unwrap().is_empty(), "the pause began anew");
        let claimed = db.delivery_claim(node, room(), Millis(16)).await.unwrap();
        let ids = |parts: &[Part]| parts.iter().flat_map(Part::core_ids).map(str::to_owned).collect::<Vec<_>>();
        let carried = claimed[0].carried.clone().unwrap();
        assert_eq!((carried.parts.len(), ids(&carried.parts)), (4, vec!["1".to_owned(), "2".to_owned()]));
        comes(&db, &portal, ("3", 17)).await;
        let all = db.message_list(&portal, carried.message.chat, 9).await.unwrap();
        let keys: Vec<_> = all.iter().map(|(message, parts)| (message.source_key.as_str(), parts.len())).collect();
        assert_eq!(keys, [("3", 2), ("album/13", 4)], "what comes too late is a message of its own");
    }
}
