//! Where the messages of a connection begin and end: every head is checked before hyper sees its end.

use super::head::{self, Ends};

/// Bytes of a head from which on hyper is sure to refuse it.
const ENOUGH: usize = head::LARGEST_HEAD;

/// What is wrong, and where in the bytes just seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A head that begins here, or began earlier, is refused.
    Head(usize, &'static str),
    /// A chunked body is broken here.
    Body(usize),
}

/// Follows a connection's requests.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a head whose end has not come, and how much of it was looked through.
    head: Vec<u8>,
    looked: usize,
    /// Whether hyper has line ends before a head that has not come.
    blank: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Head,
    Sized(u64),
    Chunked(Chunk),
    /// Refused by us, or sure to be refused by hyper: nothing counts any more.
    Over,
}

/// Where in a chunked body.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    /// In the digits of a size; `None` before the first.
    Size(Option<u64>),
    /// Behind them.
    Extension(u64),
    /// Between CR and LF of a size's line.
    SizeEnd(u64),
    /// In its data.
    Data(u64),
    DataEnd,
    DataEndCr,
    /// At the start of a line of the trailer, in it, or between its CR and LF.
    Trailer,
    TrailerLine,
    TrailerLineCr,
    /// Between the last CR and LF.
    Last,
}

impl Default for Framing {
    fn default() -> Framing {
        Framing { state: State::Head, head: Vec::new(), looked: 0, blank: false }
    }
}

impl Framing {
    /// Whether all that was seen are whole requests.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty() && !self.blank
    }

    /// Sees the next bytes of the connection.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.state {
                State::Over => return Ok(()),
                State::Head => match self.head(rest) {
                    Ok(some) => some,
                    Err(why) => {
                        self.state = State::Over;
                        return Err(Fault::Head(at, why));
                    }
                },
                State::Sized(left) => {
                    let some = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.state = match left - some as u64 {
                        0 => State::Head,
                        left => State::Sized(left),
                    };
                    some
                }
                State::Chunked(chunk) => match chunk.see(rest) {
                    Some((some, next)) => {
                        self.state = next.map_or(State::Head, State::Chunked);
                        some
                    }
                    None => {
                        self.state = State::Over;
                        return Err(Fault::Body(at));
                    }
                },
            };
        }
        Ok(())
    }

    /// How many of these bytes belong to the head.
    fn head(&mut self, rest: &[u8]) -> Result<usize, &'static str> {
        if self.head.is_empty() {
            // RFC 9112, 2.2: empty lines before a request are passed over.
            let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if empty > 0 {
                self.blank = true;
                return Ok(empty);
            }
            self.blank = false;
            // Nearly every head comes whole, and is looked at where it lies.
            return match head::end(rest, 0) {
                Ok(end) => {
                    self.state = State::behind(rest.get(..end).unwrap_or(rest))?;
                    Ok(end)
                }
                Err(looked) => {
                    self.keep(rest);
                    self.looked = looked;
                    Ok(rest.len())
                }
            };
        }
        let before = self.head.len();
        self.keep(rest);
        match head::end(&self.head, self.looked) {
            Ok(end) => {
                let whole = std::mem::take(&mut self.head);
                self.looked = 0;
                self.state = State::behind(whole.get(..end).unwrap_or(&whole))?;
                Ok(end.saturating_sub(before))
            }
            Err(looked) => {
                self.looked = looked;
                if self.head.len() > ENOUGH {
                    self.head = Vec::new();
                    self.state = State::Over;
                }
                Ok(rest.len())
            }
        }
    }

    /// Grows by doubling, so that a head that comes byte by byte is not moved at each, but not beyond what
    /// a head may have: there may be thousands.
    fn keep(&mut self, rest: &[u8]) {
        let (length, most) = (self.head.len(), ENOUGH + 1);
        if self.head.capacity() < length + rest.len() {
            self.head.reserve_exact(rest.len().max(length.min(most.saturating_sub(length))));
        }
        self.head.extend_from_slice(rest);
    }
}

impl State {
    fn behind(head: &[u8]) -> Result<State, &'static str> {
        if head.len() > ENOUGH {
            return Ok(State::Over);
        }
        Ok(match head::check(head)? {
            Ends::After(0) => State::Head,
            Ends::After(length) => State::Sized(length),
            Ends::Chunks => State::Chunked(Chunk::Size(None)),
        })
    }
}

impl Chunk {
    /// How many of these bytes belong to this state, and the next; no next after the body. `None` where
    /// they are no chunks (RFC 9112, 7.1).
    fn see(self, rest: &[u8]) -> Option<(usize, Option<Chunk>)> {
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
    fn requests_are_told_apart_wherever_the_stream_is_cut() {
        let stream = format!("{GET}\r\n{SIZED}{CHUNKS}{GET}{CHUNKS}{SIZED}\r\n\r\n");
        let all = format!("{stream}{BOTH}");
        for cut in 0..all.len() {
            for size in [1, 3, all.len()] {
                let mut framing = Framing::default();
                let (first, second) = all.as_bytes().split_at(cut);
                let pieces = first.chunks(size).chain(second.chunks(size));
                let faults: Vec<Fault> = pieces.filter_map(|piece| framing.see(piece).err()).collect();
                assert!(matches!(faults.as_slice(), [Fault::Head(..)]), "{cut} {size} {faults:?}");
            }
        }
        assert_eq!(
            Framing::default().see(all.as_bytes()),
            Err(Fault::Head(stream.len(), "a request has either a Content-Length or a Transfer-Encoding"))
        );
    }

    #[test]
    fn broken_chunks_are_found_where_they_break() {
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
            assert_eq!(Framing::default().see(all.as_bytes()), Err(Fault::Body(head.len() + at)), "{body:?}");
        }
    }
}
