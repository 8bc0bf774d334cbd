//! What all cores share about a call: what its failure means for a transfer, how a file is fetched by a link, and how
//! names and keys from outside are made safe.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{self, HeaderMap},
    multipart::Part,
};
use serde_json::Value;
use url::Url;

use super::{Fetched, OutgoingFile};
use crate::{
    domain::failure::{Failure, Retry, Told},
    outgoing::{Outgoing, OutgoingError, read_limited},
    secret::fingerprint,
};

/// The longest wait that a `Retry-After` may ask of us: a mistaken header must not park a channel for years.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Longer keys are replaced by their fingerprint, so that a hostile id cannot swell an index.
const LONGEST_KEY: usize = 200;
/// Portals keep the last 50 characters of a file's name; this is room enough for people and file systems.
const LONGEST_NAME: usize = 120;

/// What a failed call means when the request was to change something on the other side.
pub(super) fn lost(error: &OutgoingError) -> Failure {
    match error {
        OutgoingError::Connect | OutgoingError::Silent => Failure::transient(error),
        OutgoingError::NoAnswer | OutgoingError::TooLarge(_) => Failure::unknown(error),
        OutgoingError::Forbidden | OutgoingError::NotHttp | OutgoingError::Redirects | OutgoingError::Setup(_) => {
            Failure::permanent(Told::Internal, error)
        }
    }
}

/// A question repeated does no harm: whatever happened to it, it is certain that nothing was changed.
pub(super) fn harmless(mut failure: Failure) -> Failure {
    failure.certain = true;
    failure
}

/// The other side is overloaded or away, said so, and perhaps said for how long.
pub(super) fn busy(cause: String, wait: Option<Duration>) -> Failure {
    let failure = Failure::transient(cause);
    match wait {
        Some(wait) => failure.retry(Retry::After(wait.min(LONGEST_WAIT))),
        None => failure,
    }
}

/// `Retry-After` in seconds; its date form is not used by any API that we call.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

/// Fetches a file of at most `limit` bytes by its link. An HTML page is refused: that is what a dead link gives with 200.
pub(super) async fn fetch(outgoing: &Outgoing, url: Url, limit: u64) -> Result<Fetched, Failure> {
    let response = outgoing.download(url).await.map_err(|error| unfetched(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(not_given(status, retry_after(response.headers())));
    }
    let mime = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(essence);
    if mime.as_deref().is_some_and(is_page) {
        let cause = "a page came instead of the file";
        return Err(Failure::permanent(Told::FileUnavailable, cause));
    }
    if response.content_length().is_some_and(|size| size > limit) {
        return Err(Failure::permanent(Told::FileTooLarge, "declared too large"));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let bytes = read_limited(response, limit).await.map_err(|error| unfetched(&error))?;
    Ok(Fetched { bytes, mime })
}

fn unfetched(error: &OutgoingError) -> Failure {
    match error {
        OutgoingError::Connect | OutgoingError::NoAnswer | OutgoingError::Silent => Failure::transient(error),
        OutgoingError::TooLarge(_) => Failure::permanent(Told::FileTooLarge, error),
        OutgoingError::Forbidden | OutgoingError::NotHttp | OutgoingError::Redirects => {
            Failure::permanent(Told::FileUnavailable, error)
        }
        OutgoingError::Setup(_) => Failure::permanent(Told::Internal, error),
    }
}

fn not_given(status: StatusCode, wait: Option<Duration>) -> Failure {
    let cause = format!("the file's server answered {}", status.as_u16());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        busy(cause, wait)
    } else {
        Failure::permanent(Told::FileUnavailable, cause)
    }
}

/// `type/subtype` in lower case, without parameters.
fn essence(content_type: &str) -> Option<String> {
    let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
    essence.contains('/').then_some(essence)
}

fn is_page(mime: &str) -> bool {
    matches!(mime, "text/html" | "application/xhtml+xml")
}

/// A file as a part of a form. A MIME type that is none is left to the other side.
pub(super) fn part(file: &OutgoingFile) -> Part {
    let name = file_name(&file.name, &file.mime, "file");
    let bare = || Part::bytes(file.bytes.clone()).file_name(name.clone());
    bare().mime_str(&file.mime).unwrap_or_else(|_no_mime| bare())
}

/// A key for recognising repeats, of bounded length.
pub(super) fn item_key(key: String) -> String {
    if key.len() <= LONGEST_KEY { key } else { format!("long/{}", fingerprint(&key)) }
}

/// The key of an item that names no id: the same bytes are the same item.
pub(super) fn anonymous_key(body: &Value) -> String {
    format!("unnamed/{}", fingerprint(&body.to_string()))
}

/// A file's name that is safe to show and to store: no path, no control or direction characters, with an extension (made
/// up from the MIME type when there is none), of bounded length. `kind` names a file that came without a name.
pub(super) fn file_name(given: &str, mime: &str, kind: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !is_unsafe(*c)).collect();
    let clean = clean.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let stem = if clean.is_empty() { kind } else { clean };
    match stem.rsplit_once('.') {
        Some((stem, extension)) if is_extension(extension) => shorten(stem, extension),
        _ => shorten(stem, extension_of(mime)),
    }
}

