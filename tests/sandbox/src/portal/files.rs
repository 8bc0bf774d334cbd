//! Files: what kind they are, where they are downloaded, how the portal fetches those of a connector.

use actix_web::web::Bytes;

use super::{Counter, File, Portal, State, Upload, state::Link};
use crate::random_hex;

/// A download link of an event lives as long as an access token.
const LINK_LIFE_MS: i64 = 3_600_000;
/// The portal keeps the last 50 characters of a file's name.
const NAME_CHARS: usize = 50;

impl Portal {
    /// Keeps a file for ever, as the portal's disk does.
    pub(super) fn keep(state: &mut State, upload: Upload) -> File {
        let id = state.next(Counter::File);
        let kind = kind_of(&upload.mime);
        let file = File {
            id,
            kind,
            size: upload.bytes.len(),
            url: format!("/~/files/{id}"),
            name: upload.name,
            mime: upload.mime,
            bytes: upload.bytes,
        };
        state.files.insert(id, file.clone());
        file
    }

    /// A fresh token for `/rest/download.json`.
    pub(super) fn link(&self, state: &mut State, file: i64) -> String {
        let token = random_hex(24);
        state.links.insert(token.clone(), Link { file, expires_ms: self.now_ms() + LINK_LIFE_MS });
        token
    }

    /// The file behind a token, while the link lives.
    pub(crate) fn linked(&self, token: &str) -> Option<File> {
        let now = self.now_ms();
        self.read(|state| {
            let link = state.links.get(token).filter(|link| link.expires_ms > now)?;
            state.files.get(&link.file).cloned()
        })
    }

    pub(crate) fn file(&self, id: i64) -> Option<File> {
        self.read(|state| state.files.get(&id).cloned())
    }

    /// Fetches a file of a connector's message as the portal does: a plain GET without credentials, redirects followed,
    /// 200 or nothing. `None`: it is dropped silently.
    pub(super) async fn fetch(&self, url: &str, name: Option<&str>) -> Option<Upload> {
        let outcome = self.download(url).await;
        self.journal(|journal| {
            let noted = outcome.as_ref().map(|(_, bytes)| bytes.len()).map_err(Clone::clone);
            journal.downloads.push((url.to_owned(), noted));
        });
        let (mime, bytes) = outcome.ok()?;
        let from_url = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or("file");
        let name = named(name.filter(|name| !name.is_empty()).unwrap_or(from_url), &mime);
        Some(Upload { name, mime, bytes })
    }

    async fn download(&self, url: &str) -> Result<(String, Bytes), String> {
        let answer = self
            .world()
            .http
            .get(url)
            .header("user-agent", "Bitrix Connector Client")
            .send()
            .await
            .map_err(|error| error.to_string())?;
        if answer.status().as_u16() != 200 {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let mime = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let mime = mime.unwrap_or("application/octet-stream").split(';').next().unwrap_or_default().trim().to_owned();
        let bytes = answer.bytes().await.map_err(|error| error.to_string())?;
        Ok((mime, bytes))
    }
}

/// The name as the portal keeps it: its end, with an extension.
fn named(name: &str, mime: &str) -> String {
    let mut name = name.to_owned();
    if !name.contains('.')
        && let Some(extension) = extension_of(mime)
    {
        name = format!("{name}.{extension}");
    }
    let cut = name.chars().count().saturating_sub(NAME_CHARS);
    name.chars().skip(cut).collect()
}

fn extension_of(mime: &str) -> Option<&'static str> {
    Some(match mime {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "application/pdf" => "pdf",
        "audio/ogg" => "ogg",
        "audio/mpeg" => "mp3",
        "video/mp4" => "mp4",
        "text/plain" => "txt",
        _ => return None,
    })
}

/// The platform's four kinds. Only some pictures are shown in place.
fn kind_of(mime: &str) -> &'static str {
    match mime.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        Some("audio") => "audio",
        _ => "file",
    }
}

/// A size for people, as the platform writes it: `12.06 KB`.
pub(super) fn for_people(size: usize) -> String {
    let hundredths = |unit: usize| {
        let whole = size * 100 / unit;
        format!("{}.{:02}", whole / 100, whole % 100)
    };
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KB", hundredths(1024)),
        _ => format!("{} MB", hundredths(1_048_576)),
    }
}
