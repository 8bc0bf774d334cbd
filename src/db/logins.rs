//! Logins: the credentials with which a portal speaks to ChatApp. Tokens, sealed; the password only where its owner has consented.

use std::time::Duration;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, Queryable, RunQueryDsl as _,
    dsl::{exists, not},
};

use super::{
    Db, DbResult, NewDelivery,
    conn::Conn,
    deliveries::{DeliveryKind, Lane},
    dispatch, on_each,
    schema::{login, node},
};
use crate::{
    clock::Millis,
    domain::ids::{LoginId, NodeId, PortalId},
    messaging::{Credentials, LoginTokens},
    secret::{Keys, Secret},
};

/// ChatApp gives out 100 tokens a day for an e-mail and application id (one public client's comment) …
const DAY: Duration = Duration::from_hours(24);
/// … of which the server takes so many by itself: the rest is for people, and for other programs.
const BY_ITSELF: i64 = 20;

#[derive(Clone, Debug)]
pub struct Login {
    pub id: LoginId,
    pub portal: PortalId,
    pub email: String,
    pub app_id: String,
    pub alive: bool,
    /// The server can log in by itself.
    pub keeps_password: bool,
    pub tokens: LoginTokens,
}

/// An account that was logged in.
#[derive(Clone, Debug)]
pub struct NewLogin {
    pub email: String,
    pub app_id: String,
    pub tokens: LoginTokens,
    /// None: it is not kept, and one that was is forgotten.
    pub password: Option<Secret>,
    /// When it is read again what the login may use.
    pub look_at: Millis,
}

/// Whether the server may log in by itself.
#[derive(Debug)]
pub enum Consent {
    Given(Credentials),
    None,
    /// It has done so too often today.
    UsedUp,
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
    password_sealed: Option<String>,
    _issued: i64,
    _issued_since: i64,
    _refreshing: Option<i64>,
    _look_at: i64,
}

const ALIVE: &str = "alive";
const DEAD: &str = "dead";

/// Sealed for the account's name, because the row's id is not known before it is written.
fn place(what: &str, portal: &str, email: &str) -> String {
    format!("login.{what}/{portal}/{email}")
}

pub(super) fn read_all(conn: &mut Conn, portal: &str) -> DbResult<Vec<Row>> {
    Ok(login::table.filter(login::portal_id.eq(portal)).order(login::id).load(conn)?)
}

impl Row {
    pub(super) fn id(&self) -> LoginId {
        LoginId(self.id)
    }

