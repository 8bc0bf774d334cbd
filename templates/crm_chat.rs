//! The tab of a CRM card: which chats exist with its people, and the first message to them.

use maud::{Markup, html};
use serde_json::json;

use crate::layout::Document;
use crate::moment;
use crate::parts::{self, Health};
use crate::problem::Problem;
use crate::texts::Texts;

/// Everything the tab shows.
pub struct CrmChatView {
    /// The card's title.
    pub card: String,
    /// Which kind of card.
    pub kind: CardKind,
    /// Addresses found in the card and in its people.
    pub addresses: Vec<CardAddressView>,
    /// Chats that exist, latest first.
    pub chats: Vec<ChatView>,
    /// The form for a first message, or why there is none.
    pub write: WriteView,
}

/// The kinds of card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CardKind {
    /// A lead.
    Lead,
    /// A deal.
    Deal,
    /// A contact.
    Contact,
    /// A company.
    Company,
}

/// An address of the card.
pub struct CardAddressView {
    /// As a person reads and types it.
    pub text: String,
    /// Whose it is, when the card has several people.
    pub owner: Option<String>,
}

/// A chat.
pub struct ChatView {
    /// Its id in our requests.
    pub id: String,
    /// The client's name.
    pub contact: String,
    /// The channel it runs through.
    pub channel: String,
    /// The connector's icon as a data address.
    pub icon: String,
    /// How it stands.
    pub state: ChatState,
    /// The last message.
    pub last: Option<LastMessageView>,
}

/// How a chat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatState {
    /// The client waits for an answer.
    Unanswered,
    /// Answered, the session is open.
    Open,
    /// The session is closed.
    Closed,
    /// The last message did not go out.
    Failed,
}

impl ChatState {
    const fn health(self) -> Health {
        match self {
            Self::Unanswered => Health::Warn,
            Self::Open => Health::Ok,
            Self::Closed => Health::Calm,
            Self::Failed => Health::Error,
        }
    }
}

/// The last message of a chat.
pub struct LastMessageView {
    /// Beginning of its text.
    pub text: String,
    /// Whether the client wrote it.
    pub is_from_client: bool,
    /// How far it has come, if the business wrote it.
    pub tick: Option<Tick>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// How far a message of the business has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tick {
    /// On its way to the messenger.
    Waiting,
    /// The messenger has it.
    Sent,
    /// The client's device has it.
    Delivered,
    /// The client has read it.
    Read,
    /// It did not reach the client.
    Failed,
}

impl Tick {
    /// As messengers show it, and its class.
    const fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Waiting => ("◷", "tick"),
            Self::Sent => ("✓", "tick"),
            Self::Delivered => ("✓✓", "tick"),
            Self::Read => ("✓✓", "tick read"),
            Self::Failed => ("✗", "tick failed"),
        }
    }
}

/// The first message.
pub enum WriteView {
    /// A form with the channels that can write first.
    Form {
        /// Those that do it by a text.
        channels: Vec<WriteChannelView>,
        /// Those that do it by an approved template alone.
        templates: Vec<TemplatesView>,
    },
    /// Why there is no form.
    Refused(Problem),
}

/// A channel that can write first.
pub struct WriteChannelView {
    /// Its id in our requests.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The messenger in the viewer's language.
    pub messenger: String,
}

/// A channel that writes first by an approved template alone.
pub struct TemplatesView {
    /// The channel.
    pub channel: WriteChannelView,
    /// Its templates, id and name; None while they cannot be asked for.
    pub templates: Option<Vec<(String, String)>>,
}

/// The whole page.
pub fn page(document: &Document<'_>, view: &CrmChatView) -> Markup {
    let texts = document.texts;
    let below = html! { ((texts.crm_chat.kind)(view.kind)) };
    let body = html! {
        (parts::head(&view.card, &below))
        div .columns {
            div { (chats(texts, view)) }
            div { (write(texts, view)) }
        }
    };
    document.wrap(&view.card, &body)
}

/// The part that changes: the list of chats.
pub fn parts(texts: &Texts, view: &CrmChatView) -> Markup {
    chats(texts, view)
}

fn chats(texts: &Texts, view: &CrmChatView) -> Markup {
    let words = &texts.crm_chat;
    html! {
        section .panel data-part="chats" data-poll="/frame/crm/list" data-poll-ms="10000" {
            h2 { (words.chats) }
            @if view.chats.is_empty() {
                p .empty { (words.chats_none) }
                p .muted { (words.chats_how) }
            }
            @for chat in &view.chats { (chat_row(texts, chat)) }
            (parts::error_place())
        }
    }
}

