//! A text that the portal gives to one of our providers.

use super::{Auth, Malformed, some_text};
use crate::b24::form::Value;

/// One text to one phone number (`messageservice.sender.add`, the handler's parameters).
#[derive(Clone, Debug)]
pub struct SmsCall {
    /// Which provider.
    pub code: String,
    /// The portal's id of the text, by which it is told what became of it.
    pub message_id: String,
    /// As the card holds it.
    pub to: String,
    pub text: String,
    pub auth: Auth,
}

impl SmsCall {
    pub fn from_form(form: &Value) -> Result<Self, Malformed> {
        let field = |path: &[&str], or: &[&str], name| {
            some_text(form, path).or_else(|| some_text(form, or)).map(str::to_owned).ok_or(Malformed(name))
        };
        let message_id = field(&["message_id"], &[], "message_id")?;
        // It names a lane and a message of ours.
        if message_id.len() > 100 || message_id.chars().any(char::is_control) {
            return Err(Malformed("message_id"));
        }
        Ok(Self {
            code: field(&["code"], &[], "code")?,
            message_id,
            to: field(&["message_to"], &["properties", "phone_number"], "message_to")?,
            text: field(&["message_body"], &["properties", "message_text"], "message_body")?,
            auth: Auth::from_form(form)?,
        })
    }
}
