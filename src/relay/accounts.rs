//! Accounts and what they are connected to: adding a login or a bot, connecting a channel to an Open Channel, and taking it off.

use url::Url;

use super::{
    ExpandError,
    grant::{self, Refused},
    in_step,
    licenses::CHANNEL_ID_LENGTH,
    provision, unheard,
};
use crate::{
    app::App,
    b24::methods::{
        connector::{Activate, ConnectorData, DataSet, Status},
        open_lines::{ConfigGet, Line},
    },
    clock::Millis,
    db::{
        Binding, BindingState, Channel, ChannelState, DbError, Expansion, Installation, Intake, NewBinding, NewChannel,
    },
    domain::{
        connector::Connector,
        failure::{Failure, Retry, Told},
        ids::{ChannelId, InstallationId, PortalId},
        settings::Widget,
    },
    messaging::{
        CoreKind,
        chatapp::{Account, LoginError, WEBHOOK_EVENTS},
    },
    secret::{SealError, Secret, random_id, random_token},
};

/// 192 random bits in a webhook's path.
const WEBHOOK_SECRET_BYTES: usize = 24;

/// Why an account could not be added or connected.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the core refused the login")]
    LoginRefused,
    #[error("the core gives no more logins today")]
    LoginsUsedUp,
    #[error("the messenger refused the token")]
    TokenRefused,
    #[error("the core does not answer: {0}")]
    CoreSilent(String),
    #[error("the channel is gone")]
    ChannelGone,
    /// The channel, or the Open Channel for this connector, is taken: by this line.
    #[error("connected already to {0}")]
    Taken(String),
    /// Another portal has it connected.
    #[error("connected in another portal")]
    TakenElsewhere,
    #[error("there is no such Open Channel")]
    LineMissing,
    #[error("the license is over")]
    LicenseExpired,
    #[error(transparent)]
    Portal(#[from] Refused),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Random(#[from] SealError),
}

impl From<LoginError> for AccountError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::WrongCredentials => Self::LoginRefused,
            LoginError::TooMany => Self::LoginsUsedUp,
            LoginError::Unavailable(_) | LoginError::Malformed => Self::CoreSilent(error.to_string()),
        }
    }
}

impl From<Failure> for AccountError {
    fn from(failure: Failure) -> Self {
        match failure.told {
            Told::LicenseExpired => Self::LicenseExpired,
            _ if failure.retry == Retry::WhenChannelReturns => Self::LoginRefused,
            _other => Self::CoreSilent(failure.cause),
        }
    }
}

/// Checks a bot's token with Telegram and takes the bot over.
pub async fn add_telegram_bot(app: &App, portal: &PortalId, token: Secret) -> Result<ChannelId, AccountError> {
    let bot = app.embedded.telegram_bot().describe(&token).await.map_err(|failure| match failure.told {
        Told::ChannelDisconnected => AccountError::TokenRefused,
        _other => AccountError::CoreSilent(failure.cause),
    })?;
    let new = NewChannel {
        id: ChannelId(random_id(CHANNEL_ID_LENGTH)?),
        core: CoreKind::Embedded,
        connector: Connector::TelegramBot,
        account: bot.id,
        title: format!("{} (@{})", bot.name, bot.username),
        own_name: None,
        link: Some(format!("https://t.me/{}", bot.username)),
        login: None,
        valid_until: None,
        secret: Some(token),
        state: ChannelState::Alive,
    };
    let now = app.clock.now();
    let id = app.db.channel_put(portal, new, now).await?;
    app.db.delivery_resume(portal, now).await?;
    app.bell.ring();
    Ok(id)
}

