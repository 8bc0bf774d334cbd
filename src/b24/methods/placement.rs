//! Our screens inside the portal. Only an administrator's token may bind them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::events::Unbound;
use crate::b24::{
    method::{Method, Scope},
    values,
};

/// Shows one of our screens somewhere in the portal. The parameters are made by the screen's manifest (`placements::bindings`); titles
/// cannot be changed by binding again.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct PlacementBind<'a>(pub &'a Value);

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
