//! ChatApp's public HTTP API, as its public clients and recorded samples show it.
//!
//! Known and kept: the paths, the raw token in `Authorization`, both envelopes, 403 `ApiInvalidTokenError`, the shape of
//! licenses, of messages and of statuses, the empty POST that a callback address must answer. Not known outside, and
//! chosen here: the codes of all other errors, the answers of the two checks, the form of `nextPage` (here an address),
//! how often a callback is repeated (here twice after the first failure).

mod callbacks;
mod chats;
mod knobs;
pub(crate) mod posting;
mod recipients;
mod sending;
mod tokens;
pub(crate) mod webhooks;

use actix_web::{HttpRequest, HttpResponse, ResponseError, http::StatusCode, middleware::from_fn, web};
use serde_json::{Value, json};

pub(crate) use knobs::State;
pub use knobs::{Cabinet, Call, ChatApp, License, Posted};

use super::Messengers;

/// Longest JSON body that is taken, in bytes.
const JSON_LIMIT: usize = 1024 * 1024;

pub(crate) fn configure(cfg: &mut web::ServiceConfig) {
    let messenger = "/licenses/{license}/messengers/{messenger}";
    let path = |rest: &str| format!("{messenger}{rest}");
    cfg.service(
        web::scope("/chatapp/v1")
            .wrap(from_fn(knobs::around_call))
            .route("/tokens", web::post().to(tokens::issue))
            .route("/tokens/refresh", web::post().to(tokens::refresh))
            .route("/tokens/check", web::get().to(tokens::check))
            .route("/licenses", web::get().to(chats::licenses))
            .route("/callbackUrls", web::get().to(callbacks::list))
            .route(&path("/callbackUrl"), web::put().to(callbacks::set))
            .route(&path("/callbackUrl"), web::delete().to(callbacks::unset))
            .route(&path("/chats"), web::get().to(chats::list))
            // One public client writes the address so.
            .route(&path("/chats/"), web::get().to(chats::list))
            .route(&path("/chats"), web::post().to(chats::create_group))
            .route(&path("/chats/{chat}/messages"), web::get().to(chats::history))
            .route(&path("/chats/{chat}/messages/text"), web::post().to(sending::text))
            .route(&path("/chats/{chat}/messages/file"), web::post().to(sending::file))
            .route(&path("/chats/{chat}/messages/template"), web::post().to(sending::template))
            .route(&path("/templates"), web::get().to(chats::templates))
            .route(&path("/phones/{phone}/check"), web::get().to(chats::check_phone))
            .route(&path("/users/{username}/check"), web::get().to(chats::check_user))
            .default_service(web::to(unknown)),
    );
}

async fn unknown() -> Result<HttpResponse, Refused> {
    Err(Refused::new(404, "ApiNotFoundError", "not found"))
}

/// A refusal in ChatApp's error envelope.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    status: u16,
    code: String,
    message: String,
}

impl Refused {
    pub(crate) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned() }
    }

    fn parameter(message: &str) -> Self {
        Self::new(400, "ApiInvalidParamError", message)
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST)
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({
            "success": false,
            "error": { "code": self.code, "message": self.message },
        }))
    }
}

type Answer = Result<HttpResponse, Refused>;

fn success(data: &Value) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": true, "data": data }))
}

fn done() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": true }))
}

fn json_body(body: &[u8]) -> Result<Value, Refused> {
    if body.len() > JSON_LIMIT {
        return Err(Refused::parameter("the body is too long"));
    }
    serde_json::from_slice(body).map_err(|_| Refused::parameter("the body is not JSON"))
}

/// Who calls: which cabinet through which of its applications.
#[derive(Clone, Debug)]
struct Caller {
    cabinet: i64,
    app: String,
}

/// The messenger of a license that a path names, and who asks for it.
struct Target {
    caller: Caller,
    license: i64,
    messenger: String,
    account: String,
}

impl Target {
    /// Proves the token and that the license is the caller's.
    fn of(messengers: &Messengers, request: &HttpRequest) -> Result<Self, Refused> {
        let caller = tokens::caller(messengers, request)?;
        let path = request.match_info();
        let messenger = path.query("messenger").to_owned();
        let unknown = || Refused::new(400, "ApiLicenseNotFoundError", "license not found");
        let license = path.query("license").parse().map_err(|_| unknown())?;
        let store = messengers.read();
        if store.chatapp.license(license, caller.cabinet).is_none() {
            return Err(unknown());
        }
        let account = webhooks::core(license, &messenger);
        let account = store
            .account_of(&account)
            .ok_or_else(|| Refused::new(404, "ApiMessengerNotFoundError", "messenger not found"))?
            .id
            .clone();
        Ok(Self { caller, license, messenger, account })
    }
}

/// A part of the path, decoded.
fn part(request: &HttpRequest, name: &str) -> String {
    let raw = request.match_info().query(name);
    percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// A value of the query, decoded.
fn query(request: &HttpRequest, name: &str) -> Option<String> {
    url::form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