/// Connects a channel to an Open Channel: its events come to us, the portal switches the connector on and names the account.
pub async fn connect(
    app: &App,
    installation: &Installation,
    (connector, line): (Connector, i64),
    channel: &ChannelId,
) -> Result<(), AccountError> {
    let portal = &installation.portal;
    // Two clicks must not register two webhooks, of which only the later one's secret is known.
    let lock = app.connecting.of(portal);
    let _one_at_a_time = lock.lock().await;
    let fits = |channel: &Channel| channel.connector == connector.messenger();
    let channel = app.db.channel_get(portal, channel).await?.filter(fits);
    let channel = channel.ok_or(AccountError::ChannelGone)?;
    if app.db.channel_serves_elsewhere(portal, &channel).await? {
        return Err(AccountError::TakenElsewhere);
    }
    for taken in [own(app, &channel, connector).await?, app.db.binding_on_line(portal, connector, line).await?] {
        match taken {
            Some(binding) if binding.channel == channel.id && binding.line == line => {
                let settings = line_settings(app, installation, line).await?;
                return switch_on(app, installation, (&channel, &binding), &settings).await;
            }
            Some(binding) if binding.state == BindingState::Active => {
                return Err(AccountError::Taken(binding.line_name));
            }
            // Switched off in the portal, perhaps with its line: the place is free.
            Some(binding) => app.db.binding_remove(portal, binding.id).await?,
            None => {}
        }
    }
    let settings = find_line(app, installation, line).await?.ok_or(AccountError::LineMissing)?;
    let new = NewBinding {
        state: BindingState::Off,
        installation: installation.id,
        channel: channel.id.clone(),
        connector,
        line,
        line_name: settings.line_name.clone(),
        signature: has_signature(&settings),
    };
    // Written down first: what a client writes while the rest happens finds its line.
    if !app.db.binding_add(portal, new, app.clock.now()).await? {
        return Err(AccountError::Taken(settings.line_name));
    }
    let binding = own(app, &channel, connector).await?.ok_or(AccountError::ChannelGone)?;
    if let Err(error) = switch_on(app, installation, (&channel, &binding), &settings).await {
        release(app, &channel, &binding).await?;
        return Err(error);
    }
    // What was chosen for the channel when it was connected last, is so again.
    if !in_step::followed(std::slice::from_ref(&binding), installation.id).is_empty() {
        provision::card_events(app, installation).await?;
    }
    // The robots' list of channels has grown, and so may have that of SMS providers.
    provision::refresh_robots(app, portal, installation.id).await?;
    Ok(())
}

/// The channel's binding with a connector.
async fn own(app: &App, channel: &Channel, connector: Connector) -> Result<Option<Binding>, DbError> {
    let bindings = app.db.bindings_of(&channel.portal, &channel.id).await?;
    Ok(bindings.into_iter().find(|known| known.connector == connector))
}

/// Takes a binding off its channel, which falls silent when that was its last one.
async fn release(app: &App, channel: &Channel, binding: &Binding) -> Result<(), DbError> {
    app.db.binding_remove(&channel.portal, binding.id).await?;
    if app.db.bindings_of(&channel.portal, &channel.id).await?.is_empty() {
        be_silent(app, channel).await;
    }
    Ok(())
}

/// The webhook, the portal's switch and the line's settings are brought up to date, and what waited goes on.
async fn switch_on(
    app: &App,
    installation: &Installation,
    (channel, binding): (&Channel, &Binding),
    settings: &Line,
) -> Result<(), AccountError> {
    listen(app, channel).await?;
    announce(app, installation, channel, binding).await?;
    let (portal, now) = (&installation.portal, app.clock.now());
    app.db.binding_set_line(portal, binding.id, (settings.line_name.clone(), has_signature(settings))).await?;
    app.db.binding_set_state(portal, binding.id, BindingState::Active, now).await?;
    app.db.channel_set_state(portal, &channel.id, ChannelState::Alive, now).await?;
    app.db.hearing_expect(portal, &channel.id, now.after(unheard::EVERY), now).await?;
    app.db.delivery_resume(portal, now).await?;
    app.bell.ring();
    Ok(())
}

