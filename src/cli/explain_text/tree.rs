//! The lines of an explanation: branches of a tree, wrapped at the width of the terminal.

use crate::cli::output::terminal_width;

const DEFAULT_WIDTH: usize = 80;
const MIN_WIDTH: usize = 40;
const MAX_WIDTH: usize = 100;

/// The beginning of a branch, and of the further lines of a branch that is wrapped.
pub(super) const BRANCH: &str = "├─ ";
pub(super) const BRANCH_REST: &str = "│     ";
/// The beginning of the last branch, and of the further lines of a last branch that is wrapped.
pub(super) const CORNER: &str = "└─ ";
pub(super) const CORNER_REST: &str = "      ";

pub(super) struct Tree {
    text: String,
    width: usize,
}

impl Tree {
    pub(super) fn new() -> Tree {
        let width = terminal_width().unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH);
        Tree { text: String::new(), width }
    }

    /// Adds a line that begins with `first`. Wraps a line that is too long at spaces and after hyphens;
    /// further lines begin with `rest`. A word longer than the width stays whole.
    pub(super) fn line(&mut self, first: &str, rest: &str, words: &str) {
        let mut line = first.to_owned();
        let mut columns = columns_of(first);
        let mut is_empty = true;
        for part in parts(words) {
            let word = part.trim_end_matches(' ');
            if columns + columns_of(word) > self.width && !is_empty {
                self.push(&line);
                rest.clone_into(&mut line);
                columns = columns_of(rest);
            }
            line.push_str(part);
            columns += columns_of(part);
            is_empty = false;
        }
        self.push(&line);
    }

    pub(super) fn empty_line(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// Splits a text where a line may be broken: after spaces, and after a hyphen between letters or digits.
fn parts(words: &str) -> impl Iterator<Item = &str> {
    let mut rest = words;
    std::iter::from_fn(move || {
        let mut before = [None, None];
        let end = rest.char_indices().find(|&(_, letter)| {
            let is_break = match before {
                [_, Some(' ')] => letter != ' ',
                [Some(first), Some('-')] => char::is_alphanumeric(first) && letter.is_alphanumeric(),
                _ => false,
            };
            before = [before[1], Some(letter)];
            is_break
        });
        let (part, next) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = next;
        (!part.is_empty()).then_some(part)
    })
}

/// Counts the columns of a text: its characters without the escape sequences of styles.
fn columns_of(text: &str) -> usize {
    let mut in_escape = false;
    let visible = text.chars().filter(|&letter| {
        let was_in_escape = in_escape;
        in_escape = letter == '\x1b' || in_escape && letter != 'm';
        !was_in_escape && !in_escape
    });
    visible.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(width: usize, words: &str) -> String {
        let mut tree = Tree { text: String::new(), width };
        tree.line("* ", "    ", words);
        tree.into_text()
    }

    #[test]
    fn long_line_is_broken_at_spaces_and_inner_hyphens() {
        assert_eq!(wrapped(12, "a pool-of-emea x"), "* a pool-of-\n    emea x\n");
        assert_eq!(wrapped(12, "abc def  ghi"), "* abc def\n    ghi\n");
        assert_eq!(wrapped(12, "abcdefgh --flag"), "* abcdefgh\n    --flag\n");
    }

    #[test]
    fn word_longer_than_a_line_stays_whole() {
        assert_eq!(wrapped(8, "abcdefghijkl m"), "* abcdefghijkl\n    m\n");
    }

    #[test]
    fn styles_take_no_column() {
        let words = "\x1b[1m\x1b[32mabcd\x1b[0m efgh";
        assert_eq!(wrapped(11, words), format!("* {words}\n"));
        assert_eq!(wrapped(10, words), "* \x1b[1m\x1b[32mabcd\x1b[0m\n    efgh\n");
    }
}
