//! Carries one call to a portal and brings the raw answer back. Knows HTTP, redirects and limits; does not know what the
//! answer means.

use std::time::Duration;

use reqwest::{StatusCode, header};
use url::Url;

use super::error::{CallError, Code};
use crate::outgoing::{Outgoing, OutgoingError, read_limited, redirect_target};

/// The largest answers are lists of 50 cards or 200 lines with their queues: far below. Beyond it something is wrong.
pub(super) const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// An answer as it came.
pub(super) struct RawAnswer {
    pub http: u16,
    pub body: Vec<u8>,
    /// `Retry-After` in seconds. Bitrix24 sends none; proxies before it may.
    pub retry_after_s: Option<u64>,
    /// The endpoint that answered, when it was another than the one asked.
    pub moved_to: Option<Url>,
}

/// One call to be carried.
pub(super) struct Post<'a> {
    pub outgoing: &'a Outgoing,
    /// The method.
    pub name: &'a str,
    /// JSON, with the token inside.
    pub body: &'a [u8],
    pub timeout: Duration,
}

impl Post<'_> {
    /// Posts to `endpoint` + name. A portal that has moved answers with a redirect to its new address, where the same call is
    /// made once; the body holds a token, so the new address must be the same method at another endpoint and not less
    /// protected.
    pub(super) async fn to(&self, endpoint: &Url) -> Result<RawAnswer, CallError> {
        let url = method_url(endpoint, self.name)?;
        let response = self.send(&url).await?;
        if !response.status().is_redirection() {
            return read(response, None).await;
        }
        let (url, moved_to) = follow(&url, self.name, &response)?;
        let response = self.send(&url).await?;
        if response.status().is_redirection() {
            return Err(CallError::local(Code::Redirected, "a second redirect"));
        }
        read(response, Some(moved_to)).await
    }

    async fn send(&self, url: &Url) -> Result<reqwest::Response, CallError> {
        self.outgoing
            .post(url.clone())?
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .timeout(self.timeout)
            .body(self.body.to_vec())
            .send()
            .await
            .map_err(|error| CallError::from(OutgoingError::from(error)))
    }
}

/// `https://portal/rest/` + `app.info`. An endpoint without the closing slash is forgiven.
fn method_url(endpoint: &Url, name: &str) -> Result<Url, CallError> {
    let mut base = endpoint.clone();
    base.set_query(None);
    base.set_fragment(None);
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", endpoint.path()));
    }
    base.join(name).map_err(|_cannot_be_base| CallError::local(Code::Forbidden, "the endpoint is no base URL"))
}

/// Where the call is repeated, and the endpoint that this means.
fn follow(asked: &Url, name: &str, response: &reqwest::Response) -> Result<(Url, Url), CallError> {
    let refused = |why| CallError::local(Code::Redirected, why);
    if response.status() == StatusCode::SEE_OTHER {
        return Err(refused("a redirect to a page"));
    }
    let target = redirect_target(asked, response).ok_or_else(|| refused("a redirect to nowhere"))?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err(refused("a redirect to another protocol"));
    }
    if asked.scheme() == "https" && target.scheme() == "http" {
        return Err(refused("a redirect to an unprotected address"));
    }
    if target.origin() == asked.origin() || target.path() != asked.path() {
        return Err(refused("a redirect to something else than a moved portal"));
    }
    let mut url = target;
    url.set_query(None);
    url.set_fragment(None);
    // a name and password in the address would go along with the token
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("a redirect with credentials"));
    }
    let mut endpoint = url.clone();
    let base = url.path().strip_suffix(name).unwrap_or("/").to_owned();
    endpoint.set_path(&base);
    Ok((url, endpoint))
}

async fn read(response: reqwest::Response, moved_to: Option<Url>) -> Result<RawAnswer, CallError> {
    let http = response.status().as_u16();
    let retry_after_s = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok());
    let body = read_limited(response, ANSWER_LIMIT).await.map_err(|error| CallError { http, ..error.into() })?;
    Ok(RawAnswer { http, body, retry_after_s, moved_to })
}
