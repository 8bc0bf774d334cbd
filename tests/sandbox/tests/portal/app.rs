//! An application of these tests: its handlers write down what is posted, its calls are plain HTTP.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use sandbox::{
    Options, Sandbox, form,
    oauth::{AppCard, AppKind},
    portal::Portal,
};
use serde_json::{Map, Value, json};

pub const CLIENT_ID: &str = "app.0123456789abcd.12345678";
pub const SECRET: &str = "make-believe secret";
const SCOPE: [&str; 10] = [
    "imopenlines",
    "imconnector",
    "im",
    "crm",
    "placement",
    "contact_center",
    "messageservice",
    "user",
    "bizproc",
    "disk",
];

#[derive(Default)]
struct Heard {
    posts: Vec<Map<String, Value>>,
    files: HashMap<String, (String, Vec<u8>)>,
    status: u16,
}

pub struct World {
    pub sandbox: Sandbox,
    pub portal: Portal,
    pub base: String,
    pub http: reqwest::Client,
    heard: Arc<Mutex<Heard>>,
}

/// The address of a handler of the application.
async fn hear(request: HttpRequest, body: web::Bytes, heard: web::Data<Mutex<Heard>>) -> HttpResponse {
    let path = request.path().to_owned();
    let file = heard.lock().unwrap().files.get(&path).cloned();
    if let Some((kind, bytes)) = file {
        if kind == "redirect" {
            let to = String::from_utf8(bytes).unwrap();
            return HttpResponse::Found().insert_header(("location", to)).finish();
        }
        if kind == "slow" {
            actix_web::rt::time::sleep(Duration::from_millis(300)).await;
        }
        return HttpResponse::Ok().content_type(kind).body(bytes);
    }
    let mut heard = heard.lock().unwrap();
    if request.method() == actix_web::http::Method::GET {
        return HttpResponse::NotFound().finish();
    }
    let mut post = form::parse(&body);
    post.insert("path".to_owned(), json!(path));
    heard.posts.push(post);
    HttpResponse::build(actix_web::http::StatusCode::from_u16(heard.status).unwrap()).finish()
}

