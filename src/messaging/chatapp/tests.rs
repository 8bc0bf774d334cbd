//! The core against a server on loopback: tokens, retries, what goes over the wire.

mod history;
mod renewal;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::Millis,
    domain::{failure::Retry, ids::ChannelId},
    messaging::{
        Credentials, LoginTokens, OutgoingFile,
        loopback::{Asked, Loopback, Reply, outgoing},
    },
    secret::Secret,
};

const LOGIN: LoginId = LoginId(7);
const TEXT: &str = "/messages/text";
const REFRESH: &str = "/tokens/refresh";

/// A store in memory. Before a swap it can let "another node" rotate, and it can be away.
struct Store {
    tokens: Mutex<LoginTokens>,
    rival: Mutex<Option<LoginTokens>>,
    password: Mutex<Option<&'static str>>,
    /// Another node is at it for so many questions.
    taken: AtomicUsize,
    away: AtomicBool,
    dead: AtomicUsize,
}

impl Store {
    fn new(tokens: LoginTokens) -> Arc<Self> {
        Arc::new(Self {
            tokens: Mutex::new(tokens),
            rival: Mutex::new(None),
            password: Mutex::new(None),
            taken: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            dead: AtomicUsize::new(0),
        })
    }

    fn access(&self) -> String {
        self.tokens.lock().unwrap().access.expose().to_owned()
    }
}

#[async_trait]
impl TokenStore for Store {
    async fn load(&self, _login: LoginId) -> Result<LoginTokens, Failure> {
        Ok(self.tokens.lock().unwrap().clone())
    }

    async fn load_now(&self, login: LoginId) -> Result<LoginTokens, Failure> {
        self.load(login).await
    }

    async fn begin(&self, _login: LoginId, _version: i64) -> Result<bool, Failure> {
        let less = |left: usize| left.checked_sub(1);
        Ok(self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err())
    }

    async fn end(&self, _login: LoginId) -> Result<(), Failure> {
        Ok(())
    }

    async fn credentials(&self, _login: LoginId) -> Result<Option<Credentials>, Failure> {
        Ok(self.password.lock().unwrap().map(credentials))
    }

    async fn forget_credentials(&self, _login: LoginId) -> Result<(), Failure> {
        *self.password.lock().unwrap() = None;
        Ok(())
    }

