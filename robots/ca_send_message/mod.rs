//! "Send a message": one text to everybody named in the recipient fields.

use crate::call::{Call, Plan};
use crate::outcome::ErrorCode;
use crate::recipients::{recipients, steps};

/// One step per recipient. An empty text refuses all of them by name, so that the result says who got nothing.
pub(crate) fn plan(call: &Call) -> Plan {
    let text = call.value("message").unwrap_or_default().to_owned();
    let (addresses, notices) = recipients(call);
    let stop = text.is_empty().then_some(ErrorCode::EmptyMessage);
    Plan { steps: steps(call, addresses, stop), text, notices, add_comment: call.flag("add_comment", true) }
}
