//! Why a call failed, as Bitrix24 says it, and what that means for a worker.
//!
//! The portal's `error` decides, not the HTTP status: the same code comes with different ones, and sometimes with 200.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use super::{client::Time, values};
use crate::{
    domain::failure::{Failure, Retry, Told},
    outgoing::OutgoingError,
};

/// One of the ten buckets of the operating limit: the soonest that waiting can help when the portal does not say.
const OPERATING_BUCKET: Duration = Duration::from_mins(1);
/// Descriptions are for the log; Bitrix24's own are shorter than this.
const DESCRIPTION_LIMIT: usize = 300;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $($text:literal)|+;)+) => {
        /// What went wrong. Codes of the portal, then those of the way there.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)+
            /// A code that is not in our table; a number as its digits.
            Other(String),
            /// Certainly not called: no connection.
            NotConnected,
            /// Certainly not called: the address is not one that this server may call.
            Forbidden,
            /// Certainly not called: a mistake of ours in the parameters.
            Unsendable,
            /// Certainly not done: the portal sent us elsewhere in a way that a moved portal does not.
            Redirected,
            /// The request went out and no answer was seen.
            NoAnswer,
            /// An answer that is not Bitrix24's: a page of a proxy, nothing, or too much.
            Unreadable,
            /// Bitrix24 says that it was done, in a form that we do not know.
            OtherShape,
        }

        impl Code {
            /// Reads what stands in `error`.
            pub fn from_error(text: &str) -> Self {
                $(if [$($text),+].iter().any(|known| known.eq_ignore_ascii_case(text)) {
                    return Self::$variant;
                })+
                Self::Other(cut(text, 64))
            }

            /// For logs.
            pub fn as_str(&self) -> &str {
                if let Self::Other(text) = self { text } else { self.label() }
            }

            /// For metrics: no more of them than the table has.
            pub fn label(&self) -> &'static str {
                match self {
                    $(Self::$variant => first(&[$($text),+]),)+
                    Self::Other(_) => "other",
                    Self::NotConnected => "not_connected",
                    Self::Forbidden => "forbidden_address",
                    Self::Unsendable => "unsendable",
                    Self::Redirected => "redirected",
                    Self::NoAnswer => "no_answer",
                    Self::Unreadable => "unreadable_answer",
                    Self::OtherShape => "other_shape",
                }
            }
        }
    };
}

