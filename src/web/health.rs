//! Is the server well? `/health/ping` says that the process answers; `/health` proves that there is room and that a commit is
//! possible, counts what waits, and says in words what is wrong.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::caller::{Operators, is_operator};
use crate::{app::App, db::OpenCounts};

pub async fn ping() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("pong")
}

/// For the operators of the server: on `ADMIN_BIND`; without one on `BIND`, and there only for callers from this machine.
pub async fn health(app: web::Data<App>, operators: web::Data<Operators>, request: HttpRequest) -> HttpResponse {
    if !is_operator(&app, &operators, &request) {
        return HttpResponse::NotFound().finish();
    }
    let mut reasons = Vec::new();
    if let Err(error) = app.db.probe().await {
        reasons.push(format!("the database takes no writes: {error}"));
    }
    let counts = app.db.delivery_counts().await;
    if let Err(error) = &counts {
        reasons.push(format!("the database cannot be read: {error}"));
    }
    let works = reasons.is_empty();
    let spooled = app.db.spooled();
    if spooled.waiting > 0 {
        reasons.push(format!("{} accepted requests wait in the spool for the database", spooled.waiting));
    }
    if spooled.refused {
        reasons.push("the database refused spooled events for good: they lie in `spool/refused`".to_owned());
    }
    let status = if reasons.is_empty() { "ok" } else { "failing" };
    let mut body = json!({ "status": status, "reasons": reasons, "spooled": spooled.waiting });
    if let (Ok(counts), Some(body)) = (counts, body.as_object_mut()) {
        body.extend(numbers(counts));
    }
    // What only waits in the spool comes by itself; nobody has to be woken for it.
    let mut answer = if works { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(body)
}

fn numbers(counts: OpenCounts) -> impl Iterator<Item = (String, Value)> {
    let numbers = [
        ("waiting", counts.waiting),
        ("sending", counts.sending),
        ("parked", counts.parked),
        ("failed", counts.failed),
        ("unknown", counts.unknown),
        ("inbox", counts.inbox),
        ("inbox_dead", counts.inbox_dead),
    ];
    numbers.into_iter().map(|(name, count)| (name.to_owned(), count.into()))
}
