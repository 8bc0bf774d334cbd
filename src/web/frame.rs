//! The frames' own requests: JSON both ways, a bearer session and nothing else. `templates/README.md` is the contract. A session acts only on
//! the page that it was made for.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use serde_json::{Value, json};
use templates::{Problem, texts};

use super::{
    answer::{Failed, JsonFailure, admin_only},
    body::Body,
    caller,
    session::{LIFETIME, Page, Session},
    views,
};
use crate::{
    app::App,
    clock::Millis,
    db::{DeliveryState, Installation, InstallationState},
    domain::{
        connector::Connector,
        ids::{ChannelId, ChatId, LoginId},
    },
    messaging::Credentials,
    relay::{
        accounts,
        address::{self, Job},
        card::{self, Card, Right, Wanted},
        licenses, notes_text, proof, provision,
    },
    secret::Secret,
};

pub(super) type Shared = web::Data<App>;
pub(super) type Answer = Result<HttpResponse, JsonFailure>;

/// How long an answer waits for the fate of a message that was just asked for.
const PATIENCE_MS: u64 = 4000;
const LOOK_MS: u64 = 150;
/// Longest field of a form, bytes; the text of a message is the longest.
const MAX_FIELD: usize = 64 * 1024;

/// A request with its proved session.
pub(super) struct Call {
    pub session: Session,
    pub installation: Installation,
}

impl Call {
    pub async fn of(app: &App, request: &HttpRequest) -> Result<Self, Failed> {
        let session = bearer(app, request).filter(|session| !session.is_over(app.clock.now()));
        let session = session.ok_or(Problem::SessionOver)?;
        let installation = app.db.installation_get(&session.portal, session.installation).await?;
        let installation = installation.filter(|known| session.is_of(known)).ok_or(Problem::SessionOver)?;
        if installation.state == InstallationState::Stopped {
            return Err(Problem::SessionOver.into());
        }
        Ok(Self { session, installation })
    }

    pub fn connector(&self) -> Result<(Connector, i64), Failed> {
        match self.session.page {
            Page::Connector { connector, line } => Ok((connector, line)),
            _other => Err(Problem::UnknownPlacement.into()),
        }
    }

    fn card(&self) -> Result<Card, Failed> {
        match self.session.page {
            Page::Card { entity_type_id, id } => Ok(Card { entity_type_id, id }),
            _other => Err(Problem::UnknownPlacement.into()),
        }
    }
}

fn bearer(app: &App, request: &HttpRequest) -> Option<Session> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    Session::read(&app.keys, value.strip_prefix("Bearer ")?, app.clock.now())
}

/// The language of an answer to somebody who is not known yet.
pub(super) fn lang(app: &App, request: &HttpRequest) -> String {
    bearer(app, request).map_or_else(|| "en".into(), |session| session.lang)
}

pub(super) fn ok(answer: &Value) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}

pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a Body) -> Result<T, Failed> {
    if body.0.len() > MAX_FIELD {
        return Err(Problem::TextTooLong.into());
    }
    // serde's own words repeat what stood in the body, and that may be a password.
    serde_json::from_slice(&body.0).map_err(|error| {
        Failed::new(Problem::FieldWrong, format_args!("{:?} at column {}", error.classify(), error.column()))
    })
}

fn filled(value: &str, field: &'static str) -> Result<String, Failed> {
    // No database stores U+0000, and nobody types it.
    let value = value.replace('\0', "");
    let value = value.trim();
    if value.is_empty() { Err(Failed::from(Problem::FieldEmpty).at(field)) } else { Ok(value.to_owned()) }
}

