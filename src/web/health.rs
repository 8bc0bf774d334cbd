//! Is the server well? `/health/ping` says that the process answers; `/health` proves that a commit is possible and counts what waits.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::caller::{Operators, is_operator};
use crate::app::App;

pub async fn ping() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("pong")
}

/// For the operators of the server: on `ADMIN_BIND`; without one on `BIND`, and there only for callers from this machine.
pub async fn health(app: web::Data<App>, operators: web::Data<Operators>, request: HttpRequest) -> HttpResponse {
    if !is_operator(&app, &operators, &request) {
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
