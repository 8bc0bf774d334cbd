//! Manifests, folders and tables of the leaves say the same.

use std::{collections::BTreeSet, fs};

use super::{settle, source};

/// Folders of a leaf that hold a manifest.
fn folders(leaf: &str, manifest: &str) -> BTreeSet<String> {
    fs::read_dir(source::root().join(leaf))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join(manifest).is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

pub fn robot_folders_and_the_list_agree() {
    let listed: BTreeSet<String> = robots::all().iter().map(|robot| robot.manifest.code.clone()).collect();
    assert_eq!(
        folders("robots", "robot.toml"),
        listed,
        "left: folders with a robot.toml, right: robots::all(); a folder is named like its code and stands in ROBOTS"
    );
}

pub fn placement_folders_and_the_list_agree() {
    let listed: BTreeSet<String> =
        placements::all().iter().map(|placement| placement.manifest.name.replace('-', "_")).collect();
    assert_eq!(
        folders("placements", "placement.toml"),
        listed,
        "left: folders with a placement.toml, right: placements::all(); a folder is named like its placement, with `_` for `-`"
    );
}

pub fn the_tables_of_the_readmes_are_complete() {
    let (of_robots, of_placements) = (source::text("robots/README.md"), source::text("placements/README.md"));
    let robots = robots::all().iter().map(|robot| (&of_robots, &robot.manifest.code));
    let placements = placements::all().iter().map(|placement| (&of_placements, &placement.manifest.name));
    let missing: Vec<String> = robots
        .chain(placements)
        .filter(|(table, name)| !table.lines().any(|line| line.starts_with(&format!("| `{name}` |"))))
        .map(|(_, name)| name.clone())
        .collect();
    settle("Add a row for these to the table in the leaf's README.md:", &missing);
}
