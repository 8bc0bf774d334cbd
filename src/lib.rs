pub mod b24;
pub mod domain;
