pub mod bbcode;
pub mod form;
