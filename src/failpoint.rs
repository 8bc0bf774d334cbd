//! Points at which a test has the process end, from one instruction to the next: between a step of the delivery and its
//! neighbour. A build without debug assertions has none of it.

/// All points, in the order in which a message passes them.
pub const POINTS: [&str; 7] = [
    // An event is in the inbox, and not committed.
    "inbox-stored",
    // It is committed, and nobody has answered 200.
    "inbox-committed",
    // Half of what follows from an inbox row is written.
    "expanding",
    // An attempt is recorded, and not made.
    "claimed",
    // The other side has done it, and it is not written down.
    "sent",
    // That is being written, and not committed.
    "settling",
    // All is written, and the worker does not know it.
    "settled",
];

/// Ends the process if `FAILPOINT` says so: `<name>:<n>` is the nth passage of the point of that name.
#[cfg(debug_assertions)]
pub fn pass(point: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };
    static WANTED: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        let text = std::env::var("FAILPOINT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    static PASSED: AtomicU32 = AtomicU32::new(0);
    debug_assert!(POINTS.contains(&point), "{point} is not in the list");
    if let Some((wanted, count)) = WANTED.as_ref()
        && wanted == point
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub const fn pass(_point: &str) {}
