//! A database as the migrations leave it, against the tables that the server reads.

use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, sql_types::Text};

use crate::{
    harness::{Story, stories},
    house::{Column, tables_of_schema},
};

stories![the_migrated_tables_are_those_of_the_schema];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    nullable: String,
}

fn columns(url: &str, table: &str) -> Vec<Column> {
    let rows: Vec<Row> = if let Some(path) = url.strip_prefix("sqlite://") {
        let mut conn = diesel::SqliteConnection::establish(path).unwrap();
        // SQLite's INTEGER keeps 64 bits; only a generated id is called so although it is a BIGINT.
        let sql = "SELECT name, CASE WHEN pk > 0 AND type = 'INTEGER' THEN 'bigint' ELSE lower(type) END AS kind, \
                   CASE \"notnull\" WHEN 1 THEN 'no' ELSE 'yes' END AS nullable FROM pragma_table_info(?) ORDER BY cid";
        diesel::sql_query(sql).bind::<Text, _>(table).load(&mut conn).unwrap()
    } else {
        let mut conn = diesel::PgConnection::establish(url).unwrap();
        let sql = "SELECT column_name::text AS name, data_type::text AS kind, lower(is_nullable::text) AS nullable \
                   FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
        diesel::sql_query(sql).bind::<Text, _>(table).load(&mut conn).unwrap()
    };
    rows.into_iter().map(|row| Column { name: row.name, kind: row.kind, nullable: row.nullable == "yes" }).collect()
}

async fn the_migrated_tables_are_those_of_the_schema(story: &Story) {
    for (table, expected) in tables_of_schema() {
        assert_eq!(columns(&story.config().database_url, &table), expected, "{table}");
    }
}
