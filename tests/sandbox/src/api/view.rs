//! `/~/state`: everything that the pages show, in one answer.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::portal::{
    Author, Card, CardKind, Chat, Line, Message, Portal, Robot, Sms, State, UserId,
    crm::{STAGES, may_see},
    placements::title,
};

/// Longest time that an answer is held back, in seconds.
const LONGEST_WAIT_S: u64 = 25;

#[derive(Deserialize)]
pub(super) struct Query {
    user: Option<UserId>,
    /// The revision that the page has.
    since: Option<u64>,
    /// Seconds to wait for a newer one.
    wait: Option<u64>,
}

/// The whole state; 204 when the page has it already, at once or after the wait it has asked for.
pub(super) async fn state(query: web::Query<Query>, portal: web::Data<Portal>) -> HttpResponse {
    if let Some(since) = query.since
        && portal.revision() == since
    {
        let wait = Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT_S));
        let newer = portal.waits_until(wait, |portal| (portal.revision() != since).then_some(())).await;
        if newer.is_none() {
            return HttpResponse::NoContent().finish();
        }
    }
    let me = query.user.unwrap_or_else(|| portal.admin());
    let revision = portal.revision();
    let published = portal.world().oauth.apps();
    let mut whole = portal.read(|state| whole(state, me));
    whole["portal"]["member_id"] = json!(portal.member_id());
    whole["revision"] = json!(revision);
    whole["trouble"] = portal.troubles();
    let app = published.first();
    let install = portal.app();
    whole["app"] = json!({
        "title": app.map(|card| card.title.clone()),
        "client_id": app.map(|card| card.client_id.clone()),
        "added": install.as_ref().is_some_and(|install| install.active),
        "installed": install.as_ref().is_some_and(|install| install.active && install.installed),
        "has_page": app.is_some_and(|card| card.app_url.is_some()),
    });
    HttpResponse::Ok().json(whole)
}

fn whole(state: &State, me: UserId) -> Value {
    let employees = state.users.values().filter(|user| user.external.is_none() && user.active);
    let users: Vec<Value> =
        employees.map(|user| json!({"id": user.id, "name": user.full_name(), "admin": user.admin})).collect();
    let connectors: Vec<Value> = state
        .connectors
        .values()
        .map(|it| json!({"id": it.id, "name": it.name, "color": it.icon.get("COLOR"), "icon": it.icon.get("DATA_IMAGE")}))
        .collect();
    let placements: Vec<Value> = state
        .placements
        .iter()
        .map(|it| json!({"id": it.id, "placement": it.placement, "title": title(state, it), "options": it.options}))
        .collect();
    json!({
        "portal": {"title": state.title, "domain": state.domain, "lang": state.lang},
        "me": {"id": me, "name": state.user_name(me), "admin": state.is_admin(me)},
        "users": users,
        "connectors": connectors,
        "lines": state.lines.values().map(|line| line_view(state, line)).collect::<Vec<_>>(),
        "placements": placements,
        "robots": state.robots.values().map(|robot| robot_view(state, robot)).collect::<Vec<_>>(),
        "cards": state.cards.values().filter(|card| may_see(state, me, card)).map(card_view).collect::<Vec<_>>(),
        "stages": STAGES.iter().map(|(id, ru, en)| json!({"id": id, "name": state.text(ru, en)})).collect::<Vec<_>>(),
        "placed": placed(state),
        "workflows": workflows(state),
        "chats": state.chats.values().map(|chat| chat_view(state, chat)).collect::<Vec<_>>(),
        "senders": state.senders.iter().map(|it| json!({"code": it.code, "name": localized(state, &it.name)})).collect::<Vec<_>>(),
        "sms": state.sms.iter().map(sms_view).collect::<Vec<_>>(),
        "notifications": state.notifications.iter().map(|it| json!({"user": it.user, "text": it.text, "time": it.at_ms})).collect::<Vec<_>>(),
    })
}

fn sms_view(sms: &Sms) -> Value {
    json!({"id": sms.id, "type": sms.card.kind, "card": sms.card.id, "to": sms.to, "text": sms.text, "status": sms.status})
}

fn line_view(state: &State, line: &Line) -> Value {
    let on: Vec<Value> = state
        .statuses
        .iter()
        .filter(|((_, of), _)| *of == line.id)
        .map(|((connector, _), status)| {
            json!({
                "id": connector,
                "active": status.active,
                "configured": status.active && status.connection && status.register,
                "status": status.works(),
                "error": status.error,
                "data": status.data,
            })
        })
        .collect();
    json!({"id": line.id, "name": line.name, "active": line.is_on("ACTIVE"), "connectors": on})
}

