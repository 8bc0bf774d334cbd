//! One exchange: the `oauth2` crate writes the request and reads the tokens, our guarded client carries both.
//!
//! Bitrix24 answers without a `token_type`, writes numbers as texts at times, and puts an error under any status. So only an
//! answer with tokens reaches the crate, as plain JSON with status 200, and the type of it is ours; every other answer is
//! understood here.

use std::time::Duration;

use oauth2::{
    AccessToken, AuthType, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, RefreshToken, RequestTokenError, Scope, StandardRevocableToken, TokenResponse, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType},
};
use reqwest::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{ClientKey, OAuthError, TokenSet, refusal};
use crate::{
    b24::values,
    outgoing::{Outgoing, OutgoingError, read_limited},
    secret::Secret,
};

/// An answer is about a kilobyte.
const ANSWER_LIMIT: usize = 64 * 1024;
/// What every answer so far has said; used when one does not.
const DEFAULT_EXPIRY_S: i64 = 3600;

/// What is traded for tokens.
#[derive(Clone, Copy)]
pub(super) enum Exchange<'a> {
    Refresh(&'a Secret),
    Code(&'a Secret),
}

type TokenClient = Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Bitrix24's answer. `Serialize` and `Debug` are the crate's demand; its token types are silent in the latter.
#[derive(Debug, Deserialize, Serialize)]
struct Tokens {
    access_token: AccessToken,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default, deserialize_with = "values::some_int")]
    expires_in: Option<i64>,
    #[serde(default, deserialize_with = "values::text")]
    member_id: String,
    #[serde(default, deserialize_with = "values::text")]
    client_endpoint: String,
    #[serde(default, deserialize_with = "values::text")]
    server_endpoint: String,
    #[serde(default, deserialize_with = "values::text")]
    scope: String,
    #[serde(default, deserialize_with = "values::text")]
    status: String,
    #[serde(default, deserialize_with = "values::some_id")]
    user_id: Option<i64>,
}

impl TokenResponse for Tokens {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &BasicTokenType::Bearer
    }

    fn expires_in(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.expires_in?).ok()?;
        Some(Duration::from_secs(seconds))
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// The portal's scopes are not those of the standard's request: the text is read by [`TokenSet`].
    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl Exchange<'_> {
    pub(super) async fn run(
        self,
        outgoing: &Outgoing,
        token_url: Url,
        key: &ClientKey,
    ) -> Result<TokenSet, OAuthError> {
        let client: TokenClient = Client::new(ClientId::new(key.id.clone()))
            .set_client_secret(ClientSecret::new(key.secret.expose().to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(token_url));
        let http = |request| carry(outgoing.clone(), request);
        let (answer, old) = match self {
            Self::Refresh(token) => {
                let token = RefreshToken::new(token.expose().to_owned());
                let answer = client.exchange_refresh_token(&token).request_async(&http);
                (answer.await, Some(token))
            }
            Self::Code(code) => {
                let code = AuthorizationCode::new(code.expose().to_owned());
                (client.exchange_code(code).request_async(&http).await, None)
            }
        };
        match answer {
            Ok(tokens) => token_set(tokens, old),
            Err(RequestTokenError::Request(error)) => Err(error),
            // tokens in another form than ours: they may be lost, but nothing says that the grant is dead
            Err(_) => Err(OAuthError::Transient { certain: false }),
        }
    }
}

/// A server that gives no new refresh token leaves the old one valid.
fn token_set(tokens: Tokens, old: Option<RefreshToken>) -> Result<TokenSet, OAuthError> {
    let refresh = tokens
        .refresh_token
        .filter(|token| !token.secret().is_empty())
        .or(old)
        .ok_or(OAuthError::Transient { certain: false })?;
    Ok(TokenSet {
        access: Secret::new(tokens.access_token.into_secret()),
        refresh: Secret::new(refresh.into_secret()),
        expires_in_s: tokens.expires_in.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_EXPIRY_S),
        member_id: tokens.member_id,
        client_endpoint: Url::parse(&tokens.client_endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https")),
        server_endpoint: tokens.server_endpoint,
        scope: values::scope_list(&tokens.scope),
        status: tokens.status,
        user_id: tokens.user_id,
    })
}

/// Carries a request of the crate. Redirects are not followed: the body holds the client secret.
async fn carry(outgoing: Outgoing, request: HttpRequest) -> Result<HttpResponse, OAuthError> {
    let url = Url::parse(&request.uri().to_string()).map_err(|_no_url| OAuthError::Transient { certain: true })?;
    let response = outgoing
        .post(url)?
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(request.into_body())
        .send()
        .await
        .map_err(OutgoingError::from)?;
    let status = response.status();
    let body = read_limited(response, ANSWER_LIMIT).await?;
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    if status != StatusCode::OK || !has_tokens(json.as_ref()) {
        return Err(refusal(status, json.as_ref().filter(|json| json.is_object())));
    }
    Ok(HttpResponse::new(body))
}

fn has_tokens(body: Option<&Value>) -> bool {
    let token = body.and_then(|body| body.get("access_token"));
    token.and_then(Value::as_str).is_some_and(|token| !token.is_empty())
}
