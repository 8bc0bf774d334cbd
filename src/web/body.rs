//! Bodies: read with a limit of size and of time, so that nobody can fill the memory or hold a connection by dripping bytes.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError, dev::Payload, error::PayloadError, http::StatusCode,
    web::BytesMut,
};
use futures_util::StreamExt as _;

/// The largest event that Bitrix24 is known to send is a fraction of it: files come as links.
const MAX_BYTES: usize = 8 * 1024 * 1024;
const MAX_TIME: Duration = Duration::from_secs(20);

/// A whole body.
pub struct Body(pub Vec<u8>);

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("too large")]
    TooLarge,
    #[error("too slow")]
    TooSlow,
    #[error("broken off")]
    Broken,
}

impl ResponseError for BodyError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).finish()
    }
}

impl FromRequest for Body {
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, BodyError>>>>;

    fn from_request(_request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        Box::pin(async move {
            tokio::time::timeout(MAX_TIME, read(payload)).await.unwrap_or(Err(BodyError::TooSlow)).map(Self)
        })
    }
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => BodyError::TooLarge,
            _broken => BodyError::Broken,
        })?;
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.to_vec())
}
