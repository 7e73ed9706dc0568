//! A client of HTTP/1.1 with one connection that stays open.

use std::io;
use std::time::Duration;

use switchboard_client::Head;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Exceeds the time limits of a daemon.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A client of one listener of a daemon.
#[derive(Debug)]
pub struct Client {
    address: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    /// Creates a client of an address such as `127.0.0.1:7400`. Connects with the first request.
    #[must_use]
    pub fn new(address: &str) -> Client {
        Client { address: address.to_owned(), stream: None, buffer: Vec::new() }
    }

    /// Opens the connection, if it is not open.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub async fn connect(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends a request with a body of JSON. Returns the status and the body of the answer.
    ///
    /// A connection that the daemon has closed between two requests is opened again.
    ///
    /// # Errors
    /// Returns the error of the connection, or an error for bytes that are no answer.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        let was_open = self.stream.is_some();
        match self.attempt(method, path, body).await {
            Err(_) if was_open && self.buffer.is_empty() => self.attempt(method, path, body).await,
            answer => answer,
        }
    }

    async fn attempt(&mut self, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
        self.buffer.clear();
        self.connect().await?;
        // Without the answer, the connection cannot be used again.
        let Some(mut stream) = self.stream.take() else { return Err(io::ErrorKind::NotConnected.into()) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let exchanged = async {
            stream.write_all(request.as_bytes()).await?;
            loop {
                if stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                if let Some(head) = Head::parse(&self.buffer).map_err(io::Error::other)?
                    && let Some(body) = self.buffer.get(head.head_bytes..head.head_bytes + head.body_bytes)
                {
                    return Ok((head, String::from_utf8_lossy(body).into_owned()));
                }
            }
        };
        let (head, body) = timeout(TIMEOUT, exchanged).await??;
        if !head.last {
            self.stream = Some(stream);
        }
        Ok((head.status, body))
    }
}
