//! What stands before several nodes: every connection goes to a node that is in service, as a load balancer does it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

struct Target {
    address: SocketAddr,
    in_service: bool,
    connections: JoinSet<()>,
}

struct State {
    targets: Vec<Target>,
    turn: usize,
}

/// It listens until it is dropped.
pub struct Balancer {
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

impl Balancer {
    pub async fn start(at: SocketAddr, targets: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind(at).await.expect("the address is free");
        let targets =
            targets.into_iter().map(|address| Target { address, in_service: true, connections: JoinSet::new() });
        let state = Arc::new(Mutex::new(State { targets: targets.collect(), turn: 0 }));
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            while let Ok((caller, _from)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&shared), caller));
            }
        });
        Self { state, listening }
    }

    /// Takes a node out of service, and cuts its connections, or puts it back.
    pub fn serves(&self, node: usize, in_service: bool) {
        let mut state = held(&self.state);
        let target = &mut state.targets[node];
        target.in_service = in_service;
        if !in_service {
            target.connections.abort_all();
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn held(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next node in service, its number and address.
fn next(state: &Mutex<State>) -> Option<(usize, SocketAddr)> {
    let mut state = held(state);
    for _try in 0..state.targets.len() {
        state.turn = (state.turn + 1) % state.targets.len();
        let (turn, target) = (state.turn, &state.targets[state.turn]);
        if target.in_service {
            return Some((turn, target.address));
        }
    }
    None
}

/// A caller whom no node takes is hung up on.
async fn serve(state: Arc<Mutex<State>>, mut caller: TcpStream) {
    for _try in 0..4 {
        let Some((node, address)) = next(&state) else { return };
        let Ok(mut taken) = TcpStream::connect(address).await else { continue };
        let connections = &mut held(&state).targets[node].connections;
        connections.spawn(async move {
            let _ = copy_bidirectional(&mut caller, &mut taken).await;
        });
        return;
    }
}
