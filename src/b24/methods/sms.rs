//! Providers of text messages: what the portal's cards, robots and marketing offer under "SMS".

use serde::Serialize;

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// Adds a provider. A second time it is refused as installed already; [`SenderUpdate`] changes it then.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct SenderAdd<'a> {
    /// Letters, digits, `.`, `-`, `_`; unique in the application.
    pub code: &'a str,
    /// `SMS` is the only one.
    pub r#type: &'a str,
    /// Where the portal posts each text; see [`SmsCall`](crate::b24::incoming::SmsCall).
    pub handler: &'a str,
    /// By what people choose it.
    pub name: &'a str,
}

impl Method for SenderAdd<'_> {
    type Output = values::Done;
    const NAME: &'static str = "messageservice.sender.add";
    const SCOPE: Scope = Scope::MessageService;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct SenderUpdate<'a> {
    pub code: &'a str,
    pub handler: &'a str,
    pub name: &'a str,
}

impl Method for SenderUpdate<'_> {
    type Output = values::Done;
    const NAME: &'static str = "messageservice.sender.update";
    const SCOPE: Scope = Scope::MessageService;
    const REPEATABLE: bool = true;
}

/// The codes of the application's providers.
#[derive(Debug, Serialize)]
pub struct SenderList {}

impl Method for SenderList {
    type Output = values::List<String>;
    const NAME: &'static str = "messageservice.sender.list";
    const SCOPE: Scope = Scope::MessageService;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct SenderDelete<'a> {
    pub code: &'a str,
}

impl Method for SenderDelete<'_> {
    type Output = values::Done;
    const NAME: &'static str = "messageservice.sender.delete";
    const SCOPE: Scope = Scope::MessageService;
    const REPEATABLE: bool = true;
}

/// What became of a text. Only the application that sent it, or an administrator, may tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct StatusUpdate<'a> {
    pub code: &'a str,
    /// The portal's id of it.
    pub message_id: &'a str,
    /// `queued`, `sent`, `delivered`, `undelivered` or `failed`.
    pub status: &'a str,
}

impl Method for StatusUpdate<'_> {
    type Output = values::Done;
    const NAME: &'static str = "messageservice.message.status.update";
    const SCOPE: Scope = Scope::MessageService;
    const REPEATABLE: bool = true;
}
