//! The floors of `docs/architecture.md`, held against the code's own `use` lines and paths.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Module to floor: a module names only those on lower floors, and those of its own house.
const FLOORS: [(&str, u8); 14] = [
    ("account", 0),
    ("id", 0),
    ("numbering", 0),
    ("registry", 1),
    ("snapshot", 2),
    ("select", 3),
    ("live", 4),
    ("decisions", 4),
    ("telemetry", 5),
    ("http", 5),
    ("admin", 5),
    ("config", 6),
    ("app", 6),
    ("cli", 6),
];

/// What may stand on the same floor and still be named: the two listeners share the telemetry and the
/// rendering of problems; the assembly is one.
const NEIGHBOURS: [(&str, &str); 8] = [
    ("http", "telemetry"),
    ("admin", "telemetry"),
    ("admin", "http"),
    ("app", "config"),
    ("app", "cli"),
    ("cli", "config"),
    ("cli", "app"),
    ("config", "cli"),
];

/// Where a crate may not be seen: (module, what its code may not name).
const UNSEEN: [(&str, &[&str]); 6] = [
    (
        "select",
        &[
            "tokio::",
            "hyper",
            "metrics::",
            "registry::",
            "SystemTime",
            "Instant",
            "std::fs",
            "std::net",
            "Mutex",
        ],
    ),
    ("decisions", &["tokio::", "hyper", "metrics::", "SystemTime", "Instant", "std::fs"]),
    ("numbering", &["rlibphonenumber", "tokio::", "std::fs"]),
    ("registry", &["tokio::", "hyper", "metrics::", "rkyv", "snapshot::"]),
    ("snapshot", &["tokio::", "hyper", "metrics::", "notify"]),
    ("telemetry", &["crate::http", "crate::live", "crate::select", "crate::snapshot", "crate::registry"]),
];

/// Every source file: path below `src`, and its lines without comments and tests.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                sources.insert(name, lines.map(|line| format!("{line}\n")).collect());
            }
        }
    }
    sources
}

fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

#[test]
fn every_module_imports_only_from_the_floors_below() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        let module = module_of(&file);
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let own = floor(module).unwrap_or_else(|| panic!("{file}: on no floor; see docs/architecture.md"));
        for after in code.split("crate::").skip(1) {
            let other: String =
                after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(theirs) = floor(&other) else { continue };
            let allowed = theirs < own || other == module || NEIGHBOURS.contains(&(module, other.as_str()));
            if !allowed {
                wrong.push(format!("{file} (floor {own}) names crate::{other} (floor {theirs})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_module_must_not_see_it_does_not() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        for (module, unseen) in UNSEEN.iter().filter(|(module, _)| *module == module_of(&file)) {
            let seen = unseen.iter().filter(|name| code.contains(**name));
            wrong.extend(seen.map(|name| format!("{file}: {module} must not see {name}")));
        }
        // Inside snapshot/, only the compiler knows the registry.
        if file.starts_with("snapshot/")
            && !file.starts_with("snapshot/compile/")
            && code.contains("registry::")
        {
            wrong.push(format!("{file}: only snapshot/compile/ sees the registry"));
        }
        if code.contains("unsafe ") && file != "snapshot/view.rs" {
            wrong.push(format!("{file}: unsafe is in snapshot/view.rs alone"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_stay_small_and_are_named_after_their_subject() {
    let mut lengths = Vec::new();
    for (file, code) in sources() {
        for vague in ["util", "common", "types", "helper", "manager", "misc"] {
            assert!(!file.contains(vague), "{file}: name it after its subject");
        }
        if file != "numbering/table.rs" {
            let length = code.lines().count();
            assert!(length <= 500, "{file}: {length} lines; split it along its seam");
            lengths.push(length);
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < 200, "the median file has {median} lines");
}

#[test]
fn one_cell_publishes_snapshots() {
    let cells: Vec<String> =
        sources().into_iter().filter(|(_, code)| code.contains("ArcSwap")).map(|(file, _)| file).collect();
    assert_eq!(cells, ["live/store.rs"]);
}

#[test]
fn the_oracle_sees_neither_the_compiler_nor_the_walk() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/src");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for after in text.split("switchboard::").skip(1) {
            let seen = ["registry::", "numbering::"].iter().any(|module| after.starts_with(module));
            assert!(seen, "{} sees switchboard::{}", path.display(), after.lines().next().unwrap());
        }
    }
}
