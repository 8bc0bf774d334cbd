//! `/oauth/token/` and the OAuth server's own `/rest/app.info`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Map, Value, json};

use super::{AppCard, Refusal, token_answer};
use crate::{World, clock::iso, form, portal::Portal};

/// Routes of the cloud listener.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/oauth/token/", web::to(token))
        .route("/oauth/token", web::to(token))
        .route("/rest/app.info", web::to(app_info))
        .route("/rest/app.info.json", web::to(app_info));
}

fn refused(refusal: Refusal) -> HttpResponse {
    let (status, code, text) = match refusal {
        Refusal::Client => (StatusCode::UNAUTHORIZED, "invalid_client", "Invalid client"),
        Refusal::Grant => (StatusCode::BAD_REQUEST, "invalid_grant", "Invalid grant"),
        Refusal::Request => (StatusCode::BAD_REQUEST, "invalid_request", "Invalid request"),
    };
    HttpResponse::build(status).json(json!({"error": code, "error_description": text}))
}

/// Parameters of the query and of a form or JSON body, the body's first.
pub(crate) fn parameters(request: &HttpRequest, body: &[u8]) -> Map<String, Value> {
    let mut all = form::parse(request.query_string().as_bytes());
    let content_type = request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    let inner = if content_type.contains("json") {
        // A broken body is swallowed silently, as the platform does.
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    } else {
        form::parse(body)
    };
    all.extend(inner);
    all
}

fn text<'a>(all: &'a Map<String, Value>, key: &str) -> &'a str {
    all.get(key).and_then(Value::as_str).unwrap_or("")
}

async fn token(request: HttpRequest, body: web::Bytes, world: web::Data<World>) -> HttpResponse {
    if world.oauth.state().down {
        return HttpResponse::ServiceUnavailable().content_type("text/html").body("<h1>503 Service Unavailable</h1>");
    }
    let all = parameters(&request, &body);
    let answer = match text(&all, "grant_type") {
        "refresh_token" => refreshed(&world, &all),
        "authorization_code" => exchanged(&world, &all),
        _ => Err(Refusal::Request),
    };
    match answer {
        Ok(answer) if answer["member_id"].as_str().is_some_and(|id| world.oauth.loses_answer(id)) => cut(),
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(refusal) => refused(refusal),
    }
}

/// A body that breaks off at its first byte.
pub(crate) fn cut() -> HttpResponse {
    let broken = futures_util::stream::once(async {
        Err::<web::Bytes, std::io::Error>(std::io::Error::other("the connection was cut"))
    });
    HttpResponse::Ok().content_type("application/json").streaming(broken)
}

fn refreshed(world: &World, all: &Map<String, Value>) -> Result<Value, Refusal> {
    let client_id = text(all, "client_id");
    world.oauth.check_client(client_id, text(all, "client_secret"))?;
    let grant = world.oauth.spend_refresh(client_id, text(all, "refresh_token"))?;
    let (portal, card) = installed(world, &grant.member_id, client_id)?;
    if !portal.user_is_active(grant.user) {
        return Err(Refusal::Grant);
    }
    let tokens = world.oauth.issue(&grant.member_id, client_id, grant.user);
    Ok(token_answer(&portal, &card, &tokens, Some(grant.user)))
}

fn exchanged(world: &World, all: &Map<String, Value>) -> Result<Value, Refusal> {
    let client_id = text(all, "client_id");
    world.oauth.check_client(client_id, text(all, "client_secret"))?;
    let grant = world.oauth.spend_code(client_id, text(all, "code"))?;
    let (portal, card) = installed(world, &grant.member_id, client_id)?;
    let tokens = world.oauth.issue(&grant.member_id, client_id, grant.user);
    Ok(token_answer(&portal, &card, &tokens, None))
}

/// An application that the portal does not have is an invalid client.
fn installed(world: &World, member_id: &str, client_id: &str) -> Result<(Portal, AppCard), Refusal> {
    let portal = world.portal(member_id).ok_or(Refusal::Client)?;
    if !portal.has_app(client_id) {
        return Err(Refusal::Client);
    }
    let card = world.oauth.app(client_id).ok_or(Refusal::Client)?;
    Ok((portal, card))
}

/// The OAuth server's word on an access token. Its shape is undocumented; what is known are `install.uri` (the portal's
/// address, which the vendor's PHP kit compares), the scope and the application's id.
async fn app_info(request: HttpRequest, body: web::Bytes, world: web::Data<World>) -> HttpResponse {
    let all = parameters(&request, &body);
    let access = match text(&all, "auth") {
        "" => text(&all, "access_token"),
        access => access,
    };
    let unauthorised =
        |code: &str, text: &str| HttpResponse::Unauthorized().json(json!({"error": code, "error_description": text}));
    if access.is_empty() {
        return unauthorised("NO_AUTH_FOUND", "Wrong authorization data");
    }
    let Some(grant) = world.oauth.grant(access) else {
        return unauthorised("invalid_token", "Unable to get application by token");
    };
    if grant.expires_ms <= world.clock.now_ms() {
        return unauthorised("expired_token", "The access token provided has expired.");
    }
    let Ok((portal, card)) = installed(&world, &grant.member_id, &grant.client_id) else {
        return unauthorised("APPLICATION_NOT_FOUND", "Application not found");
    };
    HttpResponse::Ok().json(json!({
        "result": {
            "id": card.client_id,
            "client_id": card.client_id,
            "user_id": grant.user,
            "expires": iso(grant.expires_ms),
            "scope": card.scope,
            "install": {
                "installed": portal.app_is_installed(&card.client_id),
                "version": card.version.to_string(),
                "status": portal.status_letter(&card.client_id),
                "scope": card.scope,
                "domain": portal.oauth_host(),
                "uri": portal.origin(),
                "client_endpoint": portal.client_endpoint(),
                "server_endpoint": portal.server_endpoint(),
                "member_id": portal.member_id(),
                "member_type": "",
            },
        },
        "time": {"start": world.clock.now_s(), "finish": world.clock.now_s(), "duration": 0.0, "processing": 0.0},
    }))
}
