//! Sending: text as JSON, a file as a multipart body. The answer means "accepted", not delivered.

use actix_web::{HttpRequest, web};
use serde_json::{Value, json};

use super::{Answer, Refused, Target, json_body, part, recipients, success};
use crate::{
    World,
    messengers::{
        model::{FromApp, Status},
        multipart,
        store::Draft,
    },
};

/// Longest text that is taken, in characters; WhatsApp's own limit.
const TEXT_LIMIT: usize = 65_536;

/// `POST …/messages/text`
pub(super) async fn text(world: web::Data<World>, request: HttpRequest, body: web::Bytes) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let body = json_body(&body)?;
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Refused::parameter("text is required"));
    }
    if text.chars().count() > TEXT_LIMIT {
        return Err(Refused::parameter("text is too long"));
    }
    let tracking = body.get("tracking").and_then(Value::as_str);
    send(&world, &target, &request, tracking, Draft::text(text))
}

/// `POST …/messages/template`: `{template: {id, params}}`, where the business writes first through the business API.
pub(super) async fn template(world: web::Data<World>, request: HttpRequest, body: web::Bytes) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let body = json_body(&body)?;
    let wanted = body.get("template").unwrap_or(&Value::Null);
    let id = wanted.get("id").and_then(Value::as_str).unwrap_or_default();
    let params: Vec<&str> =
        wanted.get("params").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let text = {
        let store = world.messengers.read();
        let license = store.chatapp.license(target.license, target.caller.cabinet);
        let known = license.filter(|_| target.messenger == "caWhatsApp").map(|license| license.templates.as_slice());
        let row = known.unwrap_or_default().iter().find(|row| row.id == id);
        row.map(|row| row.text.clone()).ok_or_else(|| Refused::parameter("template.id: unknown"))?
    };
    if text.matches("{{").count() != params.len() {
        return Err(Refused::parameter("template.params: another number of them"));
    }
    let filled = (1..).zip(&params).fold(text, |text, (at, value)| text.replace(&format!("{{{{{at}}}}}"), value));
    let tracking = body.get("tracking").and_then(Value::as_str);
    send(&world, &target, &request, tracking, Draft::text(&filled))
}

/// `POST …/messages/file`: parts `file`, `fileName`, `caption`.
pub(super) async fn file(world: web::Data<World>, request: HttpRequest, body: web::Bytes) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let form = multipart::read(request.headers(), body)
        .await
        .ok_or_else(|| Refused::parameter("the body is not multipart"))?;
    let upload = form
        .files
        .get("file")
        .filter(|upload| !upload.bytes.is_empty())
        .ok_or_else(|| Refused::parameter("file is required"))?;
    let name = form.values.get("fileName").filter(|name| !name.trim().is_empty()).unwrap_or(&upload.name);
    let attachment = world.messengers.change(|store| {
        let id = store.files.add(name, &upload.mime, upload.bytes.clone());
        store.files.attachment(&id)
    });
    let draft = Draft {
        files: attachment.into_iter().collect(),
        ..Draft::text(form.values.get("caption").map_or("", String::as_str))
    };
    let tracking = form.values.get("tracking").map(String::as_str);
    send(&world, &target, &request, tracking, draft)
}

fn send(world: &World, target: &Target, request: &HttpRequest, tracking: Option<&str>, draft: Draft) -> Answer {
    let messengers = &world.messengers;
    let now_ms = world.clock.now_ms();
    let draft = Draft {
        from_app: Some(FromApp { id: target.caller.app.clone(), tracking: tracking.map(str::to_owned) }),
        by_api: true,
        ..draft
    };
    let (key, failed, answer) = messengers.change(|store| {
        let license = store.chatapp.license(target.license, target.caller.cabinet);
        if license.is_none_or(|license| license.paid_until_s * 1000 <= now_ms) {
            return Err(Refused::new(400, "ApiLicenseNotPaidError", "license is not paid"));
        }
        let chat = recipients::resolve(store, target, &part(request, "chat"), now_ms)?;
        let place = store.push(chat, None, draft, now_ms);
        let error = store.chatapp.knobs.fail.pop_front();
        let failed = error.is_some();
        let message = store.message_mut(place);
        if failed {
            message.status = Status::Failed;
            message.error = error;
        }
        let (key, id) = (message.key, message.external_id.clone());
        let answer = json!({ "id": id, "chatId": store.chats[chat].external_id });
        Ok((key, failed, answer))
    })?;
    messengers.announce(&[key]);
    if !failed {
        messengers.deliver_later(key);
    }
    Ok(success(&answer))
}
