//! The ChatApp tab of a CRM card: whose addresses it holds, which chats there are with them, and writing first.
//!
//! When the tab opens, the card is read with the *user's own* token: what he may not see in the CRM he does not see here.

use url::Url;

use super::{
    ExpandError,
    address::{self, By, Job, To},
    grant::{self, Refused},
    offered,
    proof::{self, User},
    shown,
};
use crate::{
    app::App,
    b24::{
        CallError, Code, Method, bbcode,
        client::Access,
        methods::{
            crm::{Item, ItemGet, ItemList},
            open_lines::CrmChatGet,
        },
    },
    db::{
        Binding, Channel, ChannelState, ChatView, DbError, Delivery, Direction, Expansion, InboxItem, Installation,
        MessageProgress, NewInbox, Part, Source, serving,
    },
    domain::{
        address::{Address, Field, parse_field},
        capabilities::Markup,
        connector::Connector,
        ids::{ChatId, ExternalChatId, PortalId},
    },
    messaging::TemplateMessage,
    secret::{Secret, fingerprint},
};

/// Bitrix24's type ids of the cards whose people are looked up.
const CONTACT: i64 = 3;
const COMPANY: i64 = 4;
/// A deal may have many people; the tab shows the first ones.
const MAX_PEOPLE: usize = 50;

/// A form that was sent a moment ago is among so many of its address.
const MAX_FORMS: i64 = 20;

/// Why the tab cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The portal does not show the card to this user, or there is no such card.
    #[error("the card is closed to this user")]
    Closed,
    #[error("the portal refused: {0}")]
    Portal(#[from] CallError),
    #[error(transparent)]
    Granted(#[from] Refused),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// With whose right a card is read.
#[derive(Clone, Copy)]
pub enum Right<'a> {
    /// The user's own: what he may not see in the CRM he does not see here.
    User(&'a Secret),
    /// The installation's, for a session that was proved with the user's own right a moment ago.
    Session,
}

/// A card by Bitrix24's type id and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    pub entity_type_id: i64,
    pub id: i64,
}

/// What the card holds, read with the user's right.
#[derive(Clone, Debug)]
pub struct CardContents {
    pub title: String,
    /// Each with the name of its person, where the card has several.
    pub addresses: Vec<(Address, Option<String>)>,
}

/// A chat of the tab.
pub struct CardChat {
    pub view: ChatView,
    pub connector: Connector,
    pub channel: String,
    /// The newest message: its text, whether the client wrote it, its progress and time.
    pub last: Option<LastMessage>,
}

pub struct LastMessage {
    /// BB-code, without the signature that a line puts before operators' texts.
    pub text: String,
    pub from_client: bool,
    /// How far it has come; None for what the client wrote.
    pub progress: Option<MessageProgress>,
    pub at_ms: i64,
}

/// Reads the card and its people.
pub async fn read(
    app: &App,
    installation: &Installation,
    right: Right<'_>,
    card: Card,
) -> Result<CardContents, CardError> {
    let portal = app.db.portal_get(&installation.portal).await?.ok_or(CardError::Closed)?;
    let reader = Reader { app, installation, endpoint: proof::endpoint_of(&portal)?, right };
    let item = reader.call(&ItemGet { entity_type_id: card.entity_type_id, id: card.id }).await?;
    let item = item.item.ok_or(CardError::Closed)?;
    let mut contents = CardContents { title: title(&item), addresses: Vec::new() };
    add(&mut contents, &item, None);
    let mut contacts = item.contacts();
    contacts.truncate(MAX_PEOPLE);
    for (entity_type_id, ids) in [(CONTACT, contacts), (COMPANY, item.company_id.into_iter().collect::<Vec<_>>())] {
        if ids.is_empty() {
            continue;
        }
        // People whom the user may not see are simply not listed.
        let Ok(people) = reader.call(&ItemList { entity_type_id, ids: &ids }).await else { continue };
        for person in people.items {
            let name = Some(title(&person)).filter(|name| !name.is_empty());
            add(&mut contents, &person, name.as_deref());
        }
    }
    Ok(contents)
}

struct Reader<'a> {
    app: &'a App,
    installation: &'a Installation,
    endpoint: Url,
    right: Right<'a>,
}

impl Reader<'_> {
    async fn call<M: Method>(&self, method: &M) -> Result<M::Output, CardError> {
        let called = match self.right {
            Right::Session => grant::call(self.app, self.installation, method).await,
            Right::User(token) => {
                let access = Access { endpoint: self.endpoint.clone(), token: token.clone() };
                self.app.b24.call(&access, method).await.map(|answer| answer.result).map_err(Refused::Portal)
            }
        };
        called.map_err(|refused| match refused {
            Refused::Portal(error) if is_closed(&error) => CardError::Closed,
            Refused::Portal(error) => CardError::Portal(error),
            other => CardError::Granted(other),
        })
    }
}

