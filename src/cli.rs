//! The verbs of the command line.

use std::{net::TcpListener, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    app::{App, StartError},
    clock::Clock,
    config::{Config, Flags, LogFormat},
    lock::Lock,
    redeliver::{self, RedeliverFlags},
    telemetry, web,
};

/// The ChatApp server for Bitrix24
#[derive(Parser)]
#[command(version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serves portals
    Serve(Flags),
    /// Brings the database up to this version and stops
    Migrate(Flags),
    /// Lists what was given up, with the reasons, and has it tried again; the server runs
    Redeliver(RedeliverFlags),
    /// Starts everything against a make-believe portal and a make-believe phone, with no account and no internet
    #[cfg(feature = "demo")]
    Demo(crate::demo::DemoFlags),
    /// Measures this server against what this machine can do
    #[cfg(feature = "bench")]
    Bench(crate::bench::BenchFlags),
    #[cfg(feature = "bench")]
    #[command(hide = true)]
    BenchCeiling(crate::bench::CeilingFlags),
}

/// Runs the verb that the command line names.
pub async fn run() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Serve(flags) => serve(&flags).await,
        Verb::Migrate(flags) => migrate(&flags).await,
        Verb::Redeliver(flags) => redeliver::run(flags).await,
        #[cfg(feature = "demo")]
        Verb::Demo(flags) => crate::demo::run(flags).await,
        #[cfg(feature = "bench")]
        Verb::Bench(flags) => crate::bench::run(flags).await,
        #[cfg(feature = "bench")]
        Verb::BenchCeiling(flags) => crate::bench::ceiling(flags).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The person at the terminal reads it; no log may be set up yet.
            eprintln!("chatapp-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(flags: &Flags) -> Result<(), StartError> {
    let config = Config::load(flags)?;
    telemetry::start(config.log_format);
    let _lock = lock(&config)?;
    let mut listeners = vec![bind(&config.bind)?];
    if let Some(admin) = &config.admin_bind {
        listeners.push(bind(admin)?);
    }
    tracing::info!(bind = config.bind, public_url = %config.public_url, "serving");
    let running = web::serve(Arc::new(App::new(config, Clock::system())?), listeners).await?;
    stopped().await?;
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// An embedded database has one server; PostgreSQL may have several.
fn lock(config: &Config) -> Result<Option<Lock>, StartError> {
    Ok(config.is_embedded().then(|| Lock::take(&config.data_dir)).transpose()?)
}

fn bind(address: &str) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

async fn migrate(flags: &Flags) -> Result<(), StartError> {
    let config = Config::load(flags)?;
    telemetry::start(LogFormat::Text);
    let _lock = lock(&config)?;
    let app = App::new(config, Clock::system())?;
    app.db.close().await;
    tracing::info!("the database is up to date");
    Ok(())
}

/// Waits until the process is asked to stop.
pub async fn stopped() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _terminated = terminate.recv() => {}
        _interrupted = interrupt.recv() => {}
    }
    Ok(())
}
