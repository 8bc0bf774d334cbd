//! The HTTP side of REST: reading the request, faults, the journal, the envelope.

use std::time::Instant;

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
    oauth::parameters,
    portal::{CallRecord, Fault, Portal, UserId},
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
    let method = canonical(method.trim_end_matches(".json").trim_end_matches(".xml"));
    let mut given = parameters(&request, &body);
    let access = token(&request, &mut given);
    let started = Instant::now();
    let unrest = portal.journal(|journal| journal.unrest);
    unrest.waits().await;
    let fault = match portal.is_over_limit() || (method.starts_with("imconnector.send.") && unrest.refuses()) {
        true => Some(Fault::query_limit()),
        false => portal.takes_fault(&method),
    };
    let instead = match &fault {
        Some(Fault::Refuses { status, code, text }) => Some(Err(RestError::new(*status, code, text))),
        Some(Fault::Html { status }) => {
            portal.notes_call(&method, given, None, (*status, Some("(page)".to_owned())));
            return page(*status);
        }
        Some(Fault::Hangs(time)) => {
            portal.notes_call(&method, given, None, (504, Some("(silence)".to_owned())));
            sleep(*time).await;
            return page(504);
        }
        Some(Fault::DoesSlowly(_) | Fault::DoesAndHangs(_) | Fault::DoesAndCuts) | None => None,
    };
    let (user, answer) = match instead {
        Some(refused) => (None, refused),
        None => match portal.authorise(&access) {
            Ok(caller) => (Some(caller.user), portal.perform(&caller, &method, &given).await),
            Err(error) => (None, Err(error)),
        },
    };
    let (status, envelope) = envelope(&portal, answer, started);
    let error = envelope.get("error").map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
    portal.notes_call(&method, given, user, (status, error));
    unrest.waits().await;
    if let Some(Fault::DoesSlowly(time)) = fault {
        sleep(time).await;
    }
    match fault {
        Some(Fault::DoesAndHangs(time)) => {
            sleep(time).await;
            page(504)
        }
        Some(Fault::DoesAndCuts) => cut(),
        _ => HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .json(envelope),
    }
}

fn page(status: u16) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
        .content_type("text/html")
        .body(format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"))
}

/// A body that breaks off at its first byte.
fn cut() -> HttpResponse {
    let broken = futures_util::stream::once(async {
        Err::<web::Bytes, std::io::Error>(std::io::Error::other("the connection was cut"))
    });
    HttpResponse::Ok().content_type("application/json").streaming(broken)
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

fn envelope(portal: &Portal, answer: Answer, started: Instant) -> (u16, Value) {
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
            "operating_reset_at": now_ms / 1000 + 600,
            "operating": duration,
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
