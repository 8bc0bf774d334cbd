//! Locales as structs: a language is one file, and a forgotten sentence does not compile.

mod en;
mod ru;

use serde::Serialize;

use crate::app::AppState;
use crate::connector::{AccountForm, WriteFirst};
use crate::crm_chat::{CardKind, ChatState, Tick};
use crate::install::{StepKey, StepState};
use crate::parts::Health;
use crate::problem::ProblemTexts;

/// Every text of a language.
pub struct Texts {
    /// Code for the `lang` attribute.
    pub code: &'static str,
    /// Words that several pages use.
    pub common: CommonTexts,
    /// Sentences that the frame script shows.
    pub script: ScriptTexts,
    /// The installation page.
    pub install: InstallTexts,
    /// The application's own page.
    pub app: AppTexts,
    /// The connector's page.
    pub connector: ConnectorTexts,
    /// What is chosen for a connected channel.
    pub settings: SettingsTexts,
    /// The tab of a CRM card.
    pub crm_chat: CrmChatTexts,
    /// Pages without a session.
    pub plain: PlainTexts,
    /// Failures.
    pub problems: ProblemTexts,
}

/// The texts for a language code of the portal such as `ru`; English for a language that is not there.
pub fn texts(language: &str) -> &'static Texts {
    if language.trim().eq_ignore_ascii_case("ru") { &ru::TEXTS } else { &en::TEXTS }
}

/// Words that several pages use.
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct CommonTexts {
    pub valid_until: &'static str,
    pub refresh: &'static str,
    pub refresh_hint: &'static str,
    pub refreshed: &'static str,
    pub line_named: fn(&str) -> String,
    pub health: fn(Health) -> &'static str,
    pub support: &'static str,
    pub request: &'static str,
    pub needs_script: &'static str,
    pub portal_missing: &'static str,
}

/// Sentences that the frame script shows; it has none of its own.
#[derive(Serialize)]
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct ScriptTexts {
    pub offline: &'static str,
    pub failed: &'static str,
    pub session_over: &'static str,
    pub needs_portal: &'static str,
    pub request: &'static str,
}

/// The installation page.
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct InstallTexts {
    pub title: &'static str,
    pub step: fn(StepKey) -> &'static str,
    pub step_about: fn(StepKey) -> &'static str,
    pub step_state: fn(StepState) -> &'static str,
    pub working: &'static str,
    pub stopped: &'static str,
    pub again: &'static str,
    pub ready: &'static str,
    pub ready_limited: &'static str,
    pub ready_lacking: &'static str,
    pub finishing: &'static str,
    pub finish: &'static str,
    pub what_next: &'static str,
}

/// The application's own page.
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct AppTexts {
    pub title: &'static str,
    pub version: &'static str,
    pub state: &'static str,
    pub state_name: fn(AppState) -> &'static str,
    pub grant: &'static str,
    pub grant_hint: &'static str,
    pub accounts: &'static str,
    pub accounts_none: &'static str,
    pub accounts_how: &'static str,
    pub not_connected: &'static str,
    pub login: &'static str,
    pub login_dead: &'static str,
    pub password_kept: &'static str,
    pub password_forget: &'static str,
    pub password_forget_ask: &'static str,
    pub password_forgotten: &'static str,
    pub provisioning: &'static str,
    pub checked: &'static str,
    pub repair: &'static str,
    pub repair_hint: &'static str,
}

/// What is chosen for a connected channel.
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct SettingsTexts {
    pub heading: &'static str,
    pub save: &'static str,
    pub saved: &'static str,
    pub by_the_line: &'static str,
    pub hook: &'static str,
    pub hook_key: &'static str,
    pub hook_key_about: &'static str,
    pub hook_key_new: &'static str,
    pub hook_key_ask: &'static str,
    pub hook_log: &'static str,
    pub hook_log_empty: &'static str,
    pub hook_done: &'static str,
    pub hook_waiting: &'static str,
    pub hook_failed: &'static str,
    pub hook_tries: fn(u32) -> String,
}

/// The connector's page.
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct ConnectorTexts {
    pub status: &'static str,
    pub not_connected: &'static str,
    pub connected: &'static str,
    pub broken: &'static str,
    pub choose: &'static str,
    pub ask_manager: &'static str,
    pub since: &'static str,
    pub disconnect: &'static str,
    pub disconnect_ask: &'static str,
    pub channels: &'static str,
    pub channels_none: &'static str,
    pub save: &'static str,
    pub save_hint: &'static str,
    pub here: &'static str,
    pub free: &'static str,
    pub taken: &'static str,
    pub unusable: &'static str,
    pub elsewhere: fn(&str) -> String,
    pub add: &'static str,
    pub add_button: &'static str,
    pub form_name: fn(AccountForm) -> &'static str,
    pub chatapp_about: &'static str,
    pub email: &'static str,
    pub password: &'static str,
    pub password_hint: &'static str,
    pub keep_password: &'static str,
    pub keep_password_hint: &'static str,
    pub app_id: &'static str,
    pub app_id_hint: &'static str,
    pub bot_steps: &'static [&'static str],
    pub bot_token: &'static str,
    pub bot_hint: &'static str,
    pub abilities: &'static str,
    pub write_first: fn(WriteFirst) -> &'static str,
    pub edit_yes: &'static str,
    pub edit_no: &'static str,
    pub delete_yes: &'static str,
    pub delete_no: &'static str,
    pub client_edit_yes: &'static str,
    pub client_edit_no: &'static str,
    pub quotes_yes: &'static str,
    pub quotes_no: &'static str,
    pub reactions_yes: &'static str,
    pub reactions_no: &'static str,
    pub groups_yes: &'static str,
    pub groups_no: &'static str,
    /// By whether delivered and read are reported.
    pub statuses: fn(bool, bool) -> &'static str,
    /// By the limit in megabytes.
    pub files: fn(u32) -> String,
}

/// The tab of a CRM card.
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct CrmChatTexts {
    pub kind: fn(CardKind) -> &'static str,
    pub chats: &'static str,
    pub chats_none: &'static str,
    pub chats_how: &'static str,
    pub chat_state: fn(ChatState) -> &'static str,
    pub you: &'static str,
    pub tick: fn(Tick) -> &'static str,
    pub open: &'static str,
    pub write: &'static str,
    pub channel: &'static str,
    pub address: &'static str,
    pub address_hint: &'static str,
    pub by_template: &'static str,
    pub template_about: &'static str,
    pub template: &'static str,
    pub templates_none: &'static str,
    pub template_address_hint: &'static str,
    pub values: &'static str,
    pub values_hint: &'static str,
    pub text: &'static str,
    pub send: &'static str,
    /// By whether the message has gone out; otherwise it is on its way.
    pub sent: fn(bool) -> &'static str,
    /// It waits for its turn; `{at}` stands for the time.
    pub goes_at: &'static str,
}

/// Pages without a session.
#[expect(missing_docs, reason = "each field is the sentence it names")]
pub struct PlainTexts {
    pub neutral_title: &'static str,
    pub neutral_text: &'static str,
    pub granted_title: &'static str,
    pub granted_text: &'static str,
    pub retry_title: &'static str,
    pub retry_doubt: &'static str,
    pub retry_button: &'static str,
    pub retry_once: &'static str,
    pub retry_sends: &'static str,
    pub retry_waits: &'static str,
    pub retry_sent: &'static str,
    pub retry_failed: &'static str,
    pub retry_write: &'static str,
}
