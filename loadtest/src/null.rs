//! The null server: hyper that answers every request with the same bytes. Its rate is the highest that a
//! server on hyper can reach.

use crate::error::{Error, Result};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener as StdListener},
};
use tokio::{net::TcpListener, runtime, task::LocalSet};

/// The arguments of `loadtest null`.
#[derive(Args)]
pub struct Null {
    /// Address to listen on; port 0 means a free port, which is printed
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Length of the answer's body; the default is that of a selection
    #[arg(long, value_name = "BYTES", default_value_t = 208)]
    bytes: usize,
}

/// Answers on one thread until the process is killed.
///
/// # Errors
/// The address cannot be listened on.
pub fn run(null: &Null) -> Result<()> {
    let served = StdListener::bind(null.listen).and_then(|socket| {
        let _ = writeln!(io::stdout(), "listening on {}", socket.local_addr()?);
        serve(socket, null.bytes)
    });
    let address = null.listen;
    served.map_err(|error| {
        Error::Refused(format!("cannot listen on {address}: {error}; choose another address with --listen"))
    })
}

/// Answers the connections of this socket with bodies of `bytes` bytes, until an error.
///
/// # Errors
/// A connection cannot be accepted.
pub fn serve(socket: StdListener, bytes: usize) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let body = Bytes::from(vec![b'x'; bytes]);
    LocalSet::new().block_on(&runtime, async {
        let socket = TcpListener::from_std(socket)?;
        loop {
            let (stream, _) = socket.accept().await?;
            stream.set_nodelay(true)?;
            let body = body.clone();
            tokio::task::spawn_local(async move {
                let answer = service_fn(|request: Request<Incoming>| {
                    let body = body.clone();
                    async move {
                        // hyper closes a connection if the request was not read to its end.
                        request.into_body().collect().await?;
                        Ok::<_, hyper::Error>(response(body))
                    }
                });
                // The error is that of a client that closes its connection.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    })
}

fn response(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
