//! Operating time of one method in one portal: how long the portal's server has worked for it.
//!
//! Bitrix24 adds it up over ten baskets of a minute and refuses the method for the application when it is too much (its `limits.md`:
//! 480 s in ten minutes, 429 `OPERATION_TIME_LIMIT`; other methods go on). Every answer tells the sum and when the oldest basket
//! is forgotten. So calls slow down before they are refused, and a call carries as many messages as it can do in time.

use std::time::Duration;

use crate::{b24::client::Time, clock::Millis};

/// The example of `limits.md`. A portal whose own is lower tells so once, by refusing.
const LIMIT_S: f64 = 480.0;
/// From this share of the limit on, what is left is spread over the time until more comes back.
const SLOW_FROM: f64 = 0.8;
/// What a message costs until a portal has told: the example of `imconnector.send.messages`.
const MESSAGE_S: f64 = 1.2;
/// A call is cut after 60 s (`limits.md`): no more is put into one than this is enough for.
const CALL_S: f64 = 20.0;
/// The most messages of one call, however quick a portal is: a call that nobody answers leaves as many open questions.
const MESSAGES: u32 = 50;
/// Blocked without a word on how long: the soonest that a basket can be forgotten.
const BASKET: Duration = Duration::from_mins(1);
/// Portals tell whole seconds, by a clock that is not ours.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Operating {
    limit_s: f64,
    /// As the portal told last.
    spent_s: Option<f64>,
    reset_at: Millis,
    /// What one message costs; learnt.
    message_s: f64,
    /// Reserved for the calls under way.
    under_way_s: f64,
    /// Messages of the calls under way.
    under_way: u32,
    /// What the portal had told when no call was under way …
    base_s: Option<f64>,
    /// … and the messages that have begun since.
    begun: u32,
    /// Background work keeps away from the method until then.
    shut_until: Millis,
}

impl Default for Operating {
    fn default() -> Self {
        Self {
            limit_s: LIMIT_S,
            spent_s: None,
            reset_at: Millis(0),
            message_s: MESSAGE_S,
            under_way_s: 0.0,
            under_way: 0,
            base_s: None,
            begun: 0,
            shut_until: Millis(0),
        }
    }
}

impl Operating {
    /// When background work may call the method again, if not now.
    pub fn shut(self, now: Millis) -> Option<Millis> {
        (now < self.shut_until).then_some(self.shut_until)
    }

    /// Nobody calls, and what was told is long forgotten by the portal itself.
    pub fn is_old(self, now: Millis) -> bool {
        self.under_way_s <= 0.0 && now > self.reset_at.after(BASKET * 10)
    }

    fn left_s(self) -> f64 {
        (self.limit_s - self.spent_s.unwrap_or(0.0) - self.under_way_s).max(0.0)
    }

    /// How many messages one call may carry now; at least one.
    pub fn messages(self) -> usize {
        let room_s = CALL_S.min(self.left_s());
        (1..=MESSAGES).take_while(|count| f64::from(*count) * self.message_s <= room_s).count().max(1)
    }

    /// Whether what is left is reserved for the calls under way already.
    pub fn is_crowded(self, messages: usize) -> bool {
        self.under_way_s > 0.0 && self.cost_s(messages) > self.left_s()
    }

    /// A call with so many messages begins.
    pub fn begins(&mut self, messages: usize) {
        self.under_way_s += self.cost_s(messages);
        self.under_way = self.under_way.saturating_add(count(messages));
        self.begun = self.begun.saturating_add(count(messages));
    }

    fn cost_s(self, messages: usize) -> f64 {
        self.message_s * f64::from(count(messages))
    }

    /// It has ended; `reserved_s` is what [`Operating::begins`] added.
    pub fn ends(&mut self, messages: usize, reserved_s: f64, (time, now): (Option<Time>, Millis)) {
        self.under_way_s = (self.under_way_s - reserved_s).max(0.0);
        self.under_way = self.under_way.saturating_sub(count(messages));
        let Some(time) = time else { return };
        let told_s = time.operating.as_secs_f64();
        let before = self.spent_s;
        let reset_at = time.operating_reset_at.unwrap_or(now.after(BASKET));
        // Answers overtake each other: of the same baskets the larger sum is the later one.
        self.spent_s = Some(if reset_at == self.reset_at { told_s.max(before.unwrap_or(0.0)) } else { told_s });
        self.reset_at = reset_at;
        self.learn();
        self.slow_down(messages, now);
    }

    /// The sum tells of all calls at once. Divided by all messages that have begun since nothing was under way, a call whose share is
    /// not in it yet makes them look cheaper, never dearer.
    fn learn(&mut self) {
        let spent_s = self.spent_s.unwrap_or(0.0);
        let is_whole = self.under_way == 0;
        let sample = (spent_s - self.base_s.unwrap_or(0.0)) / f64::from(self.begun.max(1));
        // A basket was forgotten in between; or the sum has others in it, from before our time.
        let tells = sample >= 0.0 && self.begun > 0 && (self.base_s.is_some() || sample <= self.message_s);
        // Believed at once when it is worse, by half when it is better.
        if tells && sample > self.message_s {
            self.message_s = sample;
        } else if tells && is_whole {
            self.message_s = f64::midpoint(self.message_s, sample);
        }
        if is_whole || sample < 0.0 {
            self.base_s = Some(spent_s);
            self.begun = self.under_way;
        }
    }

