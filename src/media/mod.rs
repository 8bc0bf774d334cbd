//! The media store and its signed links.
//!
//! Who is who: a [`Store`] keeps bytes under a key of its own making; `db::Media` is the row that knows what they are. Bytes are
//! written once and never changed. [`Memory`] bounds what files on their way take of the memory. [`link`] makes the short-lived address under which a portal or a browser may fetch them.

pub mod link;
mod memory;
mod store;

pub use memory::Memory;
pub use store::{Store, StoreError};
