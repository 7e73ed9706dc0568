//! The null server: bare hyper that gives one answer to every request. Its rate is what the harness can reach
//! at most; the daemon's rate beside it is the share that the daemon's own work leaves.

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

/// Arguments of `loadtest null`.
#[derive(Args)]
pub struct Null {
    /// Where to listen; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long the answer's body is: as a selection's
    #[arg(long, value_name = "BYTES", default_value_t = 208)]
    bytes: usize,
}

/// Answers until the process is killed, on one thread.
pub fn run(null: &Null) -> Result<()> {
    let failed = |what: &str| {
        let what = format!("cannot {what} {}", null.listen);
        move |error: io::Error| Error::Refused(format!("{what}: {error}; choose another address"))
    };
    let socket = StdListener::bind(null.listen).map_err(failed("listen on"))?;
    let address = socket.local_addr().map_err(failed("ask for the port of"))?;
    let _ = writeln!(io::stdout(), "listening on {address}");
    serve(socket, null.bytes).map_err(failed("serve on"))
}

/// Serves connections of this socket with bodies of `bytes` bytes, for as long as the process runs.
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
                        // hyper closes a connection whose request is not read to its end.
                        request.into_body().collect().await?;
                        Ok::<_, hyper::Error>(response(body))
                    }
                });
                // A client that closes is no failure of this server.
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
