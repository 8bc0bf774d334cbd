//! The HTTP side of REST: reading the request, faults, the journal, the envelope.

use std::time::{Duration, Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    rt::time::sleep,
    web,
};
use serde_json::{Map, Value, json};

use super::{Answer, RestError, canonical, files};
use crate::{
    clock::iso,
    oauth::{cut, parameters},
    portal::{CallRecord, Fault, Portal, UserId, trouble::Operating},
};

/// Routes of a portal listener.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/rest/download.json", web::get().to(files::download))
        .route("/~f/{token}", web::get().to(files::public_page))
        .route(files::PAGE_DOWNLOAD, web::get().to(files::signed_in_only))
        .route("/rest/{method}", web::to(rest));
}

async fn rest(
    request: HttpRequest,
    body: web::Bytes,
    method: web::Path<String>,
    portal: web::Data<Portal>,
) -> HttpResponse {
    if let Some(elsewhere) = portal.redirect(&request) {
        return HttpResponse::Found().insert_header((header::LOCATION, elsewhere)).finish();
    }
    let _open = portal.opens_call();
    let method = canonical(method.trim_end_matches(".json").trim_end_matches(".xml"));
    let mut given = parameters(&request, &body);
    let access = token(&request, &mut given);
    let started = Instant::now();
    let unrest = portal.journal(|journal| journal.unrest);
    unrest.waits().await;
    let fault = match portal.is_over_limit() || (method.starts_with("imconnector.send.") && unrest.refuses()) {
        true => Some(Fault::query_limit()),
        false => portal.meets_fault(&method),
    };
    if let Some((status, word)) = fault.as_ref().and_then(instead) {
        portal.notes_call(&method, given, None, (status, Some(word.to_owned())));
        return match fault {
            Some(Fault::Hangs(time)) => {
                sleep(time).await;
                page(504)
            }
            Some(Fault::Later { after, .. }) => later(status, after),
            Some(Fault::Empty { .. }) => HttpResponse::build(code(status)).finish(),
            Some(Fault::Cuts) => cut(),
            _ => page(status),
        };
    }
    let (user, bill, answer) = match &fault {
        Some(Fault::Refuses { status, code, text }) => (None, None, Err(RestError::new(*status, code, text))),
        _ => done(&portal, &access, (&method, &given)).await,
    };
    let (status, envelope) = envelope(&portal, answer, (started, bill));
    let error = envelope.get("error").map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
    portal.notes_call(&method, given, user, (status, error));
    unrest.waits().await;
    match fault {
        Some(Fault::DoesAndHangs(time)) => {
            sleep(time).await;
            return page(504);
        }
        Some(Fault::DoesAndCuts) => return cut(),
        Some(Fault::DoesSlowly(time)) => sleep(time).await,
        _ => {}
    }
    HttpResponse::build(code(status)).json(envelope)
}

/// The status and the journal's word of a fault that answers before the portal has looked at the call.
fn instead(fault: &Fault) -> Option<(u16, &'static str)> {
    match fault {
        Fault::Html { status } => Some((*status, "(page)")),
        Fault::Later { status, .. } => Some((*status, "(later)")),
        Fault::Empty { status } => Some((*status, "(nothing)")),
        Fault::Cuts => Some((0, "(cut)")),
        Fault::Hangs(_) => Some((504, "(silence)")),
        Fault::Refuses { .. } | Fault::DoesSlowly(_) | Fault::DoesAndHangs(_) | Fault::DoesAndCuts => None,
    }
}

/// Does the call, if whoever makes it may and has operating time left, and bills it.
async fn done(
    portal: &Portal,
    access: &str,
    (method, given): (&str, &Map<String, Value>),
) -> (Option<UserId>, Option<Operating>, Answer) {
    let caller = match portal.authorise(access) {
        Ok(caller) => caller,
        Err(error) => return (None, None, Err(error)),
    };
    if portal.is_blocked(caller.client_id(), method) {
        let text = "Method is blocked due to operation time limit.";
        return (Some(caller.user), None, Err(RestError::new(429, "OPERATION_TIME_LIMIT", text)));
    }
    let answer = portal.perform(&caller, method, given).await;
    let elements = given.get("MESSAGES").and_then(Value::as_array).map_or(0, Vec::len);
    (Some(caller.user), portal.billed(caller.client_id(), method, elements), answer)
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
}

fn later(status: u16, after: Option<Duration>) -> HttpResponse {
    let mut response = HttpResponse::build(code(status));
    if let Some(after) = after {
        response.insert_header((header::RETRY_AFTER, after.as_secs()));
    }
    response.content_type("text/html").body("<html><body><h1>Come again later</h1></body></html>")
}

fn page(status: u16) -> HttpResponse {
    HttpResponse::build(code(status))
        .content_type("text/html")
        .body(format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"))
}

/// The token of the header, else of the parameters, which lose it.
fn token(request: &HttpRequest, given: &mut Map<String, Value>) -> String {
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    let auth = given.remove("auth");
    let access = given.remove("access_token");
    let of = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    bearer.or_else(|| of(auth)).or_else(|| of(access)).unwrap_or_default()
}

fn envelope(portal: &Portal, answer: Answer, (started, bill): (Instant, Option<Operating>)) -> (u16, Value) {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => {
            let mut body = error.extra;
            body.retain(|_, value| value.as_str() != Some(""));
            body.insert("error".to_owned(), error.code);
            body.insert("error_description".to_owned(), json!(error.text));
            return (error.status, Value::Object(body));
        }
    };
    let now_ms = portal.now_ms();
    let duration = started.elapsed().as_secs_f64();
    let mut body = json!({
        "result": reply.result,
        "time": {
            "start": now_ms / 1000,
            "finish": now_ms / 1000,
            "duration": duration,
            "processing": duration,
            "date_start": iso(now_ms),
            "date_finish": iso(now_ms),
            "operating_reset_at": bill.map_or(now_ms / 1000 + 600, |bill| bill.reset_at_s),
            "operating": bill.map_or(duration, |bill| Duration::from_millis(bill.spent_ms.unsigned_abs()).as_secs_f64()),
        },
    });
    for (key, number) in [("total", reply.total), ("next", reply.next)] {
        if let Some(number) = number {
            body[key] = json!(number);
        }
    }
    (200, body)
}

impl Portal {
    /// Where a request to a former domain is sent.
    fn redirect(&self, request: &HttpRequest) -> Option<String> {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        self.read(|state| state.former.contains(host).then(|| format!("http://{}{}", state.domain, request.uri())))
    }

    fn notes_call(
        &self,
        method: &str,
        given: Map<String, Value>,
        user: Option<UserId>,
        (status, error): (u16, Option<String>),
    ) {
        let record = CallRecord {
            at_ms: self.now_ms(),
            method: method.to_owned(),
            params: Value::Object(given),
            user,
            status,
            error,
        };
        self.journal(|journal| journal.calls.push(record));
    }
}
