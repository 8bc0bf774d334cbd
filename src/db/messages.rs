//! Messages and their parts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _,
    Queryable, RunQueryDsl as _,
};

use serde::{Deserialize, Serialize};

use super::{
    ChatView, Db, DbError, DbResult, NewContact, NewDelivery, NewMedia, albums, chats,
    conn::Conn,
    dispatch,
    kept::{kept, update},
    media,
    schema::{message, part},
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::ids::{ChannelId, ChatId, MediaId, MessageId, PartId, PortalId},
    messaging::Group,
};

/// A chat in which people write is compared with the portal's history so long after the first message since the last time: at most
/// one call an hour for each chat that is in use.
const LOOK_AFTER: Duration = Duration::from_hours(1);

stored_enum! {
    Direction {
        /// From the client to the portal.
        In = "in",
        /// From the business to the client.
        Out = "out",
    }
}

stored_enum! {
    /// Who caused a message.
    MessageOrigin {
        Client = "client",
        Operator = "operator",
        /// The line's automatic texts and bots.
        Automatic = "automatic",
        Robot = "robot",
        /// Written first from a CRM card.
        Card = "card",
        /// Written on the business's own phone.
        Phone = "phone",
        /// A text for which the portal has taken the channel as the provider.
        Sms = "sms",
    }
}

stored_enum! {
    /// How far a message has come. Only ever forward; see [`MessageProgress::rank`].
    MessageProgress {
        Waiting = "waiting",
        Sent = "sent",
        Delivered = "delivered",
        Read = "read",
        Failed = "failed",
    }
}

impl MessageProgress {
    /// Statuses arrive out of order: a lower rank never replaces a higher one.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Waiting => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::Read => 3,
            Self::Failed => 4,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    pub chat: ChatId,
    pub direction: Direction,
    pub origin: MessageOrigin,
    /// The other side's id of it, unique in the chat and direction.
    pub source_key: String,
    /// The operator, for messages from the portal.
    pub author: Option<i64>,
    pub b24_message: Option<i64>,
    pub b24_chat: Option<i64>,
    pub progress: MessageProgress,
    /// When its author sent it.
    pub sent_at: Millis,
    /// When a person had its failed parts sent again.
    pub retried_at: Option<Millis>,
}

impl Message {
    /// When somebody last wanted it to be sent.
    pub fn wanted_at(&self) -> Millis {
        self.retried_at.map_or(self.sent_at, |at| at.max(self.sent_at))
    }
}

#[derive(Clone, Debug)]
pub struct Part {
    pub id: PartId,
    pub position: i32,
    /// BB-code for parts from the client, from robots and from cards; the messenger's markup for an operator's and automatic ones.
    pub text: String,
    pub media: Option<MediaId>,
    /// The messenger's id, once it has one. A new line separates several.
    pub core_id: Option<String>,
}

impl Part {
    /// The messenger's ids of what it became.
    pub fn core_ids(&self) -> impl Iterator<Item = &str> {
        self.core_id.iter().flat_map(|ids| ids.lines())
    }
}

/// A message to be written with all that follows from it, in one transaction.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub channel: ChannelId,
    pub peer: String,
    /// Set where the conversation is known to be a group.
    pub group: Option<Group>,
    /// The person outside; of a group the one who wrote it, if it was one of them.
    pub who: Option<NewContact>,
    pub direction: Direction,
    pub origin: MessageOrigin,
    pub source_key: String,
    pub author: Option<i64>,
    pub b24_message: Option<i64>,
    pub b24_chat: Option<i64>,
    pub progress: MessageProgress,
    pub sent_at: Millis,
    pub parts: Vec<NewPart>,
    /// One delivery for the whole message; its lane is completed with the chat's id.
    pub delivery: Option<NewDelivery>,
    /// The customer's own system is told of it, too.
    pub hook: Option<NewDelivery>,
}

#[derive(Clone, Debug, Default)]
pub struct NewPart {
    pub text: String,
    pub media: Option<NewMedia>,
    pub core_id: Option<String>,
    /// A delivery for this part alone.
    pub delivery: Option<NewDelivery>,
}

/// A part that the core has taken.
#[derive(Clone, Debug)]
pub struct SentPart {
    pub part: PartId,
    pub core_ids: Vec<String>,
}