    async fn swap(&self, _login: LoginId, version: i64, tokens: &LoginTokens) -> Result<bool, Failure> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Failure::transient("the store is away"));
        }
        let mut stored = self.tokens.lock().unwrap();
        if let Some(rival) = self.rival.lock().unwrap().take() {
            *stored = rival;
        }
        let ours = stored.version == version;
        if ours {
            *stored = tokens.clone();
        }
        Ok(ours)
    }

    async fn mark_dead(&self, _login: LoginId) -> Result<(), Failure> {
        self.dead.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn credentials(password: &str) -> Credentials {
    Credentials { email: "a@b.c".into(), password: Secret::new(password), app_id: "app_1_1".into() }
}

fn tokens(access: &str, version: i64, left: Duration) -> LoginTokens {
    let now = Clock::system().now();
    LoginTokens {
        access: Secret::new(access),
        access_until: now.after(left),
        refresh: Secret::new(format!("refresh-of-{access}")),
        refresh_until: now.after(Duration::from_hours(300)),
        version,
    }
}

const DAY: Duration = Duration::from_hours(24);
const SOON: Duration = Duration::from_mins(30);

fn ok(data: &Value) -> Reply {
    Reply::json(200, &json!({ "success": true, "data": data }))
}

fn invalid_token() -> Reply {
    let error = json!({ "code": "ApiInvalidTokenError", "message": "Token is invalid" });
    Reply::json(403, &json!({ "success": false, "error": error }))
}

fn rotated(access: &str) -> Reply {
    let now = Clock::system().now().seconds();
    ok(&json!({
        "cabinetUserId": 1, "accessToken": access, "accessTokenEndTime": now + 86_400,
        "refreshToken": format!("refresh-of-{access}"), "refreshTokenEndTime": now + 1_209_600,
    }))
}

fn accepted() -> Reply {
    ok(&json!({ "id": "wamid.1", "chatId": "79001234567@c.us" }))
}

/// A ChatApp that knows one access token and gives out `new` for a refresh.
fn chatapp(known: &'static str) -> impl Fn(&Asked) -> Reply {
    move |asked| {
        if asked.ends(REFRESH) {
            return rotated("new").after(Duration::from_millis(50));
        }
        if asked.authorization.as_deref() == Some(known) { accepted() } else { invalid_token() }
    }
}

fn core(server: &Loopback, store: &Arc<Store>) -> ChatApp {
    let store: Arc<dyn TokenStore> = Arc::<Store>::clone(store);
    ChatApp::new(outgoing(), server.url.clone(), store, Clock::system())
}

fn channel() -> ChannelRef {
    ChannelRef {
        id: ChannelId("ab12cd34".into()),
        connector: Connector::Whatsapp,
        account: "1234/grWhatsApp".into(),
        login: Some(LOGIN),
        secret: Secret::default(),
    }
}

async fn write(core: &ChatApp, peer: &str) -> Result<Sent, Failure> {
    let key = IdempotencyKey("part-1".into());
    let text = What::Text("hello".into());
    core.send(&channel(), peer.into(), &text, &key).await
}

#[tokio::test]
async fn a_text_goes_out_with_the_bare_token_and_our_key() {
    let server = Loopback::start(chatapp("good"));
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let sent = write(&core, "+79001234567").await.unwrap();
    assert_eq!(sent.ids, ["wamid.1"]);
    assert_eq!(sent.peer.as_deref(), Some("79001234567@c.us"));
    let asked = &server.asked(TEXT)[0];
    assert_eq!(asked.path, "/v1/licenses/1234/messengers/grWhatsApp/chats/79001234567/messages/text");
    assert_eq!(asked.json(), json!({ "text": "hello", "tracking": "part-1" }));
    assert_eq!(server.count(REFRESH), 0);
}

#[tokio::test]
async fn a_file_goes_out_with_its_name_and_caption() {
    let server = Loopback::start(chatapp("good"));
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let file = What::File(OutgoingFile {
        name: "Счёт \"1\".pdf".into(),
        mime: "application/pdf".into(),
        caption: "for you".into(),
        bytes: b"%PDF-1".to_vec(),
    });
    let key = IdempotencyKey("part-2".into());
    core.send(&channel(), "42".into(), &file, &key).await.unwrap();
    let body = server.asked("/messages/file")[0].text();
    // PHP takes a part for a file only when `filename` stands plainly there.
    assert!(body.contains("name=\"file\"; filename=\"Счёт \\\"1\\\".pdf\""), "{body}");
    for piece in ["application/pdf", "%PDF-1", "name=\"fileName\"", "for you", "part-2"] {
        assert!(body.contains(piece), "{piece}");
    }
}

#[tokio::test]
async fn an_answer_that_never_came_is_uncertain_and_an_unmade_connection_is_not() {
    let server = Loopback::start(|_| Reply::bytes(200, "text/html", "<html>a proxy</html>"));
    let store = Store::new(tokens("good", 1, DAY));
    let failure = write(&core(&server, &store), "42").await.unwrap_err();
    assert!(!failure.certain);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}", nobody.local_addr().unwrap())).unwrap();
    drop(nobody);
    let away = ChatApp::new(outgoing(), url, store, Clock::system());
    let failure = write(&away, "42").await.unwrap_err();
    assert!(failure.certain);
    assert_eq!(failure.retry, Retry::Backoff);
}

#[tokio::test]
async fn webhooks_are_registered_listed_and_removed() {
    let server = Loopback::start(|asked| match asked.method.as_str() {
        "GET" => ok(
            &json!([{"licenseId": 1234, "messengerType": "grWhatsApp", "events": ["message"], "url": "https://a.example/x"}]),
        ),
        _ => ok(&Value::Null),
    });
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let account = Account::parse("1234/grWhatsApp").unwrap();
    let url = Url::parse("https://a.example/core/chatapp/c/s").unwrap();
    core.register_webhook(LOGIN, &account, &url, &WEBHOOK_EVENTS).await.unwrap();
    core.unregister_webhook(LOGIN, &account).await.unwrap();
    let path = "/v1/licenses/1234/messengers/grWhatsApp/callbackUrl";
    let asked = server.asked(path);
    assert_eq!(asked[0].method, "PUT");
    assert_eq!(asked[0].json(), json!({"url": url.as_str(), "events": ["message", "messageStatus"]}));
    assert_eq!(asked[1].method, "DELETE");
    let listed = core.webhooks(LOGIN).await.unwrap();
    assert_eq!(listed[0].account, account);
    assert_eq!(listed[0].url.expose(), "https://a.example/x");
}

#[tokio::test]
async fn an_address_is_checked_and_only_a_clear_answer_counts() {
    let server = Loopback::start(|asked| match asked.path.rsplit('/').nth(1).unwrap_or_default() {
        "+79001234567" => ok(&json!({ "exist": true })),
        "+79000000000" | "nobody" => ok(&json!({ "exist": false })),
        "odd" => ok(&json!({ "available": false })),
        "gone" => Reply::json(404, &json!({"success": false, "error": {"code": "ApiUserNotFoundError"}})),
        other => panic!("{other}"),
    });
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let expected = [
        ("79001234567", Some(true)),
        ("79000000000", Some(false)),
        ("@nobody", Some(false)),
        ("@odd", None),
        ("@gone", None),
    ];
    for (address, known) in expected {
        assert_eq!(core.knows(&channel(), address).await, known, "{address}");
    }
    assert_eq!((server.count("/phones/+79001234567/check"), server.count("/users/nobody/check")), (1, 1));
}

