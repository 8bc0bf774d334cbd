//! Media: a file as a row; its bytes are in the media store.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _};

use super::{Db, DbError, DbResult, conn::Conn, schema::media, stored_enum};
use crate::{
    clock::Millis,
    domain::ids::{ChannelId, MediaId, PortalId},
    messaging::Origin,
};

stored_enum! {
    MediaState {
        /// Known, not fetched.
        Waiting = "waiting",
        Stored = "stored",
    }
}

/// Where the bytes can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaOwner {
    /// From the messenger, by this channel.
    Channel { channel: ChannelId, origin: Origin },
    /// From the portal; the link dies within the hour.
    Portal { link: String },
}

#[derive(Clone, Debug)]
pub struct Media {
    pub id: MediaId,
    pub portal: PortalId,
    pub owner: MediaOwner,
    pub name: String,
    pub mime: String,
    pub size: Option<i64>,
    /// The key in the media store.
    pub stored: Option<String>,
}

#[derive(Clone, Debug)]
pub struct NewMedia {
    pub owner: MediaOwner,
    pub name: String,
    pub mime: String,
    pub size: Option<i64>,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    portal_id: String,
    _channel_id: Option<String>,
    origin: String,
    name: String,
    mime: String,
    size: Option<i64>,
    stored: Option<String>,
    _state: String,
    _created_at: i64,
}

impl TryFrom<Row> for Media {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: MediaId(row.id),
            portal: PortalId(row.portal_id),
            owner: serde_json::from_str(&row.origin)
                .map_err(|error| DbError::Corrupt(format!("media origin: {error}")))?,
            name: row.name,
            mime: row.mime,
            size: row.size,
            stored: row.stored,
        })
    }
}

pub(super) fn insert(conn: &mut Conn, portal: &str, new: &NewMedia, now: Millis) -> DbResult<i64> {
    let origin = serde_json::to_string(&new.owner).map_err(|error| DbError::Corrupt(error.to_string()))?;
    let channel = match &new.owner {
        MediaOwner::Channel { channel, .. } => Some(channel.0.clone()),
        MediaOwner::Portal { .. } => None,
    };
    Ok(diesel::insert_into(media::table)
        .values((
            media::portal_id.eq(portal),
            media::channel_id.eq(channel),
            media::origin.eq(origin),
            media::name.eq(&new.name),
            media::mime.eq(&new.mime),
            media::size.eq(new.size),
            media::state.eq(MediaState::Waiting.text()),
            media::created_at.eq(now.0),
        ))
        .returning(media::id)
        .get_result(conn)?)
}

impl Db {
    pub async fn media_add(&self, portal: &PortalId, new: NewMedia, now: Millis) -> DbResult<MediaId> {
        let portal = portal.0.clone();
        self.write(move |conn| insert(conn, &portal, &new, now).map(MediaId)).await
    }

    pub async fn media_get(&self, portal: &PortalId, id: MediaId) -> DbResult<Option<Media>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let own = media::table.find(id.0).filter(media::portal_id.eq(portal));
            own.first::<Row>(conn).optional()?.map(Media::try_from).transpose()
        })
        .await
    }

    /// The bytes are in the store now.
    pub async fn media_set_stored(
        &self,
        portal: &PortalId,
        id: MediaId,
        (key, mime, size): (String, String, i64),
    ) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            diesel::update(media::table.find(id.0).filter(media::portal_id.eq(portal)))
                .set((
                    media::stored.eq(key),
                    media::mime.eq(mime),
                    media::size.eq(size),
                    media::state.eq(MediaState::Stored.text()),
                ))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}
