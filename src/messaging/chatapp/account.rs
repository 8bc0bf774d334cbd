//! What the connector's page does with a ChatApp account: log in, look at licenses, register our webhook, ask about a phone.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::{
    ChatApp,
    api::{Body, Call},
    error::LoginError,
    kinds::{Account, connector_of},
    send::{owner, path_part},
    wire,
};
use crate::{
    clock::Millis,
    domain::{connector::Connector, failure::Failure, ids::LoginId},
    messaging::{ChannelRef, Credentials, LoginTokens, transfer::harmless},
    secret::Secret,
};

/// The events that a channel's webhook asks for: the ones that [`super::events`] understands.
pub const WEBHOOK_EVENTS: [&str; 2] = ["message", "messageStatus"];

/// A successful login.
#[derive(Clone, Debug)]
pub struct Login {
    /// Of version 0: nobody has rotated them yet.
    pub tokens: LoginTokens,
    /// The owner of the account in ChatApp's cabinet; 0 when ChatApp does not say.
    pub cabinet_user: i64,
}

/// A ChatApp line: a paid unit that holds messengers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct License {
    pub id: i64,
    /// Empty when it has none.
    pub name: String,
    /// The end of the paid period; none when ChatApp does not say.
    pub until: Option<Millis>,
    pub messengers: Vec<Messenger>,
}

/// A messenger of a license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messenger {
    pub account: Account,
    /// ChatApp's own name for people.
    pub name: String,
    /// None for a messenger that we cannot connect.
    pub connector: Option<Connector>,
}

/// A registered webhook. Its URL carries a secret.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub account: Account,
    pub events: Vec<String>,
    pub url: Secret,
}

impl ChatApp {
    /// Exchanges credentials for tokens. ChatApp allows 100 of these a day.
    pub async fn login(&self, credentials: &Credentials) -> Result<Login, LoginError> {
        let (tokens, cabinet_user) = self.api.log_in(credentials, 0).await?;
        Ok(Login { tokens, cabinet_user })
    }

    /// The licenses that a login may use.
    pub async fn licenses(&self, login: LoginId) -> Result<Vec<License>, Failure> {
        let data = self.ask(login, Call::new(Method::GET, vec!["licenses"])).await?;
        let rows: Vec<wire::License> = wire::rows(data);
        Ok(rows.into_iter().filter_map(license).collect())
    }

    /// Points a messenger's webhook at `url`, replacing the one before. ChatApp posts an empty body there while this call
    /// runs and refuses when the answer is not 200: the route must be live already.
    pub async fn register_webhook(
        &self,
        login: LoginId,
        account: &Account,
        url: &Url,
        events: &[&str],
    ) -> Result<(), Failure> {
        let license = account.license.to_string();
        let body = json!({ "events": events, "url": url.as_str() });
        let call = Call::new(Method::PUT, webhook_path(&license, account)).body(Body::Json(body));
        self.ask(login, call).await.map(drop)
    }

    pub async fn unregister_webhook(&self, login: LoginId, account: &Account) -> Result<(), Failure> {
        let license = account.license.to_string();
        let call = Call::new(Method::DELETE, webhook_path(&license, account));
        self.ask(login, call).await.map(drop)
    }

    /// Every webhook of the login's application.
    pub async fn webhooks(&self, login: LoginId) -> Result<Vec<Webhook>, Failure> {
        let data = self.ask(login, Call::new(Method::GET, vec!["callbackUrls"])).await?;
        let rows: Vec<wire::Callback> = wire::rows(data);
        Ok(rows.into_iter().filter_map(webhook).collect())
    }

    /// Whether a phone (digits, with or without `+`) or an `@username` is in the messenger. None where ChatApp does not clearly say: the
    /// form of its answer is not public, and a refusal may mean anything.
    pub(super) async fn check(&self, channel: &ChannelRef, address: &str) -> Option<bool> {
        let (login, account) = owner(channel).ok()?;
        let license = account.license.to_string();
        let (kind, what) = match address.strip_prefix('@') {
            Some(name) => ("users", name.to_owned()),
            None => ("phones", format!("+{}", address.trim_start_matches('+'))),
        };
        let mut path = account_path(&license, &account);
        path.extend([kind, path_part(&what).ok().map(|_plain| what.as_str())?, "check"]);
        match self.ask(login, Call::new(Method::GET, path)).await {
            Ok(data) => read_check(&data),
            Err(failure) => {
                tracing::debug!(channel = %channel.id, cause = failure.cause, "an address could not be checked");
                None
            }
        }
    }

    /// A call that may be repeated without harm.
    async fn ask(&self, login: LoginId, call: Call<'_>) -> Result<Value, Failure> {
        self.call(login, &call).await.map_err(harmless)
    }
}

/// `/licenses/{id}/messengers/{type}`.
pub(super) fn account_path<'a>(license: &'a str, account: &'a Account) -> Vec<&'a str> {
    vec!["licenses", license, "messengers", &account.messenger_type]
}

fn webhook_path<'a>(license: &'a str, account: &'a Account) -> Vec<&'a str> {
    let mut path = account_path(license, account);
    path.push("callbackUrl");
    path
}

fn license(row: wire::License) -> Option<License> {
    let id = row.license_id?;
    let messengers = row.messenger.into_iter().filter_map(|messenger| {
        let kind = messenger.kind?;
        Some(Messenger {
            account: Account::new(id, &kind)?,
            connector: connector_of(&kind),
            name: messenger.name.unwrap_or(kind),
        })
    });
    Some(License {
        id,
        name: row.license_name.unwrap_or_default(),
        until: row.license_to.map(Millis::from_seconds),
        messengers: messengers.collect(),
    })
}

fn webhook(row: wire::Callback) -> Option<Webhook> {
    Some(Webhook {
        account: Account::new(row.license_id?, &row.messenger_type?)?,
        events: row.events,
        url: Secret::new(row.url?),
    })
}

/// A bare flag, or an object with a flag of one of the likely names.
fn read_check(data: &Value) -> Option<bool> {
    const NAMES: [&str; 4] = ["exist", "exists", "isExist", "isExists"];
    let named = || NAMES.iter().find_map(|name| wire::read_flag(data.get(name)?));
    wire::read_flag(data).or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_without_id_is_skipped_and_strange_messengers_are_kept() {
        let rows: Vec<wire::License> = wire::rows(json!([
            {"licenseId": "17", "licenseTo": 1_800_000_000, "licenseName": null,
             "messenger": [{"type": "grWhatsApp", "name": "[WEB] WhatsApp"}, {"type": "smoke"}, {"name": "x"}]},
            {"licenseName": "lost"},
        ]));
        let read: Vec<License> = rows.into_iter().filter_map(license).collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].until, Some(Millis(1_800_000_000_000)));
        let connectors: Vec<_> = read[0].messengers.iter().map(|m| m.connector).collect();
        assert_eq!(connectors, [Some(Connector::Whatsapp), None]);
        assert_eq!(read[0].messengers[1].account.to_string(), "17/smoke");
    }

    #[test]
    fn a_check_is_read_in_every_likely_form() {
        assert_eq!(read_check(&json!(true)), Some(true));
        assert_eq!(read_check(&json!({"exist": false})), Some(false));
        assert_eq!(read_check(&json!({"status": "odd"})), None);
    }
}
