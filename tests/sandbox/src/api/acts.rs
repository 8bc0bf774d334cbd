//! Acts of employees: frames, the application's life, lines, cards, robots.

use actix_web::{HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

use super::{Me, done, object, refused, text, texts};
use crate::portal::{CardKind, CardRef, Closed, LineId, NewCard, NotDone, Portal, Screen};

/// The form that the page submits into the iframe.
pub(super) async fn frame(me: web::Query<Me>, body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let body = object(&body);
    let options = body.get("options").cloned().unwrap_or(json!({}));
    let lang = text(&body, "lang");
    let screen = Screen {
        placement: text(&body, "placement"),
        options: &options,
        binding: body.get("binding").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()),
        lang: (!lang.is_empty()).then_some(lang),
    };
    match portal.opens_screen(me.id(&portal), &screen) {
        Ok(form) => done(json!({
            "url": form.url,
            "fields": form.fields,
            "window_name": form.window_name,
            "app_sid": form.app_sid,
        })),
        Err(Closed::NotInstalled) => done(json!({"not_installed": true})),
        Err(Closed::Missing) => refused(StatusCode::NOT_FOUND, "nothing_to_open"),
    }
}

/// A command of the page inside a frame.
pub(super) async fn bridge(body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let body = object(&body);
    let params = body.get("params").cloned().unwrap_or(Value::Null);
    match portal.bridge(text(&body, "app_sid"), text(&body, "command"), &params) {
        Ok(result) => done(json!({"result": result})),
        Err(error) => done(json!({"error": error})),
    }
}

fn not_done(reason: NotDone) -> HttpResponse {
    match reason {
        NotDone::NotAdmin => refused(StatusCode::FORBIDDEN, "not_admin"),
        NotDone::UnknownApp => refused(StatusCode::NOT_FOUND, "no_app"),
    }
}

/// The application that is meant: the one named, else the only one.
fn client_id(portal: &Portal, body: &[u8]) -> String {
    match text(&object(body), "client_id") {
        "" => portal.world().oauth.apps().first().map(|card| card.client_id.clone()).unwrap_or_default(),
        named => named.to_owned(),
    }
}

pub(super) async fn add_app(me: web::Query<Me>, body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    match portal.add_app(me.id(&portal), &client_id(&portal, &body)) {
        Ok(()) => done(json!({"result": true})),
        Err(reason) => not_done(reason),
    }
}

pub(super) async fn uninstall(me: web::Query<Me>, body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let clean = object(&body).get("clean").and_then(Value::as_bool).unwrap_or(false);
    match portal.uninstall_app(me.id(&portal), &client_id(&portal, &body), clean) {
        Ok(()) => done(json!({"result": true})),
        Err(reason) => not_done(reason),
    }
}

pub(super) async fn add_line(body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    done(json!({"id": portal.adds_line(text(&object(&body), "name"))}))
}

/// `{SETTING: "value", ...}` by the names of `imopenlines.config`.
pub(super) async fn set_line(id: web::Path<LineId>, body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    for (setting, value) in object(&body) {
        portal.sets_line(*id, &setting, value.as_str().unwrap_or(""));
    }
    done(json!({"result": true}))
}

pub(super) async fn connect(path: web::Path<(LineId, String)>, portal: web::Data<Portal>) -> HttpResponse {
    let (line, connector) = path.into_inner();
    if portal.connects(line, &connector) {
        done(json!({"result": true}))
    } else {
        refused(StatusCode::NOT_FOUND, "no_connector")
    }
}

pub(super) async fn disconnect(path: web::Path<(LineId, String)>, portal: web::Data<Portal>) -> HttpResponse {
    let (line, connector) = path.into_inner();
    portal.disconnects(line, &connector);
    done(json!({"result": true}))
}

pub(super) async fn add_card(body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let body = object(&body);
    let Some(kind) = CardKind::named(text(&body, "type")) else {
        return refused(StatusCode::BAD_REQUEST, "no_such_type");
    };
    let contacts = body.get("contacts").and_then(Value::as_array);
    let new = NewCard {
        title: text(&body, "title").to_owned(),
        name: text(&body, "name").to_owned(),
        last_name: text(&body, "last_name").to_owned(),
        stage: text(&body, "stage").to_owned(),
        phones: texts(&body, "phones"),
        emails: texts(&body, "emails"),
        ims: texts(&body, "ims"),
        contacts: contacts.map(|ids| ids.iter().filter_map(Value::as_i64).collect()).unwrap_or_default(),
        ..NewCard::default()
    };
    let at = portal.card(kind, new);
    done(json!({"type": at.kind, "id": at.id}))
}

pub(super) async fn move_card(
    path: web::Path<(String, i64)>,
    body: web::Bytes,
    portal: web::Data<Portal>,
) -> HttpResponse {
    let (kind, id) = path.into_inner();
    let moved = CardKind::named(&kind)
        .is_some_and(|kind| portal.moves_stage(CardRef { kind, id }, text(&object(&body), "stage")));
    if moved { done(json!({"result": true})) } else { refused(StatusCode::NOT_FOUND, "no_card") }
}

pub(super) async fn place_robot(body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let body = object(&body);
    let properties = body.get("properties").cloned().unwrap_or(json!({}));
    match portal.places_robot(text(&body, "stage"), text(&body, "code"), &properties) {
        Some(id) => done(json!({"id": id})),
        None => refused(StatusCode::NOT_FOUND, "no_robot"),
    }
}

pub(super) async fn remove_robot(id: web::Path<i64>, portal: web::Data<Portal>) -> HttpResponse {
    portal.removes_robot(*id);
    done(json!({"result": true}))
}

/// `{sender, type, id, to, text}`: the card's SMS button.
pub(super) async fn send_sms(me: web::Query<Me>, body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let body = object(&body);
    let at = CardKind::named(text(&body, "type"))
        .zip(body.get("id").and_then(Value::as_i64))
        .map(|(kind, id)| CardRef { kind, id });
    let sent = at.and_then(|at| {
        portal.sends_sms(me.id(&portal), text(&body, "sender"), at, (text(&body, "to"), text(&body, "text")))
    });
    match sent {
        Some(id) => done(json!({"id": id})),
        None => refused(StatusCode::NOT_FOUND, "no_sender"),
    }
}

pub(super) async fn lang(body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    match text(&object(&body), "lang") {
        lang @ ("ru" | "en") => {
            portal.sets_lang(lang);
            done(json!({"result": true}))
        }
        _ => refused(StatusCode::BAD_REQUEST, "no_such_language"),
    }
}
