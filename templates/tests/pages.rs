//! Every page in every language: nothing from outside becomes markup, and what the frames need is there.

use templates::{Document, Problem, plain, texts};

#[path = "../examples/gallery/samples.rs"]
mod samples;

use samples::{Sample, samples};

/// Ends attributes and elements, tries to run, and breaks out of the page's JSON.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)></style>&amp;\u{2028}";

const PAGE_LIMIT_BYTES: usize = 150 * 1024;

fn every(spice: &str) -> Vec<(&'static str, Sample)> {
    let mut every = Vec::new();
    for language in ["en", "ru"] {
        every.extend(samples(language, spice).into_iter().map(|sample| (language, sample)));
    }
    every
}

/// The page without its own style, scripts and data: only what views and texts wrote.
fn body(html: &str) -> String {
    let mut rest = html;
    let mut body = String::new();
    for (open, close) in [
        ("<style", "</style>"),
        ("<script type=", "</script>"),
        ("<script src=", "</script>"),
        ("<script nonce", "</script>"),
    ] {
        let Some(start) = rest.find(open) else {
            continue;
        };
        let length = rest[start..].find(close).unwrap_or_else(|| panic!("{open} does not end"));
        let end = start + length + close.len();
        body.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    body.push_str(rest);
    body
}

#[test]
fn nothing_from_outside_becomes_markup() {
    for (language, sample) in every(HOSTILE) {
        let body = body(&sample.html);
        for sign in ["<script", "<img src=x", "</style>", "\"'>", "onerror=alert(1)>"] {
            assert!(!body.contains(sign), "{} {language}: {sign}", sample.name);
        }
        // Only pages without any outside text lack it.
        assert_eq!(body.contains("&lt;script&gt;"), sample.name != "neutral", "{} {language}", sample.name);
    }
}

#[test]
fn a_hostile_session_cannot_leave_its_json() {
    let frame = templates::Frame { session: HOSTILE, session_seconds: 1, portal_script: HOSTILE };
    let document = Document { texts: texts("en"), nonce: HOSTILE, frame: Some(frame) };
    let view = templates::install::InstallView {
        portal: String::new(),
        steps: Vec::new(),
        phase: templates::install::Phase::Stopped,
    };
    let html = templates::install::page(&document, &view).into_string();
    assert_eq!(html.matches("<script").count(), 3);
    assert_eq!(html.matches("</script>").count(), 3);
    let data =
        html.split("id=\"page\"").nth(1).unwrap().split_once("\">{").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(&format!("{{{data}")).unwrap();
    assert_eq!(data["session"], HOSTILE);
    assert_eq!(data["session_seconds"], 1);
}

#[test]
fn pages_obey_a_strict_content_policy() {
    for (language, sample) in every("") {
        let html = &sample.html;
        let body = body(html);
        for sign in [" style=", "javascript:", " onclick=", " onload=", " onsubmit=", "http-equiv"] {
            assert!(!body.contains(sign), "{} {language}: {sign}", sample.name);
        }
        let scripts = html.matches("<script").count();
        assert_eq!(html.matches("nonce=\"bm9uY2U\"").count(), scripts + 1, "{} {language}", sample.name);
        assert!(!html.contains("eval(") && !html.contains("innerHTML"), "{} {language}", sample.name);
        assert!(html.len() < PAGE_LIMIT_BYTES, "{} {language}: {} bytes", sample.name, html.len());
        assert!(html.starts_with("<!DOCTYPE html>"));
        assert!(html.contains(&format!("<html lang=\"{language}\">")));
    }
}

#[test]
fn pages_that_prove_no_portal_carry_no_session() {
    let with_session: Vec<String> = every("")
        .into_iter()
        .filter(|(_, sample)| sample.html.contains("session-token"))
        .map(|(_, sample)| sample.name.to_owned())
        .collect();
    for name in ["error", "neutral", "notice"] {
        assert!(!with_session.contains(&name.to_owned()));
    }
    for name in ["app", "connector-choose", "crm-chat"] {
        assert!(with_session.contains(&name.to_owned()));
    }
}

#[test]
fn both_languages_are_complete_and_different() {
    let (english, russian) = (texts("en"), texts("RU"));
    assert_eq!((english.code, russian.code, texts("de").code), ("en", "ru", "en"));
    for problem in Problem::ALL {
        let (en, ru) = (english.problems.of(*problem), russian.problems.of(*problem));
        for text in [en.what, en.todo, ru.what, ru.todo] {
            assert!(text.ends_with('.') && text.len() > 8, "{}: {text}", problem.code());
        }
        assert!(en.what.is_ascii() && !ru.what.is_ascii(), "{}", problem.code());
    }
    for (english, russian) in samples("en", "").iter().zip(samples("ru", "")) {
        assert_ne!(english.html, russian.html, "{}", english.name);
    }
}

#[test]
fn russian_pages_call_an_open_channel_by_its_full_name() {
    for sample in samples("ru", "") {
        let page = body(&sample.html).to_lowercase();
        for form in ["линия", "линии", "линию", "линией"] {
            for (at, _) in page.match_indices(form) {
                assert!(
                    page[..at].ends_with("открытая ")
                        || page[..at].ends_with("открытой ")
                        || page[..at].ends_with("открытую ")
                );
            }
        }
    }
}

#[test]
fn only_web_and_mail_addresses_become_links() {
    let document = Document { texts: texts("en"), nonce: "n", frame: None };
    let linked = |url: &str| {
        let problem = Problem::Internal;
        let view = plain::ErrorView { problem, request_id: String::new(), support_url: Some(url.into()) };
        plain::error(&document, &view).into_string().contains("<a ")
    };
    assert!(linked("https://help.example.com/?a=1") && linked("http://localhost:8080/") && linked("mailto:a@b.c"));
    assert!(
        !linked("javascript:alert(1)") && !linked(" JavaScript:x") && !linked("data:text/html,x") && !linked("//x")
    );
}

#[test]
fn every_code_of_a_problem_is_unique() {
    let mut codes: Vec<&str> = Problem::ALL.iter().map(|problem| problem.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Problem::ALL.len());
}

#[test]
fn labels_belong_to_fields_and_ids_are_unique() {
    for (language, sample) in every("") {
        let body = body(&sample.html);
        let ids: Vec<&str> = values(&body, " id=\"");
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{} {language}: {ids:?}", sample.name);
        for attribute in [" for=\"", " aria-describedby=\"", " data-fill=\""] {
            for target in values(&body, attribute) {
                assert!(ids.contains(&target), "{} {language}: {target}", sample.name);
            }
        }
    }
}

#[test]
fn the_installation_ends_by_itself_only_when_nothing_is_lacking() {
    let html = |name: &str| samples("en", "").into_iter().find(|sample| sample.name == name).unwrap().html;
    assert!(html("install-ready").contains("data-finish=\"ask\""));
    for name in ["install-working", "install-stopped", "install-repeated"] {
        assert!(!html(name).contains("data-finish="), "{name}");
    }
    assert!(html("install-working").contains("data-poll=\"/frame/install/state\""));
    assert!(html("install-working").contains("data-start=\"/frame/install/provision\""));
    assert!(
        !body(&html("install-stopped")).contains("data-poll=\"")
            && !body(&html("install-stopped")).contains("data-start=\"")
    );
}

#[test]
fn secrets_are_typed_hidden_and_nobody_offers_to_keep_them() {
    let html = samples("en", "").into_iter().find(|sample| sample.name == "connector-choose").unwrap().html;
    for name in ["password", "token"] {
        let input = html.split("<input").find(|input| input.contains(&format!("name=\"{name}\""))).unwrap();
        assert!(input.contains("type=\"password\"") && input.contains("autocomplete=\"new-password\""));
    }
}

#[test]
fn an_onlooker_of_the_connector_page_can_change_nothing() {
    let html = samples("en", "").into_iter().find(|sample| sample.name == "connector-onlooker").unwrap().html;
    assert!(!body(&html).contains("data-action"));
}

#[test]
fn the_neutral_page_knows_nothing() {
    let document = Document { texts: texts("en"), nonce: "n", frame: None };
    let html = plain::neutral(&document).into_string();
    assert!(html.contains("ChatApp for Bitrix24") && !html.contains("<script") && !html.contains("<form"));
}

fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect()
}
