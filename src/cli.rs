//! The verbs of the command line.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use crate::{
    app::{App, StartError},
    clock::Clock,
    config::{Config, Flags, LogFormat},
    db::DbError,
    lock::Lock,
    redeliver::{self, RedeliverFlags},
    sockets::Inherited,
    telemetry, web,
};

/// How long a server that replaces another waits for that one's end: longer than the longest call of a delivery.
const HANDOVER_PATIENCE: Duration = Duration::from_secs(90);

/// How long a PostgreSQL that does not answer is waited for when the server starts, and how often it is asked.
const DATABASE_PATIENCE: Duration = Duration::from_mins(1);
const ASK_AGAIN: Duration = Duration::from_secs(1);

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
    let inherited = Inherited::take()?;
    // Who is started on sockets that stay open is started to replace somebody.
    let patience = if inherited.is_empty() { Duration::ZERO } else { HANDOVER_PATIENCE };
    let _lock = Lock::take_within(&config.data_dir, patience).await?;
    let listeners = inherited.or_bind(&config.bind, config.admin_bind.as_deref())?;
    tracing::info!(bind = config.bind, public_url = %config.public_url, "serving");
    let app = Arc::new(with_database(config).await?);
    let running = web::serve(app, listeners).await?;
    stopped().await?;
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// The server's parts, once its database answers: after a reboot PostgreSQL may come up later than we do. Who connects meanwhile
/// waits in the kernel.
async fn with_database(config: Config) -> Result<App, StartError> {
    let began = Instant::now();
    loop {
        match App::new(config.clone(), Clock::system()) {
            Err(StartError::Db(error @ DbError::Unavailable(_)))
                // Any other address is wrong, not away.
                if config.database_url.starts_with("postgres") && began.elapsed() < DATABASE_PATIENCE =>
            {
                tracing::warn!(%error, "the database does not answer yet");
                sleep(ASK_AGAIN).await;
            }
            done => return done,
        }
    }
}

async fn migrate(flags: &Flags) -> Result<(), StartError> {
    let config = Config::load(flags)?;
    telemetry::start(LogFormat::Text);
    // PostgreSQL may be brought up to date beside a server that works.
    let _lock = config.is_embedded().then(|| Lock::take(&config.data_dir)).transpose()?;
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
