//! Why a call to ChatApp failed, and what that means for a transfer and for a person who logs in.
//!
//! ChatApp's list of error codes is not public; only `ApiInvalidTokenError` is certain. Others are recognised by the words
//! in code and message (`ApiLicenseNotFoundError`, "license not found"), and what is not recognised counts as a refusal of
//! the message itself.

use std::time::Duration;

use reqwest::StatusCode;

use crate::{
    domain::failure::{Failure, Retry, Told},
    messaging::transfer,
    outgoing::OutgoingError,
};

/// The one code that every public client knows.
const INVALID_TOKEN: &str = "ApiInvalidTokenError";

#[derive(Debug)]
pub(super) enum ApiError {
    /// No answer was taken.
    Lost(OutgoingError),
    /// The token is refused (its code, for the log).
    Token(String),
    /// ChatApp says no.
    Refused(Refusal),
    /// Accepted by its status, but the answer cannot be read.
    Malformed(u16),
}

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// ChatApp's code when it is short and plain; else empty. The message may hold a phone number, so it is not kept.
    code: String,
    meaning: Meaning,
    /// False when a proxy may have answered in ChatApp's place: then it is not known what ChatApp did.
    explicit: bool,
    wait: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    License,
    Disconnected,
    NoRecipient,
    TooLarge,
    TooLong,
    CannotWriteFirst,
    Blocked,
    Credentials,
    Limit,
    Other,
}

impl ApiError {
    /// An envelope with an error.
    pub(super) fn refused(status: StatusCode, code: &str, message: &str, wait: Option<Duration>) -> Self {
        let plain = plain_code(code);
        if is_token_refusal(status, code) {
            return Self::Token(plain);
        }
        Self::Refused(Refusal {
            status,
            code: plain,
            meaning: meaning(&squash(code), &squash(message)),
            explicit: true,
            wait,
        })
    }

    /// An error status without an envelope.
    pub(super) fn answered(status: StatusCode, wait: Option<Duration>) -> Self {
        if is_token_refusal(status, "") {
            return Self::Token(String::new());
        }
        Self::Refused(Refusal {
            status,
            code: String::new(),
            meaning: Meaning::Other,
            explicit: status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE,
            wait,
        })
    }

    /// What it means for a transfer.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Lost(error) => transfer::lost(&error),
            Self::Token(code) => disconnected(format!("ChatApp refused the token {code}")),
            Self::Refused(refusal) => refusal.into_failure(),
            Self::Malformed(status) => Failure::unknown(format!("ChatApp answered {status} without an envelope")),
        }
    }
}

impl Refusal {
    fn is_limit(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS || self.meaning == Meaning::Limit
    }

    fn into_failure(self) -> Failure {
        let cause = format!("ChatApp answered {} {}", self.status.as_u16(), self.code);
        if self.is_limit() {
            return transfer::busy(cause, self.wait);
        }
        if self.status.is_server_error() {
            let failure = transfer::busy(cause, self.wait);
            return Failure { certain: self.explicit, ..failure };
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            return Failure::permanent(Told::FileTooLarge, cause);
        }
        let told = match self.meaning {
            Meaning::License => {
                return Failure::permanent(Told::LicenseExpired, cause).retry(Retry::WhenChannelReturns);
            }
            Meaning::Disconnected => return disconnected(cause),
            Meaning::NoRecipient => Told::NoSuchRecipient,
            Meaning::TooLarge => Told::FileTooLarge,
            Meaning::TooLong => Told::TextTooLong,
            Meaning::CannotWriteFirst => Told::CannotWriteFirst,
            Meaning::Blocked => Told::BlockedByClient,
            Meaning::Credentials | Meaning::Limit | Meaning::Other => Told::Rejected,
        };
        Failure::permanent(told, cause)
    }
}

/// The channel's right is gone until a person repairs it.
pub(super) fn disconnected(cause: String) -> Failure {
    Failure::permanent(Told::ChannelDisconnected, cause).retry(Retry::WhenChannelReturns)
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// E-mail, password and application id do not fit together.
    #[error("ChatApp refused the e-mail, the password or the application id")]
    WrongCredentials,
    /// ChatApp gives out 100 tokens a day for an e-mail and application id.
    #[error("ChatApp gives out no more tokens today")]
    TooMany,
    #[error("ChatApp is not reachable: {0}")]
    Unavailable(String),
    #[error("ChatApp's answer was not understood")]
    Malformed,
}

impl From<ApiError> for LoginError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Lost(error) => Self::Unavailable(error.to_string()),
            ApiError::Token(_) => Self::WrongCredentials,
            ApiError::Malformed(_) => Self::Malformed,
            ApiError::Refused(refusal) => {
                if refusal.is_limit() {
                    Self::TooMany
                } else if refusal.status.is_server_error() {
                    Self::Unavailable(format!("it answered {}", refusal.status.as_u16()))
                } else {
                    Self::WrongCredentials
                }
            }
        }
    }
}

