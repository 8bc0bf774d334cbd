//! Statements on the way of every message: run on the database's own connection, and kept prepared.
//!
//! diesel plans its own UPDATE anew at every use, because the text of one may depend on its values; and what runs through
//! [`Conn`](super::conn::Conn) has its text written three times to be found again. Together that was a third of the writer's
//! time.

use std::marker::PhantomData;

use diesel::{
    Connection, Expression, QuerySource, RunQueryDsl, Table,
    backend::Backend,
    expression::AppearsOnTable,
    query_builder::{AsChangeset, AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::BoolOrNullableBool,
};

/// A statement that is known by the place in our code where it stands: there its text is the same every time. (So nothing in
/// it may come and go with a value, as an optional condition does; a debug build watches it.)
pub(super) struct Kept<Statement, Place> {
    statement: Statement,
    place: PhantomData<fn() -> Place>,
}

impl<Statement, Place: 'static> Kept<Statement, Place> {
    /// To be run on this connection.
    pub(super) fn new<C>(statement: Statement, _on: &C) -> Self
    where
        C: Connection<Backend: Default + Backend<QueryBuilder: Default>>,
        Statement: QueryFragment<C::Backend>,
    {
        #[cfg(debug_assertions)]
        watch::same_text::<C::Backend, Place>(&statement);
        Self { statement, place: PhantomData }
    }
}

impl<Statement, Place: 'static> QueryId for Kept<Statement, Place> {
    type QueryId = Place;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Statement: Query, Place> Query for Kept<Statement, Place> {
    type SqlType = Statement::SqlType;
}

impl<Statement, Place, Connection> RunQueryDsl<Connection> for Kept<Statement, Place> {}

impl<DB: Backend, Statement: QueryFragment<DB>, Place> QueryFragment<DB> for Kept<Statement, Place> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(out)
    }
}

/// Does something with a statement that is kept: `kept!(conn, execute, update(…))`.
macro_rules! kept {
    ($conn:expr, $run:ident, $statement:expr) => {
        $crate::db::on_each!($conn, |c| {
            struct Here;
            $crate::db::kept::Kept::<_, Here>::new($statement, c).$run(c)
        })
    };
}
pub(super) use kept;

/// An UPDATE whose text does not depend on its values.
pub(super) struct Update<From, Changes, Which> {
    from: From,
    changes: Changes,
    which: Which,
}

/// Changes the rows of a table for which `which` holds.
pub(super) fn update<Changes, Which>(
    which: Which,
    changes: Changes,
) -> Update<<Changes::Target as QuerySource>::FromClause, Changes::Changeset, Which>
where
    Changes: AsChangeset<Target: Table + Default>,
    Which: Expression<SqlType: BoolOrNullableBool> + AppearsOnTable<Changes::Target>,
{
    Update { from: Changes::Target::default().from_clause(), changes: changes.as_changeset(), which }
}

impl<DB, From, Changes, Which> QueryFragment<DB> for Update<From, Changes, Which>
where
    DB: Backend,
    From: QueryFragment<DB>,
    Changes: QueryFragment<DB>,
    Which: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        self.from.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        self.changes.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE ");
        self.which.walk_ast(out)
    }
}

#[cfg(debug_assertions)]
mod watch {
    use std::{
        any::TypeId,
        collections::HashMap,
        sync::{LazyLock, Mutex, PoisonError},
    };

    use diesel::{
        backend::Backend,
        query_builder::{QueryBuilder as _, QueryFragment},
    };

    static TEXTS: LazyLock<Mutex<HashMap<TypeId, String>>> = LazyLock::new(Mutex::default);

    pub(super) fn same_text<DB, Place: 'static>(statement: &impl QueryFragment<DB>)
    where
        DB: Default + Backend<QueryBuilder: Default>,
    {
        let mut builder = DB::QueryBuilder::default();
        // A text that cannot be written is the driver's to complain about.
        if statement.to_sql(&mut builder, &DB::default()).is_err() {
            return;
        }
        let text = builder.finish();
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = texts.entry(TypeId::of::<Place>()).or_insert_with(|| text.clone());
        assert_eq!(*known, text, "a kept statement must not change");
    }
}
