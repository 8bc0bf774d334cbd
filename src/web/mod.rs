//! The server's door: one flat list of routes, thin handlers, and the start and stop of everything that runs.
//!
//! Who is who: [`events`] and [`webhooks`] take what portals and messengers send; [`pages`] opens frames, [`frame`] answers their
//! script; [`answer`] is how a person reads a page or a failure; [`session`] is what lets a page act.

mod answer;
mod body;
mod caller;
mod consent;
mod events;
mod files;
mod frame;
mod health;
mod pages;
mod session;
mod views;
mod webhooks;

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App as ActixApp, HttpServer,
    dev::ServerHandle,
    middleware::DefaultHeaders,
    web::{self, ServiceConfig},
};
use tokio::{sync::watch, task::JoinHandle};

use self::caller::Operators;
use crate::{app::App, db::DbError, queue::worker, relay};

/// A client that has not sent its headers by then is let go.
const HEADER_TIME: Duration = Duration::from_secs(10);
const WORKERS: usize = 2;

/// Every route.
fn routes(config: &mut ServiceConfig) {
    // Bitrix24: installation, screens, events, robots
    config
        .route("/b24/install", web::post().to(pages::install))
        .route("/b24/install", web::get().to(pages::look))
        .route("/b24/install", web::head().to(pages::look))
        .route("/b24/install/{app}", web::post().to(pages::install_of))
        .route("/b24/install/{app}", web::get().to(pages::look))
        .route("/b24/install/{app}", web::head().to(pages::look))
        .route("/b24/app", web::post().to(pages::app_page))
        .route("/b24/app", web::get().to(pages::look))
        .route("/b24/app", web::head().to(pages::look))
        .route("/b24/placements/{name}", web::post().to(pages::placement))
        .route("/b24/placements/{name}", web::get().to(pages::look))
        .route("/b24/placements/{name}", web::head().to(pages::look))
        .route("/b24/events", web::post().to(events::events))
        .route("/b24/events", web::get().to(pages::look))
        .route("/b24/events", web::head().to(pages::look))
        .route("/b24/events/{app}", web::post().to(events::events_of))
        .route("/b24/events/{app}", web::get().to(pages::look))
        .route("/b24/events/{app}", web::head().to(pages::look))
        .route("/b24/robots/{code}", web::post().to(events::robots))
        .route("/b24/oauth/callback", web::get().to(consent::callback));
    // cores and messengers
    config
        .route("/core/chatapp/{channel}/{secret}", web::post().to(webhooks::chatapp))
        .route("/channels/{kind}/{channel}/{secret}", web::post().to(webhooks::messenger));
    // files, both ways
    config.route("/media/{token}", web::get().to(files::media)).route("/media/{token}", web::head().to(files::media));
    // the frames' own requests
    config
        .route("/frame/install/provision", web::post().to(frame::install_provision))
        .route("/frame/install/state", web::get().to(frame::install_state))
        .route("/frame/connector", web::get().to(frame::connector))
        .route("/frame/connector/account", web::post().to(frame::connector_account))
        .route("/frame/connector/connect", web::post().to(frame::connector_connect))
        .route("/frame/connector/disconnect", web::post().to(frame::connector_disconnect))
        .route("/frame/crm/list", web::get().to(frame::crm_list))
        .route("/frame/crm/write", web::post().to(frame::crm_write))
        .route("/frame/crm/open", web::post().to(frame::crm_open))
        .route("/frame/session/renew", web::post().to(frame::session_renew));
    // operators of the server
    config.route("/health/ping", web::get().to(health::ping)).route("/health", web::get().to(health::health));
}

/// A server that runs.
pub struct Running {
    app: Arc<App>,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts serving on listeners that are bound already, and the background work with it. The first listener is the public one,
/// the others are the operators'. Refuses when nothing can be
/// committed: no event could be accepted.
pub async fn serve(app: Arc<App>, listeners: Vec<TcpListener>) -> std::io::Result<Running> {
    recover(&app).await.map_err(std::io::Error::other)?;
    relay::gates::load(&app).await.map_err(std::io::Error::other)?;
    let data = web::Data::from(Arc::clone(&app));
    let own: std::io::Result<Vec<_>> = listeners.iter().skip(1).map(TcpListener::local_addr).collect();
    let operators = web::Data::new(Operators(own?));
    let mut server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(data.clone())
            .app_data(operators.clone())
            .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
            .configure(routes)
    })
    .workers(WORKERS)
    .client_request_timeout(HEADER_TIME)
    .disable_signals()
    .shutdown_timeout(10);
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let (stop, stopping) = watch::channel(false);
    let tasks = vec![
        tokio::spawn(worker::run(Arc::clone(&app), stopping.clone())),
        tokio::spawn(relay::gates::run(Arc::clone(&app), stopping.clone())),
        tokio::spawn(relay::polling::run(Arc::clone(&app), stopping)),
    ];
    Ok(Running { app, server: handle, serving, stop, tasks })
}

/// What the last process left half done. Unswept, it would hold its lanes for ever.
async fn recover(app: &App) -> Result<(), DbError> {
    let (again, uncertain) = app.db.delivery_sweep(relay::REPEATABLE, app.clock.now()).await?;
    if again + uncertain > 0 {
        tracing::warn!(again, uncertain, "deliveries were interrupted when the server stopped");
    }
    Ok(())
}

impl Running {
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Stops accepting, then claiming, then waits for what is under way, then closes the database.
    pub async fn stop(self) {
        self.server.stop(true).await;
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        let _ = self.serving.await;
        relay::gates::save(&self.app, true).await;
        self.app.db.close().await;
    }
}
