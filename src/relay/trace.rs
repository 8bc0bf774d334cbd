//! One number through everything that becomes of an accepted thing: its deliveries carry it, what follows from them inherits it,
//! and every line of the log about any of them names it. Successes are for `debug`: there are thousands a second.

use crate::{
    db::{Delivery, Expansion, NewDelivery, NewMessage, Settled},
    domain::ids::Trace,
    journal::About,
};

fn mark<'a>(trace: Option<Trace>, deliveries: impl IntoIterator<Item = &'a mut NewDelivery>) {
    for delivery in deliveries {
        delivery.trace = delivery.trace.or(trace);
    }
}

fn mark_messages(trace: Option<Trace>, messages: &mut [NewMessage]) {
    for message in messages {
        mark(trace, &mut message.delivery);
        mark(trace, &mut message.hook);
        mark(trace, message.parts.iter_mut().filter_map(|part| part.delivery.as_mut()));
    }
}

pub(super) fn of_expansion(trace: Trace, expansion: &mut Expansion) {
    let trace = Some(trace);
    mark_messages(trace, &mut expansion.messages);
    mark(trace, &mut expansion.deliveries);
    mark(trace, expansion.run.iter_mut().flat_map(|(_run, recipients)| recipients));
    mark(trace, &mut expansion.when_advanced);
}

/// What the calls of an attempt are made for.
pub(super) fn about(group: &[Delivery]) -> About {
    About {
        portal: group.first().map(|first| first.portal.0.clone()).unwrap_or_default(),
        deliveries: group.iter().map(|delivery| delivery.id.0).collect(),
        traces: group.iter().filter_map(|delivery| delivery.trace).map(|trace| trace.to_string()).collect(),
    }
}

pub(super) fn begin(group: &[Delivery]) {
    for delivery in group {
        tracing::debug!(
            trace = delivery.trace.map(tracing::field::display), delivery = %delivery.id, portal = %delivery.portal,
            kind = delivery.kind.text(), tries = delivery.tries, "an attempt begins"
        );
    }
}

/// An attempt has ended so; what follows from it is of the same trace.
pub(super) fn end(delivery: &Delivery, settled: &mut Settled) {
    let trace = delivery.trace;
    mark_messages(trace, &mut settled.messages);
    mark(trace, &mut settled.follow);
    mark(trace, &mut settled.when_decided);
    mark(trace, &mut settled.warning);
    mark(trace, settled.when_all_sent.iter_mut().map(|(_message, follow)| follow));
    tracing::debug!(
        trace = trace.map(tracing::field::display), delivery = %delivery.id, portal = %delivery.portal,
        kind = delivery.kind.text(), outcome = settled.outcome, state = settled.state.text(), "an attempt ended"
    );
}
