//! English.

use crate::app::AppState;
use crate::connector::{AccountForm, WriteFirst};
use crate::crm_chat::{CardKind, ChatState, Tick};
use crate::install::{StepKey, StepState};
use crate::parts::Health;
use crate::problem::{ProblemText, ProblemTexts};

use super::{
    AppTexts, CommonTexts, ConnectorTexts, CrmChatTexts, InstallTexts, PlainTexts, ScriptTexts, SettingsTexts, Texts,
};

pub(super) const TEXTS: Texts = Texts {
    code: "en",
    common: COMMON,
    script: SCRIPT,
    install: INSTALL,
    app: APP,
    connector: CONNECTOR,
    settings: SETTINGS,
    crm_chat: CRM_CHAT,
    plain: PlainTexts {
        neutral_title: "ChatApp for Bitrix24",
        neutral_text: "This page belongs to an application. Open it from the menu of your Bitrix24.",
        granted_title: "ChatApp has its access again",
        granted_text: "Close this tab and go back to Bitrix24.",
        retry_title: "Send this message again?",
        retry_doubt: "It is not known whether the client has received it. If nobody can tell, it is sent, and he may get it twice.",
        retry_button: "Send again",
        retry_once: "This can be done once. If it fails again, the chat says so.",
        retry_sends: "The message is being sent again",
        retry_waits: "Close this tab and go back to Bitrix24. If it fails again, the chat says so.",
        retry_sent: "The message has been sent",
        retry_failed: "The message has failed again",
        retry_write: "Write it anew in the chat.",
    },
    problems: PROBLEMS,
};

const COMMON: CommonTexts = CommonTexts {
    valid_until: "paid until",
    refresh: "Refresh the list",
    refresh_hint: "Asks ChatApp for the accounts, their messengers and until when they are paid. It is done twice a day by itself.",
    refreshed: "The list is as ChatApp tells it now.",
    line_named: |line| format!("Open Channel “{line}”"),
    health: |health| match health {
        Health::Ok => "Works",
        Health::Calm => "Not in use",
        Health::Warn => "Needs attention",
        Health::Error => "Does not work",
    },
    support: "Ask support",
    request: "Request",
    needs_script: "Scripts are switched off in this browser, so buttons and forms of this page do not work. Allow scripts and reload the page.",
    portal_missing: "The script of Bitrix24 did not load. The page works, but chats cannot be opened from here and the installation cannot be finished. Reload the page; if this stays, check that the network lets Bitrix24's own addresses through.",
};

const SCRIPT: ScriptTexts = ScriptTexts {
    offline: "No connection to the server. Check the network and try again.",
    failed: "The server could not answer. Try again in a minute.",
    session_over: "This page has been open for too long. Reload it and repeat.",
    needs_portal: "This works only inside Bitrix24.",
    request: "Request",
};

const INSTALL: InstallTexts = InstallTexts {
    title: "Installing ChatApp",
    step: |key| match key {
        StepKey::Access => "Access to the portal",
        StepKey::Events => "Events",
        StepKey::Connectors => "Contact Center",
        StepKey::Placements => "CRM cards",
        StepKey::Robots => "Automation",
    },
    step_about: |key| match key {
        StepKey::Access => "Confirms the portal and the application's permissions",
        StepKey::Events => "So that operators' messages reach the messengers",
        StepKey::Connectors => "A tile for each messenger",
        StepKey::Placements => "The ChatApp tab in leads, deals, contacts and companies",
        StepKey::Robots => "Robots for stages and business processes",
    },
    step_state: |state| match state {
        StepState::Waiting => "waiting",
        StepState::Running => "in progress",
        StepState::Done => "done",
        StepState::Lacking => "not available",
        StepState::Failed => "failed",
    },
    working: "This takes less than a minute. Please keep the page open.",
    stopped: "What is done stays done.",
    again: "Try again",
    ready: "Everything is set up.",
    ready_limited: "Everything that this portal allows is set up.",
    ready_lacking: "The list above says what is not available and why. Everything else works.",
    finishing: "The installation finishes by itself in a moment.",
    finish: "Finish the installation",
    what_next: "Next: open the Contact Center, choose a ChatApp messenger and connect it to an Open Channel.",
};

const APP: AppTexts = AppTexts {
    title: "ChatApp",
    version: "version",
    state: "State",
    state_name: |state| match state {
        AppState::Works => "Works",
        AppState::Limited => "Works with limits",
        AppState::Unfinished => "Installation not finished",
        AppState::GrantLost => "No access to the portal",
        AppState::Silent => "The portal does not answer",
    },
    grant: "Grant access again",
    grant_hint: "Opens Bitrix24 in a new tab.",
    accounts: "Accounts",
    accounts_none: "No account yet.",
    accounts_how: "Open the Contact Center, choose a ChatApp messenger and add an account there.",
    not_connected: "not connected to an Open Channel",
    login: "ChatApp login",
    login_dead: "ChatApp does not accept it any more: add the account again",
    password_kept: "the password is kept",
    password_forget: "Forget the password",
    password_forget_ask: "The login goes on working. When ChatApp ends it, somebody has to enter the password again.",
    password_forgotten: "The password is not kept any more.",
    provisioning: "Set up in this portal",
    checked: "checked",
    repair: "Check and repair",
    repair_hint: "Sets up again what is missing. Settings and chats stay.",
};

