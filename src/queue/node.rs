//! This process among the nodes that work on one database.
//!
//! A node says every [`BEAT`] that it lives. One that has been silent for [`SILENT`], as another sees it by its own clock, is
//! declared dead, and its portals are free. A node that could not say so for [`LEASE`] starts nothing any more, even if it does not
//! know yet that it is dead: a process that was stopped and wakes up sends nothing that another may have sent. Where only
//! one process can work on the database, none of it is needed.

use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};

use crate::{
    app::App,
    db::{DbResult, Resumption},
    domain::{failure::ASK_AFTER, ids::NodeId},
    relay::{self, REPEATABLE},
    secret::{SealError, random_id},
};

const BEAT: Duration = Duration::from_secs(5);
/// The same where the last could not be said: nothing is done until it can.
const AGAIN: Duration = Duration::from_secs(1);
/// DESIGN.md, "Delivery": take-over after 20 s, the last beat's own wait included.
const SILENT: Duration = Duration::from_secs(15);
const LEASE: Duration = Duration::from_secs(12);
/// How often free portals are looked for while others may have brought work for them …
const POLL_AMONG_OTHERS: Duration = Duration::from_millis(100);
/// … and alone, although the bell was silent.
const POLL: Duration = Duration::from_secs(1);
/// Portals given to others between two beats.
const YIELD_AT_ONCE: i64 = 256;
/// Beats between two looks for portals that a node took at the moment of its death.
const ORPHANS_EVERY: u32 = 12;
/// The file in the data folder that keeps a node's name over restarts.
const NAME: &str = "node";
const NAME_LENGTH: usize = 12;

/// What this process knows of itself.
#[derive(Clone)]
pub struct Node(Arc<Mutex<State>>);

struct State {
    id: NodeId,
    /// None: nobody else can work on the database.
    acts_until: Option<Instant>,
    others: bool,
    takes: bool,
}

impl Default for Node {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { id: NodeId(0), acts_until: None, others: false, takes: true })))
    }
}

impl Node {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn id(&self) -> NodeId {
        self.state().id
    }

    /// Whether something may be sent now: nobody else can have been given this node's portals.
    pub fn may_act(&self) -> bool {
        self.state().acts_until.is_none_or(|until| Instant::now() < until)
    }

    /// Whether what was claimed under this id may be carried on. A node that was declared dead and began anew has another: what it
    /// was doing before is others' by now.
    pub fn acts_as(&self, id: NodeId) -> bool {
        self.id() == id && self.may_act()
    }

    /// Whether it takes portals that nobody has: not while it has more than its share.
    pub fn takes(&self) -> bool {
        self.state().takes
    }

    /// How long to wait for the bell: others ring their own.
    pub fn poll(&self) -> Duration {
        if self.state().others { POLL_AMONG_OTHERS } else { POLL }
    }

    fn joined(&self, id: NodeId, shared: bool, began: Instant) {
        *self.state() = State { id, acts_until: shared.then(|| began + LEASE), others: shared, takes: true };
    }
}

/// Why a node could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("the node's name could not be kept in the data folder: {0}")]
    Name(#[from] io::Error),
    #[error(transparent)]
    Random(#[from] SealError),
    #[error(transparent)]
    Db(#[from] crate::db::DbError),
}

/// Begins to own portals. What the last process on this data folder left half done is free at once: it is dead, or this one would
/// not have got the folder.
pub async fn join(app: &App) -> Result<(), JoinError> {
    let name = name(&app.config.data_dir)?;
    Ok(enter(app, name).await?)
}

async fn enter(app: &App, name: String) -> DbResult<()> {
    let began = Instant::now();
    let (id, left) = app.db.node_join(name, resumption(app)).await?;
    app.node.joined(id, app.db.is_shared(), began);
    if left.again + left.uncertain > 0 {
        tracing::warn!(node = %id, left.again, left.uncertain, "deliveries were interrupted when the server stopped");
    }
    Ok(())
}

fn resumption(app: &App) -> Resumption {
    let now = app.clock.now();
    Resumption { repeatable: REPEATABLE, now, ask_at: now.after(ASK_AFTER) }
}

fn name(folder: &Path) -> Result<String, JoinError> {
    let path = folder.join(NAME);
    match fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        _none => {
            let name = random_id(NAME_LENGTH)?;
            fs::create_dir_all(folder)?;
            fs::write(&path, &name)?;
            Ok(name)
        }
    }
}

/// What is under way has ended: others may go on at once.
pub async fn leave(app: &App) {
    if let Err(error) = app.db.node_end(vec![app.node.id()], resumption(app)).await {
        tracing::warn!(%error, "this node could not take its leave: others notice by its silence");
    }
}

/// Says that this node lives and watches the others, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    if !app.db.is_shared() {
        return;
    }
    let mut watching = Watching::default();
    let mut beats = 0_u32;
    while !*stop.borrow() {
        let mut next = BEAT;
        match round(&app, &mut watching, beats).await {
            // Events come to any node: what the dead one had not accepted may be any portal's.
            Ok(true) => {
                let (app, since) = (Arc::clone(&app), app.clock.now().before(SILENT * 2));
                tokio::spawn(async move {
                    relay::lost::everywhere(&app, since).await;
                    relay::unheard::everywhere(&app).await;
                });
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the nodes could not be looked at");
                next = AGAIN;
            }
        }
        beats = beats.wrapping_add(1);
        tokio::select! {
            () = sleep(next) => {}
            _changed = stop.changed() => {}
        }
    }
}

