//! What the customer's own system is told: each message, and what becomes of it, in the order in which it happened. Signed by the
//! rules of Standard Webhooks (its specification 1.0: the headers `webhook-id`, `webhook-timestamp`, `webhook-signature`, the key
//! `whsec_…`); told at least once, a repetition has the same `webhook-id`.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{carried, channel_of, db_failure, files, payload, shown};
use crate::{
    app::App,
    clock::Millis,
    db::{
        Binding, Carried, DbResult, Delivery, DeliveryKind, DeliveryState, Lane, MessageProgress, NewDelivery, Settled,
    },
    domain::{
        failure::{Failure, Retry, Told},
        ids::{BindingId, PortalId},
    },
    secret::Secret,
};

/// The specification advises 15 to 30 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the links to files work.
const LINKS: Duration = Duration::from_hours(24);

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Received,
    Sent,
    /// How far one of ours has come.
    Progress(MessageProgress),
    Edited,
    Deleted,
}

impl Event {
    const fn name(self) -> &'static str {
        match self {
            Self::Received => "message.received",
            Self::Sent => "message.sent",
            Self::Progress(_) => "message.status",
            Self::Edited => "message.edited",
            Self::Deleted => "message.deleted",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Hook {
    binding: BindingId,
    event: String,
    /// How far the message had come then.
    progress: Option<String>,
    /// When it happened, in milliseconds since 1970.
    at: i64,
}

/// What was told to a connection's webhook, for its page.
pub struct ToldOnce {
    pub delivery: Delivery,
    pub event: String,
}

/// The delivery that tells of an event; its message is named by whoever adds it.
pub(super) fn delivery(binding: &Binding, event: Event, now: Millis) -> NewDelivery {
    let progress = match event {
        Event::Progress(progress) => Some(progress.text().to_owned()),
        // It may have come further by the time at which this is told.
        Event::Sent => Some(MessageProgress::Sent.text().to_owned()),
        Event::Received | Event::Edited | Event::Deleted => None,
    };
    let hook = Hook { binding: binding.id, event: event.name().into(), progress, at: now.0 };
    NewDelivery::new(Lane::Hook(binding.id), DeliveryKind::Hook, now).payload(&hook)
}

/// Whether anybody is told of what happens in this connection.
pub(super) fn listens(binding: &Binding) -> bool {
    !binding.settings.hook_url.is_empty()
}

/// The newest things that were told, newest first.
pub async fn log(app: &App, portal: &PortalId, binding: BindingId, limit: i64) -> DbResult<Vec<ToldOnce>> {
    let newest = app.db.delivery_newest_in(portal, Lane::Hook(binding), limit).await?;
    let told = newest.into_iter().map(|delivery| {
        let event = payload::<Hook>(&delivery).map(|hook| hook.event).unwrap_or_default();
        ToldOnce { delivery, event }
    });
    Ok(told.collect())
}

/// A key as Standard Webhooks writes it.
pub fn shown_key(key: &Secret) -> String {
    format!("whsec_{}", key.expose())
}

pub(super) async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let internal = |what: &'static str| Failure::permanent(Told::Internal, what);
    let hook: Hook = payload(delivery)?;
    let binding = app.db.binding_get(&delivery.portal, hook.binding).await.map_err(db_failure)?;
    let Some(binding) = binding.filter(listens) else {
        return Ok(Settled::new(DeliveryState::Cancelled, "not_wanted"));
    };
    let url = Url::parse(&binding.settings.hook_url).map_err(|_other| internal("the address is none"))?;
    let key = app.db.binding_hook_key(&binding).map_err(db_failure)?.ok_or_else(|| internal("there is no key"))?;
    let body = body(app, delivery, &hook, &binding).await?.to_string();
    let (id, at) = (format!("msg_{}", delivery.id), app.clock.now().seconds());
    let signature = sign(&key, &format!("{id}.{at}.{body}")).ok_or_else(|| internal("the key is none"))?;
    let request = app.outgoing.post(url).map_err(|error| Failure::permanent(Told::Rejected, error))?;
    let answer = request
        .timeout(PATIENCE)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at)
        .header("webhook-signature", signature)
        .body(body)
        .send()
        .await
        .map_err(|error| Failure::transient(crate::outgoing::OutgoingError::from(error)))?;
    let status = answer.status();
    let said = |told| Failure { told, ..Failure::transient(format!("HTTP {}", status.as_u16())) };
    match status.as_u16() {
        200..=299 => Ok(Settled::done()),
        429 => Err(said(Told::Unavailable).retry(retry_after(&answer))),
        500..=599 => Err(said(Told::Unavailable)),
        // It is there, and does not want this: what comes behind it does not wait long.
        _refused => Err(said(Told::Rejected)),
    }
}

fn retry_after(answer: &reqwest::Response) -> Retry {
    let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(Retry::Backoff, |seconds: u64| Retry::After(Duration::from_secs(seconds.min(3600))))
}

/// One signature of version 1; None when the key is no Base64.
fn sign(key: &Secret, what: &str) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key.expose()).ok()?);
    Some(format!("v1,{}", STANDARD.encode(hmac::sign(&key, what.as_bytes()))))
}

async fn body(app: &App, delivery: &Delivery, hook: &Hook, binding: &Binding) -> Result<Value, Failure> {
    let carried = carried(delivery)?;
    let Carried { message, view, .. } = carried;
    let channel = channel_of(app, &delivery.portal, &binding.channel).await?;
    let style = (app.core(channel.core).capabilities(channel.connector).markup, binding.shows_name());
    let contact = view
        .contact
        .as_ref()
        .map(|it| json!({ "id": it.person, "name": it.name, "phone": it.phone, "username": it.username }));
    Ok(json!({
        "type": hook.event,
        "timestamp": iso(Millis(hook.at)),
        "data": {
            "connector": binding.connector.id(),
            "line": binding.line,
            "channel": binding.channel,
            "chat": { "id": view.chat.peer, "portal_chat": view.chat.b24_chat },
            "contact": contact,
            "message": {
                "id": message.id,
                "portal_message": message.b24_message,
                "direction": message.direction.text(),
                "origin": message.origin.text(),
                "author": message.author,
                "text": shown::plain(&carried.parts, message.origin, style),
                "files": file_list(app, &delivery.portal, carried).await?,
                "status": hook.progress.as_deref().unwrap_or_else(|| message.progress.text()),
                "sent_at": iso(message.sent_at),
            },
        },
    }))
}

fn iso(at: Millis) -> String {
    let (date, time) = at.utc();
    format!("{date}T{time}Z")
}

/// The files, each with a link that works for a day; without one where it cannot be had now.
async fn file_list(app: &App, portal: &PortalId, carried: &Carried) -> Result<Vec<Value>, Failure> {
    let mut list = Vec::new();
    for id in carried.parts.iter().filter_map(|part| part.media) {
        let Some(media) = app.db.media_get(portal, id).await.map_err(db_failure)? else { continue };
        let url = files::lend(app, portal, id, LINKS).await.ok();
        list.push(json!({ "name": media.name, "mime": media.mime, "size": media.size, "url": url }));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the specification's own libraries.
        let key = Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let what = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        assert_eq!(sign(&key, what).unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(sign(&Secret::new("no base64!"), what), None);
    }
}
