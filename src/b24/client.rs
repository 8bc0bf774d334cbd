//! Calls a method at a portal's endpoint.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{
    error::{CallError, Code},
    method::Method,
    transport::{self, RawAnswer},
    values,
};
use crate::{
    clock::{Clock, Millis},
    journal::{Entry, Journal},
    metrics::METRICS,
    outgoing::{CALL_TIMEOUT, Outgoing},
    secret::Secret,
};

/// `Retry-After` beyond this is not believed: a deadline of ours would pass first.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Calls portals. Cheap to clone; holds nobody's token.
#[derive(Clone)]
pub struct Client {
    outgoing: Outgoing,
    timeout: Duration,
    /// What is written down of every call, and by which clock.
    journal: (Journal, Clock),
}

/// Where to call, and in whose name.
#[derive(Clone, Debug)]
pub struct Access {
    /// The portal's REST base, for example `https://portal.example/rest/`; never taken from an unverified request.
    pub endpoint: Url,
    pub token: Secret,
}

/// A successful call.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub result: T,
    pub time: Option<Time>,
    /// The portal has moved: its endpoint from now on.
    pub moved_to: Option<Url>,
}

/// What the portal tells about its operating limit for this method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Spent by this application on this method in the running ten minutes.
    pub operating: Duration,
    /// When the oldest minute of it is forgotten.
    pub operating_reset_at: Option<Millis>,
}

/// The parameters with the token beside them, written without a detour so that maps keep their order.
#[derive(Serialize)]
struct Body<'a, M> {
    auth: &'a str,
    #[serde(flatten)]
    method: &'a M,
}

impl Client {
    pub fn new(outgoing: Outgoing) -> Self {
        Self { outgoing, timeout: CALL_TIMEOUT, journal: (Journal::default(), Clock::system()) }
    }

    /// With every call written down.
    #[must_use]
    pub fn with_journal(self, journal: Journal, clock: Clock) -> Self {
        Self { journal: (journal, clock), ..self }
    }

    /// For calls that somebody waits for in a browser.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(CALL_TIMEOUT);
        self
    }

    /// Makes one call. Nothing is retried here and no token is refreshed; the one redirect of a moved portal is followed.
    pub async fn call<M: Method>(&self, access: &Access, method: &M) -> Result<Answer<M::Output>, CallError> {
        let body = serde_json::to_vec(&Body { auth: access.token.expose(), method })
            .map_err(|_unserialisable| CallError::local(Code::Unsendable, M::NAME))?;
        let post = transport::Post { outgoing: &self.outgoing, name: M::NAME, body: &body, timeout: self.timeout };
        let began = Instant::now();
        let raw = post.to(&access.endpoint).await;
        let http = raw.as_ref().map_or_else(|error| error.http, |raw| raw.http);
        let answer = raw.and_then(understand);
        let (outcome, time) = match &answer {
            Ok(answer) => ("ok", answer.time),
            Err(error) => (error.code.label(), error.time),
        };
        METRICS.called(M::NAME, outcome, began.elapsed());
        self.note(&access.endpoint, body, (M::NAME, http, outcome), (time, began.elapsed()));
        answer.map_err(|error| error.of_method(M::NAME, M::REPEATABLE))
    }

    fn note(
        &self,
        endpoint: &Url,
        body: Vec<u8>,
        (method, http, outcome): (&'static str, u16, &'static str),
        (time, took): (Option<Time>, Duration),
    ) {
        let (journal, clock) = &self.journal;
        if journal.is_on() {
            let host = endpoint.host_str().unwrap_or_default().to_owned();
            let operating = time.map(|time| time.operating);
            journal.write(Entry { at: clock.now(), host, method, body, http, outcome, operating, took });
        }
    }
}

/// Looks for an error whatever the HTTP status says, then for the result.
fn understand<T: serde::de::DeserializeOwned>(raw: RawAnswer) -> Result<Answer<T>, CallError> {
    let failed = |error: CallError| CallError {
        http: raw.http,
        retry_after: raw.retry_after_s.map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER)),
        ..error
    };
    let Ok(Value::Object(mut answer)) = serde_json::from_slice::<Value>(&raw.body) else {
        return Err(failed(CallError::unreadable(raw.http)));
    };
    let time = answer.get("time").and_then(time_of);
    let result = answer.remove("result");
    if let Some(error) = CallError::found_in(raw.http, &answer, result.as_ref()) {
        return Err(failed(CallError { time, ..error }));
    }
    let Some(result) = result.filter(|_| (200..300).contains(&raw.http)) else {
        return Err(failed(CallError::unreadable(raw.http)));
    };
    match serde_json::from_value(result) {
        Ok(result) => Ok(Answer { result, time, moved_to: raw.moved_to }),
        Err(_other_shape) => Err(failed(CallError {
            certain: false,
            time,
            ..CallError::local(Code::OtherShape, "the result has another shape")
        })),
    }
}

/// On premise, and in some answers, the two fields are missing.
fn time_of(time: &Value) -> Option<Time> {
    let operating = time.get("operating")?.as_f64()?;
    Some(Time {
        operating: Duration::try_from_secs_f64(operating).ok()?,
        operating_reset_at: time.get("operating_reset_at").and_then(values::int_of).map(Millis::from_seconds),
    })
}
