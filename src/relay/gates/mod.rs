//! What lets calls through to a destination, and what keeps them back before they are made.
//!
//! Who is who: a portal has a [`bucket`] of calls, [`operating`] time by method, a [`breaker`] for when it is away, and a moment before
//! which it asked not to be called; a channel has a breaker. All of it is of this node's memory, made at the first use and forgotten
//! when it says nothing any more; only the buckets are written down ([`kept`]), because a portal goes on counting while we restart.
//!
//! Two ask: [`super::grant`] before every call, and the worker before it claims, so that what cannot be done now is not even begun
//! ([`Gates::closed`]). Waiting for a gate is no attempt and no failure of whatever waits.

mod breaker;
mod bucket;
mod kept;
mod operating;

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use self::kept::{load, run, save};
use self::{
    breaker::Breaker,
    bucket::{Bucket, Limits},
    operating::Operating,
};
use crate::{
    b24::{
        Method,
        client::Time,
        error::{CallError, Code},
        methods::{
            connector::ChatNameSet,
            crm::{ItemGet, TimelineCommentAdd},
            messages::{SendMessages, SendStatusDelivery, UpdateMessages},
            open_lines::{DialogGet, SessionHistoryGet},
            robots::EventSend,
            sms::StatusUpdate,
        },
    },
    clock::Millis,
    db::DeliveryKind,
    domain::ids::{ChannelId, InstallationId, PortalId},
    metrics::Page,
};

/// Destinations that have nothing to say are forgotten when there are more than this many.
const KEPT: usize = 4096;
/// A token that could not be refreshed is not tried again sooner: frequent refreshing gets an application blocked (Bitrix24's
/// `auto-renewal.md`).
const REFRESH_AGAIN: Duration = Duration::from_mins(1);

/// Until the calls under way have told what is left of a method's operating time.
const CROWDED: Duration = Duration::from_secs(1);

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A person waits for the answer.
    Person,
    /// Work of many calls that belong together: it waits for its turn and leaves people their room.
    Setup,
    Background,
}

/// The method that a kind of delivery needs; None: it is not held by the portal's gates, because it calls a messenger, or because it
/// is what may repair the portal.
pub fn method_of(kind: DeliveryKind) -> Option<&'static str> {
    match kind {
        DeliveryKind::ToPortal | DeliveryKind::Note => Some(SendMessages::NAME),
        DeliveryKind::EditToPortal => Some(UpdateMessages::NAME),
        DeliveryKind::Status => Some(SendStatusDelivery::NAME),
        DeliveryKind::RobotAnswer | DeliveryKind::RobotWaits => Some(EventSend::NAME),
        DeliveryKind::CardComment => Some(TimelineCommentAdd::NAME),
        DeliveryKind::Look => Some(SessionHistoryGet::NAME),
        DeliveryKind::SmsStatus => Some(StatusUpdate::NAME),
        DeliveryKind::CardInStep => Some(ItemGet::NAME),
        DeliveryKind::ChatInStep => Some(DialogGet::NAME),
        DeliveryKind::Rename => Some(ChatNameSet::NAME),
        DeliveryKind::ToCore
        | DeliveryKind::ToAddress
        | DeliveryKind::EditToCore
        | DeliveryKind::DeleteToCore
        | DeliveryKind::Hook
        | DeliveryKind::EarlyStatus
        | DeliveryKind::Provision
        | DeliveryKind::Uninstall
        | DeliveryKind::Probe
        | DeliveryKind::Notice
        | DeliveryKind::Hearing
        | DeliveryKind::Licenses => None,
    }
}

/// What may not be claimed of a portal now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub portal: PortalId,
    /// So many calls may be made.
    pub calls: usize,
    /// Kinds that wait, and until when.
    pub kinds: Vec<(DeliveryKind, Millis)>,
}

/// A call that was let through and must be told how it ended.
#[must_use]
pub struct Passed {
    portal: PortalId,
    method: &'static str,
    messages: usize,
    reserved_s: f64,
}

