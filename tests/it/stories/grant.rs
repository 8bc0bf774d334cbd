//! The right to act in a portal: it grows old, it dies, it is given again.

use chatapp_server::db::PortalState;
use sandbox::{
    messengers::{Account, Client},
    portal::Plan,
};
use serde_json::json;

use crate::harness::{HOUR, Portal, Story, stories};

stories![
    an_old_token_is_refreshed_once_however_much_is_under_way,
    a_dead_grant_parks_the_portal_until_an_administrator_opens_the_application,
    an_administrator_grants_the_rights_anew_outside_of_a_frame,
    a_renamed_portal_is_followed,
    a_silent_oauth_server_loses_no_message,
];

/// An installed portal with a WhatsApp account on its line.
async fn connected(story: &Story) -> (Portal<'_>, Account) {
    let portal = story.portal().await;
    portal.installs().await;
    let cabinet = story.sandbox.messengers().add_cabinet("shop@example.com", "pass");
    let account = cabinet.add_license(Some("Shop"), &["grWhatsApp"]).account("grWhatsApp");
    portal.connects_chatapp(portal.line(), "chatapp_whatsapp", &cabinet).await;
    (portal, account)
}

fn person(story: &Story, number: u32) -> Client {
    let phone = format!("+7 900 000-00-{number:02}");
    story.sandbox.messengers().phone().person(&format!("Person{number}"), Some(&phone), None)
}

async fn an_old_token_is_refreshed_once_however_much_is_under_way(story: &Story) {
    let (portal, account) = connected(story).await;
    let before = story.sandbox.refreshes();
    story.time_passes(2 * HOUR);
    let people: Vec<Client> = (1..=8).map(|number| person(story, number)).collect();
    for one in &people {
        one.writes(&account, &format!("From {}", one.id()));
    }
    for one in &people {
        portal.sees_text(&format!("From {}", one.id())).await;
    }
    story.calms_down().await;
    let after = story.sandbox.refreshes();
    assert_eq!((after.total - before.total, after.stale - before.stale), (1, 0));
}

async fn a_dead_grant_parks_the_portal_until_an_administrator_opens_the_application(story: &Story) {
    let (portal, account) = connected(story).await;
    let client = person(story, 1);
    let chat = portal.is_written_to(&client, &account, "Hello").await;
    // The administrator who installed leaves the company: his tokens are dead.
    portal.makes_admin(portal.employee(), true);
    portal.dismisses(portal.admin());

    client.writes(&account, "Is anybody there?");
    story
        .until("the portal is parked", async || {
            let known = story.app().db.portal_get(&portal.id()).await.unwrap()?;
            (known.state == PortalState::Parked).then_some(())
        })
        .await;
    let stale = story.sandbox.refreshes();
    client.writes(&account, "Hello?");
    story.time_passes(5 * HOUR);
    assert_eq!(story.sandbox.refreshes(), stale, "a dead grant is refreshed again and again");

    // Another administrator opens any page of ours.
    portal.opens(portal.employee(), "DEFAULT", &json!({})).await.is_open();
    for text in ["Is anybody there?", "Hello?"] {
        assert_eq!(portal.sees_text(text).await.id, chat.id);
    }
    story.calms_down().await;
    let texts: Vec<String> = portal.messages(chat.id).into_iter().map(|it| it.text).collect();
    assert_eq!(texts, ["Hello", "Is anybody there?", "Hello?"]);
    let told: Vec<_> = portal.notifications().into_iter().filter(|it| it.user == portal.employee()).collect();
    assert!(
        matches!(told.as_slice(), [it] if it.text.contains("не было 5 ч 0 мин. Сообщений за это время: 2;")),
        "{told:?}"
    );
}

async fn an_administrator_grants_the_rights_anew_outside_of_a_frame(story: &Story) {
    let portal = story.portal().await;
    portal.plan(Plan::Free);
    portal.adds_chatapp();
    let mut wizard = portal.admin_opens("DEFAULT").await;
    wizard.runs_installation().await;
    wizard.bridge("setInstallFinish", &json!({})).unwrap();
    portal.is_installed().await;
    assert!(portal.robots().is_empty());

    // The portal buys a plan; its administrator follows the link of the page to Bitrix24, and comes back.
    portal.plan(Plan::Commercial);
    let page = portal.admin_opens("DEFAULT").await;
    let links = page.links();
    let link = links.iter().find(|link| link.contains("/oauth/authorize/")).expect("the page has the link");
    let follows = async |link: &str| story.http().get(link).send().await.unwrap();
    // An employee who comes back instead gives nothing.
    let refused = follows(&format!("{link}&user={}", portal.employee())).await;
    assert_eq!(refused.status(), 403);
    let forged = follows(&story.url("/b24/oauth/callback?code=x&state=p.1.99999999999.n.AAAA")).await;
    assert!(forged.status().is_client_error());
    story.calms_down().await;
    assert!(portal.robots().is_empty());

    let back = follows(link).await;
    assert_eq!(back.status(), 200);
    assert!(back.text().await.unwrap().contains(portal.words().plain.granted_title));
    story.calms_down().await;
    assert_eq!(portal.robots().len(), 1);
}

async fn a_renamed_portal_is_followed(story: &Story) {
    let (portal, account) = connected(story).await;
    portal.renames().await.unwrap();
    let chat = portal.is_written_to(&person(story, 1), &account, "Where are you?").await;
    let known = story.app().db.portal_get(&portal.id()).await.unwrap().unwrap();
    assert_eq!(known.domain, portal.domain());
    // Events come from the new address, and are the same portal's.
    let message = portal.operator_writes(chat.id, "Here", &[]);
    portal.shows_as_sent(chat.id, message).await;
}

async fn a_silent_oauth_server_loses_no_message(story: &Story) {
    let (portal, account) = connected(story).await;
    let client = person(story, 1);
    story.sandbox.world().oauth.is_down(true);
    story.time_passes(2 * HOUR);
    client.writes(&account, "Through the night");
    story
        .until("the server was asked for a new token", async || {
            let counts = story.app().db.delivery_counts().await.unwrap();
            (counts.waiting == 1 && counts.inbox == 0).then_some(())
        })
        .await;
    story.sandbox.world().oauth.is_down(false);
    story
        .passes_until("the message arrives", async || {
            portal
                .chats()
                .iter()
                .any(|chat| chat.messages.iter().any(|it| it.text == "Through the night"))
                .then_some(())
        })
        .await;
}
