//! `/rest/{method}`: authorisation, envelopes, the contract, and one file per family of methods.

mod app;
mod bindings;
mod bizproc;
mod crm;
mod crm_view;
mod files;
mod im;
mod imconnector;
mod imopenlines;
mod messageservice;
pub(super) mod params;
mod route;

pub(crate) use files::bytes as file_answer;
pub use route::configure;
use serde_json::{Map, Value, json};

use self::params::Params;
use super::{Plan, Portal, UserId};
use crate::{contract::contract, oauth::AppCard};

/// How a call fails.
#[derive(Clone, Debug)]
pub(crate) struct RestError {
    pub status: u16,
    /// A string, or in some modules a number.
    pub code: Value,
    pub text: String,
    /// Further fields of the answer.
    pub extra: Map<String, Value>,
}

impl RestError {
    pub fn new(status: u16, code: &str, text: &str) -> Self {
        Self { status, code: json!(code), text: text.to_owned(), extra: Map::new() }
    }

    pub fn argument(name: &str, text: &str) -> Self {
        let mut error = Self::new(400, "ERROR_ARGUMENT", text);
        error.extra.insert("argument".to_owned(), json!(name));
        error
    }

    pub fn denied() -> Self {
        Self::new(403, "ACCESS_DENIED", "Access denied!")
    }
}

/// A successful answer.
pub(super) struct Reply {
    pub result: Value,
    pub total: Option<usize>,
    pub next: Option<usize>,
}

impl From<Value> for Reply {
    fn from(result: Value) -> Self {
        Self { result, total: None, next: None }
    }
}

pub(super) type Answer = Result<Reply, RestError>;

/// Who calls.
pub(super) struct Caller {
    pub card: AppCard,
    pub user: UserId,
    pub admin: bool,
}

impl Caller {
    pub fn client_id(&self) -> &str {
        &self.card.client_id
    }

    pub fn must_be_admin(&self) -> Result<(), RestError> {
        if self.admin { Ok(()) } else { Err(RestError::denied()) }
    }
}

impl Portal {
    /// Whose call it is.
    fn authorise(&self, access: &str) -> Result<Caller, RestError> {
        let refuse = |code: &str, text: &str| Err(RestError::new(401, code, text));
        if access.is_empty() {
            return refuse("NO_AUTH_FOUND", "Wrong authorization data");
        }
        let grant = self.world().oauth.grant(access).filter(|grant| grant.member_id == self.member_id());
        let Some(grant) = grant else {
            return refuse("invalid_token", "Unable to get application by token");
        };
        if !self.has_app(&grant.client_id) {
            return refuse("APPLICATION_NOT_FOUND", "Application not found");
        }
        if grant.expires_ms <= self.now_ms() {
            return refuse("expired_token", "The access token provided has expired.");
        }
        if self.read(|state| state.plan == Plan::WithoutRest) {
            return refuse("ACCESS_DENIED", "REST is available only on commercial plans.");
        }
        if !self.user_is_active(grant.user) {
            return refuse("authorization_error", "Unable to authorize user");
        }
        if self.read(|state| !state.is_admin(grant.user) && state.closed_to.contains(&grant.user)) {
            return refuse("user_access_error", "The user does not have access to the application.");
        }
        match self.world().oauth.app(&grant.client_id) {
            Some(card) => {
                let admin = self.read(|state| state.is_admin(grant.user));
                Ok(Caller { card, user: grant.user, admin })
            }
            None => refuse("APPLICATION_NOT_FOUND", "Application not found"),
        }
    }

    /// Judges a call and does it.
    async fn perform(&self, caller: &Caller, method: &str, given: &Map<String, Value>) -> Answer {
        let row = contract().method(method).filter(|_| self.offers(method));
        let Some(row) = row else {
            return Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!"));
        };
        let scope = row.scope.as_str();
        if !scope.is_empty() && !has_scope(&caller.card.scope, scope) {
            let text = "The request requires higher privileges than provided by the access token";
            return Err(RestError::new(403, "insufficient_scope", text));
        }
        if let Some(what) = contract().violation(method, given) {
            self.notes_violation(method, &what);
            return Err(RestError::argument("", &what));
        }
        let params = Params(given);
        if matches!(method, "imconnector.send.messages") {
            let provider = self.provider(caller.client_id(), params)?;
            return Ok(self.send_messages(&provider, &params.list("MESSAGES")).await.into());
        }
        let (family, _) = method.split_once('.').unwrap_or((method, ""));
        match family {
            "imconnector" => imconnector::call(self, caller, method, params),
            "imopenlines" => imopenlines::call(self, caller, method, params),
            "im" => im::call(self, caller, method, params),
            "bizproc" => bizproc::call(self, caller, method, params),
            "crm" => crm::call(self, caller, method, params),
            "messageservice" => messageservice::call(self, caller, method, params),
            "event" | "events" | "placement" => bindings::call(self, caller, method, params),
            _ => app::call(self, caller, method, params),
        }
    }

    /// Robots are published only on plans with automation.
    fn offers(&self, method: &str) -> bool {
        let automation = method.starts_with("bizproc.robot.");
        !automation || self.read(|state| state.plan != Plan::Free)
    }

    fn notes_violation(&self, method: &str, what: &str) {
        let violation = super::Violation { method: method.to_owned(), what: what.to_owned() };
        self.journal(|journal| journal.violations.push(violation));
    }
}

/// The narrower scopes of users open the same methods.
fn has_scope(own: &[String], needed: &str) -> bool {
    own.iter()
        .any(|scope| scope == needed || (needed == "user" && matches!(scope.as_str(), "user_brief" | "user_basic")))
}

/// The method by its name in any case.
fn canonical(name: &str) -> String {
    let known = contract().names().find(|known| known.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.to_lowercase(), str::to_owned)
}
