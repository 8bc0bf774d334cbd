//! The words of the product as types, and the rules that need no input or output. Nothing here knows a database, a
//! network or a page.

pub mod address;
pub mod capabilities;
pub mod connector;
pub mod failure;
pub mod ids;
pub mod names;
pub mod settings;
