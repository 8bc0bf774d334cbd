//! Downloads by token, and the public page of a short link.

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;

use crate::portal::{File, Portal};

#[derive(Deserialize)]
pub(super) struct Token {
    token: String,
}

/// `/rest/download.json?token=...`: the bytes while the link lives.
pub(super) async fn download(query: web::Query<Token>, portal: web::Data<Portal>) -> HttpResponse {
    match portal.linked(&query.token) {
        Some(file) => bytes(file),
        None => HttpResponse::NotFound().content_type("text/html").body("<h1>404 Not Found</h1>"),
    }
}

/// Where the portal's own pages fetch files.
pub(super) const PAGE_DOWNLOAD: &str = "/bitrix/services/main/ajax.php";

/// Nobody is signed in here: what the module's authentication filter answers then.
pub(super) async fn signed_in_only() -> HttpResponse {
    HttpResponse::Unauthorized().content_type("application/json; charset=UTF-8").body(
        r#"{"status":"error","data":null,"errors":[{"message":"","code":"invalid_authentication","customData":null}]}"#,
    )
}

/// A short link gives a page about the file, and not the file.
pub(super) async fn public_page(token: web::Path<String>, portal: web::Data<Portal>) -> HttpResponse {
    match portal.linked(&token) {
        Some(file) => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(format!(
            "<html><body><p>{} bytes</p><a href=\"/rest/download.json?token={token}\">Download</a></body></html>",
            file.size
        )),
        None => HttpResponse::NotFound().content_type("text/html").body("<h1>404 Not Found</h1>"),
    }
}

/// A file as an attachment, never as a page of the portal.
pub(crate) fn bytes(file: File) -> HttpResponse {
    let name: String = url::form_urlencoded::byte_serialize(file.name.as_bytes()).collect();
    let disposition = if file.kind == "image" { "inline" } else { "attachment" };
    HttpResponse::Ok()
        .content_type(file.mime)
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("{disposition}; filename*=UTF-8''{}", name.replace('+', "%20")),
        ))
        .body(file.bytes)
}
