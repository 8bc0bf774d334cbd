//! Why a call to Telegram failed, and what that means for a transfer. Telegram has no error codes of its own: it is the HTTP
//! status and the words of `description`, which the Bot API server has not changed for years.

use std::time::Duration;

use reqwest::StatusCode;

use crate::{
    domain::failure::{Failure, Retry, Told},
    messaging::transfer,
    outgoing::OutgoingError,
};

#[derive(Debug)]
pub(super) enum ApiError {
    /// No answer was taken.
    Lost(OutgoingError),
    Refused(Refusal),
    /// Accepted by its status, but the answer cannot be read.
    Malformed(u16),
}

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: Reason,
    /// False when a proxy may have answered in Telegram's place: then it is not known what Telegram did.
    explicit: bool,
    wait: Option<Duration>,
}

/// What Telegram objects to, as far as we act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Token,
    Blocked,
    NotInGroup,
    CannotWriteFirst,
    NoChat,
    /// The text's HTML does not parse.
    Markup,
    TooLong,
    TooLarge,
    NoFile,
    /// It is no picture in Telegram's sense (sides, proportions, damage): it may go as a document.
    Picture,
    /// The client forbids voice messages: it may go as a document.
    Voice,
    /// The message says that already.
    NotModified,
    /// The message to be changed is not there.
    NoMessage,
    /// It is too late, or never could be done, to change the message.
    Unchangeable,
    /// The group has a new id.
    Moved(i64),
    Flood,
    Conflict,
    Other,
}

impl From<OutgoingError> for ApiError {
    fn from(error: OutgoingError) -> Self {
        Self::Lost(error)
    }
}

impl ApiError {
    pub(super) fn refused(status: StatusCode, description: &str, wait: Option<Duration>, moved: Option<i64>) -> Self {
        let reason = moved.map_or_else(|| reason(status, description), Reason::Moved);
        Self::Refused(Refusal { status, reason, explicit: true, wait })
    }

    /// An answer without an envelope: a proxy's page.
    pub(super) fn unreadable(status: StatusCode, wait: Option<Duration>) -> Self {
        if status.is_success() || status.is_redirection() {
            return Self::Malformed(status.as_u16());
        }
        Self::Refused(Refusal {
            status,
            reason: reason(status, ""),
            explicit: status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE,
            wait,
        })
    }

    /// A token that Telegram would not know.
    pub(super) fn unauthorised() -> Self {
        Self::refused(StatusCode::UNAUTHORIZED, "", None, None)
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason),
            Self::Lost(_) | Self::Malformed(_) => None,
        }
    }

    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Lost(error) => transfer::lost(&error),
            Self::Refused(refusal) => refusal.into_failure(),
            Self::Malformed(status) => Failure::unknown(format!("Telegram answered {status} in an unknown form")),
        }
    }
}

impl Refusal {
    fn into_failure(self) -> Failure {
        let cause = format!("Telegram answered {} ({:?})", self.status.as_u16(), self.reason);
        let told = match self.reason {
            Reason::Flood | Reason::Conflict => return transfer::busy(cause, self.wait),
            _ if self.status.is_server_error() => {
                let failure = transfer::busy(cause, self.wait);
                return Failure { certain: self.explicit, ..failure };
            }
            Reason::Token => {
                return Failure::permanent(Told::ChannelDisconnected, cause).retry(Retry::WhenChannelReturns);
            }
            Reason::Blocked => Told::BlockedByClient,
            Reason::NotInGroup => Told::NotInGroup,
            Reason::CannotWriteFirst => Told::CannotWriteFirst,
            Reason::NoChat | Reason::Moved(_) => Told::NoSuchRecipient,
            Reason::TooLong => Told::TextTooLong,
            Reason::TooLarge => Told::FileTooLarge,
            Reason::NoFile => Told::FileUnavailable,
            Reason::Unchangeable => Told::Unsupported,
            Reason::Markup
            | Reason::Picture
            | Reason::Voice
            | Reason::NotModified
            | Reason::NoMessage
            | Reason::Other => Told::Rejected,
        };
        Failure::permanent(told, cause)
    }
}

