//! What our server keeps, counted past it: who was refused must leave nothing there.

use std::collections::BTreeMap;

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_types::{BigInt, Text},
};

use super::Story;

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

macro_rules! count {
    ($conn:expr, $tables:expr) => {{
        let conn = $conn;
        let names: Vec<Name> = diesel::sql_query($tables).load(conn).expect("the tables can be listed");
        let mut rows = BTreeMap::new();
        for Name { name } in names {
            let sql = format!("SELECT count(*) AS count FROM \"{name}\"");
            let count: Count = diesel::sql_query(sql).get_result(conn).expect("rows can be counted");
            rows.insert(name, count.count);
        }
        rows
    }};
}

impl Story {
    /// How many rows every table has.
    pub fn rows(&self) -> BTreeMap<String, i64> {
        let url = &self.config().database_url;
        if let Some(path) = url.strip_prefix("sqlite://") {
            let mut conn = diesel::SqliteConnection::establish(path).expect("the file opens");
            count!(&mut conn, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        } else {
            let mut conn = diesel::PgConnection::establish(url).expect("the database is there");
            count!(&mut conn, "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'")
        }
    }

    /// Does something to the SQLite database past our server.
    pub fn executes(&self, sql: &str) {
        self.sqlite().batch_execute(sql).expect("the statements are right");
    }

    /// How many pages the SQLite database has.
    pub fn pages(&self) -> i64 {
        let sql = "SELECT page_count AS count FROM pragma_page_count";
        diesel::sql_query(sql).get_result::<Count>(&mut self.sqlite()).expect("it has pages").count
    }

    fn sqlite(&self) -> diesel::SqliteConnection {
        let path = self.config().database_url.strip_prefix("sqlite://").expect("the story is told on SQLite");
        let mut conn = diesel::SqliteConnection::establish(path).expect("the file opens");
        conn.batch_execute("PRAGMA busy_timeout = 10000").expect("a setting");
        conn
    }
}
