//! "Did you mean": the known name that a mistyped one is closest to.

use super::shown::shown;

/// Longer texts are not names that somebody mistyped.
const LONGEST: usize = 128;

/// The closest of the known names, where one is close enough to be meant: at most a third of the
/// letters differ, and never more than three.
pub(super) fn nearest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let length = wrong.chars().count();
    if length == 0 || length > LONGEST {
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

/// `did you mean X?`, or what else to do where nothing is close.
pub fn did_you_mean<'k>(
    wrong: &str,
    known: impl Iterator<Item = &'k str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    match nearest(wrong, known) {
        Some(name) => format!("did you mean {}?", shown(name)),
        None => otherwise(),
    }
}

/// Edits between two names, in any case: one letter put in, left out or replaced, or two neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    let mut last_letter = None;
    for letter in a.chars().flat_map(char::to_lowercase) {
        let mut row = Vec::with_capacity(b.len() + 1);
        let mut left = last.first().map_or(0, |first| first + 1);
        row.push(left);
        let mut previous = None;
        for (j, &other) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(letter != other);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(left + 1);
            if j > 0 && previous == Some(letter) && last_letter == Some(other) {
                best = best.min(at(&before, j - 1).saturating_add(1));
            }
            row.push(best);
            left = best;
            previous = Some(other);
        }
        before = std::mem::replace(&mut last, row);
        last_letter = Some(letter);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("fallback_upward", "fallback_upwards"), 1);
        assert_eq!(distance("whatsapp", "whastapp"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("Emea", "emea"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn suggests_only_what_is_close() {
        let known = ["id", "parent", "name"];
        assert_eq!(nearest("parnet", known.into_iter()), Some("parent"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(nearest("", known.into_iter()), None);
    }
}
