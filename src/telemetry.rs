//! Logs.
//!
//! A failure is logged once, where it is handled, with the identifier in a field of the same name everywhere: `portal`,
//! `installation`, `channel`, `inbox`, `delivery`, `request`, and `trace` for all that becomes of one accepted thing. Never a token, a body, a name or a phone number.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::LogFormat;

/// What is shown when `RUST_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,actix_server=warn";

/// Starts logging to standard error. A second call changes nothing.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(DEFAULT_FILTER));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => tracing_subscriber::registry().with(filter).with(lines).try_init(),
        LogFormat::Json => tracing_subscriber::registry().with(filter).with(lines.json()).try_init(),
    };
    // Tests start many servers in one process; the first one's logging serves them all.
    drop(started);
}
