//! Our screens inside the portal. Only an administrator's token may bind them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::events::Unbound;
use crate::b24::{
    method::{Method, Scope},
    values,
};

/// A second binding of the same placement and handler is refused as "already binded"; titles change by unbinding first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct PlacementBind<'a> {
    pub placement: &'a str,
    pub handler: &'a str,
    /// Texts per language (`ru`, `en`); a portal of another language takes its own default.
    pub lang_all: &'a BTreeMap<String, PlacementTexts>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: &'a BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct PlacementTexts {
    pub title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group_name: String,
}

impl Method for PlacementBind<'_> {
    type Output = values::Done;
    const NAME: &'static str = "placement.bind";
    const SCOPE: Scope = Scope::Placement;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct PlacementUnbind<'a> {
    pub placement: &'a str,
    /// None: every handler of ours there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<&'a str>,
}

impl Method for PlacementUnbind<'_> {
    type Output = Unbound;
    const NAME: &'static str = "placement.unbind";
    const SCOPE: Scope = Scope::Placement;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
pub struct PlacementGet {}

impl Method for PlacementGet {
    type Output = values::List<BoundPlacement>;
    const NAME: &'static str = "placement.get";
    const SCOPE: Scope = Scope::Placement;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BoundPlacement {
    #[serde(deserialize_with = "values::text")]
    pub placement: String,
    #[serde(deserialize_with = "values::text")]
    pub handler: String,
    #[serde(deserialize_with = "values::text")]
    pub title: String,
    /// Per language; `[]` when there are none.
    #[serde(deserialize_with = "values::map")]
    pub lang_all: BTreeMap<String, BoundTexts>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct BoundTexts {
    #[serde(deserialize_with = "values::text")]
    pub title: String,
    #[serde(deserialize_with = "values::text")]
    pub description: String,
}