codes! {
    ExpiredToken = "expired_token";
    InvalidToken = "invalid_token";
    NoAuthFound = "NO_AUTH_FOUND";
    InsufficientScope = "insufficient_scope";
    UserAccessError = "user_access_error";
    AccessDenied = "ACCESS_DENIED";
    InvalidCredentials = "INVALID_CREDENTIALS";
    ApplicationNotFound = "APPLICATION_NOT_FOUND";
    AuthorizationError = "authorization_error";
    PaymentRequired = "PAYMENT_REQUIRED";
    PortalDeleted = "PORTAL_DELETED";
    OverloadLimit = "OVERLOAD_LIMIT";
    /// The portal cannot reach its OAuth server.
    ConnectionError = "CONNECTION_ERROR";
    QueryLimitExceeded = "QUERY_LIMIT_EXCEEDED";
    OperationTimeLimit = "OPERATION_TIME_LIMIT";
    InternalServerError = "INTERNAL_SERVER_ERROR";
    UnexpectedAnswer = "ERROR_UNEXPECTED_ANSWER";
    MethodNotFound = "ERROR_METHOD_NOT_FOUND";
    MethodConfirmWaiting = "METHOD_CONFIRM_WAITING";
    MethodConfirmDenied = "METHOD_CONFIRM_DENIED";
    WrongAuthType = "WRONG_AUTH_TYPE";
    WrongLicense = "WRONG_LICENSE";
    InvalidRequest = "INVALID_REQUEST";
    Argument = "ERROR_ARGUMENT" | "INVALID_ARG_VALUE" | "INVALID_FORMAT";
    /// Generic: the description tells.
    Core = "ERROR_CORE";
    NotFound = "ERROR_NOT_FOUND" | "NOT_FOUND" | "OWNER_NOT_FOUND";
    EventNotFound = "ERROR_EVENT_NOT_FOUND";
    PlacementNotFound = "ERROR_PLACEMENT_NOT_FOUND";
    PlacementMaxCount = "ERROR_PLACEMENT_MAX_COUNT";
    WrongHandlerUrl = "ERROR_WRONG_HANDLER_URL";
    UnsupportedProtocol = "ERROR_UNSUPPORTED_PROTOCOL";
    ActivityAlreadyInstalled = "ERROR_ACTIVITY_ALREADY_INSTALLED";
    ActivityNotFound = "ERROR_ACTIVITY_NOT_FOUND";
    ActivityValidation = "ERROR_ACTIVITY_VALIDATION_FAILURE";
    ActivityAddFailure = "ERROR_ACTIVITY_ADD_FAILURE";
    /// A business process that is over, or not yet saved.
    ProcessNotFound = "404";
    /// A business process that is being executed.
    ProcessLocked = "423";
    NotActiveLine = "NOT_ACTIVE_LINE";
    /// Mostly: the connector is not registered by this application.
    NoCorrectProvider = "IMCONNECTOR_NO_CORRECT_PROVIDER";
    /// Also: there was never such a connector.
    UnregistrationError = "APPLICATION_UNREGISTRATION_ERROR";
    RegistrationError = "APPLICATION_REGISTRATION_ERROR" | "GENERAL_CONNECTOR_REGISTRATION_ERROR";
}

fn first<'a>(texts: &[&'a str]) -> &'a str {
    texts.first().copied().unwrap_or_default()
}

/// A call that failed.
#[derive(Clone, Debug)]
pub struct CallError {
    pub code: Code,
    /// 0 when there was no answer.
    pub http: u16,
    /// The portal's own words, cut, with tokens, numbers and addresses masked.
    pub description: String,
    /// False: it may have happened, and this method does harm when it is repeated blindly.
    pub certain: bool,
    /// Which method; empty before it is known.
    pub method: &'static str,
    /// The operating limit, where the portal tells it with an error too.
    pub time: Option<Time>,
    pub retry_after: Option<Duration>,
}

impl CallError {
    /// A failure on our side of the wire, or before it.
    pub(super) fn local(code: Code, description: &str) -> Self {
        Self {
            code,
            http: 0,
            description: description.to_owned(),
            certain: true,
            method: "",
            time: None,
            retry_after: None,
        }
    }

    /// An answer that is not Bitrix24's. Limits and refusals of a proxy come before the portal; after other statuses the
    /// portal may have done it.
    pub(super) fn unreadable(http: u16) -> Self {
        Self {
            http,
            certain: matches!(http, 300..500 | 503),
            ..Self::local(Code::Unreadable, "the answer is not Bitrix24's")
        }
    }

    /// Finds the error of an answer, at its top or inside its result (`imconnector.register` and callbacks of placements
    /// answer 200 and put it there).
    pub(crate) fn found_in(http: u16, answer: &Map<String, Value>, result: Option<&Value>) -> Option<Self> {
        if let Some(error) = answer.get("error") {
            let text = code_text(error);
            let says_nothing = text.is_empty() || text == "0";
            if !(says_nothing && result.is_some_and(|result| !result.is_null())) {
                return Some(Self::of_portal(http, &text, answer));
            }
        }
        let inner = result?.as_object()?;
        let text = code_text(inner.get("error")?);
        (!text.is_empty()).then(|| Self::of_portal(http, &text, inner))
    }

