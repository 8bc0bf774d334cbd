//! A server on loopback for the cores' tests: it answers what a test's closure says and remembers what it was asked.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use serde_json::Value;
use url::Url;

use crate::outgoing::{Guard, Outgoing};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub method: String,
    /// Still percent-encoded.
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    pub refresh: Option<String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn ends(&self, path: &str) -> bool {
        self.path.ends_with(path)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub mime: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub after: Duration,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", body.to_string())
    }

    pub(super) fn bytes(status: u16, mime: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, mime, headers: Vec::new(), body: body.into(), after: Duration::ZERO }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}

type Answer = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Desk {
    answer: Answer,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// The running server; it stops with the test's runtime.
pub(super) struct Loopback {
    pub url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Loopback {
    pub(super) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk { answer: Arc::new(answer), asked: Arc::clone(&asked) };
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(desk.clone()))
                .app_data(web::PayloadConfig::new(8 << 20))
                .default_service(web::to(serve))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let port = server.addrs()[0].port();
        tokio::spawn(server.run());
        Self { url: Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap(), asked }
    }

    /// What was asked at paths that end so, in order.
    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.ends(path)).cloned().collect()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.asked(path).len()
    }
}

fn serve(request: HttpRequest, body: web::Bytes, desk: web::Data<Desk>) -> Pin<Box<dyn Future<Output = HttpResponse>>> {
    Box::pin(async move {
        let header = |name| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let asked = Asked {
            method: request.method().to_string(),
            path: request.path().to_owned(),
            query: request.query_string().to_owned(),
            authorization: header("authorization"),
            refresh: header("refresh"),
            body: body.to_vec(),
        };
        let reply = (desk.answer)(&asked);
        desk.asked.lock().unwrap().push(asked);
        tokio::time::sleep(reply.after).await;
        let mut response = HttpResponse::build(StatusCode::from_u16(reply.status).unwrap());
        response.content_type(reply.mime);
        for (name, value) in reply.headers {
            response.insert_header((name, value));
        }
        response.body(reply.body)
    })
}

/// A client that may call this machine and nothing else of its network.
pub(super) fn outgoing() -> Outgoing {
    Outgoing::new(Guard::new(&["127.0.0.1"])).unwrap()
}
