//! Pieces of SQL that diesel has no words for. (Its own `sql()` would have each such query parsed and planned anew every time.)
//!
//! Conditions stand in queries letter by letter as in the partial indexes of `migrations/`: a database uses such an index
//! only where it sees that the query asks for nothing else.

use diesel::{
    backend::Backend,
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate},
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::Bool,
};

macro_rules! condition {
    ($(#[$doc:meta])* $name:ident = $sql:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, QueryId)]
        pub(super) struct $name;

        impl Expression for $name {
            type SqlType = Bool;
        }

        impl<DB: Backend> QueryFragment<DB> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }

        impl<Tables> AppearsOnTable<Tables> for $name {}
        impl<Tables> SelectableExpression<Tables> for $name {}

        impl<Grouped> ValidGrouping<Grouped> for $name {
            type IsAggregate = is_aggregate::No;
        }
    };
}

condition! {
    /// A head that runs when it is due. A parked one is, too, now and then: it looks by itself whether it can go on.
    Runs = "delivery.state IN ('waiting', 'parked')"
}
condition! {
    /// The same of a delivery that stands first in the lane of the one in question.
    HeadRuns = "head.state IN ('waiting', 'parked')"
}
condition! {
    /// An attempt at the delivery that stands first in the lane of the one in question is under way.
    HeadIsSending = "head.state = 'sending'"
}
condition! {
    /// A delivery that holds its place in its lane.
    Holds = "delivery.state IN ('queued', 'waiting', 'sending', 'parked')"
}
condition! {
    /// A delivery that was given up.
    IsDead = "delivery.state IN ('failed', 'unknown')"
}
condition! {
    /// Its outcome is asked about after it has ended: on a page, or so that nothing is said a second time.
    IsAsked = "delivery.kind IN ('to_address', 'notice', 'hook')"
}
condition! {
    /// An attempt at it is under way.
    IsSending = "delivery.state = 'sending'"
}
condition! {
    /// A message that never goes alone: it brings no file, and its chat is known to the portal.
    NeverAlone = "NOT EXISTS (SELECT 1 FROM part WHERE part.message_id = delivery.message_id AND part.media_id IS NOT NULL) \
        AND EXISTS (SELECT 1 FROM message JOIN chat ON chat.id = message.chat_id \
            WHERE message.id = delivery.message_id AND chat.b24_chat_id IS NOT NULL)"
}
condition! {
    /// An item that has not been expanded.
    IsNew = "inbox.state = 'new'"
}
condition! {
    /// An item that was given up.
    IsNotUnderstood = "inbox.state = 'dead'"
}
condition! {
    /// The same of an older item beside it.
    IsOlderNew = "older.state = 'new'"
}

/// A statement without values that is executed again and again.
macro_rules! statement {
    ($name:ident = $sql:literal) => {
        #[derive(Clone, Copy, Debug, diesel::query_builder::QueryId)]
        struct $name;

        impl<DB: diesel::backend::Backend> diesel::query_builder::QueryFragment<DB> for $name {
            fn walk_ast<'b>(&'b self, mut out: diesel::query_builder::AstPass<'_, 'b, DB>) -> diesel::QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }

        impl<Connection> diesel::RunQueryDsl<Connection> for $name {}
    };
}
pub(super) use statement;
