//! Tokens: issued for e-mail, password and application, rotated by a refresh token.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::{Answer, Caller, Refused, done, json_body, knobs::TokenRow, query, success};
use crate::{World, messengers::Messengers, random_hex};

/// Seconds that an access token lives; a public client's comment, and recorded samples.
const ACCESS_S: i64 = 24 * 3600;
/// Seconds that a refresh token lives; the same sources.
const REFRESH_S: i64 = 14 * 24 * 3600;
/// Tokens a day for one pair of e-mail and application; a public client's comment.
const DAILY_LIMIT: usize = 100;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// `POST /v1/tokens`. One public client puts the three values into the query instead of the body.
pub(super) async fn issue(world: web::Data<World>, request: HttpRequest, body: web::Bytes) -> Answer {
    let body = if body.is_empty() { Value::Null } else { json_body(&body)? };
    let field = |name: &str| {
        let given = body.get(name).and_then(Value::as_str).map(str::to_owned);
        given
            .or_else(|| query(&request, name))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refused::parameter(&format!("{name} is required")))
    };
    let (email, password, app) = (field("email")?, field("password")?, field("appId")?);
    let now_ms = world.clock.now_ms();
    let row = world.messengers.quietly(|store| {
        let state = &mut store.chatapp;
        let known = state.cabinets.iter().find(|row| row.email == email && row.password == password && row.app == app);
        let Some(cabinet) = known.map(|row| row.id) else {
            return Err(Refused::new(403, "ApiInvalidCredentialsError", "invalid email, password or appId"));
        };
        let times = state.issued.entry((email, app.clone())).or_default();
        let lately = times.iter().filter(|at| **at > now_ms - DAY_MS).count();
        if lately >= DAILY_LIMIT {
            return Err(Refused::new(429, "ApiTokenLimitError", "too many tokens today"));
        }
        times.push(now_ms);
        let row = fresh(cabinet, &app, now_ms / 1000);
        state.tokens.push(row.clone());
        Ok(row)
    })?;
    Ok(answer(&row))
}

/// `POST /v1/tokens/refresh`: both tokens rotate, the old ones are dead at once.
pub(super) async fn refresh(world: web::Data<World>, request: HttpRequest) -> Answer {
    let offered = header(&request, "Refresh").unwrap_or_default();
    let now_s = world.clock.now_s();
    let row = world.messengers.quietly(|store| {
        let tokens = &mut store.chatapp.tokens;
        let at = tokens
            .iter()
            .position(|row| row.refresh == offered && row.refresh_end_s > now_s)
            .ok_or_else(invalid_token)?;
        let old = tokens.swap_remove(at);
        let row = fresh(old.cabinet, &old.app, now_s);
        tokens.push(row.clone());
        Ok::<_, Refused>(row)
    })?;
    Ok(answer(&row))
}

/// `GET /v1/tokens/check`
pub(super) async fn check(world: web::Data<World>, request: HttpRequest) -> Answer {
    caller(&world.messengers, &request)?;
    Ok(done())
}

/// Who calls, by the access token. Raw is the rule; some public clients write `Bearer` before it.
pub(super) fn caller(messengers: &Messengers, request: &HttpRequest) -> Result<Caller, Refused> {
    let offered = header(request, "Authorization").unwrap_or_default();
    let offered = offered.strip_prefix("Bearer ").unwrap_or(&offered).trim();
    let now_s = messengers.now_ms() / 1000;
    let store = messengers.read();
    let row = store
        .chatapp
        .tokens
        .iter()
        .find(|row| row.access == offered && row.access_end_s > now_s)
        .ok_or_else(invalid_token)?;
    Ok(Caller { cabinet: row.cabinet, app: row.app.clone() })
}

fn invalid_token() -> Refused {
    Refused::new(403, "ApiInvalidTokenError", "Invalid token")
}

fn header(request: &HttpRequest, name: &str) -> Option<String> {
    let value = request.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn fresh(cabinet: i64, app: &str, now_s: i64) -> TokenRow {
    TokenRow {
        cabinet,
        app: app.to_owned(),
        access: random_hex(32),
        access_end_s: now_s + ACCESS_S,
        refresh: random_hex(32),
        refresh_end_s: now_s + REFRESH_S,
    }
}

fn answer(row: &TokenRow) -> HttpResponse {
    success(&json!({
        "cabinetUserId": row.cabinet,
        "accessToken": row.access,
        "accessTokenEndTime": row.access_end_s,
        "refreshToken": row.refresh,
        "refreshTokenEndTime": row.refresh_end_s,
    }))
}
