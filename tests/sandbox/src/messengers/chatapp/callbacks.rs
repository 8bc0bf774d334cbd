//! Registration of callback addresses: one per license and messenger.

use std::{collections::VecDeque, time::Duration};

use actix_web::{HttpRequest, web};
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Refused, Target, done, json_body, knobs::Callback, success, tokens};
use crate::World;

/// Everything that can be subscribed to.
const EVENTS: [&str; 9] = [
    "message",
    "messageStatus",
    "chatTag",
    "chatStatus",
    "chatResponsible",
    "chatProducer",
    "chatAccomplice",
    "chatAuditor",
    "chatConversation",
];

/// `PUT …/callbackUrl`. The address must answer 200 to an empty POST before it is taken.
pub(super) async fn set(world: web::Data<World>, request: HttpRequest, body: web::Bytes) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let body = json_body(&body)?;
    let events: Vec<String> = body
        .get("events")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|event| event.as_str().map(str::to_owned))
        .collect();
    if events.is_empty() || events.iter().any(|event| !EVENTS.contains(&event.as_str())) {
        return Err(Refused::parameter("events: unknown or missing"));
    }
    let url = body.get("url").and_then(Value::as_str).unwrap_or_default();
    let parsed = Url::parse(url).map_err(|_| Refused::parameter("url: invalid"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(Refused::parameter("url: invalid"));
    }
    let probe = world.http.post(parsed).timeout(Duration::from_secs(10)).send().await;
    if probe.map_or(0, |answer| answer.status().as_u16()) != 200 {
        return Err(Refused::new(400, "ApiCallbackUrlNotAvailableError", "the callback URL does not answer 200"));
    }
    world.messengers.quietly(|store| {
        let rows = &mut store.chatapp.callbacks;
        let known = rows.iter_mut().find(|row| row.license == target.license && row.messenger == target.messenger);
        if let Some(row) = known {
            row.events = events;
            url.clone_into(&mut row.url);
        } else {
            rows.push(Callback {
                license: target.license,
                messenger: target.messenger,
                cabinet: target.caller.cabinet,
                events,
                url: url.to_owned(),
                queue: VecDeque::new(),
                busy: false,
            });
        }
    });
    Ok(done())
}

/// `DELETE …/callbackUrl`. What waits to be posted is forgotten.
pub(super) async fn unset(world: web::Data<World>, request: HttpRequest) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    world.messengers.quietly(|store| {
        store.chatapp.callbacks.retain(|row| row.license != target.license || row.messenger != target.messenger);
    });
    Ok(done())
}

/// `GET /v1/callbackUrls`
pub(super) async fn list(world: web::Data<World>, request: HttpRequest) -> Answer {
    let caller = tokens::caller(&world.messengers, &request)?;
    let store = world.messengers.read();
    let rows: Vec<Value> = store
        .chatapp
        .callbacks
        .iter()
        .filter(|row| row.cabinet == caller.cabinet)
        .map(|row| {
            json!({
                "licenseId": row.license,
                "messengerType": row.messenger,
                "events": row.events,
                "url": row.url,
            })
        })
        .collect();
    Ok(success(&json!(rows)))
}