fn shorten(stem: &str, extension: &str) -> String {
    let stem: String = stem.chars().take(LONGEST_NAME).collect();
    format!("{stem}.{extension}")
}

fn is_extension(text: &str) -> bool {
    (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Control characters, and those that turn the direction of writing (`exe.gpj` must not look like a picture).
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn extension_of(mime: &str) -> &'static str {
    match mime {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "video/3gpp" => "3gp",
        "video/quicktime" => "mov",
        "audio/mpeg" => "mp3",
        "audio/mp4" | "audio/aac" | "audio/x-m4a" => "m4a",
        "audio/amr" => "amr",
        "audio/wav" | "audio/x-wav" => "wav",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "text/plain" => "txt",
        "text/vcard" | "text/x-vcard" => "vcf",
        _ if mime.starts_with("audio/ogg") => "ogg",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_become_safe_and_get_an_extension() {
        assert_eq!(file_name("../../etc/passwd", "text/plain", "file"), "passwd.txt");
        assert_eq!(file_name("C:\\a\\b.PDF", "", "file"), "b.PDF");
        assert_eq!(file_name("", "image/jpeg", "image"), "image.jpg");
        assert_eq!(file_name("..", "audio/ogg; codecs=opus", "voice"), "voice.ogg");
        assert_eq!(file_name("a\u{202E}gpj.exe", "", "file"), "agpj.exe");
        assert_eq!(file_name("v1. final version", "application/pdf", "file"), "v1. final version.pdf");
        let long = format!("{}.docx", "я".repeat(500));
        let short = file_name(&long, "", "file");
        assert_eq!(short.chars().count(), LONGEST_NAME + 5);
        assert!(short.ends_with("я.docx"));
    }

    #[test]
    fn a_call_that_may_have_arrived_is_uncertain_and_a_question_never_is() {
        assert!(lost(&OutgoingError::Connect).certain);
        assert!(!lost(&OutgoingError::NoAnswer).certain);
        assert!(harmless(lost(&OutgoingError::NoAnswer)).certain);
        assert_eq!(lost(&OutgoingError::Forbidden).retry, Retry::Never);
    }

    #[test]
    fn a_wait_is_honoured_within_reason() {
        let wait = |seconds| busy(String::new(), Some(Duration::from_secs(seconds))).retry;
        assert_eq!(wait(7), Retry::After(Duration::from_secs(7)));
        assert_eq!(wait(9_999_999), Retry::After(LONGEST_WAIT));
        assert_eq!(busy(String::new(), None).retry, Retry::Backoff);
    }

    #[test]
    fn keys_are_bounded() {
        assert_eq!(item_key("message/1/2".into()), "message/1/2");
        assert!(item_key("x".repeat(100_000)).len() <= LONGEST_KEY);
    }
}