/// The portal refuses this card, and not the application.
pub(super) fn is_closed(error: &CallError) -> bool {
    matches!(error.http, 400 | 403 | 404) && !error.is_right_lost() && error.code != Code::InsufficientScope
}

fn title(item: &Item) -> String {
    let person = format!("{} {}", item.name, item.last_name).trim().to_owned();
    if item.title.is_empty() { person } else { item.title.clone() }
}

fn add(contents: &mut CardContents, item: &Item, owner: Option<&str>) {
    for value in &item.fm {
        let field = if value.type_id.eq_ignore_ascii_case("IM") { Field::ChatIds } else { Field::Phones };
        for address in parse_field(&value.value, field).usable {
            if !contents.addresses.iter().any(|(known, _)| *known == address) {
                contents.addresses.push((address, owner.map(str::to_owned)));
            }
        }
    }
}

/// The chats with the card's people: by their addresses, and those that the portal itself has tied to the card.
pub async fn chats(
    app: &App,
    installation: &Installation,
    card: Card,
    addresses: &[(Address, Option<String>)],
) -> Result<Vec<CardChat>, DbError> {
    let portal = &installation.portal;
    let (mut phones, mut usernames, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for (address, _owner) in addresses {
        match address {
            Address::Phone(phone) => phones.push(phone.e164()),
            Address::Username(name) => usernames.push(name.clone()),
            Address::Email(email) => peers.push(email.clone()),
            Address::ChatId(chat) => peers.push(ExternalChatId::peer_of(chat.external_chat_id.clone())),
        }
    }
    let mut found = app.db.chat_search(portal, phones, usernames, peers).await?;
    for view in app.db.chat_of_portal(portal, tied(app, installation, card).await).await? {
        if !found.iter().any(|known| known.chat.id() == view.chat.id()) {
            found.push(view);
        }
    }
    found.sort_by_key(|view| std::cmp::Reverse(view.chat.last_message_at()));
    let channels = app.db.channel_list(portal).await?;
    let bindings = app.db.binding_list(portal).await?;
    let mut chats = Vec::with_capacity(found.len());
    for view in found {
        let Some(channel) = channels.iter().find(|channel| channel.id == view.chat.channel()) else { continue };
        let markup = app.core(channel.core).capabilities(channel.connector).markup;
        let binding = serving(&bindings, &channel.id, view.chat.is_group);
        let is_signed = binding.is_some_and(Binding::shows_name);
        let last = last_message(app, portal, (view.chat.id(), markup, is_signed)).await?;
        chats.push(CardChat { view, connector: channel.connector, channel: channel.title.clone(), last });
    }
    Ok(chats)
}

/// The portal's numbers of the chats that it has tied to the card; none when it cannot be asked now.
async fn tied(app: &App, installation: &Installation, card: Card) -> Vec<i64> {
    let crm_entity_type = match card.entity_type_id {
        1 => "lead",
        2 => "deal",
        CONTACT => "contact",
        COMPANY => "company",
        _other => return Vec::new(),
    };
    let method = CrmChatGet { crm_entity_type, crm_entity: card.id, active_only: false };
    match grant::call(app, installation, &method).await {
        Ok(chats) => chats.0.into_iter().filter_map(|chat| chat.chat_id).collect(),
        Err(Refused::Portal(_)) => Vec::new(),
        Err(refused) => {
            tracing::info!(portal = %installation.portal, %refused, "the chats of a card could not be asked for");
            Vec::new()
        }
    }
}

async fn last_message(
    app: &App,
    portal: &PortalId,
    (chat, markup, is_signed): (ChatId, Markup, bool),
) -> Result<Option<LastMessage>, DbError> {
    let last = app.db.message_list(portal, chat, 1).await?.into_iter().next();
    Ok(last.map(|(message, parts): (_, Vec<Part>)| LastMessage {
        text: match parts.iter().map(|part| part.text.as_str()).find(|text| !text.is_empty()) {
            None => "📎".to_owned(),
            Some(text) => shown::words(text, message.origin, (markup, is_signed)),
        },
        from_client: message.direction == Direction::In,
        progress: (message.direction == Direction::Out).then_some(message.progress),
        at_ms: message.sent_at.0,
    }))
}

/// The channels through which somebody can be written to first, with their bindings.
pub async fn writers(app: &App, portal: &PortalId) -> Result<Vec<(Channel, Binding)>, DbError> {
    let bindings = app.db.binding_list(portal).await?;
    let channels = app.db.channel_list(portal).await?;
    Ok(channels
        .into_iter()
        .filter(|channel| channel.state == ChannelState::Alive)
        .filter_map(|channel| {
            // Where groups alone are shown, the answer would be lost.
            let binding = serving(&bindings, &channel.id, false)?.clone();
            Some((channel, binding))
        })
        .collect())
}

/// What a person wants to be sent.
pub struct Wanted<'a> {
    /// The page's own key of this filled form.
    pub once: &'a str,
    pub channel: &'a str,
    pub address: &'a str,
    pub text: &'a str,
    /// The id of an approved template, which goes instead of the text with the text's lines as its values.
    pub template: Option<&'a str>,
}

