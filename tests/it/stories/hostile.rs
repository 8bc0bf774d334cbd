//! What strangers send, and what they must not get by it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sandbox::{messengers::chatapp::Posted, portal::FrameForm};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Frame, Story, WhatsAppShop, stories};

stories![
    bodies_that_are_no_forms_harm_nobody,
    a_form_of_any_shape_harms_nobody,
    a_huge_body_is_refused,
    a_body_that_drips_is_given_up,
    a_frame_cannot_name_another_server,
    an_event_cannot_name_another_address,
    a_file_link_leads_only_to_where_it_may,
    a_clients_file_leads_only_to_where_it_may,
    a_redirect_leads_only_to_where_the_address_may,
    an_uninstalled_portals_events_are_refused,
    a_webhook_is_worth_nothing_after_the_channel_is_taken_off,
    hostile_words_stay_words,
];

/// Posts raw bytes and gives the status and the answer's body.
async fn posts(story: &Story, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
    let request = story.http().post(story.url(path)).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await.expect("the server answers");
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The newest client's message that ChatApp has told us.
fn last_message_told(story: &Story) -> Posted {
    let posted = story.sandbox.messengers().chatapp().posted();
    posted.into_iter().rfind(|it| it.body["meta"]["type"] == "message").unwrap()
}

/// Everything that takes a body from outside.
fn doors(story: &Story, shop: &WhatsAppShop<'_>) -> Vec<String> {
    let webhook = story.sandbox.messengers().chatapp().callback_url(&shop.account).expect("the channel has a webhook");
    let webhook = webhook.replace(&story.url(""), "");
    let fixed = [
        "/b24/events",
        "/b24/events/other",
        "/b24/install",
        "/b24/app",
        "/b24/placements/crm-chat",
        "/b24/placements/connector",
        "/b24/robots/ca_send_message",
        "/core/chatapp/nosuch/secret",
        "/channels/telegram_bot/nosuch/secret",
        "/frame/crm/write",
        "/frame/session/renew",
        "/media/nothing",
    ];
    fixed.into_iter().map(str::to_owned).chain([webhook]).collect()
}

async fn bodies_that_are_no_forms_harm_nobody(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let before = story.rows();
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"%".to_vec(),
        b"%zz=%9".to_vec(),
        b"event=%FF%FE&auth[member_id]=%00".to_vec(),
        vec![0; 4096],
        vec![0xFF; 4096],
        b"{\"event\":".to_vec(),
        b"[[[[[[[[".to_vec(),
        b"{\"data\":[{\"id\":99999999999999999999999999999}],\"meta\":null}".to_vec(),
        b"event[]=1&event[a]=2&event=3".to_vec(),
        "event=ONIMCONNECTORMESSAGEADD&data[MESSAGES]=текст&auth=1".as_bytes().to_vec(),
    ];
    for path in doors(story, &shop) {
        for body in &bodies {
            let (status, _body) = posts(story, &path, body.clone()).await;
            assert!(
                status < 500,
                "{path} answered {status} to {:?}",
                String::from_utf8_lossy(&body[..body.len().min(60)])
            );
        }
    }
    story.calms_down().await;
    assert_unchanged(&before, story, &["inbox"]);
    shop.hears("Life goes on").await;
}

/// Nothing was stored, besides what a door with a true secret keeps to be looked at later.
fn assert_unchanged(before: &std::collections::BTreeMap<String, i64>, story: &Story, besides: &[&str]) {
    let mut after = story.rows();
    // Our own book of calls is written when it is time.
    for table in besides.iter().chain(&["bucket"]) {
        after.insert((*table).to_owned(), before[*table]);
    }
    assert_eq!(&after, before, "a stranger left something behind");
}

