use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

/// Makes a test fail instead of hang if an answer never arrives.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that sends exactly the given bytes and reads one answer at a time.
pub(crate) struct HttpClient<S = TcpStream> {
    pub(crate) stream: S,
    /// Bytes that were read and belong to later answers.
    unread: Vec<u8>,
    /// Whether the requests are HEAD, whose answers have no body.
    pub(crate) heads: bool,
}

/// A complete answer to a request.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    /// Names are in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl HttpClient {
    pub(crate) fn connect(address: impl ToSocketAddrs) -> HttpClient {
        HttpClient::try_connect(address).unwrap()
    }

    pub(crate) fn try_connect(address: impl ToSocketAddrs) -> io::Result<HttpClient> {
        Ok(HttpClient::from_stream(TcpStream::connect(address)?))
    }

    pub(crate) fn from_stream(stream: TcpStream) -> HttpClient {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        HttpClient::over(stream)
    }
}

impl HttpClient<UnixStream> {
    pub(crate) fn try_connect_unix(path: &str) -> io::Result<HttpClient<UnixStream>> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(HttpClient::over(stream))
    }
}

impl<S: Read + Write> HttpClient<S> {
    /// Returns a client on a connected stream of any kind.
    pub(crate) fn over(stream: S) -> HttpClient<S> {
        HttpClient { stream, unread: Vec::new(), heads: false }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a GET and returns its answer.
    pub(crate) fn get(&mut self, target: &str) -> HttpResponse {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.answer()
    }

    /// Sends a POST of JSON with further header lines.
    pub(crate) fn post(&mut self, target: &str, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let length = body.len();
        let mut request =
            format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n")
                .into_bytes();
        request.extend_from_slice(body);
        // The server may refuse the request and close the connection before a large body is sent.
        let _ = self.try_send(request);
    }

    /// Sends the head of a POST and waits for `100 Continue`. Then the server has read the head and no body.
    pub(crate) fn post_head(&mut self, target: &str, length: usize) {
        self.send(format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        ));
        assert_eq!(self.answer().status, 100);
    }

    /// Returns the answer to a query.
    pub(crate) fn select(&mut self, query: &str) -> Value {
        self.get(&format!("/v1/select?{query}")).json()
    }

    /// Returns the next answer as bytes.
    pub(crate) fn whole_answer(&mut self) -> Vec<u8> {
        let (mut whole, answer) = self.parts().unwrap();
        whole.extend_from_slice(&answer.body);
        whole
    }

    #[track_caller]
    pub(crate) fn answer(&mut self) -> HttpResponse {
        self.try_answer().unwrap()
    }

    /// Returns the next answer. Returns an error if the connection ends before the answer is complete.
    pub(crate) fn try_answer(&mut self) -> io::Result<HttpResponse> {
        Ok(self.parts()?.1)
    }

    /// Returns the bytes of a head, and the answer that it begins.
    fn parts(&mut self) -> io::Result<(Vec<u8>, HttpResponse)> {
        let raw = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break self.unread.drain(..end + 4).collect::<Vec<u8>>();
            }
            self.read_more()?;
        };
        let head = str::from_utf8(&raw).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = HttpResponse { status, headers, body: Vec::new() };
        if !matches!(status, 100 | 204) && !self.heads {
            let length: usize = answer.header("content-length").expect("a length").parse().unwrap();
            while self.unread.len() < length {
                self.read_more()?;
            }
            answer.body = self.unread.drain(..length).collect();
        }
        Ok((raw, answer))
    }

    /// Returns whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty()
            && self.read_more().is_err_and(|error| match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => true,
                _ => panic!("{error}"),
            })
    }

    /// Returns whether the daemon closed the connection in order, over TLS with a notice.
    pub(crate) fn is_closed_in_order(&mut self) -> bool {
        self.unread.is_empty()
            && self.read_more().is_err_and(|error| error.to_string().starts_with("closed after 0 bytes"))
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            return match self.stream.read(&mut bytes) {
                Ok(0) => {
                    let text = format!("closed after {} bytes of an answer", self.unread.len());
                    Err(io::Error::new(ErrorKind::UnexpectedEof, text))
                }
                Ok(some) => {
                    self.unread.extend_from_slice(&bytes[..some]);
                    Ok(())
                }
                // A process that was stopped and continues has its call interrupted.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

impl HttpResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// Returns the lines of a batch's answer.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the account of a selection.
    pub(crate) fn account(&self) -> String {
        assert_eq!(
            (self.status, self.header("content-type")),
            (200, Some("application/json")),
            "{}",
            self.text()
        );
        self.json()["account"].as_str().unwrap().to_owned()
    }

    /// Checks that a problem conforms to RFC 9457, and returns its code and detail.
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

    /// Asserts a problem's status and code.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.problem().0.as_str()), (status, code), "{}", self.text());
    }
}
