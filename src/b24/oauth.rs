//! Exchanges tokens at Bitrix24's OAuth servers.
//!
//! The client secret goes to servers of the allow-list alone, never to a portal. A refresh token works once: whoever calls
//! [`OAuth::refresh`] must let nobody else use it meanwhile and store the new pair before anything else. Frequent refreshing
//! gets an application blocked, so nothing here repeats a call.

mod exchange;
#[cfg(test)]
mod tests;

use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use exchange::Exchange;

use crate::{
    domain::failure::{Failure, Retry, Told},
    outgoing::{Outgoing, OutgoingError},
    secret::Secret,
};

/// The servers that may see the client secrets.
#[derive(Clone)]
pub struct OAuth {
    outgoing: Outgoing,
    servers: Vec<Url>,
}

/// One of our applications, as the OAuth server knows it.
#[derive(Clone, Debug)]
pub struct ClientKey {
    pub id: String,
    pub secret: Secret,
}

/// What the server gives for a refresh token or a code. It proves that the token was of our application, and its portal,
/// endpoint and owner are the server's own word.
#[derive(Clone, Debug)]
pub struct TokenSet {
    pub access: Secret,
    pub refresh: Secret,
    /// Seconds from now.
    pub expires_in_s: i64,
    pub member_id: String,
    /// The portal's REST base as it is today. The pair is kept even if this could not be read.
    pub client_endpoint: Option<Url>,
    /// The OAuth server's REST base.
    pub server_endpoint: String,
    pub scope: Vec<String>,
    /// L, F, D, T, P or S: here it can be trusted.
    pub status: String,
    /// The token's owner; missing after a code.
    pub user_id: Option<i64>,
}

/// Why there are no new tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    #[error("the server is not one that may see client secrets")]
    UnknownServer,
    /// The code or the refresh token is dead: an administrator must open the application.
    #[error("the grant is dead")]
    InvalidGrant,
    /// A wrong id or secret, or the application is not installed in that portal.
    #[error("the client is unknown, or not installed in this portal")]
    InvalidClient,
    /// The token belongs to another application.
    #[error("the token belongs to another client")]
    WrongClient,
    #[error("the application is not paid")]
    PaymentRequired,
    /// The portal's address is unknown or deleted.
    #[error("the portal is gone")]
    PortalGone,
    /// Refused for a reason that repeating does not change; the server's code.
    #[error("refused: {0}")]
    Refused(String),
    /// No usable answer. `certain`: the server did not see the request, so the refresh token is still good; otherwise it
    /// may have been used up, and is still the best that there is.
    #[error("no usable answer")]
    Transient { certain: bool },
}

impl OAuthError {
    /// The grant cannot work again without a person.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Transient { .. } | Self::UnknownServer)
    }

    /// Money or the portal's owner brings the portal back, and the refresh token is as good as it was.
    pub fn may_come_back(&self) -> bool {
        matches!(self, Self::PaymentRequired | Self::PortalGone)
    }

    pub fn to_failure(&self) -> Failure {
        match self {
            // repeating a refresh does no harm: at worst the token is dead already
            Self::Transient { .. } => Failure::transient(self),
            Self::UnknownServer => Failure::permanent(Told::Internal, self),
            _ => Failure::permanent(Told::PortalUnauthorised, self).retry(Retry::WhenPortalReturns),
        }
    }
}

impl OAuth {
    /// `servers` are origins; their paths are ignored.
    pub fn new(outgoing: Outgoing, servers: Vec<Url>) -> Self {
        Self { outgoing, servers }
    }

    /// The allowed server that a `server_endpoint` of outside data names (`https://oauth.bitrix.info/rest/`).
    pub fn server_for(&self, server_endpoint: &str) -> Option<&Url> {
        let origin = Url::parse(server_endpoint.trim()).ok()?.origin();
        self.servers.iter().find(|server| origin.is_tuple() && server.origin() == origin)
    }

    /// The allowed servers, the default one first.
    pub fn servers(&self) -> &[Url] {
        &self.servers
    }

    /// Trades a refresh token for a new pair. The old one is used up.
    pub async fn refresh(
        &self,
        server: &Url,
        client: &ClientKey,
        refresh_token: &Secret,
    ) -> Result<TokenSet, OAuthError> {
        let exchange = Exchange::Refresh(refresh_token);
        self.exchange(server, client, exchange).await
    }

    /// Trades a code of the authorisation page for tokens. A code lives 30 seconds.
    pub async fn exchange_code(&self, server: &Url, client: &ClientKey, code: &Secret) -> Result<TokenSet, OAuthError> {
        self.exchange(server, client, Exchange::Code(code)).await
    }

    async fn exchange(&self, server: &Url, client: &ClientKey, exchange: Exchange<'_>) -> Result<TokenSet, OAuthError> {
        let server = self.server_for(server.as_str()).ok_or(OAuthError::UnknownServer)?;
        let token_url = server.join("/oauth/token/").map_err(|_no_base| OAuthError::UnknownServer)?;
        exchange.run(&self.outgoing, token_url, client).await
    }
}

/// What an answer of the server means; `body` is its JSON, if it is any.
fn refusal(status: StatusCode, body: Option<&Value>) -> OAuthError {
    let field = |key: &str| body.and_then(|body| body.get(key)).and_then(Value::as_str).unwrap_or_default();
    let error = field("error");
    match error.to_ascii_lowercase().as_str() {
        "invalid_grant" | "bad_verification_code" => return OAuthError::InvalidGrant,
        "invalid_client" => return OAuthError::InvalidClient,
        "wrong_client" => return OAuthError::WrongClient,
        "payment_required" => return OAuthError::PaymentRequired,
        "portal_deleted" => return OAuthError::PortalGone,
        _ => {}
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || body.is_none() {
        return OAuthError::Transient { certain: false };
    }
    let description = field("error_description").to_ascii_lowercase();
    let of_portal = ["portal", "domain", "not found"].iter().any(|word| description.contains(word));
    if status == StatusCode::NOT_FOUND || (status == StatusCode::BAD_REQUEST && of_portal) {
        return OAuthError::PortalGone;
    }
    if error.is_empty() {
        return OAuthError::Transient { certain: false };
    }
    let code = error.chars().filter(|c| !c.is_control()).take(64);
    OAuthError::Refused(code.collect())
}

impl From<OutgoingError> for OAuthError {
    fn from(error: OutgoingError) -> Self {
        Self::Transient { certain: error.is_certain() }
    }
}
