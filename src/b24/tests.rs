//! The client against a server on loopback: what goes out, what each kind of answer means, where redirects lead.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Access, Answer, CallError, Client, Code, Method, Scope,
    methods::{
        app::{AppInfo, Profile},
        connector::Unregister,
        events::EventBind,
        messages::{SendMessages, SendReport},
        open_lines::DialogGet,
    },
    testing::{self, Loopback, Reply, html, outgoing, redirect},
    transport::ANSWER_LIMIT,
};
use crate::{
    clock::Millis,
    domain::failure::{Retry, Told},
    outgoing::{Guard, Outgoing},
    secret::Secret,
};

const OK: &str =
    r#"{"result": {"CODE": "app", "INSTALLED": true}, "time": {"operating": 1.5, "operating_reset_at": 1773266593}}"#;

fn access(portal: &Loopback) -> Access {
    Access { endpoint: portal.endpoint(), token: Secret::new("the-token") }
}

async fn call<M: Method>(portal: &Loopback, method: &M) -> Result<Answer<M::Output>, CallError> {
    Client::new(outgoing()).call(&access(portal), method).await
}

/// Sends a message, which must not be repeated, to a portal with this answer.
async fn send_to(reply: Reply) -> CallError {
    let portal = Loopback::start(vec![reply]).await;
    let send = SendMessages { connector: "chatapp_vk", line: 1, messages: &[] };
    let answer: Result<Answer<SendReport>, CallError> = call(&portal, &send).await;
    answer.unwrap_err()
}

async fn error_of(status: u16, body: &str) -> CallError {
    let portal = Loopback::start(vec![testing::json(status, body)]).await;
    call(&portal, &AppInfo {}).await.unwrap_err()
}

#[tokio::test]
async fn a_call_is_a_json_post_with_the_token_in_its_body() {
    let portal = Loopback::start(vec![testing::json(200, OK)]).await;
    let answer = call(&portal, &AppInfo {}).await.unwrap();
    assert!(answer.result.installed);
    assert_eq!(answer.moved_to, None);
    let time = answer.time.unwrap();
    assert_eq!(time.operating, Duration::from_millis(1500));
    assert_eq!(time.operating_reset_at, Some(Millis(1_773_266_593_000)));
    let asked = portal.asked();
    assert_eq!(asked[0].line, "POST /rest/app.info");
    assert!(asked[0].headers.contains("content-type: application/json"));
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body, json!({"auth": "the-token"}));
}

