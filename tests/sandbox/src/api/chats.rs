//! Conversations, as an operator has them, and files.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Me, done, object, refused, text, texts, view};
use crate::{
    portal::{Blocked, ChatId, MessageId, Portal, Upload, rest},
    random_hex,
};

fn blocked(reason: Blocked) -> HttpResponse {
    let (status, error) = match reason {
        Blocked::NoChat => (StatusCode::NOT_FOUND, "no_chat"),
        Blocked::NoMessage => (StatusCode::NOT_FOUND, "no_message"),
        Blocked::Connector => (StatusCode::CONFLICT, "connector_not_active"),
        Blocked::Empty => (StatusCode::BAD_REQUEST, "empty"),
        Blocked::Foreign => (StatusCode::FORBIDDEN, "not_yours"),
    };
    refused(status, error)
}

/// The conversation; opening it marks it as read by the operator.
pub(super) async fn chat(id: web::Path<ChatId>, portal: web::Data<Portal>) -> HttpResponse {
    let Some(chat) = portal.chat(*id) else {
        return blocked(Blocked::NoChat);
    };
    portal.reads_chat(*id);
    let answer = portal.read(|state| {
        let messages: Vec<Value> = chat.messages.iter().map(|message| view::message_view(state, message)).collect();
        json!({"chat": view::chat_view(state, &chat), "messages": messages})
    });
    done(answer)
}

pub(super) async fn write(
    id: web::Path<ChatId>,
    me: web::Query<Me>,
    body: web::Bytes,
    portal: web::Data<Portal>,
) -> HttpResponse {
    let body = object(&body);
    let files: Vec<Upload> =
        portal.change(|state| texts(&body, "files").iter().filter_map(|upload| state.uploads.remove(upload)).collect());
    match portal.user_writes(me.id(&portal), *id, text(&body, "text"), &files) {
        Ok(id) => done(json!({"id": id})),
        Err(reason) => blocked(reason),
    }
}

pub(super) async fn edit(
    path: web::Path<(ChatId, MessageId)>,
    me: web::Query<Me>,
    body: web::Bytes,
    portal: web::Data<Portal>,
) -> HttpResponse {
    let (chat, message) = *path;
    match portal.user_edits(me.id(&portal), chat, message, text(&object(&body), "text")) {
        Ok(()) => done(json!({"result": true})),
        Err(reason) => blocked(reason),
    }
}

pub(super) async fn delete(
    path: web::Path<(ChatId, MessageId)>,
    me: web::Query<Me>,
    portal: web::Data<Portal>,
) -> HttpResponse {
    let (chat, message) = *path;
    match portal.user_deletes(me.id(&portal), chat, message) {
        Ok(()) => done(json!({"result": true})),
        Err(reason) => blocked(reason),
    }
}

pub(super) async fn finish(id: web::Path<ChatId>, me: web::Query<Me>, portal: web::Data<Portal>) -> HttpResponse {
    portal.finishes_chat(me.id(&portal), *id);
    done(json!({"result": true}))
}

#[derive(Deserialize)]
pub(super) struct Named {
    name: Option<String>,
    #[serde(rename = "type")]
    mime: Option<String>,
}

/// Keeps a file for a message that is being written; the body is the file.
pub(super) async fn upload(named: web::Query<Named>, body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let id = random_hex(12);
    let upload = Upload {
        name: named.name.clone().unwrap_or_else(|| "file".to_owned()),
        mime: named
            .mime
            .clone()
            .filter(|mime| !mime.is_empty())
            .unwrap_or_else(|| "application/octet-stream".to_owned()),
        bytes: body,
    };
    portal.change(|state| state.uploads.insert(id.clone(), upload));
    done(json!({"id": id}))
}

pub(super) async fn file(id: web::Path<i64>, portal: web::Data<Portal>) -> HttpResponse {
    match portal.file(*id) {
        Some(file) => {
            let mut answer = rest::file_answer(file);
            let policy = header::HeaderValue::from_static("sandbox");
            answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            answer
        }
        None => refused(StatusCode::NOT_FOUND, "no_file"),
    }
}
