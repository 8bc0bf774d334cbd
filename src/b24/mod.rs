pub mod bbcode;
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
