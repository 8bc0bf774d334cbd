//! How the application comes into a portal.

use std::collections::BTreeSet;

use chatapp_server::{b24::methods::events::EVENTS, db::StepState, relay::provision::Part};
use sandbox::portal::{Closed, Fault, Plan};
use serde_json::json;

use crate::harness::{CLIENT_ID, Frame, Portal, Story, stories};

stories![
    an_administrator_installs_by_the_frame,
    whatever_is_opened_before_the_end_is_the_wizard,
    an_employee_is_told_that_an_administrator_must_install,
    an_application_without_pages_installs_by_its_event,
    setting_up_twice_doubles_nothing,
    a_free_plan_lacks_robots_and_has_everything_else,
    a_portal_that_stumbles_is_tried_again,
    an_update_that_drops_everything_is_set_up_again,
    a_forged_installation_leaves_nothing_behind,
];

/// Everything that the product sets up is there, once.
fn has_everything_once(story: &Story, portal: &Portal<'_>) {
    let app = story.app();
    let connectors: Vec<String> = portal.connectors().into_iter().map(|it| it.id).collect();
    let wanted: Vec<String> = app.connectors().map(|it| it.id.clone()).collect();
    assert_eq!(connectors.iter().collect::<BTreeSet<_>>(), wanted.iter().collect::<BTreeSet<_>>());
    let bound = portal.placements();
    let codes: BTreeSet<&str> = bound.iter().map(|it| it.placement.as_str()).collect();
    let wanted = placements::all().iter().filter(|it| it.manifest.bind).flat_map(|it| it.manifest.codes.iter());
    assert_eq!(codes, wanted.map(String::as_str).collect());
    assert_eq!(bound.len(), codes.len(), "a screen is bound twice");
    let robots: BTreeSet<String> = portal.robots().into_iter().map(|it| it.code).collect();
    assert_eq!(robots, robots::all().iter().map(|it| it.manifest.code.clone()).collect());
    let own = story.url("/");
    assert!(
        bound.iter().all(|it| it.handler.starts_with(&own))
            && portal.robots().iter().all(|it| it.handler.starts_with(&own))
    );
}

/// The events of the portal that reach our handler, each by its name.
fn heard_events(portal: &Portal<'_>) -> Vec<String> {
    let answers = portal.calls_of("event.bind").into_iter().filter(|call| call.error.is_none());
    answers.map(|call| call.params["event"].as_str().unwrap_or_default().to_uppercase()).collect()
}

async fn an_administrator_installs_by_the_frame(story: &Story) {
    let portal = story.portal().await;
    portal.adds_chatapp();
    let mut wizard = portal.admin_opens("DEFAULT").await;
    wizard.runs_installation().await;

    // Everything is set up, and the portal still waits for the end: it has told nobody anything.
    has_everything_once(story, &portal);
    assert!(portal.app().is_some_and(|app| !app.installed));
    assert_eq!(portal.posted_events().len(), 0);

    wizard.finishes_as_the_script_does();
    portal.is_installed().await;
    assert!(portal.app().is_some_and(|app| app.installed));
    assert_eq!(
        heard_events(&portal).into_iter().collect::<BTreeSet<_>>(),
        EVENTS.iter().map(|it| (*it).to_owned()).collect()
    );
    has_everything_once(story, &portal);

    let page = portal.admin_opens("DEFAULT").await;
    page.is_open();
    page.says((portal.words().app.state_name)(templates::app::AppState::Works));
}

async fn whatever_is_opened_before_the_end_is_the_wizard(story: &Story) {
    let portal = story.portal().await;
    portal.adds_chatapp();
    let card = portal.card(sandbox::portal::CardKind::Deal, sandbox::portal::NewCard::default());
    let mut wizard = portal.opens(portal.admin(), "CRM_DEAL_DETAIL_TAB", &json!({"ID": card.id.to_string()})).await;
    wizard.says(portal.words().install.title);
    wizard.runs_installation().await;
    wizard.finishes_as_the_script_does();
    portal.is_installed().await;
}

async fn an_employee_is_told_that_an_administrator_must_install(story: &Story) {
    let portal = story.portal().await;
    portal.adds_chatapp();
    // The portal does not even open the wizard for an employee …
    let closed = portal.tries_to_open(portal.employee(), "DEFAULT", &json!({})).await.err();
    assert_eq!(closed, Some(Closed::NotInstalled));
    // … but its form may be older than what its user may do.
    let form = portal.opens_frame(portal.admin(), "DEFAULT", &json!({})).unwrap();
    portal.makes_admin(portal.admin(), false);
    let page = Frame::load(story, &portal, form).await;
    page.says(portal.words().problems.of(templates::Problem::AdministratorOnly).what);
    assert_eq!(page.session(), None);
    assert!(story.app().db.portal_get(&portal.id()).await.unwrap().is_none(), "an employee has installed");
    assert!(portal.connectors().is_empty());
}

