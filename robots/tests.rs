use std::collections::BTreeMap;

use super::*;

fn channel(id: &str, line: &str, reaches: &[AddressKind]) -> Channel {
    Channel {
        id: id.into(),
        connector: "chatapp_whatsapp".into(),
        title: format!("Channel {id}"),
        lines: vec![line.into()],
        reaches: reaches.to_vec(),
        is_connected: true,
    }
}

fn call(properties: &[(&str, &str)], addresses: &[(&str, Vec<Address>)], channels: Vec<Channel>) -> Call {
    Call {
        properties: properties.iter().map(|(key, value)| ((*key).into(), vec![(*value).into()])).collect(),
        addresses: addresses.iter().map(|(key, list)| ((*key).into(), list.clone())).collect(),
        channels,
        use_subscription: true,
    }
}

fn phone(digits: &str) -> Address {
    Address::Phone(format!("+{digits}"))
}

fn plan(call: &Call) -> Plan {
    (find("ca_send_message").unwrap().plan)(call)
}

fn sends(plan: &Plan) -> Vec<(String, String)> {
    let mut sends = Vec::new();
    for step in &plan.steps {
        if let Step::Send(recipient) = step {
            sends.push((recipient.address.label(), recipient.channel.clone()));
        }
    }
    sends
}

fn refusals(plan: &Plan) -> Vec<(&str, &str)> {
    let mut refusals = Vec::new();
    for step in &plan.steps {
        if let Step::Refuse(refusal) = step {
            refusals.push((refusal.label.as_str(), refusal.code.code()));
        }
    }
    refusals
}

#[test]
fn every_manifest_loads_and_its_folder_is_its_code() {
    for robot in all() {
        let path = format!("{}/{}/robot.toml", env!("CARGO_MANIFEST_DIR"), robot.manifest.code);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), robot.manifest);
    }
    let folders = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let manifests = folders.filter(|entry| entry.as_ref().unwrap().path().join("robot.toml").exists()).count();
    assert_eq!(manifests, all().len());
}

#[test]
fn a_manifest_with_a_mistake_does_not_load() {
    let good = include_str!("ca_send_message/robot.toml");
    let broken = [
        ("ru = \"Отправить сообщение\"", ""),
        ("key = \"phones\"", "key = \"Phones\""),
        ("key = \"phones\"", "key = \"timeout_duration\""),
        ("key = \"send_status\"", "key = \"phones\""),
        ("options = \"channels\"", ""),
        ("default = \"Y\"", "default = \"yes\""),
        ("required = true", "requird = true"),
    ];
    for (from, to) in broken {
        assert!(good.contains(from), "{from}");
        assert!(Manifest::parse(&good.replacen(from, to, 1)).is_err(), "{from} → {to}");
    }
}

#[test]
fn the_only_channel_needs_no_choice() {
    let call = call(
        &[("message", "Hello"), ("add_comment", "N")],
        &[("phones", vec![phone("79000000001"), phone("79000000002")])],
        vec![channel("c1", "1", &[AddressKind::Phone]), channel("c2", "1", &[AddressKind::Username])],
    );
    let plan = plan(&call);
    assert_eq!(sends(&plan), [("79000000001".into(), "c1".into()), ("79000000002".into(), "c1".into())]);
    assert!(!plan.add_comment);
    assert_eq!(plan.text, "Hello");
}

#[test]
fn of_several_channels_none_is_guessed() {
    let both = vec![channel("c1", "1", &[AddressKind::Phone]), channel("c2", "2", &[AddressKind::Phone])];
    let to = [("phones", vec![phone("79000000001")])];
    let unclear = call(&[("message", "Hello")], &to, both.clone());
    assert_eq!(refusals(&plan(&unclear)), [("79000000001", "channel_required")]);
    let by_line = call(&[("message", "Hello"), ("line", "2")], &to, both.clone());
    assert_eq!(sends(&plan(&by_line)), [("79000000001".into(), "c2".into())]);
    let by_channel = call(&[("message", "Hello"), ("channel", "c1")], &to, both.clone());
    assert_eq!(sends(&plan(&by_channel)), [("79000000001".into(), "c1".into())]);
    let gone = call(&[("message", "Hello"), ("channel", "c9")], &to, both.clone());
    assert_eq!(refusals(&plan(&gone)), [("79000000001", "channel_not_connected")]);
    let no_line = call(&[("message", "Hello"), ("line", "7")], &to, both);
    assert_eq!(refusals(&plan(&no_line)), [("79000000001", "line_not_found")]);
}

