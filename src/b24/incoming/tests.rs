//! Bodies as portals send them, decoded. The data is made up; the shapes are the documentation's and live portals'.

use proptest::prelude::*;
use serde_json::json;

use super::{Auth, EventPost, FramePost, Malformed, OperatorMessage, PortalEvent, RobotCall, kept_event, kept_firing};
use crate::{
    b24::{
        form::{self, Limits, Value},
        methods::{events::EVENTS, messages::ImRef},
    },
    clock::Millis,
};

const AUTH: &str = "&ts=1773759161&auth[access_token]=acc&auth[expires]=1773762761&auth[expires_in]=3600&auth[scope]=crm,imopenlines\
    &auth[domain]=portal.example&auth[server_endpoint]=https%3A%2F%2Foauth.bitrix.info%2Frest%2F&auth[status]=L\
    &auth[client_endpoint]=https%3A%2F%2Fportal.example%2Frest%2F&auth[member_id]=a1b2c3&auth[user_id]=27\
    &auth[application_token]=apptoken&auth[WORKFLOW_ID]=6712ab";

fn parse(body: &str) -> Value {
    form::parse(body.as_bytes(), &Limits::default()).unwrap()
}

fn reread(kept: &str) -> Value {
    form::parse_json(kept.as_bytes(), &Limits::default()).unwrap()
}

fn post(body: &str) -> EventPost {
    EventPost::from_form(&parse(&format!("{body}{AUTH}"))).unwrap()
}

fn event(body: &str) -> PortalEvent {
    post(body).event
}

#[test]
fn an_auth_is_read_whole() {
    let post = post("event=ONAPPINSTALL&data[VERSION]=1");
    let auth = &post.auth;
    assert_eq!(auth.member_id.as_str(), "a1b2c3");
    assert!(auth.application_token.matches("apptoken"));
    assert_eq!(auth.access.as_ref().unwrap().expose(), "acc");
    assert!(auth.refresh.is_none());
    assert_eq!(auth.expires_at, Some(Millis(1_773_762_761_000)));
    assert_eq!(auth.user_id, Some(27));
    assert_eq!(auth.scope, ["crm", "imopenlines"]);
    assert_eq!(auth.client_endpoint.as_ref().unwrap().as_str(), "https://portal.example/rest/");
    assert_eq!(post.sent_at, Some(Millis(1_773_759_161_000)));
    assert_eq!(post.event, PortalEvent::Install);
}

#[test]
fn a_sender_without_a_user_has_no_tokens_but_can_be_verified() {
    let form = parse(
        "event=ONIMCONNECTORLINEDELETE&data=107&auth[domain]=p.example&auth[member_id]=m1\
         &auth[application_token]=t&auth[client_endpoint]=javascript:1&auth[user_id]=0&auth[access_token]=",
    );
    let post = EventPost::from_form(&form).unwrap();
    assert!(post.auth.access.is_none() && post.auth.client_endpoint.is_none());
    assert_eq!(post.auth.user_id, None);
    assert_eq!(post.event, PortalEvent::LineDelete { line: 107 });
}

#[test]
fn what_cannot_be_verified_is_malformed() {
    for (body, field) in [
        ("event=ONAPPINSTALL", "auth"),
        ("event=ONAPPINSTALL&auth[domain]=x", "member_id"),
        ("event=ONAPPINSTALL&auth[member_id]=../x", "member_id"),
        ("event=ONAPPINSTALL&auth=x", "member_id"),
        ("auth[member_id]=m", "event"),
        ("event[]=A&auth[member_id]=m", "event"),
        ("event=ONIMCONNECTORMESSAGEADD&auth[member_id]=m", "data[CONNECTOR]"),
        ("event=ONIMCONNECTORLINEDELETE&data=x&auth[member_id]=m", "data[LINE]"),
    ] {
        assert_eq!(EventPost::from_form(&parse(body)).unwrap_err(), Malformed(field), "{body}");
    }
    assert!(Auth::from_form(&parse("")).is_err());
}