fn reason(status: StatusCode, description: &str) -> Reason {
    match status.as_u16() {
        401 => Reason::Token,
        // A token that never was one finds nothing; a method that the server lacks is our mistake, not the token's.
        404 if !description.contains("method") => Reason::Token,
        403 => forbidden(&description.to_lowercase()),
        400 => bad_request(&description.to_lowercase()),
        409 => Reason::Conflict,
        413 => Reason::TooLarge,
        420 | 429 => Reason::Flood,
        _ => Reason::Other,
    }
}

fn forbidden(description: &str) -> Reason {
    let has = |words: &[&str]| words.iter().any(|word| description.contains(word));
    if has(&["can't initiate", "send messages to bots", "send messages to the user"]) {
        Reason::CannotWriteFirst
    } else if has(&["kicked", "not a member", "group chat was"]) {
        Reason::NotInGroup
    } else if has(&["blocked", "deactivated"]) {
        Reason::Blocked
    } else {
        Reason::Other
    }
}

fn bad_request(description: &str) -> Reason {
    let has = |words: &[&str]| words.iter().any(|word| description.contains(word));
    if has(&["can't parse entities", "parse entities"]) {
        Reason::Markup
    } else if has(&["message is not modified"]) {
        Reason::NotModified
    } else if has(&["message to edit not found", "message to delete not found", "message_id_invalid"]) {
        Reason::NoMessage
    } else if has(&["can't be edited", "can't be deleted"]) {
        Reason::Unchangeable
    } else if has(&["too long"]) {
        Reason::TooLong
    } else if has(&["too big", "too large"]) {
        Reason::TooLarge
    } else if has(&["chat not found", "peer_id_invalid", "user not found", "chat_id is empty"]) {
        Reason::NoChat
    } else if has(&["wrong file", "file_id", "file identifier", "file reference"]) {
        Reason::NoFile
    } else if has(&["photo_", "image_process_failed", "wrong type of the web page content"]) {
        Reason::Picture
    } else if has(&["voice_messages_forbidden"]) {
        Reason::Voice
    } else {
        Reason::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, description: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        ApiError::refused(status, description, None, None).into_failure()
    }

    #[test]
    fn refusals_are_told_by_their_words() {
        for (status, description, told) in [
            (401, "Unauthorized", Told::ChannelDisconnected),
            (404, "Not Found", Told::ChannelDisconnected),
            (403, "Forbidden: bot was blocked by the user", Told::BlockedByClient),
            (403, "Forbidden: user is deactivated", Told::BlockedByClient),
            (403, "Forbidden: bot was kicked from the supergroup chat", Told::NotInGroup),
            (403, "Forbidden: bot is not a member of the supergroup chat", Told::NotInGroup),
            (403, "Forbidden: bot can't initiate conversation with a user", Told::CannotWriteFirst),
            (400, "Bad Request: chat not found", Told::NoSuchRecipient),
            (400, "Bad Request: message is too long", Told::TextTooLong),
            (400, "Bad Request: file is too big", Told::FileTooLarge),
            (413, "Request Entity Too Large", Told::FileTooLarge),
            (400, "Bad Request: message text is empty", Told::Rejected),
            (400, "Bad Request: message can't be deleted for everyone", Told::Unsupported),
            (400, "Bad Request: message to edit not found", Told::Rejected),
        ] {
            let failure = failure(status, description);
            assert_eq!(failure.told, told, "{description}");
            assert!(failure.certain);
        }
        assert_eq!(failure(401, "").retry, Retry::WhenChannelReturns);
        assert_eq!(failure(403, "blocked").retry, Retry::Never);
    }

    #[test]
    fn floods_wait_as_long_as_telegram_says() {
        let wait = Some(Duration::from_secs(33));
        let error = ApiError::refused(StatusCode::TOO_MANY_REQUESTS, "", wait, None);
        let failure = error.into_failure();
        assert_eq!(failure.retry, Retry::After(Duration::from_secs(33)));
        assert!(failure.certain);
    }

    #[test]
    fn an_outage_is_uncertain_only_when_telegram_itself_did_not_speak() {
        assert!(failure(500, "Internal Server Error").certain);
        let proxy = ApiError::unreadable(StatusCode::BAD_GATEWAY, None).into_failure();
        assert_eq!((proxy.certain, proxy.retry), (false, Retry::Backoff));
        assert!(!ApiError::Malformed(200).into_failure().certain);
    }
}
