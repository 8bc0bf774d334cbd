//! Portals: one row per Bitrix24 account.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _};

use super::{Db, DbError, DbResult, conn::Conn, on_each, schema::portal, stored_enum};
use crate::{clock::Millis, domain::ids::PortalId};

stored_enum! {
    /// Whether the portal's deliveries run.
    PortalState {
        Active = "active",
        /// Gone, unpaid or unauthorised: its deliveries wait until a person repairs it.
        Parked = "parked",
        /// Uninstalled.
        Stopped = "stopped",
    }
}

/// A Bitrix24 account, as a proof showed it last.
#[derive(Clone, Debug)]
pub struct Portal {
    pub id: PortalId,
    /// Host, with its port where it has one.
    pub domain: String,
    /// Where its REST methods are called, with a trailing slash.
    pub client_endpoint: String,
    /// The REST root of its OAuth server.
    pub server_endpoint: String,
    /// `ru` or `en`: the language of what is written without a reader at hand.
    pub lang: String,
    pub state: PortalState,
}

#[derive(Queryable)]
struct Row {
    id: String,
    domain: String,
    client_endpoint: String,
    server_endpoint: String,
    lang: String,
    state: String,
    _ready_at: Option<i64>,
    _gated_until: i64,
    _created_at: i64,
    _changed_at: i64,
    _node_id: Option<i64>,
    _epoch: i64,
}

impl TryFrom<Row> for Portal {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: PortalId(row.id),
            domain: row.domain,
            client_endpoint: row.client_endpoint,
            server_endpoint: row.server_endpoint,
            lang: row.lang,
            state: PortalState::read(&row.state)?,
        })
    }
}

pub(super) fn read(conn: &mut Conn, id: &str) -> DbResult<Option<Portal>> {
    portal::table.find(id).first::<Row>(conn).optional()?.map(Portal::try_from).transpose()
}

impl Db {
    pub async fn portal_get(&self, portal: &PortalId) -> DbResult<Option<Portal>> {
        Ok(self.tenant(portal).await?.portal.clone())
    }

    /// Writes what a proof showed; a portal that was stopped is active again. A parked one stays parked until
    /// [`Db::portal_resume`], which counts what it has held before anything of it goes.
    pub async fn portal_put(&self, portal: Portal, now: Millis) -> DbResult<()> {
        let id = portal.id.clone();
        self.write_settings(&id, move |conn| {
            let changes = (
                portal::domain.eq(&portal.domain),
                portal::client_endpoint.eq(&portal.client_endpoint),
                portal::server_endpoint.eq(&portal.server_endpoint),
                portal::lang.eq(&portal.lang),
                portal::changed_at.eq(now.0),
            );
            let (id, state) = (portal::id.eq(&portal.id.0), portal::state.eq(portal.state.text()));
            on_each!(conn, |c| diesel::insert_into(portal::table)
                .values((id, changes, state, portal::gated_until.eq(0), portal::created_at.eq(now.0)))
                .on_conflict(portal::id)
                .do_update()
                .set(changes)
                .execute(c))?;
            let stopped = portal::table.find(&portal.id.0).filter(portal::state.eq(PortalState::Stopped.text()));
            diesel::update(stopped).set(state).execute(conn)?;
            Ok(())
        })
        .await
    }

    pub async fn portal_set_state(&self, portal: &PortalId, state: PortalState, now: Millis) -> DbResult<()> {
        let id = portal.0.clone();
        self.write_settings(portal, move |conn| {
            diesel::update(portal::table.find(id))
                .set((portal::state.eq(state.text()), portal::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// The portal was renamed: `member_id` stays, the address changes.
    pub async fn portal_move(
        &self,
        portal: &PortalId,
        domain: String,
        client_endpoint: String,
        now: Millis,
    ) -> DbResult<()> {
        let id = portal.0.clone();
        self.write_settings(portal, move |conn| {
            diesel::update(portal::table.find(id))
                .set((
                    portal::domain.eq(domain),
                    portal::client_endpoint.eq(client_endpoint),
                    portal::changed_at.eq(now.0),
                ))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Erases the tenant: every row that names it, in the order that the references demand. Returns the stored media
    /// keys, whose bytes the caller removes.
    pub async fn portal_erase(&self, portal: &PortalId) -> DbResult<Vec<String>> {
        use super::schema::{
            administrator, attempt, binding, bucket, channel, chat, chat_operator, contact, delivery, grants, hearing,
            inbox, installation, kept_settings, login, media, message, parking, part, provision, run,
        };
        let id = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let keys: Vec<Option<String>> =
                media::table.filter(media::portal_id.eq(&id)).select(media::stored).load(conn)?;
            macro_rules! erase {
                ($($table:ident),+) => {
                    $(diesel::delete($table::table.filter($table::portal_id.eq(&id))).execute(conn)?;)+
                };
            }
            erase!(
                bucket,
                attempt,
                delivery,
                run,
                part,
                media,
                message,
                chat_operator,
                chat,
                contact,
                inbox,
                binding,
                kept_settings,
                hearing,
                channel,
                login,
                provision,
                grants,
                administrator,
                parking,
                installation
            );
            diesel::delete(portal::table.find(&id)).execute(conn)?;
            Ok(keys.into_iter().flatten().collect())
        })
        .await
    }
}
