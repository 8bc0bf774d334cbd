//! What a core must remember of who has logged in.

use async_trait::async_trait;

use crate::{
    clock::Millis,
    domain::{failure::Failure, ids::LoginId},
    secret::Secret,
};

/// ChatApp's tokens of one login, as they are stored (sealed) by the trunk.
#[derive(Clone, Debug)]
pub struct LoginTokens {
    pub access: Secret,
    pub access_until: Millis,
    pub refresh: Secret,
    pub refresh_until: Millis,
    /// Grows with every rotation; the store refuses to overwrite a newer one.
    pub version: i64,
}

/// What ChatApp wants of somebody who logs in.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub email: String,
    pub password: Secret,
    pub app_id: String,
}

/// Remembers tokens across restarts and nodes.
#[async_trait]
pub trait TokenStore: Send + Sync {
    async fn load(&self, login: LoginId) -> Result<LoginTokens, Failure>;

    /// The same as of now: what another node has stored a moment ago is seen.
    async fn load_now(&self, login: LoginId) -> Result<LoginTokens, Failure>;

    /// Takes the right to renew tokens of this version, which one of all nodes has at a time. False: another has it, or has done it.
    async fn begin(&self, login: LoginId, version: i64) -> Result<bool, Failure>;

    /// Gives the right back.
    async fn end(&self, login: LoginId) -> Result<(), Failure>;

    /// What is needed to log in again, if the owner has consented to it. Counted: ChatApp allows so many a day.
    async fn credentials(&self, login: LoginId) -> Result<Option<Credentials>, Failure>;

    /// The core refuses these credentials: they are kept no longer.
    async fn forget_credentials(&self, login: LoginId) -> Result<(), Failure>;

    /// Stores rotated tokens if nobody did since `version`; false when somebody was faster.
    async fn swap(&self, login: LoginId, version: i64, tokens: &LoginTokens) -> Result<bool, Failure>;

    /// The core refuses these credentials for good: a person must log in again.
    async fn mark_dead(&self, login: LoginId) -> Result<(), Failure>;
}