#[test]
fn a_chat_belongs_to_its_own_channel() {
    let channels = vec![channel("c1", "1", &[]), channel("c2", "2", &[])];
    let to = [("crm_messenger", vec![Address::ChatId("c2:777".into())])];
    let free = call(&[("message", "Hello")], &to, channels.clone());
    assert_eq!(sends(&plan(&free)), [("c2:777".into(), "c2".into())]);
    let other = call(&[("message", "Hello"), ("channel", "c1")], &to, channels.clone());
    assert_eq!(refusals(&plan(&other)), [("c2:777", "chat_not_found")]);
    let bare = [("chat_ids", vec![Address::ChatId("79000000001@c.us".into())])];
    let chosen = call(&[("message", "Hello"), ("channel", "c1")], &bare, channels.clone());
    assert_eq!(sends(&plan(&chosen)), [("79000000001@c.us".into(), "c1".into())]);
    let unclear = call(&[("message", "Hello")], &bare, channels.clone());
    assert_eq!(refusals(&plan(&unclear)), [("79000000001@c.us", "channel_required")]);
    let gone = [("crm_messenger", vec![Address::ChatId("c9:777".into())])];
    let only = call(&[("message", "Hello")], &gone, channels[..1].to_vec());
    assert_eq!(refusals(&plan(&only)), [("c9:777", "channel_not_connected")]);
}

#[test]
fn each_bad_recipient_has_its_own_reason_and_the_good_one_is_sent() {
    let mut dead = channel("c2", "2", &[AddressKind::Email]);
    dead.is_connected = false;
    let call = call(
        &[("message", "Hello")],
        &[
            ("phones", vec![Address::Unusable("call me".into()), phone("79000000001"), phone("79000000001")]),
            (
                "chat_ids",
                vec![Address::Username("anna".into()), Address::Unusable("@".into()), Address::Email("a@b.c".into())],
            ),
        ],
        vec![channel("c1", "1", &[AddressKind::Phone]), dead],
    );
    let plan = plan(&call);
    assert_eq!(sends(&plan), [("79000000001".into(), "c1".into())]);
    assert_eq!(
        refusals(&plan),
        [
            ("call me", "invalid_phone"),
            ("@anna", "channel_unsupported"),
            ("@", "invalid_address"),
            ("a@b.c", "channel_not_connected")
        ]
    );
    assert_eq!(plan.notices, [Notice::DuplicateRecipients, Notice::SeveralSources]);
}

#[test]
fn an_empty_text_or_too_many_people_are_refused_by_name() {
    let channels = vec![channel("c1", "1", &[AddressKind::Phone])];
    let empty = call(&[("message", " \n ")], &[("phones", vec![phone("79000000001")])], channels.clone());
    assert_eq!(refusals(&plan(&empty)), [("79000000001", "empty_message")]);
    let crowd: Vec<Address> = (0..60).map(|n| phone(&format!("790000000{n:02}"))).collect();
    let many = plan(&call(&[("message", "Hello")], &[("phones", crowd)], channels.clone()));
    assert_eq!((sends(&many).len(), refusals(&many).len()), (50, 10));
    let nobody = plan(&call(&[("message", "Hello")], &[], channels));
    assert!(nobody.steps.is_empty() && nobody.add_comment);
}

#[test]
fn results_follow_the_grammar() {
    let outcomes = [
        RecipientOutcome::sent("79000000001"),
        RecipientOutcome::failed("79000000000", "line_not_found", "license not\r\nfound; sorry"),
    ];
    let mixed = summary(&outcomes, "en");
    assert_eq!(mixed.status, "N");
    assert_eq!(mixed.result, "79000000001: Y; 79000000000: N: [line_not_found] license not found sorry;");
    assert_eq!(mixed.values()["send_status"], "N");
    assert_eq!(summary(&outcomes[..1], "en").status, "Y");
    let none = summary(&[], "ru");
    assert_eq!((none.status, none.result.as_str()), ("N", "[no_recipient] Не указан получатель;"));
}

