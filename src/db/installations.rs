//! Installations: one of our applications in one portal.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _};

use super::{
    Db, DbError, DbResult, PortalState,
    conn::Conn,
    dispatch, on_each,
    schema::{binding, grants, installation, portal},
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::ids::{ChannelId, InstallationId, PortalId},
    secret::Secret,
};

stored_enum! {
    InstallationState {
        /// Proved, but the portal has not been told `installFinish` yet.
        Installing = "installing",
        Active = "active",
        /// Uninstalled and confirmed so.
        Stopped = "stopped",
    }
}

#[derive(Clone, Debug)]
pub struct Installation {
    pub id: InstallationId,
    pub portal: PortalId,
    pub client_id: String,
    pub state: InstallationState,
    application_token: Option<String>,
    /// True once an `event.test` round trip brought this token back.
    pub token_confirmed: bool,
    /// What `event.test` was asked to echo.
    pub nonce: Option<String>,
    pub scope: String,
    /// Sessions of an older epoch are over.
    pub session_epoch: i64,
}

/// What [`Db::installation_stop`] has ended besides.
#[derive(Debug)]
pub struct Ended {
    /// Channels that feed no line any more.
    pub silent: Vec<ChannelId>,
    /// Whether it was the portal's last installation.
    pub portal_too: bool,
}

fn token_place(portal: &PortalId, client_id: &str) -> String {
    format!("installation.application_token/{portal}/{client_id}")
}

#[derive(Queryable)]
struct Row {
    id: i64,
    portal_id: String,
    client_id: String,
    state: String,
    application_token_sealed: Option<String>,
    token_confirmed: bool,
    nonce: Option<String>,
    scope: String,
    session_epoch: i64,
    _created_at: i64,
    _changed_at: i64,
}

impl TryFrom<Row> for Installation {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: InstallationId(row.id),
            portal: PortalId(row.portal_id),
            client_id: row.client_id,
            state: InstallationState::read(&row.state)?,
            application_token: row.application_token_sealed,
            token_confirmed: row.token_confirmed,
            nonce: row.nonce,
            scope: row.scope,
            session_epoch: row.session_epoch,
        })
    }
}

pub(super) fn read_all(conn: &mut Conn, portal: &str) -> DbResult<Vec<Installation>> {
    let own = installation::table.filter(installation::portal_id.eq(portal));
    own.order(installation::id).load::<Row>(conn)?.into_iter().map(Installation::try_from).collect()
}

impl Db {
    /// The token that every later event must carry.
    pub fn installation_token(&self, installation: &Installation) -> DbResult<Option<Secret>> {
        let place = token_place(&installation.portal, &installation.client_id);
        let sealed = installation.application_token.as_deref();
        Ok(sealed.map(|value| self.keys.open(&place, value)).transpose()?)
    }

    pub async fn installation_find(&self, portal: &PortalId, client_id: &str) -> DbResult<Option<Installation>> {
        let tenant = self.tenant(portal).await?;
        Ok(tenant.installations.iter().find(|known| known.client_id == client_id).cloned())
    }

    pub async fn installation_get(&self, portal: &PortalId, id: InstallationId) -> DbResult<Option<Installation>> {
        Ok(self.tenant(portal).await?.installations.iter().find(|known| known.id == id).cloned())
    }

