use std::time::{Duration, Instant};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn form(body: &str) -> Value {
    parse(body.as_bytes(), &Limits::default()).unwrap()
}

fn as_json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}

fn wide() -> Limits {
    Limits { pairs: 1_000_000, key_bytes: 1 << 20, ..Limits::default() }
}

#[test]
fn reads_an_event_with_encoded_brackets_and_a_gap_in_the_list() {
    let event = form(
        "event=ONIMCONNECTORMESSAGEADD&data%5BCONNECTOR%5D=chatapp_whatsapp&data[LINE]=107\
         &data[MESSAGES][2][im][message_id]=86498&data[MESSAGES][0][im][message_id]=86497\
         &data[MESSAGES][0][message][text]=%5Bb%5DA%3A%5B%2Fb%5D+%5Bbr%5D%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82&auth[member_id]=m1",
    );
    assert_eq!(event.text(&["auth", "member_id"]), Some("m1"));
    assert_eq!(event.int(&["data", "LINE"]), Some(107));
    let ids: Vec<_> = event.items(&["data", "MESSAGES"]).iter().filter_map(|m| m.int(&["im", "message_id"])).collect();
    assert_eq!(ids, [86497, 86498]);
    assert_eq!(event.text(&["data", "MESSAGES", "0", "message", "text"]), Some("[b]A:[/b] [br]Привет"));
}

#[test]
fn follows_php_in_odd_names() {
    for (body, expected) in [
        ("a[]=x&a[]=y", json!({"a": ["x", "y"]})),
        ("a[5]=x&a[]=y", json!({"a": {"5": "x", "6": "y"}})),
        ("a[-3]=x&a[]=y", json!({"a": {"-3": "x", "0": "y"}})),
        ("a[01]=x&a[]=y", json!({"a": {"01": "x", "0": "y"}})),
        ("a[9223372036854775807]=x&a[]=y", json!({"a": {"9223372036854775807": "x"}})),
        ("a=1&a=2", json!({"a": "2"})),
        ("a=1&a[b]=2", json!({"a": {"b": "2"}})),
        ("a[b]=2&a=1", json!({"a": "1"})),
        ("a[b]=2&a=1&a[c]=3", json!({"a": {"c": "3"}})),
        ("a[b][x]=2&a=1&a[b][y]=3", json!({"a": {"b": {"y": "3"}}})),
        ("a[b]tail=1", json!({"a": {"b": "1"}})),
        ("a[b=1", json!({"a[b": "1"})),
        ("a[b][c=1", json!({"a": {"b": "1"}})),
        ("[a]=1", json!({"[a]": "1"})),
        ("a.b c=1", json!({"a.b c": "1"})),
        ("a[b]]=1", json!({"a": {"b": "1"}})),
        ("a[ ]=1&a[]=2", json!({"a": ["1", "2"]})),
        ("a", json!({"a": ""})),
        ("=1&&a=", json!({"a": ""})),
        ("a=b=c", json!({"a": "b=c"})),
        ("a=%zz%4&b=100%", json!({"a": "%zz%4", "b": "100%"})),
        ("a=%ff%00", json!({"a": "\u{FFFD}\u{FFFD}"})),
        ("a%00b=1", json!({"a\u{FFFD}b": "1"})),
    ] {
        assert_eq!(as_json(&form(body)), expected, "{body}");
    }
}

#[test]
fn readers_forgive_what_portals_do() {
    let value = form("id=7&ids[1]=b&ids[0]=a&empty=&yes=Y&no=0&off=&odd=maybe&n=+%2B12+&list[x]=1&list[3]=2&list[1]=3");
    assert_eq!(value.one_or_many(&["id"]), ["7"]);
    assert_eq!(value.one_or_many(&["ids"]), ["a", "b"]);
    assert!(value.one_or_many(&["empty"]).is_empty());
    assert!(value.one_or_many(&["absent"]).is_empty());
    assert_eq!(
        ["yes", "no", "off", "odd", "absent"].map(|key| value.flag(&[key])),
        [Some(true), Some(false), Some(false), None, None]
    );
    assert_eq!(value.int(&["n"]), Some(12));
    assert_eq!(value.one_or_many(&["list"]), ["3", "2", "1"]);
    assert!(value.items(&["id"]).is_empty(), "a scalar is no list");
    assert_eq!(value.text(&["id", "deeper"]), None);
    assert_eq!(value.text(&["ids"]), None);
}

