//! Calls with a token of no make-believe bot: to the real Bot API when the sandbox is told where that is.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header::CONTENT_TYPE, web};

use super::Refused;
use crate::World;

/// Longer than the longest long poll, and enough for a large upload.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Hands a call over as it came: method, path, query, type and bytes of the body; the answer streams back. 401 without an
/// upstream, as Telegram answers to a token that it does not know.
pub(super) async fn forward(world: &World, request: &HttpRequest, body: web::Bytes) -> HttpResponse {
    let Some(upstream) = &world.messengers.around().telegram_upstream else {
        return Refused::new(401, "Unauthorized").response();
    };
    let root = upstream.as_str().trim_end_matches('/');
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = path.strip_prefix("/telegram").unwrap_or(path);
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes());
    let mut call =
        world.http.request(method.unwrap_or(reqwest::Method::GET), format!("{root}{path}")).timeout(TIMEOUT).body(body);
    if let Some(kind) = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        call = call.header("Content-Type", kind);
    }
    // The error's own text would carry the address and with it the token.
    let Ok(answer) = call.send().await else {
        return Refused::new(502, "Bad Gateway").response();
    };
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    for name in ["Content-Type", "Retry-After"] {
        let value = answer.headers().get(name);
        if let Some(value) = value.and_then(|value| value.to_str().ok()) {
            response.insert_header((name, value));
        }
    }
    response.streaming(answer.bytes_stream())
}
