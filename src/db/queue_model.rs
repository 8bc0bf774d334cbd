//! The queue against a model of it: whatever is done to it in whatever order by several nodes, nothing is lost, a lane has one
//! delivery under way and keeps its order, nothing runs before its time, what is due is found, and a dead node's word counts for
//! nothing.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{
    Db, Delivery, DeliveryKind, DeliveryState, Lane, NewDelivery, Parking, PortalState, Quota, Resumption, Room,
    Settled, dispatch, testing,
};
use crate::{
    clock::Millis,
    domain::ids::{NodeId, PortalId, RunId},
};

mod model;

use model::{Known, Model};

const PORTALS: [&str; 3] = ["a", "b", "c"];
const LANES: usize = 3;
const KINDS: [DeliveryKind; 4] =
    [DeliveryKind::ToPortal, DeliveryKind::ToCore, DeliveryKind::Status, DeliveryKind::Provision];
/// What may be repeated after a crash.
const REPEATABLE: &[DeliveryKind] = &[DeliveryKind::Status, DeliveryKind::Provision];
const EVERYTHING: (usize, usize) = (1000, 1000);
/// Processes that work on the database.
const NODES: usize = 2;

#[derive(Clone, Copy, Debug)]
enum How {
    Done,
    Failed,
    Unknown,
    Again { wait: u16, uncertain: bool },
    Park { wait: u16 },
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Add {
        portal: usize,
        lane: usize,
        kind: usize,
        wait: u16,
        urgent: bool,
    },
    Claim {
        node: usize,
        total: usize,
        per_portal: usize,
    },
    /// Everything that is due.
    ClaimAll,
    /// `which` of those under way.
    Settle {
        which: usize,
        how: How,
    },
    Resume {
        portal: usize,
    },
    Hasten {
        portal: usize,
        lane: usize,
    },
    Gate {
        portal: usize,
        wait: u16,
    },
    Park {
        portal: usize,
    },
    Stop {
        portal: usize,
    },
    Open {
        portal: usize,
    },
    Cancel {
        portal: usize,
    },
    /// A node is gone, and another one begins in its place.
    Die {
        node: usize,
    },
    /// A dead node tells how one of its attempts ended.
    Haunt {
        which: usize,
    },
    /// A node gives up what it does not need.
    Yield {
        node: usize,
    },
    Pass {
        ms: u16,
    },
}