/// 401 is always about the token. 403 is, unless it carries the code of something else.
fn is_token_refusal(status: StatusCode, code: &str) -> bool {
    status == StatusCode::UNAUTHORIZED || code == INVALID_TOKEN || (status == StatusCode::FORBIDDEN && code.is_empty())
}

fn plain_code(code: &str) -> String {
    let plain = (1..=64).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    // A code of digits alone could be a phone number.
    if plain && code.bytes().any(|b| b.is_ascii_alphabetic()) { code.to_owned() } else { String::new() }
}

/// Lower-case letters and digits alone: `ApiChatNotFoundError` and "chat not found" meet.
fn squash(text: &str) -> String {
    text.chars().take(500).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn meaning(code: &str, message: &str) -> Meaning {
    let has = |words: &[&str]| words.iter().any(|word| code.contains(word) || message.contains(word));
    let absent = has(&["notfound", "notexist", "invalid", "incorrect", "unknown", "wrong"]);
    if has(&["licen"]) {
        Meaning::License
    } else if has(&["password", "credential"]) {
        Meaning::Credentials
    } else if has(&["notconnected", "messengernot", "disconnected", "notauthorized", "unauthorized", "loggedout"]) {
        Meaning::Disconnected
    } else if has(&["blockedby", "wasblocked"]) {
        Meaning::Blocked
    } else if has(&["24hour", "window", "reengagement", "cantwritefirst", "initiate"]) {
        Meaning::CannotWriteFirst
    } else if has(&["toolong"]) {
        Meaning::TooLong
    } else if has(&["filetoolarge", "filesize", "toobig", "filelarge"]) {
        Meaning::TooLarge
    } else if has(&["toomany", "ratelimit", "limitexceeded", "daylimit", "dailylimit"]) {
        Meaning::Limit
    } else if absent && has(&["chat", "phone", "recipient", "contact", "user"]) {
        Meaning::NoRecipient
    } else {
        Meaning::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, code: &str, message: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        ApiError::refused(status, code, message, None).into_failure()
    }

    #[test]
    fn refusals_are_told_by_what_they_are_about() {
        for (status, code, message, told) in [
            (400, "ApiLicenseNotFoundError", "", Told::LicenseExpired),
            (404, "not_found", "license not found", Told::LicenseExpired),
            (400, "ApiChatNotFoundError", "", Told::NoSuchRecipient),
            (422, "validation", "The phone is invalid", Told::NoSuchRecipient),
            (400, "x", "Messenger is not connected", Told::ChannelDisconnected),
            (404, "ApiMessengerNotFoundError", "", Told::ChannelDisconnected),
            (413, "", "", Told::FileTooLarge),
            (400, "ApiMessageTooLongError", "", Told::TextTooLong),
            (400, "Strange", "something else", Told::Rejected),
            (401, "", "", Told::ChannelDisconnected),
        ] {
            let failure = failure(status, code, message);
            assert_eq!(failure.told, told, "{status} {code} {message}");
            assert!(failure.certain);
            assert!(!failure.cause.contains("phone"), "no message in the log");
        }
        assert_eq!(failure(400, "ApiLicenseNotFoundError", "").retry, Retry::WhenChannelReturns);
        assert_eq!(failure(400, "ApiChatNotFoundError", "").retry, Retry::Never);
    }

    #[test]
    fn overload_and_outages_are_tried_again() {
        let wait = Some(Duration::from_secs(9));
        let limited = ApiError::refused(StatusCode::TOO_MANY_REQUESTS, "", "", wait).into_failure();
        assert_eq!(limited.retry, Retry::After(Duration::from_secs(9)));
        assert!(limited.certain);
        let said = failure(500, "Whatever", "");
        assert_eq!((said.retry, said.certain), (Retry::Backoff, true));
        let proxy = ApiError::answered(StatusCode::BAD_GATEWAY, None).into_failure();
        assert_eq!((proxy.retry, proxy.certain), (Retry::Backoff, false));
        let away = ApiError::answered(StatusCode::SERVICE_UNAVAILABLE, None).into_failure();
        assert_eq!((away.retry, away.certain), (Retry::Backoff, true));
    }

    #[test]
    fn a_forbidden_license_is_no_dead_token() {
        let error = ApiError::refused(StatusCode::FORBIDDEN, "ApiNoAccessError", "", None);
        assert!(matches!(error, ApiError::Refused(_)));
        let error = ApiError::refused(StatusCode::FORBIDDEN, INVALID_TOKEN, "", None);
        assert!(matches!(error, ApiError::Token(_)));
    }

    #[test]
    fn codes_that_could_be_people_are_not_logged() {
        assert_eq!(plain_code("ApiChatNotFoundError"), "ApiChatNotFoundError");
        assert_eq!(plain_code("79001234567"), "");
        assert_eq!(plain_code("chat of Anna"), "");
    }
}
