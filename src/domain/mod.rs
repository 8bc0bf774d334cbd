pub mod address;
pub mod names;
