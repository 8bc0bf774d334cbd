//! Several nodes on one database: killed, paused and woken up, and out of tokens all at once.

use std::{
    cell::Cell,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use sandbox::Unrest;
use tokio::time::sleep;

use super::{Dice, is_long, kills::make_unsteady, kills::now, ledger::Cut, setting, town::Town};
use crate::harness::{Balancer, HOUR, Own, Process, Story, stories};

stories![; on_postgres:
    killed_nodes_lose_and_repeat_nothing,
    a_paused_node_that_wakes_up_sends_nothing_twice,
    tokens_that_die_at_once_are_refreshed_once_each,
];

const NODES: usize = 3;
/// How long a stand-in may still work on a call whose caller is dead, in milliseconds.
const REACH: i64 = 1_000;

/// Nodes behind a balancer on the story's address.
struct Nodes<'s> {
    story: &'s Story,
    own: Vec<Own>,
    running: Vec<Process<'s>>,
    balancer: Balancer,
}

impl<'s> Nodes<'s> {
    /// They take the place of the story's server.
    async fn begin(story: &'s Story) -> Self {
        story.server_stops().await;
        let folder = story.config().data_dir.clone();
        let own: Vec<Own> = (0..NODES)
            .map(|node| {
                let data_dir = folder.join(format!("node{node}"));
                std::fs::create_dir_all(&data_dir).unwrap();
                Own { bind: Some(free_address()), data_dir: Some(data_dir), ..Own::default() }
            })
            .collect();
        let running: Vec<Process<'_>> = own.iter().map(|own| story.spawns_process(own)).collect();
        for process in &running {
            process.answers().await;
        }
        let addresses = own.iter().filter_map(|own| own.bind).collect();
        Self { story, own, running, balancer: Balancer::start(story.address(), addresses).await }
    }

    /// Kills a node, and starts it again at once.
    async fn kills(&mut self, node: usize) {
        self.running.remove(node).dies();
        self.running.insert(node, self.story.spawns_process(&self.own[node]));
        self.running[node].answers().await;
    }

    fn pauses(&self, node: usize) {
        self.balancer.serves(node, false);
        self.running[node].signals("STOP");
    }

    fn wakes(&self, node: usize) {
        self.running[node].signals("CONT");
        self.balancer.serves(node, true);
    }

    /// They stop as they are told to, and the story's server goes on with the rest.
    async fn end(self) {
        for process in self.running {
            process.stops().await;
        }
        drop(self.balancer);
        self.story.server_starts().await;
    }
}

/// An address that nobody listens on.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free")
}

async fn killed_nodes_lose_and_repeat_nothing(story: &Story) {
    let (kills, rate) = if is_long() { (setting("CHAOS_KILLS", 200), setting("CHAOS_RATE", 200)) } else { (6, 40) };
    let town = story.town(6, 2).await;
    let mut nodes = Nodes::begin(story).await;
    make_unsteady(story, &town, Unrest { at_most: Duration::from_millis(25), refuses: 0 });
    let dice = Dice::new();
    let over = Cell::new(false);
    let killing = async {
        let mut cuts = Vec::new();
        for _kill in 0..kills {
            sleep(dice.time(Duration::from_millis(200)..Duration::from_millis(1500))).await;
            cuts.push(Cut { at: now(story), reach: REACH });
            nodes.kills(usize::try_from(dice.below(3)).unwrap()).await;
        }
        over.set(true);
        cuts
    };
    let ((), cuts) = tokio::join!(town.talks_until(rate, &over), killing);
    town.has_told_all().await;
    nodes.end().await;
    make_unsteady(story, &town, Unrest::default());
    town.is_served().await;
    is_clean(&town, cuts, &format!("{kills} kills among {NODES} nodes at {rate}/s"), kills * rate / 8);
}

async fn a_paused_node_that_wakes_up_sends_nothing_twice(story: &Story) {
    let (times, rate) = if is_long() { (setting("CHAOS_TIMES", 20), setting("CHAOS_RATE", 100)) } else { (1, 30) };
    let town = story.town(6, 2).await;
    let nodes = Nodes::begin(story).await;
    // Some calls are always under way, so that a paused node has some, too.
    make_unsteady(story, &town, Unrest { at_most: Duration::from_millis(200), refuses: 0 });
    let dice = Dice::new();
    let mut cuts = Vec::new();
    for _time in 0..times {
        let over = Cell::new(false);
        let pausing = async {
            sleep(dice.time(Duration::from_secs(2)..Duration::from_secs(4))).await;
            let node = usize::try_from(dice.below(3)).unwrap();
            let cut = Cut { at: now(story), reach: REACH };
            nodes.pauses(node);
            sleep(Duration::from_secs(1)).await;
            over.set(true);
            (node, cut)
        };
        let ((), (node, cut)) = tokio::join!(town.talks_until(rate, &over), pausing);
        cuts.push(cut);
        // The others have taken over all that it had.
        town.has_told_all().await;
        town.has_all_it_was_promised().await;
        nodes.wakes(node);
        over.set(false);
        let awake = async {
            sleep(Duration::from_secs(3)).await;
            over.set(true);
        };
        tokio::join!(town.talks_until(rate, &over), awake);
    }
    town.has_told_all().await;
    town.has_all_it_was_promised().await;
    nodes.end().await;
    make_unsteady(story, &town, Unrest::default());
    town.is_served().await;
    is_clean(&town, cuts, &format!("{times} pauses among {NODES} nodes at {rate}/s"), times * rate * 3);
}

async fn tokens_that_die_at_once_are_refreshed_once_each(story: &Story) {
    let portals = if is_long() { usize::try_from(setting("CHAOS_PORTALS", 100)).unwrap() } else { 6 };
    let town = story.town(portals, 2).await;
    let nodes = Nodes::begin(story).await;
    let before = story.sandbox.refreshes();
    // For the portals alone: the nodes believe in their tokens until they are told.
    story.sandbox.clock().advance(HOUR + Duration::from_secs(1));
    for _message in 0..portals * 2 * 2 * 5 {
        town.says_one();
    }
    town.has_told_all().await;
    town.has_all_it_was_promised().await;
    let after = story.sandbox.refreshes();
    nodes.end().await;
    town.is_served().await;
    is_clean(&town, Vec::new(), &format!("{portals} portals' tokens dead at once on {NODES} nodes"), 20);
    assert_eq!(after.stale, before.stale, "a refresh token was used twice");
    assert_eq!(usize::try_from(after.total - before.total).unwrap(), portals, "one refresh for each portal");
}

fn is_clean(town: &Town<'_>, cuts: Vec<Cut>, what: &str, at_least: u64) {
    let mut ledger = town.ledger();
    ledger.cuts = cuts;
    let report = ledger.report();
    println!("{what}: {report}");
    report.tried_at_least(usize::try_from(at_least).unwrap());
    report.is_clean();
    assert_eq!(town.red_notes(), [""; 0], "nobody needs to be told anything");
}
