//! Bytes of the make-believe world: what people and businesses attach, at public addresses of the cloud listener.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    image,
    model::{Attachment, MediaKind},
};
use crate::{World, random_hex};

/// Longest file name that is kept, in characters.
const NAME_LIMIT: usize = 200;

#[derive(Default)]
pub(crate) struct Files {
    rows: HashMap<String, StoredFile>,
    /// Public addresses answer 404, as those do whose time is over.
    pub lost: bool,
}

#[derive(Clone)]
pub(crate) struct StoredFile {
    pub name: String,
    pub mime: String,
    pub bytes: web::Bytes,
}

impl Files {
    pub(crate) fn add(&mut self, name: &str, mime: &str, bytes: web::Bytes) -> String {
        let id = random_hex(12);
        let row = StoredFile { name: clean_name(name), mime: clean_mime(mime), bytes };
        self.rows.insert(id.clone(), row);
        id
    }

    pub(crate) fn get(&self, id: &str) -> Option<&StoredFile> {
        self.rows.get(id)
    }

    /// The file as a part of a message, shown as its type says.
    pub(crate) fn attachment(&self, id: &str) -> Option<Attachment> {
        let row = self.rows.get(id)?;
        self.attachment_as(id, MediaKind::of(&row.mime))
    }

    pub(crate) fn attachment_as(&self, id: &str, kind: MediaKind) -> Option<Attachment> {
        let row = self.rows.get(id)?;
        Some(Attachment {
            file: id.to_owned(),
            name: row.name.clone(),
            mime: row.mime.clone(),
            size: row.bytes.len(),
            kind,
            dimensions: image::dimensions(&row.bytes),
        })
    }
}

/// A name without folders and control characters, so that it can stand in an address and a header.
fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(NAME_LIMIT).collect();
    if clean.trim().is_empty() { "file".to_owned() } else { clean }
}

fn clean_mime(mime: &str) -> String {
    let bare = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let good = bare.split_once('/').is_some_and(|(kind, rest)| {
        let word =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
        word(kind) && word(rest)
    });
    if good { bare } else { "application/octet-stream".to_owned() }
}

pub(crate) fn url(cloud_url: &str, id: &str, name: &str) -> String {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    format!("{cloud_url}/files/{id}/{name}")
}

/// The answer that carries a file. `inline` only for what cannot run anything in a browser.
pub(crate) fn response(file: &StoredFile) -> HttpResponse {
    let kind = file.mime.split('/').next().unwrap_or_default();
    let harmless = matches!(kind, "image" | "audio" | "video") && file.mime != "image/svg+xml";
    let name = utf8_percent_encode(&file.name, NON_ALPHANUMERIC);
    let placing = if harmless { "inline" } else { "attachment" };
    HttpResponse::Ok()
        .content_type(file.mime.as_str())
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Content-Security-Policy", "sandbox; default-src 'none'"))
        .insert_header(("Content-Disposition", format!("{placing}; filename*=UTF-8''{name}")))
        .body(file.bytes.clone())
}

pub(crate) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/files/{id}/{name}", web::get().to(download));
}

async fn download(world: web::Data<World>, path: web::Path<(String, String)>) -> HttpResponse {
    let (id, _) = path.into_inner();
    let file = {
        let store = world.messengers.read();
        store.files.get(&id).filter(|_| !store.files.lost).cloned()
    };
    file.map_or_else(|| HttpResponse::NotFound().finish(), |file| response(&file))
}