impl World {
    /// A portal, and an application with pages that is published and not added yet.
    pub async fn empty() -> Self {
        let heard = Arc::new(Mutex::new(Heard { status: 200, ..Heard::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let data = web::Data::from(Arc::clone(&heard));
        let server = HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(hear)))
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
        tokio::spawn(server);
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let portal = sandbox.add_portal("Test").await.unwrap();
        sandbox.publish(AppCard {
            client_id: CLIENT_ID.to_owned(),
            client_secret: SECRET.to_owned(),
            kind: AppKind::Market,
            title: "ChatApp".to_owned(),
            scope: SCOPE.map(str::to_owned).to_vec(),
            version: 1,
            app_url: Some(format!("{base}/app")),
            install_url: Some(format!("{base}/install")),
            redirect_url: Some(format!("{base}/oauth")),
        });
        let http = patient_client();
        Self { sandbox, portal, base, http, heard }
    }

    /// The application is added and its wizard finished; `events` are bound.
    pub async fn installed(events: &[&str]) -> Self {
        let world = Self::empty().await;
        world.portal.adds_app(CLIENT_ID);
        let admin = world.token(world.portal.admin());
        for event in events {
            let handler = format!("{}/events", world.base);
            world.ok(&admin, "event.bind", json!({"event": event, "handler": handler})).await;
        }
        assert!(world.portal.finishes_install(world.portal.admin()));
        world
    }

    /// The same with the connector `ca_test` on the portal's line. `extra` adds to its registration.
    pub async fn connected(events: &[&str], extra: Value) -> Self {
        let world = Self::installed(events).await;
        let admin = world.token(world.portal.admin());
        let mut register = json!({
            "ID": "CA_Test",
            "NAME": "ChatApp - Test",
            "ICON": {"DATA_IMAGE": "data:image/svg+xml,x"},
            "PLACEMENT_HANDLER": format!("{}/connector", world.base),
        });
        for (key, value) in extra.as_object().unwrap() {
            register[key] = value.clone();
        }
        let answer = world.ok(&admin, "imconnector.register", register).await;
        assert_eq!(answer, json!({"result": true}));
        let line = world.portal.line();
        world.ok(&admin, "imconnector.activate", json!({"CONNECTOR": "ca_test", "LINE": line, "ACTIVE": 1})).await;
        world
    }

    /// An access token as a frame brings it.
    pub fn token(&self, user: u32) -> String {
        let form = self.portal.opens_frame(user, "DEFAULT", &json!({})).unwrap();
        form.field("AUTH_ID").unwrap().to_owned()
    }

    pub fn admin(&self) -> String {
        self.token(self.portal.admin())
    }

    /// A REST call: status and whole answer.
    pub async fn call(&self, token: &str, method: &str, mut params: Value) -> (u16, Value) {
        params["auth"] = json!(token);
        let url = format!("{}{method}", self.portal.client_endpoint());
        let answer = self.http.post(url).json(&params).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A call that must succeed: its result.
    pub async fn ok(&self, token: &str, method: &str, params: Value) -> Value {
        let (status, answer) = self.call(token, method, params).await;
        assert_eq!(status, 200, "{method}: {answer}");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// A call that must fail: status and code.
    pub async fn refused(&self, token: &str, method: &str, params: Value) -> (u16, Value) {
        let (status, answer) = self.call(token, method, params).await;
        let code = answer.get("error").cloned();
        (status, code.unwrap_or_else(|| panic!("{method} succeeded: {answer}")))
    }

    /// A client's text through `imconnector.send.messages`: the only element's outcome.
    pub async fn client_writes(&self, id: &str, text: &str, extra: Value) -> Value {
        let mut message = json!({
            "user": {"id": "u1", "name": "Мария Петрова", "phone": "+79000000001"},
            "message": {"id": id, "text": text},
            "chat": {"id": "acc:u1"},
        });
        for (block, fields) in extra.as_object().unwrap() {
            for (key, value) in fields.as_object().unwrap() {
                message[block][key] = value.clone();
            }
        }
        let params = json!({"CONNECTOR": "ca_test", "LINE": self.portal.line(), "MESSAGES": [message]});
        let answer = self.ok(&self.admin(), "imconnector.send.messages", params).await;
        answer["DATA"]["RESULT"][0].clone()
    }

    /// What was posted to the application, once the queue has nothing under way.
    pub async fn posts(&self) -> Vec<Map<String, Value>> {
        let quiet = self.portal.waits_until(Duration::from_secs(10), |portal| portal.is_quiet().then_some(())).await;
        assert!(quiet.is_some(), "the queue does not come to rest");
        self.heard.lock().unwrap().posts.clone()
    }

    /// The posts of one event.
    pub async fn events(&self, name: &str) -> Vec<Value> {
        let posts = self.posts().await;
        posts.into_iter().filter(|post| post.get("event") == Some(&json!(name))).map(Value::Object).collect()
    }

    /// The handlers answer with this status from now on.
    pub fn answers(&self, status: u16) {
        self.heard.lock().unwrap().status = status;
    }

    /// A file that the application serves; kind `redirect` sends to the address in the bytes, `slow` takes its time.
    pub fn serves(&self, path: &str, kind: &str, bytes: &[u8]) -> String {
        self.heard.lock().unwrap().files.insert(path.to_owned(), (kind.to_owned(), bytes.to_vec()));
        format!("{}{path}", self.base)
    }

    /// A refresh at the OAuth server.
    pub async fn refresh(&self, refresh_token: &str, secret: &str) -> (u16, Value) {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("client_secret", secret),
            ("refresh_token", refresh_token),
        ];
        let url = format!("{}/oauth/token/", self.sandbox.cloud_url());
        let answer = self.http.post(url).form(&fields).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// Redirects are followed by nobody here, so that a 302 is seen. The sandbox has set TLS up.
#[expect(clippy::disallowed_methods, reason = "tests stand outside of the product's address guard")]
fn patient_client() -> reqwest::Client {
    let none = reqwest::redirect::Policy::none();
    reqwest::Client::builder().redirect(none).no_proxy().build().unwrap()
}
