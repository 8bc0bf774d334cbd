//! The screens that Bitrix24 shows in an iframe, and the connectors of its Contact Center.
//!
//! Who is who: a [`Placement`] is a folder of this crate, a [`Manifest`] its description (`placement.toml`) and `open` its
//! pure rule, which turns what the portal posted ([`Options`]) into an [`Opening`] or a [`Refusal`]. [`connectors`] is the
//! table of the kinds of messenger. The trunk binds, registers, proves who opened the frame and renders.
//!
//! Guaranteed: nothing here reads, writes or waits. Not guaranteed: that an opening is true. Everything in a frame's
//! fields passed through a browser; only the shape is checked here.

#![warn(missing_docs)]

mod app;
mod connector;
pub mod connectors;
mod crm_chat;
mod install;
mod manifest;
mod options;

use std::sync::LazyLock;

pub use manifest::{Audience, Localized, Manifest, bindings};
pub use options::Options;

/// A screen of this product.
pub struct Placement {
    /// Its description: the source of routes, bindings and titles.
    pub manifest: Manifest,
    /// What one opening asks for. Pure: the same options give the same opening.
    pub open: fn(&Options) -> Result<Opening, Refusal>,
}

/// What a frame was opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The installation page; `wanted` is the placement the person really clicked, because the portal shows this page
    /// instead of every other one until the installation is finished.
    Install {
        /// Code of that placement; nothing for the ordinary first opening.
        wanted: Option<String>,
    },
    /// The application's own page.
    App,
    /// The tab of a CRM card.
    Card(CardRef),
    /// The settings of a connector on an Open Channel.
    Connector(ConnectorSetup),
}

/// A CRM card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CardRef {
    /// Which kind of card, by the placement's code alone.
    pub entity: Entity,
    /// Its number, always positive.
    pub id: u64,
}

/// The kinds of CRM card that have our tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A lead.
    Lead,
    /// A deal.
    Deal,
    /// A contact.
    Contact,
    /// A company.
    Company,
}

impl Entity {
    /// `entityTypeId` of the `crm.item.*` methods.
    pub const fn type_id(self) -> u32 {
        match self {
            Self::Lead => 1,
            Self::Deal => 2,
            Self::Contact => 3,
            Self::Company => 4,
        }
    }

    /// Lower-case name, as timeline comments and `openPath` write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Deal => "deal",
            Self::Contact => "contact",
            Self::Company => "company",
        }
    }
}

/// One opening of the connector settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorSetup {
    /// Id of one of our connectors, lower-case.
    pub connector: &'static connectors::Connector,
    /// The Open Channel's number, always positive.
    pub line: u64,
    /// What the portal says about the connection.
    pub flags: ConnectorFlags,
}

/// The portal's own view of a connection. The page opens with `active` already true after *Connect*.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "these are the portal's five independent flags")]
pub struct ConnectorFlags {
    /// Everything below holds and there is no error.
    pub status: bool,
    /// Switched on for the Open Channel.
    pub active: bool,
    /// Connection set up.
    pub connection: bool,
    /// Registered at the messenger.
    pub register: bool,
    /// Marked as broken; operators cannot write until it is connected again.
    pub error: bool,
}

/// Why an opening cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The posted code is not one of this placement.
    WrongCode,
    /// The card has no number, for instance because it is not saved yet.
    NoCard,
    /// The connector is none of ours.
    UnknownConnector,
    /// No Open Channel was named.
    NoLine,
}

static PLACEMENTS: LazyLock<Vec<Placement>> = LazyLock::new(|| {
    vec![
        placement(include_str!("install/placement.toml"), install::open),
        placement(include_str!("app/placement.toml"), app::open),
        placement(include_str!("connector/placement.toml"), connector::open),
        placement(include_str!("crm_chat/placement.toml"), crm_chat::open),
    ]
});

/// Every placement.
///
/// # Panics
/// When a manifest compiled into the binary does not load; a test of this crate loads them all.
pub fn all() -> &'static [Placement] {
    &PLACEMENTS
}

/// The placement with this name, as in `/b24/placements/{name}`.
pub fn find(name: &str) -> Option<&'static Placement> {
    all().iter().find(|placement| placement.manifest.name == name)
}

fn placement(manifest: &str, open: fn(&Options) -> Result<Opening, Refusal>) -> Placement {
    match Manifest::parse(manifest) {
        Ok(manifest) => Placement { manifest, open },
        Err(problem) => panic!("a placement manifest of this binary does not load: {problem}"),
    }
}

#[cfg(test)]
mod tests;
