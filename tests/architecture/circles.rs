//! Finds circles of imports among the files of a crate. Without a circle, a reader can begin at the lowest
//! file and meets only names that are already known.
//!
//! Edges come from `use` declarations and from paths in code. A name that a `mod.rs` or `lib.rs` re-exports
//! counts as an import from the file that defines it; the re-export itself is no edge.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module's path in its crate, without the crate's name.
type Module = Vec<String>;

/// The imports of one file.
#[derive(Default)]
struct Imports {
    /// Absolute paths of modules and of their items.
    paths: BTreeSet<Vec<String>>,
    /// Re-exported names, each with the paths that it may refer to.
    reexports: BTreeMap<String, Vec<Vec<String>>>,
}

impl Imports {
    /// Reads the imports of a module from its code, which has no comments.
    fn read(module: &Module, code: &str) -> Imports {
        let mut imports = Imports::default();
        // Paths in code, also within expressions.
        for start in ["crate::", "super::"] {
            for (at, _) in code.match_indices(start) {
                let path = code[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next();
                let path: Vec<&str> = path.unwrap().split("::").filter(|part| !part.is_empty()).collect();
                imports.paths.insert(absolute(module, &path));
            }
        }
        for declaration in code.split(';') {
            let Some((before, tree)) = declaration.rsplit_once("use ") else { continue };
            let public = before.lines().last().is_some_and(|line| line.trim_start().starts_with("pub"));
            for (path, name) in leaves(tree) {
                let path = absolute(module, &path);
                // Items of an imported module: `name::item`.
                for (at, start) in code.match_indices(&format!("{name}::")) {
                    if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                        let item =
                            code[at + start.len()..].split(|c: char| !(c.is_alphanumeric() || c == '_'));
                        imports.paths.insert(
                            [path.as_slice(), &[item.into_iter().next().unwrap().to_owned()]].concat(),
                        );
                    }
                }
                if public {
                    imports.reexports.entry(name.to_owned()).or_default().push(path);
                } else {
                    imports.paths.insert(path);
                }
            }
        }
        imports
    }
}

/// Returns the paths of a `use` tree, each with the name that it introduces.
fn leaves(tree: &str) -> Vec<(Vec<&str>, &str)> {
    let tree = tree.trim();
    let Some((prefix, group)) = tree.split_once('{') else {
        let (path, renamed) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name)));
        let path: Vec<&str> = path.split("::").map(str::trim).filter(|part| !part.is_empty()).collect();
        let name = renamed.map(str::trim).or(path.last().copied()).unwrap_or_default();
        return vec![(path, name)];
    };
    let prefix: Vec<&str> = prefix.split("::").map(str::trim).filter(|part| !part.is_empty()).collect();
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    let inner = parts.flat_map(leaves).map(|(path, name)| ([prefix.as_slice(), &path].concat(), name));
    inner.collect()
}

/// Makes a path absolute in its crate. One that begins with neither `crate`, `self` nor `super` may begin
/// with a child module.
fn absolute(module: &Module, path: &[&str]) -> Vec<String> {
    let mut base = if path.first() == Some(&"crate") { Vec::new() } else { module.clone() };
    for part in path {
        match *part {
            "crate" | "self" | "*" => {}
            "super" => drop(base.pop()),
            part => base.push(part.to_owned()),
        }
    }
    base
}

/// Returns the modules of a crate by path, with their imports.
fn modules(root: &Path) -> BTreeMap<Module, Imports> {
    let mut modules = BTreeMap::new();
    for (path, code) in super::sources(root.to_str().unwrap()) {
        let relative = path.strip_prefix(root).unwrap().with_extension("");
        let mut module: Module = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            module.pop();
        }
        let imports = Imports::read(&module, &code);
        modules.insert(module, imports);
    }
    modules
}

/// Returns the module that defines the item of a path. Follows re-exports.
fn definer(modules: &BTreeMap<Module, Imports>, path: &[String], depth: usize) -> Option<Module> {
    let known = (0..=path.len()).rev().find(|&len| modules.contains_key(&path[..len]))?;
    let (module, rest) = path.split_at(known);
    let Some(name) = rest.first().filter(|_| depth < 8) else { return Some(module.to_vec()) };
    let reexports = &modules[module].reexports;
    match reexports.get(name).and_then(|targets| targets.first()) {
        Some(target) => definer(modules, target, depth + 1),
        None => Some(module.to_vec()),
    }
}

/// Returns the groups of files that import each other in a circle.
fn circles(modules: &BTreeMap<Module, Imports>) -> Vec<BTreeSet<Module>> {
    let edges: BTreeMap<&Module, BTreeSet<Module>> = modules
        .iter()
        .map(|(module, imports)| {
            let targets = imports.paths.iter().filter_map(|path| definer(modules, path, 0));
            // A folder is one subject: its files may use the items of its `mod.rs`.
            (module, targets.filter(|target| !module.starts_with(target)).collect())
        })
        .collect();
    let reachable = |from: &Module| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from.clone()];
        while let Some(module) = next.pop() {
            for target in edges.get(&module).into_iter().flatten() {
                if seen.insert(target.clone()) {
                    next.push(target.clone());
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        modules.keys().map(|module| (module, reachable(module))).collect();
    let mut groups = BTreeSet::new();
    for (module, reached) in &reach {
        if reached.contains(*module) {
            let group = reached.iter().filter(|other| reach[*other].contains(*module)).cloned();
            groups.insert(group.collect::<BTreeSet<Module>>());
        }
    }
    groups.into_iter().collect()
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut roots: Vec<_> =
        fs::read_dir(project.join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    roots
        .extend(["", "generator", "loadtest", "loadtest/fleet", "oracle"].map(|folder| project.join(folder)));
    let mut found = Vec::new();
    for root in roots {
        let root = root.join("src");
        for circle in circles(&modules(&root)) {
            let files: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            found.push(format!("{}: {}", root.display(), files.join(" ↔ ")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
