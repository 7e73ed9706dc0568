//! One keep-alive connection of HTTP/1.1, blocking: as much as the daemon's answers need.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A failure's kind, and what was seen.
pub(crate) type Failure = (&'static str, String);

/// Longer than the daemon's own limits: what takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The daemon closes after this one.
    pub(crate) last: bool,
}

pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let opened = TcpStream::connect_timeout(&address, PATIENCE).and_then(|stream| {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    });
    opened.map_err(|error| ("cannot connect", error.to_string()))
}

/// What a URL need not encode: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value, or a part of a path, as a URL has it.
pub(crate) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ENCODED)
}

/// A request's bytes.
pub(crate) fn request(method: &str, target: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nhost: soak\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self, Failure> {
        Ok(Self { stream: BufReader::new(connect(address)?) })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) fn ask(&mut self, request: &str) -> Result<Answer, Failure> {
        let sent = self.stream.get_mut().write_all(request.as_bytes());
        sent.map_err(|error| ("cannot send", error.to_string()))?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.ok_or(("answer broken", "no status line".to_owned()))?;
        let (mut length, mut last) = (None, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None if line.is_empty() => break,
                None => return Err(("answer broken", "a header without a colon".to_owned())),
                Some(("content-length", value)) => length = value.trim().parse::<usize>().ok(),
                Some(("connection", value)) => last = value.trim() == "close",
                Some(_) => {}
            }
        }
        let length = match status {
            204 => 0,
            _ => length.ok_or(("answer broken", format!("status {status} without a length")))?,
        };
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(|error| ("answer cut", error.to_string()))?;
        let body = String::from_utf8(body).map_err(|error| ("answer broken", error.to_string()))?;
        Ok(Answer { status, body, last })
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(_) if line.ends_with("\r\n") => Ok(line.trim_end().to_owned()),
            Ok(_) => Err(("answer cut", "the connection ended in an answer's head".to_owned())),
            Err(error) => Err(("no answer", error.to_string())),
        }
    }
}
