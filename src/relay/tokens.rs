//! ChatApp's tokens, kept in our database for its core.

use async_trait::async_trait;

use crate::{
    clock::Clock,
    db::Db,
    domain::{
        failure::{Failure, Retry, Told},
        ids::LoginId,
    },
    messaging::{LoginTokens, TokenStore},
};

/// The core's view of the `login` table.
pub struct KeptTokens {
    db: Db,
    clock: Clock,
}

impl KeptTokens {
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    async fn login(&self, id: LoginId) -> Result<crate::db::Login, Failure> {
        self.db.login_any(id).await.map_err(Failure::transient)?.filter(|login| login.alive).ok_or_else(|| {
            Failure::permanent(Told::ChannelDisconnected, "the login is dead").retry(Retry::WhenChannelReturns)
        })
    }
}

#[async_trait]
impl TokenStore for KeptTokens {
    async fn load(&self, login: LoginId) -> Result<LoginTokens, Failure> {
        Ok(self.login(login).await?.tokens)
    }

    async fn swap(&self, login: LoginId, version: i64, tokens: &LoginTokens) -> Result<bool, Failure> {
        let known = self.login(login).await?;
        if known.tokens.version != version {
            return Ok(false);
        }
        self.db.login_swap(&known, tokens, self.clock.now()).await.map_err(Failure::transient)
    }

    async fn mark_dead(&self, login: LoginId) -> Result<(), Failure> {
        let Some(known) = self.db.login_any(login).await.map_err(Failure::transient)? else { return Ok(()) };
        self.db.login_mark_dead(&known, self.clock.now()).await.map_err(Failure::transient)
    }
}