#[derive(Default)]
struct PortalGates {
    bucket: Bucket,
    /// Not yet written down.
    changed: bool,
    breaker: Breaker,
    /// The portal, or a proxy before it, said when to come again.
    held_until: Millis,
    operating: HashMap<&'static str, Operating>,
}

impl PortalGates {
    /// When background work may call the portal again, if not now, whatever the method.
    fn shut(&self, now: Millis) -> Option<Millis> {
        let held = (now < self.held_until).then_some(self.held_until);
        self.breaker.shut(now).max(held)
    }

    fn is_idle(&self, limits: Limits, now: Millis) -> bool {
        !self.changed
            && self.bucket.empty_at(limits) <= now
            && self.breaker.is_fresh()
            && self.held_until <= now
            && self.operating.values().all(|operating| operating.is_old(now))
    }
}

#[derive(Default)]
struct Known {
    portals: HashMap<PortalId, PortalGates>,
    /// Those of which something is closed, perhaps: only they are looked at before a claim.
    closed: HashSet<PortalId>,
    channels: HashMap<ChannelId, Breaker>,
    refresh_failed: HashMap<InstallationId, Millis>,
    /// Buckets that this process has not seen yet leak empty at this moment: the process before it ended without a word.
    unseen_until: Millis,
}

/// How much the gates hold back on this node.
#[derive(Clone, Copy, Debug, Default)]
pub struct GateGauges {
    /// Of the REST budgets of all portals the one that is used most: 0 is empty, 1 is full.
    pub fullest_budget: f64,
    /// Portals whose budget has nothing left for background work.
    pub used_up: usize,
    pub portals_away: usize,
    /// Methods of portals that wait for their operating time.
    pub methods_shut: usize,
    pub channels_away: usize,
}

impl GateGauges {
    pub fn write(self, page: &mut Page) {
        let help = "How full the fullest REST budget of a portal is, 0 to 1";
        page.value("budget_used", help, "gauge", format_args!("{:.3}", self.fullest_budget));
        for (name, help, value) in [
            ("budgets_used_up", "Portals whose REST budget has no room now", self.used_up),
            ("portals_away", "Portals that do not answer and are asked rarely", self.portals_away),
            ("channels_away", "Channels whose messenger does not answer and is asked rarely", self.channels_away),
            ("methods_waiting", "Methods of portals that wait for operating time", self.methods_shut),
        ] {
            page.value(name, help, "gauge", value);
        }
    }
}

/// The gates of all destinations that were called lately.
pub struct Gates {
    limits: Limits,
    known: Mutex<Known>,
}

