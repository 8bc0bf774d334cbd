//! Chats and the people in them.

use std::collections::HashMap;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _,
    sql_types::{BigInt, Nullable},
};

use super::{
    Db, DbResult,
    conn::Conn,
    kept::{kept, update},
    on_each,
    schema::{chat, contact},
};
use crate::{
    clock::Millis,
    domain::{
        connector::Connector,
        ids::{ChannelId, ChatId, ContactId, PortalId},
    },
    messaging::{Group, Person},
};

/// A conversation with a client.
#[derive(Clone, Debug, Queryable)]
pub struct Chat {
    id: i64,
    _portal_id: String,
    channel_id: String,
    contact_id: Option<i64>,
    pub peer: String,
    /// The portal's own number of the chat, once its first message has arrived there.
    pub b24_chat: Option<i64>,
    pub b24_user: Option<i64>,
    last_message_at: i64,
    _created_at: i64,
    _look_at: Option<i64>,
    /// Many people talk in it; who wrote a message, that says itself.
    pub is_group: bool,
    /// What a group is called, as far as the messenger has told.
    pub title: Option<String>,
}

impl Chat {
    pub fn id(&self) -> ChatId {
        ChatId(self.id)
    }

    pub fn channel(&self) -> ChannelId {
        ChannelId(self.channel_id.clone())
    }

    pub fn last_message_at(&self) -> Millis {
        Millis(self.last_message_at)
    }
}

/// The person outside.
#[derive(Clone, Debug, Queryable)]
pub struct Contact {
    id: i64,
    _portal_id: String,
    _connector: String,
    /// Stable in this kind of messenger.
    pub person: String,
    pub name: Option<String>,
    /// E.164 with `+`.
    pub phone: Option<String>,
    pub username: Option<String>,
    pub link: Option<String>,
    /// JSON of an [`crate::messaging::Origin`].
    pub picture: Option<String>,
    _created_at: i64,
    _changed_at: i64,
    /// The portal's user that he is as a member of groups.
    pub b24_member: Option<i64>,
}

impl Contact {
    pub fn id(&self) -> ContactId {
        ContactId(self.id)
    }
}

/// The other side of a conversation, as a core or an address describes it.
#[derive(Clone, Debug)]
pub struct NewContact {
    pub connector: Connector,
    pub person: Person,
}

/// A chat with its person. Of a group that is the author of the message in question, if there is one.
#[derive(Clone, Debug)]
pub struct ChatView {
    pub chat: Chat,
    pub contact: Option<Contact>,
}

/// Which conversation of which channel, and who is on the other side of it.
#[derive(Clone, Copy)]
pub(super) struct Other<'a> {
    pub channel: &'a ChannelId,
    pub peer: &'a str,
    pub who: Option<&'a NewContact>,
    /// Set for a group, of which `who` is one.
    pub group: Option<&'a Group>,
}

diesel::define_sql_function! {
    fn coalesce(one: Nullable<BigInt>, other: Nullable<BigInt>) -> Nullable<BigInt>;
}

fn contact_upsert(conn: &mut Conn, portal: &str, new: &NewContact, now: Millis) -> DbResult<i64> {
    let person = &new.person;
    let own = contact::portal_id
        .eq(portal)
        .and(contact::connector.eq(new.connector.id()))
        .and(contact::person.eq(&person.id));
    let known: Option<Contact> = kept!(conn, get_result, contact::table.filter(own).limit(1)).optional()?;
    let picture = person.picture.as_ref().and_then(|origin| serde_json::to_string(origin).ok());
    let Some(known) = known else {
        return Ok(diesel::insert_into(contact::table)
            .values((
                contact::portal_id.eq(portal),
                contact::connector.eq(new.connector.id()),
                contact::person.eq(&person.id),
                contact::name.eq(&person.name),
                contact::phone.eq(&person.phone),
                contact::username.eq(&person.username),
                contact::link.eq(&person.link),
                contact::picture.eq(picture),
                contact::created_at.eq(now.0),
                contact::changed_at.eq(now.0),
            ))
            .returning(contact::id)
            .get_result(conn)?);
    };
    // What a later message does not tell stays as it was.
    let news = |told: &Option<String>, known: &Option<String>| told.is_some() && told != known;
    let changed = news(&person.name, &known.name)
        || news(&person.phone, &known.phone)
        || news(&person.username, &known.username)
        || news(&person.link, &known.link)
        || news(&picture, &known.picture);
    if changed {
        diesel::update(contact::table.find(known.id))
            .set((
                contact::name.eq(person.name.clone().or(known.name)),
                contact::phone.eq(person.phone.clone().or(known.phone)),
                contact::username.eq(person.username.clone().or(known.username)),
                contact::link.eq(person.link.clone().or(known.link)),
                contact::picture.eq(picture.or(known.picture)),
                contact::changed_at.eq(now.0),
            ))
            .execute(conn)?;
    }
    Ok(known.id)
}