/// True when others have died.
async fn round(app: &App, watching: &mut Watching, beats: u32) -> DbResult<bool> {
    let began = Instant::now();
    let me = app.node.id();
    if app.db.node_beat(me).await? {
        app.node.state().acts_until = Some(began + LEASE);
    } else {
        tracing::error!(node = %me, "this node was declared dead: it had been silent for too long; it begins anew");
        let name = name(&app.config.data_dir).unwrap_or_else(|_unreadable| me.to_string());
        enter(app, name).await?;
        return Ok(false);
    }
    let nodes = app.db.node_list().await?;
    let silent = watching.silent(&nodes, me, Instant::now());
    if !silent.is_empty() || beats.is_multiple_of(ORPHANS_EVERY) {
        let taken = app.db.node_end(silent.clone(), resumption(app)).await?;
        if taken.portals > 0 {
            tracing::warn!(?silent, taken.portals, taken.again, taken.uncertain, "portals of a silent node are free");
            app.bell.ring();
        }
    }
    let alive = nodes.len().saturating_sub(silent.len()).max(1);
    share(app, me, alive).await?;
    Ok(!silent.is_empty())
}

/// Keeps about as many portals as every node should have.
async fn share(app: &App, me: NodeId, alive: usize) -> DbResult<()> {
    let (mine, all) = if alive > 1 { app.db.node_share(me).await? } else { (0, 0) };
    let fair = all / i64::try_from(alive).unwrap_or(1);
    // A little more is not worth moving anything.
    let most = fair + fair / 4 + 1;
    {
        let mut state = app.node.state();
        state.others = alive > 1;
        state.takes = mine <= most;
    }
    if mine > most {
        app.db.node_yield(me, (mine - fair).min(YIELD_AT_ONCE)).await?;
    }
    Ok(())
}

/// When each node's beat was seen to change last. Seen by this process's own clock, so that clocks need not agree.
#[derive(Default)]
struct Watching(HashMap<NodeId, (i64, Instant)>);

impl Watching {
    /// The others that have been silent for too long.
    fn silent(&mut self, nodes: &[(NodeId, i64)], me: NodeId, now: Instant) -> Vec<NodeId> {
        self.0.retain(|known, _seen| nodes.iter().any(|(id, _beat)| id == known));
        let mut silent = Vec::new();
        for (id, beat) in nodes.iter().filter(|(id, _beat)| *id != me) {
            let seen = self.0.entry(*id).or_insert((*beat, now));
            if seen.0 != *beat {
                *seen = (*beat, now);
            }
            if now.saturating_duration_since(seen.1) >= SILENT {
                silent.push(*id);
            }
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_silent_when_its_beat_has_not_changed_for_a_while() {
        let mut watching = Watching::default();
        let (me, other) = (NodeId(1), NodeId(2));
        let start = Instant::now();
        let nodes = |beat| vec![(me, 1), (other, beat)];
        assert!(watching.silent(&nodes(7), me, start).is_empty());
        assert!(watching.silent(&nodes(7), me, start + SILENT / 2).is_empty());
        assert!(watching.silent(&nodes(8), me, start + SILENT).is_empty(), "it has spoken");
        assert_eq!(watching.silent(&nodes(8), me, start + SILENT * 2), [other]);
        assert!(watching.silent(&nodes(8)[..1], me, start + SILENT * 2).is_empty(), "it is buried");
    }

    #[test]
    fn a_node_that_could_not_speak_starts_nothing() {
        let node = Node::default();
        node.joined(NodeId(1), true, Instant::now());
        assert!(node.may_act());
        node.state().acts_until = Some(Instant::now());
        assert!(!node.may_act() && !node.acts_as(NodeId(1)));
        node.joined(NodeId(2), false, Instant::now());
        assert!(node.state().acts_until.is_none(), "nobody else can be there");
        assert!(node.acts_as(NodeId(2)) && !node.acts_as(NodeId(1)), "what the dead one was doing is over");
    }
}
