//! The rules of the house (README.md tells them in prose), held by reading the source. A rule that fails says what to do.

mod contract;
mod layers;
mod manifests;
mod queries;
mod schema;
mod source;
mod texts;

use crate::harness::Rule;

pub use schema::{Column, tables_of_schema};

/// Fails with every complaint, one a line.
fn settle(what_to_do: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{what_to_do}\n  {}", complaints.join("\n  "));
}

macro_rules! rules {
    ($($module:ident :: $rule:ident,)*) => {
        vec![$(Rule { name: concat!("house::", stringify!($module), "::", stringify!($rule)), check: $module::$rule },)*]
    };
}

pub fn rules() -> Vec<Rule> {
    rules![
        contract::every_method_and_its_scope_are_in_the_contract,
        contract::the_contract_agrees_with_the_machine_readable_specification,
        layers::leaves_and_sandbox_depend_on_data_crates_only,
        layers::diesel_is_named_under_src_db_only,
        layers::modules_know_only_those_below_them,
        manifests::robot_folders_and_the_list_agree,
        manifests::placement_folders_and_the_list_agree,
        manifests::the_tables_of_the_readmes_are_complete,
        queries::every_query_takes_the_portal_first,
        schema::the_migrations_are_twins,
        schema::a_condition_is_that_of_an_index,
        schema::the_schema_agrees_with_the_migrations,
        source::files_stay_short,
        source::no_file_names_a_machine,
        source::documents_name_files_that_exist,
        texts::every_error_code_is_used,
        texts::every_sentence_is_shown,
    ]
}
