//! Bodies as Bitrix24 sends them: PHP-style forms (`auth[member_id]=…`), and JSON for the few senders that use it.
//!
//! The handlers in `web` and the decoders of events call [`parse`] or [`parse_json`] and then read the [`Value`] by path.
//! Both give the same tree, so that a decoder does not care how the body came. Guaranteed: work and memory grow linearly with
//! the body, nothing panics, a body beyond its [`Limits`] is an error. Not guaranteed: that a field is there. In a form empty
//! lists and `null` vanish, all scalars are strings, list indexes have gaps.
//!
//! Where PHP rewrites field names for its own history's sake (`a.b` and `a b` become `a_b`), this parser keeps them.

use std::fmt;

use thiserror::Error;

mod json;
mod read;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub use json::{parse_json, parse_options};
pub use tree::parse;
pub use write::encode;

/// How much of a body is read. The defaults hold every event that Bitrix24 is known to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the raw body in bytes.
    pub body_bytes: usize,
    /// Fields of a form; scalars and containers of a JSON document.
    pub pairs: usize,
    /// Steps from the root to a scalar: `auth[member_id]` has two.
    pub depth: usize,
    /// Length of a whole decoded field name, brackets included; of one key in JSON.
    pub key_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 8 * 1024 * 1024, pairs: 20_000, depth: 16, key_bytes: 1024 }
    }
}

/// Why a body was not read. Carries no part of the body: it may hold tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FormError {
    #[error("the body is longer than the limit")]
    BodyTooLong,
    #[error("the body has more fields than the limit")]
    TooManyPairs,
    #[error("the body is nested deeper than the limit")]
    TooDeep,
    #[error("a field name is longer than the limit")]
    KeyTooLong,
    #[error("the body is not JSON")]
    NotJson,
}

/// A decoded body or a part of one. A list is a map whose keys are numbers, as in PHP.
///
/// `Debug` shows keys and lengths, never texts: bodies hold tokens and what clients write.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// In order of first appearance; keys are unique when the parsers made it.
    Map(Vec<(String, Value)>),
}

impl Default for Value {
    fn default() -> Self {
        Self::Map(Vec::new())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "<{} bytes>", text.len()),
            Self::Map(entries) => f.debug_map().entries(entries.iter().map(|(key, value)| (key, value))).finish(),
        }
    }
}
