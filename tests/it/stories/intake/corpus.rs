//! Two thousand bodies that no sender means, made by dice whose seed is fixed, at every door; and senders that never come to an end.
//! Whatever it is, it is answered, nothing breaks, and whoever means well is served meanwhile.

use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    chaos::Dice,
    harness::{Story, stories},
};

stories![no_body_breaks_anything, odd_webhooks_of_chatapp_are_read_as_far_as_they_go, slow_senders_hold_nobody_up];

const BODIES: u64 = 2_000;
const AT_ONCE: usize = 16;
/// Connections that send a byte now and then.
const SLOW: usize = 200;

fn below(dice: &Dice, end: usize) -> usize {
    usize::try_from(dice.below(u64::try_from(end).unwrap())).unwrap()
}

fn one_of<'a>(dice: &Dice, choices: &[&'a str]) -> &'a str {
    choices[below(dice, choices.len())]
}

fn byte(dice: &Dice) -> u8 {
    u8::try_from(below(dice, 256)).unwrap()
}

const KEYS: &[&str] = &[
    "event",
    "data",
    "data[MESSAGES][0][im][message_id]",
    "data[MESSAGES][0][message][text]",
    "data[CONNECTOR]",
    "data[LINE]",
    "auth[member_id]",
    "auth[application_token]",
    "auth[domain]",
    "ts",
    "code",
    "event_token",
    "properties[phones]",
    "PLACEMENT",
    "PLACEMENT_OPTIONS",
    "AUTH_ID",
    "member_id",
    "DOMAIN",
    "data[",
    "]",
    "[]",
    "data[][]",
    "data]a[",
    "a[b]c",
    "__proto__[x]",
    "",
];
const VALUES: &[&str] = &[
    "ONIMCONNECTORMESSAGEADD",
    "ONAPPINSTALL",
    "ONAPPUNINSTALL",
    "ca_send_message",
    "1",
    "-1",
    "0",
    "9223372036854775808",
    "1e999",
    "NaN",
    "99999999999999999999999999999999",
    "%",
    "%f",
    "%zz",
    "%00",
    "%FF%FE",
    "%F0%9F%92%A9",
    "%ED%A0%80",
    "+",
    "null",
    "[]",
    "{\"a\":",
    "\u{202e}",
    "\u{0}",
    "../../etc/passwd",
    "' OR 1=1 --",
    "<script>",
];

/// A form with wrong brackets, wrong escapes, and keys that contradict each other.
fn form(dice: &Dice) -> Vec<u8> {
    let pairs = 1 + below(dice, 40);
    let pairs = (0..pairs).map(|_| {
        let mut key = one_of(dice, KEYS).to_owned();
        for _ in 0..below(dice, 6) {
            key += one_of(dice, &["[0]", "[a]", "[]", "[", "]", "[%5B]", "[9999999999]", "[-1]", "%00", "[\u{e9}]"]);
        }
        format!("{key}{}{}", one_of(dice, &["=", "=", "=", "==", "", "=%"]), one_of(dice, VALUES))
    });
    pairs.collect::<Vec<_>>().join(one_of(dice, &["&", "&", "&&", ";", "&%26"])).into_bytes()
}

