//! The settings of a connector on an Open Channel.

use maud::{Markup, html};
use serde_json::json;

use crate::layout::Document;
use crate::moment;
use crate::parts::{self, Health, Input};
use crate::problem::Problem;
use crate::settings::{self, SettingsView};
use crate::texts::Texts;

/// Everything the page shows.
pub struct ConnectorView {
    /// The messenger in the viewer's language.
    pub messenger: String,
    /// The connector's icon as a data address.
    pub icon: String,
    /// What to know about it first.
    pub about: Option<String>,
    /// The Open Channel's name.
    pub line: String,
    /// What is connected to it now.
    pub connection: Connection,
    /// The accounts whose channels could serve this connector.
    pub accounts: Vec<ConnectorAccountView>,
    /// Which kinds of account can be added here.
    pub forms: Vec<AccountForm>,
    /// What can be chosen for the connected channel; empty while there is none.
    pub settings: SettingsView,
    /// What channels of this connector can do.
    pub capabilities: Capabilities,
    /// Whether the viewer may change anything.
    pub may_manage: bool,
}

/// What is connected to the Open Channel.
pub enum Connection {
    /// Nothing yet.
    None,
    /// A channel that works.
    Works {
        /// The channel.
        channel: String,
        /// Since when, in milliseconds since 1970.
        since_ms: Option<i64>,
    },
    /// A channel that does not work.
    Broken {
        /// The channel.
        channel: String,
        /// What is wrong.
        problem: Problem,
    },
}

/// An account in the list of channels.
pub struct ConnectorAccountView {
    /// What people call it.
    pub title: String,
    /// End of the paid period, in milliseconds since 1970.
    pub valid_until_ms: Option<i64>,
    /// Its channels that fit the connector.
    pub channels: Vec<ConnectorChannelView>,
}

/// A channel that could serve the connector.
pub struct ConnectorChannelView {
    /// Its id in our requests.
    pub id: String,
    /// What people call it: a number, a name, a bot.
    pub title: String,
    /// Whether it can be chosen.
    pub state: ChannelState,
}

/// Whether a channel can be chosen.
pub enum ChannelState {
    /// Free.
    Free,
    /// Connected to this Open Channel.
    Here,
    /// Connected to another Open Channel, by name.
    Elsewhere(String),
    /// Cannot be used now.
    Unusable(Problem),
}

/// A kind of account that can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountForm {
    /// An account of `ChatApp`: e-mail, password, App ID.
    ChatApp,
    /// A Telegram bot: its token.
    TelegramBot,
}

/// What channels of a connector can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table of yes and no")]
pub struct Capabilities {
    /// Whether and how a client can be written to first.
    pub write_first: WriteFirst,
    /// An operator's edit reaches the client.
    pub edit: bool,
    /// An operator's deletion reaches the client.
    pub delete: bool,
    /// A client's edit reaches the operator.
    pub client_edit: bool,
    /// What an operator quotes becomes the messenger's own reply.
    pub quotes: bool,
    /// A client's emoji on a message reaches the operator.
    pub reactions: bool,
    /// It takes part in groups.
    pub groups: bool,
    /// Delivered is reported.
    pub delivered: bool,
    /// Read is reported.
    pub read: bool,
    /// Largest file that can be sent, in megabytes.
    pub file_limit_mb: Option<u32>,
}

/// How a client can be written to first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteFirst {
    /// Not at all: the client begins.
    Never,
    /// By phone number.
    ByPhone,
    /// By phone number or username.
    ByPhoneOrUsername,
    /// By phone number with an approved template only.
    ByTemplate,
    /// By e-mail address.
    ByEmail,
}

/// The whole page.
pub fn page(document: &Document<'_>, view: &ConnectorView) -> Markup {
    let texts = document.texts;
    let body = html! {
        header .head {
            (parts::icon(&view.icon))
            div .grow {
                h1 { (view.messenger) }
                p .muted { ((texts.common.line_named)(&view.line)) }
            }
        }
        @if let Some(about) = &view.about { p { (about) } }
        (parts(texts, view))
    };
    document.wrap(&view.messenger, &body)
}