async fn an_application_without_pages_installs_by_its_event(story: &Story) {
    story.publishes(false);
    let portal = story.portal().await;
    portal.adds_chatapp();
    portal.is_installed().await;
    has_everything_once(story, &portal);
}

async fn setting_up_twice_doubles_nothing(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let bound = heard_events(&portal);
    let mut page = portal.admin_opens("DEFAULT").await;
    for _again in 0..2 {
        page.sends("/frame/install/provision", &json!({})).await.is_done();
        story.calms_down().await;
    }
    has_everything_once(story, &portal);
    let again = heard_events(&portal);
    assert_eq!(again, bound, "an event was bound again");
    assert_eq!(again.iter().collect::<BTreeSet<_>>().len(), again.len(), "an event is bound twice");
    steps_are(story, &portal, |_part| StepState::Done).await;
}

async fn steps_are(story: &Story, portal: &Portal<'_>, expected: impl Fn(&str) -> StepState) {
    let installation = portal.installation().await.unwrap();
    let steps = story.app().db.step_list(&portal.id(), installation.id).await.unwrap();
    for part in Part::ALL {
        let step = steps.iter().find(|step| step.name == part.name()).unwrap();
        assert_eq!(step.state, expected(part.name()), "{}: {}", step.name, step.detail);
    }
}

async fn a_free_plan_lacks_robots_and_has_everything_else(story: &Story) {
    let portal = story.portal().await;
    portal.plan(Plan::Free);
    portal.adds_chatapp();
    let mut wizard = portal.admin_opens("DEFAULT").await;
    wizard.runs_installation().await;
    // Whoever must read what is missing ends the installation by hand.
    wizard.says(portal.words().install.ready_limited);
    wizard.bridge("setInstallFinish", &json!({})).unwrap();
    portal.is_installed().await;
    assert!(portal.robots().is_empty());
    assert_eq!(portal.connectors().len(), story.app().connectors().count());
    let robots = Part::Robots.name();
    steps_are(story, &portal, |part| if part == robots { StepState::Lacking } else { StepState::Done }).await;

    // The portal buys a plan, and the administrator lets it be checked.
    portal.plan(Plan::Commercial);
    let mut page = portal.admin_opens("DEFAULT").await;
    page.sends("/frame/install/provision", &json!({})).await.is_done();
    story.calms_down().await;
    has_everything_once(story, &portal);
    steps_are(story, &portal, |_part| StepState::Done).await;
}

async fn a_portal_that_stumbles_is_tried_again(story: &Story) {
    let portal = story.portal().await;
    portal.adds_chatapp();
    portal.fails_next("imconnector.register", Fault::query_limit());
    portal.fails_next("placement.bind", Fault::Html { status: 502 });
    portal.fails_next("bizproc.robot.add", Fault::DoesAndCuts);
    let mut wizard = portal.admin_opens("DEFAULT").await;
    wizard.is_open();
    story
        .passes_until("everything is set up", async || {
            wizard.looks("/frame/install/state").await.is_done();
            wizard.text().contains(portal.words().install.ready).then_some(())
        })
        .await;
    has_everything_once(story, &portal);
    wizard.finishes_as_the_script_does();
    portal.is_installed().await;
}

async fn an_update_that_drops_everything_is_set_up_again(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    portal.updates_app(CLIENT_ID);
    assert!(portal.placements().is_empty());
    let mut wizard = portal.admin_opens("DEFAULT").await;
    wizard.runs_installation().await;
    wizard.bridge("setInstallFinish", &json!({})).unwrap();
    portal.is_installed().await;
    has_everything_once(story, &portal);
}

async fn a_forged_installation_leaves_nothing_behind(story: &Story) {
    let (portal, other) = (story.portal().await, story.portal().await);
    portal.adds_chatapp();
    other.adds_chatapp();
    let genuine = portal.opens_frame(portal.admin(), "DEFAULT", &json!({})).unwrap();
    let forge = |field: &str, value: &str| {
        let mut form = genuine.clone();
        value.clone_into(&mut form.fields.iter_mut().find(|(name, _)| name == field).unwrap().1);
        form
    };
    let forged = [
        forge("REFRESH_ID", "0123456789abcdef0123456789abcdef"),
        // A genuine token, said to be another portal's.
        forge("member_id", other.member_id()),
        // A server that is not on the list never gets our secret.
        forge("SERVER_ENDPOINT", &format!("{}/rest/", other.origin())),
    ];
    for form in forged {
        let page = Frame::load(story, &portal, form).await;
        assert!(matches!(page.status, 400..500), "a forged installation was answered with {}", page.status);
        assert_eq!(page.session(), None);
        for victim in [&portal, &other] {
            assert!(story.app().db.portal_get(&victim.id()).await.unwrap().is_none());
        }
    }
    assert!(other.calls().is_empty(), "a server that is not on the list was called");
}