/// Wraps a handler: its failure is told in the language of the session.
macro_rules! handler {
    ($(#[$doc:meta])* $name:ident, $work:ident) => {
        $(#[$doc])*
        pub async fn $name(app: Shared, request: HttpRequest, body: Body) -> Answer {
            let language = lang(&app, &request);
            $work(&app, &request, &body).await.map(|answer| ok(&answer)).map_err(|failed| failed.json(&language))
        }
    };
}
pub(super) use handler;

handler!(
    /// `POST /frame/install/provision`
    install_provision, begin_provision
);
handler!(
    /// `GET /frame/install/state`
    install_state, provision_state
);
handler!(
    /// `GET /frame/connector`
    connector, connector_state
);
handler!(
    /// `POST /frame/connector/account`
    connector_account, add_account
);
handler!(
    /// `POST /frame/accounts/refresh`
    accounts_refresh, refresh_accounts
);
handler!(
    /// `POST /frame/accounts/forget-password`
    accounts_forget_password, forget_password
);
handler!(
    /// `POST /frame/connector/connect`
    connector_connect, connect
);
handler!(
    /// `POST /frame/connector/disconnect`
    connector_disconnect, disconnect
);
handler!(
    /// `GET /frame/crm/list`
    crm_list, card_state
);
handler!(
    /// `POST /frame/crm/write`
    crm_write, write
);
handler!(
    /// `POST /frame/crm/open`
    crm_open, open_chat
);
handler!(
    /// `POST /frame/session/renew`
    session_renew, renew
);

async fn begin_provision(app: &App, request: &HttpRequest, _body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    admin_only(&call.session.user())?;
    provision::begin(app, &call.session.portal, call.installation.id).await?;
    provision_html(app, &call).await
}

async fn provision_state(app: &App, request: &HttpRequest, _body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    provision_html(app, &call).await
}

/// The parts of the page that shows the progress: the installation's or the application's own.
async fn provision_html(app: &App, call: &Call) -> Result<Value, Failed> {
    let words = texts(&call.session.lang);
    let html = if call.session.page == Page::Install {
        let portal = app.db.portal_get(&call.session.portal).await?.ok_or(Problem::SessionOver)?;
        templates::install::parts(words, &views::install(app, &call.installation, &portal).await?)
    } else {
        templates::app::parts(words, &views::app(app, &call.installation, call.session.admin).await?)
    };
    Ok(json!({ "html": html.into_string() }))
}

pub(super) async fn connector_html(app: &App, call: &Call) -> Result<Value, Failed> {
    let viewer = (call.session.admin, call.session.lang.as_str());
    let view = views::connector(app, &call.installation, call.connector()?, viewer).await?;
    Ok(json!({ "html": templates::connector::parts(texts(&call.session.lang), &view).into_string() }))
}

async fn connector_state(app: &App, request: &HttpRequest, _body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    connector_html(app, &call).await
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum NewAccount {
    Chatapp {
        #[serde(default)]
        email: String,
        #[serde(default)]
        password: String,
        #[serde(default)]
        app_id: String,
        /// A checkbox: there when it is on.
        #[serde(default)]
        keep_password: Option<String>,
    },
    TelegramBot {
        #[serde(default)]
        token: String,
    },
}

async fn add_account(app: &App, request: &HttpRequest, body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    call.connector()?;
    admin_only(&call.session.user())?;
    match read(body)? {
        NewAccount::Chatapp { email, password, app_id, keep_password } => {
            let (email, app_id) = (filled(&email, "email")?, filled(&app_id, "app_id")?);
            let password = Secret::new(filled(&password, "password")?);
            let credentials = Credentials { email, password, app_id };
            licenses::add(app, &call.session.portal, credentials, keep_password.is_some())
                .await
                .map_err(|error| Failed::from(error).at("password"))?;
        }
        NewAccount::TelegramBot { token } => {
            let token = Secret::new(filled(&token, "token")?);
            accounts::add_telegram_bot(app, &call.session.portal, token)
                .await
                .map_err(|error| Failed::from(error).at("token"))?;
        }
    }
    connector_html(app, &call).await
}

/// The parts of the page that shows accounts: the connector's or the application's own.
async fn accounts_html(app: &App, call: &Call, told: &str) -> Result<Value, Failed> {
    let answer = match call.session.page {
        Page::Connector { .. } => connector_html(app, call).await?,
        _other => provision_html(app, call).await?,
    };
    Ok(with_notice(answer, told))
}

/// An answer that also says that something is done.
pub(super) fn with_notice(mut answer: Value, told: &str) -> Value {
    if let Value::Object(answer) = &mut answer {
        answer.insert("notice".into(), json!({ "kind": "ok", "text": told }));
    }
    answer
}

async fn refresh_accounts(app: &App, request: &HttpRequest, _body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    admin_only(&call.session.user())?;
    licenses::refresh(app, &call.session.portal).await?;
    accounts_html(app, &call, texts(&call.session.lang).common.refreshed).await
}

#[derive(Deserialize)]
struct ChosenLogin {
    #[serde(default)]
    login: String,
}

async fn forget_password(app: &App, request: &HttpRequest, body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    admin_only(&call.session.user())?;
    let chosen: ChosenLogin = read(body)?;
    let login = chosen.login.parse().map(LoginId).map_err(|_not_a_number| Failed::from(Problem::FieldWrong))?;
    app.db.login_forget_password(&call.session.portal, login).await?;
    accounts_html(app, &call, texts(&call.session.lang).app.password_forgotten).await
}

#[derive(Deserialize)]
struct Chosen {
    #[serde(default)]
    channel: String,
}

async fn connect(app: &App, request: &HttpRequest, body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    admin_only(&call.session.user())?;
    let chosen: Chosen = read(body)?;
    let channel = ChannelId::parse(&chosen.channel).ok_or(Failed::from(Problem::FieldEmpty).at("channel"))?;
    accounts::connect(app, &call.installation, call.connector()?, &channel).await.map_err(|error| {
        let line = match &error {
            accounts::AccountError::Taken(line) => Some(line.clone()),
            _other => None,
        };
        let mut failed = Failed::from(error).at("channel");
        failed.text = line.map(|line| {
            let words = texts(&call.session.lang);
            format!("{} {}", words.problems.of(Problem::ChannelTaken).what, (words.connector.elsewhere)(&line))
        });
        failed
    })?;
    connector_html(app, &call).await
}

async fn disconnect(app: &App, request: &HttpRequest, _body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    admin_only(&call.session.user())?;
    let (connector, line) = call.connector()?;
    accounts::disconnect(app, &call.installation, connector, line).await?;
    connector_html(app, &call).await
}

async fn card_html(app: &App, call: &Call) -> Result<String, Failed> {
    let view = views::card(app, &call.installation, Right::Session, call.card()?).await?;
    Ok(templates::crm_chat::parts(texts(&call.session.lang), &view).into_string())
}

async fn card_state(app: &App, request: &HttpRequest, _body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    Ok(json!({ "html": card_html(app, &call).await? }))
}

#[derive(Deserialize)]
struct Letter {
    #[serde(default)]
    once: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    text: String,
    /// `<channel>/<template>` instead of a channel and a text.
    #[serde(default)]
    template: String,
    /// Its values, a line each.
    #[serde(default)]
    values: String,
}

async fn write(app: &App, request: &HttpRequest, body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    call.card()?;
    let asked: Letter = read(body)?;
    let (channel, template) = asked.template.split_once('/').unzip();
    let text = if template.is_some() { asked.values.replace('\0', "") } else { filled(&asked.text, "text")? };
    let wanted = Wanted {
        once: &filled(&asked.once, "once")?,
        channel: &filled(channel.unwrap_or(&asked.channel), "channel")?,
        address: &filled(&asked.address, "address")?,
        text: &text,
        template,
    };
    let job = card::write(app, &call.installation, &call.session.user(), &wanted).await?;
    let words = &texts(&call.session.lang).crm_chat;
    let notice = match fate(app, &call, &job).await? {
        Fate::GoesAt(at) => json!({ "kind": "ok", "text": words.goes_at, "at_ms": at.0 }),
        Fate::Out => json!({ "kind": "ok", "text": (words.sent)(true) }),
        Fate::OnItsWay => json!({ "kind": "ok", "text": (words.sent)(false) }),
    };
    Ok(json!({ "html": card_html(app, &call).await?, "notice": notice }))
}

/// What became of a text that is not refused.
enum Fate {
    Out,
    OnItsWay,
    /// It waits for its turn.
    GoesAt(Millis),
}

/// Waits a moment for the message's fate, so that a refusal is read where the text was written.
async fn fate(app: &App, call: &Call, job: &Job) -> Result<Fate, Failed> {
    for _look in 0..PATIENCE_MS / LOOK_MS {
        let latest = card::written(app, &call.session.portal, job).await?;
        if let Some(waiting) = latest.as_ref().filter(|it| address::waits_for_turn(it, app.clock.now())) {
            return Ok(Fate::GoesAt(waiting.due_at));
        }
        match latest.map(|delivery| (delivery.state, delivery.told)) {
            Some((DeliveryState::Done, _)) => return Ok(Fate::Out),
            Some((DeliveryState::Unknown, _)) => return Err(Problem::OutcomeUnknown.into()),
            Some((DeliveryState::Failed, told)) => {
                let told = told.unwrap_or_default();
                let mut failed = Failed::new(problem_of(&told), &told);
                failed.text = Some(notes_text(&call.session.lang, &told).to_owned());
                return Err(failed);
            }
            // Under way, waiting for its turn, or not yet expanded: the list shows it when it is there.
            _other => tokio::time::sleep(std::time::Duration::from_millis(LOOK_MS)).await,
        }
    }
    Ok(Fate::OnItsWay)
}

fn problem_of(told: &str) -> Problem {
    match told {
        "cannot_write_first" => Problem::CannotWriteFirst,
        "no_such_recipient" => Problem::NotInMessenger,
        "text_too_long" => Problem::TextTooLong,
        "license_expired" => Problem::AccountExpired,
        "unavailable" => Problem::CoreSilent,
        _other => Problem::ChannelDown,
    }
}

#[derive(Deserialize)]
struct ChosenChat {
    #[serde(default)]
    chat: String,
}

async fn open_chat(app: &App, request: &HttpRequest, body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    call.card()?;
    let chosen: ChosenChat = read(body)?;
    let id = chosen.chat.parse().map(ChatId).map_err(|_not_a_number| Failed::from(Problem::ChatGone))?;
    let view = app.db.chat_get(&call.session.portal, id).await?.ok_or(Problem::ChatGone)?;
    let number = view.chat.b24_chat.ok_or(Problem::ChatGone)?;
    Ok(json!({ "open": format!("chat{number}") }))
}

#[derive(Deserialize)]
struct Renewal {
    #[serde(default)]
    auth_id: String,
}

/// A new session for the same page and the same user, who proves himself again.
async fn renew(app: &App, request: &HttpRequest, body: &Body) -> Result<Value, Failed> {
    let session = bearer(app, request).ok_or(Problem::SessionOver)?;
    let installation = app.db.installation_get(&session.portal, session.installation).await?;
    let installation = installation.filter(|known| session.is_of(known)).ok_or(Problem::SessionOver)?;
    let renewal: Renewal = read(body)?;
    let token = Secret::new(renewal.auth_id);
    let user = proof::user(app, &installation, Some(&token), caller::address(app, request)).await?;
    if user.id != session.user {
        return Err(Problem::SessionOver.into());
    }
    if let Page::Card { entity_type_id, id } = session.page {
        card::read(app, &installation, Right::User(&token), Card { entity_type_id, id }).await?;
    }
    let fresh = Session::new(&installation, &user, &session.lang, session.page, app.clock.now());
    Ok(json!({ "session": fresh.sign(&app.keys)?, "session_seconds": LIFETIME.as_secs() }))
}