    fn of_portal(http: u16, code: &str, answer: &Map<String, Value>) -> Self {
        let code = Code::from_error(code);
        let description = ["error_description", "message"]
            .iter()
            .find_map(|key| answer.get(*key).and_then(Value::as_str))
            .or_else(|| answer.get("error")?.get("message")?.as_str())
            .unwrap_or_default();
        Self {
            certain: !may_have_happened(&code, http),
            code,
            http,
            description: masked(description),
            ..Self::local(Code::Core, "")
        }
    }

    /// Adds whose failure it is.
    pub(super) fn of_method(self, method: &'static str, repeatable: bool) -> Self {
        Self { certain: self.certain || repeatable, method, ..self }
    }

    /// The token is too old or unknown: refresh it once and repeat once.
    pub fn is_expired_token(&self) -> bool {
        matches!(self.code, Code::ExpiredToken | Code::InvalidToken)
    }

    /// Nobody was there, or somebody who could do nothing: whatever is called next will meet the same. A refusal of the call itself,
    /// or of its method, is not.
    pub fn is_destination_away(&self) -> bool {
        match &self.code {
            Code::NotConnected
            | Code::NoAnswer
            | Code::Unreadable
            | Code::Redirected
            | Code::ConnectionError
            | Code::QueryLimitExceeded
            | Code::InternalServerError
            | Code::UnexpectedAnswer => true,
            Code::Core | Code::Other(_) => self.http >= 500 || self.http == 429,
            _ => false,
        }
    }

    /// What was to be bound or added is there already: a success for provisioning. Bitrix24 spells it "binded".
    pub fn is_already_bound(&self) -> bool {
        let says = |words: &str| self.description.to_ascii_lowercase().contains(words);
        self.code == Code::ActivityAlreadyInstalled
            || says("already binded")
            || says("already bound")
            || says("binding the handler has already started")
    }

    /// The portal's plan or version does not have this: to be tried again when the plan changes, not before.
    pub fn is_feature_missing(&self) -> bool {
        matches!(self.code, Code::MethodNotFound | Code::WrongLicense | Code::EventNotFound | Code::PlacementNotFound)
    }

    /// The portal's plan allows no REST at all. The words are English in every portal.
    pub fn is_rest_refused_by_plan(&self) -> bool {
        self.code == Code::AccessDenied && self.description.contains("commercial plans")
    }

    /// Our right in this portal is gone until a person gives it back. For [`Code::ExpiredToken`] and
    /// [`Code::InvalidToken`] this holds only after a refresh.
    pub fn is_right_lost(&self) -> bool {
        matches!(
            self.code,
            Code::InvalidToken
                | Code::NoAuthFound
                | Code::UserAccessError
                | Code::ApplicationNotFound
                | Code::AuthorizationError
                | Code::PaymentRequired
                | Code::PortalDeleted
                | Code::OverloadLimit
        ) || (self.code == Code::AccessDenied
            && (self.is_rest_refused_by_plan() || self.description.contains("can't be authorized")))
    }

    /// Whoever gave the right has lost his own, by leaving or by being shut out: another administrator can give it anew. For
    /// [`Code::InvalidToken`] this holds only after a refresh.
    pub fn is_giver_gone(&self) -> bool {
        matches!(self.code, Code::InvalidToken | Code::UserAccessError | Code::AuthorizationError)
            || (self.code == Code::AccessDenied && self.description.contains("can't be authorized"))
    }

    /// The three answers that a worker needs.
    pub fn to_failure(&self) -> Failure {
        let retry = self.retry();
        Failure {
            retry: match (retry, self.retry_after) {
                (Retry::Backoff | Retry::After(_), Some(wait)) => Retry::After(wait),
                _ => retry,
            },
            certain: self.certain,
            told: self.told(),
            cause: self.to_string(),
        }
    }

