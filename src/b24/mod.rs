//! Speaks Bitrix24.
//!
//! Who is who: a [`Method`] is one REST method as a struct; [`Client`] calls it at a portal's endpoint with an access token
//! given per call; [`oauth`] exchanges tokens at the OAuth servers; [`incoming`] understands what portals post to us;
//! [`bbcode`] is the chat's markup. Nothing here names `db` or `web`: whose token, when to refresh and what to do with a
//! failure is decided by `relay`.

pub mod bbcode;
pub mod client;
pub mod crm_ref;
pub mod error;
pub mod form;
pub mod incoming;
pub mod method;
pub mod methods;
pub mod oauth;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transport;
pub mod values;

pub use client::{Access, Answer, Client, Time};
pub use crm_ref::CrmRef;
pub use error::{CallError, Code};
pub use method::{Method, Scope};
