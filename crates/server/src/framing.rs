//! Finds the boundaries between the requests of a connection, so that every head is checked before hyper
//! reads its end.

use super::request_head::{self, BodyLength, HeadError, MAX_HEAD_BYTES};

/// A fault, and its position in the bytes just read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FramingFault {
    /// A head is refused. It begins at this position, or began earlier.
    Head(usize, HeadError),
    /// A chunked body is malformed at this position.
    Body(usize),
}

/// Tracks the position within the requests of a connection.
#[derive(Debug)]
pub(crate) struct Framing {
    state: FramingState,
    /// The beginning of a head whose end has not arrived.
    head: Vec<u8>,
    /// Number of bytes of `head` that were searched for its end.
    searched: usize,
    /// Whether empty lines were read, and no head after them.
    has_empty_lines: bool,
}

#[derive(Debug, Clone, Copy)]
enum FramingState {
    Head,
    Sized(u64),
    Chunked(Chunk),
    /// Refused by this server, or certain to be refused by hyper. All further bytes are ignored.
    Refused,
}

/// The position within a chunked body.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    /// In the digits of a chunk size; `None` before the first digit.
    Size(Option<u64>),
    /// After the digits of a chunk size, in its extension.
    Extension(u64),
    /// Between the CR and the LF after a chunk size.
    SizeEnd(u64),
    /// In the data of a chunk.
    Data(u64),
    /// After the data of a chunk, before the CR.
    DataEnd,
    /// Between the CR and the LF after the data of a chunk.
    DataEndCr,
    /// At the start of a trailer line.
    Trailer,
    /// In a trailer line, before its CR.
    TrailerLine,
    /// Between the CR and the LF of a trailer line.
    TrailerLineCr,
    /// Between the last CR and LF of the body.
    Last,
}

impl Default for Framing {
    fn default() -> Framing {
        Framing { state: FramingState::Head, head: Vec::new(), searched: 0, has_empty_lines: false }
    }
}

impl Framing {
    /// Returns whether all bytes that were read are complete requests.
    #[inline]
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.state, FramingState::Head) && self.head.is_empty() && !self.has_empty_lines
    }

    /// Reads the next bytes of the connection.
    ///
    /// # Errors
    /// Returns the first fault. Later bytes are not checked.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), FramingFault> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.state {
                FramingState::Refused => return Ok(()),
                FramingState::Head => match self.read_head(rest) {
                    Ok(some) => some,
                    Err(reason) => {
                        self.state = FramingState::Refused;
                        return Err(FramingFault::Head(at, reason));
                    }
                },
                FramingState::Sized(left) => {
                    let some = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.state = match left - some as u64 {
                        0 => FramingState::Head,
                        left => FramingState::Sized(left),
                    };
                    some
                }
                FramingState::Chunked(chunk) => match chunk.read(rest) {
                    Some((some, next)) => {
                        self.state = next.map_or(FramingState::Head, FramingState::Chunked);
                        some
                    }
                    None => {
                        self.state = FramingState::Refused;
                        return Err(FramingFault::Body(at));
                    }
                },
            };
        }
        Ok(())
    }

    /// Returns the number of bytes that belong to the head.
    fn read_head(&mut self, rest: &[u8]) -> Result<usize, HeadError> {
        if self.head.is_empty() {
            // RFC 9112, 2.2: empty lines before a request are ignored.
            let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if empty > 0 {
                self.has_empty_lines = true;
                return Ok(empty);
            }
            self.has_empty_lines = false;
            // Nearly every head arrives in one piece, and is checked in place.
            return match request_head::find_end(rest, 0) {
                Ok(end) => {
                    self.state = FramingState::after(rest.get(..end).unwrap_or(rest))?;
                    Ok(end)
                }
                Err(searched) => {
                    self.keep(rest);
                    self.searched = searched;
                    Ok(rest.len())
                }
            };
        }
        let before = self.head.len();
        self.keep(rest);
        match request_head::find_end(&self.head, self.searched) {
            Ok(end) => {
                let whole = std::mem::take(&mut self.head);
                self.searched = 0;
                self.state = FramingState::after(whole.get(..end).unwrap_or(&whole))?;
                Ok(end.saturating_sub(before))
            }
            Err(searched) => {
                self.searched = searched;
                if self.head.len() > MAX_HEAD_BYTES {
                    self.head = Vec::new();
                    self.state = FramingState::Refused;
                }
                Ok(rest.len())
            }
        }
    }

    /// Appends bytes to the incomplete head. The capacity doubles, so that a head that arrives byte by byte
    /// is not copied for each byte. It stays within the limit of a head, because there may be thousands of
    /// connections.
    fn keep(&mut self, rest: &[u8]) {
        let (length, max) = (self.head.len(), MAX_HEAD_BYTES + 1);
        if self.head.capacity() < length + rest.len() {
            self.head.reserve_exact(rest.len().max(length.min(max.saturating_sub(length))));
        }
        self.head.extend_from_slice(rest);
    }
}

