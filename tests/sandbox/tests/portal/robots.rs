//! Robots: registration, firing, answers.

use std::time::Duration;

use sandbox::portal::{CardKind, CardRef, NewCard, Plan, StepState};
use serde_json::{Value, json};

use crate::app::World;

async fn with_robot() -> (World, CardRef) {
    let world = World::installed(&[]).await;
    let contact = NewCard {
        name: "Мария".to_owned(),
        phones: vec!["+79000000001".to_owned(), "+79000000002".to_owned()],
        ..NewCard::default()
    };
    let contact = world.portal.card(CardKind::Contact, contact);
    let deal = NewCard { title: "Кофе".to_owned(), contacts: vec![contact.id], ..NewCard::default() };
    let deal = world.portal.card(CardKind::Deal, deal);
    world.ok(&world.admin(), "bizproc.robot.add", robot(&world.base)).await;
    (world, deal)
}

fn robot(base: &str) -> Value {
    json!({
        "CODE": "ca_send_message",
        "HANDLER": format!("{base}/robot"),
        "AUTH_USER_ID": 1,
        "USE_SUBSCRIPTION": "Y",
        "NAME": {"ru": "Отправить", "en": "Send"},
        "PROPERTIES": {
            "phones": {"Name": "Phones", "Type": "string"},
            "message": {"Name": "Text", "Type": "text"},
            "channel": {"Name": "Channel", "Type": "string", "Default": "wa"},
        },
        "RETURN_PROPERTIES": {"send_status": {"Name": "Status", "Type": "string"}},
    })
}

#[tokio::test]
async fn a_robot_fires_with_evaluated_values_and_waits_for_its_answer() {
    let (world, deal) = with_robot().await;
    let portal = &world.portal;
    let properties = json!({
        "phones": "{{Контакт: Телефон (текст)}}",
        "message": "Здравствуйте, {{Контакт: Имя}}! {{Неизвестное поле}} {=Document:TITLE}",
    });
    portal.places_robot("PREPARATION", "ca_send_message", &properties).unwrap();
    assert!(portal.moves_stage(deal, "PREPARATION"));
    let fired = world.posts().await;
    assert_eq!(fired.len(), 1);
    let fired = Value::Object(fired[0].clone());
    assert_eq!(fired["properties"]["phones"], json!("+79000000001, +79000000002"));
    assert_eq!(fired["properties"]["message"], json!("Здравствуйте, Мария! {{Неизвестное поле}} Кофе"));
    assert_eq!(fired["properties"]["channel"], json!("wa"), "what was not filled in has its default");
    assert_eq!(fired["document_id"], json!(["crm", "CCrmDocumentDeal", format!("DEAL_{}", deal.id)]));
    assert_eq!(fired["use_subscription"], json!("Y"));

    let admin = world.admin();
    let token = fired["event_token"].as_str().unwrap();
    let answer = |token: &str| json!({"EVENT_TOKEN": token, "RETURN_VALUES": {"SEND_STATUS": "Y", "other": "1"}, "LOG_MESSAGE": "sent"});
    let (status, early) = world.call(&admin, "bizproc.event.send", answer(token)).await;
    assert_eq!((status, &early["error"]), (400, &json!(404)), "the process is not saved yet, and the code is a number");
    world.sandbox.clock().advance(Duration::from_secs(3));
    let forged = format!("{token}0");
    assert_eq!(world.refused(&admin, "bizproc.event.send", answer(&forged)).await, (403, json!("ACCESS_DENIED")));
    world.ok(&admin, "bizproc.event.send", answer(token)).await;
    let step = portal.workflows()[0].clone();
    assert_eq!(step.state, StepState::Done);
    assert_eq!(
        Value::Object(step.returned),
        json!({"send_status": "Y"}),
        "codes match in any case, unknown ones are ignored"
    );
    let (_, finished) = world.call(&admin, "bizproc.event.send", answer(token)).await;
    assert_eq!(finished["error"], json!(404), "a process whose last step is closed is gone");
}

#[tokio::test]
async fn a_closed_step_of_a_running_process_takes_any_answer_and_a_new_stage_ends_it() {
    let (world, deal) = with_robot().await;
    let portal = &world.portal;
    for _ in 0..2 {
        portal.places_robot("PREPARATION", "ca_send_message", &json!({"phones": "1"})).unwrap();
    }
    portal.moves_stage(deal, "PREPARATION");
    world.sandbox.clock().advance(Duration::from_secs(3));
    let admin = world.admin();
    let steps = portal.workflows();
    assert_eq!(steps[0].workflow, steps[1].workflow, "robots of a stage are one process");
    for _ in 0..2 {
        world.ok(&admin, "bizproc.event.send", json!({"EVENT_TOKEN": steps[0].token})).await;
    }
    portal.moves_stage(deal, "EXECUTING");
    let late = world.refused(&admin, "bizproc.event.send", json!({"EVENT_TOKEN": steps[1].token})).await;
    assert_eq!(late, (400, json!(404)));
    assert_eq!(portal.workflows()[1].state, StepState::Terminated);
}

#[tokio::test]
async fn registration_is_for_administrators_on_plans_with_automation() {
    let (world, deal) = with_robot().await;
    let (portal, admin) = (&world.portal, world.admin());
    let again = world.refused(&admin, "bizproc.robot.add", robot(&world.base)).await;
    assert_eq!(again, (400, json!("ERROR_ACTIVITY_ALREADY_INSTALLED")));
    let employee = world.token(portal.employee());
    assert_eq!(world.refused(&employee, "bizproc.robot.list", json!({})).await, (403, json!("ACCESS_DENIED")));
    let mut wrong = robot(&world.base);
    wrong["CODE"] = json!("other");
    wrong["PROPERTIES"] = json!({"title": {"Name": "reserved"}});
    assert_eq!(world.refused(&admin, "bizproc.robot.add", wrong).await.1, json!("ERROR_ACTIVITY_VALIDATION_FAILURE"));
    portal.plan(Plan::Free);
    assert_eq!(world.refused(&admin, "bizproc.robot.list", json!({})).await, (404, json!("ERROR_METHOD_NOT_FOUND")));
    portal.plan(Plan::Commercial);
    // An update of the application drops its robots; what is placed stays, dead.
    portal.places_robot("WON", "ca_send_message", &json!({})).unwrap();
    portal.updates_app(crate::app::CLIENT_ID);
    portal.moves_stage(deal, "WON");
    assert_eq!(portal.workflows().last().unwrap().state, StepState::Failed);
    assert!(world.posts().await.is_empty());
}
