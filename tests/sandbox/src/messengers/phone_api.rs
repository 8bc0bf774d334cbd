//! What the phone page asks for: `/~/phone/...` of a portal listener. Times are milliseconds since 1970.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    markup,
    model::{Chat, Extra, Message, Peer, Person, Side},
    store::{Draft, Store},
    telegram,
};
use crate::World;

/// Longest text that the page may send, in characters.
const TEXT_LIMIT: usize = 20_000;
/// Most files of one message.
const FILES_LIMIT: usize = 10;

pub(crate) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::scope("/~/phone")
            .route("/state", web::get().to(state))
            .route("/write", web::post().to(write))
            .route("/upload", web::post().to(upload))
            .route("/read", web::post().to(read))
            .route("/edit", web::post().to(edit))
            .route("/delete", web::post().to(delete))
            .route("/block", web::post().to(block)),
    );
}

#[derive(Deserialize)]
struct Since {
    since: Option<String>,
}

/// Everything on everybody's phones. `?since=<revision>` answers 204 while nothing has changed.
async fn state(world: web::Data<World>, asked: web::Query<Since>) -> HttpResponse {
    let store = world.messengers.read();
    if asked.since.as_deref() == Some(store.revision.to_string().as_str()) {
        return HttpResponse::NoContent().finish();
    }
    let accounts: Vec<Value> = store
        .accounts
        .iter()
        .map(|row| {
            json!({
                "id": row.id,
                "messenger": row.messenger(),
                "title": row.title,
                "hint": row.hint,
            })
        })
        .collect();
    let people: Vec<Value> = store.people.iter().map(person).collect();
    let chats: Vec<Value> = store.chats.iter().map(|row| chat(&store, row, &world.cloud_url)).collect();
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(json!({
        "accounts": accounts,
        "people": people,
        "chats": chats,
        "revision": store.revision,
    }))
}

fn person(row: &Person) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "phone": row.phone,
        "username": row.username,
        "lacks": row.lacks,
    })
}

fn chat(store: &Store, row: &Chat, cloud_url: &str) -> Value {
    let messages: Vec<Value> = row.messages.iter().map(|row| message(store, row, cloud_url)).collect();
    let (title, members) = match &row.peer {
        Peer::Person(id) => (store.person(id).map(|row| row.name.as_str()), None),
        Peer::Group { title, members } => (Some(title.as_str()), Some(members)),
    };
    json!({
        "id": row.id,
        "account": row.account,
        "person": row.person(),
        "title": title,
        "members": members,
        "blocked": row.blocked,
        "messages": messages,
    })
}

fn message(store: &Store, row: &Message, cloud_url: &str) -> Value {
    let files: Vec<Value> = row
        .files
        .iter()
        .map(|file| {
            json!({
                "name": file.name,
                "url": super::files::url(cloud_url, &file.file, &file.name),
                "mime": file.mime,
                "size": file.size,
                "kind": file.kind,
            })
        })
        .collect();
    let extra = row.extra.as_ref().map(|extra| match extra {
        Extra::Location { latitude, longitude } => json!({ "latitude": latitude, "longitude": longitude }),
        Extra::Contact { phone, name } => json!({ "phone": phone, "name": name }),
        Extra::Sticker { emoji } => json!({ "emoji": emoji }),
    });
    let author = row.author.as_deref().and_then(|id| store.person(id));
    json!({
        "id": row.key,
        "side": row.side,
        "author": author.map(|person| person.name.as_str()),
        "text": row.raw,
        "html": markup::html(row),
        "files": files,
        "extra": extra,
        "album": row.album,
        "time": row.time_ms,
        "status": row.status,
        "error": row.error,
        "by_phone": row.side == Side::Business && !row.by_api,
        "edited": row.edited,
        "deleted": row.deleted,
    })
}

#[derive(Deserialize)]
struct Write {
    account: String,
    #[serde(default)]
    person: String,
    /// A group instead of a private chat.
    #[serde(default)]
    chat: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    files: Vec<String>,
}

async fn write(world: web::Data<World>, asked: web::Json<Write>) -> HttpResponse {
    let asked = asked.into_inner();
    if asked.text.chars().count() > TEXT_LIMIT || asked.files.len() > FILES_LIMIT {
        return refused("too much at once");
    }
    let files: Option<Vec<_>> = {
        let store = world.messengers.read();
        let ids = asked.files.iter();
        ids.map(|id| store.files.attachment(id)).collect()
    };
    let Some(files) = files else {
        return refused("no such file");
    };
    if asked.text.trim().is_empty() && files.is_empty() {
        return refused("nothing to send");
    }
    let draft = Draft { entities: telegram::html::found_in(&asked.text), files, ..Draft::text(&asked.text) };
    let messengers = &world.messengers;
    let written = match asked.chat {
        Some(chat) => messengers.member_writes(&asked.person, &chat, draft),
        None => messengers.person_writes(&asked.person, &asked.account, draft),
    };
    match written {
        Ok(keys) => HttpResponse::Ok().json(json!({ "messages": keys })),
        Err(reason) => refused(reason),
    }
}

#[derive(Deserialize)]
struct UploadQuery {
    name: String,
    #[serde(default)]
    mime: String,
}

async fn upload(
    world: web::Data<World>,
    asked: web::Query<UploadQuery>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let header = request.headers().get("Content-Type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mime = match asked.mime.as_str() {
        "" => header,
        mime => mime,
    };
    let id = world.messengers.change(|store| store.files.add(&asked.name, mime, body));
    HttpResponse::Ok().json(json!({ "id": id }))
}

#[derive(Deserialize)]
struct OfChat {
    chat: String,
}

async fn read(world: web::Data<World>, asked: web::Json<OfChat>) -> HttpResponse {
    plain(world.messengers.person_reads(&asked.chat))
}

#[derive(Deserialize)]
struct OfMessage {
    message: u64,
    #[serde(default)]
    text: String,
}

async fn edit(world: web::Data<World>, asked: web::Json<OfMessage>) -> HttpResponse {
    if asked.text.trim().is_empty() || asked.text.chars().count() > TEXT_LIMIT {
        return refused("nothing to write, or too much");
    }
    plain(world.messengers.person_edits(asked.message, &asked.text))
}

async fn delete(world: web::Data<World>, asked: web::Json<OfMessage>) -> HttpResponse {
    plain(world.messengers.person_deletes(asked.message))
}

#[derive(Deserialize)]
struct Block {
    account: String,
    person: String,
    blocked: bool,
}

async fn block(world: web::Data<World>, asked: web::Json<Block>) -> HttpResponse {
    let Block { account, person, blocked } = asked.into_inner();
    plain(world.messengers.person_blocks(&person, &account, blocked))
}

fn plain(outcome: Result<(), &'static str>) -> HttpResponse {
    match outcome {
        Ok(()) => HttpResponse::Ok().json(json!({})),
        Err(reason) => refused(reason),
    }
}

fn refused(reason: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({ "error": reason }))
}
