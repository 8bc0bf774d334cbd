//! Fills the templates' views from what the relay knows.

use std::collections::BTreeSet;

use placements::connectors;
use templates::{
    Health, Problem,
    app::{AccountChannelView, AccountView, AppState, AppView, LoginView},
    connector::{
        AccountForm, Capabilities, ChannelState as Choice, Connection, ConnectorAccountView, ConnectorChannelView,
        ConnectorView, WriteFirst as WriteFirstView,
    },
    crm_chat::{
        CardAddressView, CardKind, ChatState, ChatView, CrmChatView, LastMessageView, TemplatesView, Tick,
        WriteChannelView, WriteView,
    },
    install::{InstallView, Phase, StepKey, StepState as StepMark, StepView},
    settings::SettingsView,
};

use super::{answer::Failed, consent, settings as settings_form};
use crate::{
    app::App,
    b24::bbcode,
    clock::Millis,
    db::{
        Binding, BindingState, Channel, ChannelState, Installation, InstallationState, MessageProgress, Portal, Step,
        StepState,
    },
    domain::{
        address::{Address, E164},
        capabilities::{Groups, Window, WriteFirst},
        connector::Connector,
    },
    messaging::CoreKind,
    relay::{
        accounts,
        card::{self, Card, CardChat, CardContents, Right},
        offered, provision,
    },
};

/// The beginning of a message in the list of chats, in characters.
const EXCERPT: usize = 140;
const MEGABYTE: u64 = 1024 * 1024;

pub async fn install(app: &App, installation: &Installation, portal: &Portal) -> Result<InstallView, Failed> {
    let steps = steps(app, installation).await?;
    let working = steps.iter().any(|step| matches!(step.state, StepMark::Waiting | StepMark::Running));
    let stopped = steps.iter().any(|step| step.state == StepMark::Failed);
    let phase = if stopped {
        Phase::Stopped
    } else if working {
        Phase::Working
    } else {
        Phase::Ready { install_mode: installation.state == InstallationState::Installing }
    };
    Ok(InstallView { portal: portal.domain.clone(), steps, phase })
}

async fn steps(app: &App, installation: &Installation) -> Result<Vec<StepView>, Failed> {
    let known = app.db.step_list(&installation.portal, installation.id).await?;
    Ok(StepKey::ALL.into_iter().map(|key| step(key, known.iter().find(|step| step.name == key.key()))).collect())
}

fn step(key: StepKey, known: Option<&Step>) -> StepView {
    let state = match known.map(|step| step.state) {
        None | Some(StepState::Waiting) => StepMark::Waiting,
        Some(StepState::Running) => StepMark::Running,
        Some(StepState::Done) => StepMark::Done,
        Some(StepState::Lacking) => StepMark::Lacking,
        Some(StepState::Failed) => StepMark::Failed,
    };
    let problem = match state {
        StepMark::Lacking if key == StepKey::Access => Some(Problem::ScopeLacks),
        StepMark::Lacking => Some(Problem::PlanLacks),
        StepMark::Failed => Some(Problem::PortalSilent),
        StepMark::Waiting | StepMark::Running | StepMark::Done => None,
    };
    let detail = known.map(|step| step.detail.clone()).filter(|detail| problem.is_some() && !detail.is_empty());
    StepView { key, state, problem, detail }
}

pub async fn app(app: &App, installation: &Installation, may_manage: bool) -> Result<AppView, Failed> {
    let mut installation = installation.clone();
    let grant = app.db.grant_get(&installation.portal, installation.id).await?;
    let alive = grant.is_some_and(|grant| grant.is_alive());
    let mut state = if alive { AppState::Works } else { AppState::GrantLost };
    if alive && (installation.state == InstallationState::Installing || !installation.token_confirmed) {
        state = match provision::check(app, &installation).await {
            Ok(info) if info.installed => AppState::Works,
            Ok(_unfinished) => AppState::Unfinished,
            Err(refused) => match Failed::from(refused).problem {
                Problem::GrantLost | Problem::PlanLacks => AppState::GrantLost,
                _silent => AppState::Silent,
            },
        };
        let known = app.db.installation_get(&installation.portal, installation.id).await?;
        installation = known.unwrap_or(installation);
    }
    let steps = steps(app, &installation).await?;
    if state == AppState::Works && steps.iter().any(|step| matches!(step.state, StepMark::Lacking | StepMark::Failed)) {
        state = AppState::Limited;
    }
    let portal = app.db.portal_get(&installation.portal).await?.ok_or(Problem::NotInstalled)?;
    let may_grant = may_manage && matches!(state, AppState::GrantLost | AppState::Limited | AppState::Silent);
    Ok(AppView {
        grant_url: if may_grant { consent::url(app, &installation, &portal)? } else { None },
        portal: portal.domain,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state,
        may_manage,
        is_working: steps.iter().any(|step| matches!(step.state, StepMark::Running)),
        steps,
        checked_at_ms: None,
        accounts: accounts(app, &installation).await?,
        logins: logins(app, &installation).await?,
        support_url: app.config.support_url.as_ref().map(ToString::to_string),
    })
}

