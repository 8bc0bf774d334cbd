//! The settings of a connector, inside the Contact Center after *Connect* and the choice of an Open Channel.

use crate::{ConnectorFlags, ConnectorSetup, Opening, Options, Refusal, connectors};

/// Which connector on which Open Channel. The flags are hints for the first view; the portal is asked for the truth.
pub(crate) fn open(options: &Options) -> Result<Opening, Refusal> {
    if options.code() != "SETTING_CONNECTOR" {
        return Err(Refusal::WrongCode);
    }
    let id = options.text("CONNECTOR").unwrap_or_default();
    let connector = connectors::find(&id).ok_or(Refusal::UnknownConnector)?;
    let line = options.id("LINE").ok_or(Refusal::NoLine)?;
    let flags = ConnectorFlags {
        status: options.flag("STATUS"),
        active: options.flag("ACTIVE_STATUS"),
        connection: options.flag("CONNECTION_STATUS"),
        register: options.flag("REGISTER_STATUS"),
        error: options.flag("ERROR_STATUS"),
    };
    Ok(Opening::Connector(ConnectorSetup { connector, line, flags }))
}
