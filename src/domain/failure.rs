//! Why a transfer did not happen, in the words a worker needs. Every failure answers three questions: may it be
//! retried and when, did it perhaps happen, what does the person read.

use std::{fmt, time::Duration};

/// How long after an attempt whose answer was not seen the other side is asked about it: it may still be at work on it.
pub const ASK_AFTER: Duration = Duration::from_secs(5);

/// A failed call to a portal or to a core.
#[derive(Clone, Debug)]
pub struct Failure {
    pub retry: Retry,
    /// False when the other side may have done it although we saw no answer: never repeat blindly.
    pub certain: bool,
    pub told: Told,
    /// For the log: codes and counts, never a body, a token or a phone number.
    pub cause: String,
}

/// May the same thing be tried again, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Never,
    /// The other side said when.
    After(Duration),
    /// By the schedule of `queue::retry`.
    Backoff,
    /// Nothing was tried, or whatever is tried meets the same: the way there is closed for so long. No attempt, and no fault of what
    /// waits for it.
    Closed(Duration),
    /// When a person has repaired the portal's grant or plan; the portal is parked.
    WhenPortalReturns,
    /// When a person has repaired the channel's credentials; the channel is parked.
    WhenChannelReturns,
}

/// What the operator reads: a key of the texts, one sentence each per language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The other side is away or overloaded; we go on trying.
    Unavailable,
    /// The client has blocked the channel or left.
    BlockedByClient,
    /// The channel was thrown out of the group, or has never been in it.
    NotInGroup,
    /// The messenger does not let this channel write first.
    CannotWriteFirst,
    /// No such person in the messenger.
    NoSuchRecipient,
    FileTooLarge,
    FileUnavailable,
    TextTooLong,
    /// It had to wait so long that sending it now would do harm.
    TooOld,
    /// The channel's credentials are dead: connect it again.
    ChannelDisconnected,
    /// The paid period of the core's license is over.
    LicenseExpired,
    /// The portal took our right away.
    PortalUnauthorised,
    /// The Open Channel or the connector on it is switched off.
    LineInactive,
    /// The messenger refused the message itself.
    Rejected,
    /// The channel cannot do this.
    Unsupported,
    /// A mistake of this server.
    Internal,
}

impl Told {
    /// The code in tables, logs and robot answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::BlockedByClient => "blocked_by_client",
            Self::NotInGroup => "not_in_group",
            Self::CannotWriteFirst => "cannot_write_first",
            Self::NoSuchRecipient => "no_such_recipient",
            Self::FileTooLarge => "file_too_large",
            Self::FileUnavailable => "file_unavailable",
            Self::TextTooLong => "text_too_long",
            Self::TooOld => "too_old",
            Self::ChannelDisconnected => "channel_disconnected",
            Self::LicenseExpired => "license_expired",
            Self::PortalUnauthorised => "portal_unauthorised",
            Self::LineInactive => "line_inactive",
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl Failure {
    /// It did not happen and never will.
    pub fn permanent(told: Told, cause: impl fmt::Display) -> Self {
        Self { retry: Retry::Never, certain: true, told, cause: cause.to_string() }
    }

    /// It did not happen; the schedule says when to try again.
    pub fn transient(cause: impl fmt::Display) -> Self {
        Self { retry: Retry::Backoff, certain: true, told: Told::Unavailable, cause: cause.to_string() }
    }

    /// The request went out and no answer was seen.
    pub fn unknown(cause: impl fmt::Display) -> Self {
        Self { retry: Retry::Backoff, certain: false, told: Told::Unavailable, cause: cause.to_string() }
    }

    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.told.code(), self.cause)
    }
}

impl std::error::Error for Failure {}
