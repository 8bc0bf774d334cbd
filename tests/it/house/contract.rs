//! What the product calls, against the table of what may be called.

use chatapp_server::b24::methods::METHODS;
use sandbox::contract::{compare_with_spec, contract};

use super::{settle, source};

/// Where Bitrix24's machine-readable descriptions lie, beside the repository; they are no part of it.
const SPECIFICATION: &str = "../shared/b24-spec/methods";

/// A scope that we ask for because it opens the methods of a wider one with fewer fields.
const NARROWER: &[(&str, &str)] = &[("user_brief", "user")];

pub fn every_method_and_its_scope_are_in_the_contract() {
    let wrong: Vec<String> = METHODS
        .iter()
        .filter_map(|(name, scope)| {
            let own = scope.name().unwrap_or_default();
            match contract().method(name) {
                None => Some(format!("{name} is not in tests/sandbox/contract.toml")),
                Some(method) if method.scope != own && !NARROWER.contains(&(own, &method.scope)) => {
                    Some(format!("{name}: we ask for `{own}`, the contract says `{}`", method.scope))
                }
                Some(_agreed) => None,
            }
        })
        .collect();
    settle("Every method that src/b24/methods names, and its scope, must be those of the contract:", &wrong);
}

pub fn the_contract_agrees_with_the_machine_readable_specification() {
    let folder = source::root().join(SPECIFICATION);
    if !folder.is_dir() {
        eprintln!("{SPECIFICATION} does not lie beside this checkout: the contract is not compared with it");
        return;
    }
    let differences: Vec<String> =
        compare_with_spec(&folder).unwrap().iter().map(|it| format!("{} {}: {}", it.method, it.at, it.what)).collect();
    settle("Correct tests/sandbox/contract.toml, or add an exception with its source, for:", &differences);
}