/// Finds or makes the chat of a channel with a peer, and brings its person or its title up to date. `look_at`: the chat is compared
/// with the portal's history then, unless that will be so before. Returns the chat, and the person as far as told.
pub(super) fn upsert(
    conn: &mut Conn,
    portal: &str,
    other: Other<'_>,
    (now, look_at): (Millis, Option<Millis>),
) -> DbResult<(i64, Option<i64>)> {
    let look_at = look_at.map(|at| at.0);
    let contact = other.who.map(|new| contact_upsert(conn, portal, new, now)).transpose()?;
    let (is_group, title) = (other.group.is_some(), other.group.and_then(|group| group.title.as_ref()));
    // A group has many; each message has its own.
    let linked = contact.filter(|_| !is_group);
    let own = chat::portal_id.eq(portal).and(chat::channel_id.eq(&other.channel.0)).and(chat::peer.eq(other.peer));
    let own = chat::table.filter(own).select((chat::id, chat::contact_id, chat::is_group, chat::title)).limit(1);
    let known: Option<(i64, Option<i64>, bool, Option<String>)> = kept!(conn, get_result, own).optional()?;
    let (id, known, was_group, was_title) = match known {
        // Most messages come into chats that are known.
        Some(known) => {
            let news = (chat::last_message_at.eq(now.0), chat::look_at.eq(coalesce(chat::look_at, look_at)));
            kept!(conn, execute, update(chat::id.eq(known.0), news))?;
            known
        }
        None => on_each!(conn, |c| diesel::insert_into(chat::table)
            .values((
                chat::portal_id.eq(portal),
                chat::channel_id.eq(&other.channel.0),
                chat::contact_id.eq(linked),
                chat::peer.eq(other.peer),
                chat::last_message_at.eq(now.0),
                chat::created_at.eq(now.0),
                chat::look_at.eq(look_at),
                chat::is_group.eq(is_group),
                chat::title.eq(title),
            ))
            .on_conflict((chat::portal_id, chat::channel_id, chat::peer))
            .do_update()
            .set((chat::last_message_at.eq(now.0), chat::look_at.eq(coalesce(chat::look_at, look_at))))
            .returning((chat::id, chat::contact_id, chat::is_group, chat::title))
            .get_result(c))?,
    };
    if known.is_none() && linked.is_some() {
        diesel::update(chat::table.find(id)).set(chat::contact_id.eq(linked)).execute(conn)?;
    }
    if is_group && (!was_group || (title.is_some() && title != was_title.as_ref())) {
        let group = (chat::is_group.eq(true), chat::title.eq(title.or(was_title.as_ref())));
        diesel::update(chat::table.find(id)).set(group).execute(conn)?;
    }
    Ok((id, contact))
}

/// Keeps which user of the portal somebody is as a member of groups.
pub(super) fn keep_member(conn: &mut Conn, portal: &str, (id, user): (ContactId, i64)) -> DbResult<()> {
    let own = contact::table.find(id.0).filter(contact::portal_id.eq(portal));
    diesel::update(own).set(contact::b24_member_id.eq(user)).execute(conn)?;
    Ok(())
}

