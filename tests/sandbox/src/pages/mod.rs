//! The sandbox's pages: the portal's shell, the phone, and the stand-in of the frame script.
//!
//! Everything is built into the binary and written by hand; the pages talk to `/~/` alone. The frames that they open are the
//! product's real pages, posted to as the platform does it, from another site (`localhost` against `127.0.0.1`).

use std::collections::HashMap;

use actix_web::{HttpResponse, http::header, web};

/// A page may show anything that lies at http(s) addresses, because files and frames live elsewhere, but runs only its own scripts.
const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data: blob: http: https:; media-src 'self' blob: http: https:; frame-src http: https:; \
    form-action http: https:; base-uri 'none'; frame-ancestors 'self'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

struct Asset {
    path: &'static str,
    mime: &'static str,
    body: &'static str,
}

macro_rules! assets {
    ($($path:literal, $mime:expr, $file:literal;)*) => {
        &[$(Asset { path: $path, mime: $mime, body: include_str!(concat!("assets/", $file)) }),*]
    };
}

const PORTAL: &[Asset] = assets! {
    "/", HTML, "shell.html";
    "/phone", HTML, "phone.html";
    "/favicon.ico", SVG, "favicon.svg";
    "/assets/base.css", CSS, "base.css";
    "/assets/shell.css", CSS, "shell.css";
    "/assets/views.css", CSS, "views.css";
    "/assets/phone.css", CSS, "phone.css";
    "/assets/api.js", SCRIPT, "api.js";
    "/assets/bbcode.js", SCRIPT, "bbcode.js";
    "/assets/bridge.js", SCRIPT, "bridge.js";
    "/assets/cards.js", SCRIPT, "cards.js";
    "/assets/chats.js", SCRIPT, "chats.js";
    "/assets/contact_center.js", SCRIPT, "contact_center.js";
    "/assets/dom.js", SCRIPT, "dom.js";
    "/assets/frame.js", SCRIPT, "frame.js";
    "/assets/phone.js", SCRIPT, "phone.js";
    "/assets/robots.js", SCRIPT, "robots.js";
    "/assets/trouble.js", SCRIPT, "trouble.js";
    "/assets/shell.js", SCRIPT, "shell.js";
    "/assets/slider.js", SCRIPT, "slider.js";
    "/assets/texts.js", SCRIPT, "texts.js";
};

const CLOUD: &[Asset] = assets! {
    "/api/v1/", SCRIPT, "bx24.js";
    "/api/v1", SCRIPT, "bx24.js";
    "/favicon.ico", SVG, "favicon.svg";
};

/// Routes of a portal listener: `/`, `/phone`, static files, and the portal's own addresses of cards and chats.
pub fn configure_portal(cfg: &mut web::ServiceConfig) {
    serve(cfg, PORTAL);
    cfg.route("/crm/{kind}/details/{id}/", web::get().to(card_address)).route("/online/", web::get().to(chat_address));
}

/// Routes of the cloud listener: the frame script `/api/v1/`.
pub fn configure_cloud(cfg: &mut web::ServiceConfig) {
    serve(cfg, CLOUD);
}

fn serve(cfg: &mut web::ServiceConfig, assets: &'static [Asset]) {
    for asset in assets {
        cfg.service(
            web::resource(asset.path)
                .route(web::get().to(move || async move { answer(asset) }))
                .route(web::head().to(move || async move { answer(asset) })),
        );
    }
}

fn answer(asset: &'static Asset) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, asset.mime))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if asset.mime == HTML {
        response
            .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_CSP))
            .insert_header((header::REFERRER_POLICY, "same-origin"));
    }
    response.body(asset.body)
}

/// `/crm/deal/details/15/` is how a portal's links name a card.
async fn card_address(path: web::Path<(String, String)>) -> HttpResponse {
    let (kind, id) = path.into_inner();
    let known = matches!(kind.as_str(), "deal" | "lead" | "contact" | "company");
    if known && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        see(&format!("/#/crm/{kind}/{id}"))
    } else {
        HttpResponse::NotFound().finish()
    }
}

/// `/online/?IM_DIALOG=chat15` and `imol|15` are how a portal's links name a chat.
async fn chat_address(query: web::Query<HashMap<String, String>>) -> HttpResponse {
    let dialog = query.get("IM_DIALOG").or_else(|| query.get("IM_HISTORY"));
    let id = dialog.and_then(|dialog| {
        let digits = dialog.len() - dialog.bytes().rev().take_while(u8::is_ascii_digit).count();
        dialog.get(digits..).filter(|id| !id.is_empty())
    });
    match id {
        Some(id) => see(&format!("/#/chats/{id}")),
        None => see("/#/chats"),
    }
}

fn see(place: &str) -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, place)).finish()
}

#[cfg(test)]
mod tests;