const SETTINGS: SettingsTexts = SettingsTexts {
    heading: "Settings",
    save: "Save the settings",
    saved: "Saved. It is so from the next message on.",
    by_the_line: "The Open Channel does this itself: its own settings change the responsible person.",
    hook: "Webhook",
    hook_key: "Key of the signatures",
    hook_key_about: "With it your system checks that a message comes from here. Whoever has it can sign in our name.",
    hook_key_new: "Make a new key",
    hook_key_ask: "The old key is worth nothing from that moment on.",
    hook_log: "Sent last",
    hook_log_empty: "Nothing yet.",
    hook_done: "taken",
    hook_waiting: "on its way",
    hook_failed: "given up",
    hook_tries: |tries| format!("{tries} tries"),
};

const CONNECTOR: ConnectorTexts = ConnectorTexts {
    status: "Connection",
    not_connected: "Not connected",
    connected: "Connected",
    broken: "Does not work",
    choose: "Choose a channel below, or add an account first.",
    ask_manager: "Ask an administrator or somebody who manages the Contact Center to connect a channel.",
    since: "since",
    disconnect: "Disconnect",
    disconnect_ask: "New messages will no longer come to this Open Channel. The chats stay.",
    channels: "Channels",
    channels_none: "There is no channel for this messenger yet. Add an account below.",
    save: "Save and connect",
    save_hint: "Clients' messages will come to this Open Channel.",
    here: "connected here",
    free: "free",
    taken: "in use",
    unusable: "not available",
    elsewhere: |line| format!("connected to the Open Channel “{line}”; disconnect it there first"),
    add: "Add an account",
    add_button: "Add",
    form_name: |form| match form {
        AccountForm::ChatApp => "ChatApp account",
        AccountForm::TelegramBot => "Telegram bot",
    },
    chatapp_about: "The account in which your messengers are connected. Its channels appear in the list above.",
    email: "E-mail",
    password: "Password",
    password_hint: "Needed once, to log in.",
    keep_password: "Keep the password, so that the server can log in again by itself",
    keep_password_hint: "Without this it is not kept, and must be entered again when ChatApp ends the login. It is kept encrypted, used for nothing else, and can be forgotten on the application's page.",
    app_id: "App ID",
    app_id_hint: "From your ChatApp account.",
    bot_steps: &[
        "Open @BotFather in Telegram.",
        "Send /newbot and follow the questions. For a bot that exists: /mybots, choose the bot, then API Token.",
        "Copy the token and paste it here.",
    ],
    bot_token: "Bot token",
    bot_hint: "If another service receives this bot's messages now, it will stop receiving them.",
    abilities: "What this messenger can do",
    write_first: |how| match how {
        WriteFirst::Never => "The client writes first; you answer",
        WriteFirst::ByPhone => "You can write first by phone number",
        WriteFirst::ByPhoneOrUsername => "You can write first by phone number or @username",
        WriteFirst::ByTemplate => "You can write first by phone number with an approved template",
        WriteFirst::ByEmail => "You can write first by e-mail address",
    },
    edit_yes: "The client sees an operator's edits",
    edit_no: "An operator's edit reaches the client as a new message, marked ✏️",
    delete_yes: "An operator can delete a message for the client",
    delete_no: "A message that was sent cannot be deleted for the client",
    client_edit_yes: "Operators see a client's edits",
    client_edit_no: "A client's edits do not reach operators",
    quotes_yes: "An operator's answer to a message is one in the messenger, too",
    quotes_no: "What an operator answers stands in his text as a quotation",
    reactions_yes: "Operators see the emoji that a client puts on a message",
    reactions_no: "The messenger does not tell what emoji a client puts on a message",
    groups_yes: "Group chats come in, too, if you want them to",
    groups_no: "Group chats do not come in",
    statuses: |delivered, read| match (delivered, read) {
        (true, true) => "Shows when a message is delivered and read",
        (true, false) => "Shows when a message is delivered, not when it is read",
        (false, true) => "Shows when a message is read",
        (false, false) => "Does not report whether a message was delivered or read",
    },
    files: |limit| format!("Files up to {limit} MB"),
};

