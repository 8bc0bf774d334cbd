//! ChatApp's own HTTP API as a core.
//!
//! Who is who: [`ChatApp`] is the core and what the connector's page needs of an account; `api` makes one call; `tokens`
//! keeps every login's tokens alive; `events` reads webhooks; `kinds` holds ChatApp's names for messengers; `history` reads what it
//! remembers; `offers` are groups and templates. Guaranteed: a call whose token died is repeated once with a fresh one, and only
//! then. Not guaranteed: that a repeated send is recognised. ChatApp documents no idempotency key; our key travels as `tracking`, comes back in webhooks and in the history
//! ([`ChatApp::find_tracked`]), and that is how an unknown outcome is resolved.

mod account;
mod api;
mod error;
mod events;
mod history;
mod kinds;
mod offers;
mod send;
#[cfg(test)]
mod tests;
mod tokens;
#[cfg(test)]
mod webhook_tests;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

pub use self::{
    account::{License, Login, Messenger, WEBHOOK_EVENTS, Webhook},
    error::LoginError,
    history::{Conversations, Heard, Query},
    kinds::{Account, capabilities, connector_of, messenger_type_of},
};
use self::{
    api::{Api, Auth, Call},
    error::ApiError,
    tokens::Tokens,
};
use super::{
    ChannelRef, CoreEvent, Fetched, Found, Founded, IdempotencyKey, Malformed, MessagingCore, Origin, Outgoing as What,
    RawItem, Sent, Target, Template, TemplateMessage, TokenStore, transfer,
};
use crate::{
    clock::{Clock, Millis},
    domain::{
        capabilities::Capabilities,
        connector::Connector,
        failure::{Failure, Told},
        ids::LoginId,
    },
    outgoing::Outgoing,
};

/// ChatApp at one address, for all logins.
pub struct ChatApp {
    api: Arc<Api>,
    tokens: Tokens,
    /// Dates messages that come without a time.
    clock: Clock,
}

impl ChatApp {
    /// `base` is `CHATAPP_API_URL`, with or without `/v1`.
    pub fn new(outgoing: Outgoing, base: Url, store: Arc<dyn TokenStore>, clock: Clock) -> Self {
        let api = Arc::new(Api::new(outgoing, base));
        let tokens = Tokens::new(Arc::clone(&api), store, clock.clone());
        Self { api, tokens, clock }
    }

    /// A call in a login's name: with a token that works, or once more with a fresh one.
    async fn call(&self, login: LoginId, call: &Call<'_>) -> Result<Value, Failure> {
        let tokens = self.tokens.current(login).await?;
        match self.api.run(call, Auth::Access(&tokens.access)).await {
            Err(ApiError::Token(_)) => {}
            other => return other.map_err(ApiError::into_failure),
        }
        let fresh = self.tokens.renewed(login, tokens.version).await?;
        match self.api.run(call, Auth::Access(&fresh.access)).await {
            Err(ApiError::Token(_)) => Err(self.tokens.give_up(login, fresh.version).await),
            other => other.map_err(ApiError::into_failure),
        }
    }
}

#[async_trait]
impl MessagingCore for ChatApp {
    fn capabilities(&self, connector: Connector) -> Capabilities {
        capabilities(connector)
    }

    fn person_of(&self, _connector: Connector, peer: &str) -> String {
        events::person_id(peer)
    }

    fn is_group(&self, _connector: Connector, peer: &str) -> bool {
        events::is_group_id(peer)
    }

    async fn send(
        &self,
        channel: &ChannelRef,
        to: Target<'_>,
        what: &What,
        key: &IdempotencyKey,
    ) -> Result<Sent, Failure> {
        self.send_one(channel, to.peer, what, key).await
    }

    async fn create_group(&self, channel: &ChannelRef, name: &str, phones: &[String]) -> Result<Founded, Failure> {
        self.found_group(channel, name, phones).await
    }

    async fn templates(&self, channel: &ChannelRef) -> Result<Vec<Template>, Failure> {
        self.list_templates(channel).await
    }

    async fn send_template(
        &self,
        channel: &ChannelRef,
        peer: &str,
        what: &TemplateMessage,
        key: &IdempotencyKey,
    ) -> Result<Sent, Failure> {
        self.send_one_template(channel, peer, what, key).await
    }

    async fn knows(&self, channel: &ChannelRef, address: &str) -> Option<bool> {
        self.check(channel, address).await
    }

    async fn find_sent(
        &self,
        channel: &ChannelRef,
        peer: &str,
        attempt: (&IdempotencyKey, Millis),
    ) -> Result<Found, Failure> {
        self.find_tracked(channel, peer, attempt).await
    }

    /// ChatApp gives files by public links; no token goes there.
    async fn fetch(&self, channel: &ChannelRef, origin: &Origin) -> Result<Fetched, Failure> {
        let Origin::Url(link) = origin else {
            return Err(Failure::permanent(Told::FileUnavailable, "not a link"));
        };
        let url = Url::parse(link).map_err(|_not_a_url| Failure::permanent(Told::FileUnavailable, "not a link"))?;
        let limit = capabilities(channel.connector).download_limit;
        transfer::fetch(self.api.outgoing(), url, limit).await
    }

    fn split(&self, body: &[u8]) -> Result<Vec<RawItem>, Malformed> {
        events::split(body)
    }

    fn is_of(&self, item: &Value, account: &str) -> bool {
        Account::parse(account).is_some_and(|account| events::is_of(item, &account))
    }

    fn parse(&self, item: &Value) -> Result<CoreEvent, Malformed> {
        events::parse(item, self.clock.now())
    }
}
