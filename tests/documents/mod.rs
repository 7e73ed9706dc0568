//! The links within README, CHANGELOG and `docs/`, and the numbers of the decisions.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path and the text of every document.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Returns the name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_within_the_documents_lead_to_files_and_headings() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for after in text.split("](").skip(1) {
            let link = after.split(')').next().unwrap();
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let found = target.exists()
                && (heading.is_empty() || {
                    let text = fs::read_to_string(&target).unwrap();
                    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading)
                });
            if !found {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn decisions_are_numbered_once_and_the_index_names_unused_numbers() {
    let mut numbers = BTreeSet::new();
    for (path, text) in documents() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.parent().unwrap().ends_with("decisions") && name != "README.md" {
            let number: u32 = name.split('-').next().unwrap().parse().unwrap();
            assert!(text.starts_with(&format!("# {number}. ")), "{name}: begins with its number");
            assert!(numbers.insert(number), "{name}: another has this number");
        }
    }
    let index = fs::read_to_string(root().join("docs/decisions/README.md")).unwrap();
    let named: BTreeSet<u32> =
        index.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let missing: BTreeSet<u32> =
        (1..=*numbers.last().unwrap()).filter(|number| !numbers.contains(number)).collect();
    assert_eq!(named, missing, "docs/decisions/README.md names the numbers that are not used");
}
