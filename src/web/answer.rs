//! Answers: pages with their policy, JSON for the frame script, and failures in people's words.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;
use templates::{Document, Frame, Markup, Problem, Texts, plain::ErrorView, texts};
use url::Url;

use super::session::{LIFETIME, Session};
use crate::{
    app::App,
    b24::{Code, oauth::OAuthError},
    db::{DbError, Portal},
    relay::{
        accounts::AccountError,
        card::{CardError, WriteError},
        grant::Refused,
        proof::{Unproved, User},
    },
    secret::{SealError, random_id},
};

/// A failure that a person reads: on a page, or beside the form that he sent.
#[derive(Debug)]
pub struct Failed {
    pub problem: Problem,
    /// The form's field that it is about.
    pub field: Option<&'static str>,
    /// The sentence about this very case, instead of the general one.
    pub text: Option<String>,
    /// For the log; it names the request.
    pub cause: String,
}

impl Failed {
    pub fn new(problem: Problem, cause: impl std::fmt::Display) -> Self {
        Self { problem, field: None, text: None, cause: cause.to_string() }
    }

    #[must_use]
    pub fn at(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::new(problem, problem.code())
    }
}

impl From<DbError> for Failed {
    fn from(error: DbError) -> Self {
        let problem = if matches!(error, DbError::Unavailable(_)) { Problem::Unavailable } else { Problem::Internal };
        Self::new(problem, error)
    }
}

impl From<SealError> for Failed {
    fn from(error: SealError) -> Self {
        Self::new(Problem::Internal, error)
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        let problem = match &refused {
            Refused::Portal(error) if error.is_rest_refused_by_plan() => Problem::PlanLacks,
            Refused::Portal(error) if error.code == Code::InsufficientScope => Problem::ScopeLacks,
            Refused::Portal(error) if error.is_right_lost() => Problem::GrantLost,
            Refused::Portal(error) if error.is_feature_missing() => Problem::PlanLacks,
            Refused::OAuth(error) if error.is_final() => Problem::GrantLost,
            Refused::NoGrant => Problem::GrantLost,
            Refused::Closed(_) => Problem::TooMany,
            Refused::Portal(_) | Refused::OAuth(_) => Problem::PortalSilent,
            Refused::Db(_) => Problem::Unavailable,
        };
        Self::new(problem, refused)
    }
}

impl From<Unproved> for Failed {
    fn from(unproved: Unproved) -> Self {
        let problem = match &unproved {
            Unproved::Nothing => Problem::NotVerified,
            Unproved::OAuth(error) if error.is_final() || *error == OAuthError::UnknownServer => Problem::NotVerified,
            Unproved::Portal(error) if error.is_rest_refused_by_plan() => Problem::PlanLacks,
            Unproved::Portal(error) if error.is_right_lost() || error.is_expired_token() => Problem::NotVerified,
            Unproved::OAuth(_) | Unproved::Portal(_) => Problem::PortalSilent,
            Unproved::TooMany => Problem::TooMany,
            Unproved::Db(_) => Problem::Unavailable,
        };
        Self::new(problem, unproved)
    }
}

impl From<AccountError> for Failed {
    fn from(error: AccountError) -> Self {
        let problem = match error {
            AccountError::Portal(refused) => return refused.into(),
            AccountError::Db(error) => return error.into(),
            AccountError::LoginRefused => Problem::LoginRefused,
            AccountError::LoginsUsedUp => Problem::LoginsUsedUp,
            AccountError::TokenRefused => Problem::TokenRefused,
            AccountError::CoreSilent(_) => Problem::CoreSilent,
            AccountError::ChannelGone => Problem::ChannelGone,
            AccountError::Taken(_) => Problem::ChannelTaken,
            AccountError::TakenElsewhere => Problem::AccountTaken,
            AccountError::LineMissing => Problem::LineMissing,
            AccountError::LicenseExpired => Problem::AccountExpired,
            AccountError::Random(_) => Problem::Internal,
        };
        Self::new(problem, error)
    }
}

impl From<CardError> for Failed {
    fn from(error: CardError) -> Self {
        match error {
            CardError::Closed => Self::new(Problem::CardClosed, error),
            CardError::Portal(error) => Refused::Portal(error).into(),
            CardError::Granted(refused) => refused.into(),
            CardError::Db(error) => error.into(),
        }
    }
}

impl From<WriteError> for Failed {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::AddressWrong => Self::new(Problem::AddressWrong, error).at("address"),
            WriteError::ChannelGone => Self::new(Problem::ChannelGone, error).at("channel"),
            WriteError::CannotWriteFirst => Self::new(Problem::CannotWriteFirst, error).at("channel"),
            WriteError::NoTemplates => Self::new(Problem::CoreSilent, error).at("template"),
            WriteError::NoText => Self::new(Problem::FieldEmpty, error).at("text"),
            WriteError::Db(error) => error.into(),
        }
    }
}

