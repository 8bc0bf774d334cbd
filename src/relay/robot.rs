//! Robots: a firing becomes a run with a delivery for each recipient; when the last one is decided, the process gets its answer and
//! the card its comment, each a delivery of its own.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ExpandError, address, db_failure,
    grant::{self, Refused},
    lang_of, notes,
};
use crate::{
    app::App,
    b24::{
        Code,
        crm_ref::CrmRef,
        incoming::RobotCall,
        methods::{
            crm::{CommentFields, TimelineCommentAdd},
            robots::{ActivityLog, EventSend, ReturnValue},
        },
    },
    clock::Millis,
    db::{
        Delivery, DeliveryKind, Expansion, InboxItem, Lane, NewDelivery, NewRun, Outcomes, RecipientOutcome, Run,
        Settled, serving,
    },
    domain::{
        address::{Address, Field, parse_field},
        capabilities::WriteFirst,
        failure::{Failure, Told},
        ids::{ChannelId, ExternalChatId, InstallationId, PortalId, RunId},
    },
};

/// The portal writes the waiting step down only after the hit that fired it: an earlier answer finds nothing.
const NOT_BEFORE: Duration = Duration::from_millis(2500);

/// A process that the portal does not find may not be saved yet; one that it does not find for so long is over
/// (bitrix24-robots.md, errors of `bizproc.event.send`).
const OVER_AFTER: Duration = Duration::from_mins(5);

/// Plans a firing.
pub async fn expand(
    app: &App,
    item: &InboxItem,
    installation: InstallationId,
    call: &RobotCall,
) -> Result<Expansion, ExpandError> {
    let robot =
        robots::find(&call.code).ok_or_else(|| ExpandError::Malformed("a robot that is none of ours".into()))?;
    let lang = lang_of(app, &item.portal).await?;
    let plan = (robot.plan)(&robots::Call {
        properties: call.properties.clone(),
        addresses: addresses(&robot.manifest, call),
        channels: channels(app, &item.portal).await?,
        use_subscription: call.use_subscription,
    });
    let mut outcomes: Outcomes = Vec::new();
    let mut deliveries = Vec::new();
    for (index, step) in plan.steps.into_iter().enumerate() {
        match step {
            robots::Step::Send(recipient) => {
                let label = recipient.address.label();
                let delivery = delivery(app, &item.portal, recipient, (&plan.text, index)).await?;
                // A recipient without a delivery would never be decided, and the process would wait for ever.
                let undeliverable = delivery.is_none().then(|| RecipientOutcome::Refused {
                    code: Told::NoSuchRecipient.code().into(),
                    text: notes::reason_text(&lang, Told::NoSuchRecipient.code()).into(),
                });
                outcomes.push((label, undeliverable));
                deliveries.extend(delivery);
            }
            robots::Step::Refuse(refusal) => outcomes.push((
                refusal.label,
                Some(RecipientOutcome::Refused {
                    code: refusal.code.code().into(),
                    text: refusal.code.text(&lang).into(),
                }),
            )),
        }
    }
    if deliveries.iter().any(|delivery| delivery.first.is_some()) {
        let at = item.received_at.after(NOT_BEFORE);
        deliveries.push(NewDelivery::new(Lane::Run(RunId(0)), DeliveryKind::RobotWaits, at));
    }
    if deliveries.is_empty() {
        deliveries = after(RunId(0), item.received_at, app.clock.now());
    }
    let (token_sealed, token_hash) = app.db.run_seal(&item.portal, call.event_token.expose())?;
    let run = NewRun {
        installation,
        code: call.code.clone(),
        token_sealed,
        token_hash,
        waits: call.use_subscription,
        document: call.document_id.last().cloned().unwrap_or_default(),
        outcomes,
        comment: plan.add_comment,
    };
    Ok(Expansion { relevant: true, run: Some((run, deliveries)), ..Expansion::default() })
}

