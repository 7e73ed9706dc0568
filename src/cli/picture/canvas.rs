//! Lines, wrapped to the terminal's width with what is left of them kept.

use textwrap::Options;

use crate::cli::output;

/// Where nobody's terminal is asked, and the bounds of what reads well.
const WIDE: usize = 80;
const NARROWEST: usize = 40;
const WIDEST: usize = 100;

/// What leads to a line of the tree, and to what is left of it; the last one of its kind has a corner.
pub(super) const BRANCH: &str = "├─ ";
pub(super) const BRANCH_REST: &str = "│     ";
pub(super) const CORNER: &str = "└─ ";
pub(super) const CORNER_REST: &str = "      ";

/// What is drawn so far.
pub(super) struct Canvas {
    text: String,
    width: usize,
}

impl Canvas {
    pub(super) fn new() -> Canvas {
        let width = output::terminal_width().unwrap_or(WIDE).clamp(NARROWEST, WIDEST);
        Canvas { text: String::new(), width }
    }

    /// A line behind `first`; where it does not fit, it goes on behind `rest`.
    pub(super) fn line(&mut self, first: &str, rest: &str, words: &str) {
        let options =
            Options::new(self.width).initial_indent(first).subsequent_indent(rest).break_words(false);
        for line in textwrap::wrap(words, options) {
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A text of the snapshot, fit to be printed: ids are, addresses may be anything.
pub(super) fn printable(text: &str) -> String {
    let odd = |letter: char| letter.is_control() || ('\u{200b}'..='\u{206f}').contains(&letter);
    text.chars().map(|letter| if odd(letter) { '\u{fffd}' } else { letter }).collect()
}
