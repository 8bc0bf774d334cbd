//! Reading: licenses, chats, history, checks; and the creation of a group.

use actix_web::{HttpRequest, web};
use serde_json::{Value, json};

use super::{
    Answer, Refused, Target, json_body, knobs::messenger_title, part, query, recipients, success, tokens, webhooks,
};
use crate::{
    World,
    messengers::{model::Peer, store::digits},
    random_hex,
};

/// Rows of a page when the caller names no number, and at most.
const PAGE: usize = 20;
const PAGE_MOST: usize = 100;

/// `GET /v1/licenses`, in the recorded shape.
pub(super) async fn licenses(world: web::Data<World>, request: HttpRequest) -> Answer {
    let caller = tokens::caller(&world.messengers, &request)?;
    let store = world.messengers.read();
    let rows: Vec<Value> = store
        .chatapp
        .licenses
        .iter()
        .filter(|row| row.cabinet == caller.cabinet)
        .map(|row| {
            let messengers: Vec<Value> =
                row.messengers.iter().map(|kind| json!({ "type": kind, "name": messenger_title(kind) })).collect();
            json!({
                "licenseId": row.id,
                "licenseTo": row.paid_until_s,
                "licenseName": row.name,
                "meOwner": true,
                "status": { "id": 4, "code": "paid" },
                "messenger": messengers,
                "app": [
                    { "type": "bitrix", "name": "Bitrix24" },
                    { "type": "webchat", "name": "Web Chat" },
                    { "type": "mobileapp", "name": "Mobile App" },
                ],
                "access": [],
            })
        })
        .collect();
    Ok(success(&json!(rows)))
}

/// `GET …/templates`. Of a row only `elementName` is known from public clients; it is sent by its id.
pub(super) async fn templates(world: web::Data<World>, request: HttpRequest) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let store = world.messengers.read();
    let license = store.chatapp.license(target.license, target.caller.cabinet);
    let rows = license.filter(|_| target.messenger == "caWhatsApp").map(|license| license.templates.as_slice());
    let items: Vec<Value> = rows
        .unwrap_or_default()
        .iter()
        .map(|row| json!({ "id": row.id, "elementName": row.name, "data": row.text }))
        .collect();
    Ok(success(&json!({ "items": items, "nextPage": null })))
}

/// Which rows of a list are asked for: how many, and how many newer ones to leave out.
struct Page {
    limit: usize,
    skip: usize,
}

impl Page {
    fn of(request: &HttpRequest) -> Self {
        let number = |name| query(request, name).and_then(|value| value.parse().ok());
        Self { limit: number("limit").unwrap_or(PAGE).clamp(1, PAGE_MOST), skip: number("skip").unwrap_or(0) }
    }

    /// Where the next page is, when there is one.
    fn next(&self, world: &World, request: &HttpRequest, total: usize) -> Option<String> {
        let skip = self.skip.saturating_add(self.limit);
        let (limit, path) = (self.limit, request.path());
        let more = format!("{}{path}?limit={limit}&skip={skip}", world.cloud_url);
        (skip < total).then_some(more)
    }
}

/// `GET …/chats`, the liveliest first.
pub(super) async fn list(world: web::Data<World>, request: HttpRequest) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let store = world.messengers.read();
    let mut chats: Vec<_> = store.chats.iter().filter(|chat| chat.account == target.account).collect();
    let last = |chat: &&crate::messengers::model::Chat| {
        let last = chat.messages.last();
        last.map_or(chat.created_ms, |message| message.time_ms)
    };
    chats.sort_by_key(|chat| std::cmp::Reverse(last(chat)));
    let page = Page::of(&request);
    let items: Vec<Value> = chats
        .iter()
        .skip(page.skip)
        .take(page.limit)
        .map(|chat| webhooks::chat_item(&store, chat, &world.cloud_url))
        .collect();
    let next = page.next(&world, &request, chats.len());
    Ok(success(&json!({ "items": items, "nextPage": next })))
}

/// `GET …/chats/{chatId}/messages`, the newest first. A chat that is not there has no messages.
pub(super) async fn history(world: web::Data<World>, request: HttpRequest) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let store = world.messengers.read();
    let chat = store.chat_by_external(&target.account, &part(&request, "chat"));
    let page = Page::of(&request);
    let kept: Vec<(usize, usize)> = chat
        .map(|chat| {
            let messages = store.chats[chat].messages.iter().enumerate().rev();
            messages.filter(|(_, message)| !message.deleted).map(|(at, _)| (chat, at)).collect()
        })
        .unwrap_or_default();
    let items: Vec<Value> = kept
        .iter()
        .skip(page.skip)
        .take(page.limit)
        .map(|place| webhooks::message_item(&store, *place, &world.cloud_url, "contentType"))
        .collect();
    let next = page.next(&world, &request, kept.len());
    Ok(success(&json!({ "items": items, "nextPage": next })))
}

/// `GET …/phones/{+79…}/check`
pub(super) async fn check_phone(world: web::Data<World>, request: HttpRequest) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let phone = part(&request, "phone");
    if !phone.starts_with('+') || digits(&phone).is_none() {
        return Err(Refused::parameter("phone: expected +<digits>"));
    }
    check(&world, &target, &phone)
}

/// `GET …/users/{username}/check`
pub(super) async fn check_user(world: web::Data<World>, request: HttpRequest) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let name = part(&request, "username");
    check(&world, &target, &format!("@{}", name.trim_start_matches('@')))
}

fn check(world: &World, target: &Target, address: &str) -> Answer {
    let store = world.messengers.read();
    if store.chatapp.knobs.odd_checks {
        return Ok(success(&json!({ "state": "unknown" })));
    }
    let found = recipients::find(&store, &target.messenger, address);
    let person = found.as_deref().and_then(|id| store.person(id));
    let chat = person.map(|person| crate::messengers::store::chat_id_of(&target.messenger, person));
    Ok(success(&json!({ "exist": person.is_some(), "chatId": chat })))
}

/// `POST …/chats`: a group with the people who have these phones. It takes messages two seconds later.
pub(super) async fn create_group(world: web::Data<World>, request: HttpRequest, body: web::Bytes) -> Answer {
    let target = Target::of(&world.messengers, &request)?;
    let body = json_body(&body)?;
    let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let title: String = word("name").trim().chars().take(100).collect();
    if !["grWhatsApp", "telegram"].contains(&target.messenger.as_str()) {
        return Err(Refused::parameter("type: the messenger has no groups"));
    }
    if word("type") != "group" || title.is_empty() || word("participantsType") != "phone" {
        return Err(Refused::parameter("type, name or participantsType"));
    }
    let items = body.get("participantsItems").and_then(Value::as_array);
    let phones: Vec<String> = items
        .into_iter()
        .flatten()
        .filter_map(|item| item.get("value").and_then(Value::as_u64))
        .map(|number| number.to_string())
        .collect();
    let now_ms = world.clock.now_ms();
    let id = world.messengers.change(|store| {
        let members: Vec<String> =
            phones.iter().filter_map(|phone| recipients::find(store, &target.messenger, phone)).collect();
        if members.is_empty() {
            return Err(Refused::parameter("participantsItems: nobody to invite"));
        }
        let external = store.new_group_id(&target.account);
        let peer = Peer::Group { title, members };
        store.add_chat(&target.account, peer, external.clone(), now_ms);
        Ok(external)
    })?;
    let link = format!("https://chat.example/{}", random_hex(11));
    Ok(success(&json!({ "id": id, "inviteLink": link })))
}
