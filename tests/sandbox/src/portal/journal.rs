//! What a portal remembers for tests: calls, breaches of the contract, posts, and the faults that a test has ordered. What goes wrong
//! until somebody ends it is in [`super::trouble`].

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

use super::{Portal, UserId, events::PostedEvent, trouble::Trouble};
use crate::Unrest;

/// One REST call.
#[derive(Clone, Debug)]
pub struct CallRecord {
    pub at_ms: i64,
    pub method: String,
    /// Without the token.
    pub params: Value,
    /// The token's user. `None`: the call was not authorised.
    pub user: Option<UserId>,
    pub status: u16,
    /// The answer's `error`. `None`: the call succeeded.
    pub error: Option<String>,
}

/// A call that the contract table does not allow.
#[derive(Clone, Debug)]
pub struct Violation {
    pub method: String,
    pub what: String,
}

/// Two calls of `imconnector.send.messages` at the same time for one chat; a real portal may make two clients of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub connector: String,
    pub chat: String,
}

/// What a call meets instead of its usual answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing is done; the error is answered.
    Refuses { status: u16, code: String, text: String },
    /// Nothing is done; a page instead of JSON, as proxies answer.
    Html { status: u16 },
    /// Nothing is done; a proxy's page that says to come again, with `Retry-After` or without.
    Later { status: u16, after: Option<Duration> },
    /// Nothing is done, and the answer has no body.
    Empty { status: u16 },
    /// Nothing is done, and the connection is cut without an answer.
    Cuts,
    /// Nothing is done, and the answer comes late or never, as the caller's patience has it.
    Hangs(Duration),
    /// The call is done, and its usual answer comes late.
    DoesSlowly(Duration),
    /// The call is done, and the answer comes late or never: an unknown outcome.
    DoesAndHangs(Duration),
    /// The call is done, and the connection is cut without an answer.
    DoesAndCuts,
}

impl Fault {
    /// The portal's rate limit.
    pub fn query_limit() -> Self {
        Self::Refuses { status: 503, code: "QUERY_LIMIT_EXCEEDED".to_owned(), text: "Too many requests".to_owned() }
    }

    /// The limit of operating time.
    pub fn operation_time_limit() -> Self {
        Self::Refuses {
            status: 429,
            code: "OPERATION_TIME_LIMIT".to_owned(),
            text: "Method is blocked due to operation time limit.".to_owned(),
        }
    }

    /// A word for pages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Refuses { .. } => "refuses",
            Self::Html { .. } => "html",
            Self::Later { .. } => "later",
            Self::Empty { .. } => "empty",
            Self::Cuts => "cuts",
            Self::Hangs(_) => "hangs",
            Self::DoesSlowly(_) => "slow",
            Self::DoesAndHangs(_) => "does_and_hangs",
            Self::DoesAndCuts => "does_and_cuts",
        }
    }
}

/// No method's name: faults of single elements stand under it.
const ELEMENT: &str = "imconnector.send.messages/element";

#[derive(Default)]
pub(super) struct Journal {
    pub trouble: Trouble,
    pub calls: Vec<CallRecord>,
    pub violations: Vec<Violation>,
    pub posted: Vec<PostedEvent>,
    pub overlaps: Vec<Overlap>,
    /// Sends under way, by connector and external chat.
    pub under_way: HashMap<(String, String), u32>,
    pub faults: Vec<(String, Fault)>,
    pub unrest: Unrest,
    /// Addresses that the portal has fetched files from, with the outcome.
    pub downloads: Vec<(String, Result<usize, String>)>,
    /// Events of these names are held back.
    pub held_names: Vec<String>,
    /// What is held back: event, address and form.
    pub held: Vec<(String, String, Vec<(String, String)>)>,
}

impl Portal {
    pub(super) fn journal<T>(&self, act: impl FnOnce(&mut Journal) -> T) -> T {
        act(&mut self.inner.journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// All REST calls, oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.journal(|journal| journal.calls.clone())
    }

    /// Calls of one method, oldest first.
    pub fn calls_of(&self, method: &str) -> Vec<CallRecord> {
        self.journal(|journal| journal.calls.iter().filter(|call| call.method == method).cloned().collect())
    }

    /// Calls that the contract table does not allow. A test that ends with one has found a mistake in the product.
    pub fn contract_violations(&self) -> Vec<Violation> {
        self.journal(|journal| journal.violations.clone())
    }

    /// Events, robots and others that were posted to applications, in order.
    pub fn posted_events(&self) -> Vec<PostedEvent> {
        self.journal(|journal| journal.posted.clone())
    }

    /// Chats for which two messages were sent at the same time.
    pub fn overlaps(&self) -> Vec<Overlap> {
        self.journal(|journal| journal.overlaps.clone())
    }

    /// Files that the portal has fetched: address, and size or failure.
    pub fn downloads(&self) -> Vec<(String, Result<usize, String>)> {
        self.journal(|journal| journal.downloads.clone())
    }

    /// The next call of the method meets the fault. Several are met one after another.
    pub fn fails_next(&self, method: &str, fault: Fault) {
        self.journal(|journal| journal.faults.push((method.to_owned(), fault)));
    }

    /// From now on the portal's REST is so unsteady.
    pub fn is_unsteady(&self, unrest: Unrest) {
        self.journal(|journal| journal.unrest = unrest);
    }

    /// The next element of `imconnector.send.messages` fails inside an answer that succeeds, with this text.
    pub fn refuses_next_message(&self, text: &str) {
        let fault = Fault::Refuses { status: 200, code: String::new(), text: text.to_owned() };
        self.fails_next(ELEMENT, fault);
    }

    /// Why the element that is looked at must fail.
    pub(super) fn refuses_message(&self) -> Option<String> {
        match self.takes_fault(ELEMENT)? {
            Fault::Refuses { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The queue server keeps events of these names to itself; with no names it delivers again. What it has kept is lost, unless
    /// [`Portal::posts_held_events`] brings it after all.
    pub fn holds_events(&self, names: &[&str]) {
        self.journal(|journal| journal.held_names = names.iter().map(|&name| name.to_owned()).collect());
    }

    /// How many events are held back.
    pub fn held_events(&self) -> usize {
        self.journal(|journal| journal.held.len())
    }

    /// What was held back is posted after all, the last first if `backwards`.
    pub fn posts_held_events(&self, backwards: bool) {
        let mut held = self.journal(|journal| {
            journal.held_names.clear();
            std::mem::take(&mut journal.held)
        });
        if backwards {
            held.reverse();
        }
        for (event, url, form) in held {
            self.post(&event, &url, form);
        }
    }
}
