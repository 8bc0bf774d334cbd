//! What ChatApp remembers.

use super::*;

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
