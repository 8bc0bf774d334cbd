//! Files on their way: fetched from where they lie, kept in the media store, lent out by signed links.
//!
//! The portal's links die within the hour, so its bytes are copied before anything else is tried with them. A file that is in the
//! store is never fetched again.

use std::time::Duration;

use reqwest::header;
use url::Url;

use super::{channel_of, db_failure};
use crate::{
    app::App,
    db::{Channel, Media, MediaOwner, NewMedia},
    domain::{
        failure::{Failure, Told},
        ids::{MediaId, PortalId},
    },
    media::{StoreError, link},
    messaging::Origin,
    outgoing::{OutgoingError, read_limited},
};

/// Portals take larger files; what no messenger takes need not be held in memory.
const LARGEST: usize = 100 * 1024 * 1024;

/// A client's first message waits no longer for his picture.
const PICTURE_TIME: Duration = Duration::from_secs(10);

/// A file's bytes with what they are.
pub struct File {
    pub name: String,
    pub mime: String,
    pub bytes: Vec<u8>,
}

/// The size of a file, where somebody told it.
pub async fn size(app: &App, portal: &PortalId, id: MediaId) -> Result<Option<i64>, Failure> {
    Ok(known(app, portal, id).await?.size)
}

/// The bytes of a file, fetched and kept if they are not yet ours. The caller holds the memory for them.
pub async fn load(app: &App, portal: &PortalId, id: MediaId) -> Result<File, Failure> {
    let media = known(app, portal, id).await?;
    if let Some(key) = &media.stored {
        let bytes = app.store.get(key).await.map_err(store_failure)?;
        return Ok(File { name: media.name, mime: media.mime, bytes });
    }
    fetch(app, media).await
}

/// A link under which the file can be fetched for a while; the bytes are in the store when this answers.
pub async fn lend(app: &App, portal: &PortalId, id: MediaId, lifetime: Duration) -> Result<String, Failure> {
    let media = known(app, portal, id).await?;
    if media.stored.is_none() {
        let _held = app.memory.take(media.size).await;
        fetch(app, media).await?;
    }
    let until = app.clock.now().after(lifetime);
    let token = link::sign(&app.keys, portal, id, until).map_err(Failure::transient)?;
    Ok(app.config.own_url(&format!("/media/{token}")))
}

/// The same for a client's picture. A picture that cannot be had is no reason to lose a message.
pub async fn lend_picture(app: &App, channel: &Channel, origin: Origin) -> Option<String> {
    let owner = MediaOwner::Channel { channel: channel.id.clone(), origin };
    let new = NewMedia { owner, name: "picture.jpg".into(), mime: "image/jpeg".into(), size: None };
    let id = app.db.media_add(&channel.portal, new, app.clock.now()).await.ok()?;
    let lent = tokio::time::timeout(PICTURE_TIME, lend(app, &channel.portal, id, link::LIFETIME)).await;
    match lent.unwrap_or_else(|_late| Err(Failure::transient("it took too long"))) {
        Ok(url) => Some(url),
        Err(failure) => {
            tracing::info!(channel = %channel.id, cause = failure.cause, "a client's picture could not be fetched");
            None
        }
    }
}

async fn known(app: &App, portal: &PortalId, id: MediaId) -> Result<Media, Failure> {
    let media = app.db.media_get(portal, id).await.map_err(db_failure)?;
    media.ok_or_else(|| Failure::permanent(Told::FileUnavailable, "the file's row is gone"))
}

/// A file that cannot be had now is a failure of its own: it does not mean that the destination is down.
async fn fetch(app: &App, media: Media) -> Result<File, Failure> {
    fetch_now(app, media).await.map_err(|failure| match failure.told {
        Told::Unavailable => Failure { told: Told::FileUnavailable, certain: true, ..failure },
        _other => Failure { certain: true, ..failure },
    })
}

async fn fetch_now(app: &App, media: Media) -> Result<File, Failure> {
    let (bytes, mime) = match &media.owner {
        MediaOwner::Channel { channel, origin } => {
            let channel = channel_of(app, &media.portal, channel).await?;
            let access = app.db.channel_access(&channel).map_err(db_failure)?;
            let fetched = app.core(channel.core).fetch(&access, origin).await?;
            (fetched.bytes, fetched.mime)
        }
        MediaOwner::Portal { link } => from_portal(app, link, &media.mime).await?,
    };
    // A declared type beats a guess, and a guess beats "some bytes".
    let mime = match media.mime.as_str() {
        "" | "application/octet-stream" => mime.unwrap_or_else(|| "application/octet-stream".into()),
        known => known.to_owned(),
    };
    let key = app.store.put(&bytes).await.map_err(store_failure)?;
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    app.db.media_set_stored(&media.portal, media.id, (key, mime.clone(), size)).await.map_err(db_failure)?;
    Ok(File { name: media.name, mime, bytes })
}

async fn from_portal(app: &App, link: &str, declared: &str) -> Result<(Vec<u8>, Option<String>), Failure> {
    let url =
        Url::parse(link).map_err(|_not_a_url| Failure::permanent(Told::FileUnavailable, "the file has no address"))?;
    let response = app.outgoing.download(url).await.map_err(|error| download_failure(&error))?;
    let status = response.status();
    if !status.is_success() {
        let failure = Failure::transient(format!("the portal answered {status} for a file"));
        return Err(if status.is_client_error() {
            Failure { told: Told::FileUnavailable, ..failure }
        } else {
            failure
        });
    }
    let mime = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // A short link of the portal may be a page around the file instead of the file.
    if mime.as_deref().is_some_and(|mime| mime.starts_with("text/html")) && !declared.starts_with("text/html") {
        return Err(Failure::permanent(Told::FileUnavailable, "the portal answered a page instead of the file"));
    }
    let bytes = read_limited(response, LARGEST).await.map_err(|error| download_failure(&error))?;
    Ok((bytes, mime))
}

fn download_failure(error: &OutgoingError) -> Failure {
    match error {
        OutgoingError::TooLarge(_) => Failure::permanent(Told::FileTooLarge, error),
        OutgoingError::Forbidden | OutgoingError::NotHttp | OutgoingError::Redirects => {
            Failure::permanent(Told::FileUnavailable, error)
        }
        OutgoingError::Connect | OutgoingError::NoAnswer | OutgoingError::Silent | OutgoingError::Setup(_) => {
            Failure::transient(error)
        }
    }
}

fn store_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Key => Failure::permanent(Told::Internal, error),
        other => Failure::transient(other),
    }
}