async fn a_form_of_any_shape_harms_nobody(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let before = story.rows();
    let deep = format!("data{}=1", "[a]".repeat(20_000));
    let many = (0..100_000).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join("&");
    let list =
        (0..100_000).map(|at| format!("data[MESSAGES][{at}][im][message_id]={at}")).collect::<Vec<_>>().join("&");
    let same = "event=x&".repeat(50_000);
    let deep_json = format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    let deep_list = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for path in ["/b24/events", "/b24/install", "/b24/robots/ca_send_message", "/b24/placements/crm-chat", "/b24/app"] {
        for body in [&deep, &many, &list, &same, &deep_json, &deep_list] {
            let (status, answer) = posts(story, path, body.clone()).await;
            assert!(status < 500, "{path} answered {status} to {}…", &body[..40]);
            if path == "/b24/events" || path.starts_with("/b24/robots") {
                assert_eq!((status, answer.as_str()), (403, ""), "{path}");
            }
        }
    }
    let webhook = story.sandbox.messengers().chatapp().callback_url(&shop.account).unwrap().replace(&story.url(""), "");
    for body in [&deep_json, &deep_list, &many] {
        assert_eq!(posts(story, &webhook, body.clone()).await.0, 400, "even with the secret it is no webhook");
    }
    story.calms_down().await;
    assert_unchanged(&before, story, &[]);
    shop.hears("Life goes on").await;
}

async fn a_huge_body_is_refused(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let before = story.rows();
    for path in doors(story, &shop) {
        if path.starts_with("/media") {
            continue;
        }
        let (status, answer) = posts(story, &path, vec![b'a'; 20 * 1024 * 1024]).await;
        assert!(status == 413 || status == 403 || status == 401, "{path} answered {status}");
        if status == 413 {
            assert_eq!(answer, "");
        }
    }
    assert_eq!(posts(story, "/b24/events", vec![b'a'; 20 * 1024 * 1024]).await, (413, String::new()));
    assert_unchanged(&before, story, &[]);
}