    fn retry(&self) -> Retry {
        if self.is_right_lost() {
            return Retry::WhenPortalReturns;
        }
        match &self.code {
            Code::OperationTimeLimit => Retry::After(OPERATING_BUCKET),
            Code::ExpiredToken
            | Code::ConnectionError
            | Code::QueryLimitExceeded
            | Code::InternalServerError
            | Code::UnexpectedAnswer
            | Code::ProcessNotFound
            | Code::ProcessLocked
            | Code::NotActiveLine
            | Code::NoCorrectProvider
            // of this method alone, until an administrator updates the application or confirms
            | Code::InsufficientScope
            | Code::MethodConfirmWaiting
            | Code::NotConnected
            | Code::Redirected
            | Code::NoAnswer
            | Code::Unreadable
            | Code::OtherShape => Retry::Backoff,
            Code::Core | Code::Other(_) if self.http >= 500 || self.http == 429 => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    fn told(&self) -> Told {
        if self.is_right_lost() {
            return Told::PortalUnauthorised;
        }
        match &self.code {
            Code::AccessDenied
            | Code::InvalidCredentials
            | Code::InsufficientScope
            | Code::MethodConfirmWaiting
            | Code::MethodConfirmDenied => Told::PortalUnauthorised,
            Code::NotActiveLine | Code::NoCorrectProvider => Told::LineInactive,
            Code::Core | Code::NotFound | Code::Other(_) if self.retry() == Retry::Never => Told::Rejected,
            _ if self.is_feature_missing() => Told::Unsupported,
            _ if self.retry() == Retry::Never => Told::Internal,
            _ => Told::Unavailable,
        }
    }
}

impl From<OutgoingError> for CallError {
    fn from(error: OutgoingError) -> Self {
        let code = match error {
            OutgoingError::Forbidden | OutgoingError::NotHttp => Code::Forbidden,
            OutgoingError::Redirects => Code::Redirected,
            OutgoingError::TooLarge(_) => Code::Unreadable,
            OutgoingError::Connect | OutgoingError::Silent => Code::NotConnected,
            OutgoingError::NoAnswer => Code::NoAnswer,
            OutgoingError::Setup(_) => Code::Unsendable,
        };
        Self { certain: error.is_certain(), ..Self::local(code, &error.to_string()) }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.method, self.code.as_str(), self.http)?;
        if !self.description.is_empty() {
            write!(f, ": {}", self.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

/// A text, a number, or the object of the newer kind of error. `false` and `null` are no error.
fn code_text(error: &Value) -> String {
    match error {
        Value::Object(object) => object.get("code").map(values::text_of).unwrap_or_default(),
        other => values::text_of(other),
    }
}

/// A crash can come after the deed; a refusal comes before it. An unknown code with a server's status is a crash.
fn may_have_happened(code: &Code, http: u16) -> bool {
    match code {
        Code::InternalServerError | Code::UnexpectedAnswer => true,
        Code::Core | Code::Other(_) => http >= 500 && http != 503,
        _ => false,
    }
}

/// Cuts a description and hides what it may repeat of ours: long runs of letters and digits (tokens), long numbers, spaced
/// or not (phones), addresses of people and links.
fn masked(description: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut words = description.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let mut digits = count_digits(word);
        let mut number = vec![word];
        while let Some(next) = words.next_if(|next| is_numeric(word) && is_numeric(next)) {
            digits += count_digits(next);
            number.push(next);
        }
        if digits >= 7 || is_private(word) {
            kept.push("…");
        } else {
            kept.append(&mut number);
        }
    }
    cut(&kept.join(" "), DESCRIPTION_LIMIT)
}

fn count_digits(word: &str) -> usize {
    word.chars().filter(char::is_ascii_digit).count()
}

fn is_numeric(word: &str) -> bool {
    count_digits(word) > 0 && !word.chars().any(char::is_alphabetic)
}

fn is_private(word: &str) -> bool {
    let longest_run = word.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max();
    longest_run >= Some(32) || word.contains('@') || word.contains("://")
}

fn cut(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit).collect()
}
