//! Checks of `docs/architecture.md` that the compiler cannot make. The lower layers are crates, so Cargo
//! checks their order. The order of the daemon's modules is checked here.

mod circles;

use std::fs;
use std::path::{Path, PathBuf};

/// The daemon's modules, lowest first. A module may name only those before it.
const LAYERS: [&str; 8] = ["telemetry", "runtime", "access", "console", "api", "config", "app", "cli"];

/// Returns every source file below a folder of the project, with its code before the unit tests and without
/// comments.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                sources.push((path, lines.map(|line| format!("{line}\n")).collect()));
            }
        }
    }
    sources
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

#[test]
fn modules_of_the_daemon_import_only_from_lower_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut upward = Vec::new();
    for (path, code) in sources("src") {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let module = file.split(['/', '.']).next().unwrap();
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let own = layer(module).unwrap_or_else(|| panic!("{file}: not in LAYERS; see docs/architecture.md"));
        for named in code.split("crate::").skip(1) {
            let named: String = named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if layer(&named).is_some_and(|other| other > own) {
                upward.push(format!("{file} names crate::{named}"));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn unsafe_code_is_in_the_snapshots_view_alone() {
    let all = ["src", "crates", "oracle"].into_iter().flat_map(sources);
    let view = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/snapshot/src/view");
    let elsewhere = all.filter(|(path, code)| code.contains("unsafe ") && !path.starts_with(&view));
    assert_eq!(elsewhere.map(|(path, _)| path).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn snapshots_and_principals_are_published_through_one_cell_each() {
    let cells = sources("src").into_iter().filter(|(_, code)| code.contains("ArcSwap"));
    let mut cells: Vec<PathBuf> = cells.map(|(path, _)| path).collect();
    cells.sort();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(cells, ["src/access/in_force.rs", "src/runtime/store.rs"].map(|file| root.join(file)));
}