/// What people call a connector, and its icon.
fn shown(connector: Connector) -> (String, String) {
    let icon = connectors::find(connector.id()).map(connectors::Connector::icon).unwrap_or_default();
    (connector.title().to_owned(), icon)
}

/// The same for a page in somebody's language: the groups of a messenger are called so.
fn shown_in(lang: &str, connector: Connector) -> (String, String) {
    let (title, icon) = shown(connector);
    let label = connectors::find(connector.id()).filter(|known| known.is_group).map(|known| known.label.get(lang));
    (label.map_or(title, str::to_owned), icon)
}

fn account_title(channel: &Channel) -> (String, String) {
    match channel.core {
        CoreKind::Chatapp => (channel.title.clone(), "ChatApp".into()),
        CoreKind::Embedded => (channel.title.clone(), format!("{} API", channel.connector.title())),
    }
}

/// What tells a channel apart under the heading of its account.
fn inner_title(channel: &Channel) -> String {
    channel.own_name.clone().unwrap_or_else(|| channel.title.clone())
}

/// The same where no heading names the account.
fn full_title(channel: &Channel) -> String {
    match &channel.own_name {
        Some(name) => format!("{name} · {}", channel.title),
        None => channel.title.clone(),
    }
}

/// Channels in groups of one account: those of a license, or one bot.
fn by_account(channels: Vec<Channel>) -> Vec<Vec<Channel>> {
    let mut groups: Vec<Vec<Channel>> = Vec::new();
    for channel in channels {
        let same = groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| account_key(first) == account_key(&channel)));
        match same {
            Some(group) => group.push(channel),
            None => groups.push(vec![channel]),
        }
    }
    groups
}

fn account_key(channel: &Channel) -> (CoreKind, &str) {
    let license = match channel.core {
        CoreKind::Chatapp => channel.account.split_once('/').map_or(channel.account.as_str(), |(license, _)| license),
        CoreKind::Embedded => channel.account.as_str(),
    };
    (channel.core, license)
}

async fn accounts(app: &App, installation: &Installation) -> Result<Vec<AccountView>, Failed> {
    let bindings = app.db.binding_list(&installation.portal).await?;
    let groups = by_account(app.db.channel_list(&installation.portal).await?);
    let now = app.clock.now();
    Ok(groups
        .into_iter()
        .filter_map(|group| {
            let first = group.first()?;
            let (title, core) = account_title(first);
            let over = is_over(first, now);
            let is = |state| group.iter().any(|channel| channel.state == state);
            let problem = if over {
                Some(Problem::AccountExpired)
            } else if is(ChannelState::Dead) {
                Some(Problem::ChannelDown)
            } else {
                is(ChannelState::Gone).then_some(Problem::ChannelGone)
            };
            Some(AccountView {
                title,
                core,
                health: if problem.is_some() { Health::Error } else { Health::Ok },
                problem,
                valid_until_ms: first.valid_until.map(|until| until.0),
                channels: group.iter().map(|channel| account_channel(channel, &bindings)).collect(),
            })
        })
        .collect())
}

async fn logins(app: &App, installation: &Installation) -> Result<Vec<LoginView>, Failed> {
    let logins = app.db.login_list(&installation.portal).await?;
    let shown = logins.into_iter().map(|login| LoginView {
        id: login.id.to_string(),
        email: login.email,
        is_alive: login.alive,
        keeps_password: login.keeps_password,
    });
    Ok(shown.collect())
}