/// What became of a [`NewMessage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Written(MessageId),
    /// The same message had been written before: nothing follows from it again.
    Known,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    portal_id: String,
    chat_id: i64,
    direction: String,
    origin: String,
    source_key: String,
    author: Option<i64>,
    b24_message_id: Option<i64>,
    b24_chat_id: Option<i64>,
    progress: String,
    sent_at: i64,
    _created_at: i64,
    contact_id: Option<i64>,
    retried_at: Option<i64>,
}

impl TryFrom<Row> for Message {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: MessageId(row.id),
            chat: ChatId(row.chat_id),
            direction: Direction::read(&row.direction)?,
            origin: MessageOrigin::read(&row.origin)?,
            source_key: row.source_key,
            author: row.author,
            b24_message: row.b24_message_id,
            b24_chat: row.b24_chat_id,
            progress: MessageProgress::read(&row.progress)?,
            sent_at: Millis(row.sent_at),
            retried_at: row.retried_at.map(Millis),
        })
    }
}

/// A message with all that is needed to carry it to the other side. The person of a group's message is its author.
#[derive(Clone, Debug)]
pub struct Carried {
    pub message: Message,
    pub parts: Vec<Part>,
    pub view: ChatView,
}

/// Messages by their ids, each with its portal.
pub(super) fn carried(conn: &mut Conn, ids: &[i64]) -> DbResult<HashMap<i64, (String, Arc<Carried>)>> {
    let rows: Vec<Row> = message::table.filter(message::id.eq_any(ids)).load(conn)?;
    let mut parts: HashMap<i64, Vec<Part>> = HashMap::new();
    let found: Vec<(i64, PartRow)> = part::table
        .filter(part::message_id.eq_any(ids))
        .order((part::message_id, part::position))
        .select((part::message_id, (part::id, part::position, part::text, part::media_id, part::core_id)))
        .load(conn)?;
    for (message, row) in found {
        parts.entry(message).or_default().push(Part::from(row));
    }
    let chats: Vec<i64> = rows.iter().map(|row| row.chat_id).collect();
    let views = chats::views(conn, &chats)?;
    let authors: Vec<i64> = rows.iter().filter_map(|row| row.contact_id).collect();
    let authors = if authors.is_empty() { HashMap::new() } else { chats::contacts(conn, &authors)? };
    let mut carried = HashMap::new();
    for row in rows {
        let (id, portal) = (row.id, row.portal_id.clone());
        let Some(mut view) = views.get(&row.chat_id).cloned() else { continue };
        if view.chat.is_group {
            view.contact = row.contact_id.and_then(|author| authors.get(&author).cloned());
        }
        let message = Message::try_from(row)?;
        carried.insert(id, (portal, Arc::new(Carried { message, parts: parts.remove(&id).unwrap_or_default(), view })));
    }
    Ok(carried)
}

type PartRow = (i64, i32, String, Option<i64>, Option<String>);

pub(super) fn parts_of(conn: &mut Conn, portal: &str, id: i64) -> DbResult<Vec<Part>> {
    let rows: Vec<PartRow> = part::table
        .filter(part::portal_id.eq(portal).and(part::message_id.eq(id)))
        .order(part::position)
        .select((part::id, part::position, part::text, part::media_id, part::core_id))
        .load(conn)?;
    Ok(rows.into_iter().map(Part::from).collect())
}

/// A message with its parts in order.
fn with_parts(conn: &mut Conn, row: Row) -> DbResult<(Message, Vec<Part>)> {
    let parts = parts_of(conn, &row.portal_id, row.id)?;
    Ok((Message::try_from(row)?, parts))
}

fn read_one(conn: &mut Conn, portal: &str, id: MessageId) -> DbResult<Option<(Message, Vec<Part>)>> {
    let own = message::table.find(id.0).filter(message::portal_id.eq(portal));
    own.first::<Row>(conn).optional()?.map(|row| with_parts(conn, row)).transpose()
}

impl From<PartRow> for Part {
    fn from((id, position, text, media, core_id): PartRow) -> Self {
        Self { id: PartId(id), position, text, media: media.map(MediaId), core_id }
    }
}