/// An accepted wish becomes a delivery.
pub async fn expand(app: &App, item: &InboxItem) -> Result<Expansion, ExpandError> {
    let job: Job = serde_json::from_str(&item.body)
        .map_err(|error| ExpandError::Malformed(format!("{:?} at column {}", error.classify(), error.column())))?;
    let delivery = address::delivery(app, &item.portal, &job).await?.urgent();
    Ok(Expansion { relevant: true, deliveries: vec![delivery], ..Expansion::default() })
}

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the address is none")]
    AddressWrong,
    #[error("the channel is gone")]
    ChannelGone,
    #[error("the channel cannot write first to this kind of address")]
    CannotWriteFirst,
    #[error("there is no text")]
    NoText,
    #[error("the template is gone, or its core does not answer")]
    NoTemplates,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Asks for a text to be sent to an address. The same `once` asks for the same thing: nothing is sent twice. The page asks for
/// its fate with [`written`].
pub async fn write(
    app: &App,
    installation: &Installation,
    user: &User,
    wanted: &Wanted<'_>,
) -> Result<Job, WriteError> {
    let portal = &installation.portal;
    let (channel, _binding) = writers(app, portal)
        .await?
        .into_iter()
        .find(|(candidate, _)| candidate.id.0 == wanted.channel)
        .ok_or(WriteError::ChannelGone)?;
    if wanted.text.trim().is_empty() && wanted.template.is_none() {
        return Err(WriteError::NoText);
    }
    let to =
        match parse_field(wanted.address, Field::Phones).usable.into_iter().next().ok_or(WriteError::AddressWrong)? {
            Address::Phone(phone) => To::Phone(phone.e164()),
            Address::Username(name) => To::Username(name),
            Address::Email(email) => To::Email(email),
            Address::ChatId(chat) => To::Peer(ExternalChatId::peer_of(chat.external_chat_id)),
        };
    if !to.allowed(app.core(channel.core).capabilities(channel.connector).write_first) {
        return Err(WriteError::CannotWriteFirst);
    }
    let form = format!("{}:{}", user.id, fingerprint(wanted.once));
    let by = By::Card { user: user.id, name: user.name.clone(), form: form.clone() };
    let (text, template) = match wanted.template {
        Some(id) => filled(app, &channel, (id, wanted.text)).await?,
        None => (wanted.text.to_owned(), None),
    };
    let job = Job { channel: channel.id, to, text, template, by };
    let item = NewInbox {
        source: Source::Card(installation.id),
        key: form,
        body: serde_json::to_string(&job).map_err(|error| DbError::Corrupt(error.to_string()))?,
    };
    app.db.inbox_accept(portal, vec![item], app.clock.now()).await?;
    app.bell.ring();
    Ok(job)
}

/// A template with its values, and what operators read of it.
async fn filled(
    app: &App,
    channel: &Channel,
    (id, values): (&str, &str),
) -> Result<(String, Option<TemplateMessage>), WriteError> {
    let offered = offered::templates(app, channel).await.ok_or(WriteError::NoTemplates)?;
    let template = offered.iter().find(|template| template.id == id).ok_or(WriteError::NoTemplates)?;
    let params: Vec<String> = values.lines().map(|line| line.trim().to_owned()).filter(|it| !it.is_empty()).collect();
    let lines = std::iter::once(format!("📄 {}", template.name)).chain(params.iter().cloned());
    let text = bbcode::from_plain(&lines.collect::<Vec<_>>().join("\n"));
    Ok((text, Some(TemplateMessage { id: template.id.clone(), params })))
}

/// The delivery of this very form; None while it is not expanded. Others may have written to the same address meanwhile.
pub async fn written(app: &App, portal: &PortalId, job: &Job) -> Result<Option<Delivery>, DbError> {
    let newest = app.db.delivery_newest_in(portal, address::lane(job), MAX_FORMS).await?;
    Ok(newest.into_iter().find(|delivery| address::job(delivery).is_ok_and(|known| is_same_form(&known.by, &job.by))))
}

fn is_same_form(one: &By, other: &By) -> bool {
    matches!((one, other), (By::Card { form: one, .. }, By::Card { form: other, .. }) if one == other)
}
