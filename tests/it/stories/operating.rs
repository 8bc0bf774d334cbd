//! What the operators of the server see, and what they can do.

use serde_json::{Value, json};

use crate::harness::{Story, stories};

stories![
    what_was_given_up_is_listed_and_put_back,
    the_operators_routes_are_for_operators,
    the_metrics_tell_what_was_done_and_what_waits,
    the_log_follows_one_message_by_one_number,
    the_journal_tells_every_call_and_nobodys_words,
];

async fn what_was_given_up_is_listed_and_put_back(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.sandbox.messengers().chatapp().reject_next("ApiMessageRejectedError", "no");
    let message = shop.operator_writes(chat, "Once more, please", &[]);
    shop.sees_note(chat, "Сообщение не доставлено").await;
    story.calms_down().await;

    let listed = story.verb(&["redeliver"]).await.unwrap();
    let id = listed.strip_prefix("delivery ").and_then(|rest| rest.split(' ').next()).expect("it is listed").to_owned();
    assert!(listed.contains(": to_core failed, message ") && listed.contains("rejected"), "{listed}");
    assert!(!listed.contains("Once more"), "{listed}");
    let nothing = story.verb(&["redeliver", "--portal", "another", "--put-back"]).await.unwrap();
    assert!(nothing.contains("0 deliveries"), "{nothing}");
    assert_eq!(story.app().db.delivery_counts().await.unwrap().failed, 1, "a list changes nothing");

    let portal = shop.member_id().to_owned();
    let arguments = ["redeliver", "--portal", &portal, "--delivery", &id, "--since", "1h", "--put-back"];
    let done = story.verb(&arguments).await.unwrap();
    assert!(done.contains("1 deliveries, 0 inbox items"), "{done}");
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, message).await;
    assert!(story.verb(&["redeliver"]).await.unwrap().starts_with("0 deliveries"));
}

async fn the_operators_routes_are_for_operators(story: &Story) {
    let header = "X-ChatApp-Operator";
    let post = |path: &str| story.http().post(story.url(path)).json(&json!({}));
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    for path in ["/dead", "/redeliver"] {
        assert_eq!(status(post(path).header(header, "1")).await, 200, "{path}");
        assert_eq!(status(post(path)).await, 404, "{path}: a page in a browser cannot set the header");
        assert_eq!(
            status(post(path).header(header, "1").header("X-Forwarded-For", "203.0.113.9")).await,
            404,
            "{path}"
        );
        let rebound = post(path).header(header, "1").header("Host", "evil.example:8080");
        assert_eq!(status(rebound).await, 404, "{path}: a name that was made to lead here");
    }
    assert_eq!(status(story.http().get(story.url("/metrics"))).await, 200);
    let outside = story.http().get(story.url("/metrics")).header("X-Forwarded-For", "203.0.113.9");
    assert_eq!(status(outside).await, 404);
}

async fn the_metrics_tell_what_was_done_and_what_waits(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.sandbox.messengers().chatapp().reject_next("ApiMessageRejectedError", "no");
    shop.operator_writes(chat, "Never", &[]);
    shop.sees_note(chat, "Сообщение не доставлено").await;
    story.calms_down().await;
    story.expects_failed(1);

    let page = story.http().get(story.url("/metrics")).send().await.unwrap().text().await.unwrap();
    // The counters are the process's, which tells other stories too; what waits is this story's own.
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse::<f64>().unwrap()
    };
    for counter in [
        "chatapp_accepted_total{source=\"portal\",outcome=\"stored\"}",
        "chatapp_accepted_total{source=\"channel\",outcome=\"stored\"}",
        "chatapp_attempts_total{kind=\"to_portal\",outcome=\"done\"}",
        "chatapp_attempts_total{kind=\"to_core\",outcome=\"failed\"}",
        "chatapp_rest_calls_total{method=\"imconnector.send.messages\",outcome=\"ok\"}",
        "chatapp_commit_commands_count",
        "chatapp_commit_seconds_sum",
        "chatapp_resident_memory_bytes",
    ] {
        assert!(value(counter) > 0.0, "{counter}");
    }
    for (gauge, expected) in
        [("failed", 1.0), ("unknown", 0.0), ("parked", 0.0), ("inbox", 0.0), ("due", 0.0), ("oldest_due_seconds", 0.0)]
    {
        assert!((value(&format!("chatapp_{gauge}")) - expected).abs() < 0.5, "{gauge} in\n{page}");
    }
    assert!(!page.contains(shop.member_id()) && !page.contains("localhost"), "a portal is named:\n{page}");
}

async fn the_log_follows_one_message_by_one_number(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let message = shop.operator_writes(chat, "Follow me", &[]);
    shop.shows_as_sent(chat, message).await;
    story.calms_down().await;

    let log = story.logged();
    let own: Vec<&str> = log.lines().filter(|line| line.contains(shop.member_id())).collect();
    let sent = own.iter().rfind(|line| line.contains("kind=\"to_core\"")).expect("the attempt is logged");
    let trace = sent.split("trace=").nth(1).and_then(|rest| rest.split(' ').next()).expect("it has its number");
    assert_eq!(trace.len(), 16, "{sent}");
    let walk: Vec<&str> = own.into_iter().filter(|line| line.contains(trace)).collect();
    let steps =
        ["accepted", "expanded", "an attempt begins", "an attempt ended", "an attempt begins", "an attempt ended"];
    let mut told: Vec<&str> =
        walk.iter().filter_map(|line| steps.iter().find(|step| line.contains(**step)).copied()).collect();
    // What is committed may be expanded before the one who committed it has said so.
    told[..2].sort_unstable();
    assert_eq!(told, steps, "{walk:#?}");
    let last = walk.last().expect("it has steps");
    assert!(last.contains("kind=\"status\"") && last.contains("outcome=\"done\""), "{last}");
}

async fn the_journal_tells_every_call_and_nobodys_words(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.hears("Tell nobody").await;
    let calls = || -> Vec<Value> {
        let files = story.stored().into_iter().filter(|(name, _)| name.contains("/journal/rest-"));
        let text: String = files.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
        for secret in ["Tell nobody", "Anna", "910 ", "Good morning"] {
            assert!(!text.contains(secret), "`{secret}` in {text}");
        }
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let sent = story
        .until("the call is in the journal", async || {
            calls().into_iter().find(|call| call["method"] == "imconnector.send.messages")
        })
        .await;
    assert_eq!((&sent["outcome"], &sent["http"]), (&json!("ok"), &json!(200)));
    assert_eq!(sent["portal"], shop.member_id());
    assert_eq!(sent["params"]["CONNECTOR"], "chatapp_whatsapp");
    assert_eq!(sent["params"]["MESSAGES"][0]["message"]["text"], "…11");
    assert!(sent["deliveries"][0].is_i64() && sent["traces"][0].is_string(), "{sent}");
}
