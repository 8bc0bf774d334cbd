//! What goes wrong with a portal until a test, or a person at the sandbox's page, ends it: limits that are enforced, calls that meet
//! faults, tokens that are dead, answers that are lost, a portal that is away.
//!
//! Numbers of the limits are those of Bitrix24's `limits.md`; where its own server says more, it is said there.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    time::Duration,
};

use super::{Fault, Portal};
use crate::cloud;

/// The portal's leaky bucket: this many calls fit in, and two a second drain away.
const BUCKET_CALLS: i64 = 50;
const DRAIN_MS_PER_CALL: i64 = 500;
/// A method is blocked for an application when it has used this much time in ten baskets of a minute.
const OPERATING_LIMIT_MS: i64 = 480_000;
const BASKETS: i64 = 10;
const BASKET_MS: i64 = 60_000;
/// Shorter calls are not counted (`rest/lib/engine/access/loadlimiter.php` of the portal's own server).
const NOT_BILLED_MS: i64 = 100;

/// What a call is billed, however long it really takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    pub call: Duration,
    /// For every element of `MESSAGES`.
    pub element: Duration,
}

/// What `time` of an answer tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operating {
    pub spent_ms: i64,
    pub reset_at_s: i64,
}

#[derive(Default)]
pub(super) struct Trouble {
    /// The rate limit is on.
    limited: bool,
    /// When the bucket will be empty, if no more calls come.
    empty_at_ms: i64,
    bill: Option<Bill>,
    /// Time used by application and method, by the minute.
    used: HashMap<(String, String), BTreeMap<i64, i64>>,
    /// So many of a hundred calls meet the fault, for each.
    suffers: Vec<(u8, Fault)>,
    /// REST calls that wait for their answers, and the most that ever were.
    open: usize,
    most_open: usize,
    /// Calls that were judged by `suffers`, so that shares come out evenly and every run is the same.
    judged: u64,
}

/// A REST call that waits for its answer, or whose caller has gone.
pub(super) struct OpenCall(Portal);

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.journal(|journal| journal.trouble.open -= 1);
    }
}

impl Trouble {
    fn forget(&mut self, minute: i64) {
        for baskets in self.used.values_mut() {
            baskets.retain(|at, _| *at > minute - BASKETS);
        }
    }

    fn used(&self, client: &str, method: &str) -> i64 {
        self.used.get(&(client.to_owned(), method.to_owned())).map_or(0, |baskets| baskets.values().sum())
    }

    /// The fault that a share of all calls meets, if it is this one's turn. The golden ratio spreads the turns.
    fn draws(&mut self) -> Option<Fault> {
        if self.suffers.is_empty() {
            return None;
        }
        self.judged += 1;
        let turn = ((self.judged.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) * 100) >> 32;
        let mut below = 0;
        self.suffers.iter().find_map(|(share, fault)| {
            below += u64::from(*share);
            (turn < below).then(|| fault.clone())
        })
    }
}

impl Portal {
    /// Switches the cloud's rate limit on: a burst of 50 calls, then two a second. A new portal is without it, as a box is.
    pub fn limits_rate(&self, on: bool) {
        self.journal(|journal| journal.trouble.limited = on);
        self.tells();
    }

    /// Counts a call; true: it does not fit into the bucket.
    pub(super) fn is_over_limit(&self) -> bool {
        let now = self.now_ms();
        self.journal(|journal| {
            let trouble = &mut journal.trouble;
            let full = (trouble.empty_at_ms - now).max(0);
            if trouble.limited && full + DRAIN_MS_PER_CALL > BUCKET_CALLS * DRAIN_MS_PER_CALL {
                return true;
            }
            trouble.empty_at_ms = now + full + DRAIN_MS_PER_CALL;
            false
        })
    }

    /// Switches the limit of operating time on: every call is billed, told its bill, and refused when ten minutes hold too much. `None`
    /// ends it and forgets what was billed.
    pub fn bills(&self, bill: Option<Bill>) {
        self.journal(|journal| {
            journal.trouble.bill = bill;
            journal.trouble.used.clear();
        });
        self.tells();
    }

    /// Whether the method is blocked for the application. Looked at before the call: one that begins below the limit is done.
    pub(super) fn is_blocked(&self, client: &str, method: &str) -> bool {
        let minute = self.now_ms() / BASKET_MS;
        self.journal(|journal| {
            journal.trouble.forget(minute);
            journal.trouble.bill.is_some() && journal.trouble.used(client, method) >= OPERATING_LIMIT_MS
        })
    }

