//! Unsteady stand-ins: every call takes another time, some are refused, as on a bad day of the real ones.

use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

/// How unsteady somebody answers. The default is calm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrest {
    /// Every call takes up to this long before it is done, and again before it is answered. Real time.
    pub at_most: Duration,
    /// So many of a hundred calls that carry messages are refused; nothing is done.
    pub refuses: u8,
}

impl Unrest {
    pub(crate) async fn waits(self) {
        if !self.at_most.is_zero() {
            tokio::time::sleep(self.at_most * u32::from(random_byte()) / 255).await;
        }
    }

    pub(crate) fn refuses(self) -> bool {
        u16::from(random_byte()) * 100 < u16::from(self.refuses) * 256
    }
}

fn random_byte() -> u8 {
    let mut raw = [0];
    SystemRandom::new().fill(&mut raw).expect("the machine has random numbers");
    raw[0]
}
