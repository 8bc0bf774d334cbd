//! One REST method of Bitrix24 is one struct: its fields are the parameters, upper-case as the documentation writes them.

use serde::{Serialize, de::DeserializeOwned};

/// The rights that an application asks of a portal, as Bitrix24 spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Methods that every application may call.
    Base,
    Bizproc,
    Crm,
    Im,
    ImConnector,
    ImOpenLines,
    MessageService,
    Placement,
}

impl Scope {
    /// None for the methods that need no scope.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Base => None,
            Self::Bizproc => Some("bizproc"),
            Self::Crm => Some("crm"),
            Self::Im => Some("im"),
            Self::ImConnector => Some("imconnector"),
            Self::ImOpenLines => Some("imopenlines"),
            Self::MessageService => Some("messageservice"),
            Self::Placement => Some("placement"),
        }
    }
}

/// A REST method. `Output` is what stands in `result`.
pub trait Method: Serialize + Sync {
    type Output: DeserializeOwned;
    const NAME: &'static str;
    const SCOPE: Scope;
    /// May be sent again after an uncertain failure without doing it twice.
    const REPEATABLE: bool = false;

    /// How many elements this call carries that are billed one by one.
    fn elements(&self) -> usize {
        0
    }
}
