//! The pages and parts that people see in the portal's frames.
//!
//! Who is who: a page module has a view (plain data that the trunk fills), `page` (the whole document) and, where the
//! page changes while it is open, `parts` (the same markup without the document, which the frame script swaps in).
//! [`Texts`] is a locale; [`Problem`] a failure in people's words; [`Document`] what every page is wrapped in.
//!
//! Guaranteed: every outside text is escaped, no inline handler and no style attribute is written, so a page runs under
//! `default-src 'none'; script-src 'nonce-…'; style-src 'nonce-…'; img-src 'self' data:; connect-src 'self'`.
//! Not guaranteed: that a view is true; nothing here decides.

#![warn(missing_docs)]

pub mod app;
pub mod connector;
pub mod crm_chat;
pub mod install;
mod layout;
mod moment;
mod parts;
pub mod plain;
mod problem;
pub mod settings;
mod texts;

pub use layout::{Document, Frame};
pub use maud::Markup;
pub use parts::Health;
pub use problem::{Problem, ProblemText, ProblemTexts};
pub use texts::{
    AppTexts, CommonTexts, ConnectorTexts, CrmChatTexts, InstallTexts, PlainTexts, ScriptTexts, SettingsTexts, Texts,
    texts,
};
