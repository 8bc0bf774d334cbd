//! Listeners: binding, routing, stopping.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    sync::{Arc, Weak},
};

use actix_web::{App, HttpServer, dev::ServerHandle, web};

use crate::{
    World, api, messengers, oauth, pages,
    portal::{Portal, rest},
};

/// Largest body that any route takes: a 50 MB file and its multipart frame.
const BODY_LIMIT: usize = 56 * 1024 * 1024;

/// Binds `127.0.0.1:port` and, where the machine has IPv6, `[::1]` with the same port, because browsers try it first for `localhost`.
pub(crate) fn bind(port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    if let Ok(second) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        listeners.push(second);
    }
    Ok((listeners, port))
}

/// Starts the cloud's server: OAuth, ChatApp, Telegram, files, the frame script.
pub(crate) fn serve_cloud(world: &Arc<World>, listeners: Vec<TcpListener>) -> io::Result<ServerHandle> {
    let data = web::Data::from(Arc::clone(world));
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(BODY_LIMIT))
            .configure(oauth::configure)
            .configure(messengers::configure_cloud)
            .configure(pages::configure_cloud)
    })
    .workers(2)
    .disable_signals();
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    world.runtime.spawn(server);
    Ok(handle)
}

/// The server of one portal.
pub(crate) struct Serving {
    pub member_id: String,
    pub handle: ServerHandle,
    /// What its workers hold: gone when the last of them has ended, with its connections.
    pub alive: Weak<Portal>,
}

/// Starts one portal's server: REST, pages and their JSON API.
pub(crate) fn serve_portal(portal: &Portal, listeners: Vec<TcpListener>) -> io::Result<Serving> {
    let world = Arc::clone(portal.world());
    let data = web::Data::from(Arc::clone(&world));
    let member_id = portal.member_id().to_owned();
    let portal = web::Data::new(portal.clone());
    let alive = Arc::downgrade(&portal.clone().into_inner());
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(portal.clone())
            .app_data(web::PayloadConfig::new(BODY_LIMIT))
            .configure(rest::configure)
            // Before the scope `/~`, which answers 404 for everything else below it.
            .configure(messengers::configure_phone)
            .configure(api::configure)
            .configure(pages::configure_portal)
    })
    .workers(2)
    .disable_signals();
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    world.runtime.spawn(server);
    Ok(Serving { member_id, handle, alive })
}