    fn slow_down(&mut self, messages: usize, now: Millis) {
        let spent_s = self.spent_s.unwrap_or(0.0) + self.under_way_s;
        if spent_s < self.limit_s * SLOW_FROM {
            return;
        }
        let (left_s, cost_s) = (self.left_s(), self.cost_s(messages.max(1)));
        let until_reset = self.reset_at.after(GRACE).wait_from(now);
        let wait = if left_s < self.message_s || cost_s >= left_s {
            until_reset
        } else {
            until_reset.mul_f64(cost_s / left_s)
        };
        self.shut_until = self.shut_until.max(now.after(wait));
    }

    /// The portal refuses the method until a basket is forgotten. Its limit is lower than we thought.
    pub fn blocked(&mut self, now: Millis) {
        if let Some(spent_s) = self.spent_s {
            self.limit_s = self.limit_s.min(spent_s.max(LIMIT_S / 4.0));
        }
        self.shut_until = if self.reset_at > now { self.reset_at } else { now.after(BASKET) }.after(GRACE);
    }

    pub fn reserves_s(self, messages: usize) -> f64 {
        self.cost_s(messages)
    }
}

fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(operating_s: f64, reset_at: i64) -> Time {
        let operating_reset_at = Some(Millis(reset_at));
        Time { operating: Duration::from_secs_f64(operating_s), operating_reset_at }
    }

    fn call(of: &mut Operating, messages: usize, time: impl Into<Option<Time>>, now: i64) {
        let reserved = of.reserves_s(messages);
        of.begins(messages);
        of.ends(messages, reserved, (time.into(), Millis(now)));
    }

    #[test]
    fn a_call_carries_what_fits_twenty_seconds() {
        let mut of = Operating::default();
        assert_eq!(of.messages(), 16, "the documentation's own example until the portal has told");
        call(&mut of, 16, told(64.0, 600_000), 0);
        call(&mut of, 16, told(128.0, 600_000), 1);
        assert_eq!(of.messages(), 5, "4 s each");
        let mut quick = Operating::default();
        for round in 0..8 {
            call(&mut quick, 16, told(0.01, 600_000), round);
        }
        assert_eq!(quick.messages(), 50);
    }

    #[test]
    fn the_method_slows_down_before_its_limit_and_waits_for_the_oldest_basket_at_it() {
        let mut of = Operating::default();
        for calls in 1..20 {
            call(&mut of, 16, told(19.2 * f64::from(calls), 600_000), 100_000);
            assert_eq!(of.shut(Millis(100_000)), None);
        }
        call(&mut of, 16, told(384.0, 600_000), 100_000);
        let wait = of.shut(Millis(100_000)).unwrap().wait_from(Millis(100_000));
        // A fifth of what is left was used: a fifth of the time passes.
        assert_eq!(wait.as_secs(), 100);
        let mut full = Operating::default();
        call(&mut full, 1, told(479.9, 600_000), 100_000);
        assert_eq!(full.shut(Millis(100_000)), Some(Millis(601_000)));
        assert_eq!((full.shut(Millis(601_000)), full.messages()), (None, 1));
    }

    #[test]
    fn a_refusal_shuts_the_method_until_the_portal_said_and_teaches_its_limit() {
        let mut of = Operating::default();
        call(&mut of, 1, told(300.0, 90_000), 0);
        of.blocked(Millis(10_000));
        assert_eq!(of.shut(Millis(10_000)), Some(Millis(91_000)));
        call(&mut of, 1, told(260.0, 150_000), 91_000);
        assert!(of.shut(Millis(91_000)).is_some(), "260 of 300 is slowed, 260 of 480 was not");
        let mut silent = Operating::default();
        silent.blocked(Millis(0));
        assert_eq!(silent.shut(Millis(0)), Some(Millis(61_000)));
    }

    #[test]
    fn calls_side_by_side_are_not_taken_for_dear_ones() {
        let mut of = Operating::default();
        let mut told_s = 0.0;
        for round in 0..2 {
            let reserved = of.reserves_s(16);
            for _call in 0..8 {
                of.begins(16);
                told_s += 19.2;
            }
            for _call in 0..8 {
                of.ends(16, reserved, (Some(told(told_s, 600_000)), Millis(round)));
            }
            assert_eq!(of.messages(), 16, "round {round}");
        }
    }

    #[test]
    fn calls_under_way_count_before_their_answers_come() {
        let mut of = Operating::default();
        call(&mut of, 16, told(19.2, 600_000), 0);
        call(&mut of, 16, told(460.8, 600_000), 0);
        let left = of.messages();
        of.begins(left);
        assert!(of.messages() < left || left == 1);
    }
}
