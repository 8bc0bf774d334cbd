//! The server's door: one flat list of routes, thin handlers, and the start and stop of everything that runs.
//!
//! Who is who: [`events`] and [`webhooks`] take what portals and messengers send; [`pages`] opens frames, [`frame`] answers their
//! script; [`retry`] is behind a red note's link; [`answer`] is how a person reads a page or a failure; [`session`] is what lets a page act.

mod answer;
mod body;
mod caller;
mod consent;
mod door;
mod events;
mod files;
mod frame;
mod health;
mod operators;
mod pages;
mod retry;
mod session;
mod settings;
mod views;
mod webhooks;

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App as ActixApp, HttpServer, Route,
    dev::{ServerHandle, Service as _},
    http::ConnectionType,
    middleware::DefaultHeaders,
    web::{self, ServiceConfig},
};
use futures_util::future::join_all;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

pub use self::operators::{Chosen, OPERATOR_HEADER};
use self::{caller::Operators, door::Door};
use crate::{
    app::App,
    clock::Millis,
    queue::{expand, keeper, node, worker},
    relay,
};

/// A client that has not sent its headers by then is let go.
const HEADER_TIME: Duration = Duration::from_secs(10);
pub const WORKERS: usize = 2;
/// How long deliveries under way may take to end, and a moment for what else is written.
const TASKS_PATIENCE: Duration = worker::STOP_PATIENCE.saturating_add(Duration::from_secs(5));
/// How long requests that are inside when the server stops may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// Seconds for the last bytes of the answers; connections on which nothing was asked are closed then.
const CLOSE_PATIENCE: u64 = 1;

/// What a portal posts to; who looks with a browser is told what stands here.
fn posted_to(config: &mut ServiceConfig, path: &str, posted: Route) {
    config.route(path, posted).route(path, web::get().to(pages::look)).route(path, web::head().to(pages::look));
}

/// Every route.
fn routes(config: &mut ServiceConfig) {
    // What comes with every message is looked for first: what portals send, then cores and messengers.
    posted_to(config, "/b24/events", web::post().to(events::events));
    posted_to(config, "/b24/events/{app}", web::post().to(events::events_of));
    config.route("/b24/robots/{code}", web::post().to(events::robots));
    posted_to(config, "/b24/sms", web::post().to(events::sms));
    config
        .route("/core/chatapp/{channel}/{secret}", web::post().to(webhooks::chatapp))
        .route("/channels/{kind}/{channel}/{secret}", web::post().to(webhooks::messenger));
    // Bitrix24: installation and screens
    posted_to(config, "/b24/install", web::post().to(pages::install));
    posted_to(config, "/b24/install/{app}", web::post().to(pages::install_of));
    posted_to(config, "/b24/app", web::post().to(pages::app_page));
    posted_to(config, "/b24/placements/{name}", web::post().to(pages::placement));
    config.route("/b24/oauth/callback", web::get().to(consent::callback));
    // files, both ways
    config.route("/media/{token}", web::get().to(files::media)).route("/media/{token}", web::head().to(files::media));
    // a failed message once more
    config
        .route("/retry/{token}", web::get().to(retry::page))
        .route("/retry/{token}", web::head().to(retry::page))
        .route("/retry/{token}", web::post().to(retry::take));
    // the frames' own requests
    config
        .route("/frame/install/provision", web::post().to(frame::install_provision))
        .route("/frame/install/state", web::get().to(frame::install_state))
        .route("/frame/connector", web::get().to(frame::connector))
        .route("/frame/connector/account", web::post().to(frame::connector_account))
        .route("/frame/accounts/refresh", web::post().to(frame::accounts_refresh))
        .route("/frame/accounts/forget-password", web::post().to(frame::accounts_forget_password))
        .route("/frame/connector/connect", web::post().to(frame::connector_connect))
        .route("/frame/connector/settings", web::post().to(settings::save))
        .route("/frame/connector/hook-key", web::post().to(settings::hook_key))
        .route("/frame/connector/disconnect", web::post().to(frame::connector_disconnect))
        .route("/frame/crm/list", web::get().to(frame::crm_list))
        .route("/frame/crm/write", web::post().to(frame::crm_write))
        .route("/frame/crm/open", web::post().to(frame::crm_open))
        .route("/frame/session/renew", web::post().to(frame::session_renew));
    // operators of the server
    config
        .route("/health/ping", web::get().to(health::ping))
        .route("/health", web::get().to(health::health))
        .route("/metrics", web::get().to(operators::metrics))
        .route("/dead", web::post().to(operators::dead))
        .route("/redeliver", web::post().to(operators::redeliver));
}

