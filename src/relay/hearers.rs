//! Who else hears of a message, besides the two sides between which it goes: the customer's own system, the portal's service of text
//! messages, and the CRM cards of the chat. Called where an inbox item has been understood and where an attempt has ended; what follows is written with
//! either.

use super::{hooks, in_step};
use crate::{
    app::App,
    db::{
        Binding, DbError, Delivery, DeliveryKind, DeliveryState, Direction, Expansion, MessageOrigin, MessageProgress,
        NewDelivery, Settled,
    },
    domain::ids::{ChannelId, PortalId},
};

/// The connection of a chat, if its webhook is to hear of it.
async fn listening(app: &App, portal: &PortalId, chats: (&ChannelId, bool)) -> Result<Option<Binding>, DbError> {
    Ok(app.db.binding_of_chats(portal, chats).await?.filter(hooks::listens))
}

/// What came in.
pub(super) async fn of_expansion(app: &App, portal: &PortalId, expansion: &mut Expansion) -> Result<(), DbError> {
    let now = app.clock.now();
    for message in &expansion.messages {
        if let (MessageOrigin::Operator, Some(author)) = (message.origin, message.author) {
            let look = in_step::taken_over(app, portal, (&message.channel, &message.peer), author).await?;
            expansion.deliveries.extend(look);
        }
    }
    for message in &mut expansion.messages {
        let event = match (message.direction, message.origin) {
            (Direction::In, _) => hooks::Event::Received,
            (Direction::Out, MessageOrigin::Phone) => hooks::Event::Sent,
            // Told when the messenger has it.
            (Direction::Out, _) => continue,
        };
        let binding = listening(app, portal, (&message.channel, message.group.is_some())).await?;
        // An album is told of when it is whole.
        let due_at = message.delivery.as_ref().map_or(now, |delivery| delivery.due_at);
        message.hook = binding.map(|binding| NewDelivery { due_at, ..hooks::delivery(&binding, event, now) });
    }
    Ok(())
}

/// What an attempt has done. A database that cannot be read now costs a word to a hearer, never the attempt's own outcome.
pub(super) async fn of_attempt(app: &App, delivery: &Delivery, settled: &mut Settled) {
    if let Err(error) = tell(app, delivery, settled).await {
        tracing::error!(delivery = %delivery.id, %error, "nobody else could be told of an attempt");
    }
}

async fn tell(app: &App, delivery: &Delivery, settled: &mut Settled) -> Result<(), DbError> {
    let now = app.clock.now();
    for message in &mut settled.messages {
        let binding = listening(app, &delivery.portal, (&message.channel, message.group.is_some())).await?;
        message.hook = binding.map(|binding| hooks::delivery(&binding, hooks::Event::Sent, now));
    }
    if let (Some((chat, ..)), Some(carried)) = (settled.chat, &delivery.carried) {
        let binding = app.db.binding_of_chat(&delivery.portal, &carried.view.chat).await?;
        let is_named = binding.is_some_and(|binding| binding.settings.chat_names);
        settled.follow.extend(is_named.then(|| in_step::look(chat, now)));
    }
    let (Some(carried), Some(event)) = (&delivery.carried, event(delivery, settled)) else { return Ok(()) };
    let binding = app.db.binding_of_chat(&delivery.portal, &carried.view.chat).await?.filter(hooks::listens);
    let hook = binding.map(|binding| hooks::delivery(&binding, event, now).message(carried.message.id));
    settled.follow.extend(hook);
    Ok(())
}

fn event(delivery: &Delivery, settled: &Settled) -> Option<hooks::Event> {
    let carried = delivery.carried.as_ref()?;
    // Parts go one after the other: with the last one the message is there.
    let last = carried.parts.last().map(|part| part.id);
    let is_last = settled.sent.last().map(|sent| sent.part) == last;
    match (delivery.kind, settled.progress) {
        (DeliveryKind::ToCore, Some((_, MessageProgress::Sent))) => is_last.then_some(hooks::Event::Sent),
        (DeliveryKind::ToCore, Some((_, progress))) => Some(hooks::Event::Progress(progress)),
        (DeliveryKind::EditToCore | DeliveryKind::EditToPortal, _) => {
            settled.rewritten.is_some().then_some(hooks::Event::Edited)
        }
        (DeliveryKind::DeleteToCore, _) => (settled.state == DeliveryState::Done).then_some(hooks::Event::Deleted),
        _other => None,
    }
}