/// The parts that change.
pub fn parts(texts: &Texts, view: &ConnectorView) -> Markup {
    html! {
        (status(texts, view))
        @if view.may_manage {
            (settings::parts(texts, &view.settings))
            (channels(texts, view))
            (add_account(texts, view))
        }
        (abilities(texts, view))
    }
}

fn status(texts: &Texts, view: &ConnectorView) -> Markup {
    let words = &texts.connector;
    html! {
        section .panel data-part="status" data-poll="/frame/connector" data-poll-ms="20000" {
            div .row {
                h2 .grow { (words.status) }
                @match &view.connection {
                    Connection::None => (parts::badge(Health::Calm, words.not_connected)),
                    Connection::Works { .. } => (parts::badge(Health::Ok, words.connected)),
                    Connection::Broken { .. } => (parts::badge(Health::Error, words.broken)),
                }
            }
            @match &view.connection {
                Connection::None => p .muted { @if view.may_manage { (words.choose) } @else { (words.ask_manager) } },
                Connection::Works { channel, since_ms } => p {
                    strong { (channel) }
                    @if let Some(since) = since_ms { span .muted { " · " (words.since) " " (moment::date_time(*since)) } }
                },
                Connection::Broken { channel, problem } => {
                    p { strong { (channel) } }
                    (parts::problem(texts, *problem))
                }
            }
            @if view.may_manage && !matches!(view.connection, Connection::None) {
                (parts::error_place())
                (parts::confirm(words.disconnect, words.disconnect_ask, "/frame/connector/disconnect", &json!({})))
            }
        }
    }
}

fn channels(texts: &Texts, view: &ConnectorView) -> Markup {
    let words = &texts.connector;
    let is_empty = view.accounts.iter().all(|account| account.channels.is_empty());
    let only = only_choice(view);
    html! {
        section .panel data-part="channels" {
            h2 { (words.channels) }
            @if is_empty {
                p .empty { (words.channels_none) }
            } @else {
                form data-action="/frame/connector/connect" {
                    @for account in &view.accounts { (account_group(texts, account, only)) }
                    (parts::error_place())
                    div .actions {
                        button .primary type="submit" { (words.save) }
                        span .muted { (words.save_hint) }
                    }
                }
            }
            @if view.forms.contains(&AccountForm::ChatApp) && !view.accounts.is_empty() {
                div .actions {
                    button type="button" data-action="/frame/accounts/refresh" { (texts.common.refresh) }
                    span .muted { (texts.common.refresh_hint) }
                }
            }
        }
    }
}

/// The channel to offer chosen already: the one that is here, or the only one that is free.
fn only_choice(view: &ConnectorView) -> Option<&str> {
    let all = || view.accounts.iter().flat_map(|account| &account.channels);
    let here = all().find(|channel| matches!(channel.state, ChannelState::Here));
    let mut free = all().filter(|channel| matches!(channel.state, ChannelState::Free));
    let only_free = free.next().filter(|_| free.next().is_none());
    here.or(only_free).map(|channel| channel.id.as_str())
}

fn account_group(texts: &Texts, account: &ConnectorAccountView, chosen: Option<&str>) -> Markup {
    // A bot is its own account: one name is enough.
    let is_itself = matches!(account.channels.as_slice(), [only] if only.title == account.title);
    html! {
        fieldset {
            @if !is_itself || account.valid_until_ms.is_some() {
                legend {
                    (account.title)
                    @if let Some(until) = account.valid_until_ms {
                        span .muted { " · " (texts.common.valid_until) " " (moment::date(until)) }
                    }
                }
            }
            @for channel in &account.channels { (channel_choice(texts, channel, chosen)) }
        }
    }
}

