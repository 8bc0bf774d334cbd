use std::collections::HashSet;

use actix_web::{
    App,
    http::{StatusCode, header},
    test as server,
};

use super::{CLOUD, HTML, PORTAL, SCRIPT, configure_cloud, configure_portal};

#[actix_web::test]
async fn every_file_that_a_page_names_is_served_with_its_type() {
    let app = server::init_service(App::new().configure(configure_portal)).await;
    let mut named = HashSet::new();
    for asset in PORTAL {
        for piece in asset.body.split('"') {
            if let Some(file) = piece.strip_prefix("./")
                && asset.mime == SCRIPT
            {
                named.insert(format!("/assets/{file}"));
            } else if piece.starts_with("/assets/") {
                named.insert(piece.to_owned());
            }
        }
    }
    assert!(named.len() > 10, "the pages name their files: {named:?}");
    for path in named {
        let request = server::TestRequest::get().uri(&path).to_request();
        let response = server::call_service(&app, request).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let mime = response.headers().get(header::CONTENT_TYPE).unwrap();
        let wanted = if path.ends_with(".css") { "text/css" } else { "text/javascript" };
        assert!(mime.to_str().unwrap().starts_with(wanted), "{path}");
    }
}

#[test]
fn pages_need_no_inline_code() {
    for asset in PORTAL.iter().filter(|asset| asset.mime == HTML) {
        assert!(!asset.body.contains("<style"), "{}", asset.path);
        assert!(!asset.body.contains(" on"), "{}", asset.path);
        for script in asset.body.split("<script").skip(1) {
            assert!(script.contains("src=") && script.contains("></script>"));
        }
    }
    for asset in PORTAL.iter().filter(|asset| asset.mime == SCRIPT) {
        for dangerous in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval("] {
            assert!(!asset.body.contains(dangerous), "{}: {dangerous}", asset.path);
        }
    }
}

#[test]
fn every_word_is_known_in_both_languages() {
    let texts = PORTAL.iter().find(|asset| asset.path.ends_with("texts.js")).unwrap();
    let mut known = HashSet::new();
    for line in texts.body.lines().filter(|line| line.ends_with("],")) {
        let (key, words) = line.trim().split_once(": [").unwrap();
        let words: Vec<&str> = words.split('"').skip(1).step_by(2).collect();
        assert_eq!(words.len(), 2, "{key} needs two languages");
        assert!(words.iter().all(|word| !word.is_empty()), "{key}");
        assert!(known.insert(key), "{key} is told twice");
    }
    for asset in PORTAL.iter().filter(|asset| asset.mime == SCRIPT) {
        for used in asset.body.split(" t(\"").chain(asset.body.split("(t(\"")).skip(1) {
            let key = used.split('"').next().unwrap();
            if key.chars().all(|char| char.is_ascii_alphanumeric()) && key.len() < 30 {
                assert!(known.contains(key), "{}: no words for {key}", asset.path);
            }
        }
    }
}

#[actix_web::test]
async fn the_portals_own_addresses_lead_to_cards_and_chats() {
    let app = server::init_service(App::new().configure(configure_portal)).await;
    let cases = [
        ("/crm/deal/details/15/", Some("/#/crm/deal/15")),
        ("/crm/deal/details/15%22/", None),
        ("/crm/quote/details/15/", None),
        ("/online/?IM_DIALOG=chat7", Some("/#/chats/7")),
        ("/online/?IM_DIALOG=imol%7C7", Some("/#/chats/7")),
        ("/online/", Some("/#/chats")),
    ];
    for (path, wanted) in cases {
        let request = server::TestRequest::get().uri(path).to_request();
        let response = server::call_service(&app, request).await;
        let place = response.headers().get(header::LOCATION).map(|place| place.to_str().unwrap().to_owned());
        assert_eq!(place.as_deref(), wanted, "{path}");
    }
}

#[actix_web::test]
async fn the_frame_script_lies_where_the_clouds_lies() {
    let app = server::init_service(App::new().configure(configure_cloud)).await;
    let request = server::TestRequest::get().uri("/api/v1/").to_request();
    let response = server::call_service(&app, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = server::read_body(response).await;
    assert_eq!(body, CLOUD[0].body);
}
