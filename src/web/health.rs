//! Is the server well? `/health/ping` says that the process answers; `/health` proves that a commit is possible and counts what waits.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::app::App;

pub async fn ping() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("pong")
}

/// For the operators of the server: on `ADMIN_BIND`, and on `BIND` only for callers from this machine.
pub async fn health(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    if !from_here(&app, &request) {
        return HttpResponse::NotFound().finish();
    }
    if let Err(error) = app.db.probe().await {
        return HttpResponse::ServiceUnavailable().json(json!({ "ok": false, "database": error.to_string() }));
    }
    match app.db.delivery_counts().await {
        Ok(counts) => HttpResponse::Ok().json(json!({
            "ok": true,
            "waiting": counts.waiting,
            "sending": counts.sending,
            "parked": counts.parked,
            "failed": counts.failed,
            "unknown": counts.unknown,
            "inbox": counts.inbox,
            "inbox_dead": counts.inbox_dead,
        })),
        Err(error) => HttpResponse::ServiceUnavailable().json(json!({ "ok": false, "database": error.to_string() })),
    }
}

/// A reverse proxy on this machine makes everybody look local, so a forwarded request is not believed to be from here.
fn from_here(app: &App, request: &HttpRequest) -> bool {
    let forwarded = request.headers().contains_key("X-Forwarded-For") || request.headers().contains_key("Forwarded");
    let local = request.peer_addr().is_some_and(|peer| peer.ip().is_loopback());
    let own_address = app.config.admin_bind.as_deref();
    let on_admin = own_address.is_some_and(|own| request.app_config().local_addr().to_string() == own);
    on_admin || (own_address.is_none() && local && !forwarded)
}
