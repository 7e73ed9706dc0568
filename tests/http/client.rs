//! A client that sends exactly what it is told, and reads one answer at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Read, but not part of an answer yet.
    rest: Vec<u8>,
    /// Answers to HEAD have no body.
    pub(crate) heads: bool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Client {
        Client::on(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn on(stream: TcpStream) -> Client {
        // A test that waits for what never comes fails rather than hangs.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { stream, rest: Vec::new(), heads: false }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// A POST of JSON, with further header lines.
    pub(crate) fn post(&mut self, target: &str, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let length = body.len();
        let mut request =
            format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n")
                .into_bytes();
        request.extend_from_slice(body);
        // A refusal can come, and the connection close, before a large body is out.
        let _ = self.stream.write_all(&request);
    }

    /// The next answer as it came.
    pub(crate) fn whole_answer(&mut self) -> Vec<u8> {
        let (mut whole, answer) = self.parts();
        whole.extend_from_slice(&answer.body);
        whole
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.parts().1
    }

    /// A head as it came, and the answer that it is of.
    fn parts(&mut self) -> (Vec<u8>, Answer) {
        let raw = loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break self.rest.drain(..end + 4).collect::<Vec<u8>>();
            }
            assert!(self.more(), "closed before an answer: {:?}", String::from_utf8_lossy(&self.rest));
        };
        let head = str::from_utf8(&raw).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if !matches!(status, 100 | 204) && !self.heads {
            let length: usize = answer.header("content-length").expect("a length").parse().unwrap();
            while self.rest.len() < length {
                assert!(self.more(), "closed within a body");
            }
            answer.body = self.rest.drain(..length).collect();
        }
        (raw, answer)
    }

    /// Whether the other side closes without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.rest.is_empty() && !self.more()
    }

    fn more(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(some) => {
                self.rest.extend_from_slice(&bytes[..some]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// Every line of a batch's answer.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The account of a selection.
    pub(crate) fn account(&self) -> String {
        assert_eq!(
            (self.status, self.header("content-type")),
            (200, Some("application/json")),
            "{}",
            self.text()
        );
        self.json()["account"].as_str().unwrap().to_owned()
    }

    /// Holds a problem against RFC 9457, and returns its code and detail.
    pub(crate) fn problem(&self) -> (String, String) {
        let json = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(json["status"], self.status);
        assert!(json["title"].is_string());
        let code = json["code"].as_str().unwrap();
        assert_eq!(json["type"], format!("urn:switchboard:problem:{code}"));
        (code.to_owned(), json["detail"].as_str().unwrap().to_owned())
    }

    /// A problem's status and code.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.problem().0.as_str()), (status, code), "{}", self.text());
    }
}