async fn delivery(
    app: &App,
    portal: &PortalId,
    recipient: robots::Recipient,
    (text, index): (&str, usize),
) -> Result<Option<NewDelivery>, ExpandError> {
    let to = match recipient.address {
        robots::Address::Phone(phone) => address::To::Phone(phone),
        robots::Address::Username(name) => address::To::Username(name),
        robots::Address::Email(email) => address::To::Email(email),
        robots::Address::ChatId(id) => address::To::Peer(ExternalChatId::peer_of(id)),
        robots::Address::Unusable(_) => return Ok(None),
    };
    let channel = ChannelId(recipient.channel);
    let job = address::Job { channel, to, text: text.to_owned(), template: None, by: address::By::Robot { index } };
    Ok(Some(address::delivery(app, portal, &job).await?))
}

fn addresses(manifest: &robots::Manifest, call: &RobotCall) -> BTreeMap<String, Vec<robots::Address>> {
    let marked = manifest.properties.iter().filter(|property| property.addresses);
    marked
        .filter_map(|property| {
            let values = call.properties.get(&property.key)?;
            let field = if property.key == "phones" { Field::Phones } else { Field::ChatIds };
            let found = values.iter().flat_map(|value| leaf_addresses(value, field)).collect();
            Some((property.key.clone(), found))
        })
        .collect()
}

fn leaf_addresses(text: &str, field: Field) -> Vec<robots::Address> {
    let found = parse_field(text, field);
    let usable = found.usable.into_iter().map(|address| match address {
        Address::Phone(phone) => robots::Address::Phone(phone.e164()),
        Address::Username(name) => robots::Address::Username(name),
        Address::Email(email) => robots::Address::Email(email),
        Address::ChatId(chat) => robots::Address::ChatId(chat.external_chat_id),
    });
    usable.chain(found.unusable.into_iter().map(|unusable| robots::Address::Unusable(unusable.0))).collect()
}

async fn channels(app: &App, portal: &PortalId) -> Result<Vec<robots::Channel>, ExpandError> {
    let bindings = app.db.binding_list(portal).await?;
    let channels = app.db.channel_list(portal).await?;
    Ok(channels
        .into_iter()
        .map(|channel| {
            let can = app.core(channel.core).capabilities(channel.connector);
            let lines = serving(&bindings, &channel.id, false).into_iter();
            robots::Channel {
                lines: lines.map(|binding| binding.line.to_string()).collect(),
                reaches: reaches(can.write_first),
                is_connected: channel.state == crate::db::ChannelState::Alive,
                connector: channel.connector.id().to_owned(),
                id: channel.id.0,
                title: channel.title,
            }
        })
        // A channel that feeds no Open Channel gets no answers from anybody's client.
        .filter(|channel| !channel.lines.is_empty())
        .collect())
}

fn reaches(write_first: WriteFirst) -> Vec<robots::AddressKind> {
    use robots::AddressKind::{ChatId, Email, Phone, Username};
    match write_first {
        WriteFirst::Never => vec![ChatId],
        WriteFirst::ByPhone => vec![ChatId, Phone],
        WriteFirst::ByPhoneOrUsername => vec![ChatId, Phone, Username],
        WriteFirst::ByEmail => vec![ChatId, Email],
    }
}

/// What follows when every recipient of a run is decided.
pub fn after(run: RunId, fired_at: Millis, now: Millis) -> Vec<NewDelivery> {
    let answer_at = fired_at.after(NOT_BEFORE).max(now);
    vec![
        NewDelivery::new(Lane::Run(run), DeliveryKind::RobotAnswer, answer_at).run(run),
        NewDelivery::new(Lane::Card(run), DeliveryKind::CardComment, now).run(run),
    ]
}

async fn run_of(app: &App, delivery: &Delivery) -> Result<Run, Failure> {
    let gone = || Failure::permanent(Told::Internal, "the run is gone");
    let id = delivery.run.ok_or_else(gone)?;
    app.db.run_get(&delivery.portal, id).await.map_err(db_failure)?.ok_or_else(gone)
}

