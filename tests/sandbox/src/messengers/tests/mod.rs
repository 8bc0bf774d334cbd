//! The traps of the doubles, tried over HTTP as a program meets them.

mod chatapp;
mod markup;
mod phone;
mod telegram;

use std::{
    collections::VecDeque,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use serde_json::Value;

use super::{Cabinet, License, Messengers, NewPerson, client::Client};
use crate::{Options, Sandbox};

/// A picture of one dot, 1 by 1.
const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 2, 0x58, 0, 0, 1, 0x90,
    8, 2, 0, 0, 0,
];

#[derive(Clone, Debug)]
struct Heard {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: web::Bytes,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A server that listens: it keeps what it was told and answers as ordered, 200 by default.
#[derive(Clone)]
struct Ear {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Ear {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ear = Self {
            url: format!("http://{}/hook/secret", listener.local_addr().unwrap()),
            heard: Arc::default(),
            answers: Arc::default(),
        };
        let shared = web::Data::new(ear.clone());
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(Self::hear)))
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
        tokio::spawn(server);
        ear
    }

    async fn hear(ear: web::Data<Self>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
        let headers = request.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        ear.heard.lock().unwrap().push(Heard {
            method: request.method().to_string(),
            path: request.uri().to_string(),
            headers: headers.collect(),
            body,
        });
        let status = ear.answers.lock().unwrap().pop_front().unwrap_or(200);
        HttpResponse::build(StatusCode::from_u16(status).unwrap()).body("heard")
    }

    fn will_answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    fn bodies(&self) -> Vec<Value> {
        let heard = self.all();
        let told = heard.iter().filter(|heard| !heard.body.is_empty());
        told.map(Heard::json).collect()
    }

    /// Waits until so many calls have come.
    async fn hears(&self, count: usize) -> Vec<Heard> {
        until("the ear hears", || {
            let heard = self.all();
            (heard.len() >= count).then_some(heard)
        })
        .await
    }
}

/// Waits for a condition, three seconds at most.
async fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = check() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {what}");
}

async fn sandbox() -> Sandbox {
    Sandbox::start(Options::default()).await.unwrap()
}

fn maria(messengers: &Messengers) -> Client {
    messengers.phone().add(NewPerson {
        id: "maria",
        name: "Мария Соколова",
        phone: Some("+7 000 555-01-01"),
        username: Some("maria_s"),
    })
}

/// A caller of the ChatApp double, logged in.
struct Api {
    sandbox: Sandbox,
    cabinet: Cabinet,
    license: License,
    token: String,
}

impl Api {
    async fn new(messengers: &[&str]) -> Self {
        let sandbox = sandbox().await;
        let cabinet = sandbox.messengers().add_cabinet("a@b.example", "secret");
        let license = cabinet.add_license(None, messengers);
        let mut api = Self { sandbox, cabinet, license, token: String::new() };
        let (status, answer) = api.login().await;
        assert_eq!(status, 200);
        api.token = text(&answer["data"]["accessToken"]);
        api
    }

    async fn login(&self) -> (u16, Value) {
        let body = serde_json::json!({
            "email": self.cabinet.email,
            "password": self.cabinet.password,
            "appId": self.cabinet.app_id,
        });
        self.call("POST", "/tokens", Some(body)).await
    }

    fn messengers(&self) -> &Messengers {
        self.sandbox.messengers()
    }

    fn url(&self, path: &str) -> String {
        format!("{}/chatapp/v1{path}", self.sandbox.cloud_url())
    }

    /// Path of a messenger of the license.
    fn of(&self, messenger: &str, rest: &str) -> String {
        format!("/licenses/{}/messengers/{messenger}{rest}", self.license.id)
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request =
            self.sandbox.world().http.request(method, self.url(path)).header("Authorization", &self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request).await
    }

    async fn registers(&self, messenger: &str, ear: &Ear) -> (u16, Value) {
        let body = serde_json::json!({ "events": ["message", "messageStatus"], "url": ear.url });
        self.call("PUT", &self.of(messenger, "/callbackUrl"), Some(body)).await
    }

    async fn sends(&self, messenger: &str, chat: &str, body: Value) -> (u16, Value) {
        let path = self.of(messenger, &format!("/chats/{chat}/messages/text"));
        self.call("POST", &path, Some(body)).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