/// Brings a binding in step with what the portal has now: its line's name and settings, and whether the connector is on.
pub async fn refresh(app: &App, installation: &Installation, binding: &Binding) -> Result<Line, AccountError> {
    let portal = &installation.portal;
    let settings = line_settings(app, installation, binding.line).await?;
    let line = (settings.line_name.clone(), has_signature(&settings));
    if line != (binding.line_name.clone(), binding.signature) {
        app.db.binding_set_line(portal, binding.id, line).await?;
    }
    let status = Status { connector: binding.connector.id(), line: binding.line };
    let works = grant::call(app, installation, &status).await?.0.is_some_and(|status| status.status);
    let state = if works { BindingState::Active } else { BindingState::Off };
    if state != binding.state {
        app.db.binding_set_state(portal, binding.id, state, app.clock.now()).await?;
    }
    Ok(settings)
}

/// Switches on again what an update of the application has switched off: what we know as connected, and the portal does not.
pub async fn repair(app: &App, installation: &Installation) -> Result<(), Refused> {
    for binding in app.db.binding_list(&installation.portal).await? {
        if binding.installation != installation.id || binding.state == BindingState::Off {
            continue;
        }
        let status = Status { connector: binding.connector.id(), line: binding.line };
        let works = grant::call_in_setup(app, installation, &status).await?.0.is_some_and(|status| status.status);
        let channel = app.db.channel_get(&installation.portal, &binding.channel).await?;
        if let (false, Some(channel)) = (works, channel) {
            announce(app, installation, &channel, &binding).await?;
        }
    }
    Ok(())
}

/// The name and the settings of a line, as the portal has them now; of one that is gone, its number.
pub async fn line_settings(app: &App, installation: &Installation, line: i64) -> Result<Line, AccountError> {
    let found = find_line(app, installation, line).await?;
    Ok(found.unwrap_or_else(|| Line { id: Some(line), line_name: line.to_string(), ..Line::default() }))
}

/// The same for work in the background; None when it is gone.
pub(super) async fn line_of(app: &App, owner: (&PortalId, InstallationId), line: i64) -> Result<Option<Line>, Refused> {
    Ok(grant::call_of(app, owner, &settings_of(line)).await?.0)
}

async fn find_line(app: &App, installation: &Installation, line: i64) -> Result<Option<Line>, AccountError> {
    Ok(grant::call(app, installation, &settings_of(line)).await?.0)
}

fn settings_of(line: i64) -> ConfigGet {
    ConfigGet { config_id: line, with_queue: false, show_offline: false }
}

/// Our connectors are registered with signatures; a line that hides its operators' data sends none.
fn has_signature(line: &Line) -> bool {
    !line.operator_data.eq_ignore_ascii_case("hide")
}

/// Has the core's events sent to us. The secret is new every time, so that an old webhook is worth nothing once the new one is
/// registered.
async fn listen(app: &App, channel: &Channel) -> Result<(), AccountError> {
    let secret = Secret::new(random_token(WEBHOOK_SECRET_BYTES)?);
    match channel.core {
        CoreKind::Chatapp => {
            let (Some(account), Some(login)) = (Account::parse(&channel.account), channel.login) else {
                return Err(AccountError::ChannelGone);
            };
            // ChatApp tries the address while it registers it: the secret must be known before.
            app.db.channel_expect_webhook(&channel.portal, channel, &secret).await?;
            let url = own_url(app, &format!("/core/chatapp/{}/{}", channel.id, secret.expose()))?;
            app.chatapp.register_webhook(login, &account, &url, &WEBHOOK_EVENTS).await?;
            app.db.channel_set_intake(&channel.portal, &channel.id, Intake::Webhook, Some(&secret)).await?;
        }
        CoreKind::Embedded => {
            let access = app.db.channel_access(channel)?;
            let bots = app.embedded.telegram_bot();
            if app.config.public_url.scheme() == "https" {
                app.db.channel_expect_webhook(&channel.portal, channel, &secret).await?;
                let path = format!("/channels/{}/{}/{}", channel.connector.short(), channel.id, secret.expose());
                bots.set_webhook(&access.secret, &own_url(app, &path)?, &secret).await?;
                app.db.channel_set_intake(&channel.portal, &channel.id, Intake::Webhook, Some(&secret)).await?;
            } else {
                bots.delete_webhook(&access.secret).await?;
                app.db.channel_set_intake(&channel.portal, &channel.id, Intake::Polling, None).await?;
            }
        }
    }
    Ok(())
}

