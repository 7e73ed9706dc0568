//! The text of a file: its encoding and its lines. Findings, snippets and rows number lines alike.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

/// The number of lines between two lines whose offset is stored. Storing all offsets would take eight times
/// the size of a file of line ends.
const STRIDE: usize = 64;

/// A text with its lines. A line ends at LF, at CR LF, or at a CR alone.
pub(crate) struct Lines<'t> {
    text: Cow<'t, str>,
    /// The offset of the first line, and then of every 64th line.
    marks: Vec<usize>,
    /// The last line that was found, from 1, and its offset. The next one is usually near.
    last: Cell<(usize, usize)>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: impl Into<Cow<'t, str>>) -> Lines<'t> {
        let text = text.into();
        let mut marks = vec![0];
        let (mut start, mut line) = (0, 0);
        while let Some(next) = next_line(text.as_bytes(), start) {
            line += 1;
            if line % STRIDE == 0 {
                marks.push(next);
            }
            start = next;
        }
        Lines { text, marks, last: Cell::new((1, 0)) }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the number of the line at an offset, from 1.
    pub(crate) fn line_at(&self, offset: usize) -> u32 {
        let mark = self.marks.partition_point(|&mark| mark <= offset).saturating_sub(1);
        let mut line = mark * STRIDE + 1;
        let mut start = self.marks.get(mark).copied().unwrap_or_default();
        let (last_line, last_start) = self.last.get();
        if (start..=offset).contains(&last_start) {
            (line, start) = (last_line, last_start);
        }
        while let Some(next) = next_line(self.text.as_bytes(), start).filter(|&next| next <= offset) {
            line += 1;
            start = next;
        }
        self.last.set((line, start));
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// Returns the bytes of a line without its line end.
    pub(crate) fn bytes_of(&self, line: u32) -> Range<usize> {
        let text = self.text.as_bytes();
        let index = line.max(1) as usize - 1;
        let mut start = self.marks.get(index / STRIDE).copied().unwrap_or(text.len());
        for _ in 0..index % STRIDE {
            start = next_line(text, start).unwrap_or(text.len());
        }
        start..line_end(text, start)
    }
}

/// Returns the offset of the end of the line that contains an offset: of its CR or LF, or of the end of the
/// text.
pub(crate) fn line_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    memchr::memchr2(b'\r', b'\n', rest).map_or(text.len(), |length| from + length)
}

/// Returns the offset of the line after the one that contains an offset.
pub(crate) fn next_line(text: &[u8], from: usize) -> Option<usize> {
    let end = line_end(text, from);
    match (text.get(end), text.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(end + 2),
        (Some(_), _) => Some(end + 1),
        (None, _) => None,
    }
}

/// Counts the lines that end in a text.
pub(crate) fn count_line_ends(text: &[u8]) -> usize {
    let lone = |&at: &usize| text.get(at) == Some(&b'\n') || text.get(at + 1) != Some(&b'\n');
    memchr::memchr2_iter(b'\r', b'\n', text).filter(lone).count()
}

/// A place at which a file is not the text that a reader can read.
pub(super) struct EncodingFault {
    /// The offset of the first wrong byte.
    pub(super) offset: usize,
    pub(super) message: String,
    /// The remedy, if saving the file in another encoding is none.
    pub(super) help: Option<&'static str>,
}

/// Finds what makes a file unreadable as a whole: another encoding than one of single bytes, or a NUL byte.
pub(super) fn find_binary(bytes: &[u8]) -> Option<EncodingFault> {
    let is_wide = match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        // Letters of ASCII in UTF-16 without a byte order mark.
        [first, 0, second, 0, ..] | [0, first, 0, second, ..] => *first != 0 && *second != 0,
        _ => false,
    };
    if is_wide {
        let message = "the file is UTF-16 text, which Excel calls Unicode Text".to_owned();
        return Some(EncodingFault { offset: 0, message, help: None });
    }
    let offset = memchr::memchr(0, bytes)?;
    let message = format!("the file has a NUL byte in column {}", column_at(bytes, offset));
    let help = Some("the file is damaged or no text: restore it, or write it again");
    Some(EncodingFault { offset, message, help })
}

/// Finds the first byte that is not UTF-8.
pub(super) fn find_not_utf8(bytes: &[u8]) -> Option<EncodingFault> {
    let offset = str::from_utf8(bytes).err()?.valid_up_to();
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let meant = match byte {
        0xA0..=0xFF => format!("; in Windows-1252, it is `{}`", char::from(byte)),
        _ => String::new(),
    };
    let column = column_at(bytes, offset);
    let message = format!("byte 0x{byte:02X} in column {column} is not UTF-8 text{meant}");
    Some(EncodingFault { offset, message, help: None })
}

/// Returns the column of an offset, counted in characters from 1. Every byte before the offset is UTF-8, or
/// counts as a character.
fn column_at(bytes: &[u8], offset: usize) -> usize {
    let before = bytes.get(..offset).unwrap_or_default();
    let start = memchr::memrchr2(b'\r', b'\n', before).map_or(0, |end| end + 1);
    1 + before.iter().skip(start).filter(|&&byte| byte & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_ends_one_line() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("one{end}{end}three{end}");
            let lines = Lines::new(&*text);
            let found: Vec<&str> = (1..=5).map(|line| &text[lines.bytes_of(line)]).collect();
            assert_eq!(found, ["one", "", "three", "", ""], "{end:?}");
            let at = text.find("three").unwrap();
            assert_eq!([lines.line_at(0), lines.line_at(at - 1), lines.line_at(at)], [1, 2, 3]);
            assert_eq!(lines.line_at(text.len()), 4);
            assert_eq!(count_line_ends(text.as_bytes()), 3);
        }
    }

    #[test]
    fn far_lines_are_found_from_the_nearest_mark() {
        let text: String = (1..=1000).map(|line| format!("{line}\r\n")).collect();
        let lines = Lines::new(&*text);
        for line in [1, 2, 63, 64, 65, 66, 128, 129, 999, 1000] {
            let bytes = lines.bytes_of(line);
            assert_eq!(text[bytes.clone()], line.to_string());
            assert_eq!((lines.line_at(bytes.start), lines.line_at(bytes.end + 1)), (line, line));
        }
        assert_eq!(lines.bytes_of(5000), text.len()..text.len());
    }

    #[test]
    fn encodings_are_named_with_the_first_wrong_byte() {
        let found = |bytes: &[u8]| find_binary(bytes).map(|fault| (fault.offset, fault.message));
        for wide in [&b"\xFF\xFEi\0d\0"[..], b"\xFE\xFF\0i\0d", b"i\0d\0", b"\0i\0d"] {
            assert!(found(wide).unwrap().1.contains("UTF-16"), "{wide:?}");
        }
        let nul = "the file has a NUL byte in column 3".to_owned();
        assert_eq!(found(b"a\nb\xC3\xA9\0c"), Some((5, nul)));
        assert_eq!(found(b"\0\0\0\0").unwrap().0, 0);
        assert_eq!(found("Zürich".as_bytes()), None);
        let fault = find_not_utf8(b"a\nZ\xFCrich").unwrap();
        assert_eq!(
            (fault.offset, &*fault.message),
            (3, "byte 0xFC in column 2 is not UTF-8 text; in Windows-1252, it is `ü`")
        );
    }
}
