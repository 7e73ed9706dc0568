//! "Did you mean": the known name that is closest to a mistyped one.

use crate::redact::quoted;

/// Longer texts are not mistyped names.
const MAX_NAME_CHARS: usize = 128;

/// Returns the closest of the known names. At most a third of the letters may differ, and never more than
/// three.
pub(crate) fn closest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let length = wrong.chars().count();
    if length == 0 || length > MAX_NAME_CHARS {
        return None;
    }
    let limit = (length / 3).clamp(1, 3);
    known
        .filter(|name| name.chars().count().abs_diff(length) <= limit)
        .map(|name| (distance(wrong, name), name))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Returns `did you mean X?`, or the other text if no known name is close.
pub fn did_you_mean<'k>(
    wrong: &str,
    known: impl Iterator<Item = &'k str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    match closest(wrong, known) {
        Some(name) => format!("did you mean {}?", quoted(name)),
        None => otherwise(),
    }
}

/// Counts the edits between two names, ignoring case: a letter inserted, removed or replaced, or two
/// neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let lowercase = |name: &str| name.chars().flat_map(char::to_lowercase).collect::<String>();
    strsim::osa_distance(&lowercase(a), &lowercase(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits_and_ignores_case() {
        assert_eq!(distance("fallback_upward", "fallback_upwards"), 1);
        assert_eq!(distance("whatsapp", "whastapp"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("Emea", "emea"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_close_names_are_suggested() {
        let known = ["id", "parent", "name"];
        assert_eq!(closest("parnet", known.into_iter()), Some("parent"));
        assert_eq!(closest("colour", known.into_iter()), None);
        assert_eq!(closest("", known.into_iter()), None);
    }
}
