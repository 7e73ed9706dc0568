//! Where the keys and values of a TOML entry stand.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::Mark;

/// The bytes of what is marked in one section of a file. What stands on the line that begins at `line` comes
/// first, then what the section has under its header.
pub(super) fn find(section: &str, line: usize, mark: &Mark) -> Option<Range<usize>> {
    let (root, _) = DeTable::parse_recoverable(section);
    let mut found = Vec::new();
    in_table(root.get_ref(), mark, &mut found);
    let newline = section.get(line..)?.find('\n');
    let on_line = line..newline.map_or(section.len(), |newline| line + newline);
    let first = found.iter().find(|span| on_line.contains(&span.start)).or_else(|| found.first());
    first.filter(|span| section.get((*span).clone()).is_some()).cloned()
}

fn in_table(table: &DeTable<'_>, mark: &Mark, found: &mut Vec<Range<usize>>) {
    // What lies less deep comes first.
    for (key, value) in table.iter() {
        match mark {
            Mark::Value(name) if **name == **key.get_ref() => found.push(value.span()),
            Mark::Entry(name) if name.eq_ignore_ascii_case(key.get_ref()) => {
                found.push(key.span().start..value.span().end);
            }
            _ => {}
        }
    }
    for (_, value) in table.iter() {
        in_value(value.get_ref(), mark, found);
    }
}

fn in_value(value: &DeValue<'_>, mark: &Mark, found: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => in_table(table, mark, found),
        DeValue::Array(items) => {
            for item in items {
                match (item.get_ref(), mark) {
                    (DeValue::String(text), Mark::Item(named)) if **text == **named => {
                        found.push(item.span())
                    }
                    (inner, _) => in_value(inner, mark, found),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str =
        "[[pool]]\nid = \"p\" # id\nous = [\n  \"a\",\n  \"b\",\n]\ngeography = { nl = \"DE\" }\n";

    fn found(section: &str, line: usize, mark: Mark) -> Option<&str> {
        find(section, line, &mark).map(|span| &section[span])
    }

    #[test]
    fn keys_values_and_items() {
        assert_eq!(found(POOL, 0, Mark::Value("id".into())), Some("\"p\""));
        assert_eq!(found(POOL, 0, Mark::Item("b".into())), Some("\"b\""));
        assert_eq!(found(POOL, 0, Mark::Entry("NL".into())), Some("nl = \"DE\""));
        assert_eq!(found(POOL, 0, Mark::Value("channel".into())), None);
    }

    #[test]
    fn what_stands_on_the_line_comes_first() {
        let text = "a = { x = 1 }\nb = { x = 2 }\nx = 3\n";
        for (line, value) in [(0, "1"), (14, "2"), (28, "3")] {
            assert_eq!(found(text, line, Mark::Value("x".into())), Some(value));
        }
    }

    #[test]
    fn a_section_that_is_not_toml_has_what_it_has() {
        assert_eq!(found("[[ou]\nid = \"x\"\n", 0, Mark::Value("name".into())), None);
        assert_eq!(found("", 0, Mark::Value("name".into())), None);
    }
}
