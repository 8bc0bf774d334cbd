//! Understands what portals post to us: frames, events and robots.
//!
//! Who is who: [`FramePost`] is a screen being opened, [`EventPost`] an event, [`RobotCall`] a robot firing, [`SmsCall`] a text to a
//! phone number; all but the first carry an [`Auth`]. Everything here is a claim: whoever decodes verifies next (`web` and `relay::proof`: the application token against the
//! stored one, a frame's token by a call). Decoding is tolerant: what may be missing is an `Option`, unknown keys are
//! ignored, an element of a list that makes no sense is left out. [`Malformed`] means that not even the verifier could work.

mod attachments;
mod event;
mod frame;
mod robot;
mod sms;
#[cfg(test)]
mod tests;

use url::Url;

use super::{form::Value, values};
use crate::{clock::Millis, domain::ids::PortalId, secret::Secret};

pub use event::{DialogRef, EventPost, LineItem, LineItems, OperatorFile, OperatorMessage, PortalEvent, SessionEvent};
pub use frame::FramePost;
pub use robot::RobotCall;
pub use sms::SmsCall;

/// The body is not what portals post; the field that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a portal's post: {0}")]
pub struct Malformed(pub &'static str);

/// Who posts, and with whose rights: the `auth` of events and robots.
#[derive(Clone, Debug)]
pub struct Auth {
    pub member_id: PortalId,
    /// Empty when the portal sent none: it then matches nothing.
    pub application_token: Secret,
    /// The host, with a port on premise. A hint: endpoints come from the store.
    pub domain: Option<String>,
    pub client_endpoint: Option<Url>,
    pub server_endpoint: Option<String>,
    /// Events of agents and robots without a user carry no tokens.
    pub access: Option<Secret>,
    /// Only some events (installation, tests) and robots carry it.
    pub refresh: Option<Secret>,
    pub expires_at: Option<Millis>,
    pub user_id: Option<i64>,
    pub scope: Vec<String>,
    /// L, F, D, T, P or S; a hint.
    pub status: Option<String>,
}

impl Auth {
    /// Reads the `auth` of a posted form.
    pub fn from_form(form: &Value) -> Result<Self, Malformed> {
        let auth = form.get(&["auth"]).ok_or(Malformed("auth"))?;
        let owned = |key: &str| some_text(auth, &[key]).map(str::to_owned);
        let secret = |key: &str| some_text(auth, &[key]).map(Secret::new);
        Ok(Self {
            member_id: member_id(auth)?,
            application_token: secret("application_token").unwrap_or_default(),
            domain: owned("domain"),
            client_endpoint: owned("client_endpoint").and_then(|url| http_url(&url)),
            server_endpoint: owned("server_endpoint"),
            access: secret("access_token"),
            refresh: secret("refresh_token"),
            expires_at: auth.int(&["expires"]).map(Millis::from_seconds),
            user_id: auth.int(&["user_id"]).filter(|id| *id > 0),
            scope: values::scope_list(auth.text(&["scope"]).unwrap_or_default()),
            status: owned("status"),
        })
    }
}

const TOKENS: [&str; 6] =
    ["access_token", "refresh_token", "application_token", "AUTH_ID", "REFRESH_ID", "APPLICATION_TOKEN"];

/// An event as it is kept, in JSON: without its `auth`. Tokens are nobody's business once the sender is verified, and the inbox
/// knows who it was. [`PortalEvent::from_form`] reads it.
pub fn kept_event(form: &Value) -> String {
    kept(form, &["auth"])
}

/// A robot's firing as it is kept, in JSON: without tokens, but for its event token, which the answer needs.
/// [`RobotCall::from_form`] reads it.
pub fn kept_firing(form: &Value) -> String {
    let mut form = form.clone();
    if let Value::Map(entries) = &mut form {
        for (key, value) in entries {
            if key == "auth"
                && let Value::Map(claims) = value
            {
                claims.retain(|(claim, _)| !TOKENS.contains(&claim.as_str()));
            }
        }
    }
    kept(&form, &[])
}

fn kept(form: &Value, besides: &[&str]) -> String {
    let names = [&TOKENS, besides].concat();
    // Texts alone: there is nothing in it that JSON could not say.
    serde_json::to_string(&form.without(&names)).unwrap_or_default()
}

fn member_id(form: &Value) -> Result<PortalId, Malformed> {
    form.text(&["member_id"]).and_then(|text| PortalId::parse(text.trim())).ok_or(Malformed("member_id"))
}

fn http_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// A text that is not empty: `null` arrives as an empty one.
fn some_text<'a>(form: &'a Value, path: &[&str]) -> Option<&'a str> {
    form.text(path).filter(|text| !text.is_empty())
}
