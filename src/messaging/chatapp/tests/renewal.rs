//! Tokens: used by their end-times, renewed by one at a time, and given up when nothing helps.

use super::*;

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

/// A ChatApp that knows no token any more, and one password.
fn forgetful(asked: &Asked) -> Reply {
    if asked.ends("/v1/tokens") {
        let right = asked.json()["password"] == "right";
        return if right { rotated("new") } else { Reply::json(403, &json!({"error": {"code": "WrongLogin"}})) };
    }
    if asked.authorization.as_deref() == Some("new") { accepted() } else { invalid_token() }
}

#[tokio::test]
async fn a_password_that_is_kept_brings_new_tokens() {
    let server = Loopback::start(forgetful);
    let store = Store::new(tokens("old", 1, DAY));
    *store.password.lock().unwrap() = Some("right");
    let core = core(&server, &store);
    let both = tokio::join!(write(&core, "42"), write(&core, "43"));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!((server.count(REFRESH), server.count("/v1/tokens")), (1, 1));
    assert_eq!((store.access().as_str(), store.dead.load(Ordering::SeqCst)), ("new", 0));
}

#[tokio::test]
async fn a_password_that_is_wrong_is_forgotten() {
    let server = Loopback::start(forgetful);
    let store = Store::new(tokens("old", 1, DAY));
    *store.password.lock().unwrap() = Some("of last year");
    let failure = write(&core(&server, &store), "42").await.unwrap_err();
    assert_eq!((failure.told, failure.retry), (Told::ChannelDisconnected, Retry::WhenChannelReturns));
    assert_eq!((*store.password.lock().unwrap(), store.dead.load(Ordering::SeqCst)), (None, 1));
}

#[tokio::test]
async fn what_another_node_is_renewing_is_waited_for() {
    let store = Store::new(tokens("old", 1, DAY));
    store.taken.store(usize::MAX, Ordering::SeqCst);
    let server = Loopback::start(chatapp("of the other"));
    let core = core(&server, &store);
    let other = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        *store.tokens.lock().unwrap() = tokens("of the other", 2, DAY);
    };
    let (sent, ()) = tokio::join!(write(&core, "42"), other);
    assert!(sent.is_ok());
    assert_eq!((server.count(REFRESH), store.dead.load(Ordering::SeqCst)), (0, 0));
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
async fn a_login_gives_tokens_or_says_why_not() {
    let server = Loopback::start(|asked| match asked.json()["password"].as_str().unwrap_or_default() {
        "right" => rotated("first"),
        "many" => Reply::json(429, &json!({"success": false})),
        _ => Reply::json(401, &json!({"success": false, "error": {"code": "WrongLogin"}})),
    });
    let core = core(&server, &Store::new(tokens("", 0, DAY)));
    let login = async |password: &str| core.login(&credentials(password)).await;
    let done = login("right").await.unwrap();
    assert_eq!((done.tokens.access.expose(), done.cabinet_user), ("first", 1));
    assert!(matches!(login("wrong").await, Err(LoginError::WrongCredentials)));
    assert!(matches!(login("many").await, Err(LoginError::TooMany)));
    assert_eq!(server.asked("/v1/tokens")[0].json()["appId"], "app_1_1");
}