async fn a_body_that_drips_is_given_up(story: &Story) {
    story.whatsapp_shop().await;
    let address = story.url("").replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /b24/events HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut answers, mut body) = stream.into_split();
    let drips = async {
        let mut again = tokio::time::interval(Duration::from_millis(500));
        loop {
            again.tick().await;
            // Once the server has had enough of it nobody listens.
            if body.write_all(b"a").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = vec![0; 12];
    tokio::select! {
        () = drips => {}
        read = answers.read_exact(&mut answer) => { read.unwrap(); }
        () = tokio::time::sleep(Duration::from_secs(40)) => panic!("a body may drip for ever"),
    }
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
}

/// Somebody who listens where our server must not call.
struct Ear {
    port: u16,
    heard: Arc<AtomicUsize>,
}

impl Ear {
    /// Listens on an address of this machine; whoever calls gets this answer.
    async fn on(host: &str, answer: String) -> Self {
        let listener = TcpListener::bind((host, 0)).await.expect("all of 127.0.0.0/8 is this machine");
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _from)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { port, heard }
    }

    async fn secret(host: &str) -> Self {
        let body = "the inner network's secret";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self::on(host, head + body).await
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

/// The world of the story lies on 127.0.0.1; nothing else of this machine may be called.
async fn narrow(story: &Story) {
    story.server_restarts_with(|config| config.allow_hosts = vec!["127.0.0.1".into(), "localhost".into()]).await;
}

async fn a_frame_cannot_name_another_server(story: &Story) {
    let portal = story.portal().await;
    portal.adds_chatapp();
    narrow(story).await;
    let ear = Ear::secret("127.0.0.2").await;
    let before = story.rows();
    let evil = format!("127.0.0.2:{}", ear.port);
    let genuine = portal.opens_frame(portal.admin(), "DEFAULT", &json!({})).unwrap();
    let with = |url: Option<String>, changes: &[(&str, &str)]| {
        let mut form = FrameForm { url: url.unwrap_or_else(|| genuine.url.clone()), ..genuine.clone() };
        for (name, value) in &mut form.fields {
            if let Some((_, new)) = changes.iter().find(|(changed, _)| changed == name) {
                (*new).clone_into(value);
            }
        }
        form
    };
    let servers = [
        format!("http://{evil}/rest/"),
        "http://169.254.169.254/rest/".to_owned(),
        format!("{}@{evil}/rest/", portal.server_endpoint().trim_end_matches("/rest/")),
        "file:///etc/passwd".to_owned(),
        "javascript:alert(1)".to_owned(),
    ];
    for server in &servers {
        let page = Frame::load(story, &portal, with(None, &[("SERVER_ENDPOINT", server)])).await;
        assert!(
            page.session().is_none() && page.status == 403,
            "{server} is taken for an OAuth server: {}",
            page.status
        );
    }
    assert_eq!(ear.heard(), 0, "our client secret was offered to a stranger");
    assert_unchanged(&before, story, &[]);
    // What the page says of its domain is not even looked at.
    let url = genuine.url.replace(&urlencoded(&portal.domain()), &urlencoded(&evil));
    assert_ne!(url, genuine.url);
    Frame::load(story, &portal, with(Some(url), &[])).await.is_open();
    assert_eq!(ear.heard(), 0);
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn an_event_cannot_name_another_address(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    narrow(story).await;
    let ear = Ear::secret("127.0.0.2").await;
    let evil = format!("http://127.0.0.2:{}/rest/", ear.port);
    shop.operator_writes(chat, "hello", &[]);
    shop.client_receives(1).await;
    story.calms_down().await;
    let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD").unwrap();
    let form: Vec<(String, String)> = post
        .form
        .iter()
        .map(|(key, value)| match key.as_str() {
            "auth[client_endpoint]" | "auth[server_endpoint]" => (key.clone(), evil.clone()),
            "auth[domain]" => (key.clone(), format!("127.0.0.2:{}", ear.port)),
            "data[MESSAGES][0][im][message_id]" => (key.clone(), "919191".to_owned()),
            _ => (key.clone(), value.clone()),
        })
        .collect();
    shop.post_event_raw(&post.url, &form);
    shop.client_receives(2).await;
    story.calms_down().await;
    assert_eq!(ear.heard(), 0, "the address is the stored one");
}

/// An operator's message with a file that lies at `link`.
fn with_file(post: &sandbox::portal::PostedEvent, number: usize, link: &str) -> Vec<(String, String)> {
    let file = "data[MESSAGES][0][message][files][0]";
    let mut form: Vec<(String, String)> = post.form.clone();
    for (key, value) in &mut form {
        if key == "data[MESSAGES][0][im][message_id]" {
            *value = format!("{}", 930_000 + number);
        }
    }
    form.extend([
        (format!("{file}[name]"), "a.bin".to_owned()),
        (format!("{file}[mime]"), "application/octet-stream".to_owned()),
        (format!("{file}[downloadLink]"), link.to_owned()),
    ]);
    form
}

async fn a_file_link_leads_only_to_where_it_may(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    narrow(story).await;
    let ear = Ear::secret("127.0.0.2").await;
    shop.operator_writes(chat, "look", &[]);
    shop.client_receives(1).await;
    story.calms_down().await;
    let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD").unwrap();
    let links = [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::ffff:169.254.169.254]/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://2130706434/".to_owned(),
        format!("http://127.0.0.2:{}/", ear.port),
        format!("//127.0.0.2:{}/", ear.port),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.2/".to_owned(),
    ];
    story.expects_failed(i64::try_from(links.len()).unwrap());
    for (number, link) in links.iter().enumerate() {
        shop.post_event_raw(&post.url, &with_file(&post, number, link));
    }
    shop.sees("all are told of", |portal| {
        let notes = portal.messages(chat).into_iter().filter(|it| it.text.contains("Не удалось получить файл")).count();
        (notes == links.len()).then_some(())
    })
    .await;
    assert_eq!(ear.heard(), 0);
    assert_eq!(shop.client_has().len(), 1, "nothing of the inner network reaches a client");
}

/// A webhook like the last message's, with another id and a file that lies at `link`.
fn message_with_file(body: &Value, number: usize, link: &str) -> Value {
    let mut body = body.clone();
    let item = &mut body["data"][0];
    item["id"] = json!(format!("3EB0FILE{number}"));
    item["internalId"] = item["id"].clone();
    item["type"] = json!("document");
    item["message"] = json!({"text": "", "caption": format!("file {number}"), "file": {"link": link, "name": "a.bin", "size": 5, "mimeType": "application/octet-stream"}});
    item["chat"]["image"] = json!(link);
    body
}

async fn a_clients_file_leads_only_to_where_it_may(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    narrow(story).await;
    let ear = Ear::secret("127.0.0.2").await;
    let told = last_message_told(story);
    let links = [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://127.0.0.2:{}/", ear.port),
        "http://[fd00::1]/".to_owned(),
    ];
    for (number, link) in links.iter().enumerate() {
        let body = message_with_file(&told.body, number, link);
        assert_eq!(story.http().post(&told.url).json(&body).send().await.unwrap().status(), 200);
        let chat = shop.sees_text(&format!("file {number}")).await;
        let message = chat.messages.last().unwrap();
        assert!(message.files.is_empty() && message.text.contains("Не удалось получить файл"), "{}", message.text);
    }
    // Somebody new, whose picture lies there.
    let mut body = message_with_file(&told.body, 7, &links[1]);
    let item = &mut body["data"][0];
    item["chat"]["id"] = json!("79005550777@c.us");
    item["fromUser"]["id"] = json!("79005550777@c.us");
    assert_eq!(story.http().post(&told.url).json(&body).send().await.unwrap().status(), 200);
    assert_ne!(shop.sees_text("file 7").await.id, chat);
    story.calms_down().await;
    assert_eq!(ear.heard(), 0);
}

async fn a_redirect_leads_only_to_where_the_address_may(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    narrow(story).await;
    let ear = Ear::secret("127.0.0.2").await;
    let told = last_message_told(story);
    let to = |location: String| {
        Ear::on("127.0.0.1", format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
    };
    let doors = [
        to(format!("http://127.0.0.2:{}/", ear.port)).await,
        to("http://169.254.169.254/latest/meta-data/".to_owned()).await,
        to("file:///etc/passwd".to_owned()).await,
        // Round and round.
        to("/again".to_owned()).await,
    ];
    for (number, door) in doors.iter().enumerate() {
        let body = message_with_file(&told.body, number, &format!("http://127.0.0.1:{}/file", door.port));
        assert_eq!(story.http().post(&told.url).json(&body).send().await.unwrap().status(), 200);
        let chat = shop.sees_text(&format!("file {number}")).await;
        assert!(chat.messages.last().unwrap().files.is_empty());
        assert!((1..=8).contains(&door.heard()), "door {number} was asked {} times", door.heard());
    }
    story.calms_down().await;
    assert_eq!(ear.heard(), 0, "a redirect opened the inner network");
    assert_eq!(shop.said_by_client(chat).len(), 1 + doors.len());
}

async fn an_uninstalled_portals_events_are_refused(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "hello", &[]);
    shop.client_receives(1).await;
    story.calms_down().await;
    let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD").unwrap();
    shop.uninstalls(true);
    story.calms_down().await;
    let before = story.rows();
    let mut form = post.form.clone();
    for (key, value) in &mut form {
        if key == "data[MESSAGES][0][im][message_id]" {
            "949494".clone_into(value);
        }
    }
    let answer = story.http().post(&post.url).form(&form).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (403, String::new()));
    assert_unchanged(&before, story, &[]);
    assert_eq!(shop.client_has().len(), 1);
}

async fn a_webhook_is_worth_nothing_after_the_channel_is_taken_off(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.has_a_chat().await;
    let told = last_message_told(story);
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    let channel = shop.channel().await;
    page.disconnects().await.is_done();
    story.calms_down().await;
    let again = async || {
        story.http().post(&told.url).json(&message_with_file(&told.body, 1, "x")).send().await.unwrap().status()
    };
    assert_eq!(again().await, 403);
    let mut page = shop.opens_connector(shop.line, shop.connector).await;
    page.connects(&channel).await.is_done();
    story.calms_down().await;
    assert_eq!(again().await, 403, "the old secret opens the new webhook");
    shop.hears("And we talk again").await;
}

async fn hostile_words_stay_words(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let nasty = "<script>alert(1)</script> ' OR 1=1; -- {{7*7}} \u{202e}txt.exe \0 \u{1F4A9}\u{0301}";
    let client = story.sandbox.messengers().phone().person("<img src=x onerror=alert(1)>", Some("+79005550666"), None);
    client.writes(&shop.account, nasty);
    let chat = shop.sees_text("OR 1=1").await;
    story.calms_down().await;
    assert!(chat.messages[0].text.contains("<script>alert(1)</script>"), "the portal shows texts as texts");
    let card = shop.contact("<b>Card</b>", &["+79005550666"]);
    let tab = shop.opens_tab(shop.employee(), card).await;
    tab.is_open();
    for raw in ["<script>alert(1)", "<img src=x", "<b>Card"] {
        assert!(!tab.html.contains(raw), "a stranger's words became markup: {raw}");
    }
    shop.operator_writes(chat.id, nasty, &[]);
    let received = client.receives(&shop.account, 1).await;
    assert!(received[0].text.contains("<script>alert(1)</script>"));
}
