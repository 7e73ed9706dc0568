//! Queries of the user's own, for a daemon whose registry is not at hand.

use crate::{
    engine::{Media, Received, Source},
    error::{Error, Result},
    slow::Ways,
    traffic::{Outcomes, Wrong},
};
use serde_json::Value;
use std::{fs, path::Path};

/// What a line of the file may be.
const EXPECTED: &str = "one query a line: a JSON object as in the body of POST /v1/select, or /v1/select?field=value&… as in a GET";

/// A line as a request: a URL's path by GET, an object by POST.
fn request(line: &str) -> Option<Vec<u8>> {
    let plain = |byte: u8| byte.is_ascii_graphic();
    if line.starts_with('/') && line.bytes().all(plain) {
        return Some(format!("GET {line} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes());
    }
    let Ok(Value::Object(_)) = serde_json::from_str(line) else { return None };
    let head = "POST /v1/select HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json";
    Some(format!("{head}\r\ncontent-length: {}\r\n\r\n{line}", line.len()).into_bytes())
}

/// The first URL and the first object.
fn ways(text: &str) -> Ways {
    let first = |begins: char| text.lines().find(|line| line.starts_with(begins));
    let ways = first('/').into_iter().fold(Ways::default(), Ways::head);
    first('{').into_iter().fold(ways, Ways::body)
}

/// Asked in turn; answers are held to their shape.
pub(super) struct Queries {
    requests: Vec<Vec<u8>>,
    slowly: Ways,
    next: usize,
}

impl Queries {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| Error::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        })?;
        let mut requests = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            requests.push(
                request(line).ok_or_else(|| {
                    Error::Usage(format!("{}:{}: expected {EXPECTED}", path.display(), n + 1))
                })?,
            );
        }
        if requests.is_empty() {
            return Err(Error::Usage(format!("{} has no query: expected {EXPECTED}", path.display())));
        }
        Ok(Self { requests, slowly: ways(&text), next: 0 })
    }

    /// The first of either kind, for slow clients.
    pub(super) fn slowly(&self) -> Ways {
        self.slowly.clone()
    }
}

impl Source for Queries {
    fn next(&mut self) -> usize {
        let request = self.next;
        self.next = (request + 1) % self.requests.len();
        request
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.requests.get(request).map_or(&[], Vec::as_slice)
    }

    fn check(
        &mut self,
        _: usize,
        answer: &Received<'_>,
        outcomes: &mut Outcomes,
    ) -> std::result::Result<(), Wrong> {
        let Received { status, body, .. } = *answer;
        let told = |field: &[u8]| body.windows(field.len()).any(|window| window == field);
        let due = if status == 200 { Media::Json } else { Media::Problem };
        let outcome = match status {
            200 | 400..=422 if answer.media != due => {
                let why = format!("status {status} is not of content-type {}", due.text());
                return Err(Wrong { kind: "wrong_answer", why: why.into() });
            }
            200 if told(b"\"account\":") && told(b"\"rule\":") => "selection",
            400..=422 if told(b"\"code\":") => "problem",
            200 | 400..=422 => {
                let why = format!("neither a selection nor a problem: {}", String::from_utf8_lossy(body));
                return Err(Wrong { kind: "wrong_answer", why: why.into() });
            }
            _ => {
                let why = format!("{status}: {}", String::from_utf8_lossy(body));
                return Err(Wrong { kind: "unexpected_status", why: why.into() });
            }
        };
        outcomes.count(outcome);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_turn_and_held_to_their_shape() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "{\"ou\":\"a\"}\n\n{\"ou\":\"b\"}\n").unwrap();
        let mut queries = Queries::read(file.path()).unwrap();
        assert_eq!([queries.next(), queries.next(), queries.next()], [0, 1, 0]);
        assert!(queries.bytes(1).ends_with(b"content-length: 10\r\n\r\n{\"ou\":\"b\"}"));
        let mut outcomes = Outcomes::default();
        let mut kind = |status, body: &str| {
            let now = std::time::Instant::now();
            let media = if status == 200 { Media::Json } else { Media::Problem };
            let body = body.as_bytes();
            let answer = Received { status, media, body, place: (0, 0), sent: now, read: now };
            let other = queries.check(0, &Received { media: Media::Other, ..answer }, &mut outcomes);
            assert!(other.is_err());
            queries.check(0, &answer, &mut outcomes).map_err(|wrong| wrong.kind)
        };
        assert_eq!(kind(200, r#"{"account":"a","rule":"country"}"#), Ok(()));
        assert_eq!(kind(404, r#"{"code":"unknown_ou"}"#), Ok(()));
        assert_eq!(kind(200, "hello"), Err("wrong_answer"));
        assert_eq!(kind(503, r#"{"code":"overloaded"}"#), Err("unexpected_status"));
        for none in ["[]", "/v1/select?ou=a b", "ou=a"] {
            fs::write(file.path(), none).unwrap();
            assert!(Queries::read(file.path()).is_err(), "{none}");
        }
        fs::write(file.path(), "/v1/select?ou=a\n").unwrap();
        let queries = Queries::read(file.path()).unwrap();
        assert_eq!(queries.bytes(0), b"GET /v1/select?ou=a HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    }
}
