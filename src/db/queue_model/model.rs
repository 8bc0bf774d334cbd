//! The queue as it should be.

use super::PORTALS;
use crate::{
    clock::Millis,
    db::{DeliveryKind, DeliveryState, PortalState},
    domain::failure::ASK_AFTER,
};

/// A delivery as the model knows it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) place: (usize, usize),
    pub(super) kind: DeliveryKind,
    pub(super) state: DeliveryState,
    pub(super) due: i64,
    pub(super) tries: i32,
    pub(super) uncertain: bool,
}

impl Known {
    pub(super) fn holds(&self) -> bool {
        use DeliveryState::{Parked, Queued, Sending, Waiting};
        matches!(self.state, Queued | Waiting | Sending | Parked)
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.state, DeliveryState::Waiting | DeliveryState::Parked)
    }
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) state: PortalState,
    pub(super) gate: i64,
}

/// The queue as it should be. A delivery's number is its place in `all`, and is in its payload.
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) all: Vec<Known>,
    pub(super) portals: Vec<Place>,
}

impl Model {
    pub(super) fn new() -> Self {
        let portals = PORTALS.iter().map(|_id| Place { state: PortalState::Active, gate: 0 }).collect();
        Self { now: 0, all: Vec::new(), portals }
    }

    /// The oldest delivery that holds its place in a lane.
    pub(super) fn head(&self, place: (usize, usize)) -> Option<usize> {
        self.all.iter().position(|it| it.place == place && it.holds())
    }

    pub(super) fn may_run(&self, known: &Known) -> bool {
        use DeliveryKind::{Provision, ToAddress, ToCore, Uninstall};
        match self.portals[known.place.0].state {
            PortalState::Active => true,
            PortalState::Parked => matches!(known.kind, Provision | Uninstall | ToCore | ToAddress),
            PortalState::Stopped => matches!(known.kind, Provision | Uninstall),
        }
    }

    /// When a delivery can run, if nothing else happens.
    pub(super) fn wakes(&self, known: &Known) -> Option<i64> {
        (known.runs() && self.may_run(known)).then(|| known.due.max(self.portals[known.place.0].gate))
    }

    pub(super) fn under_way(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|at| self.all[*at].state == DeliveryState::Sending).collect()
    }

    pub(super) fn ends(&mut self, at: usize, state: DeliveryState) {
        self.all[at].state = state;
        if let Some(next) = self.head(self.all[at].place)
            && self.all[next].state == DeliveryState::Queued
        {
            self.all[next].state = DeliveryState::Waiting;
        }
    }

    /// `asks`: what may have happened is asked about later.
    pub(super) fn hurry(&mut self, asks: bool, within: impl Fn(&Known) -> bool) {
        let ask_at = Millis(self.now).after(ASK_AFTER).0;
        for known in self.all.iter_mut().filter(|known| known.runs() && within(known)) {
            if known.uncertain && asks && known.due <= ask_at {
                continue;
            }
            known.state = DeliveryState::Waiting;
            known.due = if known.uncertain && asks { ask_at } else { self.now };
        }
    }
}
