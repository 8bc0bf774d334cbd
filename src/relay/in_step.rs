//! A chat in step with its CRM cards, as its connection's settings say: who is responsible, and what it is called. Whatever began
//! it, the portal's present state is read first, and what is so already is left alone: a change of ours that comes back as an
//! event changes nothing. A chat and its cards change hands once a minute at most.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ExpandError, accounts, card, db_failure,
    grant::{self, Refused},
    payload,
};
use crate::{
    app::App,
    b24::methods::{
        connector::ChatNameSet,
        crm::{Item, ItemGet, ItemUpdate},
        open_lines::{CrmChatGet, DialogGet, OperatorTransfer},
    },
    clock::Millis,
    db::{Binding, ChatView, DbError, Delivery, DeliveryKind, Expansion, InboxItem, Lane, NewDelivery, Settled},
    domain::{
        failure::{Failure, Retry},
        ids::{ChannelId, ChatId, ExternalChatId, InstallationId, PortalId},
    },
};

/// Between two changes of who is responsible.
const PAUSE: Duration = Duration::from_mins(1);

const CONTACT: i64 = 3;

/// Bitrix24's numbers of the kinds of cards, with their names in its methods.
const KINDS: [(i64, &str); 4] = [(1, "lead"), (2, "deal"), (CONTACT, "contact"), (4, "company")];

#[derive(Serialize, Deserialize)]
struct Card {
    installation: InstallationId,
    entity_type_id: i64,
    id: i64,
}

#[derive(Serialize, Deserialize)]
struct Chat {
    chat: ChatId,
}

/// Whether a change of such a card means anything for a connection.
fn follows(binding: &Binding, entity_type_id: i64) -> bool {
    binding.settings.follow.has(entity_type_id) || (binding.settings.chat_names && entity_type_id == CONTACT)
}

/// Which kinds of cards the portal has to tell of.
pub(super) fn followed(bindings: &[Binding], installation: InstallationId) -> Vec<i64> {
    let own = || bindings.iter().filter(|binding| binding.installation == installation);
    KINDS.into_iter().map(|(kind, _)| kind).filter(|kind| own().any(|binding| follows(binding, *kind))).collect()
}

/// A card has changed. What waits to look at it already will see that, too.
pub(super) async fn card_changed(
    app: &App,
    item: &InboxItem,
    card: (InstallationId, i64, i64),
) -> Result<Expansion, ExpandError> {
    let (installation, entity_type_id, id) = card;
    let bindings = app.db.binding_list(&item.portal).await?;
    let lane = Lane::CardInStep(entity_type_id, id);
    if !followed(&bindings, installation).contains(&entity_type_id)
        || app.db.delivery_is_ahead(&item.portal, lane.clone()).await?
    {
        return Ok(Expansion::default());
    }
    let look = NewDelivery::new(lane, DeliveryKind::CardInStep, app.clock.now());
    let deliveries = vec![look.payload(&Card { installation, entity_type_id, id })];
    Ok(Expansion { relevant: true, deliveries, ..Expansion::default() })
}

/// Looks at the cards of a chat.
pub(super) fn look(chat: ChatId, now: Millis) -> NewDelivery {
    NewDelivery::new(Lane::ChatInStep(chat), DeliveryKind::ChatInStep, now).payload(&Chat { chat })
}

/// An operator writes: whether the chat has not been his so far.
pub(super) async fn taken_over(
    app: &App,
    portal: &PortalId,
    (channel, peer): (&ChannelId, &str),
    author: i64,
) -> Result<Option<NewDelivery>, DbError> {
    let bindings = app.db.binding_list(portal).await?;
    if !bindings.iter().any(|binding| binding.channel == *channel && binding.settings.assign.any()) {
        return Ok(None);
    }
    let Some(view) = app.db.chat_of_peer(portal, channel, peer).await? else { return Ok(None) };
    let known = app.db.chat_operator_get(portal, view.chat.id()).await?;
    Ok(known.is_none_or(|(user, _)| user != author).then(|| look(view.chat.id(), app.clock.now())))
}

/// What the portal refuses for good is no reason to try again: nobody waits for it.
fn unless_refused<T>(called: Result<T, Refused>) -> Result<Option<T>, Failure> {
    match called {
        Ok(done) => Ok(Some(done)),
        Err(Refused::Portal(error)) if card::is_closed(&error) => {
            tracing::info!(%error, "a chat and a card could not be brought in step");
            Ok(None)
        }
        Err(refused) => Err(refused.into()),
    }
}

/// Waits out the minute after the last change.
async fn may_change(app: &App, portal: &PortalId, chat: ChatId) -> Result<(), Failure> {
    let known = app.db.chat_operator_get(portal, chat).await.map_err(db_failure)?;
    let now = app.clock.now();
    match known.map(|(_, at)| at.after(PAUSE)).filter(|free| *free > now) {
        Some(free) => Err(Failure::transient("it has just changed").retry(Retry::Closed(free.wait_from(now)))),
        None => Ok(()),
    }
}

