//! The portal's users, as operators.

use serde::{Deserialize, Serialize};

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// Active employees, 50 a page. System users are never among them.
#[derive(Debug, Serialize)]
pub struct UserGet<'a> {
    #[serde(rename = "FILTER")]
    pub filter: UserFilter<'a>,
    /// How many to skip, a multiple of 50.
    pub start: u32,
}

#[derive(Debug, Default, Serialize)]
pub struct UserFilter<'a> {
    /// These users alone; empty: everybody.
    #[serde(rename = "ID", skip_serializing_if = "<[i64]>::is_empty")]
    pub ids: &'a [i64],
    #[serde(rename = "ACTIVE", skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// `employee` leaves guests and bots out.
    #[serde(rename = "USER_TYPE", skip_serializing_if = "Option::is_none")]
    pub user_type: Option<&'a str>,
}

impl Method for UserGet<'_> {
    type Output = values::List<PortalUser>;
    const NAME: &'static str = "user.get";
    const SCOPE: Scope = Scope::UserBrief;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct PortalUser {
    #[serde(deserialize_with = "values::some_id")]
    pub id: Option<i64>,
    #[serde(deserialize_with = "values::flag")]
    pub active: bool,
    #[serde(deserialize_with = "values::text")]
    pub name: String,
    #[serde(deserialize_with = "values::text")]
    pub last_name: String,
    #[serde(deserialize_with = "values::some_text")]
    pub work_position: Option<String>,
    #[serde(deserialize_with = "values::some_text")]
    pub personal_photo: Option<String>,
}
