//! Logins: the credentials with which a portal speaks to ChatApp. Tokens only, sealed; the password is not kept.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    RunQueryDsl as _,
};

use super::{Db, DbResult, conn::Conn, on_each, schema::login};
use crate::{
    clock::Millis,
    domain::ids::{LoginId, PortalId},
    messaging::LoginTokens,
    secret::Keys,
};

#[derive(Clone, Debug)]
pub struct Login {
    pub id: LoginId,
    pub portal: PortalId,
    pub email: String,
    pub app_id: String,
    pub alive: bool,
    pub tokens: LoginTokens,
}

#[derive(Clone, Queryable)]
pub(super) struct Row {
    id: i64,
    portal_id: String,
    email: String,
    app_id: String,
    access_sealed: String,
    access_until: i64,
    refresh_sealed: String,
    refresh_until: i64,
    version: i64,
    state: String,
    _created_at: i64,
    _changed_at: i64,
}

const ALIVE: &str = "alive";
const DEAD: &str = "dead";

/// Sealed for the account's name, because the row's id is not known before it is written.
fn place(token: &str, portal: &str, email: &str) -> String {
    format!("login.{token}/{portal}/{email}")
}

pub(super) fn read_all(conn: &mut Conn, portal: &str) -> DbResult<Vec<Row>> {
    Ok(login::table.filter(login::portal_id.eq(portal)).load(conn)?)
}

impl Row {
    pub(super) fn id(&self) -> LoginId {
        LoginId(self.id)
    }

    fn open(self, keys: &Keys) -> DbResult<Login> {
        Ok(Login {
            id: LoginId(self.id),
            alive: self.state == ALIVE,
            tokens: LoginTokens {
                access: keys.open(&place("access", &self.portal_id, &self.email), &self.access_sealed)?,
                access_until: Millis(self.access_until),
                refresh: keys.open(&place("refresh", &self.portal_id, &self.email), &self.refresh_sealed)?,
                refresh_until: Millis(self.refresh_until),
                version: self.version,
            },
            portal: PortalId(self.portal_id),
            email: self.email,
            app_id: self.app_id,
        })
    }
}

impl Db {
    /// Adds an account, or gives a known one fresh tokens.
    pub async fn login_put(
        &self,
        portal: &PortalId,
        (email, app_id): (&str, &str),
        tokens: &LoginTokens,
        now: Millis,
    ) -> DbResult<LoginId> {
        let access = self.keys.seal(&place("access", &portal.0, email), &tokens.access)?;
        let refresh = self.keys.seal(&place("refresh", &portal.0, email), &tokens.refresh)?;
        let (owner, email, app_id) = (portal.0.clone(), email.to_owned(), app_id.to_owned());
        let (access_until, refresh_until) = (tokens.access_until.0, tokens.refresh_until.0);
        self.write_settings(portal, move |conn| {
            let changes = (
                login::access_sealed.eq(&access),
                login::access_until.eq(access_until),
                login::refresh_sealed.eq(&refresh),
                login::refresh_until.eq(refresh_until),
                login::state.eq(ALIVE),
                login::changed_at.eq(now.0),
            );
            on_each!(conn, |c| diesel::insert_into(login::table)
                .values((
                    login::portal_id.eq(&owner),
                    login::email.eq(&email),
                    login::app_id.eq(&app_id),
                    login::version.eq(1),
                    login::created_at.eq(now.0),
                    changes,
                ))
                .on_conflict((login::portal_id, login::email, login::app_id))
                .do_update()
                .set((changes, login::version.eq(login::version + 1)))
                .execute(c))?;
            let own = login::portal_id.eq(owner).and(login::email.eq(email)).and(login::app_id.eq(app_id));
            Ok(LoginId(login::table.filter(own).select(login::id).first(conn)?))
        })
        .await
    }

    /// For the token store of the ChatApp core, which knows only the login: its portal comes with the row.
    pub async fn login_any(&self, id: LoginId) -> DbResult<Option<Login>> {
        if let Some(owner) = self.tenants.owner_of_login(id) {
            let tenant = self.tenant(&owner).await?;
            if let Some(row) = tenant.logins.iter().find(|row| row.id == id.0) {
                return row.clone().open(&self.keys).map(Some);
            }
        }
        self.login_any_now(id).await
    }

    /// The same from the database itself: what another node has changed a moment ago is seen.
    pub async fn login_any_now(&self, id: LoginId) -> DbResult<Option<Login>> {
        let row = self.read(move |conn| Ok(login::table.find(id.0).first::<Row>(conn).optional()?)).await?;
        row.map(|row| row.open(&self.keys)).transpose()
    }

    /// Stores rotated tokens if nobody did since `version`.
    pub async fn login_swap(&self, login: &Login, tokens: &LoginTokens, now: Millis) -> DbResult<bool> {
        let access = self.keys.seal(&place("access", &login.portal.0, &login.email), &tokens.access)?;
        let refresh = self.keys.seal(&place("refresh", &login.portal.0, &login.email), &tokens.refresh)?;
        let (id, version) = (login.id.0, login.tokens.version);
        let (access_until, refresh_until) = (tokens.access_until.0, tokens.refresh_until.0);
        self.write_settings(&login.portal, move |conn| {
            let changed = diesel::update(login::table.find(id).filter(login::version.eq(version)))
                .set((
                    login::access_sealed.eq(access),
                    login::access_until.eq(access_until),
                    login::refresh_sealed.eq(refresh),
                    login::refresh_until.eq(refresh_until),
                    login::version.eq(version + 1),
                    login::changed_at.eq(now.0),
                ))
                .execute(conn)?;
            Ok(changed == 1)
        })
        .await
    }

    pub async fn login_mark_dead(&self, login: &Login, now: Millis) -> DbResult<()> {
        let id = login.id.0;
        self.write_settings(&login.portal, move |conn| {
            diesel::update(login::table.find(id))
                .set((login::state.eq(DEAD), login::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }
}
