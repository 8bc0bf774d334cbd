//! Exchanges against a server on loopback.

use reqwest::StatusCode;
use serde_json::json;
use url::Url;

use super::{ClientKey, OAuth, OAuthError, TokenSet, refusal};
use crate::{
    b24::testing::{self, Loopback, Reply, html, outgoing, redirect},
    domain::failure::Retry,
    secret::Secret,
};

const TOKENS: &str = r#"{"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": "3600",
    "expires": 1773266593, "client_endpoint": "https://portal.example/rest/",
    "server_endpoint": "https://oauth.example/rest/", "domain": "oauth.example", "member_id": "a1b2c3",
    "scope": "crm,imopenlines bizproc", "status": "L", "user_id": 27}"#;

fn key() -> ClientKey {
    ClientKey { id: "local.1".into(), secret: Secret::new("se&cret") }
}

async fn refresh(replies: Vec<Reply>) -> (Result<TokenSet, OAuthError>, Loopback) {
    let server = Loopback::start(replies).await;
    let oauth = OAuth::new(outgoing(), vec![server.url.clone()]);
    let tokens = oauth.refresh(&server.url, &key(), &Secret::new("old/refresh")).await;
    (tokens, server)
}

async fn error_of(reply: Reply) -> OAuthError {
    refresh(vec![reply]).await.0.unwrap_err()
}

#[tokio::test]
async fn a_refresh_is_a_form_post_and_gives_a_whole_set() {
    let (tokens, server) = refresh(vec![testing::json(200, TOKENS)]).await;
    let tokens = tokens.unwrap();
    assert_eq!(tokens.access.expose(), "new-access");
    assert_eq!(tokens.refresh.expose(), "new-refresh");
    assert_eq!(tokens.expires_in_s, 3600);
    assert_eq!(tokens.member_id, "a1b2c3");
    assert_eq!(tokens.client_endpoint.unwrap().as_str(), "https://portal.example/rest/");
    assert_eq!(tokens.scope, ["crm", "imopenlines", "bizproc"]);
    assert_eq!((tokens.status.as_str(), tokens.user_id), ("L", Some(27)));
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /oauth/token/");
    let mut fields: Vec<_> = asked.body.split('&').collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["client_id=local.1", "client_secret=se%26cret", "grant_type=refresh_token", "refresh_token=old%2Frefresh"]
    );
}

#[tokio::test]
async fn a_code_is_traded_the_same_way() {
    let body = r#"{"access_token": "a", "refresh_token": "r", "member_id": "m", "client_endpoint": "https://p.example/rest/"}"#;
    let server = Loopback::start(vec![testing::json(200, body)]).await;
    let oauth = OAuth::new(outgoing(), vec![server.url.clone()]);
    let tokens = oauth.exchange_code(&server.url, &key(), &Secret::new("c0de")).await.unwrap();
    assert_eq!((tokens.user_id, tokens.expires_in_s), (None, 3600));
    let asked = &server.asked()[0].body;
    assert!(asked.contains("grant_type=authorization_code") && asked.contains("code=c0de"));
}

#[tokio::test]
async fn a_pair_is_kept_even_if_the_rest_of_the_answer_is_poor() {
    let (tokens, _server) = refresh(vec![testing::json(200, r#"{"access_token": "a"}"#)]).await;
    let tokens = tokens.unwrap();
    assert_eq!(tokens.refresh.expose(), "old/refresh");
    assert_eq!(tokens.client_endpoint, None);
}

#[tokio::test]
async fn refusals_are_told_apart_whatever_their_status() {
    for (status, body, expected) in [
        (400, r#"{"error": "invalid_grant"}"#, OAuthError::InvalidGrant),
        (200, r#"{"error": "invalid_grant"}"#, OAuthError::InvalidGrant),
        (400, r#"{"error": "bad_verification_code"}"#, OAuthError::InvalidGrant),
        (401, r#"{"error": "invalid_client"}"#, OAuthError::InvalidClient),
        (400, r#"{"error": "wrong_client"}"#, OAuthError::WrongClient),
        (402, r#"{"error": "PAYMENT_REQUIRED"}"#, OAuthError::PaymentRequired),
        (400, r#"{"error": "x", "error_description": "Portal not found"}"#, OAuthError::PortalGone),
        (404, r#"{"error": "y"}"#, OAuthError::PortalGone),
        (400, r#"{"error": "invalid_request"}"#, OAuthError::Refused("invalid_request".into())),
    ] {
        let error = error_of(testing::json(status, body)).await;
        assert_eq!(error, expected, "{body}");
        assert!(error.is_final());
        assert_eq!(error.to_failure().retry, Retry::WhenPortalReturns);
    }
}

#[tokio::test]
async fn a_server_in_trouble_does_not_cost_the_grant() {
    for reply in [
        html(502, "<html>bad gateway</html>"),
        html(200, "<html>maintenance</html>"),
        html(404, "<html>no such page</html>"),
        testing::json(500, r#"{"error": "internal"}"#),
        testing::json(429, r#"{"error": "slow down"}"#),
        testing::json(200, "[]"),
        testing::json(200, r#"{"access_token": ""}"#),
        redirect(302, "https://elsewhere.example/oauth/token/"),
        Reply::HangUp,
    ] {
        let error = error_of(reply).await;
        assert_eq!(error, OAuthError::Transient { certain: false });
        assert!(!error.is_final());
        assert_eq!(error.to_failure().retry, Retry::Backoff);
    }
}

#[tokio::test]
async fn a_strange_server_never_sees_the_secret() {
    let strange = Loopback::start(vec![testing::json(200, TOKENS)]).await;
    let oauth = OAuth::new(outgoing(), vec![Url::parse("https://oauth.example/").unwrap()]);
    let error = oauth.refresh(&strange.url, &key(), &Secret::new("r")).await.unwrap_err();
    assert_eq!(error, OAuthError::UnknownServer);
    assert!(strange.asked().is_empty());
}

#[test]
fn servers_are_known_by_their_origin() {
    let oauth = OAuth::new(
        outgoing(),
        vec![Url::parse("https://oauth.bitrix.info").unwrap(), Url::parse("http://127.0.0.1:8090/x").unwrap()],
    );
    let known = |text: &str| oauth.server_for(text).is_some();
    assert!(known("https://oauth.bitrix.info/rest/"));
    assert!(known(" https://OAUTH.bitrix.info:443/rest/"));
    assert!(known("http://127.0.0.1:8090/rest/"));
    for text in [
        "http://oauth.bitrix.info/rest/",
        "https://oauth.bitrix.info.evil.example/rest/",
        "https://oauth.bitrix.info@evil.example/",
        "http://127.0.0.1:8091/rest/",
        "data:text/plain,x",
        "oauth.bitrix.info",
        "",
    ] {
        assert!(!known(text), "{text}");
    }
}

#[test]
fn an_unreadable_answer_is_never_a_verdict() {
    assert_eq!(refusal(StatusCode::BAD_REQUEST, None), OAuthError::Transient { certain: false });
    let nothing = json!({});
    assert_eq!(refusal(StatusCode::FORBIDDEN, Some(&nothing)), OAuthError::Transient { certain: false });
}