#[test]
fn a_missing_application_token_matches_nothing() {
    let auth = Auth::from_form(&parse("auth[member_id]=m")).unwrap();
    assert!(!auth.application_token.matches(""));
}

#[test]
fn operators_write_with_and_without_files_in_sparse_lists() {
    let event = event(
        "event=ONIMCONNECTORMESSAGEADD&event_handler_id=555&data[CONNECTOR]=chatapp_telegram&data[LINE]=107\
         &data%5BMESSAGES%5D%5B0%5D%5Bim%5D%5Bchat_id%5D=1807&data%5BMESSAGES%5D%5B0%5D%5Bim%5D%5Bmessage_id%5D=86497\
         &data[MESSAGES][0][message][user_id]=27\
         &data[MESSAGES][0][message][text]=%5Bb%5DAnn%3A%5B%2Fb%5D+%5Bbr%5DHello%21\
         &data[MESSAGES][0][message][files][2][name]=a.pdf&data[MESSAGES][0][message][files][2][type]=file\
         &data[MESSAGES][0][message][files][2][mime]=application/pdf&data[MESSAGES][0][message][files][2][size]=12345\
         &data[MESSAGES][0][message][files][2][sizef]=12.06+KB\
         &data[MESSAGES][0][message][files][2][downloadLink]=%2Frest%2Fdownload.json%3Ftoken%3Dx\
         &data[MESSAGES][0][message][files][5][name]=no-link\
         &data[MESSAGES][0][chat][id]=ab12cd34:555\
         &data[MESSAGES][3][im][message_id]=86498&data[MESSAGES][3][message][user_id]=0\
         &data[MESSAGES][3][chat][id]=ab12cd34:556\
         &data[MESSAGES][4][message][text]=lost",
    );
    let PortalEvent::MessageAdd(items) = event else { panic!("{event:?}") };
    assert_eq!((items.connector.as_str(), items.line), ("chatapp_telegram", 107));
    assert_eq!((items.messages.len(), items.skipped), (2, 1));
    let first = &items.messages[0];
    assert_eq!(first.im, ImRef { chat_id: 1807, message_id: 86497 });
    assert_eq!(first.text, "[b]Ann:[/b] [br]Hello!");
    assert_eq!((first.user_id, first.chat_id.as_str()), (27, "ab12cd34:555"));
    let [file] = first.files.as_slice() else { panic!("{:?}", first.files) };
    assert_eq!((file.name.as_str(), file.size), ("a.pdf", Some(12345)));
    assert_eq!(file.download_link.as_deref(), Some("/rest/download.json?token=x"));
    assert_eq!(file.link, None);
    assert_eq!(
        items.messages[1],
        OperatorMessage {
            im: ImRef { chat_id: 0, message_id: 86498 },
            chat_id: "ab12cd34:556".into(),
            ..OperatorMessage::default()
        }
    );
}