fn channel_choice(texts: &Texts, channel: &ConnectorChannelView, chosen: Option<&str>) -> Markup {
    let words = &texts.connector;
    let usable = matches!(channel.state, ChannelState::Free | ChannelState::Here);
    html! {
        label .choice.off[!usable] {
            input type="radio" name="channel" value=(channel.id) required disabled[!usable] checked[chosen == Some(&channel.id)];
            span .grow {
                (channel.title)
                @match &channel.state {
                    ChannelState::Elsewhere(line) => span .hint { ((words.elsewhere)(line)) },
                    ChannelState::Unusable(problem) => span .hint { (texts.problems.of(*problem).what) },
                    ChannelState::Free | ChannelState::Here => {}
                }
            }
            @match &channel.state {
                ChannelState::Here => (parts::badge(Health::Ok, words.here)),
                ChannelState::Free => (parts::badge(Health::Calm, words.free)),
                ChannelState::Elsewhere(_) => (parts::badge(Health::Warn, words.taken)),
                ChannelState::Unusable(_) => (parts::badge(Health::Error, words.unusable)),
            }
        }
    }
}

fn add_account(texts: &Texts, view: &ConnectorView) -> Markup {
    let nothing_yet = view.accounts.is_empty();
    html! {
        @if !view.forms.is_empty() {
            section .panel data-part="add" {
                h2 { (texts.connector.add) }
                @for form in &view.forms {
                    details .add open[nothing_yet && view.forms.len() == 1] {
                        summary { ((texts.connector.form_name)(*form)) }
                        (account_form(texts, *form))
                    }
                }
            }
        }
    }
}

fn account_form(texts: &Texts, form: AccountForm) -> Markup {
    let words = &texts.connector;
    html! {
        form data-action="/frame/connector/account" autocomplete="off" {
            @match form {
                AccountForm::ChatApp => {
                    input type="hidden" name="kind" value="chatapp";
                    p .muted { (words.chatapp_about) }
                    (parts::input("chatapp", &Input { name: "email", label: words.email, kind: "email", hint: None, placeholder: "name@example.com" }))
                    (parts::input("chatapp", &Input { name: "password", label: words.password, kind: "password", hint: Some(words.password_hint), placeholder: "" }))
                    label .choice {
                        input type="checkbox" name="keep_password" value="on";
                        span .grow { (words.keep_password) span .hint { (words.keep_password_hint) } }
                    }
                    (parts::input("chatapp", &Input { name: "app_id", label: words.app_id, kind: "text", hint: Some(words.app_id_hint), placeholder: "app_12345_1" }))
                }
                AccountForm::TelegramBot => {
                    input type="hidden" name="kind" value="telegram_bot";
                    ol .how { @for step in words.bot_steps { li { (step) } } }
                    (parts::input("bot", &Input { name: "token", label: words.bot_token, kind: "password", hint: Some(words.bot_hint), placeholder: "123456789:AA…" }))
                }
            }
            (parts::error_place())
            div .actions { button .primary type="submit" { (words.add_button) } }
        }
    }
}

fn abilities(texts: &Texts, view: &ConnectorView) -> Markup {
    let words = &texts.connector;
    let can = &view.capabilities;
    html! {
        section .panel {
            h2 { (words.abilities) }
            ul .abilities {
                (ability(can.write_first != WriteFirst::Never, (words.write_first)(can.write_first)))
                (ability(can.edit, if can.edit { words.edit_yes } else { words.edit_no }))
                (ability(can.delete, if can.delete { words.delete_yes } else { words.delete_no }))
                (ability(can.client_edit, if can.client_edit { words.client_edit_yes } else { words.client_edit_no }))
                (ability(can.quotes, if can.quotes { words.quotes_yes } else { words.quotes_no }))
                (ability(can.reactions, if can.reactions { words.reactions_yes } else { words.reactions_no }))
                (ability(can.groups, if can.groups { words.groups_yes } else { words.groups_no }))
                (ability(can.delivered || can.read, (words.statuses)(can.delivered, can.read)))
                @if let Some(limit) = can.file_limit_mb { (ability(true, &(words.files)(limit))) }
            }
        }
    }
}

fn ability(has: bool, sentence: &str) -> Markup {
    html! { li class=(if has { "yes" } else { "no" }) { (sentence) } }
}