/// What a core has noted of where it posts.
struct Hook {
    url: Secret,
    /// Everything is posted that we ask for.
    is_complete: bool,
}

/// Where a channel's core posts, and where that address begins if it is ours.
async fn hook(app: &App, channel: &Channel) -> Result<(Option<Hook>, String), Failure> {
    if channel.core == CoreKind::Embedded {
        let access = app.db.channel_access(channel).map_err(Failure::transient)?;
        let hook = app.embedded.telegram_bot().webhook(&access.secret).await?;
        let hook = hook.map(|(url, is_complete)| Hook { url, is_complete });
        return Ok((hook, format!("/channels/{}/{}/", channel.connector.short(), channel.id)));
    }
    let account = Account::parse(&channel.account).zip(channel.login);
    let (account, login) = account.ok_or_else(|| Failure::permanent(Told::Internal, "a channel without a login"))?;
    let hooks = app.chatapp.webhooks(login).await?;
    let hook = hooks.into_iter().find(|hook| hook.account == account).map(|hook| Hook {
        is_complete: WEBHOOK_EVENTS.iter().all(|event| hook.events.iter().any(|known| known == event)),
        url: hook.url,
    });
    Ok((hook, format!("/core/chatapp/{}/", channel.id)))
}

/// Looks whether a channel's core still posts to us, and registers anew what it has forgotten, or what leads to an address that this
/// server had, or brings too little. An address of somebody else's is left alone: he may have been given the channel.
pub(super) async fn keep_listening(app: &App, channel: &Channel) -> Result<Result<(), AccountError>, Failure> {
    let (hook, path) = hook(app, channel).await?;
    let lost = match hook {
        None => "its core has forgotten where to post what clients write",
        Some(hook) => {
            let secret = hook.url.expose().strip_prefix(&app.config.own_url(&path));
            if secret.is_some_and(|secret| channel.webhook_matches(secret)) && hook.is_complete {
                return Ok(Ok(()));
            }
            if !hook.url.expose().contains(&path) {
                tracing::warn!(channel = %channel.id, "a channel's core posts what clients write to somebody else");
                return Ok(Ok(()));
            }
            "its core posts to an old address of ours, or not everything"
        }
    };
    tracing::warn!(channel = %channel.id, lost, "the webhook is registered again");
    let lock = app.connecting.of(&channel.portal);
    let _one_at_a_time = lock.lock().await;
    // Meanwhile somebody may have taken the channel off.
    match app.db.bindings_of(&channel.portal, &channel.id).await {
        Ok(bound) if bound.is_empty() => Ok(Ok(())),
        Ok(_bound) => Ok(listen(app, channel).await),
        Err(error) => Ok(Err(error.into())),
    }
}

fn own_url(app: &App, path: &str) -> Result<Url, AccountError> {
    Url::parse(&app.config.own_url(path)).map_err(|error| AccountError::Db(DbError::Corrupt(error.to_string())))
}

async fn announce(app: &App, installation: &Installation, channel: &Channel, binding: &Binding) -> Result<(), Refused> {
    let (connector, line) = (binding.connector.id(), binding.line);
    grant::call(app, installation, &Activate { connector, line, active: true }).await?;
    name_account(app, installation, channel, binding).await
}