/// A server that runs.
pub struct Running {
    app: Arc<App>,
    door: Door,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Beats as long as something is under way: others must not take it for dead.
    beating: (watch::Sender<bool>, JoinHandle<()>),
}

/// Starts serving on listeners that are bound already, and the background work with it. The first listener is the public one,
/// the others are the operators'. Refuses when nothing can be
/// committed: no event could be accepted.
pub async fn serve(app: Arc<App>, listeners: Vec<TcpListener>) -> std::io::Result<Running> {
    // Asked before anything new is accepted.
    let alive = app.db.look_last_alive().await.map_err(std::io::Error::other)?;
    node::join(&app).await.map_err(std::io::Error::other)?;
    relay::gates::load(&app).await.map_err(std::io::Error::other)?;
    if !app.config.is_embedded() {
        app.db.begin_spool(&app.config.data_dir.join("spool"))?;
    }
    let door = Door::default();
    let own_door = door.clone();
    let data = web::Data::from(Arc::clone(&app));
    let own: std::io::Result<Vec<_>> = listeners.iter().skip(1).map(TcpListener::local_addr).collect();
    let operators = web::Data::new(Operators(own?));
    let mut server = HttpServer::new(move || {
        let door = own_door.clone();
        ActixApp::new()
            .wrap_fn(move |request, service| {
                let inside = door.enter();
                let answered = service.call(request);
                async move {
                    let mut answer = answered.await?;
                    if inside.is_last() {
                        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                    }
                    Ok(answer)
                }
            })
            .app_data(data.clone())
            .app_data(operators.clone())
            .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
            .configure(routes)
    })
    .workers(WORKERS)
    .client_request_timeout(HEADER_TIME)
    .disable_signals()
    .shutdown_timeout(CLOSE_PATIENCE);
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let (stop, stopping) = watch::channel(false);
    let (silence, beats) = watch::channel(false);
    let beating = (silence, tokio::spawn(node::run(Arc::clone(&app), beats)));
    let tasks = vec![
        tokio::spawn(expand::run(Arc::clone(&app), stopping.clone())),
        tokio::spawn(worker::run(Arc::clone(&app), stopping.clone())),
        tokio::spawn(relay::gates::run(Arc::clone(&app), stopping.clone())),
        tokio::spawn(relay::polling::run(Arc::clone(&app), stopping.clone())),
        tokio::spawn(keeper::run(Arc::clone(&app), stopping)),
        tokio::spawn(look_for_lost(Arc::clone(&app), alive)),
    ];
    Ok(Running { app, door, server: handle, serving, stop, tasks, beating })
}

/// What was sent while no server listened stands in the portals' and the cores' histories.
async fn look_for_lost(app: Arc<App>, alive: Option<Millis>) {
    relay::unheard::everywhere(&app).await;
    if let Some(alive) = alive {
        relay::lost::everywhere(&app, alive).await;
    }
}

impl Running {
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Stops claiming and waits for the deliveries under way, which may take long, so events are accepted meanwhile; then stops
    /// accepting (who connects now waits in the kernel for the next server, if the socket stays open), answers who is inside, and
    /// closes the database.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        self.door.close();
        let tasks = timeout(TASKS_PATIENCE, join_all(self.tasks)).await;
        if tasks.is_err() {
            tracing::error!("background work did not end when the server stopped");
        }
        self.server.pause().await;
        self.door.empties(ANSWER_PATIENCE).await;
        self.server.stop(true).await;
        let _ = self.serving.await;
        relay::gates::save(&self.app, true).await;
        let _ = self.beating.0.send(true);
        let _ = timeout(ANSWER_PATIENCE, async {
            let _ = self.beating.1.await;
            node::leave(&self.app).await;
        })
        .await;
        self.app.db.close().await;
    }
}