/// Writes a message, its chat, its parts and their deliveries; a known one changes nothing.
pub(super) fn insert(conn: &mut Conn, portal: &str, new: &NewMessage, now: Millis) -> DbResult<Recorded> {
    // People wait for an answer to what a client or an operator wrote; robots write to many who never answer.
    let is_talk = matches!(new.origin, MessageOrigin::Client | MessageOrigin::Operator);
    let look_at = is_talk.then(|| now.after(LOOK_AFTER));
    let (who, group) = (new.who.as_ref(), new.group.as_ref());
    let other = chats::Other { channel: &new.channel, peer: &new.peer, who, group };
    let (chat, contact) = chats::upsert(conn, portal, other, (now, look_at))?;
    let row = (
        message::portal_id.eq(portal),
        message::chat_id.eq(chat),
        message::direction.eq(new.direction.text()),
        message::origin.eq(new.origin.text()),
        message::source_key.eq(&new.source_key),
        message::author.eq(new.author),
        message::b24_message_id.eq(new.b24_message),
        message::b24_chat_id.eq(new.b24_chat),
        message::progress.eq(new.progress.text()),
        message::sent_at.eq(new.sent_at.0),
        message::created_at.eq(now.0),
        message::contact_id.eq(contact.filter(|_| group.is_some())),
    );
    let key = (message::portal_id, message::chat_id, message::direction, message::source_key);
    let insertion = diesel::insert_into(message::table).values(row).on_conflict(key).do_nothing();
    let written: Option<i64> = kept!(conn, get_result, insertion.returning(message::id)).optional()?;
    let Some(id) = written else { return albums::join(conn, portal, (chat, new), now) };
    for (position, piece) in new.parts.iter().enumerate() {
        insert_part(conn, portal, (chat, id, new.b24_message), (position, piece), now)?;
    }
    for delivery in new.delivery.iter().chain(&new.hook) {
        let delivery = NewDelivery { message: Some(MessageId(id)), ..delivery.clone() };
        dispatch::insert(conn, portal, &delivery.in_chat(ChatId(chat)), now)?;
    }
    Ok(Recorded::Written(MessageId(id)))
}

pub(super) fn insert_part(
    conn: &mut Conn,
    portal: &str,
    (chat, message, number): (i64, i64, Option<i64>),
    (position, new): (usize, &NewPart),
    now: Millis,
) -> DbResult<()> {
    let media = new.media.as_ref().map(|file| media::insert(conn, portal, file, now)).transpose()?;
    let row = (
        part::portal_id.eq(portal),
        part::message_id.eq(message),
        part::position.eq(i32::try_from(position).unwrap_or(i32::MAX)),
        part::text.eq(&new.text),
        part::media_id.eq(media),
        part::core_id.eq(&new.core_id),
    );
    let id: i64 = kept!(conn, get_result, diesel::insert_into(part::table).values(row).returning(part::id))?;
    if let Some(delivery) = &new.delivery {
        let delivery = NewDelivery {
            message: Some(MessageId(message)),
            part: Some(PartId(id)),
            // Events overtake each other; the portal's numbers do not.
            place: number.unwrap_or(0),
            ..delivery.clone()
        };
        dispatch::insert(conn, portal, &delivery.in_chat(ChatId(chat)), now)?;
    }
    Ok(())
}

pub(super) fn mark_part(conn: &mut Conn, portal: &str, sent: &SentPart) -> DbResult<()> {
    let own = part::id.eq(sent.part.0).and(part::portal_id.eq(portal));
    kept!(conn, execute, update(own, part::core_id.eq(sent.core_ids.join("\n"))))?;
    Ok(())
}

pub(super) fn rewrite_part(conn: &mut Conn, portal: &str, id: PartId, text: &str) -> DbResult<()> {
    let own = part::table.find(id.0).filter(part::portal_id.eq(portal));
    diesel::update(own).set(part::text.eq(text)).execute(conn)?;
    Ok(())
}