/// JSON that is almost right.
fn json(dice: &Dice, depth: usize) -> String {
    let end = if depth > 6 { 6 } else { 9 };
    match below(dice, end) {
        0 => one_of(dice, &["null", "true", "1", "-0", "1e400", "18446744073709551616", "0.1e-999", "nul", "01", "+1"])
            .to_owned(),
        1..=3 => format!(
            "\"{}\"",
            one_of(dice, &["text", "\\u0000", "\\ud800", "\\ud83d\\ude00", "\\x", "message", "\u{202e}", "\n"])
        ),
        4 => "\"".to_owned(),
        5 => one_of(dice, &["", "[", "{", "}", ",", ":"]).to_owned(),
        6 => format!("[{}]", (0..below(dice, 5)).map(|_| json(dice, depth + 1)).collect::<Vec<_>>().join(",")),
        _ => {
            let fields = (0..below(dice, 6)).map(|_| {
                let key = one_of(
                    dice,
                    &["data", "meta", "type", "id", "message", "update_id", "chat", "event", "auth", "id"],
                );
                format!("\"{key}\":{}", json(dice, depth + 1))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    }
}

/// Something right, with some of its bytes changed.
fn damaged(dice: &Dice, right: &[u8]) -> Vec<u8> {
    let mut bytes = right.to_vec();
    for _ in 0..=below(dice, 8) {
        let at = below(dice, bytes.len());
        match below(dice, 4) {
            0 => bytes[at] = byte(dice),
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, b"[]&=%{}\"\0\xff"[below(dice, 10)]),
            _ => bytes.extend_from_within(at..),
        }
        bytes.truncate(200_000);
    }
    bytes
}

/// Few and large: what costs most to read.
fn heavy() -> Vec<Vec<u8>> {
    let keys = |count: usize| (0..count).map(|at| format!("a[{at}][b{at}]=%D1%8F")).collect::<Vec<_>>().join("&");
    vec![
        format!("a{}=1", "[b]".repeat(100_000)).into_bytes(),
        format!("a{}=1", "[".repeat(300_000)).into_bytes(),
        keys(100_000).into_bytes(),
        "a=1&".repeat(100_000).into_bytes(),
        "%".repeat(1_000_000).into_bytes(),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
        format!("{{\"a\":{}}}", "9".repeat(1_000_000)).into_bytes(),
        format!("{{\"data\":[{}]}}", vec!["{}"; 100_000].join(",")).into_bytes(),
        vec![0xff; 8 * 1024 * 1024],
        vec![b'a'; 8 * 1024 * 1024 + 1],
    ]
}

async fn no_body_breaks_anything(story: &Story) {
    let other = story.whatsapp_shop().await;
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "hello", &[]);
    shop.client_receives(1).await;
    story.calms_down().await;
    let webhook = story.sandbox.messengers().chatapp().callback_url(&shop.account).expect("the channel has a webhook");
    let told =
        story.sandbox.messengers().chatapp().posted().pop().expect("ChatApp has told something").body.to_string();
    let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD").unwrap();
    let right = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&post.form).finish();
    let strange = [
        "/b24/events",
        "/b24/events/none",
        "/b24/install",
        "/b24/app",
        "/b24/placements/crm-chat",
        "/b24/robots/ca_send_message",
        "/core/chatapp/none/none",
        "/channels/telegram_bot/none/none",
        "/frame/crm/write",
    ];
    let doors: Vec<String> = strange.iter().map(|path| story.url(path)).chain([webhook]).collect();
    let dice = Dice::seeded(20_261_122);
    let mut tries: Vec<(String, Vec<u8>)> = Vec::new();
    for _ in 0..BODIES {
        let body = match below(&dice, 5) {
            0 => form(&dice),
            1 => json(&dice, 0).into_bytes(),
            2 => damaged(&dice, right.as_bytes()),
            3 => damaged(&dice, told.as_bytes()),
            _ => (0..below(&dice, 2_000)).map(|_| byte(&dice)).collect(),
        };
        tries.push((doors[below(&dice, doors.len())].clone(), body));
    }
    tries.extend(heavy().into_iter().flat_map(|body| doors.iter().map(move |door| (door.clone(), body.clone()))));
    let answers = stream::iter(tries).map(|(door, body)| async move {
        let length = body.len();
        let beginning = String::from_utf8_lossy(&body[..length.min(80)]).into_owned();
        let kind = if body.first() == Some(&b'{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let sent = story.http().post(&door).header("content-type", kind).body(body).send().await;
        let status = match sent {
            Ok(answer) => answer.status(),
            // Who is refused before his large body is read may find the connection closed before he has read the refusal.
            Err(error) if length > 64 * 1024 && !error.is_connect() && !error.is_timeout() => return false,
            Err(error) => panic!("{door} did not answer {length} bytes {beginning:?}: {error}"),
        };
        assert!(!status.is_server_error(), "{door} answered {status} to {length} bytes {beginning:?}");
        // What is damaged a little may still be right; only our own webhook and the portal's events may be taken.
        status.is_success()
    });
    let taken = answers.buffer_unordered(AT_ONCE).filter(|taken| std::future::ready(*taken)).count().await;
    println!("{taken} of the bodies were taken");
    other.hears("Life goes on").await;
    // What was damaged so little that it was taken may come to nothing.
    story.passes_until_calm().await;
    let left = story.app().db.delivery_counts().await.unwrap();
    story.expects(|expected| *expected = left);
}

/// Bodies as ChatApp might send them one day, each three times: its documentation is not public, and it is a PHP program.
async fn odd_webhooks_of_chatapp_are_read_as_far_as_they_go(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.calms_down().await;
    let chatapp = story.sandbox.messengers().chatapp();
    let webhook = chatapp.callback_url(&shop.account).expect("the channel has a webhook");
    let right = chatapp.posted().pop().expect("ChatApp has told something").body;
    let (item, meta) = (&right["data"][0], &right["meta"]);
    let with = |change: Value| {
        let mut item = item.clone();
        item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        item
    };
    let told = |items: Value| json!({ "data": items, "meta": meta });
    let text = |text: &str| json!({ "text": text, "caption": null, "file": [] });
    let shown = [
        told(json!([with(json!({"id": 17, "message": text("a number for an id")}))])),
        told(json!([with(json!({"id": "t1", "time": "1790000000", "message": text("a text for a time")}))])),
        told(json!([with(json!({"id": "t2", "time": 1_790_000_001_500_i64, "message": text("milliseconds")}))])),
        told(json!([with(json!({"id": "t3", "time": null, "message": text("no time")}))])),
        told(json!([with(json!({"id": "u1", "fromUser": null, "fromApp": [], "message": text("nobody wrote it")}))])),
        told(with(json!({"id": "o1", "message": text("an object for a list")}))),
        json!([told(json!([with(json!({"id": "l1", "message": text("in a list")}))])), told(json!([])), []]),
        json!({ "data": [with(json!({"id": "m1", "message": text("nobody's line")}))], "meta": {"type": "message"} }),
        told(json!([with(json!({"id": "z1", "message": text("nothing\0 in it")}))])),
        told(json!([with(json!({"id": "k1", "type": "poll", "message": text("an unknown kind")})), null, 7, "x", []])),
    ];
    let status = |change: Value| {
        let mut status = json!({"id": "3EB0", "type": "viewed", "time": -1, "chat": item["chat"], "error": null});
        status.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "data": [status], "meta": {"type": "messageStatus", "licenseId": meta["licenseId"]} })
    };
    let ignored = [
        json!([]),
        json!({}),
        json!({ "meta": meta }),
        json!({ "data": null, "meta": meta }),
        json!({ "data": [[], {}], "meta": [] }),
        told(json!([with(json!({"id": "g1", "chat": []}))])),
        told(json!([with(json!({"id": null}))])),
        status(json!({})),
        status(json!({"type": "thought of"})),
        status(json!({"error": {"code": ["strange"]}})),
        status(json!({"id": ["3EB0"]})),
        json!({ "data": [{"tag": {"id": 1}}], "meta": {"type": "chatTag", "licenseId": meta["licenseId"]} }),
    ];
    for body in shown.iter().chain(&ignored) {
        for _time in 0..3 {
            let answer = story.http().post(&webhook).json(body).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{body}");
        }
    }
    let foreign = json!({ "data": [with(json!({"id": "f1"}))], "meta": {"type": "message", "licenseId": 1} });
    assert_eq!(story.http().post(&webhook).json(&foreign).send().await.unwrap().status(), 403);
    story.passes_until_calm().await;
    let said: Vec<String> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said.len(), 1 + shown.len(), "{said:?}");
    assert!(said.contains(&"nothing\u{FFFD} in it".to_owned()), "{said:?}");
    shop.hears("life goes on").await;
    // What says too little is put aside to be looked at.
    story.passes_until_calm().await;
    let left = story.app().db.delivery_counts().await.unwrap();
    assert!(left.inbox_dead == 7 && left.failed == 0, "{left:?}");
    story.expects(|expected| *expected = left);
}

async fn slow_senders_hold_nobody_up(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let address = story.url("").replace("http://", "");
    let heads = [
        // Headers that never end, a body that never comes, a body that drips, nothing at all.
        "POST /b24/events HTTP/1.1\r\nHost: x\r\nX-A: ".to_owned(),
        "POST /b24/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".to_owned(),
        "POST /b24/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n".to_owned(),
        String::new(),
    ];
    let slow = join_all((0..SLOW).map(|number| {
        let (address, head) = (&address, &heads[number % heads.len()]);
        async move {
            let mut stream = TcpStream::connect(address).await.expect("the server takes connections");
            stream.write_all(head.as_bytes()).await.expect("it reads");
            stream
        }
    }));
    let mut slow = slow.await;
    let drips = async {
        loop {
            for stream in &mut slow {
                let _ = stream.write_all(b"a").await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let serves = async {
        for number in 0..20 {
            shop.hears(&format!("message {number}")).await;
        }
    };
    tokio::select! {
        () = drips => {}
        () = serves => {}
    }
}
