//! Notices to people of the portal.

use serde::Serialize;

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// A system notice to one user. No method of the portal addresses "all administrators": callers name the person who
/// connected the channel or owns the grant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct NotifySystemAdd<'a> {
    pub user_id: i64,
    /// BB-code.
    pub message: &'a str,
    /// A later notice with the same tag replaces this one, so that repeating does no harm.
    pub tag: &'a str,
}

impl Method for NotifySystemAdd<'_> {
    /// 0 when the portal made no notice.
    type Output = values::Made;
    const NAME: &'static str = "im.notify.system.add";
    const SCOPE: Scope = Scope::Im;
    const REPEATABLE: bool = true;
}