/// Moves a message forward; never back.
pub(super) fn advance(conn: &mut Conn, portal: &str, id: MessageId, to: MessageProgress) -> DbResult<bool> {
    let own = || message::id.eq(id.0).and(message::portal_id.eq(portal));
    let progress = message::table.filter(own()).select(message::progress);
    let now: Option<String> = kept!(conn, get_result, progress).optional()?;
    let Some(now) = now else { return Ok(false) };
    if MessageProgress::read(&now)?.rank() >= to.rank() {
        return Ok(false);
    }
    kept!(conn, execute, update(own(), message::progress.eq(to.text())))?;
    Ok(true)
}

/// Where a core's id of a message means one message: in one group, or in all private chats of a channel. (Telegram numbers the
/// messages of each large group by themselves; and a private chat may have been begun under another address than it has.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorePlace {
    pub channel: ChannelId,
    /// The group, if it is one.
    pub group: Option<String>,
}

impl CorePlace {
    pub fn of(channel: &ChannelId, peer: &str, is_group: bool) -> Self {
        Self { channel: channel.clone(), group: is_group.then(|| peer.to_owned()) }
    }
}

/// The message that a core names by its id.
pub(super) fn find_by_core_id(
    conn: &mut Conn,
    portal: &str,
    (place, core_id): (&CorePlace, &str),
) -> DbResult<Option<MessageId>> {
    use super::schema::chat;
    let named = part::table
        .inner_join(message::table.on(message::id.eq(part::message_id)))
        .inner_join(chat::table.on(chat::id.eq(message::chat_id)))
        .filter(part::portal_id.eq(portal).and(part::core_id.eq(core_id)).and(chat::channel_id.eq(&place.channel.0)))
        .select(part::message_id);
    let found: Option<i64> = match &place.group {
        Some(group) => named.filter(chat::peer.eq(group)).first(conn).optional()?,
        None => named.filter(chat::is_group.eq(false)).first(conn).optional()?,
    };
    Ok(found.map(MessageId))
}

impl Db {
    /// A message with its parts in order.
    pub async fn message_get(&self, portal: &PortalId, id: MessageId) -> DbResult<Option<(Message, Vec<Part>)>> {
        let portal = portal.0.clone();
        self.read(move |conn| read_one(conn, &portal, id)).await
    }

    /// The message that the other side names so in a conversation, with its parts in order.
    pub async fn message_find(
        &self,
        portal: &PortalId,
        (channel, peer): (&ChannelId, &str),
        (direction, source_key): (Direction, &str),
    ) -> DbResult<Option<(Message, Vec<Part>)>> {
        use super::schema::chat;
        let (portal, channel, peer) = (portal.0.clone(), channel.0.clone(), peer.to_owned());
        let source_key = source_key.to_owned();
        self.read(move |conn| {
            let place = chat::portal_id.eq(&portal).and(chat::channel_id.eq(channel)).and(chat::peer.eq(peer));
            let place: Option<i64> = chat::table.filter(place).select(chat::id).first(conn).optional()?;
            let Some(place) = place else { return Ok(None) };
            let own = message::portal_id.eq(&portal).and(message::chat_id.eq(place));
            let named = message::direction.eq(direction.text()).and(message::source_key.eq(source_key));
            let found = message::table.filter(own.and(named)).first::<Row>(conn).optional()?;
            found.map(|row| with_parts(conn, row)).transpose()
        })
        .await
    }

    /// The message of the business that a core names by its id, with its parts in order.
    pub async fn message_by_core(
        &self,
        portal: &PortalId,
        (place, core_id): (&CorePlace, &str),
    ) -> DbResult<Option<(Message, Vec<Part>)>> {
        let (portal, place, core_id) = (portal.0.clone(), place.clone(), core_id.to_owned());
        self.read(move |conn| match find_by_core_id(conn, &portal, (&place, &core_id))? {
            Some(id) => read_one(conn, &portal, id),
            None => Ok(None),
        })
        .await
    }

    /// The newest messages of a chat, newest first.
    pub async fn message_list(
        &self,
        portal: &PortalId,
        chat: ChatId,
        limit: i64,
    ) -> DbResult<Vec<(Message, Vec<Part>)>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let rows: Vec<Row> = message::table
                .filter(message::portal_id.eq(&portal).and(message::chat_id.eq(chat.0)))
                .order(message::id.desc())
                .limit(limit)
                .load(conn)?;
            rows.into_iter().map(|row| with_parts(conn, row)).collect()
        })
        .await
    }
}
