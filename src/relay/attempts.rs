//! How often somebody may fail to prove who he is. Each proof costs a call to the OAuth server or to a portal in our name, and an
//! application that calls them too often is blocked.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::Millis;

/// How many proofs of one address may fail in [`WINDOW`]. Bitrix24's own servers speak for many portals, so it is no small number.
const ALLOWED: u32 = 60;
const WINDOW: Duration = Duration::from_mins(10);
/// Addresses remembered; beyond it those whose window is over are forgotten, and then all.
const REMEMBERED: usize = 10_000;

/// Counts failures by address.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<IpAddr, (Millis, u32)>>);

impl Failures {
    /// Whether an address has failed too often lately.
    pub fn is_over(&self, caller: Option<IpAddr>, now: Millis) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        caller
            .and_then(|caller| known.get(&caller).copied())
            .is_some_and(|(since, count)| count >= ALLOWED && now < since.after(WINDOW))
    }

    pub fn count(&self, caller: Option<IpAddr>, now: Millis) {
        let Some(caller) = caller else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_address, (since, _count)| now < since.after(WINDOW));
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let (since, count) = known.entry(caller).or_insert((now, 0));
        if now >= since.after(WINDOW) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_fails_too_often_is_over_for_a_while() {
        let failures = Failures::default();
        let caller = Some(ip("203.0.113.7"));
        for _offer in 0..ALLOWED {
            assert!(!failures.is_over(caller, Millis(0)));
            failures.count(caller, Millis(0));
        }
        assert!(failures.is_over(caller, Millis(1)));
        assert!(!failures.is_over(Some(ip("203.0.113.8")), Millis(1)));
        assert!(!failures.is_over(caller, Millis(0).after(WINDOW)));
        assert!(!failures.is_over(None, Millis(1)));
    }
}