    /// Writes a proved installation. A new one, or one that had been stopped, is `Installing` again; a repeated proof
    /// of a working one changes only its scope.
    pub async fn installation_put(
        &self,
        portal: &PortalId,
        client_id: &str,
        scope: &str,
        now: Millis,
    ) -> DbResult<Installation> {
        let (id, client_id, scope) = (portal.0.clone(), client_id.to_owned(), scope.to_owned());
        self.write_settings(portal, move |conn| {
            let own = || installation::portal_id.eq(id.clone()).and(installation::client_id.eq(client_id.clone()));
            on_each!(conn, |c| diesel::insert_into(installation::table)
                .values((
                    installation::portal_id.eq(&id),
                    installation::client_id.eq(&client_id),
                    installation::state.eq(InstallationState::Installing.text()),
                    installation::token_confirmed.eq(false),
                    installation::scope.eq(&scope),
                    installation::session_epoch.eq(1),
                    installation::created_at.eq(now.0),
                    installation::changed_at.eq(now.0),
                ))
                .on_conflict((installation::portal_id, installation::client_id))
                .do_update()
                .set((installation::scope.eq(&scope), installation::changed_at.eq(now.0)))
                .execute(c))?;
            diesel::update(installation::table.filter(own()))
                .filter(installation::state.eq(InstallationState::Stopped.text()))
                .set((
                    installation::state.eq(InstallationState::Installing.text()),
                    installation::token_confirmed.eq(false),
                ))
                .execute(conn)?;
            installation::table.filter(own()).first::<Row>(conn)?.try_into()
        })
        .await
    }

    /// Ends an uninstalled installation: its grant and its sessions are over, its bindings are gone (the portal has dropped its
    /// connectors). When it was the portal's last, the portal is stopped, and nothing that waits is ever sent.
    pub async fn installation_stop(&self, portal: &PortalId, id: InstallationId, now: Millis) -> DbResult<Ended> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let all = || installation::table.filter(installation::portal_id.eq(owner.clone()));
            let own = installation::table.find(id.0).filter(installation::portal_id.eq(owner.clone()));
            diesel::update(own)
                .set((
                    installation::state.eq(InstallationState::Stopped.text()),
                    installation::nonce.eq(None::<String>),
                    installation::session_epoch.eq(installation::session_epoch + 1),
                    installation::changed_at.eq(now.0),
                ))
                .execute(conn)?;
            diesel::delete(grants::table.find(id.0).filter(grants::portal_id.eq(&owner))).execute(conn)?;
            let bound = binding::portal_id.eq(owner.clone()).and(binding::installation_id.eq(id.0));
            let silent: Vec<String> = binding::table.filter(bound.clone()).select(binding::channel_id).load(conn)?;
            diesel::delete(binding::table.filter(bound)).execute(conn)?;
            let left: i64 =
                all().filter(installation::state.ne(InstallationState::Stopped.text())).count().get_result(conn)?;
            if left == 0 {
                dispatch::cancel_all(conn, &owner)?;
                diesel::update(portal::table.find(&owner))
                    .set((portal::state.eq(PortalState::Stopped.text()), portal::changed_at.eq(now.0)))
                    .execute(conn)?;
            }
            Ok(Ended { silent: silent.into_iter().map(ChannelId).collect(), portal_too: left == 0 })
        })
        .await
    }

    pub async fn installation_set_state(
        &self,
        portal: &PortalId,
        id: InstallationId,
        state: InstallationState,
        now: Millis,
    ) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            diesel::update(installation::table.find(id.0).filter(installation::portal_id.eq(owner)))
                .set((installation::state.eq(state.text()), installation::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Keeps the token that events must carry.
    pub async fn installation_set_token(
        &self,
        installation: &Installation,
        token: &Secret,
        confirmed: bool,
    ) -> DbResult<()> {
        let sealed = self.keys.seal(&token_place(&installation.portal, &installation.client_id), token)?;
        let (owner, id) = (installation.portal.0.clone(), installation.id.0);
        self.write_settings(&installation.portal, move |conn| {
            diesel::update(installation::table.find(id).filter(installation::portal_id.eq(owner)))
                .set((installation::application_token_sealed.eq(sealed), installation::token_confirmed.eq(confirmed)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    pub async fn installation_set_nonce(
        &self,
        portal: &PortalId,
        id: InstallationId,
        nonce: Option<String>,
    ) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            diesel::update(installation::table.find(id.0).filter(installation::portal_id.eq(owner)))
                .set(installation::nonce.eq(nonce))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}
