//! The ChatApp server for Bitrix24. `README.md` tells the walks; each module's prologue tells who is who in it.

pub mod app;
pub mod b24;
#[cfg(feature = "bench")]
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
#[cfg(feature = "demo")]
pub mod demo;
pub mod domain;
pub mod failpoint;
pub mod journal;
pub mod lock;
pub mod media;
pub mod messaging;
pub mod metrics;
pub mod outgoing;
pub mod queue;
pub mod redeliver;
pub mod relay;
pub mod secret;
pub mod sockets;
pub mod telemetry;
pub mod web;
