//! Speaks Bitrix24.
//!
//! Who is who: a [`Method`] is one REST method as a struct; [`Client`](client::Client) calls it at a portal's endpoint with an access
//! token given per call; [`oauth`] exchanges tokens at the OAuth servers; [`incoming`] understands what portals post to us;
//! [`bbcode`] is the chat's markup. Nothing here names `db` or `web`: whose token, when to refresh and what to do with a
//! failure is decided by `relay`.

pub mod method;

pub use method::{Method, Scope};