/// The chats of a card that has changed.
pub(super) async fn card_in_step(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let Card { installation, entity_type_id, id } = payload(delivery)?;
    let owner = (&delivery.portal, installation);
    let Some((_, name)) = KINDS.into_iter().find(|(kind, _)| *kind == entity_type_id) else {
        return Ok(Settled::done());
    };
    let found = unless_refused(grant::call_of(app, owner, &ItemGet { entity_type_id, id }).await)?;
    let Some(item) = found.and_then(|answer| answer.item) else { return Ok(Settled::done()) };
    let chats = CrmChatGet { crm_entity_type: name, crm_entity: id, active_only: false };
    let chats = unless_refused(grant::call_of(app, owner, &chats).await)?.map(|chats| chats.0).unwrap_or_default();
    let numbers = chats.into_iter().filter_map(|chat| chat.chat_id).collect();
    let mut settled = Settled::done();
    for view in app.db.chat_of_portal(&delivery.portal, numbers).await.map_err(db_failure)? {
        let binding = app.db.binding_of_chat(&delivery.portal, &view.chat).await.map_err(db_failure)?;
        let Some(binding) = binding.filter(|binding| binding.installation == installation) else { continue };
        if binding.settings.chat_names && entity_type_id == CONTACT {
            rename(app, &binding, &view, &item).await?;
        }
        if let Some(user) = item.assigned_by_id.filter(|_| binding.settings.follow.has(entity_type_id)) {
            let is_moved = hand_over(app, &binding, &view, user).await?;
            // Its other cards may have to follow.
            let others = is_moved && binding.settings.assign.any();
            settled.follow.extend(others.then(|| look(view.chat.id(), app.clock.now())));
        }
    }
    Ok(settled)
}

/// Gives a chat to a portal user; false when it is his already, or cannot be.
async fn hand_over(app: &App, binding: &Binding, view: &ChatView, user: i64) -> Result<bool, Failure> {
    let Some(number) = view.chat.b24_chat else { return Ok(false) };
    let owner = (&binding.portal, binding.installation);
    let dialog = unless_refused(grant::call_of(app, owner, &DialogGet::ChatId(number)).await)?;
    let Some(dialog) = dialog.and_then(|dialog| dialog.0).filter(|dialog| dialog.owner != Some(user)) else {
        return Ok(false);
    };
    may_change(app, &binding.portal, view.chat.id()).await?;
    let transfer = OperatorTransfer { chat_id: number, user_id: user };
    let is_moved = unless_refused(grant::call_of(app, owner, &transfer).await)?.is_some();
    if is_moved {
        tracing::info!(chat = %view.chat.id(), from = dialog.owner, to = user, "a chat went to its card's responsible person");
        let now = app.clock.now();
        app.db.chat_operator_put(&binding.portal, view.chat.id(), user, now).await.map_err(db_failure)?;
    }
    Ok(is_moved)
}

/// The cards of a chat that another operator has taken over, or that is new.
pub(super) async fn chat_in_step(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let Chat { chat } = payload(delivery)?;
    let portal = &delivery.portal;
    let Some(view) = app.db.chat_get(portal, chat).await.map_err(db_failure)? else { return Ok(Settled::done()) };
    let binding = app.db.binding_of_chat(portal, &view.chat).await.map_err(db_failure)?;
    let (Some(binding), Some(number)) = (binding, view.chat.b24_chat) else { return Ok(Settled::done()) };
    let owner = (portal, binding.installation);
    let dialog = unless_refused(grant::call_of(app, owner, &DialogGet::ChatId(number)).await)?;
    let Some(dialog) = dialog.and_then(|dialog| dialog.0) else { return Ok(Settled::done()) };
    let mut is_changed = false;
    for (kind, id) in dialog.cards() {
        let named = KINDS.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(kind));
        let Some((entity_type_id, _)) = named else { continue };
        let is_named_after = binding.settings.chat_names && entity_type_id == CONTACT;
        let operator = dialog.owner.filter(|_| binding.settings.assign.has(entity_type_id));
        if !is_named_after && operator.is_none() {
            continue;
        }
        let found = unless_refused(grant::call_of(app, owner, &ItemGet { entity_type_id, id }).await)?;
        let Some(item) = found.and_then(|answer| answer.item) else { continue };
        if is_named_after {
            rename(app, &binding, &view, &item).await?;
        }
        if let Some(operator) = operator.filter(|operator| item.assigned_by_id != Some(*operator))
            && !line_does_it(app, &binding).await?
        {
            if !is_changed {
                may_change(app, portal, chat).await?;
            }
            let update = ItemUpdate::responsible(entity_type_id, id, operator);
            is_changed |= unless_refused(grant::call_of(app, owner, &update).await)?.is_some();
        }
    }
    if let Some(operator) = dialog.owner {
        let before = app.db.chat_operator_get(portal, chat).await.map_err(db_failure)?;
        let at = if is_changed { app.clock.now() } else { before.map_or(Millis(0), |(_, at)| at) };
        app.db.chat_operator_put(portal, chat, operator, at).await.map_err(db_failure)?;
    }
    Ok(Settled::done())
}

/// Whether the line's own settings make an operator responsible.
async fn line_does_it(app: &App, binding: &Binding) -> Result<bool, Failure> {
    let line = accounts::line_of(app, (&binding.portal, binding.installation), binding.line).await?;
    Ok(line.is_some_and(|line| line.crm_transfer_change))
}

async fn rename(app: &App, binding: &Binding, view: &ChatView, contact: &Item) -> Result<(), Failure> {
    let name = format!("{} {}", contact.name, contact.last_name);
    let Some(external) = ExternalChatId::new(binding.channel.clone(), &view.chat.peer) else { return Ok(()) };
    // A group has a title of its own.
    if name.trim().is_empty() || view.chat.is_group {
        return Ok(());
    }
    let method = ChatNameSet {
        connector: binding.connector.id(),
        line: binding.line,
        chat_id: &external.to_string(),
        name: name.trim(),
        user_id: Some(view.contact.as_ref().map_or(&view.chat.peer, |contact| &contact.person)),
    };
    unless_refused(grant::call_of(app, (&binding.portal, binding.installation), &method).await)?;
    Ok(())
}
