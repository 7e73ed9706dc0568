//! Where a registry's files come from: a folder, or the binary itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use include_dir::Dir;
use xxhash_rust::xxh3::Xxh3;

use super::layout::{self, Level};
use super::tree::{self, Kind, Unreadable};

/// A registry's files, read whole: path relative to its root (`acme/company.toml`) to content.
///
/// Sorted, so that everything made of it is deterministic.
#[derive(Debug, Default, Clone)]
pub struct Files {
    /// The files.
    pub files: BTreeMap<Arc<str>, Vec<u8>>,
}

impl Files {
    /// Reads a registry's folder. Symbolic links are followed, since that is how mounted volumes
    /// publish their files; hidden entries, editors' litter and notes (`*.md`, `README*`) are not
    /// looked at. Files that belong to no registry are listed without their content.
    ///
    /// # Errors
    /// The first file or folder that cannot be read. A half-read registry is never returned: it
    /// would look like one from which companies were removed.
    pub fn read_dir(root: &Path) -> Result<Files, Unreadable> {
        let mut files = BTreeMap::new();
        for entry in tree::walk(root)? {
            let known = entry.kind == Kind::File && layout::is_known(&entry.name);
            let content = if known {
                fs::read(&entry.path).map_err(|error| Unreadable { path: entry.name.clone(), error })?
            } else {
                Vec::new()
            };
            files.insert(entry.name, content);
        }
        Ok(Files { files })
    }

    /// The files of a folder that was built into the binary.
    pub fn from_embedded(root: &Dir<'_>) -> Files {
        let mut files = BTreeMap::new();
        embedded(root, Level::Root, "", &mut files);
        Files { files }
    }

    /// XXH3-128 over every path and content in order: equal digests mean equal registries.
    pub fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        for (path, content) in &self.files {
            // The lengths keep ("ab", "c") and ("a", "bc") apart.
            hash.update(&(path.len() as u64).to_le_bytes());
            hash.update(path.as_bytes());
            hash.update(&(content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        hash.digest128()
    }
}

/// Collects one embedded folder by the same rules as one on disk.
fn embedded(dir: &Dir<'_>, level: Level, prefix: &str, into: &mut BTreeMap<Arc<str>, Vec<u8>>) {
    let name_of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    for file in dir.files() {
        let Some(name) = name_of(file.path()) else { continue };
        if !layout::is_litter(&name) {
            into.insert(format!("{prefix}{name}").into(), file.contents().to_vec());
        }
    }
    for inner in dir.dirs() {
        let Some(name) = name_of(inner.path()) else { continue };
        if layout::is_litter(&name) {
            continue;
        }
        match level {
            Level::Root => embedded(inner, Level::Company, &format!("{prefix}{name}/"), into),
            Level::Company => drop(into.insert(format!("{prefix}{name}/").into(), Vec::new())),
        }
    }
}
