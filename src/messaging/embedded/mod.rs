//! Embedded core.
