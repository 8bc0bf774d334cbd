//! One call of ChatApp's HTTP API: a request, its envelope, a result. Knows no tokens but the one it is given.

use std::time::Duration;

use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
    multipart::Form,
};
use serde_json::Value;
use url::Url;

use super::{error::ApiError, wire};
use crate::{
    messaging::{
        OutgoingFile,
        transfer::{part, retry_after},
    },
    outgoing::{Outgoing, OutgoingError, read_limited},
    secret::Secret,
};

/// Public clients of this API wait 20 to 30 s for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A file of the largest size over a slow line.
const FILE_TIMEOUT: Duration = Duration::from_mins(5);
/// A page of history is the largest answer; it is far below this.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// ChatApp's HTTP API at its address.
pub(super) struct Api {
    outgoing: Outgoing,
    base: Url,
}

/// What is asked. Borrowed, so that the same call can be made again with another token.
pub(super) struct Call<'a> {
    pub method: Method,
    /// Segments after `/v1/`; each is encoded, so a hostile id stays one segment.
    pub path: Vec<&'a str>,
    pub query: &'a [(&'a str, &'a str)],
    pub body: Body<'a>,
}

pub(super) enum Body<'a> {
    Empty,
    Json(Value),
    File { file: &'a OutgoingFile, tracking: &'a str },
}

/// Who asks. ChatApp wants the bare access token in `Authorization`, without `Bearer`.
#[derive(Clone, Copy)]
pub(super) enum Auth<'a> {
    Nobody,
    Access(&'a Secret),
    Refresh(&'a Secret),
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: Vec<&'a str>) -> Self {
        Self { method, path, query: &[], body: Body::Empty }
    }

    pub(super) fn body(mut self, body: Body<'a>) -> Self {
        self.body = body;
        self
    }
}

impl Api {
    /// `base` is the origin, with or without the version (`…/v1`).
    pub(super) fn new(outgoing: Outgoing, mut base: Url) -> Self {
        let mut segments: Vec<String> = base
            .path_segments()
            .into_iter()
            .flatten()
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect();
        if segments.last().is_none_or(|last| last != "v1") {
            segments.push("v1".to_owned());
        }
        base.set_path(&segments.join("/"));
        base.set_query(None);
        base.set_fragment(None);
        Self { outgoing, base }
    }

    pub(super) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Makes the call; the result is the envelope's `data`.
    pub(super) async fn run(&self, call: &Call<'_>, auth: Auth<'_>) -> Result<Value, ApiError> {
        let request = self
            .outgoing
            .request(call.method.clone(), self.url(call)?)
            .map_err(ApiError::Lost)?
            .header(header::ACCEPT, "application/json");
        let request = with_body(with_auth(request, auth)?, &call.body);
        let response = request.send().await.map_err(|error| ApiError::Lost(error.into()))?;
        open(response).await
    }

    fn url(&self, call: &Call<'_>) -> Result<Url, ApiError> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| ApiError::Lost(OutgoingError::NotHttp))?.extend(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        Ok(url)
    }
}

fn with_auth(request: RequestBuilder, auth: Auth<'_>) -> Result<RequestBuilder, ApiError> {
    let (name, token) = match auth {
        Auth::Nobody => return Ok(request),
        Auth::Access(token) => (header::AUTHORIZATION, token),
        Auth::Refresh(token) => (REFRESH, token),
    };
    // A token that cannot stand in a header was never a token: the same as a refused one.
    let mut value =
        HeaderValue::from_str(token.expose()).map_err(|_not_a_header| ApiError::Token("unsendable".to_owned()))?;
    value.set_sensitive(true);
    Ok(request.header(name, value))
}

fn with_body(request: RequestBuilder, body: &Body<'_>) -> RequestBuilder {
    match body {
        Body::Empty => request.timeout(ANSWER_TIMEOUT),
        Body::Json(value) => request.timeout(ANSWER_TIMEOUT).json(value),
        Body::File { file, tracking } => {
            let mut form = Form::new()
                .part("file", part(file))
                .text("fileName", file.name.clone())
                .text("tracking", (*tracking).to_owned());
            if !file.caption.is_empty() {
                form = form.text("caption", file.caption.clone());
            }
            request.timeout(FILE_TIMEOUT).multipart(form)
        }
    }
}

/// Reads the envelope: `{"success":true,"data":…}` or `{"success":false,"error":{"code","message"}}`.
async fn open(response: Response) -> Result<Value, ApiError> {
    let status = response.status();
    let wait = retry_after(response.headers());
    let body = read_limited(response, LARGEST_ANSWER).await.map_err(ApiError::Lost)?;
    let envelope = serde_json::from_slice::<Value>(&body).ok().filter(Value::is_object);
    let Some(mut envelope) = envelope else {
        return Err(unreadable(status, wait));
    };
    let success = envelope.get("success").and_then(wire::read_flag);
    if status.is_success() && success != Some(false) {
        return Ok(envelope.get_mut("data").map(Value::take).unwrap_or_default());
    }
    let (code, message) = wire::refusal(&envelope);
    Err(ApiError::refused(status, &code, &message, wait))
}

/// Not an envelope: a proxy's page, or nothing.
fn unreadable(status: StatusCode, wait: Option<Duration>) -> ApiError {
    if status.is_success() || status.is_redirection() {
        ApiError::Malformed(status.as_u16())
    } else {
        ApiError::answered(status, wait)
    }
}