/// A text that an application gave: a string, or a map from language to text.
fn localized(state: &State, text: &Value) -> String {
    let Value::Object(map) = text else {
        return text.as_str().unwrap_or("").to_owned();
    };
    let of =
        |lang: &str| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(lang)).and_then(|(_, text)| text.as_str());
    of(&state.lang).or_else(|| of("en")).unwrap_or("").to_owned()
}

fn robot_view(state: &State, robot: &Robot) -> Value {
    let properties: Map<String, Value> = robot
        .properties
        .iter()
        .map(|(code, descriptor)| {
            let of = |key: &str| {
                let map = descriptor.as_object()?;
                map.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
            };
            let flag = |key: &str| of(key).and_then(Value::as_str) == Some("Y");
            let view = json!({
                "name": of("Name").map(|name| localized(state, name)),
                "description": of("Description").map(|text| localized(state, text)),
                "type": of("Type").and_then(Value::as_str).unwrap_or("string"),
                "required": flag("Required"),
                "multiple": flag("Multiple"),
                "options": of("Options"),
                "default": of("Default"),
            });
            (code.clone(), view)
        })
        .collect();
    json!({
        "code": robot.code,
        "name": localized(state, &robot.name),
        "description": localized(state, &robot.description),
        "properties": properties,
        "use_subscription": robot.use_subscription,
        "use_placement": robot.placement_handler.is_some(),
    })
}

fn card_view(card: &Card) -> Value {
    let mut view = json!({
        "type": card.at.kind,
        "id": card.at.id,
        "title": card.title,
        "phones": card.phones,
        "emails": card.emails,
        "ims": card.ims,
        "contacts": card.contacts,
        "comments": card.comments.iter().map(|it| json!({"id": it.id, "author": it.author, "text": it.text, "time": it.at_ms})).collect::<Vec<_>>(),
    });
    if matches!(card.at.kind, CardKind::Deal | CardKind::Lead) {
        view["stage"] = json!(card.stage);
    }
    view
}

fn placed(state: &State) -> Vec<Value> {
    let view = |it: &crate::portal::Placed| {
        // The application or its robot is gone: the step stays, dead.
        let dead = !state.robots.contains_key(&(it.client_id.clone(), it.code.clone()));
        json!({"id": it.id, "stage": it.stage, "code": it.code, "properties": it.properties, "dead": dead})
    };
    state.placed.iter().map(view).collect()
}

fn workflows(state: &State) -> Vec<Value> {
    let view = |it: &crate::portal::Step| {
        json!({
            "id": it.workflow,
            "code": it.code,
            "state": it.state,
            "card": {"type": it.card.kind, "id": it.card.id},
            "returned": it.returned,
            "log": it.log,
            "time": it.started_ms,
        })
    };
    state.steps.iter().map(view).collect()
}

/// A chat without its messages.
pub(super) fn chat_view(state: &State, chat: &Chat) -> Value {
    let last = chat.messages.last();
    json!({
        "id": chat.id,
        "title": chat.title,
        "connector": chat.connector,
        "line": chat.line,
        "external_id": chat.external_id,
        "unread": chat.unread,
        "read_by_client": chat.read_by_client,
        "operator": chat.operator.map(|user| json!({"id": user, "name": state.user_name(user)})),
        "session": {"id": chat.session.id, "closed": chat.session.closed_ms.is_some(), "waits_for_vote": chat.session.waits_for_vote},
        "crm": chat.cards.iter().map(|at| json!({"type": at.kind, "id": at.id, "title": state.cards.get(at).map(|card| &card.title)})).collect::<Vec<_>>(),
        "last": last.map(|message| json!({"text": message.text, "time": message.at_ms})),
    })
}

pub(super) fn message_view(state: &State, message: &Message) -> Value {
    let kind = match message.author {
        Author::Client(_) => "client",
        Author::Operator(_) => "operator",
        Author::System => "system",
    };
    json!({
        "id": message.id,
        "author": {"kind": kind, "id": message.author.id(), "name": state.user_name(message.author.id())},
        "text": if message.deleted { "" } else { message.text.as_str() },
        "files": if message.deleted { json!([]) } else { json!(message.files) },
        "time": message.at_ms,
        "sending": message.sending,
        "deleted": message.deleted,
        "edited": message.edited,
        "connector_mid": message.connector_mid,
    })
}