/// Whether a user of the portal is somebody outside whom a group has brought.
pub(super) fn is_member(conn: &mut Conn, portal: &str, user: i64) -> DbResult<bool> {
    let own = contact::portal_id.eq(portal).and(contact::b24_member_id.eq(user));
    let found: Option<i64> = contact::table.filter(own).select(contact::id).first(conn).optional()?;
    Ok(found.is_some())
}

/// People by their ids.
pub(super) fn contacts(conn: &mut Conn, ids: &[i64]) -> DbResult<HashMap<i64, Contact>> {
    let found: Vec<Contact> = contact::table.filter(contact::id.eq_any(ids)).load(conn)?;
    Ok(found.into_iter().map(|contact| (contact.id, contact)).collect())
}

impl Db {
    pub async fn chat_get(&self, portal: &PortalId, id: ChatId) -> DbResult<Option<ChatView>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let found: Option<Chat> =
                chat::table.find(id.0).filter(chat::portal_id.eq(&portal)).first(conn).optional()?;
            found.map(|chat| view(conn, chat)).transpose()
        })
        .await
    }

    pub async fn chat_of_peer(&self, portal: &PortalId, channel: &ChannelId, peer: &str) -> DbResult<Option<ChatView>> {
        let (portal, channel, peer) = (portal.0.clone(), channel.0.clone(), peer.to_owned());
        self.read(move |conn| {
            let own = chat::portal_id.eq(portal).and(chat::channel_id.eq(channel)).and(chat::peer.eq(peer));
            let found: Option<Chat> = chat::table.filter(own).first(conn).optional()?;
            found.map(|chat| view(conn, chat)).transpose()
        })
        .await
    }

    /// Chats whose person has one of these phones or usernames, or whose peer is one of these; newest first, at most 50. A group is
    /// found by itself alone, never by who is in it.
    pub async fn chat_search(
        &self,
        portal: &PortalId,
        phones: Vec<String>,
        usernames: Vec<String>,
        peers: Vec<String>,
    ) -> DbResult<Vec<ChatView>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let found: Vec<Chat> = chat::table
                .left_join(contact::table.on(chat::contact_id.eq(contact::id.nullable())))
                .filter(chat::portal_id.eq(portal))
                .filter(
                    contact::phone
                        .eq_any(phones)
                        .or(contact::username.eq_any(usernames))
                        .or(chat::peer.eq_any(peers).nullable()),
                )
                .order(chat::last_message_at.desc())
                .limit(50)
                .select(chat::all_columns)
                .load(conn)?;
            found.into_iter().map(|chat| view(conn, chat)).collect()
        })
        .await
    }
}

impl Db {
    /// Chats by the portal's own numbers.
    pub async fn chat_of_portal(&self, portal: &PortalId, numbers: Vec<i64>) -> DbResult<Vec<ChatView>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let own = chat::portal_id.eq(portal).and(chat::b24_chat_id.eq_any(numbers));
            let found: Vec<Chat> = chat::table.filter(own).order(chat::last_message_at.desc()).limit(50).load(conn)?;
            found.into_iter().map(|chat| view(conn, chat)).collect()
        })
        .await
    }
}

/// Chats by their ids.
pub(super) fn views(conn: &mut Conn, ids: &[i64]) -> DbResult<HashMap<i64, ChatView>> {
    let found: Vec<(Chat, Option<Contact>)> = chat::table
        .left_join(contact::table.on(chat::contact_id.eq(contact::id.nullable())))
        .filter(chat::id.eq_any(ids))
        .select((chat::all_columns, contact::all_columns.nullable()))
        .load(conn)?;
    Ok(found.into_iter().map(|(chat, contact)| (chat.id, ChatView { chat, contact })).collect())
}

fn view(conn: &mut Conn, chat: Chat) -> DbResult<ChatView> {
    let contact = match chat.contact_id {
        Some(id) => contact::table.find(id).first(conn).optional()?,
        None => None,
    };
    Ok(ChatView { chat, contact })
}
