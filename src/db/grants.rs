//! Grants: the OAuth tokens with which an installation acts in its portal, sealed at rest.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, Queryable, RunQueryDsl as _,
    dsl::{exists, not},
};

use super::{
    Db, DbResult,
    conn::Conn,
    on_each,
    schema::{grants, node},
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::ids::{InstallationId, NodeId, PortalId},
    secret::{Keys, Secret},
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

#[derive(Clone, Queryable)]
pub(super) struct Row {
    installation_id: i64,
    _portal_id: String,
    access_sealed: String,
    refresh_sealed: String,
    expires_at: i64,
    user_id: i64,
    version: i64,
    state: String,
    _changed_at: i64,
    _refreshing: Option<i64>,
}

fn place(token: &str, installation: InstallationId) -> String {
    format!("grants.{token}/{installation}")
}

pub(super) fn read_all(conn: &mut Conn, portal: &str) -> DbResult<Vec<Row>> {
    Ok(grants::table.filter(grants::portal_id.eq(portal)).load(conn)?)
}

impl Row {
    fn open(&self, keys: &Keys) -> DbResult<Grant> {
        let id = InstallationId(self.installation_id);
        Ok(Grant {
            access: keys.open(&place("access", id), &self.access_sealed)?,
            refresh: keys.open(&place("refresh", id), &self.refresh_sealed)?,
            expires_at: Millis(self.expires_at),
            user: self.user_id,
            version: self.version,
            state: GrantState::read(&self.state)?,
        })
    }
}

impl Db {
    pub async fn grant_get(&self, portal: &PortalId, id: InstallationId) -> DbResult<Option<Grant>> {
        let tenant = self.tenant(portal).await?;
        tenant.grants.iter().find(|row| row.installation_id == id.0).map(|row| row.open(&self.keys)).transpose()
    }

    /// The same from the database itself: what another node has changed a moment ago is seen.
    pub async fn grant_get_now(&self, portal: &PortalId, id: InstallationId) -> DbResult<Option<Grant>> {
        let owner = portal.0.clone();
        let own = move |conn: &mut Conn| {
            let own = grants::table.find(id.0).filter(grants::portal_id.eq(owner));
            Ok(own.first::<Row>(conn).optional()?)
        };
        self.read(own).await?.map(|row| row.open(&self.keys)).transpose()
    }

    /// Replaces the grant whatever it was: an administrator has just proved himself.
    pub async fn grant_put(&self, portal: &PortalId, id: InstallationId, grant: &Grant, now: Millis) -> DbResult<()> {
        let access = self.keys.seal(&place("access", id), &grant.access)?;
        let refresh = self.keys.seal(&place("refresh", id), &grant.refresh)?;
        let (owner, expires_at, user) = (portal.0.clone(), grant.expires_at.0, grant.user);
        self.write_settings(portal, move |conn| {
            let tokens = (
                grants::access_sealed.eq(&access),
                grants::refresh_sealed.eq(&refresh),
                grants::expires_at.eq(expires_at),
                grants::user_id.eq(user),
                grants::state.eq(GrantState::Alive.text()),
                grants::changed_at.eq(now.0),
            );
            on_each!(conn, |c| diesel::insert_into(grants::table)
                .values((grants::installation_id.eq(id.0), grants::portal_id.eq(&owner), grants::version.eq(1), tokens))
                .on_conflict(grants::installation_id)
                .do_update()
                .set((tokens, grants::version.eq(grants::version + 1)))
                .execute(c))?;
            Ok(())
        })
        .await
    }

    /// Takes the right to refresh a grant of this version; false while another node that lives has it.
    pub async fn grant_begin_refresh(
        &self,
        portal: &PortalId,
        id: InstallationId,
        version: i64,
        me: NodeId,
    ) -> DbResult<bool> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            let others = node::table.filter(node::id.nullable().eq(grants::refreshing).and(node::id.ne(me.0)));
            let own = grants::table.find(id.0).filter(grants::portal_id.eq(owner).and(grants::version.eq(version)));
            let taken =
                diesel::update(own.filter(not(exists(others)))).set(grants::refreshing.eq(me.0)).execute(conn)?;
            Ok(taken == 1)
        })
        .await
    }

    /// Gives the right back, however the refresh has ended.
    pub async fn grant_end_refresh(&self, portal: &PortalId, id: InstallationId, me: NodeId) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            let own = grants::table.find(id.0).filter(grants::portal_id.eq(owner).and(grants::refreshing.eq(me.0)));
            diesel::update(own).set(grants::refreshing.eq(None::<i64>)).execute(conn)?;
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
        let (owner, expires_at, version) = (portal.0.clone(), grant.expires_at.0, grant.version);
        self.write_settings(portal, move |conn| {
            let own = grants::table.find(id.0).filter(grants::portal_id.eq(owner));
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
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let own = grants::table.find(id.0).filter(grants::portal_id.eq(owner));
            diesel::update(own.filter(grants::version.eq(version)))
                .set((grants::state.eq(GrantState::Dead.text()), grants::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Resumption, testing};

    #[tokio::test]
    async fn one_node_at_a_time_refreshes_and_a_dead_one_keeps_nobody_waiting() {
        let (db, _folder) = testing::db("grant-refresh");
        let portal = testing::portal(&db, "p").await;
        let id = db.installation_put(&portal, "app", "", Millis(0)).await.unwrap().id;
        let grant = Grant {
            access: Secret::new("a"),
            refresh: Secret::new("r"),
            expires_at: Millis(0),
            user: 1,
            version: 0,
            state: GrantState::Alive,
        };
        db.grant_put(&portal, id, &grant, Millis(0)).await.unwrap();
        let (me, other) = (testing::node(&db).await, NodeId(77));
        let begins = async |node| db.grant_begin_refresh(&portal, id, 1, node).await.unwrap();
        assert!(begins(me).await && begins(me).await);
        assert!(!begins(other).await, "it is being refreshed");
        db.grant_end_refresh(&portal, id, me).await.unwrap();
        assert!(begins(other).await);
        assert!(begins(me).await, "the other one is no node that lives");
        assert!(!db.grant_begin_refresh(&portal, id, 0, me).await.unwrap(), "it was refreshed since");
        let then = Resumption { repeatable: &[], now: Millis(0), ask_at: Millis(0) };
        db.node_end(vec![me], then).await.unwrap();
        assert!(begins(other).await);
    }
}
