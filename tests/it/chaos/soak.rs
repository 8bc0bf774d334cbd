//! R17: hours of everyday troubles, one after the other. Nothing is lost, and nothing grows that should not.

use std::{
    cell::{Cell, RefCell},
    fmt,
    time::Duration,
};

use sandbox::Unrest;
use tokio::time::{Instant, sleep};

use super::{is_long, kills::make_unsteady, setting, town::Town};
use crate::harness::{Process, Story, stories};

stories![everyday_troubles_wear_nothing_out];

/// Open files beyond those of the beginning: connections that happen to be kept.
const FILES_MORE: usize = 128;
/// A process that leaks a kilobyte for every message passes this in the long form.
const MEMORY_MORE: usize = 256 * 1024;

/// How long it lasts, how long one trouble does, and messages a second.
fn plan() -> (Duration, Duration, u64) {
    if is_long() {
        let minutes = setting("CHAOS_MINUTES", 10);
        (Duration::from_mins(minutes), Duration::from_secs(10), setting("CHAOS_RATE", 50))
    } else {
        (Duration::from_secs(16), Duration::from_secs(2), 25)
    }
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    MessengerAway,
    Unsteady,
    PortalRefuses,
    ToldTwice,
    TokensDie,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::None,
    Trouble::MessengerAway,
    Trouble::Unsteady,
    Trouble::PortalRefuses,
    Trouble::ToldTwice,
    Trouble::TokensDie,
];

impl Trouble {
    fn begins(self, story: &Story, town: &Town<'_>) {
        let chatapp = story.sandbox.messengers().chatapp();
        chatapp.is_down_for(None);
        chatapp.post_webhook_twice(false);
        make_unsteady(story, town, Unrest::default());
        match self {
            Self::None => {}
            Self::MessengerAway => chatapp.is_down_for(Some("messages")),
            Self::Unsteady => {
                make_unsteady(story, town, Unrest { at_most: Duration::from_millis(200), refuses: 5 });
            }
            Self::PortalRefuses => {
                for shop in &town.shops {
                    shop.is_unsteady(Unrest { at_most: Duration::ZERO, refuses: 50 });
                }
            }
            Self::ToldTwice => chatapp.post_webhook_twice(true),
            Self::TokensDie => chatapp.expire_tokens(),
        }
    }
}

/// What a process takes of the machine.
#[derive(Clone, Copy, Debug)]
struct Weight {
    memory_kb: usize,
    files: usize,
    /// 0 where the database is not a file of ours.
    database_kb: u64,
}

impl Weight {
    fn of(process: &Process<'_>, story: &Story) -> Self {
        let proc = std::path::Path::new("/proc").join(process.id().to_string());
        let status = std::fs::read_to_string(proc.join("status")).expect("the process lives");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|text| text.split_whitespace().next()?.parse().ok());
        let database = story.config().database_url.strip_prefix("sqlite://").map_or(0, |path| {
            let files = ["", "-wal"].map(|end| std::fs::metadata(format!("{path}{end}")).map_or(0, |it| it.len()));
            files.iter().sum::<u64>() / 1024
        });
        Self {
            memory_kb: memory.expect("the system tells it"),
            files: std::fs::read_dir(proc.join("fd")).expect("the process lives").count(),
            database_kb: database,
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kB of memory, {} open files, {} kB of database", self.memory_kb, self.files, self.database_kb)
    }
}

async fn everyday_troubles_wear_nothing_out(story: &Story) {
    let (lasts, each, rate) = plan();
    let town = story.town(3, 4).await;
    let process = story.becomes_a_process().await;
    let over = Cell::new(false);
    let weights = RefCell::new(Vec::new());
    let troubling = async {
        let began = Instant::now();
        for trouble in TROUBLES.iter().cycle() {
            trouble.begins(story, &town);
            sleep(each).await;
            let weight = Weight::of(&process, story);
            if is_long() {
                println!("{:>5} s {trouble:?}: {weight}", began.elapsed().as_secs());
            }
            weights.borrow_mut().push(weight);
            if began.elapsed() >= lasts {
                break;
            }
        }
        Trouble::None.begins(story, &town);
        over.set(true);
    };
    tokio::join!(town.talks_until(rate, &over), troubling);
    town.has_told_all().await;
    let last = Weight::of(&process, story);
    process.dies_and_is_replaced().await;
    town.is_served().await;

    let report = town.ledger().report();
    let weights = weights.into_inner();
    // Every trouble has been there once by then, so that everything that is made on first use is made.
    let first = weights.get(TROUBLES.len()).or(weights.last()).expect("it was weighed");
    println!("{lasts:?} of troubles at {rate}/s: {report}\n  first {first}\n  last  {last}");
    report.tried_at_least(usize::try_from(lasts.as_secs() * rate / 4).unwrap());
    report.is_clean();
    assert!(last.files <= first.files + FILES_MORE, "open files grow: {first} … {last}");
    assert!(last.memory_kb <= first.memory_kb * 2 + MEMORY_MORE, "memory grows: {first} … {last}");
}
