//! `/oauth/authorize/`: a signed-in employee lets an installed application act for him.

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;
use url::Url;

use crate::portal::{Portal, UserId};

#[derive(Deserialize)]
pub(super) struct Request {
    client_id: Option<String>,
    state: Option<String>,
    /// Who is signed in; the sandbox has no sign-in.
    user: Option<UserId>,
}

/// Goes back to the address of the application's card with a code. A failure is shown here and never told to the application.
pub(super) async fn authorize(query: web::Query<Request>, portal: web::Data<Portal>) -> HttpResponse {
    let client_id = query.client_id.clone().unwrap_or_default();
    let world = portal.world();
    let page =
        |text: &str| HttpResponse::BadRequest().content_type("text/html; charset=utf-8").body(format!("<p>{text}</p>"));
    let Some(card) = world.oauth.app(&client_id).filter(|_| portal.has_app(&client_id)) else {
        return page("The application is not installed.");
    };
    let user = query.user.unwrap_or_else(|| portal.admin());
    let code = world.oauth.code(portal.member_id(), &client_id, user);
    let Some(mut back) = card.redirect_url.as_deref().and_then(|url| Url::parse(url).ok()) else {
        return page(&format!("Your code: {code}"));
    };
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", query.state.as_deref().unwrap_or(""))
        .append_pair("domain", &portal.domain())
        .append_pair("member_id", portal.member_id())
        .append_pair("scope", &card.scope.join(","))
        .append_pair("server_domain", portal.oauth_host());
    HttpResponse::Found().insert_header((header::LOCATION, back.as_str())).finish()
}