#[tokio::test]
async fn a_group_is_founded_with_phones_as_numbers() {
    let server = Loopback::start(|_| ok(&json!({ "id": "1203630@g.us", "inviteLink": "https://chat.example/x" })));
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let phones = ["+79001234567".to_owned(), "79007654321".to_owned()];
    let founded = core.create_group(&channel(), &"N".repeat(60), &phones).await.unwrap();
    assert_eq!(
        (founded.peer.as_str(), founded.invite_link.as_deref()),
        ("1203630@g.us", Some("https://chat.example/x"))
    );
    let asked = &server.asked("/licenses/1234/messengers/grWhatsApp/chats")[0];
    assert_eq!(
        asked.json(),
        json!({
            "type": "group", "name": "N".repeat(50), "participantsType": "phone",
            "participantsItems": [{"value": 79_001_234_567_u64}, {"value": 79_007_654_321_u64}],
        })
    );
    for (phones, told) in [(vec![], Told::NoSuchRecipient), (vec!["Anna".to_owned()], Told::NoSuchRecipient)] {
        assert_eq!(core.create_group(&channel(), "N", &phones).await.unwrap_err().told, told);
    }
    let vk = ChannelRef { connector: Connector::Vk, ..channel() };
    assert_eq!(core.create_group(&vk, "N", &phones).await.unwrap_err().told, Told::Unsupported);
}

#[tokio::test]
async fn a_group_without_an_id_may_exist() {
    let server = Loopback::start(|_| ok(&json!({ "name": "x" })));
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let failure = core.create_group(&channel(), "N", &["79001234567".to_owned()]).await.unwrap_err();
    assert!(!failure.certain, "never repeated blindly");
}

#[tokio::test]
async fn templates_are_listed_and_sent_by_the_business_api_alone() {
    let server = Loopback::start(|asked| match asked.method.as_str() {
        "GET" => ok(&json!({ "items": [{"id": 7, "elementName": "hello"}, {"elementName": "bye"}, {"id": 9}] })),
        _ => ok(&json!({ "id": "wamid.2", "chatId": "79001234567" })),
    });
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let waba = ChannelRef { connector: Connector::Waba, account: "1234/caWhatsApp".into(), ..channel() };
    let listed = core.templates(&waba).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|template| (template.id.as_str(), template.name.as_str())).collect();
    assert_eq!(listed, [("7", "hello"), ("bye", "bye")]);
    let (what, key) = (TemplateMessage { id: "7".into(), params: vec!["Anna".into()] }, IdempotencyKey("t-1".into()));
    let sent = core.send_template(&waba, "+79001234567", &what, &key).await.unwrap();
    assert_eq!((sent.ids, sent.peer.as_deref()), (vec!["wamid.2".to_owned()], Some("79001234567")));
    let asked = &server.asked("/licenses/1234/messengers/caWhatsApp/chats/79001234567/messages/template")[0];
    assert_eq!(asked.json(), json!({"template": {"id": "7", "params": ["Anna"]}, "tracking": "t-1"}));
    assert_eq!(core.templates(&channel()).await.unwrap_err().told, Told::Unsupported);
    assert_eq!(core.send_template(&channel(), "42", &what, &key).await.unwrap_err().told, Told::Unsupported);
}

#[tokio::test]
async fn files_are_fetched_but_pages_and_giants_are_not() {
    let server = Loopback::start(|asked| match asked.path.as_str() {
        "/file" => Reply::bytes(200, "image/png; x=y", "png"),
        "/moved" => Reply::bytes(302, "text/html", "").header("location", "/file"),
        "/inside" => Reply::bytes(302, "text/html", "").header("location", "http://10.0.0.1/"),
        "/page" => Reply::bytes(200, "text/html; charset=utf-8", "<html>"),
        "/busy" => Reply::bytes(503, "text/plain", "").header("retry-after", "5"),
        _ => Reply::bytes(404, "text/plain", ""),
    });
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let fetch = async |path: &str| {
        let origin = Origin::Url(server.url.join(path).unwrap().into());
        core.fetch(&channel(), &origin).await
    };
    for path in ["/file", "/moved"] {
        let fetched = fetch(path).await.unwrap();
        assert_eq!((fetched.bytes.as_slice(), fetched.mime.as_deref()), (&b"png"[..], Some("image/png")));
    }
    for path in ["/page", "/gone", "/inside"] {
        assert_eq!(fetch(path).await.unwrap_err().told, Told::FileUnavailable, "{path}");
    }
    assert_eq!(fetch("/busy").await.unwrap_err().retry, Retry::After(Duration::from_secs(5)));
    assert_eq!(server.asked("/file")[0].authorization, None);
    let limited = transfer::fetch(&outgoing(), server.url.join("/file").unwrap(), 2).await;
    assert_eq!(limited.unwrap_err().told, Told::FileTooLarge);
}