/// What the portal's widgets show of an account: what the administrator has chosen, else what is known of it.
pub(super) async fn name_account(
    app: &App,
    installation: &Installation,
    channel: &Channel,
    binding: &Binding,
) -> Result<(), Refused> {
    let Widget { title, phone, link } = &binding.settings.widget;
    let is_whatsapp = matches!(channel.connector, Connector::Whatsapp | Connector::Waba);
    let address = if !link.is_empty() {
        link.clone()
    } else if is_whatsapp && !phone.is_empty() {
        format!("https://wa.me/{}", phone.trim_start_matches('+'))
    } else {
        // Nobody comes into a group by the account's own address.
        channel.link.clone().filter(|_| !binding.connector.is_group()).unwrap_or_default()
    };
    let title = if title.is_empty() { &channel.title } else { title };
    let name = format!("{title} {phone}");
    let data = ConnectorData { id: &channel.id.0, url: &address, url_im: &address, name: name.trim() };
    grant::call(app, installation, &DataSet { connector: binding.connector.id(), line: binding.line, data }).await?;
    Ok(())
}

/// Takes a connector off a line: no event of the account comes any more, its chats and messages stay.
pub async fn disconnect(
    app: &App,
    installation: &Installation,
    connector: Connector,
    line: i64,
) -> Result<(), AccountError> {
    let portal = &installation.portal;
    let lock = app.connecting.of(portal);
    let _one_at_a_time = lock.lock().await;
    if let Some(binding) = app.db.binding_on_line(portal, connector, line).await? {
        match app.db.channel_get(portal, &binding.channel).await? {
            Some(channel) => release(app, &channel, &binding).await?,
            None => app.db.binding_remove(portal, binding.id).await?,
        }
        provision::refresh_robots(app, portal, installation.id).await?;
    }
    grant::call(app, installation, &Activate { connector: connector.id(), line, active: false }).await?;
    Ok(())
}

/// Takes the webhook away. A core that does not answer keeps posting to a path that is forgotten here: no harm.
pub(super) async fn be_silent(app: &App, channel: &Channel) {
    let told = match (channel.core, Account::parse(&channel.account), channel.login) {
        (CoreKind::Chatapp, Some(account), Some(login)) => app.chatapp.unregister_webhook(login, &account).await,
        (CoreKind::Chatapp, ..) => Ok(()),
        (CoreKind::Embedded, ..) => match app.db.channel_access(channel) {
            Ok(access) => app.embedded.telegram_bot().delete_webhook(&access.secret).await,
            Err(error) => Err(Failure::transient(error)),
        },
    };
    if let Err(failure) = told {
        tracing::warn!(channel = %channel.id, cause = failure.cause, "a webhook could not be taken away");
    }
    if let Err(error) = app.db.channel_set_intake(&channel.portal, &channel.id, Intake::None, None).await {
        tracing::error!(channel = %channel.id, %error, "a channel's intake could not be written");
    }
}

/// The portal says that a connector was taken off a line: an administrator's act, or our own.
pub async fn switched_off(app: &App, portal: &PortalId, connector: &str, line: i64) -> Result<Expansion, ExpandError> {
    let Some(connector) = Connector::from_id(connector) else { return Ok(Expansion::default()) };
    let binding = app.db.binding_on_line(portal, connector, line).await?;
    off(app, portal, binding.into_iter().collect(), app.clock.now()).await
}

/// A line is gone; its bindings cannot work any more.
pub async fn line_deleted(app: &App, portal: &PortalId, line: i64) -> Result<Expansion, ExpandError> {
    let bindings = app.db.binding_list(portal).await?.into_iter().filter(|binding| binding.line == line).collect();
    off(app, portal, bindings, app.clock.now()).await
}

async fn off(app: &App, portal: &PortalId, bindings: Vec<Binding>, now: Millis) -> Result<Expansion, ExpandError> {
    let relevant = !bindings.is_empty();
    for binding in bindings {
        app.db.binding_set_state(portal, binding.id, BindingState::Off, now).await?;
    }
    Ok(Expansion { relevant, ..Expansion::default() })
}
