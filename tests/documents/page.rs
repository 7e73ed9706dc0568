//! A document that is compared with the code: its tables and its fenced blocks.

use std::collections::BTreeSet;
use std::fs;

/// A page of the repository, read whole.
pub(super) struct Page {
    path: &'static str,
    pub(super) text: String,
}

/// A fenced block of a page.
pub(super) struct Block<'p> {
    /// The last line before the block that is not empty.
    pub(super) caption: &'p str,
    /// The language after the opening fence.
    pub(super) language: &'p str,
    /// The lines between the fences.
    pub(super) text: &'p str,
}

impl Page {
    pub(super) fn read(path: &'static str) -> Page {
        let text = fs::read_to_string(super::root().join(path)).unwrap();
        Page { path, text }
    }

    /// Returns the cells of every row of the tables under a heading, up to the next heading. Neither the
    /// header nor the line below it is a row.
    pub(super) fn rows(&self, heading: &str) -> Vec<Vec<&str>> {
        let mut lines = self.text.lines().skip_while(|line| *line != heading);
        assert!(lines.next().is_some(), "{} has no heading {heading:?}", self.path);
        let mut rows = Vec::new();
        let mut above = "";
        for line in lines.take_while(|line| !line.starts_with('#')) {
            if line.starts_with("|---") {
                // The line above was the header.
                rows.pop();
            } else if line.starts_with('|') {
                rows.push(cells(line));
            }
            above = line;
        }
        assert!(!rows.is_empty(), "{}: no table under {heading:?}, the last line is {above:?}", self.path);
        rows
    }

    /// Asserts that the first cells of the tables under a heading are these names in backticks, each once.
    #[track_caller]
    pub(super) fn assert_rows<S: AsRef<str>>(&self, heading: &str, names: impl IntoIterator<Item = S>) {
        let listed: Vec<String> = self.rows(heading).iter().map(|row| row[0].replace('`', "")).collect();
        let once: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        assert_eq!(once.len(), listed.len(), "{} {heading}: a row occurs twice: {listed:?}", self.path);
        let names: Vec<S> = names.into_iter().collect();
        let names: BTreeSet<&str> = names.iter().map(AsRef::as_ref).collect();
        let missing: Vec<_> = names.difference(&once).collect();
        let stale: Vec<_> = once.difference(&names).collect();
        assert!(
            missing.is_empty() && stale.is_empty(),
            "{} {heading}: rows are missing: {missing:?}; rows that the code does not know: {stale:?}",
            self.path
        );
    }

    /// Returns every fenced block, in order.
    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let (mut caption, mut open, mut offset) = ("", None, 0);
        for line in self.text.split_inclusive('\n') {
            let end = offset + line.len();
            match (line.strip_prefix("```"), open) {
                (Some(language), None) => open = Some((language.trim_end(), end)),
                (Some(_), Some((language, start))) => {
                    blocks.push(Block { caption, language, text: &self.text[start..offset] });
                    (caption, open) = ("", None);
                }
                (None, None) if !line.trim().is_empty() => caption = line.trim_end(),
                (None, _) => {}
            }
            offset = end;
        }
        assert!(open.is_none(), "{}: the last block is not closed", self.path);
        blocks
    }
}

/// Returns the cells of a table's row. A `\|` is part of a cell.
fn cells(line: &str) -> Vec<&str> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|');
    let mut cells = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices('|') {
        if !line[..at].ends_with('\\') {
            cells.push(line[start..at].trim());
            start = at + 1;
        }
    }
    cells.push(line[start..].trim());
    cells
}

/// Returns the texts in backticks.
pub(super) fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
