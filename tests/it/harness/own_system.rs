//! The customer's own system, which takes webhooks: it keeps what it was told, and refuses when it is asked to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::Value;

/// One request that was made to it.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: String,
    timestamp: String,
    signature: String,
    body: String,
    /// What it answered.
    pub status: u16,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether a holder of the key (`whsec_…`) has signed it, as the receiver finds out by the specification.
    pub fn is_signed_with(&self, key: &str) -> bool {
        let key = STANDARD.decode(key.strip_prefix("whsec_").expect("the prefix of keys")).expect("Base64");
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let tag = self.signature.strip_prefix("v1,").and_then(|tag| STANDARD.decode(tag).ok()).unwrap_or_default();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &tag).is_ok()
    }
}

#[derive(Default)]
struct State {
    told: Vec<Told>,
    answers: VecDeque<u16>,
}

/// It listens until it is dropped.
pub struct OwnSystem {
    state: Arc<Mutex<State>>,
    server: ServerHandle,
    pub url: String,
}

fn held(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(state: web::Data<Mutex<State>>, request: HttpRequest, body: String) -> HttpResponse {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut state = held(&state);
    let status = state.answers.pop_front().unwrap_or(204);
    state.told.push(Told {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
        status,
    });
    HttpResponse::build(status.try_into().expect("a status")).finish()
}

impl OwnSystem {
    pub fn starts() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).route("/hook", web::post().to(take)))
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .expect("a free port");
        let url = format!("http://{}/hook", server.addrs()[0]);
        let running = server.run();
        let server = running.handle();
        tokio::spawn(running);
        Self { state, server, url }
    }

    /// The next requests are answered with these statuses, one each; 204 afterwards.
    pub fn answers(&self, statuses: &[u16]) {
        held(&self.state).answers.extend(statuses);
    }

    /// Every request, in its order.
    pub fn requests(&self) -> Vec<Told> {
        held(&self.state).told.clone()
    }

    /// What it has taken, in its order.
    pub fn taken(&self) -> Vec<Told> {
        self.requests().into_iter().filter(|told| told.status < 300).collect()
    }
}

impl Drop for OwnSystem {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}
