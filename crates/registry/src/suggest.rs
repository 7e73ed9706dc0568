//! Suggests the known name that is closest to a mistyped one.

use crate::redact::quoted;

/// The maximum length of a mistyped name in characters. Longer texts get no suggestion.
const MAX_NAME_CHARS: usize = 128;

/// Returns the known name that is closest to the wrong one. At most a third of the letters may differ, and at
/// most three letters. Short names may differ in one letter.
pub(crate) fn closest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let length = wrong.chars().count();
    if length == 0 || length > MAX_NAME_CHARS {
        return None;
    }
    closest_within((length / 3).clamp(1, 3), wrong, known)
}

/// Returns the known name that is closest to the wrong one, of those that differ in at most `limit` letters.
pub(crate) fn closest_within<'k>(
    limit: usize,
    wrong: &str,
    known: impl Iterator<Item = &'k str>,
) -> Option<&'k str> {
    let length = wrong.chars().count();
    known
        .filter(|name| name.chars().count().abs_diff(length) <= limit)
        .map(|name| (distance(wrong, name), name))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Returns `did you mean …?` with the closest known name, or the other text if no known name is close.
///
/// ```
/// use switchboard_registry::did_you_mean;
///
/// let known = ["parent", "name"];
/// let help = did_you_mean("parnet", known.into_iter(), || "remove the key".to_owned());
/// assert_eq!(help, "did you mean `parent`?");
/// ```
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

/// Counts the edits between two names, ignoring case. An edit inserts, removes or replaces a letter, or swaps
/// two neighbouring letters.
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