fn account_channel(channel: &Channel, bindings: &[Binding]) -> AccountChannelView {
    let (messenger, icon) = shown(channel.connector);
    let own: Vec<&Binding> = bindings.iter().filter(|binding| binding.channel == channel.id).collect();
    let is_off = own.iter().any(|binding| binding.state == BindingState::Off);
    let health = match channel.state {
        ChannelState::Dead | ChannelState::Gone => Health::Error,
        ChannelState::Alive if own.is_empty() => Health::Calm,
        ChannelState::Alive if is_off => Health::Warn,
        ChannelState::Alive => Health::Ok,
    };
    // Private chats and groups may stand in one and the same.
    let lines: BTreeSet<&str> = own.iter().map(|binding| binding.line_name.as_str()).collect();
    AccountChannelView {
        title: inner_title(channel),
        messenger,
        icon,
        health,
        line: (!lines.is_empty()).then(|| lines.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

pub async fn connector(
    app: &App,
    installation: &Installation,
    (connector, line): (Connector, i64),
    (may_manage, lang): (bool, &str),
) -> Result<ConnectorView, Failed> {
    let (messenger, icon) = shown_in(lang, connector);
    let portal = &installation.portal;
    let settings = match app.db.binding_on_line(portal, connector, line).await? {
        Some(binding) => accounts::refresh(app, installation, &binding).await?,
        None => accounts::line_settings(app, installation, line).await?,
    };
    let bindings = app.db.binding_list(portal).await?;
    let channels = app.db.channel_list(portal).await?.into_iter();
    let own: Vec<Channel> = channels.filter(|channel| channel.connector == connector.messenger()).collect();
    let bindings: Vec<Binding> = bindings.into_iter().filter(|binding| binding.connector == connector).collect();
    let here = bindings.iter().find(|binding| binding.line == line);
    let forms = forms(app, connector.messenger());
    let core = if forms.contains(&AccountForm::TelegramBot) { CoreKind::Embedded } else { CoreKind::Chatapp };
    Ok(ConnectorView {
        messenger,
        icon,
        about: connectors::find(connector.id()).and_then(|known| Some(known.about.as_ref()?.get(lang).to_owned())),
        line: settings.line_name.clone(),
        connection: connection(here, &own, app.clock.now()),
        settings: match here {
            Some(binding) => settings_form::view(app, binding, &settings, lang).await?,
            None => SettingsView::default(),
        },
        capabilities: capabilities(app, core, connector),
        accounts: by_account(own).into_iter().filter_map(|group| choices(app, &group, &bindings, line)).collect(),
        forms,
        may_manage,
    })
}

fn connection(here: Option<&Binding>, own: &[Channel], now: Millis) -> Connection {
    let Some(binding) = here else { return Connection::None };
    let channel = own.iter().find(|channel| channel.id == binding.channel);
    let title = channel.map(full_title).unwrap_or_default();
    let problem = match channel.map(|channel| channel.state) {
        Some(ChannelState::Alive) if binding.state == BindingState::Active => {
            return Connection::Works { channel: title, since_ms: None };
        }
        Some(ChannelState::Gone) => Problem::ChannelGone,
        Some(ChannelState::Dead) if channel.is_some_and(|channel| is_over(channel, now)) => Problem::AccountExpired,
        _broken => Problem::ChannelDown,
    };
    Connection::Broken { channel: title, problem }
}

fn is_over(channel: &Channel, now: Millis) -> bool {
    channel.valid_until.is_some_and(|until| until < now)
}

fn choices(app: &App, group: &[Channel], bindings: &[Binding], line: i64) -> Option<ConnectorAccountView> {
    let first = group.first()?;
    let channels = group.iter().map(|channel| {
        let binding = bindings.iter().find(|binding| binding.channel == channel.id);
        let over = is_over(channel, app.clock.now());
        let state = match binding {
            Some(binding) if binding.line == line => Choice::Here,
            Some(binding) if binding.state == BindingState::Active => Choice::Elsewhere(binding.line_name.clone()),
            _free if over => Choice::Unusable(Problem::AccountExpired),
            _free if channel.state == ChannelState::Gone => Choice::Unusable(Problem::ChannelGone),
            _free if channel.state == ChannelState::Dead => Choice::Unusable(Problem::ChannelDown),
            _free => Choice::Free,
        };
        ConnectorChannelView { id: channel.id.0.clone(), title: inner_title(channel), state }
    });
    Some(ConnectorAccountView {
        title: account_title(first).0,
        valid_until_ms: first.valid_until.map(|until| until.0),
        channels: channels.collect(),
    })
}

fn forms(app: &App, connector: Connector) -> Vec<AccountForm> {
    let mut forms = Vec::new();
    let known = connectors::find(connector.id());
    if app.config.cores.contains(&CoreKind::Embedded) && crate::messaging::embedded::Embedded::serves(connector) {
        forms.push(AccountForm::TelegramBot);
    }
    if app.config.cores.contains(&CoreKind::Chatapp) && known.is_some_and(|known| !known.chatapp_types.is_empty()) {
        forms.push(AccountForm::ChatApp);
    }
    forms
}

fn capabilities(app: &App, core: CoreKind, connector: Connector) -> Capabilities {
    let can = app.core(core).capabilities(connector.messenger());
    Capabilities {
        write_first: match can.write_first {
            _ if connector.is_group() => WriteFirstView::Never,
            WriteFirst::Never => WriteFirstView::Never,
            _ if can.templates => WriteFirstView::ByTemplate,
            WriteFirst::ByPhone => WriteFirstView::ByPhone,
            WriteFirst::ByPhoneOrUsername => WriteFirstView::ByPhoneOrUsername,
            WriteFirst::ByEmail => WriteFirstView::ByEmail,
        },
        edit: can.edit != Window::Never,
        delete: can.delete != Window::Never,
        client_edit: can.client_edit,
        quotes: can.quotes,
        reactions: can.reactions,
        groups: can.groups != Groups::No,
        delivered: can.delivered,
        read: can.read,
        file_limit_mb: u32::try_from(can.upload_limit / MEGABYTE).ok().filter(|limit| *limit > 0),
    }
}

pub async fn card(app: &App, installation: &Installation, right: Right<'_>, card: Card) -> Result<CrmChatView, Failed> {
    let contents = card::read(app, installation, right, card).await?;
    let chats = card::chats(app, installation, card, &contents.addresses).await?;
    let chats = chats.into_iter().map(|found| chat(found, &contents)).collect();
    let addresses = contents
        .addresses
        .into_iter()
        // Ids of chats are for machines; their chats stand in the list.
        .filter(|(address, _owner)| !matches!(address, Address::ChatId(_)))
        .map(|(address, owner)| CardAddressView { text: address.to_string(), owner })
        .collect();
    Ok(CrmChatView {
        card: contents.title,
        kind: match card.entity_type_id {
            1 => CardKind::Lead,
            3 => CardKind::Contact,
            4 => CardKind::Company,
            _deal => CardKind::Deal,
        },
        addresses,
        chats,
        write: write(app, installation).await?,
    })
}

fn chat(chat: CardChat, card: &CardContents) -> ChatView {
    let group = Some(&chat.view.chat).filter(|chat| chat.is_group);
    let contact = chat.view.contact.as_ref().filter(|_| group.is_none());
    let phone = contact.and_then(|contact| contact.phone.as_deref()).and_then(E164::parse);
    // Somebody who has not written yet is known by the card alone.
    let owner = || {
        let own = card
            .addresses
            .iter()
            .find(|(address, _owner)| matches!(address, Address::Phone(it) if Some(it) == phone.as_ref()));
        own.and_then(|(_address, owner)| owner.clone())
    };
    let name = contact
        .and_then(|contact| contact.name.clone().or_else(owner).or_else(|| contact.username.clone()))
        .or_else(|| group?.title.clone())
        .or_else(|| phone.as_ref().map(ToString::to_string))
        .unwrap_or_else(|| chat.view.chat.peer.clone());
    let (messenger, icon) = shown(chat.connector);
    let state = match &chat.last {
        Some(last) if last.progress == Some(MessageProgress::Failed) => ChatState::Failed,
        Some(last) if last.from_client => ChatState::Unanswered,
        Some(_answered) => ChatState::Open,
        None => ChatState::Closed,
    };
    ChatView {
        id: chat.view.chat.id().to_string(),
        contact: name,
        channel: format!("{messenger} · {}", chat.channel),
        icon,
        state,
        last: chat.last.map(|last| LastMessageView {
            text: excerpt(&last.text),
            is_from_client: last.from_client,
            tick: last.progress.map(tick),
            at_ms: last.at_ms,
        }),
    }
}

fn tick(progress: MessageProgress) -> Tick {
    match progress {
        MessageProgress::Waiting => Tick::Waiting,
        MessageProgress::Sent => Tick::Sent,
        MessageProgress::Delivered => Tick::Delivered,
        MessageProgress::Read => Tick::Read,
        MessageProgress::Failed => Tick::Failed,
    }
}

/// The beginning of a BB-code text, without its markup.
fn excerpt(text: &str) -> String {
    let plain = bbcode::plain(text);
    let mut short: String = plain.chars().take(EXCERPT).collect();
    if short.len() < plain.len() {
        short.push('…');
    }
    short
}

async fn write(app: &App, installation: &Installation) -> Result<WriteView, Failed> {
    let writers = card::writers(app, &installation.portal).await?;
    if writers.is_empty() {
        return Ok(WriteView::Refused(Problem::NoChannels));
    }
    let (mut channels, mut templates) = (Vec::new(), Vec::new());
    for (channel, _binding) in writers {
        let can = app.core(channel.core).capabilities(channel.connector);
        if can.write_first == WriteFirst::Never {
            continue;
        }
        let offered = if can.templates { Some(offered::templates(app, &channel).await) } else { None };
        let messenger = channel.connector.title().to_owned();
        let view = WriteChannelView { messenger, id: channel.id.0, title: channel.title };
        match offered {
            None => channels.push(view),
            Some(offered) => templates.push(TemplatesView {
                channel: view,
                templates: offered.map(|known| known.iter().map(|it| (it.id.clone(), it.name.clone())).collect()),
            }),
        }
    }
    let is_none = channels.is_empty() && templates.is_empty();
    Ok(if is_none { WriteView::Refused(Problem::CannotWriteFirst) } else { WriteView::Form { channels, templates } })
}
