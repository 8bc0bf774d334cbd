//! The core against a server on loopback: tokens, retries, what goes over the wire.

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
        LoginTokens, OutgoingFile,
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
    away: AtomicBool,
    dead: AtomicUsize,
}

impl Store {
    fn new(tokens: LoginTokens) -> Arc<Self> {
        Arc::new(Self {
            tokens: Mutex::new(tokens),
            rival: Mutex::new(None),
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
    core.send(&channel(), peer, &text, &key).await
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
    core.send(&channel(), "42", &file, &key).await.unwrap();
    let body = server.asked("/messages/file")[0].text();
    // PHP takes a part for a file only when `filename` stands plainly there.
    assert!(body.contains("name=\"file\"; filename=\"Счёт \\\"1\\\".pdf\""), "{body}");
    for piece in ["application/pdf", "%PDF-1", "name=\"fileName\"", "for you", "part-2"] {
        assert!(body.contains(piece), "{piece}");
    }
}

#[tokio::test]
async fn a_refused_token_is_refreshed_and_the_call_made_once_more() {
    let server = Loopback::start(chatapp("new"));
    let store = Store::new(tokens("old", 1, DAY));
    let core = core(&server, &store);
    write(&core, "42").await.unwrap();
    assert_eq!(server.count(TEXT), 2);
    assert_eq!(server.count(REFRESH), 1);
    let asked = &server.asked(REFRESH)[0];
    assert_eq!(asked.refresh.as_deref(), Some("refresh-of-old"));
    assert_eq!(asked.authorization, None);
    let stored = store.tokens.lock().unwrap().clone();
    assert_eq!((stored.access.expose(), stored.version), ("new", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_cause_one_refresh() {
    for (known, left) in [("old", DAY), ("dying", SOON)] {
        let server = Loopback::start(chatapp("new"));
        let core = Arc::new(core(&server, &Store::new(tokens(known, 1, left))));
        let calls = (0..20).map(|_| {
            let core = Arc::clone(&core);
            tokio::spawn(async move { write(&core, "42").await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        assert_eq!(server.count(REFRESH), 1, "{known}");
    }
}

#[tokio::test]
async fn a_token_that_ends_soon_is_refreshed_before_use() {
    let server = Loopback::start(chatapp("new"));
    let core = core(&server, &Store::new(tokens("dying", 1, SOON)));
    write(&core, "42").await.unwrap();
    assert_eq!((server.count(TEXT), server.count(REFRESH)), (1, 1));
}

#[tokio::test]
async fn a_failed_early_refresh_stops_nobody_and_is_not_repeated_at_once() {
    let server =
        Loopback::start(
            |asked| {
                if asked.ends(REFRESH) { Reply::bytes(502, "text/html", "<html>") } else { accepted() }
            },
        );
    let core = core(&server, &Store::new(tokens("dying", 1, SOON)));
    write(&core, "42").await.unwrap();
    write(&core, "42").await.unwrap();
    assert_eq!((server.count(TEXT), server.count(REFRESH)), (2, 1));
}

#[tokio::test]
async fn who_loses_the_race_in_the_store_uses_the_winner_s_tokens() {
    let server = Loopback::start(chatapp("winner"));
    let store = Store::new(tokens("old", 1, DAY));
    *store.rival.lock().unwrap() = Some(tokens("winner", 2, DAY));
    let core = core(&server, &store);
    write(&core, "42").await.unwrap();
    assert_eq!(store.access(), "winner");
    assert_eq!(server.asked(TEXT)[1].authorization.as_deref(), Some("winner"));
}

#[tokio::test]
async fn a_refresh_refused_because_another_node_was_faster_kills_nothing() {
    let store = Store::new(tokens("old", 1, DAY));
    let rival = Arc::clone(&store);
    let server = Loopback::start(move |asked| {
        if asked.ends(REFRESH) {
            *rival.tokens.lock().unwrap() = tokens("winner", 2, DAY);
            return invalid_token();
        }
        chatapp("winner")(asked)
    });
    let core = core(&server, &store);
    write(&core, "42").await.unwrap();
    assert_eq!(store.dead.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_dead_refresh_token_parks_the_channel() {
    let server = Loopback::start(|_| invalid_token());
    let store = Store::new(tokens("old", 1, DAY));
    let failure = write(&core(&server, &store), "42").await.unwrap_err();
    assert_eq!(failure.told, Told::ChannelDisconnected);
    assert_eq!(failure.retry, Retry::WhenChannelReturns);
    assert!(failure.certain);
    assert_eq!(store.dead.load(Ordering::SeqCst), 1);
    assert_eq!((server.count(TEXT), server.count(REFRESH)), (1, 1));
}

#[tokio::test]
async fn an_expired_refresh_token_is_not_even_tried() {
    let server = Loopback::start(|_| invalid_token());
    let mut old = tokens("old", 1, DAY);
    old.refresh_until = Millis(1);
    let store = Store::new(old);
    write(&core(&server, &store), "42").await.unwrap_err();
    assert_eq!(server.count(REFRESH), 0);
    assert_eq!(store.dead.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn fresh_tokens_that_are_refused_too_end_the_login() {
    let server = Loopback::start(chatapp("none of these"));
    let store = Store::new(tokens("old", 1, DAY));
    let failure = write(&core(&server, &store), "42").await.unwrap_err();
    assert_eq!(failure.told, Told::ChannelDisconnected);
    assert_eq!((server.count(TEXT), server.count(REFRESH)), (2, 1));
    assert_eq!(store.dead.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn rotated_tokens_survive_a_store_that_is_away() {
    let server = Loopback::start(chatapp("new"));
    let store = Store::new(tokens("old", 1, DAY));
    let core = core(&server, &store);
    store.away.store(true, Ordering::SeqCst);
    write(&core, "42").await.unwrap();
    assert_eq!(store.access(), "old");
    store.away.store(false, Ordering::SeqCst);
    write(&core, "42").await.unwrap();
    assert_eq!(store.access(), "new");
    assert_eq!(server.count(REFRESH), 1);
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_interrupt_a_refresh() {
    let server = Loopback::start(chatapp("new"));
    let store = Store::new(tokens("old", 1, DAY));
    let core = core(&server, &store);
    let impatient = tokio::time::timeout(Duration::from_millis(30), write(&core, "42"));
    assert!(impatient.await.is_err());
    write(&core, "42").await.unwrap();
    assert_eq!(server.count(REFRESH), 1);
    assert_eq!(store.access(), "new");
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
async fn an_unknown_outcome_is_found_in_the_history() {
    let server = Loopback::start(|_| {
        let message =
            |id: &str, tracking: Value| json!({"id": id, "fromApp": {"tracking": tracking}, "chat": {"id": "42"}});
        ok(&json!({ "items": [message("1", Value::Null), message("2", json!("part-9"))], "nextPage": null }))
    });
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let find = async |key: &str| {
        let key = IdempotencyKey(key.into());
        core.find_tracked(&channel(), "42", (&key, Millis(0))).await.unwrap()
    };
    let Found::Happened(sent) = find("part-9").await else { panic!("it stands in the history") };
    assert_eq!(sent.ids, ["2"]);
    assert!(matches!(find("part-8").await, Found::DidNot));
    assert_eq!(server.asked("/messages")[0].query, "limit=50&direction=prev");
}

#[tokio::test]
async fn in_a_busy_conversation_older_pages_are_looked_through() {
    let page = |numbers: std::ops::Range<i64>, next: Value| {
        let message = |number: i64| json!({"id": number.to_string(), "time": 1_800_000_000 - number, "fromApp": {"tracking": format!("part-{number}")}});
        ok(&json!({ "items": numbers.map(message).collect::<Vec<_>>(), "nextPage": next }))
    };
    let server = Loopback::start(move |asked| match asked.query.as_str() {
        "limit=50&direction=prev" => page(0..50, json!("https://elsewhere.example/any?cursor=a%20b")),
        "cursor=a+b" => page(50..100, json!("a token of their own")),
        "limit=50&direction=prev&nextPage=a+token+of+their+own" => page(100..150, json!({ "strange": 1 })),
        other => panic!("{other}"),
    });
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let find = async |key: &str, since: i64| {
        let key = IdempotencyKey(key.into());
        core.find_tracked(&channel(), "42", (&key, Millis::from_seconds(since))).await.unwrap()
    };
    assert!(matches!(find("part-77", 1_799_999_000).await, Found::Happened(_)));
    assert!(matches!(find("part-140", 1_799_999_000).await, Found::Happened(_)));
    assert!(matches!(find("part-150", 1_799_999_990).await, Found::DidNot), "it would stand in the first page");
    assert!(
        matches!(find("part-150", 1_799_999_000).await, Found::CannotTell),
        "there is more, and no way to ask for it"
    );
}

#[tokio::test]
async fn what_is_remembered_reads_as_its_webhooks() {
    let server = Loopback::start(|asked| match asked.query.as_str() {
        "limit=50&direction=prev" => ok(&json!({
            "items": [
                {"id": "4", "time": 1_800_000_040, "side": "in", "message": {"text": "last"}, "chat": {"id": "7@c.us"}},
                {"id": "3", "time": "1800000030", "message": {"text": "of the same second, later"}},
                {"id": "2", "time": 1_800_000_030, "message": {"text": "of the same second"}, "chat": []},
                {"id": "x", "message": {"text": "nobody knows when"}},
            ],
            "nextPage": "more",
        })),
        "limit=50&direction=prev&nextPage=more" => {
            let old = |id: &str, time: i64| json!({"id": id, "time": time, "chat": {"id": "7@c.us"}});
            ok(&json!({ "items": [old("1", 1_800_000_020), old("0", 1_799_999_999)], "nextPage": "and more" }))
        }
        "limit=50" => ok(&json!({ "items": [{"id": "7@c.us"}, {"name": "nobody"}, {"id": 8}], "nextPage": null })),
        other => panic!("{other}"),
    });
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let heard = core.unheard(&channel(), "7@c.us", Millis::from_seconds(1_800_000_000)).await.unwrap();
    let keys: Vec<&str> = heard.items.iter().map(|item| item.key.as_str()).collect();
    let webhook = json!({
        "data": [{"id": "4", "time": 1, "chat": {"id": "7@c.us"}}], "meta": {"type": "message", "licenseId": 1},
    });
    assert_eq!(keys[3], core.split(webhook.to_string().as_bytes()).unwrap()[0].key, "the key of its webhook");
    assert_eq!(heard.items.len(), 4);
    assert!(heard.whole);
    let texts = heard.items.iter().map(|item| match core.parse(&item.body).unwrap() {
        CoreEvent::Message(message) => (message.id, message.peer),
        other => panic!("{other:?}"),
    });
    let expected = ["1", "2", "3", "4"].map(|id| (id.to_owned(), "7@c.us".to_owned()));
    assert_eq!(texts.collect::<Vec<_>>(), expected);
    assert!(heard.items.iter().all(|item| core.is_of(&item.body, "1234/grWhatsApp")));
    let conversations = core.conversations(&channel(), None).await.unwrap();
    assert_eq!((conversations.peers, conversations.next), (vec!["7@c.us".to_owned(), "8".to_owned()], None));
}

#[tokio::test]
async fn a_login_gives_tokens_or_says_why_not() {
    let server = Loopback::start(|asked| match asked.json()["password"].as_str().unwrap_or_default() {
        "right" => rotated("first"),
        "many" => Reply::json(429, &json!({"success": false})),
        _ => Reply::json(401, &json!({"success": false, "error": {"code": "WrongLogin"}})),
    });
    let core = core(&server, &Store::new(tokens("", 0, DAY)));
    let login = async |password: &str| core.login("a@b.c", &Secret::new(password), "app_1_1").await;
    let done = login("right").await.unwrap();
    assert_eq!((done.tokens.access.expose(), done.cabinet_user), ("first", 1));
    assert!(matches!(login("wrong").await, Err(LoginError::WrongCredentials)));
    assert!(matches!(login("many").await, Err(LoginError::TooMany)));
    assert_eq!(server.asked("/v1/tokens")[0].json()["appId"], "app_1_1");
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
async fn a_phone_is_checked_with_its_plus() {
    let server = Loopback::start(|_| ok(&json!({ "exist": true })));
    let core = core(&server, &Store::new(tokens("good", 1, DAY)));
    let account = Account::parse("1234/grWhatsApp").unwrap();
    assert!(core.check_phone(LOGIN, &account, "79001234567").await.unwrap());
    assert_eq!(server.count("/phones/+79001234567/check"), 1);
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