#[tokio::test]
async fn parameters_keep_their_order_beside_the_token() {
    #[derive(Serialize)]
    struct Strange {
        zebra: u8,
        ant: super::values::Ordered<&'static str, u8>,
    }
    impl Method for Strange {
        type Output = bool;
        const NAME: &'static str = "strange";
        const SCOPE: Scope = Scope::Base;
    }
    let portal = Loopback::start(vec![testing::json(200, r#"{"result": true}"#)]).await;
    let method = Strange { zebra: 1, ant: super::values::Ordered(vec![("y", 1), ("x", 2)]) };
    assert!(call(&portal, &method).await.unwrap().result);
    assert_eq!(portal.asked()[0].body, r#"{"auth":"the-token","zebra":1,"ant":{"y":1,"x":2}}"#);
}

#[tokio::test]
async fn methods_of_one_key_go_beside_the_token_too() {
    let portal = Loopback::start(vec![testing::json(200, r#"{"result": false}"#)]).await;
    let answer = call(&portal, &DialogGet::UserCode("chatapp_vk|8|a:1|599")).await;
    assert_eq!(answer.unwrap().result.0, None);
    assert_eq!(portal.asked()[0].body, r#"{"auth":"the-token","USER_CODE":"chatapp_vk|8|a:1|599"}"#);
}

#[tokio::test]
async fn an_expired_token_is_told_apart() {
    let error =
        error_of(401, r#"{"error": "expired_token", "error_description": "The access token provided has expired."}"#)
            .await;
    assert!(error.is_expired_token());
    assert_eq!((error.http, error.method), (401, "app.info"));
}

#[tokio::test]
async fn an_error_under_200_is_an_error() {
    let error = error_of(200, r#"{"error": "ERROR_CORE", "error_description": "no"}"#).await;
    assert_eq!(error.code, Code::Core);
    let portal = Loopback::start(vec![testing::json(
        200,
        r#"{"result": {"result": false, "error": "APPLICATION_UNREGISTRATION_ERROR", "error_description": "no"}}"#,
    )])
    .await;
    let error = call(&portal, &Unregister { id: "x" }).await.unwrap_err();
    assert_eq!(error.code, Code::UnregistrationError);
}

#[tokio::test]
async fn an_empty_error_beside_a_result_is_none() {
    let portal =
        Loopback::start(vec![testing::json(200, r#"{"result": {"ID": "7", "ADMIN": "Y"}, "error": ""}"#)]).await;
    let answer = call(&portal, &Profile {}).await.unwrap();
    assert_eq!(answer.result.0.unwrap().id, Some(7));
    let error = error_of(400, r#"{"error": "", "error_description": "something"}"#).await;
    assert_eq!(error.code, Code::Other(String::new()));
}

#[tokio::test]
async fn numbers_are_codes_too() {
    for (body, code) in [
        (r#"{"error": 404, "error_description": "нет"}"#, Code::ProcessNotFound),
        (r#"{"error": "423", "error_description": "занят"}"#, Code::ProcessLocked),
    ] {
        let error = error_of(400, body).await;
        assert_eq!(error.code, code);
        assert_eq!(error.to_failure().retry, Retry::Backoff);
    }
    let error = error_of(400, r#"{"error": 0, "error_description": "x"}"#).await;
    assert_eq!(error.code, Code::Other("0".into()));
    assert_eq!(error.to_failure().retry, Retry::Never);
}

#[tokio::test]
async fn a_binding_that_is_there_already_is_known_by_its_words() {
    let portal = Loopback::start(vec![testing::json(
        400,
        r#"{"error": "ERROR_CORE", "error_description": "Unable to set event handler: Handler already binded"}"#,
    )])
    .await;
    let bind = EventBind { event: "ONAPPTEST", handler: "https://app.example/b24/events", auth_type: None };
    assert!(call(&portal, &bind).await.unwrap_err().is_already_bound());
}

#[tokio::test]
async fn a_missing_feature_is_neither_a_fault_nor_repeated() {
    let error = error_of(404, r#"{"error": "ERROR_METHOD_NOT_FOUND", "error_description": "x"}"#).await;
    assert!(error.is_feature_missing());
    let failure = error.to_failure();
    assert_eq!((failure.retry, failure.told), (Retry::Never, Told::Unsupported));
}

#[tokio::test]
async fn pages_and_nothing_are_transient_answers() {
    for (reply, certain) in [
        (html(200, "<html>ok</html>"), false),
        (html(502, "<html>bad gateway</html>"), false),
        (html(503, "<html>busy</html>"), true),
        (html(403, "<html>who are you</html>"), true),
        (testing::json(200, ""), false),
        (testing::json(200, "[]"), false),
        (testing::json(200, r#"{"time": {}}"#), false),
    ] {
        let error = send_to(reply).await;
        assert_eq!(error.code, Code::Unreadable);
        assert_eq!(error.certain, certain, "{error}");
        assert_eq!(error.to_failure().retry, Retry::Backoff);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let huge = format!(r#"{{"result": "{}"}}"#, "x".repeat(ANSWER_LIMIT));
    let error = send_to(testing::json(200, &huge)).await;
    assert_eq!((error.code, error.certain), (Code::Unreadable, false));
}

#[tokio::test]
async fn a_crash_may_come_after_the_deed_a_refusal_not() {
    let crash = send_to(testing::json(500, r#"{"error": "INTERNAL_SERVER_ERROR", "error_description": ""}"#)).await;
    assert!(!crash.certain);
    let limit =
        send_to(testing::json(503, r#"{"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many"}"#)).await;
    assert!(limit.certain);
    assert_eq!(limit.to_failure().retry, Retry::Backoff);
    let operating = send_to(testing::json(429, r#"{"error": "OPERATION_TIME_LIMIT"}"#)).await;
    assert_eq!(operating.to_failure().retry, Retry::After(Duration::from_mins(1)));
    let line = send_to(testing::json(400, r#"{"error": "NOT_ACTIVE_LINE"}"#)).await;
    assert_eq!(line.to_failure().told, Told::LineInactive);
}

#[tokio::test]
async fn a_proxy_that_says_when_is_believed_within_reason() {
    let reply = Reply::Answer(503, "Retry-After: 7\r\n".into(), "busy".into());
    assert_eq!(send_to(reply).await.to_failure().retry, Retry::After(Duration::from_secs(7)));
    let reply = Reply::Answer(503, "Retry-After: 999999999\r\n".into(), "busy".into());
    assert_eq!(send_to(reply).await.to_failure().retry, Retry::After(Duration::from_hours(1)));
}

#[tokio::test]
async fn silence_is_uncertain_unless_repeating_is_harmless() {
    let error = send_to(Reply::HangUp).await;
    assert_eq!((error.code.clone(), error.certain), (Code::NoAnswer, false));
    assert!(!error.to_failure().certain);
    let portal = Loopback::start(vec![Reply::HangUp]).await;
    let error = call(&portal, &AppInfo {}).await.unwrap_err();
    assert_eq!((error.code, error.certain), (Code::NoAnswer, true));
}

#[tokio::test]
async fn a_slow_portal_is_waited_for_no_longer_than_told() {
    let portal = Loopback::start(vec![Reply::Wait(Duration::from_secs(30))]).await;
    let client = Client::new(outgoing()).with_timeout(Duration::from_millis(100));
    let send = SendMessages { connector: "chatapp_vk", line: 1, messages: &[] };
    let error = client.call(&access(&portal), &send).await.unwrap_err();
    assert_eq!((error.code, error.certain), (Code::NoAnswer, false));
}

#[tokio::test]
async fn nobody_there_is_certain() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let access = Access { endpoint: format!("http://{address}/rest/").parse().unwrap(), token: Secret::new("t") };
    let error = Client::new(outgoing()).call(&access, &AppInfo {}).await.unwrap_err();
    assert_eq!((error.code, error.certain), (Code::NotConnected, true));
}

#[tokio::test]
async fn a_moved_portal_is_followed_once_with_the_same_post() {
    for status in [301, 302, 307, 308] {
        let new = Loopback::start(vec![testing::json(200, OK)]).await;
        let target = new.url.join("/rest/app.info").unwrap();
        let old = Loopback::start(vec![redirect(status, target.as_str())]).await;
        let answer = call(&old, &AppInfo {}).await.unwrap();
        assert_eq!(answer.moved_to, Some(new.endpoint()));
        assert_eq!(new.asked()[0].line, "POST /rest/app.info");
        assert_eq!(new.asked()[0].body, old.asked()[0].body);
    }
}

#[tokio::test]
async fn a_redirect_that_is_no_move_does_not_get_the_token() {
    let other = Loopback::start(vec![testing::json(200, OK)]).await;
    let to = |path: &str| other.url.join(path).unwrap().to_string();
    for (status, location) in [
        (302, to("/login/")),
        (302, to("/other/app.info")),
        (303, to("/rest/app.info")),
        (302, "/rest/app.info".to_owned()),
        (302, "ftp://127.0.0.1/rest/app.info".to_owned()),
        (302, to("/rest/app.info").replace("//127", "//user:word@127")),
        (304, to("/rest/app.info")),
    ] {
        let portal = Loopback::start(vec![redirect(status, &location)]).await;
        let error = call(&portal, &AppInfo {}).await.unwrap_err();
        assert_eq!(error.code, Code::Redirected, "{location}");
        assert!(error.certain);
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_into_our_own_network_is_refused_by_the_guard() {
    let guarded = Outgoing::new(Guard::new(&["127.0.0.1"])).unwrap();
    let portal = Loopback::start(vec![redirect(302, "http://127.0.0.2:1/rest/app.info")]).await;
    let error = Client::new(guarded).call(&access(&portal), &AppInfo {}).await.unwrap_err();
    assert_eq!(error.code, Code::Forbidden);
    assert_eq!(error.to_failure().retry, Retry::Never);
}

#[tokio::test]
async fn two_portals_that_point_at_each_other_end_after_one_hop() {
    let second = Loopback::start(vec![redirect(302, "http://127.0.0.1:9/rest/app.info")]).await;
    let target = second.url.join("/rest/app.info").unwrap();
    let first = Loopback::start(vec![redirect(302, target.as_str())]).await;
    let error = call(&first, &AppInfo {}).await.unwrap_err();
    assert_eq!(error.code, Code::Redirected);
    assert_eq!(first.asked().len() + second.asked().len(), 2);
}

#[tokio::test]
async fn a_result_of_another_shape_is_no_proof_that_nothing_happened() {
    let error = send_to(testing::json(200, r#"{"result": "what"}"#)).await;
    assert_eq!((error.code, error.certain), (Code::OtherShape, false));
}

#[tokio::test]
async fn lost_rights_park_the_portal() {
    for body in [
        r#"{"error": "ACCESS_DENIED", "error_description": "REST is available only on commercial plans."}"#,
        r#"{"error": "APPLICATION_NOT_FOUND"}"#,
        r#"{"error": "PAYMENT_REQUIRED"}"#,
        r#"{"error": "PORTAL_DELETED"}"#,
    ] {
        let failure = error_of(401, body).await.to_failure();
        assert_eq!(failure.retry, Retry::WhenPortalReturns, "{body}");
        assert_eq!(failure.told, Told::PortalUnauthorised);
    }
    let denied = error_of(403, r#"{"error": "ACCESS_DENIED", "error_description": "Access denied!"}"#).await;
    assert_eq!(denied.to_failure().retry, Retry::Never);
}

#[tokio::test]
async fn a_right_that_one_method_lacks_stops_that_method_alone() {
    for body in [r#"{"error": "insufficient_scope"}"#, r#"{"error": "METHOD_CONFIRM_WAITING"}"#] {
        let failure = error_of(401, body).await.to_failure();
        assert_eq!((failure.retry, failure.told), (Retry::Backoff, Told::PortalUnauthorised), "{body}");
    }
}

#[tokio::test]
async fn a_description_repeats_no_secret_and_no_person() {
    let body = json!({
        "error": "ERROR_ARGUMENT",
        "error_description": format!(
            "Argument 'PHONE' +7 900 123 45 67 of ann@corp.example at https://p.example/?auth=1 token {} line 107",
            "a1b2".repeat(16)
        ),
    });
    let text = error_of(400, &body.to_string()).await.to_string();
    for secret in ["900", "45", "ann", "p.example", "a1b2"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains("Argument 'PHONE'") && text.contains("line 107"), "{text}");
    let long = json!({"error": "X", "error_description": "word ".repeat(1000)});
    assert!(error_of(400, &long.to_string()).await.to_string().len() < 400);
}
