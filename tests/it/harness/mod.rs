//! Who is who: a [`Story`] is one telling: a make-believe world, our real server on a free port, a database of its own, one
//! clock for all of them. A [`Portal`] is an account with the people in it, a [`Frame`] a page that one of them has opened; both
//! act in users' words. [`run`] makes trials of stories and house rules.
//!
//! Nobody sleeps: the harness waits on conditions, with a generous deadline. At the end of every story it lets the queue run
//! empty and fails if something is left behind, if the make-believe portal was called against its contract, or if anything
//! panicked.

mod balancer;
pub mod browser;
mod crowd;
mod frame;
mod helper;
pub mod logs;
pub mod needs;
mod portal;
pub mod postgres;
mod process;
mod rows;
mod runner;
mod shop;
mod story;
mod verb;
mod window;

pub use balancer::Balancer;
pub use crowd::Crowd;
pub use frame::{Answer, Frame, text_of};
pub use portal::Portal;
pub use process::{Own, Process};
pub(crate) use runner::stories;
pub use runner::{Case, On, Rule, run};
pub use shop::{BOT_NAME, BOT_TOKEN, Shop, TELEGRAM_BOT, WHATSAPP, WhatsAppShop};
pub use story::{CLIENT_ID, HOUR, MINUTE, PATIENCE, Story};
pub use window::{Window, handle};