impl Gates {
    /// `rate`: calls that a portal takes a second. `burst`: calls that it takes at once.
    pub fn new(rate: f64, burst: f64) -> Self {
        Self { limits: Limits { rate, burst }, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, portal: &PortalId, now: Millis, act: impl FnOnce(&mut PortalGates) -> T) -> T {
        let mut known = self.known();
        if known.portals.len() > KEPT {
            known.portals.retain(|_portal, gates| !gates.is_idle(self.limits, now));
        }
        let unseen = Bucket::until(known.unseen_until, self.limits, now);
        let gates = known
            .portals
            .entry(portal.clone())
            .or_insert_with(|| PortalGates { bucket: unseen, ..PortalGates::default() });
        let done = act(gates);
        let closed = gates.shut(now).is_some()
            || gates.breaker.is_open()
            || gates.bucket.left(self.limits, now).0 < FULL
            || gates.operating.values().any(|operating| operating.shut(now).is_some());
        if closed {
            known.closed.insert(portal.clone());
        }
        done
    }

    /// Lets a call through, or tells how long the way is closed for it. `messages`: elements of a call that carries several.
    pub fn pass(
        &self,
        portal: &PortalId,
        (method, messages): (&'static str, usize),
        caller: Caller,
        now: Millis,
    ) -> Result<Passed, Duration> {
        self.with(portal, now, |gates| {
            let shut = gates.shut(now).max(gates.operating.get(method).and_then(|operating| operating.shut(now)));
            if caller == Caller::Background
                && let Some(until) = shut
            {
                return Err(until.wait_from(now));
            }
            let crowded = gates.operating.get(method).is_some_and(|operating| operating.is_crowded(messages));
            if caller == Caller::Background && crowded {
                return Err(CROWDED);
            }
            gates.bucket.take(caller, self.limits, now)?;
            gates.changed = true;
            gates.breaker.pass(now);
            let operating = gates.operating.entry(method).or_default();
            let reserved_s = operating.reserves_s(messages);
            operating.begins(messages);
            Ok(Passed { portal: portal.clone(), method, messages, reserved_s })
        })
    }

    /// The portal has answered. True: it had been away, and what waits for it may go on now.
    pub fn succeeded(&self, passed: &Passed, time: Option<Time>, now: Millis) -> bool {
        self.with(&passed.portal, now, |gates| {
            gates.ended(passed, (time, now));
            gates.breaker.succeeded(now)
        })
    }

    /// The call has failed. The same as for [`Gates::succeeded`]: an answer that refuses is an answer.
    pub fn failed(&self, passed: &Passed, error: &CallError, now: Millis) -> bool {
        self.with(&passed.portal, now, |gates| {
            gates.ended(passed, (error.time, now));
            match &error.code {
                Code::OperationTimeLimit => gates.operating.entry(passed.method).or_default().blocked(now),
                Code::QueryLimitExceeded => gates.bucket.fill(self.limits, now),
                _ => {}
            }
            if let Some(wait) = error.retry_after {
                gates.held_until = gates.held_until.max(now.after(wait));
            }
            if error.is_destination_away() {
                gates.breaker.failed(now, seed(&passed.portal));
                return false;
            }
            gates.breaker.succeeded(now)
        })
    }

    /// Nobody calls the portal for background work before `until`.
    pub fn hold(&self, portal: &PortalId, until: Millis, now: Millis) {
        self.with(portal, now, |gates| gates.held_until = gates.held_until.max(until));
    }

    /// How long background work keeps away from the portal as a whole; None: it does not.
    pub fn away(&self, portal: &PortalId, now: Millis) -> Option<Duration> {
        self.known().portals.get(portal)?.shut(now).map(|until| until.wait_from(now))
    }

    /// How many messages one call of the method may carry.
    pub fn messages(&self, portal: &PortalId, method: &'static str) -> usize {
        let known = self.known();
        let operating = known.portals.get(portal).and_then(|gates| gates.operating.get(method));
        operating.copied().unwrap_or_default().messages()
    }

    /// What may not be claimed now. A portal that is not named is open.
    pub fn closed(&self, now: Millis) -> Vec<Closed> {
        let mut known = self.known();
        let Known { portals, closed, .. } = &mut *known;
        let mut found = Vec::new();
        closed.retain(|portal| {
            let Some(gates) = portals.get(portal) else { return false };
            let (calls, wait) = gates.bucket.left(self.limits, now);
            let spent = (calls == 0).then(|| now.after(wait));
            let whole = gates.shut(now).max(spent);
            let until = |kind: DeliveryKind| {
                let operating = gates.operating.get(method_of(kind)?);
                Some((kind, whole.max(operating.and_then(|operating| operating.shut(now)))?))
            };
            let kinds: Vec<_> = DeliveryKind::ALL.into_iter().filter_map(until).collect();
            // Of a portal that was away one looks first.
            let calls = if gates.breaker.is_open() { calls.min(1) } else { calls };
            if kinds.is_empty() && calls >= FULL {
                return false;
            }
            found.push(Closed { portal: portal.clone(), calls, kinds });
            true
        });
        found
    }

    /// What of it is worth watching.
    pub fn gauges(&self, now: Millis) -> GateGauges {
        let known = self.known();
        let mut gauges = GateGauges::default();
        for gates in known.portals.values() {
            let used = gates.bucket.level(self.limits, now) / self.limits.burst;
            gauges.fullest_budget = gauges.fullest_budget.max(used);
            gauges.used_up += usize::from(gates.bucket.left(self.limits, now).0 == 0);
            gauges.portals_away += usize::from(gates.breaker.is_open());
            gauges.methods_shut += gates.operating.values().filter(|operating| operating.shut(now).is_some()).count();
        }
        gauges.channels_away = known.channels.values().filter(|breaker| breaker.is_open()).count();
        gauges
    }

    /// Whether a channel may be used, else how long not.
    pub fn channel_passes(&self, channel: &ChannelId, now: Millis) -> Result<(), Duration> {
        let mut known = self.known();
        let Some(breaker) = known.channels.get_mut(channel) else { return Ok(()) };
        if let Some(until) = breaker.shut(now) {
            return Err(until.wait_from(now));
        }
        breaker.pass(now);
        Ok(())
    }

    /// True: its messenger had been away, and what waits for it may go on now.
    pub fn channel_succeeded(&self, channel: &ChannelId, now: Millis) -> bool {
        let mut known = self.known();
        let Some(breaker) = known.channels.get_mut(channel) else { return false };
        let was_away = breaker.succeeded(now);
        if breaker.is_trusted() {
            known.channels.remove(channel);
        }
        was_away
    }

    /// The channel's messenger was away. How long nobody asks it again, if so.
    pub fn channel_failed(&self, channel: &ChannelId, now: Millis) -> Option<Duration> {
        let mut known = self.known();
        let breaker = known.channels.entry(channel.clone()).or_default();
        breaker.failed(now, seed(channel));
        breaker.shut(now).map(|until| until.wait_from(now))
    }

    /// Whether a token may be refreshed, else how long not.
    pub fn refresh_passes(&self, installation: InstallationId, now: Millis) -> Result<(), Duration> {
        let again = self.known().refresh_failed.get(&installation).map(|failed| failed.after(REFRESH_AGAIN));
        again.filter(|again| now < *again).map_or(Ok(()), |again| Err(again.wait_from(now)))
    }

    /// A refresh brought no answer: the token may be used up.
    pub fn refresh_failed(&self, installation: InstallationId, now: Millis) -> Duration {
        let mut known = self.known();
        known.refresh_failed.retain(|_installation, failed| now < failed.after(REFRESH_AGAIN));
        known.refresh_failed.insert(installation, now);
        REFRESH_AGAIN
    }
}

/// With so many calls left a portal is claimed from as if nothing were closed: no claim takes more.
const FULL: usize = 24;

impl PortalGates {
    fn ended(&mut self, passed: &Passed, told: (Option<Time>, Millis)) {
        self.operating.entry(passed.method).or_default().ends(passed.messages, passed.reserved_s, told);
    }
}

/// The same at every start, so that what is spread by it is spread the same way.
fn seed(of: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_that_is_held_holds_nothing_that_goes_to_messengers_or_repairs_it() {
        let gates = Gates::new(2.0, 50.0);
        let portal = PortalId("p".into());
        gates.hold(&portal, Millis(2_000), Millis(1_000));
        let closed = gates.closed(Millis(1_000));
        let kinds: Vec<DeliveryKind> = closed[0].kinds.iter().map(|(kind, _until)| *kind).collect();
        assert!(kinds.contains(&DeliveryKind::ToPortal) && kinds.contains(&DeliveryKind::EditToPortal));
        for free in [DeliveryKind::ToCore, DeliveryKind::EditToCore, DeliveryKind::Probe, DeliveryKind::Provision] {
            assert!(!kinds.contains(&free), "{free:?}");
        }
        assert!(gates.closed(Millis(2_000)).is_empty());
    }
}
