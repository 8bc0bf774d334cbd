//! Reading: files, pictures of people, chats.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{Call, Outcome, Refused, messages, upstream};
use crate::{
    World,
    messengers::{files, files::StoredFile, model::MediaKind},
    random_hex,
};
use actix_web::HttpRequest;

/// Largest file that a bot can fetch, in bytes; the server's source.
const DOWNLOAD_LIMIT: usize = 20 * 1024 * 1024;
/// Milliseconds that a path lives; the documentation promises an hour.
const PATH_MS: i64 = 3600 * 1000;

/// What stands for the smaller versions of a photo: the sandbox does not scale, so that whoever takes the wrong version
/// sees one grey dot.
pub(super) const PREVIEW: [u8; 35] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x80, 0x80, 0x80, 0x00, 0x00, 0x00,
    0x2C, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3B,
];

/// `getFile`: gives a path for an hour. The id says nothing of the name, and neither does the path.
pub(super) fn file(call: &Call) -> Outcome {
    let id = call.params.text("file_id");
    if id.is_empty() {
        return Err(Refused::bad("file_id not specified"));
    }
    call.messengers.quietly(|store| {
        let invalid = || Refused::bad("invalid file_id");
        let bot = store.telegram.bot(&call.token).ok_or_else(invalid)?;
        let (kind, file, mark) = messages::parse_file_id(bot.id, id).ok_or_else(invalid)?;
        let row = store.files.get(&file).ok_or_else(invalid)?;
        let size = if mark.is_empty() { row.bytes.len() } else { PREVIEW.len() };
        if size > DOWNLOAD_LIMIT {
            return Err(Refused::bad("file is too big"));
        }
        let (folder, ending) = folder(kind, &row.name);
        let path = format!("{folder}/file_{}{ending}", random_hex(4));
        let unique = format!("AQAD{file}{mark}");
        if let Some(bot) = store.telegram.bot_mut(&call.token) {
            let end_ms = call.now_ms + PATH_MS;
            bot.paths.insert(path.clone(), (file, mark, end_ms));
        }
        Ok(json!({
            "file_id": id,
            "file_unique_id": unique,
            "file_size": size,
            "file_path": path,
        }))
    })
}

fn folder(kind: MediaKind, name: &str) -> (&'static str, String) {
    let own = name
        .rsplit_once('.')
        .map(|(_, ending)| ending)
        .filter(|ending| ending.len() <= 5 && ending.chars().all(|c| c.is_ascii_alphanumeric()))
        .map_or_else(String::new, |ending| format!(".{ending}"));
    match kind {
        MediaKind::Photo => ("photos", ".jpg".to_owned()),
        MediaKind::Video => ("videos", own),
        MediaKind::Audio => ("music", own),
        MediaKind::Voice => ("voice", ".oga".to_owned()),
        MediaKind::Sticker => ("stickers", ".webp".to_owned()),
        MediaKind::Document => ("documents", own),
    }
}

/// `GET /file/bot<token>/<path>`. The type of the answer is always the same, as the real server has it.
pub(super) async fn download(
    world: web::Data<World>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> HttpResponse {
    let (token, path) = path.into_inner();
    if world.messengers.read().telegram.bot(&token).is_none() {
        return upstream::forward(&world, &request, web::Bytes::new()).await;
    }
    let now_ms = world.clock.now_ms();
    let store = world.messengers.read();
    let found = store
        .telegram
        .bot(&token)
        .and_then(|bot| bot.paths.get(&path))
        .filter(|(_, _, end_ms)| *end_ms > now_ms)
        .and_then(|(file, mark, _)| {
            let row = store.files.get(file)?;
            Some(if mark.is_empty() { row.bytes.clone() } else { web::Bytes::from_static(&PREVIEW) })
        });
    let Some(bytes) = found else {
        return Refused::new(404, "Not Found").response();
    };
    files::response(&StoredFile { name: "file".to_owned(), mime: "application/octet-stream".to_owned(), bytes })
}

/// `getUserProfilePhotos`
pub(super) fn profile_photos(call: &Call) -> Outcome {
    let store = call.messengers.read();
    let id = call.params.number("user_id");
    let person = store
        .people
        .iter()
        .find(|person| Some(person.telegram_id) == id)
        .ok_or_else(|| Refused::bad("user not found"))?;
    let bot = store.telegram.bot(&call.token).map_or(0, |bot| bot.id);
    let photos: Vec<Value> = person.picture.iter().map(|picture| messages::photo_sizes(bot, picture)).collect();
    Ok(json!({ "total_count": photos.len(), "photos": photos }))
}

/// `getChat`
pub(super) fn chat(call: &Call) -> Outcome {
    let chat = call.chat()?;
    let store = call.messengers.read();
    Ok(messages::chat_of(&store, &store.chats[chat]))
}
