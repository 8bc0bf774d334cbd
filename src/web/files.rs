//! `/media/{token}`: files lent out by signed links. A stranger's bytes are served as what they are and nothing more: never run, never
//! framed, never sniffed into something else.

use actix_web::{
    HttpResponse,
    http::header::{self, ContentDisposition, DispositionParam, DispositionType, ExtendedValue},
    web,
};

use crate::{app::App, db::Media, media::link};

pub async fn media(app: web::Data<App>, token: web::Path<String>) -> HttpResponse {
    let Some((portal, id)) = link::verify(&app.keys, &token, app.clock.now()) else {
        return HttpResponse::NotFound().finish();
    };
    let media = match app.db.media_get(&portal, id).await {
        Ok(media) => media,
        Err(error) => return super::events::unavailable(&error),
    };
    let Some((media, key)) = media.and_then(|media| media.stored.clone().map(|key| (media, key))) else {
        return HttpResponse::NotFound().finish();
    };
    match app.store.get(&key).await {
        Ok(bytes) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, content_type(&media)))
            .insert_header(disposition(&media.name))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
            .insert_header((header::CACHE_CONTROL, "private, max-age=3600"))
            .body(bytes),
        Err(error) => {
            tracing::error!(media = %media.id, %error, "a stored file could not be read");
            HttpResponse::NotFound().finish()
        }
    }
}

/// A type that came from outside is passed on only if it can be a header.
fn content_type(media: &Media) -> header::HeaderValue {
    header::HeaderValue::from_str(&media.mime)
        .unwrap_or_else(|_unusable| header::HeaderValue::from_static("application/octet-stream"))
}

fn disposition(name: &str) -> ContentDisposition {
    let name = ExtendedValue {
        charset: header::Charset::Ext("UTF-8".into()),
        language_tag: None,
        value: name.as_bytes().to_vec(),
    };
    ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::FilenameExt(name)],
    }
}
