//! What this machine can do: servers that do the least that could be called the same. They run as processes (`bench-ceiling`, a
//! verb that `--help` does not show), with as many workers as ours.

use std::path::PathBuf;

use actix_web::{App, HttpResponse, HttpServer, web};
use clap::{Args, ValueEnum};

use super::BenchError;
use crate::{app::StartError, db::Ceiling, web::WORKERS};

#[derive(Args)]
pub struct CeilingFlags {
    kind: Kind,
    #[arg(long)]
    bind: String,
    /// Where its database is made
    #[arg(long)]
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Reads a body and answers.
    Bare,
    /// Stores it as one row before it answers; whoever waits shares a commit.
    Group,
    /// The same with a commit for each.
    Single,
}

/// As many as our writer puts into one transaction.
const GROUP: usize = 256;

/// Serves until it is killed.
pub async fn serve(flags: CeilingFlags) -> Result<(), StartError> {
    let path = flags.folder.join("ceiling.sqlite").display().to_string();
    let store = match flags.kind {
        Kind::Bare => None,
        Kind::Group => Some(Ceiling::open(&path, GROUP)?),
        Kind::Single => Some(Ceiling::open(&path, 1)?),
    };
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(store.clone()))
            .route("/health/ping", web::get().to(async || HttpResponse::Ok().body("pong")))
            .default_service(web::post().to(take))
    });
    Ok(server.workers(WORKERS).bind(flags.bind)?.run().await?)
}

async fn take(store: web::Data<Option<Ceiling>>, body: web::Bytes) -> HttpResponse {
    if let Some(store) = store.get_ref() {
        let row = String::from_utf8_lossy(&body).into_owned();
        if store.insert(row).await != Ok(true) {
            return HttpResponse::ServiceUnavailable().finish();
        }
    }
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok")
}

/// The C library that slows `fsync` down, compiled into a folder.
pub fn slow_disk(folder: &std::path::Path) -> Result<PathBuf, BenchError> {
    let (source, library) = (folder.join("slowsync.c"), folder.join("slowsync.so"));
    std::fs::write(&source, include_str!("slowsync.c"))?;
    let compiled = std::process::Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()?;
    if compiled.success() { Ok(library) } else { Err(BenchError::Unexpected("cc could not compile slowsync.c".into())) }
}
