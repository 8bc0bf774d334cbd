//! Notifications of the portal's own bell.

use serde::Serialize;

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// A notification to one portal user. Its `TAG` is unique in the application: a repeat replaces the one before, so it is
/// not read twice.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct NotifySystemAdd<'a> {
    pub user_id: i64,
    /// BB-code.
    pub message: &'a str,
    pub tag: &'a str,
}

impl Method for NotifySystemAdd<'_> {
    /// The notification's id; false when the portal made none (a user who is gone).
    type Output = values::Made;
    const NAME: &'static str = "im.notify.system.add";
    const SCOPE: Scope = Scope::Im;
    const REPEATABLE: bool = true;
}
