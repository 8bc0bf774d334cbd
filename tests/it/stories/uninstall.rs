//! How the application leaves a portal, and how it is only said to.

use chatapp_server::db::{InstallationState, PortalState};

use crate::harness::{MINUTE, Portal, Story, stories};

stories![
    an_uninstalled_portal_is_stopped_and_keeps_its_data,
    an_uninstall_with_its_data_erases_the_portal,
    an_announced_uninstall_that_is_not_true_changes_nothing,
    an_event_with_a_wrong_token_is_refused_and_leaves_nothing,
    a_portal_that_comes_back_works_again,
];

async fn state(story: &Story, portal: &Portal<'_>) -> Option<PortalState> {
    story.app().db.portal_get(&portal.id()).await.unwrap().map(|it| it.state)
}

async fn an_uninstalled_portal_is_stopped_and_keeps_its_data(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    portal.uninstalls(false);
    story.calms_down().await;
    assert_eq!(portal.installation().await.unwrap().state, InstallationState::Stopped);
    assert_eq!(state(story, &portal).await, Some(PortalState::Stopped));
}

async fn an_uninstall_with_its_data_erases_the_portal(story: &Story) {
    let (portal, neighbour) = (story.portal().await, story.portal().await);
    portal.installs().await;
    neighbour.installs().await;
    let cabinet = story.sandbox.messengers().add_cabinet("shop@example.com", "pass");
    let account = cabinet.add_license(Some("Shop"), &["grWhatsApp"]).account("grWhatsApp");
    portal.connects_chatapp(portal.line(), "chatapp_whatsapp", &cabinet).await;
    let client = story.sandbox.messengers().phone().person("Olga", Some("+7 900 000-00-01"), None);
    portal.is_written_to(&client, &account, "Good day").await;

    portal.uninstalls(true);
    story.calms_down().await;
    assert_eq!(state(story, &portal).await, None);
    assert!(portal.installation().await.is_none());
    assert!(story.app().db.channel_list(&portal.id()).await.unwrap().is_empty());
    // Nobody else loses anything.
    assert_eq!(state(story, &neighbour).await, Some(PortalState::Active));
    assert!(neighbour.installation().await.is_some());
}

/// What a forger posts; `token` he may have read in his browser.
fn uninstall_event(portal: &Portal<'_>, token: &str) -> Vec<(String, String)> {
    let fields = [
        ("event", "ONAPPUNINSTALL"),
        ("data[LANGUAGE_ID]", "ru"),
        ("data[CLEAN]", "1"),
        ("ts", "1795219200"),
        ("auth[domain]", &portal.domain()),
        ("auth[member_id]", portal.member_id()),
        ("auth[application_token]", token),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn an_announced_uninstall_that_is_not_true_changes_nothing(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let refreshes = story.sandbox.refreshes();
    // Every employee can read the application token in his browser.
    for _time in 0..3 {
        portal.post_event_raw(&story.url("/b24/events"), &uninstall_event(&portal, &portal.application_token()));
    }
    story.calms_down().await;
    assert!(portal.posted_events().iter().filter(|post| post.event == "RAW").all(|post| post.status == Some(200)));
    assert_eq!(portal.installation().await.unwrap().state, InstallationState::Active);
    assert_eq!(state(story, &portal).await, Some(PortalState::Active));
    // Frequent refreshing gets an application blocked: a forger must not be able to cause it.
    assert_eq!(story.sandbox.refreshes(), refreshes);
}

async fn an_event_with_a_wrong_token_is_refused_and_leaves_nothing(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let calls = portal.calls().len();
    let stranger = story.portal().await;
    let forged = [
        uninstall_event(&portal, "0123456789abcdef0123456789abcdef"),
        uninstall_event(&portal, ""),
        uninstall_event(&stranger, &portal.application_token()),
        vec![("event".to_owned(), "ONAPPUNINSTALL".to_owned())],
        vec![],
    ];
    for form in forged {
        let answer = story.http().post(story.url("/b24/events")).form(&form).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 403);
        assert_eq!(answer.text().await.unwrap(), "", "a stranger is told nothing");
    }
    story.calms_down().await;
    assert_eq!(portal.calls().len(), calls, "a forged event made us call the portal");
    assert_eq!(portal.installation().await.unwrap().state, InstallationState::Active);
}

async fn a_portal_that_comes_back_works_again(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let cabinet = story.sandbox.messengers().add_cabinet("shop@example.com", "pass");
    let account = cabinet.add_license(Some("Shop"), &["grWhatsApp"]).account("grWhatsApp");
    portal.connects_chatapp(portal.line(), "chatapp_whatsapp", &cabinet).await;
    portal.uninstalls(false);
    story.calms_down().await;

    // Not in the same second: the same events would be the same.
    story.time_passes(MINUTE);
    portal.installs().await;
    assert_eq!(state(story, &portal).await, Some(PortalState::Active));
    // The account is known still; "Connect" is all that the line needs.
    let mut page = portal.opens_connector(portal.line(), "chatapp_whatsapp").await;
    let channel = page.free_channels().first().cloned().expect("the account is still there");
    page.connects(&channel).await.is_done();
    portal.connector_works(portal.line(), "chatapp_whatsapp").await;
    let client = story.sandbox.messengers().phone().person("Olga", Some("+7 900 000-00-01"), None);
    portal.is_written_to(&client, &account, "Are you back?").await;
}
