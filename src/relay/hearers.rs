//! Who else hears of a message, besides the two sides between which it goes: the customer's own system, the portal's service of text
//! messages, and the CRM cards of the chat. Called where an inbox item has been understood and where an attempt has ended; what follows is written with
//! either.

use super::{hooks, in_step, sms};
use crate::{
    app::App,
    db::{
        Binding, DbError, Delivery, DeliveryKind, DeliveryState, Direction, Expansion, MessageOrigin, MessageProgress,
        Settled,
    },
    domain::ids::{ChannelId, PortalId},
};

async fn binding_of(app: &App, portal: &PortalId, channel: &ChannelId) -> Result<Option<Binding>, DbError> {
    let binding = app.db.binding_of_channel(portal, channel).await?;
    Ok(binding.filter(|binding| hooks::listens(binding) || binding.settings.sms))
}

/// What came in, and how far one of our messages has come.
pub(super) async fn of_expansion(app: &App, portal: &PortalId, expansion: &mut Expansion) -> Result<(), DbError> {
    let now = app.clock.now();
    for message in &expansion.messages {
        if let (MessageOrigin::Operator, Some(author)) = (message.origin, message.author)
            && let Some(binding) = app.db.binding_of_channel(portal, &message.channel).await?
        {
            let look = in_step::taken_over(app, portal, (&binding, &message.peer), author).await?;
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
        let binding = binding_of(app, portal, &message.channel).await?.filter(hooks::listens);
        message.hook = binding.map(|binding| hooks::delivery(&binding, event, now));
    }
    let Some((channel, core_id, progress)) = &expansion.progress else { return Ok(()) };
    let Some(binding) = binding_of(app, portal, channel).await? else { return Ok(()) };
    let hook = hooks::listens(&binding).then(|| hooks::delivery(&binding, hooks::Event::Progress(*progress), now));
    let status = match app.db.message_by_core(portal, channel, core_id).await? {
        _off if !binding.settings.sms => None,
        Some((message, _parts)) => sms::progress(&binding, &message, *progress, now),
        None => sms::early(&binding, core_id, *progress, now),
    };
    expansion.when_advanced.extend(hook.into_iter().chain(status));
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
        let binding = binding_of(app, &delivery.portal, &message.channel).await?.filter(hooks::listens);
        message.hook = binding.map(|binding| hooks::delivery(&binding, hooks::Event::Sent, now));
    }
    if let (Some((chat, ..)), Some(carried)) = (settled.chat, &delivery.carried) {
        let binding = app.db.binding_of_channel(&delivery.portal, &carried.view.chat.channel()).await?;
        let is_named = binding.is_some_and(|binding| binding.settings.chat_names);
        settled.follow.extend(is_named.then(|| in_step::look(chat, now)));
    }
    let (Some(carried), Some(event)) = (&delivery.carried, event(delivery, settled)) else { return Ok(()) };
    let binding = binding_of(app, &delivery.portal, &carried.view.chat.channel()).await?.filter(hooks::listens);
    let hook = binding.map(|binding| hooks::delivery(&binding, event, now).message(carried.message.id));
    settled.follow.extend(hook);
    Ok(())
}

fn event(delivery: &Delivery, settled: &Settled) -> Option<hooks::Event> {
    let carried = delivery.carried.as_ref()?;
    // Parts go one after the other: with the last one the message is there.
    let is_last = carried.parts.last().map(|part| part.id) == delivery.part;
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
