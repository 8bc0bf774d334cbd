//! Automation robots: their registration, and the answer to one that waits.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// Adds a robot; [`CallError::is_already_bound`](crate::b24::CallError::is_already_bound) when its code is known. The parameters are made by the
/// robot's manifest (`robots::registration`) and sent as they are: the dialog shows properties in their order.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct RobotAdd<'a>(pub &'a Value);

impl Method for RobotAdd<'_> {
    type Output = values::Done;
    const NAME: &'static str = "bizproc.robot.add";
    const SCOPE: Scope = Scope::Bizproc;
    /// A second call is refused with `ERROR_ACTIVITY_ALREADY_INSTALLED`.
    const REPEATABLE: bool = true;
}

/// Changes a robot; its properties are replaced as a whole (`robots::registration_update`).
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct RobotUpdate<'a>(pub &'a Value);

impl Method for RobotUpdate<'_> {
    type Output = values::Done;
    const NAME: &'static str = "bizproc.robot.update";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

/// The codes of our robots. On plans without automation the method does not exist.
#[derive(Debug, Serialize)]
pub struct RobotList {}

impl Method for RobotList {
    type Output = values::List<String>;
    const NAME: &'static str = "bizproc.robot.list";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct RobotDelete<'a> {
    pub code: &'a str,
}

impl Method for RobotDelete<'_> {
    type Output = values::Done;
    const NAME: &'static str = "bizproc.robot.delete";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

/// Writes a line into the log of a waiting robot's process.
#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct ActivityLog<'a> {
    /// A secret: whoever has it can answer.
    pub event_token: &'a str,
    pub log_message: &'a str,
}

impl Method for ActivityLog<'_> {
    type Output = values::Done;
    const NAME: &'static str = "bizproc.activity.log";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}

/// Answers a waiting robot. The portal runs the following robots inside this call, for seconds. A second answer to the
/// same step is ignored.
#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct EventSend<'a> {
    /// A secret: whoever has it can answer.
    pub event_token: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub return_values: &'a BTreeMap<String, ReturnValue>,
    /// A line of the process's log.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub log_message: &'a str,
}

/// A result of a robot; truths go as `Y` and `N` texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ReturnValue {
    Text(String),
    Many(Vec<String>),
}

impl Method for EventSend<'_> {
    /// True does not prove that the process went on.
    type Output = values::Done;
    const NAME: &'static str = "bizproc.event.send";
    const SCOPE: Scope = Scope::Bizproc;
    const REPEATABLE: bool = true;
}
