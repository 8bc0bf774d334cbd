//! The make-believe messengers: a phone, ChatApp's HTTP API and Telegram's Bot API.

use actix_web::web;

use crate::Surroundings;

/// Accounts, people, chats and messages of the make-believe phone.
pub struct Messengers {
    _around: Surroundings,
}

impl Messengers {
    pub fn new(around: Surroundings) -> Self {
        Self { _around: around }
    }
}

/// Routes of the cloud listener: `/chatapp/...`, `/telegram/...`, `/files/...`.
pub fn configure_cloud(_cfg: &mut web::ServiceConfig) {}

/// Routes of a portal listener: `/~/phone/...`.
pub fn configure_phone(_cfg: &mut web::ServiceConfig) {}