fn chat_row(texts: &Texts, chat: &ChatView) -> Markup {
    let words = &texts.crm_chat;
    html! {
        article .row.chat {
            (parts::icon(&chat.icon))
            div .grow {
                p .line {
                    strong { (chat.contact) }
                    (parts::badge(chat.state.health(), (words.chat_state)(chat.state)))
                }
                @if let Some(last) = &chat.last {
                    p .clip {
                        @if let Some(tick) = last.tick { (ticked((words.tick)(tick), tick)) }
                        @if !last.is_from_client { span .muted { (words.you) ": " } }
                        (last.text)
                    }
                }
                p .muted.small {
                    (chat.channel)
                    @if let Some(last) = &chat.last { " · " (moment::date_time(last.at_ms)) }
                }
            }
            button type="button" id={ "open-" (chat.id) } data-action="/frame/crm/open"
                data-body=(json!({ "chat": chat.id }).to_string()) data-needs-portal disabled { (words.open) }
        }
    }
}

/// A sign for those who see it, its meaning for those who hear or point at it.
fn ticked(meaning: &str, tick: Tick) -> Markup {
    let (sign, class) = tick.sign();
    html! { span class=(class) role="img" aria-label=(meaning) title=(meaning) { (sign) } " " }
}

fn write(texts: &Texts, view: &CrmChatView) -> Markup {
    let words = &texts.crm_chat;
    html! {
        section .panel {
            h2 { (words.write) }
            @match &view.write {
                WriteView::Refused(problem) => (parts::note(Health::Warn, &texts.problems.of(*problem))),
                WriteView::Form { channels, templates } => {
                    @if !channels.is_empty() { (write_form(texts, view, channels)) }
                    @if !templates.is_empty() { (template_form(texts, view, templates, channels.is_empty())) }
                }
            }
        }
    }
}

fn write_form(texts: &Texts, view: &CrmChatView, channels: &[WriteChannelView]) -> Markup {
    let words = &texts.crm_chat;
    html! {
        form data-action="/frame/crm/write" autocomplete="off" {
            div .field {
                label for="write-channel" { (words.channel) }
                select id="write-channel" name="channel" required {
                    @for channel in channels { option value=(channel.id) { (channel.messenger) " · " (channel.title) } }
                }
            }
            (address_field("write-address", words.address_hint, texts, &view.addresses.iter().collect::<Vec<_>>()))
            div .field {
                label for="write-text" { (words.text) }
                textarea id="write-text" name="text" rows="5" required maxlength="4000" {}
            }
            (parts::error_place())
            div .actions { button .primary type="submit" { (words.send) } }
        }
    }
}

fn template_form(texts: &Texts, view: &CrmChatView, channels: &[TemplatesView], is_open: bool) -> Markup {
    let words = &texts.crm_chat;
    let phones: Vec<_> = view.addresses.iter().filter(|address| address.text.starts_with('+')).collect();
    let is_silent = channels.iter().any(|channel| channel.templates.is_none());
    let known = || channels.iter().filter_map(|it| Some((&it.channel, it.templates.as_ref()?)));
    let is_empty = known().all(|(_, templates)| templates.is_empty());
    html! {
        details .add open[is_open] {
            summary { (words.by_template) }
            div .within {
                p .muted { (words.template_about) }
                @if is_silent { (parts::note(Health::Warn, &texts.problems.of(Problem::CoreSilent))) }
                @if is_empty {
                    @if !is_silent { p .empty { (words.templates_none) } }
                } @else {
                    form data-action="/frame/crm/write" autocomplete="off" {
                        div .field {
                            label for="write-template" { (words.template) }
                            select id="write-template" name="template" required {
                                @for (channel, templates) in known() {
                                    optgroup label={ (channel.messenger) " · " (channel.title) } {
                                        @for (id, name) in templates {
                                            option value={ (channel.id) "/" (id) } { (name) }
                                        }
                                    }
                                }
                            }
                        }
                        (address_field("template-address", words.template_address_hint, texts, &phones))
                        div .field {
                            label for="write-values" { (words.values) }
                            textarea id="write-values" name="values" rows="3" maxlength="4000"
                                aria-describedby="write-values-hint" {}
                            p .hint id="write-values-hint" { (words.values_hint) }
                        }
                        (parts::error_place())
                        div .actions { button .primary type="submit" { (words.send) } }
                    }
                }
            }
        }
    }
}

fn address_field(id: &str, hint: &str, texts: &Texts, addresses: &[&CardAddressView]) -> Markup {
    let first = addresses.first().map(|address| address.text.as_str());
    let hint_id = format!("{id}-hint");
    html! {
        div .field {
            label for=(id) { (texts.crm_chat.address) }
            input id=(id) name="address" type="text" required maxlength="300" value=[first] autocomplete="off"
                spellcheck="false" autocapitalize="none" aria-describedby=(hint_id);
            p .hint id=(hint_id) { (hint) }
            @if addresses.len() > 1 { (address_buttons(id, addresses)) }
        }
    }
}

fn address_buttons(field: &str, addresses: &[&CardAddressView]) -> Markup {
    html! {
        div .chips {
            @for address in addresses {
                button .chip type="button" data-fill=(field) data-value=(address.text) {
                    (address.text)
                    @if let Some(owner) = &address.owner { span .muted { " " (owner) } }
                }
            }
        }
    }
}