/// The outcomes as the robot's own code words them.
fn told(run: &Run) -> Vec<robots::RecipientOutcome> {
    let outcomes = run.outcomes.iter();
    outcomes
        .map(|(label, outcome)| robots::RecipientOutcome {
            label: label.clone(),
            failure: match outcome {
                Some(RecipientOutcome::Refused { code, text }) => Some((code.clone(), text.clone())),
                Some(RecipientOutcome::Sent) | None => None,
            },
        })
        .collect()
}

/// Tells in the log of the process when those texts go that have to wait for their turn.
pub async fn waits(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let run = run_of(app, delivery).await?;
    let now = app.clock.now();
    let waiting = app.db.delivery_waiting_of(&delivery.portal, run.id).await.map_err(db_failure)?;
    let turns: Vec<(&str, u64)> = waiting
        .iter()
        .filter(|text| address::waits_for_turn(text, now))
        .filter_map(|text| {
            let address::By::Robot { index } = address::job(text).ok()?.by else { return None };
            let (label, _outcome) = run.outcomes.get(index)?;
            Some((label.as_str(), text.due_at.wait_from(now).as_secs().div_ceil(60)))
        })
        .collect();
    if !run.waits || turns.is_empty() {
        return Ok(Settled::done());
    }
    let text = notes::turns_text(&lang_of(app, &delivery.portal).await.map_err(db_failure)?, &turns);
    let token = app.db.run_token(&delivery.portal, &run).map_err(db_failure)?;
    let method = ActivityLog { event_token: token.expose(), log_message: &text };
    match grant::call_of(app, (&delivery.portal, run.installation), &method).await {
        // The process may be over, or not saved yet: the texts go all the same.
        Err(Refused::Portal(error)) if error.code == Code::ProcessNotFound => Ok(Settled::done()),
        told => Ok(told.map(|_done| Settled::done())?),
    }
}

/// `bizproc.event.send`: it runs the next robots of the process inside itself, so it may take long; repeating it does no harm.
/// A process that has ended meanwhile (its card went on to another stage) needs no answer.
pub async fn answer(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let run = run_of(app, delivery).await?;
    if !run.waits {
        return Ok(Settled::done());
    }
    let returns = robots::summary(&told(&run), &lang_of(app, &delivery.portal).await.map_err(db_failure)?);
    let token = app.db.run_token(&delivery.portal, &run).map_err(db_failure)?;
    let values = BTreeMap::from([
        ("send_status".to_owned(), ReturnValue::Text(returns.status.to_owned())),
        ("send_result".to_owned(), ReturnValue::Text(returns.result.clone())),
    ]);
    let method = EventSend { event_token: token.expose(), return_values: &values, log_message: &returns.result };
    let told = grant::call_of(app, (&delivery.portal, run.installation), &method).await;
    if let Err(Refused::Portal(error)) = &told
        && error.code == Code::ProcessNotFound
        && delivery.created_at.after(OVER_AFTER) <= app.clock.now()
    {
        tracing::info!(delivery = %delivery.id, portal = %delivery.portal, "a robot's process is over");
        return Ok(Settled::done());
    }
    told?;
    Ok(Settled::done())
}

/// The result in the card's timeline, if the robot was asked for it.
pub async fn comment(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let run = run_of(app, delivery).await?;
    let (true, Some(card)) = (run.comment, CrmRef::from_document_id(&run.document)) else { return Ok(Settled::done()) };
    let robot = robots::find(&run.code).ok_or_else(|| Failure::permanent(Told::Internal, "an unknown robot"))?;
    let text =
        robots::comment(&robot.manifest.name, &told(&run), &lang_of(app, &delivery.portal).await.map_err(db_failure)?);
    let fields = CommentFields { entity_id: card.id, entity_type: &card.timeline_type(), comment: &text };
    grant::call_of(app, (&delivery.portal, run.installation), &TimelineCommentAdd { fields }).await?;
    Ok(Settled::done())
}