fn status(problem: Problem) -> StatusCode {
    match problem {
        Problem::SessionOver => StatusCode::UNAUTHORIZED,
        Problem::NotVerified
        | Problem::NotInstalled
        | Problem::AdministratorOnly
        | Problem::ManagersOnly
        | Problem::CardClosed
        | Problem::GrantLost => StatusCode::FORBIDDEN,
        Problem::LinkOver => StatusCode::GONE,
        Problem::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Problem::Unavailable | Problem::PortalSilent | Problem::CoreSilent => StatusCode::SERVICE_UNAVAILABLE,
        Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Problem::ChannelTaken | Problem::AccountTaken => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A failure with the request that it belongs to.
#[derive(Debug)]
pub struct JsonFailure {
    failed: Failed,
    lang: String,
    request: String,
}

impl Failed {
    fn logged(&self) -> String {
        let request = random_id(12).unwrap_or_default();
        let code = self.problem.code();
        if status(self.problem).is_server_error() {
            tracing::error!(request, code, cause = self.cause, "a request failed");
        } else {
            tracing::info!(request, code, cause = self.cause, "a request was refused");
        }
        request
    }

    /// The answer for the frame script.
    pub fn json(self, lang: &str) -> JsonFailure {
        JsonFailure { request: self.logged(), lang: lang.to_owned(), failed: self }
    }

    /// The one HTML error page. It names no portal and carries no session.
    pub fn page(self, app: &App, portal: Option<&Portal>, lang: &str) -> HttpResponse {
        let request = self.logged();
        let view = ErrorView {
            problem: self.problem,
            request_id: request,
            support_url: app.config.support_url.as_ref().map(Url::to_string),
        };
        let page = Page { portal, status: status(self.problem), ..Page::plain(lang) };
        html(app, &page, |document| templates::plain::error(document, &view))
    }
}

impl std::fmt::Display for JsonFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.failed.problem.code())
    }
}

impl ResponseError for JsonFailure {
    fn status_code(&self) -> StatusCode {
        status(self.failed.problem)
    }

    fn error_response(&self) -> HttpResponse {
        let words = texts(&self.lang).problems.of(self.failed.problem);
        let text = self.failed.text.clone().unwrap_or_else(|| format!("{} {}", words.what, words.todo));
        HttpResponse::build(self.status_code()).insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
            "error": {
                "code": self.failed.problem.code(),
                "text": text,
                "field": self.failed.field,
                "request_id": self.request,
            }
        }))
    }
}

/// A page of a frame with a session of its own.
pub fn frame(
    app: &App,
    portal: &Portal,
    session: &Session,
    draw: impl FnOnce(&Document<'_>) -> Markup,
) -> Result<HttpResponse, Failed> {
    let token = session.sign(&app.keys)?;
    let page = Page { portal: Some(portal), session: Some(&token), ..Page::plain(&session.lang) };
    Ok(html(app, &page, draw))
}

/// What a URL check or a curious browser sees.
pub fn neutral(app: &App) -> HttpResponse {
    html(app, &Page::plain("en"), templates::plain::neutral)
}

/// A page for a tab of its own, whose form is sent to the page's own address.
pub fn form(app: &App, lang: &str, draw: impl FnOnce(&Document<'_>) -> Markup) -> HttpResponse {
    html(app, &Page { form: true, ..Page::plain(lang) }, draw)
}

/// A sentence that fills the page.
pub fn remark(app: &App, lang: &str, words: impl FnOnce(&Texts) -> (&'static str, &'static str)) -> HttpResponse {
    let (title, text) = words(texts(lang));
    html(app, &Page::plain(lang), |document| templates::plain::notice(document, title, text))
}

/// What a page is sent with.
struct Page<'a> {
    /// None for a page that could not prove whose it is: it carries no data and no session, so any portal may show it.
    portal: Option<&'a Portal>,
    status: StatusCode,
    lang: &'a str,
    session: Option<&'a str>,
    /// It has a form without a script. Nobody may frame it: a press of its button must be meant.
    form: bool,
}

impl<'a> Page<'a> {
    fn plain(lang: &'a str) -> Self {
        Self { portal: None, status: StatusCode::OK, lang, session: None, form: false }
    }
}

fn html(app: &App, page: &Page<'_>, draw: impl FnOnce(&Document<'_>) -> Markup) -> HttpResponse {
    let nonce = random_id(24).unwrap_or_default();
    let script = script_of(app, page.portal);
    let frame = page.session.map(|session| Frame {
        session,
        session_seconds: u32::try_from(LIFETIME.as_secs()).unwrap_or(0),
        portal_script: &script,
    });
    let markup = draw(&Document { texts: texts(page.lang), nonce: &nonce, frame });
    // An error that the browser refused to show in the portal would be a white page.
    let ancestors = page.portal.map_or_else(|| Some("*".into()), origin).filter(|_| !page.form);
    let (ancestors, form) = (ancestors.unwrap_or_else(|| "'none'".into()), if page.form { "'self'" } else { "'none'" });
    // 'strict-dynamic': Bitrix24's own script, which is let in by nonce, loads more of its own.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'nonce-{nonce}'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action {form}; frame-ancestors {ancestors}"
    );
    HttpResponse::build(page.status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .body(markup.into_string())
}

/// The portal's exact origin, scheme and port as they really are.
fn origin(portal: &Portal) -> Option<String> {
    let origin = Url::parse(&portal.client_endpoint).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// Bitrix24's script comes from the same side of the world as the portal's OAuth server.
fn script_of(app: &App, portal: Option<&Portal>) -> String {
    if let Some(url) = &app.config.b24_js_url {
        return url.to_string();
    }
    let east = portal.is_some_and(|portal| portal.server_endpoint.contains("bitrix24.tech"));
    if east { "https://api.bitrix24.tech/api/v1/".into() } else { "https://api.bitrix24.com/api/v1/".into() }
}

/// `ru` for Russian, else `en`.
pub fn lang_of(lang: Option<&str>) -> &'static str {
    match lang {
        Some(lang) if lang.eq_ignore_ascii_case("ru") => "ru",
        _other => "en",
    }
}

/// A remark for a user who may not do what the page is for.
pub fn admin_only(user: &User) -> Result<(), Failed> {
    if user.admin { Ok(()) } else { Err(Problem::AdministratorOnly.into()) }
}