    fn open(self, keys: &Keys) -> DbResult<Login> {
        Ok(Login {
            id: LoginId(self.id),
            alive: self.state == ALIVE,
            keeps_password: self.password_sealed.is_some(),
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

/// Counts tokens that ChatApp gave for a password.
fn count_issued(conn: &mut Conn, id: i64, now: Millis) -> DbResult<()> {
    let own = login::table.find(id);
    diesel::update(own.filter(login::issued_since.le(now.before(DAY).0)))
        .set((login::issued.eq(0), login::issued_since.eq(now.0)))
        .execute(conn)?;
    diesel::update(own).set(login::issued.eq(login::issued + 1)).execute(conn)?;
    Ok(())
}

/// Turns the due reading of a login into a delivery, unless another node was faster or one is under way.
fn begin(conn: &mut Conn, (id, owner, due): (i64, String, i64), every: Duration, now: Millis) -> DbResult<()> {
    let taken = diesel::update(login::table.find(id).filter(login::look_at.eq(due)))
        .set(login::look_at.eq(now.after(every).0))
        .execute(conn)?;
    if taken == 0 {
        return Ok(());
    }
    let look = NewDelivery::new(Lane::Login(LoginId(id)), DeliveryKind::Licenses, now);
    dispatch::insert_look(conn, &owner, &look.payload(&serde_json::json!({ "login": id })), now)
}

impl Db {
    /// Adds an account, or gives a known one fresh tokens.
    pub async fn login_put(&self, portal: &PortalId, new: NewLogin, now: Millis) -> DbResult<LoginId> {
        let sealed = |what: &str, value: &Secret| self.keys.seal(&place(what, &portal.0, &new.email), value);
        let access = sealed("access", &new.tokens.access)?;
        let refresh = sealed("refresh", &new.tokens.refresh)?;
        let password = new.password.as_ref().map(|password| sealed("password", password)).transpose()?;
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let changes = (
                login::access_sealed.eq(&access),
                login::access_until.eq(new.tokens.access_until.0),
                login::refresh_sealed.eq(&refresh),
                login::refresh_until.eq(new.tokens.refresh_until.0),
                login::password_sealed.eq(&password),
                login::state.eq(ALIVE),
                login::changed_at.eq(now.0),
                login::look_at.eq(new.look_at.0),
            );
            on_each!(conn, |c| diesel::insert_into(login::table)
                .values((
                    login::portal_id.eq(&owner),
                    login::email.eq(&new.email),
                    login::app_id.eq(&new.app_id),
                    login::version.eq(1),
                    login::created_at.eq(now.0),
                    changes,
                ))
                .on_conflict((login::portal_id, login::email, login::app_id))
                .do_update()
                .set((changes, login::version.eq(login::version + 1)))
                .execute(c))?;
            let own = login::portal_id.eq(owner).and(login::email.eq(new.email)).and(login::app_id.eq(new.app_id));
            let id = login::table.filter(own).select(login::id).first(conn)?;
            count_issued(conn, id, now)?;
            Ok(LoginId(id))
        })
        .await
    }

    pub async fn login_list(&self, portal: &PortalId) -> DbResult<Vec<Login>> {
        let tenant = self.tenant(portal).await?;
        tenant.logins.iter().map(|row| row.clone().open(&self.keys)).collect()
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

    /// Takes the right to renew the tokens of this version, which only one node may do at a time. False: another has it, or has done
    /// it. What a node that is gone has taken is free.
    pub async fn login_begin_refresh(&self, login: &Login, me: NodeId) -> DbResult<bool> {
        let (id, version) = (login.id.0, login.tokens.version);
        self.write(move |conn| {
            let others = node::table.filter(node::id.nullable().eq(login::refreshing).and(node::id.ne(me.0)));
            let own = login::table.find(id).filter(login::version.eq(version));
            let taken =
                diesel::update(own.filter(not(exists(others)))).set(login::refreshing.eq(me.0)).execute(conn)?;
            Ok(taken == 1)
        })
        .await
    }

    /// Gives the right back, however it has ended.
    pub async fn login_end_refresh(&self, login: &Login, me: NodeId) -> DbResult<()> {
        let id = login.id.0;
        self.write(move |conn| {
            diesel::update(login::table.find(id).filter(login::refreshing.eq(me.0)))
                .set(login::refreshing.eq(None::<i64>))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// What the server needs to log in by itself, once: it is counted, all portals that have the same account together.
    pub async fn login_credentials(&self, login: &Login, now: Millis) -> DbResult<Consent> {
        let known = login.clone();
        let sealed = self
            .write(move |conn| {
                let sealed: Option<String> = login::table
                    .find(known.id.0)
                    .select(login::password_sealed)
                    .first::<Option<String>>(conn)
                    .optional()?
                    .flatten();
                let Some(sealed) = sealed else { return Ok(None) };
                let account = login::email.eq(&known.email).and(login::app_id.eq(&known.app_id));
                let today = login::table.filter(account.and(login::issued_since.gt(now.before(DAY).0)));
                let issued: Vec<i64> = today.select(login::issued).load(conn)?;
                if issued.iter().sum::<i64>() >= BY_ITSELF {
                    return Ok(Some(None));
                }
                count_issued(conn, known.id.0, now)?;
                Ok(Some(Some(sealed)))
            })
            .await?;
        Ok(match sealed {
            None => Consent::None,
            Some(None) => Consent::UsedUp,
            Some(Some(sealed)) => Consent::Given(Credentials {
                email: login.email.clone(),
                app_id: login.app_id.clone(),
                password: self.keys.open(&place("password", &login.portal.0, &login.email), &sealed)?,
            }),
        })
    }

    /// The owner has taken his consent back, or the password is wrong. False when there was none.
    pub async fn login_forget_password(&self, portal: &PortalId, id: LoginId) -> DbResult<bool> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let own = login::portal_id.eq(owner).and(login::password_sealed.is_not_null());
            let forgotten = diesel::update(login::table.find(id.0).filter(own))
                .set(login::password_sealed.eq(None::<String>))
                .execute(conn)?;
            Ok(forgotten == 1)
        })
        .await
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

    /// Has it read now what a login may use, if that is due before `before`.
    pub async fn login_look_now(&self, portal: &PortalId, id: LoginId, before: Millis, now: Millis) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            let own = login::portal_id.eq(owner).and(login::look_at.lt(before.0)).and(login::look_at.gt(now.0));
            diesel::update(login::table.find(id.0).filter(own)).set(login::look_at.eq(now.0)).execute(conn)?;
            Ok(())
        })
        .await
    }

    /// Turns due readings of logins into deliveries, those that have waited longest first, and has each repeated after `every`.
    pub async fn login_begin_due(&self, limit: i64, every: Duration, now: Millis) -> DbResult<()> {
        let is_due = move |conn: &mut Conn| -> DbResult<Vec<(i64, String, i64)>> {
            let due = login::table.filter(login::look_at.le(now.0).and(login::state.eq(ALIVE)));
            let due = due.order(login::look_at).limit(limit);
            Ok(due.select((login::id, login::portal_id, login::look_at)).load(conn)?)
        };
        let due = self.read(is_due).await?;
        if !due.is_empty() {
            self.write(move |conn| due.iter().try_for_each(|row| begin(conn, row.clone(), every, now))).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing;

    fn tokens() -> LoginTokens {
        LoginTokens {
            access: Secret::new("access"),
            access_until: Millis(1),
            refresh: Secret::new("refresh"),
            refresh_until: Millis(2),
            version: 0,
        }
    }

    async fn login(db: &Db, portal: &PortalId, password: Option<&str>, now: Millis) -> Login {
        let new = NewLogin {
            email: "a@b.c".into(),
            app_id: "app_1_1".into(),
            tokens: tokens(),
            password: password.map(Secret::new),
            look_at: now,
        };
        let id = db.login_put(portal, new, now).await.unwrap();
        db.login_any_now(id).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_password_is_kept_with_consent_alone_and_used_so_often_a_day() {
        let (db, _folder) = testing::db("login-consent");
        let (one, other) = (testing::portal(&db, "p").await, testing::portal(&db, "q").await);
        let now = Millis(1).after(DAY);
        let without = login(&db, &other, None, now).await;
        assert!(matches!(db.login_credentials(&without, now).await.unwrap(), Consent::None));
        let known = login(&db, &one, Some("horse"), now).await;
        assert!(known.keeps_password && !without.keeps_password);
        // Two people have logged in today.
        for _time in 2..BY_ITSELF {
            let Consent::Given(credentials) = db.login_credentials(&known, now).await.unwrap() else { panic!() };
            assert_eq!((credentials.password.expose(), credentials.app_id.as_str()), ("horse", "app_1_1"));
        }
        assert!(matches!(db.login_credentials(&known, now).await.unwrap(), Consent::UsedUp));
        let tomorrow = now.after(DAY);
        assert!(matches!(db.login_credentials(&known, tomorrow).await.unwrap(), Consent::Given(_)));
        assert!(!db.login_forget_password(&other, known.id).await.unwrap(), "it is another portal's");
        assert!(db.login_forget_password(&one, known.id).await.unwrap());
        assert!(matches!(db.login_credentials(&known, tomorrow).await.unwrap(), Consent::None));
        login(&db, &one, Some("horse"), now).await;
        assert!(!login(&db, &one, None, now).await.keeps_password, "logged in again without consent");
    }

    #[tokio::test]
    async fn one_node_renews_at_a_time() {
        let (db, _folder) = testing::db("login-refresh");
        let portal = testing::portal(&db, "p").await;
        let me = testing::node(&db).await;
        let known = login(&db, &portal, None, Millis(0)).await;
        // Of a node that is gone.
        assert!(db.login_begin_refresh(&known, NodeId(me.0 + 1)).await.unwrap());
        assert!(db.login_begin_refresh(&known, me).await.unwrap());
        assert!(!db.login_begin_refresh(&known, NodeId(me.0 + 1)).await.unwrap(), "somebody is at it");
        assert!(db.login_swap(&known, &tokens(), Millis(0)).await.unwrap());
        db.login_end_refresh(&known, me).await.unwrap();
        assert!(!db.login_begin_refresh(&known, me).await.unwrap(), "it has been done");
    }
}
