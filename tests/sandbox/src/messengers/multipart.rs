//! Multipart bodies, read whole: both APIs take small ones.

use std::collections::HashMap;

use actix_web::{error::PayloadError, http::header::HeaderMap, web};
use futures_util::{StreamExt, stream};

/// Most parts that are looked at; more is an attack, not a message.
const PART_LIMIT: usize = 100;

/// A part with a file name, or without one but with a type of its own.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub name: String,
    pub mime: String,
    pub bytes: web::Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Form {
    pub values: HashMap<String, String>,
    pub files: HashMap<String, Upload>,
}

/// Splits a body that is already in memory. `None` when it is not a readable multipart body.
pub(crate) async fn read(headers: &HeaderMap, body: web::Bytes) -> Option<Form> {
    let whole = stream::once(async move { Ok::<_, PayloadError>(body) });
    let mut parts = actix_multipart::Multipart::new(headers, Box::pin(whole));
    let mut form = Form::default();
    let mut seen = 0;
    while let Some(part) = parts.next().await {
        let mut part = part.ok()?;
        seen += 1;
        if seen > PART_LIMIT {
            return None;
        }
        let name = part.name()?.to_owned();
        let file_name =
            part.content_disposition().and_then(|disposition| disposition.get_filename()).map(str::to_owned);
        let mime = part.content_type().map(ToString::to_string);
        let mut bytes = web::BytesMut::new();
        while let Some(chunk) = part.next().await {
            bytes.extend_from_slice(&chunk.ok()?);
        }
        let bytes = bytes.freeze();
        if let Some(file_name) = file_name {
            let mime = mime.unwrap_or_else(|| "application/octet-stream".to_owned());
            let upload = Upload { name: file_name, mime, bytes };
            form.files.insert(name, upload);
        } else {
            form.values.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Some(form)
}
