//! The series of a scrape. Every name, label and value in a rule or a panel must occur in them.

use std::collections::{BTreeMap, BTreeSet};

/// A matcher: label, operator and value.
type Matcher = (String, String, String);

/// The scraped series: label values by label and metric name.
pub(super) struct Exposition(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Exposition {
    pub(super) fn read(text: &str) -> Exposition {
        let mut names: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let known = names.entry(name.to_owned()).or_default();
            for (label, _, value) in matchers(labels.strip_suffix('}').unwrap()) {
                known.entry(label).or_default().insert(value);
            }
        }
        Exposition(names)
    }

    /// Asserts that every name, label and value of an expression is in the scrape.
    pub(super) fn hold(&self, expression: &str) {
        let mut found = 0;
        for (name, labels) in selectors(expression) {
            let known = self.0.get(&name).unwrap_or_else(|| panic!("no metric {name}: {expression}"));
            for (label, operator, value) in labels {
                if label == "job" || label == "instance" {
                    continue;
                }
                let values =
                    known.get(&label).unwrap_or_else(|| panic!("{name} has no {label}: {expression}"));
                if value.contains('$') {
                    continue;
                }
                let alternatives: Vec<&str> =
                    if operator.ends_with('~') { value.split('|').collect() } else { vec![&value] };
                for alternative in alternatives {
                    let prefix = alternative.strip_suffix("..");
                    let there = prefix.map_or_else(
                        || values.contains(alternative),
                        |prefix| values.iter().any(|value| value.starts_with(prefix)),
                    );
                    assert!(there, "{name} has no {label}={alternative:?}, but {values:?}: {expression}");
                }
            }
            found += 1;
        }
        let recorded = expression.contains(":switchboard_");
        for label in groupings(expression) {
            let named = selectors(expression).iter().any(|(name, _)| self.0[name].contains_key(label));
            let there = named || recorded && self.has_label(label) || matches!(label, "job" | "instance");
            assert!(there, "nothing of it has {label}: {expression}");
        }
        assert!(found > 0 || recorded || expression.contains("up{"), "asks for nothing: {expression}");
    }

    /// Returns whether any metric has this label.
    pub(super) fn has_label(&self, label: &str) -> bool {
        matches!(label, "job" | "instance") || self.0.values().any(|labels| labels.contains_key(label))
    }
}

/// Returns the scraped metrics in an expression with their label matchers. Leaves out recorded metrics.
pub(super) fn selectors(expression: &str) -> Vec<(String, Vec<Matcher>)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(part) {
        rest = &rest[start..];
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let ours = word.starts_with("switchboard_") || word.starts_with("process_");
        if ours && !word.contains(':') {
            let labels = after.strip_prefix('{').map_or("", |labels| labels.split_once('}').unwrap().0);
            found.push((word.to_owned(), matchers(labels)));
        }
    }
    found
}

/// Returns the labels that an expression groups or matches by.
fn groupings(expression: &str) -> impl Iterator<Item = &str> {
    let words = ["by (", "on (", "ignoring (", "without (", "group_left (", "group_right ("];
    let lists = words.into_iter().flat_map(|word| expression.split(word).skip(1));
    let labels = lists.flat_map(|rest| rest.split_once(')').unwrap().0.split(','));
    labels.map(str::trim).filter(|label| !label.is_empty())
}

/// Parses `a="b",c=~"d"`. No value may have a quote or a comma.
fn matchers(labels: &str) -> Vec<Matcher> {
    let labels = labels.trim().trim_end_matches(',');
    let labels = labels.strip_suffix('"').unwrap_or(labels);
    let pairs = labels.split("\",").map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (left, value) = pair.split_once('"').unwrap();
            let label = left.trim_end_matches(['=', '~', '!']);
            (label.to_owned(), left[label.len()..].to_owned(), value.to_owned())
        })
        .collect()
}
