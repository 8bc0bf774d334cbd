//! One call of Telegram's Bot API. The token is part of the address, so no address and no foreign error text leaves here.

use std::time::Duration;

use reqwest::{Response, StatusCode, multipart::Form};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::error::ApiError;
use crate::{
    messaging::transfer::retry_after,
    outgoing::{Outgoing, OutgoingError, read_limited},
    secret::Secret,
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A file of 50 MB over a slow line.
const FILE_TIMEOUT: Duration = Duration::from_mins(5);
/// A hundred updates of the longest text are a few megabytes.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

pub(super) struct Api {
    outgoing: Outgoing,
    base: Url,
}

/// What every method answers.
#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Api {
    pub(super) fn new(outgoing: Outgoing, base: Url) -> Self {
        Self { outgoing, base }
    }

    pub(super) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        token: &Secret,
        method: &str,
        body: &Value,
    ) -> Result<T, ApiError> {
        self.call_for(token, method, body, ANSWER_TIMEOUT).await
    }

    /// A call whose answer may take up to `patience`.
    pub(super) async fn call_for<T: DeserializeOwned>(
        &self,
        token: &Secret,
        method: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<T, ApiError> {
        let request = self.outgoing.post(self.url(token, &[], method)?)?;
        let response = request.timeout(patience).json(body).send().await;
        open(response.map_err(OutgoingError::from)?).await
    }

    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        token: &Secret,
        method: &str,
        form: Form,
    ) -> Result<T, ApiError> {
        let request = self.outgoing.post(self.url(token, &[], method)?)?;
        let response = request.timeout(FILE_TIMEOUT).multipart(form).send().await;
        open(response.map_err(OutgoingError::from)?).await
    }

    /// Where a file lies whose path `getFile` gave. It holds the token: for a download alone.
    pub(super) fn file_url(&self, token: &Secret, path: &str) -> Result<Url, ApiError> {
        let plain = |segment: &str| !matches!(segment, "" | "." | "..");
        if !path.split('/').all(plain) {
            return Err(ApiError::Malformed(200));
        }
        self.url(token, &["file"], path)
    }

    /// `<base>/[file/]bot<token>/<rest>`; a token of another form than Telegram's is refused before it gets into a path.
    fn url(&self, token: &Secret, before: &[&str], rest: &str) -> Result<Url, ApiError> {
        let token = token.expose();
        if !is_token(token) {
            return Err(ApiError::unauthorised());
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| OutgoingError::NotHttp)?
            .pop_if_empty()
            .extend(before)
            .push(&format!("bot{token}"))
            .extend(rest.split('/'));
        Ok(url)
    }
}

/// `<bot id>:<secret>` of digits and base64url letters.
pub(super) fn is_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(id, secret)| {
        (1..=20).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_digit())
            && (10..=200).contains(&secret.len())
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    })
}

async fn open<T: DeserializeOwned>(response: Response) -> Result<T, ApiError> {
    let status = response.status();
    let header = retry_after(response.headers());
    let body = read_limited(response, LARGEST_ANSWER).await?;
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else {
        return Err(ApiError::unreadable(status, header));
    };
    if envelope.ok {
        return serde_json::from_value(envelope.result).map_err(|_other_form| ApiError::Malformed(status.as_u16()));
    }
    let code = envelope.error_code.and_then(|code| StatusCode::from_u16(code).ok());
    let parameters = envelope.parameters.unwrap_or_default();
    let wait = parameters.retry_after.map(Duration::from_secs);
    Err(ApiError::refused(
        code.unwrap_or(status),
        envelope.description.as_deref().unwrap_or_default(),
        wait.or(header),
        parameters.migrate_to_chat_id,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::Guard;

    fn api(base: &str) -> Api {
        let outgoing = Outgoing::new(Guard::default()).unwrap();
        Api::new(outgoing, Url::parse(base).unwrap())
    }

    #[test]
    fn addresses_hold_under_a_base_with_a_path() {
        let token = Secret::new("42:AAbbccddeeff_-");
        for base in ["https://api.example/telegram", "https://api.example/telegram/"] {
            let api = api(base);
            let url = api.url(&token, &[], "getMe").unwrap();
            assert_eq!(url.as_str(), "https://api.example/telegram/bot42:AAbbccddeeff_-/getMe");
            let url = api.file_url(&token, "photos/file 1.jpg").unwrap();
            assert_eq!(url.as_str(), "https://api.example/telegram/file/bot42:AAbbccddeeff_-/photos/file%201.jpg");
        }
    }

    #[test]
    fn what_is_no_token_gets_into_no_address() {
        let api = api("https://api.example");
        for token in ["", "42", "42:", "x:AAbbccddeeff", "42:../../x/AAAA", "42:AAbb?ccddeeff"] {
            assert!(api.url(&Secret::new(token), &[], "getMe").is_err(), "{token}");
        }
        let token = Secret::new("42:AAbbccddeeff_-");
        for path in ["../secret", "/etc/passwd", "a//b", ""] {
            assert!(api.file_url(&token, path).is_err(), "{path}");
        }
    }
}
