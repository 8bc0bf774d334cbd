use std::collections::BTreeSet;

use super::*;

fn open(name: &str, code: &str, options: &str) -> Result<Opening, Refusal> {
    (find(name).unwrap().open)(&Options::parse(code, Some(options)))
}

#[test]
fn every_manifest_loads_and_its_folder_is_its_name() {
    let root = env!("CARGO_MANIFEST_DIR");
    for placement in all() {
        let folder = placement.manifest.name.replace('-', "_");
        let text = std::fs::read_to_string(format!("{root}/{folder}/placement.toml")).unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), placement.manifest);
    }
    let entries = std::fs::read_dir(root).unwrap();
    let folders = entries.filter(|entry| entry.as_ref().unwrap().path().join("placement.toml").exists()).count();
    assert_eq!(folders, all().len());
}

#[test]
fn a_manifest_with_a_mistake_does_not_load() {
    let good = include_str!("crm_chat/placement.toml");
    let broken = [
        ("name = \"crm-chat\"", "name = \"CRM chat\""),
        ("/b24/", "/other/"),
        ("CRM_LEAD_DETAIL_TAB", "SETTING_CONNECTOR"),
        (", ru = \"ChatApp\"", ""),
        ("audience = \"everyone\"", "audience = \"nobody\""),
        ("bind = true", "bind = true\nicon = \"x\""),
    ];
    for (from, to) in broken {
        assert!(good.contains(from), "{from}");
        assert!(Manifest::parse(&good.replacen(from, to, 1)).is_err(), "{from} → {to}");
    }
}

