//! The REST methods that this server calls, one struct each. A struct's fields are the parameters under their documented
//! names; its `Output` holds what we use of the answer.

pub mod app;
pub mod connector;
pub mod crm;
pub mod events;
pub mod im;
pub mod messages;
pub mod open_lines;
pub mod placement;
pub mod robots;
pub mod sms;

use super::method::{Method, Scope};

const fn entry<M: Method>() -> (&'static str, Scope) {
    (M::NAME, M::SCOPE)
}

/// Everything that this server ever calls, with the right that each method needs.
pub const METHODS: &[(&str, Scope)] = &[
    entry::<app::AppInfo>(),
    entry::<app::Profile>(),
    entry::<events::EventBind<'_>>(),
    entry::<events::EventUnbind<'_>>(),
    entry::<events::EventGet>(),
    entry::<events::EventTest<'_>>(),
    entry::<placement::PlacementBind<'_>>(),
    entry::<placement::PlacementUnbind<'_>>(),
    entry::<placement::PlacementGet>(),
    entry::<connector::Register<'_>>(),
    entry::<connector::Unregister<'_>>(),
    entry::<connector::Activate<'_>>(),
    entry::<connector::Status<'_>>(),
    entry::<connector::DataSet<'_>>(),
    entry::<connector::ChatNameSet<'_>>(),
    entry::<connector::SetError<'_>>(),
    entry::<messages::SendMessages<'_>>(),
    entry::<messages::UpdateMessages<'_>>(),
    entry::<messages::SendStatusDelivery<'_>>(),
    entry::<open_lines::ConfigListGet>(),
    entry::<open_lines::ConfigGet>(),
    entry::<open_lines::CrmChatGet<'_>>(),
    entry::<open_lines::SessionOpen<'_>>(),
    entry::<open_lines::SessionHistoryGet>(),
    entry::<open_lines::DialogGet<'_>>(),
    entry::<im::NotifySystemAdd<'_>>(),
    entry::<robots::RobotAdd<'_>>(),
    entry::<robots::RobotUpdate<'_>>(),
    entry::<robots::RobotList>(),
    entry::<robots::RobotDelete<'_>>(),
    entry::<robots::ActivityLog<'_>>(),
    entry::<robots::EventSend<'_>>(),
    entry::<crm::ItemGet>(),
    entry::<crm::ItemList<'_>>(),
    entry::<crm::TimelineCommentAdd<'_>>(),
    entry::<crm::ItemUpdate>(),
    entry::<open_lines::OperatorTransfer>(),
    entry::<sms::SenderAdd<'_>>(),
    entry::<sms::SenderUpdate<'_>>(),
    entry::<sms::SenderList>(),
    entry::<sms::SenderDelete<'_>>(),
    entry::<sms::StatusUpdate<'_>>(),
];

/// The scopes that the application's card must ask for, each with the reason that the README gives; in alphabetical
/// order, and exactly those of [`METHODS`] (a test compares).
pub const SCOPE_REASONS: &[(Scope, &str)] = &[
    (Scope::Bizproc, "registers the ChatApp robots and answers business processes"),
    (
        Scope::Crm,
        "reads the card's phones, e-mails and messengers; writes comments into its timeline; keeps its responsible person in step with the chat's, where an administrator has chosen so",
    ),
    (Scope::Im, "tells administrators in their notifications what they alone can repair"),
    (Scope::ImConnector, "lets the portal send what operators write to our connectors"),
    (Scope::ImOpenLines, "registers the connectors and exchanges messages with Open Channels"),
    (Scope::MessageService, "offers channels as SMS providers, where an administrator has chosen so"),
    (Scope::Placement, "shows the ChatApp tab in CRM cards"),
];

/// The names of the scopes that the application needs, as the application's card and `app.info` spell them.
pub fn scopes() -> Vec<&'static str> {
    SCOPE_REASONS.iter().filter_map(|(scope, _)| scope.name()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_scopes_are_those_of_the_methods_and_each_has_its_reason() {
        let methods = METHODS.iter().map(|(_, scope)| *scope);
        let needed: BTreeSet<_> = methods.chain([events::SCOPE]).filter_map(Scope::name).collect();
        assert_eq!(scopes(), needed.into_iter().collect::<Vec<_>>());
        assert!(SCOPE_REASONS.iter().all(|(_, reason)| reason.len() > 10));
    }

    #[test]
    fn no_method_is_listed_twice() {
        let names: BTreeSet<_> = METHODS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), METHODS.len());
    }
}
