//! Who runs now, and how many more may: the places of this process.
//!
//! A call is one place, whatever it carries. What takes long costs us little but must not take every place: calls that have run for a
//! while no longer count against the whole, and a portal gets few of them, for each kind of work, until it is quick again.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use tokio::task::Id;

use crate::{
    clock::Millis,
    db::{DeliveryKind, Quota, Room},
    domain::ids::PortalId,
    relay::gates::{Closed, method_of},
};

/// Calls under way that are young …
const AT_ONCE: usize = 256;
/// … and all of them: each holds a socket and some memory.
const AT_ALL: usize = 2048;
/// Of one portal, so that one whose answers are slow cannot take every place.
const TO_MESSENGERS: usize = 16;
const TO_PORTAL: usize = 8;
/// Longer is slow. A call of one message takes 1.5 s in the portal's own example.
const SLOW: Duration = Duration::from_secs(2);
/// Slow calls of one kind and portal.
const SLOW_AT_ONCE: usize = 2;
/// Messages that share calls are claimed for so many calls at once.
const SHARED_CALLS: usize = 4;

struct Call {
    portal: PortalId,
    kind: DeliveryKind,
    /// In the machine's time: that is what a place costs.
    since: Instant,
}

impl Call {
    fn is_slow(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.since) >= SLOW
    }
}

#[derive(Default)]
pub struct Places {
    calls: HashMap<Id, Call>,
    /// Kinds of work whose last call was slow.
    slow: HashSet<(PortalId, DeliveryKind)>,
}

/// What one portal has under way.
#[derive(Default)]
struct Busy {
    to_messengers: usize,
    /// But for those of slow kinds, which have places of their own.
    to_portal: usize,
    slow: HashMap<DeliveryKind, usize>,
}

impl Places {
    pub fn enter(&mut self, task: Id, (portal, kind): (PortalId, DeliveryKind), since: Instant) {
        self.calls.insert(task, Call { portal, kind, since });
    }

    pub fn leave(&mut self, task: Id, at: Instant) {
        let Some(call) = self.calls.remove(&task) else { return };
        let is_slow = call.is_slow(at);
        let key = (call.portal, call.kind);
        if is_slow {
            self.slow.insert(key);
        } else {
            self.slow.remove(&key);
        }
    }

    /// What may be claimed beside what runs. `messages`: how many a call to the portal carries.
    pub fn room(
        &self,
        closed: Vec<Closed>,
        messages: impl Fn(&PortalId) -> usize,
        (now, at): (Millis, Instant),
    ) -> Room {
        let young = self.calls.values().filter(|call| !call.is_slow(at)).count();
        let total = AT_ONCE.saturating_sub(young).min(AT_ALL.saturating_sub(self.calls.len()));
        let usual = Quota {
            to_messengers: TO_MESSENGERS,
            to_portal: TO_PORTAL,
            sharing: SHARED_CALLS * messages(&PortalId(String::new())),
            closed: Vec::new(),
        };
        let mut busy = self.busy(at);
        let mut gates: HashMap<PortalId, Closed> = closed.into_iter().map(|it| (it.portal.clone(), it)).collect();
        for portal in gates.keys() {
            busy.entry(portal.clone()).or_default();
        }
        let portals = busy.into_iter().map(|(portal, busy)| {
            let gate = gates.remove(&portal);
            let calls = gate.as_ref().map_or(usize::MAX, |gate| gate.calls);
            let mut closed = gate.map(|gate| gate.kinds).unwrap_or_default();
            for (kind, count) in busy.slow {
                if count >= SLOW_AT_ONCE && closed.iter().all(|(known, _)| *known != kind) {
                    closed.push((kind, now));
                }
            }
            let quota = Quota {
                to_messengers: TO_MESSENGERS.saturating_sub(busy.to_messengers),
                to_portal: TO_PORTAL.saturating_sub(busy.to_portal).min(calls),
                sharing: SHARED_CALLS.min(calls) * messages(&portal),
                closed,
            };
            (portal, quota)
        });
        let portals = portals.collect();
        Room { total, usual, portals, takes: false }
    }

    fn busy(&self, at: Instant) -> HashMap<PortalId, Busy> {
        let mut busy: HashMap<PortalId, Busy> = HashMap::new();
        for call in self.calls.values() {
            let of = busy.entry(call.portal.clone()).or_default();
            let is_slow = call.is_slow(at) || self.slow.contains(&(call.portal.clone(), call.kind));
            if call.kind.is_to_messenger() {
                of.to_messengers += 1;
            } else if is_slow && method_of(call.kind).is_some() {
                *of.slow.entry(call.kind).or_default() += 1;
            } else {
                of.to_portal += 1;
            }
        }
        busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(name: &str) -> PortalId {
        PortalId(name.into())
    }

    async fn task() -> Id {
        let task = tokio::spawn(async {});
        let id = task.id();
        task.await.unwrap();
        id
    }

    fn room(places: &Places, closed: Vec<Closed>, at: Instant) -> Room {
        places.room(closed, |_portal| 10, (Millis(0), at))
    }

    #[tokio::test]
    async fn slow_calls_free_the_whole_and_bind_their_portal() {
        let (mut places, began) = (Places::default(), Instant::now());
        for _call in 0..3 {
            places.enter(task().await, (portal("slow"), DeliveryKind::ToPortal), began);
        }
        let young = room(&places, Vec::new(), began);
        assert_eq!((young.total, young.portals[&portal("slow")].to_portal), (253, 5));
        let old = room(&places, Vec::new(), began + SLOW);
        assert_eq!(old.total, 256);
        let quota = &old.portals[&portal("slow")];
        assert_eq!(quota.closed, [(DeliveryKind::ToPortal, Millis(0))]);
        assert_eq!((quota.to_portal, quota.to_messengers), (8, 16), "other work of the portal goes on");
    }

    #[tokio::test]
    async fn a_portal_that_was_slow_is_trusted_again_when_it_is_quick() {
        let (mut places, began) = (Places::default(), Instant::now());
        let (slow, quick) = (task().await, task().await);
        let work = || (portal("p"), DeliveryKind::Status);
        places.enter(slow, work(), began);
        places.leave(slow, began + SLOW);
        for _call in 0..2 {
            places.enter(task().await, work(), began + SLOW);
        }
        assert_eq!(room(&places, Vec::new(), began + SLOW).portals[&portal("p")].closed.len(), 1);
        places.enter(quick, work(), began + SLOW);
        places.leave(quick, began + SLOW);
        assert!(room(&places, Vec::new(), began + SLOW).portals[&portal("p")].closed.is_empty());
    }

    #[test]
    fn what_the_gates_close_is_not_claimed() {
        let kinds = vec![(DeliveryKind::ToPortal, Millis(9))];
        let closed = vec![Closed { portal: portal("p"), calls: 1, kinds: kinds.clone() }];
        let quota = &room(&Places::default(), closed, Instant::now()).portals[&portal("p")];
        assert_eq!((quota.to_portal, quota.sharing, &quota.closed), (1, 10, &kinds));
    }
}
