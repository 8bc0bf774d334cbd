//! JSON API of the portal's pages, `/~/...`: what a browser of an employee shows and does.
//!
//! `?user=ID` says who sits at the browser; without it the administrator does. Bodies and answers are JSON, times are
//! milliseconds. A refused act is 4xx with `{"error": "..."}`. Shapes are listed in the crate's README.

mod acts;
mod authorize;
mod chats;
mod trouble;
mod view;

use actix_web::{HttpResponse, http::StatusCode, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::portal::{Portal, UserId};

/// Routes of a portal listener.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/oauth/authorize/", web::get().to(authorize::authorize)).service(
        web::scope("/~")
            .route("/state", web::get().to(view::state))
            .route("/chats/{id}", web::get().to(chats::chat))
            .route("/chats/{id}/messages", web::post().to(chats::write))
            .route("/chats/{id}/messages/{message}/edit", web::post().to(chats::edit))
            .route("/chats/{id}/messages/{message}/delete", web::post().to(chats::delete))
            .route("/chats/{id}/finish", web::post().to(chats::finish))
            .route("/upload", web::post().to(chats::upload))
            .route("/files/{id}", web::get().to(chats::file))
            .route("/frame", web::post().to(acts::frame))
            .route("/bridge", web::post().to(acts::bridge))
            .route("/app/add", web::post().to(acts::add_app))
            .route("/app/uninstall", web::post().to(acts::uninstall))
            .route("/lines", web::post().to(acts::add_line))
            .route("/lines/{id}/settings", web::post().to(acts::set_line))
            .route("/lines/{id}/connectors/{connector}/connect", web::post().to(acts::connect))
            .route("/lines/{id}/connectors/{connector}/disconnect", web::post().to(acts::disconnect))
            .route("/cards", web::post().to(acts::add_card))
            .route("/cards/{type}/{id}/stage", web::post().to(acts::move_card))
            .route("/robots/place", web::post().to(acts::place_robot))
            .route("/robots/placed/{id}/remove", web::post().to(acts::remove_robot))
            .route("/sms", web::post().to(acts::send_sms))
            .route("/lang", web::post().to(acts::lang))
            .route("/trouble", web::post().to(trouble::trouble)),
    );
}

/// Who sits at the browser.
#[derive(Deserialize)]
struct Me {
    user: Option<UserId>,
}

impl Me {
    fn id(&self, portal: &Portal) -> UserId {
        self.user.unwrap_or_else(|| portal.admin())
    }
}

/// A JSON object; an empty or broken body is an empty one.
fn object(body: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or("")
}

fn texts(map: &Map<String, Value>, key: &str) -> Vec<String> {
    let items = map.get(key).and_then(Value::as_array);
    items.map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
}

fn done(answer: Value) -> HttpResponse {
    HttpResponse::Ok().json(answer)
}

fn refused(status: StatusCode, error: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"error": error}))
}
