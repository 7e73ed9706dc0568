//! Lines fit to be printed: cut around what is underlined, with no phone number in them.

use std::ops::Range;

use crate::shown::veil;

/// Some lines of a file, and what is underlined in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The number of the first.
    pub first_line: u32,
    /// The lines, as they are to be shown.
    pub text: String,
    /// What is underlined, in bytes of `text`; empty where something is missing.
    pub fault: Range<usize>,
    /// The column in the file where it begins, in characters, from 1.
    pub column: usize,
    /// The first column behind it.
    pub end_column: usize,
}

/// Quotes the lines with these bytes, of which the last has the fault. `bare` is what is shown of each even if it
/// may be a phone number.
pub(super) fn excerpt(
    text: &str,
    first_line: u32,
    lines: &[Range<usize>],
    bare: &[Option<Range<usize>>],
    fault: Range<usize>,
    width: usize,
) -> Quote {
    let mut quote = Quote { first_line, text: String::new(), fault: 0..0, column: 1, end_column: 1 };
    for (at, line) in lines.iter().enumerate() {
        let chars =
            |end: usize| text.get(line.start..end.max(line.start)).unwrap_or_default().chars().count();
        let mut letters: Vec<char> = text.get(line.clone()).unwrap_or_default().chars().collect();
        let before = letters.clone();
        veil(&mut letters);
        if let Some(Some(bare)) = bare.get(at) {
            let bare = chars(bare.start)..chars(bare.end);
            if let (Some(to), Some(from)) = (letters.get_mut(bare.clone()), before.get(bare)) {
                to.copy_from_slice(from);
            }
        }
        let last = at + 1 == lines.len();
        let focus = if last { chars(fault.start)..chars(fault.end) } else { 0..0 };
        if last {
            (quote.column, quote.end_column) = (focus.start + 1, focus.end + 1);
        }
        let (cut, focus) = cut(&letters, focus, width);
        let bytes = |chars: usize| cut.chars().take(chars).map(char::len_utf8).sum::<usize>();
        if last {
            quote.fault = quote.text.len() + bytes(focus.start)..quote.text.len() + bytes(focus.end);
        }
        quote.text.push_str(&cut);
        if !last {
            quote.text.push('\n');
        }
    }
    quote
}

/// At most `width` letters of a line, with what is in focus among them, and where that then is.
fn cut(letters: &[char], focus: Range<usize>, width: usize) -> (String, Range<usize>) {
    if letters.len() <= width {
        return (letters.iter().collect(), focus);
    }
    // A long fault is shown by its beginning, with a little of what stands before it.
    let lead = width / 4;
    let room = width.saturating_sub(2).max(1);
    let start = if focus.end < room { 0 } else { focus.start.saturating_sub(lead) };
    let start = start.min(letters.len().saturating_sub(room));
    let end = (start + room).min(letters.len());
    let mut out = String::new();
    if start > 0 {
        out.push('…');
    }
    out.extend(letters.get(start..end).unwrap_or_default());
    if end < letters.len() {
        out.push('…');
    }
    let moved = |at: usize| at.clamp(start, end) - start + usize::from(start > 0);
    (out, moved(focus.start)..moved(focus.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_around_the_fault() {
        let line: Vec<char> = format!("{}FAULT{}", "a".repeat(500), "b".repeat(500)).chars().collect();
        let (text, focus) = cut(&line, 500..505, 40);
        assert_eq!(text, format!("…{}FAULT{}…", "a".repeat(10), "b".repeat(23)));
        assert_eq!(text.chars().skip(focus.start).take(focus.len()).collect::<String>(), "FAULT");
        let (text, focus) = cut(&line, 3..4, 40);
        assert!(text.starts_with("aaa") && text.ends_with('…') && text.chars().count() == 39);
        assert_eq!(focus, 3..4);
        let (text, focus) = cut(&line, 1005..1005, 40);
        assert!(text.starts_with('…') && text.ends_with('b'));
        assert_eq!(focus, 39..39);
        let (text, focus) = cut(&line, 0..1005, 40);
        assert_eq!((text.chars().count(), focus), (39, 0..38));
    }
}
