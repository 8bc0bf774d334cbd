//! Grants: the OAuth tokens with which an installation acts in its portal, sealed at rest.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _};

use super::{Db, DbResult, on_each, schema::grants, stored_enum};
use crate::{
    clock::Millis,
    domain::ids::{InstallationId, PortalId},
    secret::Secret,
};

stored_enum! {
    GrantState {
        Alive = "alive",
        /// The OAuth server refuses the refresh token: an administrator must open the application.
        Dead = "dead",
    }
}

#[derive(Clone, Debug)]
pub struct Grant {
    pub access: Secret,
    pub refresh: Secret,
    pub expires_at: Millis,
    /// The administrator in whose name background calls are made.
    pub user: i64,
    /// Grows with every change; a refresh that lost the race finds another number.
    pub version: i64,
    pub state: GrantState,
}

impl Grant {
    pub fn is_alive(&self) -> bool {
        self.state == GrantState::Alive
    }
}

#[derive(Queryable)]
struct Row {
    _installation_id: i64,
    _portal_id: String,
    access_sealed: String,
    refresh_sealed: String,
    expires_at: i64,
    user_id: i64,
    version: i64,
    state: String,
    _changed_at: i64,
}

fn place(token: &str, installation: InstallationId) -> String {
    format!("grants.{token}/{installation}")
}

impl Db {
    pub async fn grant_get(&self, portal: &PortalId, id: InstallationId) -> DbResult<Option<Grant>> {
        let portal = portal.0.clone();
        let row = self
            .read(move |conn| {
                let own = grants::table.find(id.0).filter(grants::portal_id.eq(portal));
                Ok(own.first::<Row>(conn).optional()?)
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Grant {
            access: self.keys.open(&place("access", id), &row.access_sealed)?,
            refresh: self.keys.open(&place("refresh", id), &row.refresh_sealed)?,
            expires_at: Millis(row.expires_at),
            user: row.user_id,
            version: row.version,
            state: GrantState::read(&row.state)?,
        }))
    }

    /// Replaces the grant whatever it was: an administrator has just proved himself.
    pub async fn grant_put(&self, portal: &PortalId, id: InstallationId, grant: &Grant, now: Millis) -> DbResult<()> {
        let access = self.keys.seal(&place("access", id), &grant.access)?;
        let refresh = self.keys.seal(&place("refresh", id), &grant.refresh)?;
        let (portal, expires_at, user) = (portal.0.clone(), grant.expires_at.0, grant.user);
        self.write(move |conn| {
            let tokens = (
                grants::access_sealed.eq(&access),
                grants::refresh_sealed.eq(&refresh),
                grants::expires_at.eq(expires_at),
                grants::user_id.eq(user),
                grants::state.eq(GrantState::Alive.text()),
                grants::changed_at.eq(now.0),
            );
            on_each!(conn, |c| diesel::insert_into(grants::table)
                .values((
                    grants::installation_id.eq(id.0),
                    grants::portal_id.eq(&portal),
                    grants::version.eq(1),
                    tokens
                ))
                .on_conflict(grants::installation_id)
                .do_update()
                .set((tokens, grants::version.eq(grants::version + 1)))
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// Stores refreshed tokens if nobody changed the grant since `grant` was read; false when somebody did.
    pub async fn grant_swap(
        &self,
        portal: &PortalId,
        id: InstallationId,
        grant: &Grant,
        now: Millis,
    ) -> DbResult<bool> {
        let access = self.keys.seal(&place("access", id), &grant.access)?;
        let refresh = self.keys.seal(&place("refresh", id), &grant.refresh)?;
        let (portal, expires_at, version) = (portal.0.clone(), grant.expires_at.0, grant.version);
        self.write(move |conn| {
            let own = grants::table.find(id.0).filter(grants::portal_id.eq(portal));
            let changed = diesel::update(own.filter(grants::version.eq(version)))
                .set((
                    grants::access_sealed.eq(access),
                    grants::refresh_sealed.eq(refresh),
                    grants::expires_at.eq(expires_at),
                    grants::version.eq(version + 1),
                    grants::state.eq(GrantState::Alive.text()),
                    grants::changed_at.eq(now.0),
                ))
                .execute(conn)?;
            Ok(changed == 1)
        })
        .await
    }

    /// The refresh token of this version is dead; a grant that was replaced meanwhile stays alive.
    pub async fn grant_mark_dead(
        &self,
        portal: &PortalId,
        id: InstallationId,
        version: i64,
        now: Millis,
    ) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let own = grants::table.find(id.0).filter(grants::portal_id.eq(portal));
            diesel::update(own.filter(grants::version.eq(version)))
                .set((grants::state.eq(GrantState::Dead.text()), grants::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}
