//! What the operators of the server ask and do: numbers for their monitoring, what was given up and why, and putting it back.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::caller::{Operators, is_operator};
use crate::{
    app::App,
    clock::Millis,
    db::{DbError, DeadDelivery, DeadFilter, DeadItem},
    domain::ids::{DeliveryId, InboxId, PortalId},
    metrics::{METRICS, Page},
};

/// The dead of each kind that one request lists or puts back.
const AT_ONCE: i64 = 1000;
/// A browser sends it only to the page's own server unless that server agrees, which we never do.
pub const OPERATOR_HEADER: &str = "X-ChatApp-Operator";

type Shared = web::Data<App>;

/// Which of the dead; nothing at all is all of them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<String>,
    /// Ended at or after this time, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    #[serde(default)]
    pub deliveries: Vec<i64>,
    #[serde(default)]
    pub inbox: Vec<i64>,
}

impl From<Chosen> for DeadFilter {
    fn from(chosen: Chosen) -> Self {
        Self {
            portal: chosen.portal.map(PortalId),
            since: chosen.since.map(Millis),
            deliveries: chosen.deliveries.into_iter().map(DeliveryId).collect(),
            inbox: chosen.inbox.into_iter().map(InboxId).collect(),
        }
    }
}

/// `GET /metrics`
pub async fn metrics(app: Shared, operators: web::Data<Operators>, request: HttpRequest) -> HttpResponse {
    if !is_operator(&app, &operators, &request) {
        return HttpResponse::NotFound().finish();
    }
    let mut page = Page::default();
    METRICS.write(&mut page);
    app.gates.gauges(app.clock.now()).write(&mut page);
    match app.queue_gauges().await {
        Ok(gauges) => gauges.write(&mut page, app.clock.now()),
        // The counters of the process are worth reading all the same.
        Err(error) => tracing::warn!(%error, "what waits could not be counted"),
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(page.0)
}

/// `POST /dead`: lists what was given up. A `POST`, because it takes the same choice as [`redeliver`].
pub async fn dead(
    app: Shared,
    operators: web::Data<Operators>,
    request: HttpRequest,
    chosen: web::Json<Chosen>,
) -> HttpResponse {
    if !may_act(&app, &operators, &request) {
        return HttpResponse::NotFound().finish();
    }
    match app.db.dead_list(chosen.into_inner().into(), AT_ONCE).await {
        Ok((deliveries, items)) => HttpResponse::Ok().json(json!({
            "deliveries": deliveries.iter().map(delivery).collect::<Vec<_>>(),
            "inbox": items.iter().map(item).collect::<Vec<_>>(),
        })),
        Err(error) => away(&error),
    }
}

/// `POST /redeliver`: has it tried again.
pub async fn redeliver(
    app: Shared,
    operators: web::Data<Operators>,
    request: HttpRequest,
    chosen: web::Json<Chosen>,
) -> HttpResponse {
    if !may_act(&app, &operators, &request) {
        return HttpResponse::NotFound().finish();
    }
    match app.db.dead_put_back(chosen.into_inner().into(), AT_ONCE, app.clock.now()).await {
        Ok(done) => {
            tracing::info!(deliveries = done.deliveries, inbox = done.inbox, "the operators had the dead put back");
            app.bell.ring();
            HttpResponse::Ok().json(json!({ "deliveries": done.deliveries, "inbox": done.inbox }))
        }
        Err(error) => away(&error),
    }
}

/// A page in an operator's browser must not act for him: it cannot set our header for a foreign server, and under a name that
/// was made to lead here it would name itself as the host.
fn may_act(app: &App, operators: &Operators, request: &HttpRequest) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host).trim_matches(['[', ']']);
    let named = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
    named && request.headers().contains_key(OPERATOR_HEADER) && is_operator(app, operators, request)
}

fn away(error: &DbError) -> HttpResponse {
    tracing::error!(%error, "the operators' request could not be served");
    HttpResponse::ServiceUnavailable().finish()
}

fn delivery(dead: &DeadDelivery) -> Value {
    json!({
        "id": dead.id.0,
        "portal": dead.portal.0,
        "kind": dead.kind.text(),
        "state": dead.state.text(),
        "message": dead.message.map(|id| id.0),
        "told": dead.told,
        "error": dead.error,
        "tries": dead.tries,
        "created_at": dead.created_at.0,
        "ended_at": dead.ended_at.0,
    })
}

fn item(dead: &DeadItem) -> Value {
    json!({
        "id": dead.id.0,
        "portal": dead.portal.0,
        "source": dead.source,
        "error": dead.error,
        "received_at": dead.received_at.0,
    })
}
