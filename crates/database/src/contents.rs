//! The contents of a database: the text of a registry's files, and the table and key of each line.

use std::cell::RefCell;
use std::collections::HashMap;

use switchboard_registry::{Files, Findings, Place, Snippets, Span};

/// The maximum width of a cell with an id, in characters.
const MAX_ID_CHARS: usize = 300;

/// A registry that was read from a database.
#[derive(Debug)]
pub struct Contents {
    /// The files of the registry, as an export writes them.
    pub files: Files,
    /// The rows of the database, for findings.
    pub rows: Rows,
}

/// The rows of the database from which the lines of a registry's files were written.
///
/// The key of a row is read from its line. Only the rows of tests are stored, because a test has no key in the files.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The ids of each company's tests, in the order of its file.
    tests: HashMap<String, Vec<String>>,
}

/// The section of a TOML file that has a line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Section<'t> {
    /// The header, such as `[[pool]]`. Empty above the first header.
    header: &'t str,
    /// The number of sections with this header above this one.
    earlier: usize,
    /// The value of `id`, with its quotes.
    id: Option<&'t str>,
    /// The key on the line.
    key: &'t str,
}

impl Rows {
    pub(crate) fn new(tests: HashMap<String, Vec<String>>) -> Rows {
        Rows { tests }
    }

    /// Replaces the lines of findings about the files by the rows of the database, such as
    /// `account[company=acme,id=wa-1].country`.
    pub fn relocate(&self, files: &Files, findings: &mut Findings) {
        let snippets = RefCell::new(Snippets::new(files));
        findings.relocate(|place, span| {
            match self.describe(files, place, span, &mut snippets.borrow_mut()) {
                Some(entry) => Place::entry(entry),
                None => place.clone(),
            }
        });
    }

    /// Describes the row and the column of a span. Returns `None` for a place outside the database, such as a built-in
    /// channel.
    fn describe(
        &self,
        files: &Files,
        place: &Place,
        span: &Span,
        snippets: &mut Snippets<'_>,
    ) -> Option<String> {
        if &*place.file == "." {
            return Some("company".to_owned());
        }
        let text = || str::from_utf8(files.get(&place.file)?).ok();
        let column = match span {
            Span::Value(column) if &**column != "id" => format!(".{column}"),
            _ => String::new(),
        };
        let Some((company, file)) = place.file.split_once('/') else {
            let section = Section::at(text()?, place.line);
            let id = section.header.strip_prefix("[channel.").and_then(|rest| rest.strip_suffix(']'));
            return Some(match id {
                Some(id) => format!("channel[id={}]{column}", unquoted(id)),
                None => "channel".to_owned(),
            });
        };
        let whole = || format!("company[id={company}]");
        match file {
            "accounts.csv" | "ous.csv" => {
                let table = if file == "ous.csv" { "ou" } else { "account" };
                let cell = snippets.find(place, &Span::value("id"), MAX_ID_CHARS).filter(|_| place.line > 1);
                let Some(cell) = cell else { return Some(whole()) };
                let id = cell.text.get(cell.fault)?;
                Some(format!("{table}[company={company},id={id}]{column}"))
            }
            "tests.toml" => {
                let section = Section::at(text()?, place.line);
                let ids = self.tests.get(company)?;
                let Some(id) = ids.get(section.earlier).filter(|_| !section.header.is_empty()) else {
                    return Some(whole());
                };
                // A field of the query or of the expectation is a part of the column.
                let column = match section.key {
                    "query" | "expect" if column != format!(".{}", section.key) => {
                        format!(".{}{column}", section.key)
                    }
                    _ => column,
                };
                Some(format!("test[company={company},id={id}]{column}"))
            }
            "company.toml" => {
                let section = Section::at(text()?, place.line);
                match (section.id, span) {
                    (None, Span::Entry(country)) => {
                        Some(format!("geography[company={company},country={country}]"))
                    }
                    (None, _) if section.header == "[geography]" && !section.key.is_empty() => {
                        Some(format!("geography[company={company},country={}]", section.key))
                    }
                    (None, _) => Some(whole() + &column),
                    (Some(pool), Span::Entry(country)) => Some(format!(
                        "geography[company={company},pool={},country={country}]",
                        unquoted(pool)
                    )),
                    (Some(pool), Span::Item(ou)) if section.key == "ous" => {
                        Some(format!("pool_ou[company={company},pool={},ou={ou}]", unquoted(pool)))
                    }
                    (Some(pool), _) => Some(format!("pool[company={company},id={}]{column}", unquoted(pool))),
                }
            }
            _ => None,
        }
    }
}

impl<'t> Section<'t> {
    /// Finds the section of a line, counted from 1, in a text that `read` wrote: one key a line.
    fn at(text: &'t str, line: u32) -> Section<'t> {
        let mut section = Section::default();
        let mut earlier: HashMap<&str, usize> = HashMap::new();
        for (number, content) in (1..).zip(text.lines()) {
            if content.starts_with('[') {
                if number > line {
                    break;
                }
                let count = earlier.entry(content).or_default();
                section = Section { header: content, earlier: *count, ..Section::default() };
                *count += 1;
            }
            let (key, value) = content.split_once(" = ").unwrap_or_default();
            if key == "id" {
                section.id = Some(value);
            }
            if number == line {
                section.key = key;
            }
        }
        section
    }
}

/// Returns the text of an id in quotes of TOML, in which only backslashes are escaped.
fn unquoted(id: &str) -> String {
    id.trim_matches('"').replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_by_line() {
        let text = "name = \"a\"\n\n[[pool]]\nid = \"p\"\nous = [\"a\"]\n\n[[pool]]\nid = \"q\"\n";
        let pool = |id, earlier, key| Section { header: "[[pool]]", earlier, id: Some(id), key };
        assert_eq!(Section::at(text, 1), Section { key: "name", ..Section::default() });
        assert_eq!(Section::at(text, 3), pool("\"p\"", 0, ""));
        assert_eq!(Section::at(text, 5), pool("\"p\"", 0, "ous"));
        assert_eq!(Section::at(text, 7), pool("\"q\"", 1, ""));
    }
}
