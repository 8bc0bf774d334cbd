//! `/media/{token}`: files lent out by signed links. A stranger's bytes are served as what they are and nothing more: never run, never
//! framed, never sniffed into something else.

use actix_web::{
    HttpResponse,
    body::SizedStream,
    http::header::{self, ContentDisposition, DispositionParam, DispositionType, ExtendedValue},
    web,
};

use futures_util::stream::{self, Stream};
use tokio::{fs::File, io::AsyncReadExt as _};

use crate::{app::App, db::Media, media::link};

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

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
    match app.store.open(&key).await {
        Ok((file, size)) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, content_type(&media)))
            .insert_header(disposition(&media.name))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
            .insert_header((header::CACHE_CONTROL, "private, max-age=3600"))
            .body(SizedStream::new(size, pieces(file))),
        Err(error) => {
            tracing::error!(media = %media.id, %error, "a stored file could not be read");
            HttpResponse::NotFound().finish()
        }
    }
}

/// A file in pieces: however many read large files at once, little of them is in the memory.
fn pieces(file: File) -> impl Stream<Item = std::io::Result<web::Bytes>> {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = web::BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    })
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
