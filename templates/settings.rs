//! What an administrator chooses for a connected channel: a part of the connector's page.

use maud::{Markup, html};

use crate::moment;
use crate::parts::{self, Health};
use crate::texts::Texts;

/// The form, section by section; nothing is shown while there is no section.
#[derive(Default)]
pub struct SettingsView {
    /// Settings that belong together.
    pub sections: Vec<SectionView>,
    /// How the webhook of the customer's own system is doing, if there is one.
    pub hook: Option<HookView>,
}

/// Settings that belong together.
pub struct SectionView {
    /// Its heading.
    pub title: String,
    /// What they are for.
    pub help: Option<String>,
    /// In their order.
    pub settings: Vec<SettingView>,
}

/// Something that can be chosen.
pub struct SettingView {
    /// Its name in the form.
    pub name: String,
    /// What it does.
    pub label: String,
    /// More about it.
    pub help: Option<String>,
    /// What is chosen now.
    pub value: SettingValue,
}

/// What is chosen.
pub enum SettingValue {
    /// On or off.
    Switch(bool),
    /// Off, because the Open Channel does it itself.
    ByTheLine,
    /// A text.
    Text {
        /// The input's type: `text`, `tel` or `url`.
        kind: &'static str,
        /// What stands in it.
        value: String,
    },
}

/// The webhook of the customer's own system.
pub struct HookView {
    /// The key of the signatures, as Standard Webhooks writes it.
    pub key: String,
    /// What was told to it last, newest first.
    pub log: Vec<HookLogView>,
}

/// One thing that was told.
pub struct HookLogView {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its `type`.
    pub what: String,
    /// How it went.
    pub state: HookState,
    /// How often it was tried.
    pub tries: u32,
    /// Why it has not arrived.
    pub cause: Option<String>,
}

/// How a message to the webhook went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookState {
    /// The other system has taken it.
    Done,
    /// It is on its way, or is tried again.
    Waiting,
    /// Given up.
    Failed,
}

pub(crate) fn parts(texts: &Texts, view: &SettingsView) -> Markup {
    html! {
        section .panel data-part="settings" hidden[view.sections.is_empty()] {
            h2 { (texts.settings.heading) }
            // The browser could not show its own remarks in a section that is folded.
            form data-action="/frame/connector/settings" autocomplete="off" novalidate {
                @for (at, section) in view.sections.iter().enumerate() { (section_fields(texts, section, at == 0)) }
                (parts::error_place())
                div .actions { button .primary type="submit" { (texts.settings.save) } }
            }
        }
        section .panel data-part="hook" hidden[view.hook.is_none()] {
            @if let Some(hook) = &view.hook { (hook_log(texts, hook)) }
        }
    }
}

fn section_fields(texts: &Texts, section: &SectionView, is_open: bool) -> Markup {
    html! {
        details .add open[is_open] {
            summary { (section.title) }
            div .within {
                @if let Some(help) = &section.help { p .muted { (help) } }
                @for setting in &section.settings {
                    @match &setting.value {
                        SettingValue::Switch(on) => (switch(setting, *on, None)),
                        SettingValue::ByTheLine => (switch(setting, false, Some(texts.settings.by_the_line))),
                        SettingValue::Text { kind, value } => (text(setting, kind, value)),
                    }
                }
            }
        }
    }
}

fn switch(setting: &SettingView, on: bool, held: Option<&str>) -> Markup {
    html! {
        label .choice.off[held.is_some()] {
            input type="checkbox" name=(setting.name) value="on" checked[on] disabled[held.is_some()];
            span .grow {
                (setting.label)
                @if let Some(why) = held { span .hint { (why) } }
                @else if let Some(help) = &setting.help { span .hint { (help) } }
            }
        }
    }
}

fn text(setting: &SettingView, kind: &str, value: &str) -> Markup {
    let id = format!("setting-{}", setting.name);
    let hint = setting.help.as_ref().map(|_| format!("{id}-hint"));
    html! {
        div .field {
            label for=(id) { (setting.label) }
            input id=(id) name=(setting.name) type=(kind) value=(value) maxlength="500" autocomplete="off" spellcheck="false"
                aria-describedby=[&hint];
            @if let (Some(help), Some(hint)) = (&setting.help, &hint) { p .hint id=(hint) { (help) } }
        }
    }
}

fn hook_log(texts: &Texts, hook: &HookView) -> Markup {
    let words = &texts.settings;
    html! {
        h2 { (words.hook) }
        details .add {
            summary { (words.hook_key) }
            div .within {
                p .muted { (words.hook_key_about) }
                p { code { (hook.key) } }
                (parts::error_place())
                (parts::confirm(words.hook_key_new, words.hook_key_ask, "/frame/connector/hook-key", &serde_json::json!({})))
            }
        }
        h2 { (words.hook_log) }
        @if hook.log.is_empty() { p .muted { (words.hook_log_empty) } }
        ul .log {
            @for told in &hook.log {
                li {
                    div .line {
                        @match told.state {
                            HookState::Done => (parts::badge(Health::Ok, words.hook_done)),
                            HookState::Waiting => (parts::badge(Health::Warn, words.hook_waiting)),
                            HookState::Failed => (parts::badge(Health::Error, words.hook_failed)),
                        }
                        code { (told.what) }
                        span .muted { (moment::date_time(told.at_ms)) }
                        @if told.tries > 1 { span .muted { ((words.hook_tries)(told.tries)) } }
                    }
                    @if let Some(cause) = &told.cause { p .hint { (cause) } }
                }
            }
        }
    }
}
