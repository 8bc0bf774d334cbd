//! Files that a bot sends: uploaded with the call, named by an id, or to be fetched from an address.

use std::time::Duration;

use actix_web::web;
use futures_util::StreamExt;

use super::{Call, Refused, messages};
use crate::messengers::{
    image,
    model::{Attachment, MediaKind},
    multipart::Upload,
};

/// Largest photo that is uploaded, in bytes; the documentation says 10 MB.
const PHOTO_LIMIT: usize = 10 * 1024 * 1024;
/// Largest photo and other file that Telegram fetches by itself; the documentation says 5 and 20 MB.
const FETCHED_PHOTO_LIMIT: usize = 5 * 1024 * 1024;
const FETCHED_LIMIT: usize = 20 * 1024 * 1024;
/// Sum of width and height, and their ratio, that a photo may have; the documentation.
const PHOTO_SIDES: u32 = 10_000;
const PHOTO_RATIO: u32 = 20;

/// The field and the kind behind `send<Something>` and behind the type of a part of an album.
pub(super) fn kind_of(word: &str) -> Option<(&'static str, MediaKind)> {
    Some(match word {
        "photo" => ("photo", MediaKind::Photo),
        "document" => ("document", MediaKind::Document),
        "video" => ("video", MediaKind::Video),
        "audio" => ("audio", MediaKind::Audio),
        "voice" => ("voice", MediaKind::Voice),
        _ => return None,
    })
}

pub(super) enum Source {
    Upload(Upload),
    Address(String),
    Id(String),
}

impl Source {
    /// Where a file parameter points: `attach://part`, an address, an id, or the part of its own name.
    pub(super) fn of(call: &Call, field: &str, given: &str) -> Option<Self> {
        let files = &call.params.files;
        if let Some(part) = given.strip_prefix("attach://") {
            return files.get(part).cloned().map(Self::Upload);
        }
        if given.starts_with("http://") || given.starts_with("https://") {
            return Some(Self::Address(given.to_owned()));
        }
        if !given.is_empty() {
            return Some(Self::Id(given.to_owned()));
        }
        files.get(field).cloned().map(Self::Upload)
    }
}

/// Takes a file into the store, or finds it there, and decides as what it will be shown.
pub(super) async fn take(call: &Call, source: Source, kind: MediaKind) -> Result<Attachment, Refused> {
    let upload = match source {
        Source::Id(id) => return known(call, &id, kind),
        Source::Upload(upload) => upload,
        Source::Address(address) => fetch(call, &address, kind).await?,
    };
    if upload.bytes.is_empty() {
        return Err(Refused::bad("file must be non-empty"));
    }
    if kind == MediaKind::Photo {
        check_photo(&upload.bytes)?;
    }
    let kind = shown_as(kind, &upload);
    let attachment = call.messengers.change(|store| {
        let id = store.files.add(&upload.name, &upload.mime, upload.bytes.clone());
        store.files.attachment_as(&id, kind)
    });
    attachment.ok_or_else(wrong_file)
}

fn wrong_file() -> Refused {
    Refused::bad("wrong file identifier/HTTP URL specified")
}

/// A file that this bot has seen before. It keeps its kind, whatever it is sent as.
fn known(call: &Call, id: &str, kind: MediaKind) -> Result<Attachment, Refused> {
    let store = call.messengers.read();
    let bot = store.telegram.bot(&call.token).map_or(0, |bot| bot.id);
    let (known, file, _) = messages::parse_file_id(bot, id).ok_or_else(wrong_file)?;
    if known != kind {
        return Err(Refused::bad(&format!("type of file mismatch: can't use file of type {known:?} as {kind:?}")));
    }
    store.files.attachment_as(&file, kind).ok_or_else(wrong_file)
}

fn check_photo(bytes: &[u8]) -> Result<(), Refused> {
    let size = bytes.len();
    if size > PHOTO_LIMIT {
        return Err(Refused::bad(&format!(
            "file of size {size} bytes is too big for a photo; the maximum size is {PHOTO_LIMIT} bytes"
        )));
    }
    let Some((width, height)) = image::dimensions(bytes) else {
        return Err(Refused::bad("IMAGE_PROCESS_FAILED"));
    };
    let (short, long) = (width.min(height), width.max(height));
    let too_long = short == 0 || long / short > PHOTO_RATIO;
    if too_long || width.saturating_add(height) > PHOTO_SIDES {
        return Err(Refused::bad("PHOTO_INVALID_DIMENSIONS"));
    }
    Ok(())
}

/// Telegram looks into the file: what is not OGG is no voice message, what is not MP4 no video.
fn shown_as(kind: MediaKind, upload: &Upload) -> MediaKind {
    let bytes = &upload.bytes;
    let sound = upload.mime.starts_with("audio/");
    match kind {
        MediaKind::Voice if bytes.starts_with(b"OggS") => MediaKind::Voice,
        MediaKind::Voice | MediaKind::Audio if sound => MediaKind::Audio,
        MediaKind::Video if upload.mime == "video/mp4" => MediaKind::Video,
        MediaKind::Photo => MediaKind::Photo,
        _ => MediaKind::Document,
    }
}

/// Fetches a file as Telegram's servers would. Documents by address are taken only as PDF, ZIP or GIF.
async fn fetch(call: &Call, address: &str, kind: MediaKind) -> Result<Upload, Refused> {
    let failed = || Refused::bad("failed to get HTTP URL content");
    let answer = call
        .messengers
        .around()
        .http
        .get(address)
        .timeout(Duration::from_secs(20))
        .send()
        .await
        .map_err(|_| failed())?;
    if !answer.status().is_success() {
        return Err(failed());
    }
    let mime = answer
        .headers()
        .get("Content-Type")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let name = answer.url().path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default().to_owned();
    let document = ["application/pdf", "application/zip", "image/gif"].contains(&mime.as_str());
    if mime == "text/html" || (kind == MediaKind::Document && !document) {
        return Err(Refused::bad("wrong type of the web page content"));
    }
    let limit = match kind {
        MediaKind::Photo => FETCHED_PHOTO_LIMIT,
        _ => FETCHED_LIMIT,
    };
    let mut bytes = web::BytesMut::new();
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|_| failed())?);
        if bytes.len() > limit {
            return Err(failed());
        }
    }
    let name = percent_encoding::percent_decode_str(&name).decode_utf8_lossy();
    Ok(Upload { name: name.into_owned(), mime, bytes: bytes.freeze() })
}