/// What becomes of a dead node's attempts.
fn then(now: Millis) -> Resumption {
    Resumption { repeatable: REPEATABLE, now, ask_at: now.after(Duration::from_millis(7)) }
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Done),
        1 => Just(How::Failed),
        1 => Just(How::Unknown),
        2 => (0..40_u16, any::<bool>()).prop_map(|(wait, uncertain)| How::Again { wait, uncertain }),
        1 => (0..80_u16).prop_map(|wait| How::Park { wait }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (portal, lane) = (0..PORTALS.len(), 0..LANES);
    prop_oneof![
        8 => (portal.clone(), lane.clone(), 0..KINDS.len(), prop_oneof![Just(0), 0..30_u16], any::<bool>())
            .prop_map(|(portal, lane, kind, wait, urgent)| Step::Add { portal, lane, kind, wait, urgent }),
        4 => (0..NODES, 1..6_usize, 1..3_usize).prop_map(|(node, total, per_portal)| Step::Claim { node, total, per_portal }),
        2 => Just(Step::ClaimAll),
        8 => (0..64_usize, how()).prop_map(|(which, how)| Step::Settle { which, how }),
        1 => portal.clone().prop_map(|portal| Step::Resume { portal }),
        1 => (portal.clone(), lane).prop_map(|(portal, lane)| Step::Hasten { portal, lane }),
        1 => (portal.clone(), 0..30_u16).prop_map(|(portal, wait)| Step::Gate { portal, wait }),
        1 => portal.clone().prop_map(|portal| Step::Park { portal }),
        1 => portal.clone().prop_map(|portal| Step::Stop { portal }),
        2 => portal.clone().prop_map(|portal| Step::Open { portal }),
        1 => portal.prop_map(|portal| Step::Cancel { portal }),
        2 => (0..NODES).prop_map(|node| Step::Die { node }),
        1 => (0..NODES).prop_map(|node| Step::Yield { node }),
        2 => (0..64_usize).prop_map(|which| Step::Haunt { which }),
        4 => (0..40_u16).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// The real queue and its model, side by side.
struct Both {
    db: Db,
    portals: Vec<PortalId>,
    model: Model,
    nodes: Vec<NodeId>,
    /// What is under way, by its number, with the node that does it.
    claimed: BTreeMap<usize, (usize, Delivery)>,
    /// What dead nodes had under way.
    haunted: Vec<Delivery>,
}

impl Both {
    async fn new(name: &str) -> (Self, testing::Folder) {
        let (mut db, folder) = testing::db(name);
        db.shared = true;
        let mut portals = Vec::new();
        for id in PORTALS {
            portals.push(testing::portal(&db, id).await);
        }
        let mut nodes = Vec::new();
        for at in 0..NODES {
            nodes.push(db.node_join(format!("node {at}"), then(Millis(0))).await.unwrap().0);
        }
        let both = Self { db, portals, model: Model::new(), nodes, claimed: BTreeMap::new(), haunted: Vec::new() };
        (both, folder)
    }

    fn now(&self) -> Millis {
        Millis(self.model.now)
    }

    fn lane(portal: usize, lane: usize) -> Lane {
        Lane::Card(RunId(i64::try_from(portal * LANES + lane).unwrap()))
    }

    async fn does(&mut self, step: Step) -> TestCaseResult {
        let now = self.now();
        match step {
            Step::Add { portal, lane, kind, wait, urgent } => {
                self.adds((portal, lane), KINDS[kind], (now.0 + i64::from(wait), urgent)).await;
            }
            Step::Claim { node, total, per_portal } => {
                self.claims(node, (total, per_portal)).await?;
            }
            Step::ClaimAll => self.claims_all().await?,
            Step::Settle { which, how } => self.settles(which, how).await,
            Step::Resume { portal } => {
                self.db.delivery_resume(&self.portals[portal], now).await.unwrap();
                self.model.hurry(true, |known| known.place.0 == portal);
            }
            Step::Hasten { portal, lane } => {
                self.db.delivery_hasten(&self.portals[portal], Self::lane(portal, lane), now).await.unwrap();
                self.model.hurry(false, |known| known.place == (portal, lane));
            }
            Step::Gate { portal, wait } => {
                let gate = &mut self.model.portals[portal].gate;
                *gate = (*gate).max(now.0 + i64::from(wait));
            }
            Step::Park { portal } => {
                let parked = self.db.portal_park(&self.portals[portal], now, |_looks| Vec::new(), now).await.unwrap();
                let parked = parked == Parking::Begun;
                let place = &mut self.model.portals[portal];
                prop_assert_eq!(parked, place.state == PortalState::Active);
                if parked {
                    place.state = PortalState::Parked;
                }
            }
            Step::Stop { portal } => {
                self.db.portal_set_state(&self.portals[portal], PortalState::Stopped, now).await.unwrap();
                self.model.portals[portal].state = PortalState::Stopped;
            }
            Step::Open { portal } => self.opens(portal).await,
            Step::Cancel { portal } => self.cancels(portal).await,
            Step::Die { node } => self.dies(node).await,
            Step::Haunt { which } => {
                if let Some(delivery) = self.haunted.get(which % self.haunted.len().max(1)) {
                    prop_assert!(!self.settle(delivery, Settled::done()).await, "a dead node was believed");
                }
            }
            Step::Yield { node } => {
                self.db.node_yield(self.nodes[node], 9).await.unwrap();
            }
            Step::Pass { ms } => self.model.now += i64::from(ms),
        }
        self.agrees().await
    }

    async fn adds(&mut self, (portal, lane): (usize, usize), kind: DeliveryKind, (due, urgent): (i64, bool)) {
        let place = (portal, lane);
        let new = NewDelivery::new(Self::lane(portal, lane), kind, Millis(due)).payload(&self.model.all.len());
        let new = if urgent { new.urgent() } else { new };
        self.db.delivery_add(&self.portals[portal], new, self.now()).await.unwrap();
        let state = if self.model.head(place).is_some() { DeliveryState::Queued } else { DeliveryState::Waiting };
        self.model.all.push(Known { place, kind, state, due, tries: 0, uncertain: false });
    }

    /// So many all in all, and so many for each side of a portal; of a portal whose gate is closed nothing.
    fn room(&self, (total, per_portal): (usize, usize)) -> Room {
        let quota = |gate: i64| {
            let closed = KINDS.iter().filter(|_kind| gate > self.model.now).map(|kind| (*kind, Millis(gate)));
            Quota { to_messengers: per_portal, to_portal: per_portal, sharing: 0, closed: closed.collect() }
        };
        let portals = self.portals.iter().cloned().zip(self.model.portals.iter().map(|place| quota(place.gate)));
        Room { total, usual: quota(0), portals: portals.collect(), takes: true }
    }

    /// Claims, and checks that each of it may run now; how many it were.
    async fn claims(&mut self, node: usize, (total, per_portal): (usize, usize)) -> Result<usize, TestCaseError> {
        let room = self.room((total, per_portal));
        let claimed = self.db.delivery_claim(self.nodes[node], room, self.now()).await.unwrap();
        prop_assert!(claimed.len() <= total);
        for portal in &self.portals {
            for to_messenger in [false, true] {
                let side = |it: &&Delivery| it.portal == *portal && it.kind.is_to_messenger() == to_messenger;
                prop_assert!(claimed.iter().filter(side).count() <= per_portal);
            }
        }
        let count = claimed.len();
        for delivery in claimed {
            let at: usize = delivery.payload.parse().unwrap();
            let known = &self.model.all[at];
            prop_assert_eq!(self.model.head(known.place), Some(at), "not the head of its lane");
            prop_assert!(known.runs(), "it was {:?}", known.state);
            let wakes = self.model.wakes(known);
            prop_assert!(wakes.is_some_and(|at| at <= self.model.now), "too early, or not allowed: {:?}", wakes);
            prop_assert_eq!(delivery.tries, known.tries + 1);
            prop_assert_eq!(delivery.uncertain, known.uncertain);
            prop_assert_eq!(&delivery.portal, &self.portals[known.place.0]);
            let shared = self.claimed.values().any(|(other, it)| *other != node && it.portal == delivery.portal);
            prop_assert!(!shared, "two nodes work for {}", delivery.portal);
            let known = &mut self.model.all[at];
            known.state = DeliveryState::Sending;
            known.tries += 1;
            self.claimed.insert(at, (node, delivery));
        }
        Ok(count)
    }

    /// What may run now is found.
    async fn claims_all(&mut self) -> TestCaseResult {
        for node in 0..NODES {
            while self.claims(node, EVERYTHING).await? > 0 {}
        }
        for (at, known) in self.model.all.iter().enumerate() {
            let wakes = self.model.wakes(known);
            prop_assert!(wakes.is_none_or(|at| at > self.model.now), "{at} was not found: {known:?}");
        }
        Ok(())
    }

    async fn settles(&mut self, which: usize, how: How) {
        let under_way = self.model.under_way();
        let Some(at) = under_way.get(which % under_way.len().max(1)).copied() else { return };
        let later = |wait: u16| Millis(self.model.now + i64::from(wait));
        let (settled, uncertain) = match how {
            How::Done => (Settled::done(), false),
            How::Failed => (Settled::new(DeliveryState::Failed, "x"), false),
            How::Unknown => (Settled::new(DeliveryState::Unknown, "x"), false),
            How::Again { wait, uncertain } => {
                (Settled { due_at: later(wait), uncertain, ..Settled::new(DeliveryState::Waiting, "x") }, uncertain)
            }
            How::Park { wait } => (Settled { due_at: later(wait), ..Settled::new(DeliveryState::Parked, "x") }, false),
        };
        let (state, due) = (settled.state, settled.due_at.0);
        let (_node, delivery) = self.claimed.remove(&at).unwrap();
        assert!(self.settle(&delivery, settled).await, "a living node was not believed");
        if matches!(state, DeliveryState::Waiting | DeliveryState::Parked) {
            let known = &mut self.model.all[at];
            (known.state, known.due, known.uncertain) = (state, due, uncertain);
        } else {
            self.model.ends(at, state);
        }
    }

    /// As a proof of the installation does it.
    async fn opens(&mut self, portal: usize) {
        let (id, now) = (self.portals[portal].clone(), self.now());
        self.db.portal_set_state(&id, PortalState::Active, now).await.unwrap();
        self.db.delivery_resume(&id, now).await.unwrap();
        self.model.portals[portal].state = PortalState::Active;
        self.model.hurry(true, |known| known.place.0 == portal);
    }

    async fn cancels(&mut self, portal: usize) {
        let id = self.portals[portal].0.clone();
        self.db.write(move |conn| dispatch::cancel_all(conn, &id)).await.unwrap();
        let of_portal = |known: &&mut Known| known.place.0 == portal && known.holds();
        for known in self.model.all.iter_mut().filter(of_portal) {
            if known.state != DeliveryState::Sending {
                known.state = DeliveryState::Cancelled;
            }
        }
    }

    async fn dies(&mut self, node: usize) {
        let now = self.now();
        self.db.node_end(vec![self.nodes[node]], then(now)).await.unwrap();
        self.nodes[node] = self.db.node_join(format!("node {node}"), then(now)).await.unwrap().0;
        let left: Vec<usize> =
            self.claimed.iter().filter(|(_, (owner, _))| *owner == node).map(|(at, _)| *at).collect();
        for at in left {
            self.haunted.extend(self.claimed.remove(&at).map(|(_node, delivery)| delivery));
            let known = &mut self.model.all[at];
            let uncertain = !REPEATABLE.contains(&known.kind);
            let due = if uncertain { then(now).ask_at } else { now };
            (known.state, known.due) = (DeliveryState::Waiting, due.0);
            known.uncertain |= uncertain;
        }
    }

    /// Nothing is lost, and the queue knows when to look again.
    async fn agrees(&self) -> TestCaseResult {
        let counts = self.db.delivery_counts().await.unwrap();
        let of = |state| self.model.all.iter().filter(|known| known.state == state).count();
        let counted = [counts.queued, counts.waiting, counts.sending, counts.parked, counts.failed, counts.unknown];
        let expected = [
            of(DeliveryState::Queued),
            of(DeliveryState::Waiting),
            of(DeliveryState::Sending),
            of(DeliveryState::Parked),
            of(DeliveryState::Failed),
            of(DeliveryState::Unknown),
        ];
        prop_assert_eq!(counted.map(|count| usize::try_from(count).unwrap()), expected);
        let wakes = self.model.all.iter().filter_map(|known| self.model.wakes(known)).min();
        let looks = self.db.delivery_next_due().await.unwrap();
        if let Some(wakes) = wakes {
            let in_time = looks.is_some_and(|looks| looks.0 <= wakes.max(self.model.now));
            prop_assert!(in_time, "it looks at {:?}, and something can run at {}", looks, wakes);
        }
        Ok(())
    }

    /// Everything that is left is done in the end.
    async fn ends(&mut self) -> TestCaseResult {
        for portal in 0..PORTALS.len() {
            self.opens(portal).await;
        }
        while self.model.all.iter().any(Known::holds) {
            self.claims_all().await?;
            let under_way = self.model.under_way();
            prop_assert!(!under_way.is_empty() || self.model.now < 1_000_000, "something never runs");
            for _delivery in under_way {
                self.settles(0, How::Done).await;
            }
            self.model.now += 1000;
            self.agrees().await?;
        }
        Ok(())
    }

    async fn settle(&self, delivery: &Delivery, settled: Settled) -> bool {
        self.db.delivery_settle(delivery, settled, self.now()).await.unwrap()
    }
}

fn holds_for(steps: &[Step]) -> TestCaseResult {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("queue-model-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let told = runtime.block_on(async {
        let (mut both, _folder) = Both::new(&name).await;
        for step in steps {
            both.does(*step).await?;
        }
        let told = both.ends().await;
        both.db.close().await;
        told
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    told
}

/// More of them with `PROPTEST_CASES`.
fn cases() -> u32 {
    if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 32 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_queue_does_what_its_model_does(steps in proptest::collection::vec(step(), 1..80)) {
        holds_for(&steps)?;
    }
}