    /// Bills a call with so many elements. `None`: nothing is billed here.
    pub(super) fn billed(&self, client: &str, method: &str, elements: usize) -> Option<Operating> {
        let minute = self.now_ms() / BASKET_MS;
        self.journal(|journal| {
            let bill = journal.trouble.bill?;
            let cost = bill.call + bill.element * u32::try_from(elements).unwrap_or(u32::MAX);
            let cost = i64::try_from(cost.as_millis()).unwrap_or(i64::MAX);
            journal.trouble.forget(minute);
            let baskets = journal.trouble.used.entry((client.to_owned(), method.to_owned())).or_default();
            if cost > NOT_BILLED_MS {
                *baskets.entry(minute).or_default() += cost;
            }
            let oldest = baskets.keys().next().copied().unwrap_or(minute);
            let spent_ms = baskets.values().sum();
            Some(Operating { spent_ms, reset_at_s: (oldest + BASKETS) * BASKET_MS / 1000 })
        })
    }

    /// Operating time that an application has used of a method in the running ten minutes.
    pub fn operating(&self, client: &str, method: &str) -> Duration {
        let minute = self.now_ms() / BASKET_MS;
        let used = self.journal(|journal| {
            journal.trouble.forget(minute);
            journal.trouble.used(client, method)
        });
        Duration::from_millis(u64::try_from(used).unwrap_or(0))
    }

    /// From now on so many of a hundred calls meet each fault; the rest goes well. A storm is several shares, a slow portal
    /// `(100, DoesSlowly)`, a black hole `(100, Hangs)`. Nothing: all is well again.
    pub fn suffers(&self, faults: &[(u8, Fault)]) {
        self.journal(|journal| {
            journal.trouble.suffers = faults.to_vec();
            journal.trouble.judged = 0;
        });
        self.tells();
    }

    pub(super) fn takes_fault(&self, method: &str) -> Option<Fault> {
        self.journal(|journal| {
            let at = journal.faults.iter().position(|(name, _)| name == method)?;
            Some(journal.faults.remove(at).1)
        })
    }

    /// What a call of the method meets: what was ordered for it, else what the portal suffers from.
    pub(super) fn meets_fault(&self, method: &str) -> Option<Fault> {
        self.takes_fault(method).or_else(|| self.journal(|journal| journal.trouble.draws()))
    }

    /// A REST call has come; it counts as open until what this gives is dropped.
    pub(super) fn opens_call(&self) -> OpenCall {
        self.journal(|journal| {
            let trouble = &mut journal.trouble;
            trouble.open += 1;
            trouble.most_open = trouble.most_open.max(trouble.open);
        });
        OpenCall(self.clone())
    }

    /// The most REST calls that were open at the same time since this was last asked.
    pub fn most_open_calls(&self) -> usize {
        self.journal(|journal| std::mem::replace(&mut journal.trouble.most_open, journal.trouble.open))
    }

    /// Every access token given so far is past its time.
    pub fn expires_tokens(&self) {
        self.world().oauth.expire_access(self.member_id());
    }

    /// The OAuth server does the next refreshes of this portal and cuts the connection instead of answering.
    pub fn loses_refreshes(&self, count: u32) {
        self.world().oauth.loses_answers(self.member_id(), count);
    }

    /// Connections are refused from now on; REST and pages alike.
    pub async fn goes_away(&self) {
        let servers: Vec<_> = {
            let mut all = self.world().servers();
            let (own, others) = all.drain(..).partition(|server| server.member_id == self.member_id());
            *all = others;
            own
        };
        for server in servers {
            server.handle.stop(false).await;
            // A kept connection would still be answered.
            while server.alive.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// The portal answers again, at its address of now.
    pub async fn comes_back(&self) -> io::Result<()> {
        let port = self.domain().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let (listeners, _) = cloud::bind(port)?;
        self.listens(listeners)
    }

    /// The portal moves to another domain (here: another port); the old one answers 302.
    pub async fn renames(&self) -> io::Result<()> {
        let (listeners, port) = cloud::bind(0)?;
        self.listens(listeners)?;
        self.moves_to(format!("localhost:{port}"));
        Ok(())
    }

    pub(crate) fn listens(&self, listeners: Vec<std::net::TcpListener>) -> io::Result<()> {
        let server = cloud::serve_portal(self, listeners)?;
        self.world().servers().push(server);
        Ok(())
    }

    /// What is wrong now, for the page: limits and shares.
    pub(crate) fn troubles(&self) -> serde_json::Value {
        self.journal(|journal| {
            let trouble = &journal.trouble;
            let bill = trouble.bill.map(
                |bill| serde_json::json!({"call_ms": bill.call.as_millis(), "element_ms": bill.element.as_millis()}),
            );
            let suffers: Vec<_> = trouble
                .suffers
                .iter()
                .map(|(share, fault)| serde_json::json!({"share": share, "fault": fault.name()}))
                .collect();
            serde_json::json!({"limits_rate": trouble.limited, "bills": bill, "suffers": suffers})
        })
    }

    /// Pages look again.
    fn tells(&self) {
        self.change(|_| ());
    }
}
