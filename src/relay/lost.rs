//! Lost events. Bitrix24 sends an event once, so what was sent while nobody listened is lost. It still stands in the portal's history:
//! chats are compared with it, and what an operator wrote and nobody brought is accepted under the very key that the event
//! would have had. Whichever of the two comes first, there is one message.
//!
//! A chat is looked at
//! * after a start, and after a node has died: events come to any of them, whosever the portal is ([`everywhere`]);
//! * an hour after somebody wrote in it (`db::messages`), because a portal that has gone silent says nothing of it;
//! * a minute after a receipt of an operator's message that has not come itself ([`missed`]).
//!
//! The portal tells the history of a chat's last session only.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{db_failure, grant, payload};
use crate::{
    app::App,
    b24::{
        incoming::{LineItem, LineItems, OperatorFile, OperatorMessage},
        methods::{
            messages::ImRef,
            open_lines::{ConfigGet, History, HistoryMessage, SessionHistoryGet},
        },
    },
    clock::Millis,
    db::{
        Binding, BindingState, ChatView, DbResult, Delivery, DeliveryKind, Gap, Lane, Missed, NewDelivery, NewInbox,
        Settled, Source,
    },
    domain::{
        failure::Failure,
        ids::{ChatId, ExternalChatId, PortalId},
    },
    queue::retry::STALE,
};

/// How often it is asked which chats are due.
pub const ASK: Duration = Duration::from_secs(5);
/// Looks begun at once; each is a call to its portal.
const AT_ONCE: i64 = 256;

/// After a gap the chats are looked at in which somebody wrote so long before it or later: operators answer those.
const ACTIVE: Duration = Duration::from_hours(24);
/// Of one portal, those that were active last.
const MAX_CHATS: i64 = 200;
/// What waited during the gap goes first.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// Between two chats of a portal, which allows two calls a second for everything.
const STEP: Duration = Duration::from_secs(1);
/// Portals read at once.
const PAGE: i64 = 256;

/// An event comes within seconds of its receipt, or not at all.
const MISSED_AFTER: Duration = Duration::from_mins(1);

/// What a look's delivery carries.
#[derive(Serialize, Deserialize)]
struct Look {
    chat: i64,
    /// Only if this message has not come.
    #[serde(default)]
    message: Option<i64>,
}

/// Has every portal's active chats looked at: events may have been lost since `since`. Nobody waits for it.
pub async fn everywhere(app: &App, since: Millis) {
    let noted = async {
        let mut last = None;
        loop {
            let portals = app.db.look_portals(last, PAGE).await?;
            for portal in &portals {
                after_gap(app, portal, since).await?;
            }
            last = portals.into_iter().next_back();
            if last.is_none() {
                return DbResult::Ok(());
            }
        }
    };
    if let Err(error) = noted.await {
        tracing::error!(%error, "it could not be noted which chats to compare with their portals");
    }
}

/// The same of one portal. Returns how many chats there are.
pub async fn after_gap(app: &App, portal: &PortalId, since: Millis) -> DbResult<usize> {
    let from = app.clock.now().after(FIRST_AFTER);
    let gap = Gap { active_since: since.before(ACTIVE), from, step: STEP, limit: MAX_CHATS };
    app.db.look_after_gap(portal, gap).await
}

/// Begins the looks that are due.
pub async fn begin_due(app: &App) {
    if let Err(error) = app.db.look_begin_due(AT_ONCE, app.clock.now()).await {
        tracing::error!(%error, "chats could not be compared with their portals");
    }
}

/// The look that follows from a receipt of an operator's message, unless the message itself has come.
pub fn missed(app: &App, view: &ChatView, receipt: &LineItem) -> Option<Missed> {
    let by_operator = !receipt.system && receipt.author_id > 0 && Some(receipt.author_id) != receipt.dialog.user_id;
    let (chat, message) = (view.chat.id(), receipt.message_id);
    // Of a group's chat the portal does not say whose it is.
    let stranger = Some(receipt.author_id).filter(|_| view.chat.is_group);
    let look = Look { chat: chat.0, message: Some(message) };
    let at = app.clock.now().after(MISSED_AFTER);
    let look = NewDelivery::new(Lane::Look(chat), DeliveryKind::Look, at).payload(&look);
    by_operator.then_some(Missed { chat, message, stranger, look })
}

/// Compares one chat.
pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let portal = &delivery.portal;
    let look: Look = payload(delivery)?;
    let chat = ChatId(look.chat);
    if let Some(id) = look.message
        && !app.db.look_known(portal, chat, vec![id]).await.map_err(db_failure)?.is_empty()
    {
        return Ok(Settled::done());
    }
    let Some(place) = place(app, portal, chat).await.map_err(db_failure)? else { return Ok(Settled::done()) };
    let owner = (portal, place.binding.installation);
    let history = match grant::call_of(app, owner, &SessionHistoryGet::Chat(place.number)).await {
        Ok(history) => history.0.unwrap_or_default(),
        Err(refused) if refused.portal().is_some_and(super::card::is_closed) => {
            tracing::info!(%portal, delivery = %delivery.id, "the history of a chat is closed to the application");
            return Ok(Settled::done());
        }
        Err(refused) => return Err(refused.to_failure()),
    };
    let found = place.lost(&history, app.clock.now());
    let known =
        app.db.look_known(portal, chat, found.iter().filter_map(|it| it.id).collect()).await.map_err(db_failure)?;
    let found: Vec<_> = found.into_iter().filter(|it| it.id.is_some_and(|id| !known.contains(&id))).collect();
    if !found.is_empty() {
        accept(app, &place, &history, &found).await?;
    }
    Ok(Settled::done())
}

