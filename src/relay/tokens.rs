//! ChatApp's tokens, kept in our database for its core.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    clock::Clock,
    db::{Consent, Db, DbResult, Login},
    domain::{
        failure::{Failure, Retry, Told},
        ids::LoginId,
    },
    messaging::{Credentials, LoginTokens, TokenStore},
    queue::Node,
};

/// Before logins that are used up for a day are counted again.
const LATER: Duration = Duration::from_hours(1);

/// The core's view of the `login` table.
pub struct KeptTokens {
    db: Db,
    clock: Clock,
    node: Node,
}

impl KeptTokens {
    pub fn new(db: Db, clock: Clock, node: Node) -> Self {
        Self { db, clock, node }
    }

    async fn living(&self, found: impl Future<Output = DbResult<Option<Login>>>) -> Result<Login, Failure> {
        found.await.map_err(Failure::transient)?.filter(|login| login.alive).ok_or_else(|| {
            Failure::permanent(Told::ChannelDisconnected, "the login is dead").retry(Retry::WhenChannelReturns)
        })
    }

    async fn now(&self, id: LoginId) -> Result<Login, Failure> {
        self.living(self.db.login_any_now(id)).await
    }
}

#[async_trait]
impl TokenStore for KeptTokens {
    async fn load(&self, login: LoginId) -> Result<LoginTokens, Failure> {
        Ok(self.living(self.db.login_any(login)).await?.tokens)
    }

    async fn load_now(&self, login: LoginId) -> Result<LoginTokens, Failure> {
        Ok(self.now(login).await?.tokens)
    }

    async fn begin(&self, login: LoginId, version: i64) -> Result<bool, Failure> {
        let known = self.now(login).await?;
        if known.tokens.version != version {
            return Ok(false);
        }
        self.db.login_begin_refresh(&known, self.node.id()).await.map_err(Failure::transient)
    }

    async fn end(&self, login: LoginId) -> Result<(), Failure> {
        let Some(known) = self.db.login_any(login).await.map_err(Failure::transient)? else { return Ok(()) };
        self.db.login_end_refresh(&known, self.node.id()).await.map_err(Failure::transient)
    }

    async fn credentials(&self, login: LoginId) -> Result<Option<Credentials>, Failure> {
        let known = self.now(login).await?;
        match self.db.login_credentials(&known, self.clock.now()).await.map_err(Failure::transient)? {
            Consent::Given(credentials) => Ok(Some(credentials)),
            Consent::None => Ok(None),
            Consent::UsedUp => Err(Failure::transient("the day's logins are used up").retry(Retry::After(LATER))),
        }
    }

    async fn forget_credentials(&self, login: LoginId) -> Result<(), Failure> {
        let known = self.now(login).await?;
        self.db.login_forget_password(&known.portal, known.id).await.map_err(Failure::transient).map(drop)
    }

    async fn swap(&self, login: LoginId, version: i64, tokens: &LoginTokens) -> Result<bool, Failure> {
        let known = self.now(login).await?;
        if known.tokens.version != version {
            return Ok(false);
        }
        self.db.login_swap(&known, tokens, self.clock.now()).await.map_err(Failure::transient)
    }

    async fn mark_dead(&self, login: LoginId) -> Result<(), Failure> {
        let Some(known) = self.db.login_any_now(login).await.map_err(Failure::transient)? else { return Ok(()) };
        self.db.login_mark_dead(&known, self.clock.now()).await.map_err(Failure::transient)
    }
}