const CRM_CHAT: CrmChatTexts = CrmChatTexts {
    kind: |kind| match kind {
        CardKind::Lead => "Lead",
        CardKind::Deal => "Deal",
        CardKind::Contact => "Contact",
        CardKind::Company => "Company",
    },
    chats: "Chats",
    chats_none: "No chat with this client yet.",
    chats_how: "Chats appear here when the client writes or when you write first.",
    chat_state: |state| match state {
        ChatState::Unanswered => "waits for an answer",
        ChatState::Open => "answered",
        ChatState::Closed => "closed",
        ChatState::Failed => "not sent",
    },
    you: "You",
    tick: |tick| match tick {
        Tick::Waiting => "is on its way",
        Tick::Sent => "sent",
        Tick::Delivered => "delivered",
        Tick::Read => "read",
        Tick::Failed => "not sent",
    },
    open: "Open chat",
    write: "Write first",
    channel: "Channel",
    address: "To",
    address_hint: "Phone number, @username or e-mail, as the channel takes it.",
    by_template: "Write first by an approved template",
    template_about: "WhatsApp Business lets you write first with a template that it has approved.",
    template: "Template",
    templates_none: "ChatApp has no approved template for this channel.",
    template_address_hint: "Phone number.",
    values: "Values",
    values_hint: "What stands in the template's places, each on a line of its own, in their order.",
    text: "Message",
    send: "Send",
    sent: |is_out| {
        if is_out { "The message is sent." } else { "The message is on its way; the list shows when it is out." }
    },
    goes_at: "The message goes at {at}: a personal Telegram account writes first by phone number once in three minutes.",
};

const fn words(what: &'static str, todo: &'static str) -> ProblemText {
    ProblemText { what, todo }
}

const PROBLEMS: ProblemTexts = ProblemTexts {
    not_verified: words(
        "We could not make sure which portal this is.",
        "Open the application from the menu of your Bitrix24 again.",
    ),
    not_installed: words(
        "The application is not fully installed in this portal.",
        "An administrator should open ChatApp from the menu and let the installation finish.",
    ),
    administrator_only: words("Only an administrator of the portal can do this.", "Ask an administrator."),
    managers_only: words(
        "You may not change connectors of this portal.",
        "Ask an administrator for the right to manage the Contact Center.",
    ),
    card_closed: words(
        "You do not have access to this card.",
        "Ask whoever is responsible for it or an administrator.",
    ),
    card_unsaved: words("The card is not saved yet.", "Save the card and open this tab again."),
    unknown_placement: words(
        "This page was opened in an unknown way.",
        "Reload Bitrix24. If this stays, an administrator should run “Check and repair” in ChatApp.",
    ),
    unknown_connector: words("This messenger is not one of ChatApp's.", "Open it from its tile in the Contact Center."),
    line_missing: words(
        "No Open Channel is chosen.",
        "Go back to the Contact Center, press Connect and choose an Open Channel.",
    ),
    grant_lost: words(
        "ChatApp has lost its access to this portal.",
        "An administrator should open ChatApp from the menu or grant access again.",
    ),
    portal_silent: words(
        "Your Bitrix24 does not answer.",
        "Nothing is lost: messages wait. Try again in a few minutes.",
    ),
    plan_lacks: words(
        "Your Bitrix24 plan does not include this function.",
        "It will work after a change of plan and “Check and repair”.",
    ),
    scope_lacks: words(
        "The application lacks a permission for this.",
        "Update the application in Market or reinstall it keeping its data.",
    ),
    session_over: words("This page has been open for too long.", "Reload it."),
    too_many: words("Too many requests.", "Wait a minute and try again."),
    unavailable: words("The server is being restarted.", "Try again in a minute. Messages are not lost."),
    internal: words("Something went wrong on our side.", "Try again. If it repeats, tell support the request number."),
    field_empty: words("This field is empty.", "Fill it in."),
    field_wrong: words("This value cannot be right.", "Check it for typing mistakes."),
    login_refused: words(
        "ChatApp did not accept the e-mail, the password or the App ID.",
        "Check all three; App ID and e-mail must belong to the same account.",
    ),
    logins_used_up: words("ChatApp does not accept more logins of this account today.", "Try again tomorrow."),
    token_refused: words("Telegram does not know this token.", "Copy it from @BotFather again, as a whole."),
    account_taken: words("This account already serves another portal.", "Disconnect it there first."),
    account_expired: words(
        "The paid period of this account is over.",
        "Renew it in ChatApp. The channel works again by itself.",
    ),
    channel_taken: words("This channel is connected to another Open Channel.", "Disconnect it there first."),
    channel_gone: words("This channel no longer exists.", "Choose another one."),
    channel_down: words(
        "The channel is not connected to its messenger.",
        "Log in to the messenger again in the account, then check here.",
    ),
    core_silent: words("The messenger's service does not answer.", "Try again in a few minutes."),
    no_channels: words(
        "There is no channel that can write first.",
        "An administrator can connect one in the Contact Center.",
    ),
    address_wrong: words(
        "This is not an address we understand.",
        "Write a phone number with country code, an @username or an e-mail.",
    ),
    not_in_messenger: words("There is no such person in this messenger.", "Choose another channel or address."),
    cannot_write_first: words(
        "This channel cannot write first to such an address.",
        "Choose another channel or address.",
    ),
    text_too_long: words("The text is too long for this messenger.", "Shorten it or send it in parts."),
    chat_gone: words("This chat no longer exists.", "Reload the list."),
    link_over: words("This link is not valid any more.", "Go back to Bitrix24 and write the message again."),
    outcome_unknown: words(
        "We do not know whether the message went out.",
        "Look into the messenger before you send it again.",
    ),
};