/// A chat that operators can write into.
struct Place {
    binding: Binding,
    external: String,
    /// The portal's own.
    number: i64,
}

async fn place(app: &App, portal: &PortalId, chat: ChatId) -> DbResult<Option<Place>> {
    let Some(view) = app.db.chat_get(portal, chat).await? else { return Ok(None) };
    let binding = app.db.binding_of_chat(portal, &view.chat).await?;
    let binding = binding.filter(|binding| binding.state == BindingState::Active);
    let external = ExternalChatId::new(view.chat.channel(), &view.chat.peer).map(|id| id.to_string());
    let (Some(binding), Some(external), Some(number)) = (binding, external, view.chat.b24_chat) else {
        return Ok(None);
    };
    Ok(Some(Place { binding, external, number }))
}

impl Place {
    /// What operators wrote to the client here and what bears no id of a messenger, the oldest first.
    fn lost<'h>(&self, history: &'h History, now: Millis) -> Vec<&'h HistoryMessage> {
        let code = format!("{}|{}|{}|", self.binding.connector.id(), self.binding.line, self.external);
        let is_here = |chat: &str| chat.is_empty() || chat.starts_with(&code);
        if !history.chat.values().all(|chat| is_here(&chat.entity_id)) {
            return Vec::new();
        }
        // Nothing is sent to a client a day late, and nothing that was written before the channel was connected.
        let since = now.before(STALE).max(self.binding.created_at).seconds();
        let mut found: Vec<_> = history
            .message
            .iter()
            .filter(|message| to_client(message, history))
            .filter(|message| Millis::from_iso(&message.date).is_some_and(|at| at.seconds() >= since))
            .collect();
        found.sort_by_key(|message| message.id);
        found
    }
}

/// Whether an operator wrote it to the client, and nobody has told the portal that the messenger has it.
fn to_client(message: &HistoryMessage, history: &History) -> bool {
    let author = message.senderid.filter(|id| *id > 0).and_then(|id| history.users.get(&id.to_string()));
    let params = message.params.clone().unwrap_or_default();
    let is_empty = message.text.is_empty() && params.file_id.is_empty();
    author.is_some_and(|author| !author.connector && !author.bot)
        && params.connector_mid.is_empty()
        && params.class.iter().all(String::is_empty)
        && !params.is_deleted.iter().any(|told| told == "Y")
        && !is_empty
}

/// Puts what was found into the inbox, as its events would have.
async fn accept(app: &App, place: &Place, history: &History, found: &[&HistoryMessage]) -> Result<(), Failure> {
    let binding = &place.binding;
    let mut names: Vec<Option<String>> = Vec::new();
    if binding.signature {
        let ask = ConfigGet { config_id: binding.line, with_queue: true, show_offline: true };
        let line = grant::call_of(app, (&binding.portal, binding.installation), &ask).await?.0.unwrap_or_default();
        names = found
            .iter()
            .map(|message| {
                let author = message.senderid.unwrap_or(0);
                let profile = history.users.get(&author.to_string()).map_or("", |user| user.name.as_str());
                line.signature(author, profile).map(|name| name.replace(['[', ']'], ""))
            })
            .collect();
    }
    let mut names = names.into_iter();
    let items = found.iter().map(|message| {
        let items = LineItems {
            connector: binding.connector.id().to_owned(),
            line: binding.line,
            messages: vec![place.operator_message(message, history, names.next().flatten())],
            skipped: 0,
        };
        NewInbox { source: Source::Portal(binding.installation), key: items.key(), body: items.to_form().to_string() }
    });
    let items: Vec<_> = items.collect();
    let count = items.len();
    app.db.inbox_accept(&binding.portal, items, app.clock.now()).await.map_err(db_failure)?;
    tracing::warn!(portal = %binding.portal, channel = %binding.channel, count, "operators' messages were found whose events were lost");
    app.bell.ring();
    Ok(())
}

impl Place {
    /// As the event would have told it, signature included.
    fn operator_message(
        &self,
        message: &HistoryMessage,
        history: &History,
        signature: Option<String>,
    ) -> OperatorMessage {
        let ids = message.params.iter().flat_map(|params| &params.file_id);
        let files = ids.filter_map(|id| history.files.get(id));
        OperatorMessage {
            im: ImRef { chat_id: self.number, message_id: message.id.unwrap_or(0) },
            chat_id: self.external.clone(),
            user_id: message.senderid.unwrap_or(0),
            text: match signature.filter(|name| !name.is_empty() && !message.text.is_empty()) {
                Some(name) => format!("[b]{name}:[/b] [br]{}", message.text),
                None => message.text.clone(),
            },
            files: files
                .map(|file| OperatorFile {
                    name: file.name.clone(),
                    kind: file.kind.clone(),
                    mime: String::new(),
                    link: Some(file.url_download.clone()).filter(|link| !link.is_empty()),
                    download_link: None,
                    size: file.size.and_then(|size| u64::try_from(size).ok()),
                })
                .collect(),
            ids: Vec::new(),
            sent_at: Millis::from_iso(&message.date).map(Millis::seconds),
        }
    }
}