#[test]
fn the_kind_of_card_comes_from_the_code_alone() {
    let options = r#"{"ID":"15","ENTITY_TYPE":"lead","PLACEMENT":"CRM_LEAD_DETAIL_TAB"}"#;
    let card = CardRef { entity: Entity::Deal, id: 15 };
    assert_eq!(open("crm-chat", "CRM_DEAL_DETAIL_TAB", options), Ok(Opening::Card(card)));
    assert_eq!(open("crm-chat", "crm_deal_detail_tab ", options), Ok(Opening::Card(card)));
    assert_eq!(open("crm-chat", "DEFAULT", options), Err(Refusal::WrongCode));
    for code in &find("crm-chat").unwrap().manifest.codes {
        let Ok(Opening::Card(card)) = open("crm-chat", code, r#"{"ID":7}"#) else { panic!("{code} does not open") };
        assert!(code.contains(&card.entity.name().to_uppercase()));
    }
}

#[test]
fn what_is_no_object_counts_as_empty() {
    for options in
        ["", "[]", "{}", "undefined", "\"undefined\"", "null", "{", "[1]", "7", r#"{"ID":""}"#, r#"{"ID":[1]}"#]
    {
        assert_eq!(open("crm-chat", "CRM_DEAL_DETAIL_TAB", options), Err(Refusal::NoCard), "{options}");
        assert_eq!(open("app", "DEFAULT", options), Ok(Opening::App));
    }
    for id in ["0", "-1", "1.5", "abc", "9223372036854775808", " ", "1e3", "+5"] {
        let options = format!(r#"{{"ID":"{id}"}}"#);
        assert_eq!(open("crm-chat", "CRM_DEAL_DETAIL_TAB", &options), Err(Refusal::NoCard), "{id}");
    }
    let long = format!(r#"{{"ID":"1","x":"{}"}}"#, "y".repeat(70_000));
    assert_eq!(open("crm-chat", "CRM_DEAL_DETAIL_TAB", &long), Err(Refusal::NoCard));
    let deep = format!(r#"{{"ID":1,"x":{}{}}}"#, "[".repeat(3000), "]".repeat(3000));
    assert_eq!(open("crm-chat", "CRM_DEAL_DETAIL_TAB", &deep), Err(Refusal::NoCard));
}

#[test]
fn the_connector_page_knows_its_open_channel() {
    let options = r#"{"CONNECTOR":"chatapp_telegram_bot","LINE":"17","STATUS":false,"ACTIVE_STATUS":true,
        "CONNECTION_STATUS":"Y","REGISTER_STATUS":1,"ERROR_STATUS":"N","URI":"/contact_center/connector/"}"#;
    let Ok(Opening::Connector(setup)) = open("connector", "SETTING_CONNECTOR", options) else { panic!("not opened") };
    assert_eq!((setup.connector.id.as_str(), setup.line), ("chatapp_telegram_bot", 17));
    let flags = ConnectorFlags { active: true, connection: true, register: true, ..ConnectorFlags::default() };
    assert_eq!(setup.flags, flags);
    let foreign = r#"{"CONNECTOR":"livechat","LINE":"17"}"#;
    assert_eq!(open("connector", "SETTING_CONNECTOR", foreign), Err(Refusal::UnknownConnector));
    let no_line = r#"{"CONNECTOR":"CHATAPP_WHATSAPP","LINE":"0"}"#;
    assert_eq!(open("connector", "SETTING_CONNECTOR", no_line), Err(Refusal::NoLine));
    assert_eq!(open("connector", "DEFAULT", options), Err(Refusal::WrongCode));
}

#[test]
fn the_installation_opens_under_every_code() {
    assert_eq!(open("install", "DEFAULT", "[]"), Ok(Opening::Install { wanted: None }));
    let wanted = Some("SETTING_CONNECTOR".to_owned());
    assert_eq!(open("install", "setting_connector", ""), Ok(Opening::Install { wanted }));
    assert!(find("install").unwrap().manifest.serves("ANYTHING"));
    assert!(!find("app").unwrap().manifest.serves("ANYTHING"));
}

#[test]
fn only_bound_placements_have_bindings() {
    let url = "https://app.example.com/b24/placements/crm-chat";
    let calls = bindings(&find("crm-chat").unwrap().manifest, url);
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[0]["PLACEMENT"], "CRM_DEAL_DETAIL_TAB");
    assert_eq!(calls[0]["HANDLER"], url);
    assert_eq!(calls[0]["LANG_ALL"]["ru"]["TITLE"], "ChatApp");
    assert!(bindings(&find("connector").unwrap().manifest, url).is_empty());
}

#[test]
fn connector_ids_are_the_promised_ones() {
    let people: Vec<&str> = connectors::all()
        .iter()
        .filter(|connector| !connector.is_group)
        .map(|connector| connector.id.as_str())
        .collect();
    assert_eq!(
        people,
        [
            "chatapp_whatsapp",
            "chatapp_waba",
            "chatapp_telegram",
            "chatapp_telegram_bot",
            "chatapp_vk",
            "chatapp_avito",
            "chatapp_email",
            "chatapp_max",
            "chatapp_instagram",
            "chatapp_viber",
            "chatapp_facebook"
        ]
    );
    for connector in connectors::all() {
        assert_eq!(connector.id, format!("chatapp_{}", connector.kind));
        assert_eq!(connector.is_group, connector.id.ends_with("_groups"));
        assert!(connector.title.starts_with("ChatApp - ") && connector.title.ends_with(" (external provider)"));
    }
    assert_eq!(connectors::find("chatapp_whatsapp").unwrap().title, "ChatApp - WhatsApp (external provider)");
    assert_eq!(connectors::by_chatapp_type("grWhatsApp").unwrap().id, "chatapp_whatsapp");
    assert!(connectors::by_chatapp_type("pigeon").is_none());
}

#[test]
fn no_two_connectors_share_an_id_an_icon_or_a_messenger_type() {
    let all = connectors::all();
    let icons: BTreeSet<String> = all.iter().map(connectors::Connector::icon).collect();
    assert_eq!(icons.len(), all.len());
    let ids: BTreeSet<&str> = all.iter().map(|connector| connector.id.as_str()).collect();
    assert_eq!(ids.len(), all.len());
    let types: Vec<&String> =
        all.iter().filter(|connector| !connector.is_group).flat_map(|connector| &connector.chatapp_types).collect();
    assert_eq!(types.iter().collect::<BTreeSet<_>>().len(), types.len());
}

#[test]
fn groups_have_the_settings_of_their_messenger_that_mean_something_there() {
    let names = |id: &str| -> Vec<&str> {
        connectors::find(id).unwrap().settings().flat_map(|(_, own)| own).map(|setting| setting.name.as_str()).collect()
    };
    for connector in connectors::all().iter().filter(|connector| connector.is_group) {
        let private = names(connector.id.trim_end_matches("_groups"));
        assert!(private.contains(&"group_messages") && private.contains(&"group_phones"), "{}", connector.id);
        // Nothing of the CRM, of text messages and of the site's button.
        let of_people = |name: &str| {
            ["group_messages", "chat_names"].contains(&name)
                || ["sms", "follow_", "assign_", "widget_"].iter().any(|start| name.starts_with(start))
        };
        let (own, kept) = (names(&connector.id), private.iter().filter(|name| !of_people(name)));
        assert_eq!(own, kept.copied().collect::<Vec<_>>());
    }
    assert!(!names("chatapp_vk").contains(&"group_phones"));
}

#[test]
fn an_icon_is_a_data_address_that_no_css_can_trip_over() {
    for connector in connectors::all() {
        let icon = connector.icon();
        let svg = icon.strip_prefix("data:image/svg+xml,").unwrap();
        assert!(svg.starts_with("%3Csvg") && svg.ends_with("%3C/svg%3E"));
        assert!(!svg.contains(['<', '>', '"', '\'', '#', ' ', '(', ')', ';', ',']), "{svg}");
        assert!(icon.len() < 2048);
    }
}

#[test]
fn a_registration_has_booleans_and_its_flags() {
    let url = "https://app.example.com/b24/placements/connector";
    let value = connectors::registration(connectors::find("chatapp_waba").unwrap(), url, false);
    assert_eq!(value["ID"], "chatapp_waba");
    assert_eq!(value["PLACEMENT_HANDLER"], url);
    assert_eq!(value["EDIT_INTERNAL_MESSAGES"], true);
    assert_eq!(value["DEL_EXTERNAL_MESSAGES"], false);
    assert_eq!(value["CHAT_GROUP"], false);
    assert_ne!(value["ICON"]["DATA_IMAGE"], value["ICON_DISABLED"]["DATA_IMAGE"]);
    let groups = connectors::registration(connectors::find("chatapp_telegram_groups").unwrap(), url, true);
    assert_eq!(groups["DEL_EXTERNAL_MESSAGES"], true);
    assert_eq!(groups["CHAT_GROUP"], true);
    assert_eq!(groups["NAME"], "ChatApp - Telegram groups (external provider)");
}
