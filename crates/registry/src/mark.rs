//! What on a line a finding is about.
//!
//! Named rather than measured: an account has no room for where each of its cells stands, and nobody asks before
//! there is a finding to show. [`quote`](super::quote) then looks it up in the file.

use std::ops::Range;

use super::Place;

/// What is underlined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mark {
    /// The line.
    #[default]
    Line,
    /// The value of a key of the entry that begins on the line or has it, or the row's cell in a column.
    Value(Box<str>),
    /// A key and its value, whatever the key's case.
    Entry(Box<str>),
    /// A text in a list on the line.
    Item(Box<str>),
    /// The row's cell with this number, from 0.
    Cell(usize),
    /// These bytes of the file, behind its byte order mark.
    Bytes(Range<usize>),
}

/// Something else that a finding is about: the first of two that are alike, the other end of a contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Where.
    pub place: Place,
    /// What there.
    pub mark: Mark,
    /// What it is to the finding.
    pub label: String,
}
