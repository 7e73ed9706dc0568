//! The documents: their links, the form of the decisions, and the reference pages, which are compared with
//! the code.

mod api;
mod configuration;
mod fleet;
mod metrics;
mod page;
mod registry;
mod selection;

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

/// Returns the file name and the text of every decision.
fn decisions() -> Vec<(String, String)> {
    let in_folder = documents().into_iter().filter(|(path, _)| path.parent().unwrap().ends_with("decisions"));
    let named = in_folder.map(|(path, text)| (path.file_name().unwrap().to_str().unwrap().to_owned(), text));
    named.filter(|(name, _)| name != "README.md").collect()
}

#[test]
fn decisions_have_the_five_headings_their_number_and_a_row_in_the_index() {
    const HEADINGS: [&str; 5] = ["Status", "Context", "Decision", "Consequences", "Alternatives"];
    let index = fs::read_to_string(root().join("docs/decisions/README.md")).unwrap();
    let mut rows: Vec<&str> = index.lines().filter(|line| line.starts_with("| [")).collect();
    let mut numbers = BTreeSet::new();
    for (name, text) in decisions() {
        let number: u32 = name.split('-').next().unwrap().parse().unwrap();
        assert!(numbers.insert(number), "{name}: another decision has this number");
        let first_line = text.lines().next().unwrap();
        let title = first_line.strip_prefix(&format!("# {number}. "));
        let title = title.unwrap_or_else(|| panic!("{name}: expected the heading `# {number}. Title`"));
        let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, HEADINGS, "{name}");
        let row = format!("| [{number}]({name}) | {title} | ");
        let found = rows.iter().position(|line| line.starts_with(&row));
        rows.remove(found.unwrap_or_else(|| panic!("docs/decisions/README.md: expected a row `{row}`")));
    }
    assert!(rows.is_empty(), "docs/decisions/README.md: rows without a decision: {rows:#?}");
    let unused: BTreeSet<u32> = (1..=*numbers.last().unwrap()).filter(|it| !numbers.contains(it)).collect();
    let sentence = index.lines().find(|line| line.starts_with("The numbers ")).unwrap();
    let named: BTreeSet<u32> =
        sentence.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(named, unused, "docs/decisions/README.md names the numbers that are not used");
}

#[test]
fn decisions_name_files_that_exist() {
    const FOLDERS: [&str; 9] =
        ["crates/", "src/", "tests/", "docs/", "config/", "loadtest/", "models/", "benches/", ".ci/"];
    let mut missing = Vec::new();
    for (name, text) in decisions() {
        for code in text.split('`').skip(1).step_by(2) {
            let is_path = FOLDERS.iter().any(|folder| code.starts_with(folder)) && !code.contains(' ');
            if is_path && !root().join(code).exists() {
                missing.push(format!("{name}: {code}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn glossary_explains_each_term_once_in_at_most_two_sentences() {
    let page = page::Page::read("docs/glossary.md");
    let rows = page.rows("# Glossary");
    let terms: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert!(terms.is_sorted() && terms.len() > 40, "the terms are in order: {terms:?}");
    page.assert_rows("# Glossary", &terms);
    for row in rows {
        assert!(row[1].ends_with('.') && row[1].matches(". ").count() < 2, "{row:?}");
        assert!(row[2].contains("]("), "a link to the page that says more: {row:?}");
    }
}