#[test]
fn bodies_beyond_the_limits_are_errors() {
    let limits = Limits { body_bytes: 100, pairs: 3, depth: 4, key_bytes: 20 };
    let check = |body: &str| parse(body.as_bytes(), &limits).unwrap_err();
    assert_eq!(check(&"a".repeat(101)), FormError::BodyTooLong);
    assert_eq!(check("a=1&b=2&c=3&d=4"), FormError::TooManyPairs);
    assert_eq!(check("a[b][c][d][e]=1"), FormError::TooDeep);
    assert_eq!(check("aaaaaaaaaaaaaaaaaaaaa=1"), FormError::KeyTooLong);
    assert_eq!(check(&format!("{}=1", "%41".repeat(21))), FormError::KeyTooLong);
    let check = |body: &str| parse_json(body.as_bytes(), &limits).unwrap_err();
    assert_eq!(check(&" ".repeat(101)), FormError::BodyTooLong);
    assert_eq!(check("[1,2,3]"), FormError::TooManyPairs);
    assert_eq!(check(r#"{"a":{"b":{"c":{"d":{}}}}}"#), FormError::TooManyPairs);
    assert_eq!(check(r#"{"aaaaaaaaaaaaaaaaaaaaa":1}"#), FormError::KeyTooLong);
    assert_eq!(check("{"), FormError::NotJson);
    assert_eq!(check("{}{}"), FormError::NotJson);
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    assert!(parse_json(deep(16).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(parse_json(deep(17).as_bytes(), &Limits::default()), Err(FormError::TooDeep));
    assert_eq!(parse_json("[".repeat(100_000).as_bytes(), &Limits::default()), Err(FormError::TooDeep));
}

#[test]
fn hostile_bodies_take_linear_time() {
    let started = Instant::now();
    let many = (0..100_000).map(|i| format!("k{i}[x]=1&")).collect::<Vec<_>>().concat();
    assert_eq!(parse(many.as_bytes(), &Limits::default()), Err(FormError::TooManyPairs));
    let appended = "a[]=1&".repeat(100_000);
    let flips = "a[b]=1&a=1&".repeat(50_000);
    let brackets = format!("a{}=1", "[x".repeat(100_000));
    let huge_key = format!("{}=1", "k".repeat(1_000_000));
    for (body, entries) in [(&many, 100_000), (&appended, 1), (&flips, 1), (&huge_key, 1), (&brackets, 1)] {
        let Value::Map(map) = parse(body.as_bytes(), &wide()).unwrap() else { panic!("a body is a map") };
        assert_eq!(map.len(), entries);
    }
    assert_eq!(parse(format!("a{}=1", "[x]".repeat(100_000)).as_bytes(), &wide()), Err(FormError::TooDeep));
    assert_eq!(parse(huge_key.as_bytes(), &Limits::default()), Err(FormError::KeyTooLong));
    let json = (0..100_000).map(|i| format!(r#""k{i}":1,"#)).collect::<Vec<_>>().concat();
    assert!(parse_json(format!(r#"{{{json}"z":1}}"#).as_bytes(), &wide()).is_ok());
    // Quadratic work would take minutes; a busy machine stays far below this.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn json_comes_out_as_the_form_would() {
    let value = parse_json(
        br#"{"a":[1,null,true,{"b":"x\u0000"}],"n":null,"f":1.5,"big":18446744073709551615,"d":1,"d":2}"#,
        &Limits::default(),
    )
    .unwrap();
    let expected = form("a[0]=1&a[2]=1&a[3][b]=x%00&f=1.5&big=18446744073709551615&d=2");
    assert_eq!(value, expected);
    assert_eq!(parse_json(b"null", &Limits::default()), Ok(Value::default()));
    assert_eq!(parse_json(b"107", &Limits::default()), Ok(Value::Text("107".to_owned())));
}

#[test]
fn placement_options_are_a_map_or_nothing() {
    let limits = Limits::default();
    assert_eq!(parse_options(r#" {"ID":"12"}"#, &limits).int(&["ID"]), Some(12));
    for nothing in ["", "[]", "{}", "undefined", "\"undefined\"", "{\"ID\":", "null", "[1]"] {
        assert_eq!(parse_options(nothing, &limits), Value::default(), "{nothing}");
    }
}

#[test]
fn debug_output_shows_no_texts() {
    let shown = format!("{:?}", form("auth[access_token]=secret"));
    assert_eq!(shown, r#"{"auth": {"access_token": <6 bytes>}}"#);
}

fn any_tree() -> impl Strategy<Value = Value> {
    let key = "[^\\[\\]\\x00]{1,6}".prop_filter("an index of blanks appends", |key| !key.trim_start().is_empty());
    let leaf = "[^\\x00]{0,12}".prop_map(Value::Text);
    let tree = leaf.prop_recursive(5, 60, 6, move |inner| {
        btree_map(key.clone(), inner, 1..6).prop_map(|map| Value::Map(map.into_iter().collect()))
    });
    tree.prop_filter("a body is a map", |value| matches!(value, Value::Map(_)))
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(body in vec(any::<u8>(), 0..400)) {
        let _ = parse(&body, &Limits::default());
        let _ = parse_json(&body, &Limits::default());
    }

    #[test]
    fn any_form_like_text_reads_back_after_encoding(body in "([a-c0-2\\[\\]&=%+. ]|%5B|%5D){0,60}") {
        let value = parse(body.as_bytes(), &Limits::default()).unwrap();
        // Names that only a literal reading explains cannot be written again; every other tree can.
        if !body.contains(['[', ']']) && !body.contains("%5") {
            prop_assert_eq!(parse(encode(&value).as_bytes(), &Limits::default()).unwrap(), value);
        }
    }

    #[test]
    fn a_tree_survives_encode_and_parse(value in any_tree()) {
        let body = encode(&value);
        prop_assert_eq!(parse(body.as_bytes(), &Limits::default()).unwrap(), value);
    }

    #[test]
    fn a_tree_survives_json(value in any_tree()) {
        let body = serde_json::to_vec(&value).unwrap();
        let read = parse_json(&body, &Limits::default()).unwrap();
        prop_assert_eq!(as_json(&read), as_json(&value));
    }
}