impl FramingState {
    fn after(head: &[u8]) -> Result<FramingState, HeadError> {
        if head.len() > MAX_HEAD_BYTES {
            return Ok(FramingState::Refused);
        }
        Ok(match request_head::check(head)? {
            BodyLength::Known(0) => FramingState::Head,
            BodyLength::Known(length) => FramingState::Sized(length),
            BodyLength::Chunked => FramingState::Chunked(Chunk::Size(None)),
        })
    }
}

impl Chunk {
    /// Returns the number of bytes that belong to this state, and the next state (`None` after the body).
    /// Returns `None` if the bytes are not chunks (RFC 9112, 7.1).
    fn read(self, rest: &[u8]) -> Option<(usize, Option<Chunk>)> {
        let first = *rest.first()?;
        let next = match (self, first) {
            (Chunk::Data(left), _) => {
                let some = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - some as u64;
                return Some((some, Some(if left == 0 { Chunk::DataEnd } else { Chunk::Data(left) })));
            }
            (Chunk::Size(size), digit) if digit.is_ascii_hexdigit() => {
                let digit = u64::from((digit as char).to_digit(16)?);
                Chunk::Size(Some(size.unwrap_or(0).checked_mul(16)?.checked_add(digit)?))
            }
            (Chunk::Size(Some(size)), b';' | b' ' | b'\t') => Chunk::Extension(size),
            (Chunk::Size(Some(size)) | Chunk::Extension(size), b'\r') => Chunk::SizeEnd(size),
            (Chunk::Extension(size), other) if other != b'\n' => Chunk::Extension(size),
            (Chunk::SizeEnd(0), b'\n') => Chunk::Trailer,
            (Chunk::SizeEnd(size), b'\n') => Chunk::Data(size),
            (Chunk::DataEnd, b'\r') => Chunk::DataEndCr,
            (Chunk::DataEndCr, b'\n') => Chunk::Size(None),
            (Chunk::Trailer, b'\r') => Chunk::Last,
            (Chunk::TrailerLine, b'\r') => Chunk::TrailerLineCr,
            (Chunk::TrailerLineCr, b'\n') => Chunk::Trailer,
            (Chunk::Trailer | Chunk::TrailerLine, other) if other != b'\n' => Chunk::TrailerLine,
            (Chunk::Last, b'\n') => return Some((1, None)),
            _ => return None,
        };
        Some((1, Some(next)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const SIZED: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGE\r\n";
    const CHUNKS: &str = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;a=\"b\"\r\n\r\n\r\r\n0A\r\n0\r\n\r\nGET /\r\n0\r\nA: b\r\nB:\r\n\r\n";
    const BOTH: &str =
        "POST / HTTP/1.1\r\nContent-Length: 4\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn fault_is_found_wherever_the_stream_is_cut() {
        let stream = format!("{GET}\r\n{SIZED}{CHUNKS}{GET}{CHUNKS}{SIZED}\r\n\r\n");
        let all = format!("{stream}{BOTH}");
        for cut in 0..all.len() {
            for size in [1, 3, all.len()] {
                let mut framing = Framing::default();
                let (first, second) = all.as_bytes().split_at(cut);
                let pieces = first.chunks(size).chain(second.chunks(size));
                let faults: Vec<FramingFault> =
                    pieces.filter_map(|piece| framing.read(piece).err()).collect();
                assert!(matches!(faults.as_slice(), [FramingFault::Head(..)]), "{cut} {size} {faults:?}");
            }
        }
        assert_eq!(
            Framing::default().read(all.as_bytes()),
            Err(FramingFault::Head(stream.len(), HeadError::BothLengths))
        );
    }

    #[test]
    fn broken_chunk_is_reported_where_it_breaks() {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (body, at) in [
            ("x", 0),
            ("\r\n", 0),
            ("-1\r\n", 0),
            ("0x1\r\n", 1),
            ("1\n", 1),
            ("1;\n", 2),
            ("1\r\nab", 4),
            ("1\r\na\rb", 5),
            ("11111111111111111\r\n", 16),
            ("0\r\n\n", 3),
            ("0\r\n\rx", 4),
        ] {
            let all = format!("{head}{body}");
            assert_eq!(
                Framing::default().read(all.as_bytes()),
                Err(FramingFault::Body(head.len() + at)),
                "{body:?}"
            );
        }
    }
}