#[test]
fn a_long_result_is_cut_between_entries_and_says_by_how_much() {
    let outcomes: Vec<_> = (0..400)
        .map(|n| RecipientOutcome::refused(format!("7900000{n:04}"), ErrorCode::ChannelUnsupported, "ru"))
        .collect();
    let result = summary(&outcomes, "ru").result;
    assert!(result.len() <= RESULT_LIMIT_BYTES);
    let shown = result.matches("; ").count();
    assert!(result.ends_with(&format!("; …+{}", 400 - shown)), "{result}");
    let text = comment(&all()[0].manifest.name, &outcomes, "ru");
    assert!(text.len() <= RESULT_LIMIT_BYTES && text.contains("…+"));
}

#[test]
fn a_comment_is_plain_words_without_tags() {
    let outcomes = [RecipientOutcome::sent("@anna"), RecipientOutcome::failed("7900", "x", "[url=http://e]no[/url]")];
    let text = comment(&all()[0].manifest.name, &outcomes, "ru");
    assert_eq!(text, "ChatApp: Отправить сообщение\n@anna: отправлено\n7900: не отправлено. (url=http://e)no(/url)");
    assert!(comment(&all()[0].manifest.name, &[], "en").ends_with("No recipient is given"));
}

#[test]
fn codes_are_unique_and_both_languages_have_words() {
    let codes: BTreeMap<&str, ErrorCode> = ErrorCode::ALL.iter().map(|code| (code.code(), *code)).collect();
    assert_eq!(codes.len(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        assert_ne!(code.text("ru"), code.text("en"));
    }
}

fn registered(options: &PortalOptions) -> serde_json::Value {
    let handler =
        Handler { url: "https://app.example.com/b24/robots/ca_send_message", user_id: 7, language: "ru", options };
    registration(&find("ca_send_message").unwrap().manifest, &handler)
}

#[test]
fn the_registration_has_the_portal_s_shape() {
    let lists = PortalOptions {
        channels: vec![
            PortalOption { key: "zz".into(), label: "WhatsApp +7 900".into() },
            PortalOption { key: "aa".into(), label: "Telegram @shop".into() },
        ],
        lines: vec![PortalOption { key: "17".into(), label: "Продажи".into() }],
    };
    let value = registered(&lists);
    assert_eq!(value["CODE"], "ca_send_message");
    assert_eq!(value["USE_SUBSCRIPTION"], "Y");
    assert_eq!(value["AUTH_USER_ID"], 7);
    assert_eq!(value["NAME"]["en"], "Send a message");
    assert_eq!(value["PROPERTIES"]["channel"]["Type"], "select");
    assert_eq!(value["PROPERTIES"]["channel"]["Options"]["zz"], "WhatsApp +7 900");
    assert_eq!(
        value["FILTER"]["INCLUDE"][7],
        serde_json::json!(["crm", r"Bitrix\Crm\Integration\BizProc\Document\Dynamic"])
    );
    let order: Vec<&String> = value["PROPERTIES"].as_object().unwrap().keys().collect();
    assert_eq!(order, ["phones", "chat_ids", "crm_messenger", "message", "channel", "line", "add_comment"]);
    let options: Vec<&String> = value["PROPERTIES"]["channel"]["Options"].as_object().unwrap().keys().collect();
    assert_eq!(options, ["zz", "aa"]);
    assert_eq!(value["RETURN_PROPERTIES"]["send_result"]["Type"], "text");
}

#[test]
fn a_select_that_cannot_work_becomes_a_line_of_text() {
    let empty = registered(&PortalOptions::default());
    assert_eq!(empty["PROPERTIES"]["channel"]["Type"], "string");
    assert!(empty["PROPERTIES"]["channel"].get("Options").is_none());
    let huge: Vec<PortalOption> =
        (0..400).map(|n| PortalOption { key: format!("k{n}"), label: "ы".repeat(300) }).collect();
    let long = registered(&PortalOptions { channels: huge, lines: Vec::new() });
    assert_eq!(long["PROPERTIES"]["channel"]["Type"], "string");
}

#[test]
fn an_update_carries_everything_but_the_code_in_its_fields() {
    let options = PortalOptions::default();
    let handler = Handler { url: "https://a.example/x", user_id: 1, language: "en", options: &options };
    let value = registration_update(&all()[0].manifest, &handler);
    assert_eq!(value["CODE"], "ca_send_message");
    assert!(value["FIELDS"].get("CODE").is_none() && value["FIELDS"]["PROPERTIES"].is_object());
}