#[test]
fn changed_messages_name_ours_as_a_list_or_as_a_text() {
    let update = event(
        "event=ONIMCONNECTORMESSAGEUPDATE&data[CONNECTOR]=c&data[LINE]=1&data[MESSAGES][0][im][message_id]=5\
         &data[MESSAGES][0][message][id][0]=77&data[MESSAGES][0][message][id][1]=78\
         &data[MESSAGES][0][message][text]=new&data[MESSAGES][0][chat][id]=x",
    );
    let delete = event(
        "event=onimconnectormessagedelete&data[CONNECTOR]=c&data[LINE]=1&data[MESSAGES][0][im][message_id]=5\
         &data[MESSAGES][0][message][id]=77&data[MESSAGES][0][chat][id]=x",
    );
    match (update, delete) {
        (PortalEvent::MessageUpdate(update), PortalEvent::MessageDelete(delete)) => {
            assert_eq!(update.messages[0].ids, ["77", "78"]);
            assert_eq!(update.messages[0].text, "new");
            assert_eq!(delete.messages[0].ids, ["77"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connector_leaves_a_line_in_lower_case() {
    assert_eq!(
        event("event=ONIMCONNECTORSTATUSDELETE&data[connector]=chatapp_vk&data[line]=8"),
        PortalEvent::StatusDelete { connector: "chatapp_vk".into(), line: 8 }
    );
}

#[test]
fn uninstallation_says_whether_to_clean() {
    for (body, clean) in [
        ("data[CLEAN]=1", true),
        ("data[CLEAN]=0", false),
        ("data[CLEAN]=", false),
        ("data[LANGUAGE_ID]=ru", false),
        ("x=1", false),
    ] {
        assert_eq!(event(&format!("event=ONAPPUNINSTALL&{body}")), PortalEvent::Uninstall { clean }, "{body}");
    }
}

#[test]
fn a_test_brings_its_query_back() {
    let PortalEvent::Test { query } = event("event=ONAPPTEST&data[QUERY][NONCE]=n1&data[QUERY][x][y]=1") else {
        panic!()
    };
    assert_eq!(query.get("nonce").map(String::as_str), Some("n1"));
    assert_eq!(query.len(), 1);
    assert_eq!(event("event=ONAPPTEST"), PortalEvent::Test { query: [].into() });
}

#[test]
fn sessions_begin_and_end() {
    let body = "data[DATA][0][connector][connector_id]=chatapp_vk&data[DATA][0][connector][line_id]=8\
         &data[DATA][0][connector][chat_id]=a:1&data[DATA][0][connector][user_id]=599&data[DATA][0][session][id]=343\
         &data[DATA][0][session][closed]=Y&data[DATA][0][session][parent_id]=0&data[DATA][0][chat][id]=1777\
         &data[DATA][1][session][id]=9";
    let PortalEvent::DialogFinish(sessions) = event(&format!("event=ONIMCONNECTORDIALOGFINISH&{body}")) else {
        panic!()
    };
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    assert!(session.closed);
    assert_eq!((session.session_id, session.parent_id), (Some(343), None));
    assert_eq!(session.dialog.chat_id, "a:1");
    assert_eq!((session.dialog.user_id, session.dialog.im_chat_id), (Some(599), Some(1777)));
    assert!(matches!(
        event(&format!("event=ONIMCONNECTORDIALOGSTART&{body}")),
        PortalEvent::DialogStart(sessions) if sessions.len() == 1
    ));
}

#[test]
fn a_line_message_is_a_receipt() {
    let PortalEvent::OpenLineMessageAdd(items) = event(
        "event=ONOPENLINEMESSAGEADD&data[DATA][0][connector][connector_id]=chatapp_vk\
         &data[DATA][0][connector][line_id]=8&data[DATA][0][connector][chat_id]=a:1&data[DATA][0][connector][user_id]=599\
         &data[DATA][0][chat][id]=1777&data[DATA][0][message][id]=9001&data[DATA][0][message][date]=1773759161\
         &data[DATA][0][message][text]=hi&data[DATA][0][message][system]=N&data[DATA][0][message][user_id]=599\
         &data[DATA][0][message][files][0][id]=1",
    ) else {
        panic!()
    };
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.message_id, item.author_id, item.files), (9001, 599, 1));
    assert!(!item.system);
    assert_eq!(item.dialog.user_id, Some(599));
}

#[test]
fn every_bound_event_is_understood_and_others_are_named() {
    for name in EVENTS {
        let body = format!("event={name}&data[CONNECTOR]=c&data[LINE]=1");
        assert!(!matches!(event(&body), PortalEvent::Other { .. }), "{name}");
    }
    assert_eq!(event("event=onCrmDealAdd&data[FIELDS][ID]=5"), PortalEvent::Other { name: "ONCRMDEALADD".into() });
}

#[test]
fn events_survive_being_kept() {
    let event = event(
        "event=ONIMCONNECTORMESSAGEADD&data[CONNECTOR]=c&data[LINE]=1&data[MESSAGES][0][im][message_id]=5\
         &data[MESSAGES][0][chat][id]=x",
    );
    let kept = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<PortalEvent>(&kept).unwrap(), event);
}

#[test]
fn a_kept_form_has_no_tokens_and_still_reads() {
    let form = parse(&format!("event=ONAPPINSTALL&data[access_token]=of-a-client{AUTH}&auth[refresh_token]=ref"));
    for text in [kept_event(&form), kept_firing(&form)] {
        for secret in ["\"acc\"", "apptoken", "\"ref\""] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("of-a-client"), "{text}");
        assert_eq!(PortalEvent::from_form(&reread(&text)), Ok(PortalEvent::Install));
    }
    assert!(kept_firing(&form).contains("a1b2c3"));
}

#[test]
fn a_frame_is_read_from_query_and_body() {
    let query = parse("DOMAIN=portal.example:8443&PROTOCOL=1&LANG=ru&APP_SID=5d41");
    let body = parse(
        "AUTH_ID=acc&AUTH_EXPIRES=3600&REFRESH_ID=ref&SERVER_ENDPOINT=https%3A%2F%2Foauth.bitrix.info%2Frest%2F\
         &APPLICATION_TOKEN=apptoken&APPLICATION_SCOPE=imopenlines,placement&member_id=a1b2c3&status=L\
         &PLACEMENT=SETTING_CONNECTOR&PLACEMENT_OPTIONS=%7B%22CONNECTOR%22%3A%22chatapp_vk%22%2C%22LINE%22%3A%2217%22%2C\
         %22STATUS%22%3Afalse%2C%22ACTIVE_STATUS%22%3Atrue%7D",
    );
    let frame = FramePost::from_form(&query, &body).unwrap();
    assert_eq!(frame.member_id.as_str(), "a1b2c3");
    assert_eq!(frame.domain.as_deref(), Some("portal.example:8443"));
    assert!(frame.https);
    assert_eq!(frame.auth_id.as_ref().unwrap().expose(), "acc");
    assert_eq!(frame.auth_expires_s, Some(3600));
    assert_eq!(frame.scope, ["imopenlines", "placement"]);
    assert_eq!(frame.placement, "SETTING_CONNECTOR");
    assert_eq!(frame.option("LINE").as_deref(), Some("17"));
    assert!(frame.option_flag("ACTIVE_STATUS") && !frame.option_flag("STATUS"));
    assert_eq!(frame.option("URI"), None);
}

#[test]
fn an_older_portal_sends_less() {
    let frame = FramePost::from_form(&parse("PROTOCOL=0"), &parse("member_id=m1&AUTH_ID=")).unwrap();
    assert!(!frame.https && frame.auth_id.is_none() && frame.options.is_empty());
    assert_eq!(frame.placement, "DEFAULT");
    assert!(!frame.application_token.matches(""));
    assert!(FramePost::from_form(&parse(""), &parse("AUTH_ID=x")).is_err());
}

#[test]
fn options_of_nothing_have_many_spellings() {
    for text in ["", "[]", "{}", "undefined", "\"undefined\"", "null", "[1]", "{\"ID\":", "%5B%5D"] {
        let body = parse(&format!("member_id=m&PLACEMENT_OPTIONS={text}"));
        let frame = FramePost::from_form(&Value::default(), &body).unwrap();
        assert!(frame.options.is_empty(), "{text}");
    }
    let deep = format!("member_id=m&PLACEMENT_OPTIONS={}", "[".repeat(100_000));
    let frame = FramePost::from_form(&Value::default(), &parse(&deep)).unwrap();
    assert!(frame.options.is_empty());
    let body = parse("member_id=m&PLACEMENT_OPTIONS[ID]=7&PLACEMENT_OPTIONS[x][0]=a");
    let frame = FramePost::from_form(&Value::default(), &body).unwrap();
    assert_eq!(frame.option("ID").as_deref(), Some("7"));
    assert_eq!(frame.options.get("x"), Some(&json!(["a"])));
}

#[test]
fn a_robot_fires() {
    let form = parse(&format!(
        "workflow_id=6712ab.77&code=ca_send_message&document_id[0]=crm&document_id[1]=CCrmDocumentDeal\
         &document_id[2]=DEAL_12&document_type[0]=crm&document_type[1]=Bitrix%5CCrm%5CX&document_type[2]=DEAL\
         &event_token=6712ab%7CA1_2%7Cxyz.sig&properties[message]=%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82&properties[channel]=\
         &properties[files][0]=15&properties[files][2]=16&properties[phone][0][VALUE]=%2B79001234567\
         &properties[phone][0][VALUE_TYPE]=WORK&properties[Case]=k&use_subscription=Y&timeout_duration=0{AUTH}"
    ));
    let call = RobotCall::from_form(&form).unwrap();
    assert_eq!(call.code, "ca_send_message");
    assert_eq!(call.card().unwrap().to_string(), "DEAL_12");
    assert_eq!(call.document_type[1], r"Bitrix\Crm\X");
    assert_eq!(call.event_token.expose(), "6712ab|A1_2|xyz.sig");
    assert_eq!(call.property("message"), Some("Привет"));
    assert_eq!(call.property("channel"), None);
    assert_eq!(call.properties["files"], ["15", "16"]);
    assert_eq!(call.properties["phone"], ["+79001234567"]);
    assert_eq!(call.property("Case"), Some("k"));
    assert!(call.use_subscription);
    assert_eq!(call.timeout_s, None);
    assert_eq!(call.sent_at, Some(Millis(1_773_759_161_000)));
    assert!(!format!("{call:?}").contains("6712ab|"));
}

#[test]
fn a_robot_without_properties_waits_for_nobody() {
    let body = "code=ca_check_phone&event_token=t&document_id[0]=lists&document_id[2]=17&timeout_duration=60&auth[member_id]=m";
    let call = RobotCall::from_form(&parse(body)).unwrap();
    assert!(call.properties.is_empty() && !call.use_subscription);
    assert_eq!((call.timeout_s, call.card()), (Some(60), None));
    for (body, field) in [
        ("code=x&auth[member_id]=m", "event_token"),
        ("event_token=x&auth[member_id]=m", "code"),
        ("code=x&event_token=x", "auth"),
    ] {
        assert_eq!(RobotCall::from_form(&parse(body)).unwrap_err(), Malformed(field));
    }
}

/// Names that the decoders look for, and hostile ones.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "event",
            "data",
            "auth",
            "member_id",
            "CONNECTOR",
            "LINE",
            "MESSAGES",
            "DATA",
            "0",
            "7",
            "-1",
            "im",
            "message",
            "message_id",
            "chat",
            "id",
            "files",
            "link",
            "properties",
            "code",
            "event_token",
            "document_id",
            "2",
            "QUERY",
            "PLACEMENT_OPTIONS",
            "connector",
            "connector_id",
            "line_id",
            "chat_id",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,5}",
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(EVENTS.to_vec()).prop_map(|name| Value::Text(name.to_owned())),
        "\\PC{0,12}".prop_map(Value::Text),
        "-?[0-9]{1,25}".prop_map(Value::Text),
    ];
    // The parsers make keys unique.
    let map =
        |inner| prop::collection::btree_map(key(), inner, 0..8).prop_map(|it| Value::Map(it.into_iter().collect()));
    leaf.prop_recursive(5, 60, 8, map)
}

proptest! {
    #[test]
    fn no_body_makes_a_decoder_panic(form in tree(), event in prop::sample::select(EVENTS.to_vec())) {
        let named = Value::Map(vec![
            ("event".into(), Value::Text(event.into())),
            ("data".into(), form.clone()),
            ("properties".into(), form.clone()),
            ("code".into(), Value::Text("c".into())),
            ("event_token".into(), Value::Text("t".into())),
            ("auth".into(), Value::Map(vec![("member_id".into(), Value::Text("m".into()))])),
        ]);
        let _ = EventPost::from_form(&form);
        let _ = FramePost::from_form(&form, &form);
        let _ = EventPost::from_form(&named);
        prop_assert!(RobotCall::from_form(&named).is_ok());
        prop_assert_eq!(PortalEvent::from_form(&reread(&kept_event(&named))), PortalEvent::from_form(&named));
        prop_assert!(RobotCall::from_form(&reread(&kept_firing(&named))).is_ok());
    }
}
