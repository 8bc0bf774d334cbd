//! `bench` works: its servers start, everything that it sends arrives once and in order, and every figure is told. Never how
//! large a figure is: that depends on the machine and on who else uses it.

use std::{path::Path, process::Command};

/// Those that take a moment even when they are small and nothing is optimised.
const CHEAP: &str = "accept,relay,bucket,start";

#[test]
fn the_cheap_figures_are_measured() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let json = folder.join(format!("bench-{}.json", std::process::id()));
    let run = Command::new(env!("CARGO_BIN_EXE_chatapp-server"))
        .args(["bench", "--quick", "--only", CHEAP, "--folder"])
        .arg(folder)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
    let rows: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    std::fs::remove_file(&json).unwrap();
    let figures: Vec<&str> = rows.as_array().unwrap().iter().filter_map(|row| row["figure"].as_str()).collect();
    for expected in
        ["accept ÷ bare", "accept ÷ group", "5 ms more", "acknowledged p99", "operator → messenger", "start to"]
    {
        assert!(figures.iter().any(|figure| figure.contains(expected)), "no figure `{expected}` in {figures:#?}");
    }
}
