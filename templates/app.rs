//! The application's own page: is everything all right, which accounts there are, and how to repair.

use maud::{Markup, html};
use serde_json::json;

use crate::install::{StepView, steps};
use crate::layout::Document;
use crate::moment;
use crate::parts::{self, Health};
use crate::problem::Problem;
use crate::texts::Texts;

/// Everything the page shows.
pub struct AppView {
    /// The portal's address.
    pub portal: String,
    /// Version of the server.
    pub version: String,
    /// How the installation is.
    pub state: AppState,
    /// Whether the viewer may repair and re-authorise.
    pub may_manage: bool,
    /// What is set up in the portal.
    pub steps: Vec<StepView>,
    /// Whether setting up goes on right now: the page asks again.
    pub is_working: bool,
    /// When the setting up was last checked, in milliseconds since 1970.
    pub checked_at_ms: Option<i64>,
    /// Where an administrator grants the rights anew, in a tab of its own.
    pub grant_url: Option<String>,
    /// The accounts of the portal.
    pub accounts: Vec<AccountView>,
    /// With which logins those of `ChatApp` are used.
    pub logins: Vec<LoginView>,
    /// Where to ask: an https address or `mailto:`.
    pub support_url: Option<String>,
}

/// How an installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppState {
    /// Works.
    Works,
    /// Works, except for what the plan or the permissions do not allow.
    Limited,
    /// The installation is not finished.
    Unfinished,
    /// The right to act is lost.
    GrantLost,
    /// The portal does not answer.
    Silent,
}

impl AppState {
    const fn health(self) -> Health {
        match self {
            Self::Works => Health::Ok,
            Self::Limited | Self::Unfinished => Health::Warn,
            Self::GrantLost | Self::Silent => Health::Error,
        }
    }

    const fn problem(self) -> Option<Problem> {
        match self {
            Self::Works | Self::Limited => None,
            Self::Unfinished => Some(Problem::NotInstalled),
            Self::GrantLost => Some(Problem::GrantLost),
            Self::Silent => Some(Problem::PortalSilent),
        }
    }
}

/// An account of a core, or a messenger account served directly.
pub struct AccountView {
    /// What people call it.
    pub title: String,
    /// The core, for instance `ChatApp` or `Telegram Bot API`.
    pub core: String,
    /// How it is.
    pub health: Health,
    /// What is wrong with it.
    pub problem: Option<Problem>,
    /// End of the paid period, in milliseconds since 1970.
    pub valid_until_ms: Option<i64>,
    /// Its channels.
    pub channels: Vec<AccountChannelView>,
}

/// A login at `ChatApp`.
pub struct LoginView {
    /// Its id in our requests.
    pub id: String,
    /// Its e-mail address.
    pub email: String,
    /// Whether `ChatApp` still accepts it.
    pub is_alive: bool,
    /// Whether the server can log in by itself.
    pub keeps_password: bool,
}

/// A channel under its account.
pub struct AccountChannelView {
    /// What people call it.
    pub title: String,
    /// The messenger in the viewer's language.
    pub messenger: String,
    /// The connector's icon as a data address.
    pub icon: String,
    /// How it is.
    pub health: Health,
    /// The Open Channel it is connected to.
    pub line: Option<String>,
}

/// The whole page.
pub fn page(document: &Document<'_>, view: &AppView) -> Markup {
    let texts = document.texts;
    let body = html! {
        (parts::head(texts.app.title, &html! { (view.portal) " · " (texts.app.version) " " (view.version) }))
        (parts(texts, view))
        @if let Some(url) = &view.support_url {
            p .foot { (parts::link("", url, texts.common.support)) }
        }
    };
    document.wrap(texts.app.title, &body)
}

/// The parts that change.
pub fn parts(texts: &Texts, view: &AppView) -> Markup {
    html! {
        (state(texts, view))
        (accounts(texts, view))
        (provisioning(texts, view))
    }
}

fn state(texts: &Texts, view: &AppView) -> Markup {
    html! {
        section .panel data-part="state" {
            div .row {
                h2 .grow { (texts.app.state) }
                (parts::badge(view.state.health(), (texts.app.state_name)(view.state)))
            }
            @if let Some(problem) = view.state.problem() { (parts::problem(texts, problem)) }
            @if let (Some(url), true) = (&view.grant_url, view.may_manage) {
                div .actions {
                    (parts::link("button primary", url, texts.app.grant))
                    span .muted { (texts.app.grant_hint) }
                }
            }
        }
    }
}

fn accounts(texts: &Texts, view: &AppView) -> Markup {
    html! {
        section .panel data-part="accounts" {
            h2 { (texts.app.accounts) }
            @if view.accounts.is_empty() {
                p .empty { (texts.app.accounts_none) }
                p .muted { (texts.app.accounts_how) }
            }
            @for account in &view.accounts {
                div .account {
                    div .row {
                        div .grow {
                            strong { (account.title) }
                            p .muted.small {
                                (account.core)
                                @if let Some(until) = account.valid_until_ms {
                                    " · " (texts.common.valid_until) " " (moment::date(until))
                                }
                            }
                        }
                        (parts::badge(account.health, (texts.common.health)(account.health)))
                    }
                    @if let Some(problem) = account.problem { (parts::problem(texts, problem)) }
                    @for channel in &account.channels { (account_channel(texts, channel)) }
                }
            }
            @if view.may_manage && !view.logins.is_empty() {
                @for login in &view.logins { (login_row(texts, login)) }
                (parts::error_place())
                div .actions {
                    button type="button" data-action="/frame/accounts/refresh" { (texts.common.refresh) }
                    span .muted { (texts.common.refresh_hint) }
                }
            }
        }
    }
}

fn login_row(texts: &Texts, login: &LoginView) -> Markup {
    let words = &texts.app;
    html! {
        div .row {
            p .grow .small {
                (words.login) " " (login.email)
                @if !login.is_alive { " · " (words.login_dead) }
                @if login.keeps_password { " · " (words.password_kept) }
            }
            @if login.keeps_password {
                (parts::confirm(words.password_forget, words.password_forget_ask, "/frame/accounts/forget-password", &json!({ "login": login.id })))
            }
        }
    }
}

fn account_channel(texts: &Texts, channel: &AccountChannelView) -> Markup {
    html! {
        div .row.channel {
            (parts::icon(&channel.icon))
            div .grow {
                span { (channel.title) }
                p .muted.small {
                    (channel.messenger) " · "
                    @if let Some(line) = &channel.line { ((texts.common.line_named)(line)) }
                    @else { (texts.app.not_connected) }
                }
            }
            (parts::badge(channel.health, (texts.common.health)(channel.health)))
        }
    }
}

fn provisioning(texts: &Texts, view: &AppView) -> Markup {
    let poll = view.is_working.then_some("/frame/install/state");
    html! {
        section .panel data-part="provisioning" data-poll=[poll] data-poll-ms="1500" {
            div .row {
                h2 .grow { (texts.app.provisioning) }
                @if let Some(at) = view.checked_at_ms {
                    span .muted.small { (texts.app.checked) " " (moment::date_time(at)) }
                }
            }
            (steps(texts, &view.steps))
            (parts::error_place())
            @if view.may_manage && !view.is_working {
                div .actions {
                    button type="button" data-action="/frame/install/provision" { (texts.app.repair) }
                    span .muted { (texts.app.repair_hint) }
                }
            }
        }
    }
}
