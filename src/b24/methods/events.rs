//! Which events a portal sends us, and the test of that way. These methods need no scope but an application's token.

use serde::{Deserialize, Serialize};

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// The scope of the events of connectors, which the documentation names besides that of their methods.
pub const SCOPE: Scope = Scope::ImConnector;

/// Every event that provisioning binds: all that [`incoming`](crate::b24::incoming) understands.
pub const EVENTS: &[&str] = &[
    "ONAPPINSTALL",
    "ONAPPUNINSTALL",
    "ONAPPUPDATE",
    "ONAPPTEST",
    "ONIMCONNECTORMESSAGEADD",
    "ONIMCONNECTORMESSAGEUPDATE",
    "ONIMCONNECTORMESSAGEDELETE",
    "ONIMCONNECTORDIALOGSTART",
    "ONIMCONNECTORDIALOGFINISH",
    "ONIMCONNECTORSTATUSDELETE",
    "ONIMCONNECTORLINEDELETE",
    "ONOPENLINEMESSAGEADD",
];

/// Events of CRM cards with Bitrix24's number of the kind: bound where a connection follows such cards.
pub const CARD_EVENTS: &[(&str, i64)] =
    &[("ONCRMLEADUPDATE", 1), ("ONCRMDEALUPDATE", 2), ("ONCRMCONTACTUPDATE", 3), ("ONCRMCOMPANYUPDATE", 4)];

/// Binding twice is refused as "already binded", which callers take for success
/// ([`CallError::is_already_bound`](crate::b24::CallError::is_already_bound)).
#[derive(Debug, Serialize)]
pub struct EventBind<'a> {
    pub event: &'a str,
    /// At most 255 characters, http or https, a host with a dot.
    pub handler: &'a str,
    /// Whose token comes with the event; None: his who made it happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<i64>,
}

impl Method for EventBind<'_> {
    type Output = values::Done;
    const NAME: &'static str = "event.bind";
    const SCOPE: Scope = Scope::Base;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
pub struct EventUnbind<'a> {
    pub event: &'a str,
    /// Exactly as it was bound.
    pub handler: &'a str,
    /// Rows of that user alone; `Some(0)` the rows without a user; None: every row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<i64>,
}

impl Method for EventUnbind<'_> {
    type Output = Unbound;
    const NAME: &'static str = "event.unbind";
    const SCOPE: Scope = Scope::Base;
    const REPEATABLE: bool = true;
}

/// How many rows went; `placement.unbind` counts each twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Unbound {
    #[serde(deserialize_with = "values::some_int")]
    pub count: Option<i64>,
}

/// Our own bindings; one who is no administrator sees only his own.
#[derive(Debug, Serialize)]
pub struct EventGet {}

impl Method for EventGet {
    type Output = values::List<BoundEvent>;
    const NAME: &'static str = "event.get";
    const SCOPE: Scope = Scope::Base;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BoundEvent {
    #[serde(deserialize_with = "values::text")]
    pub event: String,
    #[serde(deserialize_with = "values::text")]
    pub handler: String,
    #[serde(deserialize_with = "values::some_id")]
    pub auth_type: Option<i64>,
    #[serde(deserialize_with = "values::flag")]
    pub offline: bool,
}

/// Makes the portal send `ONAPPTEST` with these parameters in `data[QUERY]`: proof of the whole way of events.
#[derive(Debug, Serialize)]
pub struct EventTest<'a> {
    /// Comes back in the event; see [`Query`](crate::b24::incoming::PortalEvent::Test).
    pub nonce: &'a str,
}

impl Method for EventTest<'_> {
    type Output = values::Done;
    const NAME: &'static str = "event.test";
    const SCOPE: Scope = Scope::Base;
    const REPEATABLE: bool = true;
}
