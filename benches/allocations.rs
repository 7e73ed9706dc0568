//! Checks that an answer allocates no memory. This test is a separate binary, because the counting allocator
//! counts the whole process.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use benches::kinds::{Kind, json, query};
use benches::{CONTEXT, shapes};
use dhat::HeapStats;
use switchboard::app::App;
use switchboard::config::Settings;
use switchboard::runtime::WatchMode;
use switchboard_select::{Query, select};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Number of requests that are measured together, so that work done once a second hardly counts.
const REQUESTS: usize = 4_000;

#[test]
fn neither_a_selection_nor_its_request_allocates() {
    let _profiler = dhat::Profiler::builder().testing().build();
    check_selections();
    let bare = allocations_per_request(start_bare_hyper(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200);
    let address = start_daemon();
    for (name, fields) in queries() {
        let status = if name == Kind::Error.as_str() { 422 } else { 200 };
        let json = json(&fields);
        // Encoded as a gateway's HTTP client does.
        let url = fields.replace('+', "%2B");
        let get = format!("GET /v1/select?{url} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let post = "POST /v1/select HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
        let post = format!("{post} {}\r\n\r\n{json}", json.len());
        // A list of accounts in JSON is joined into one text, which allocates.
        let posts = (name != "excluded").then_some(post);
        for request in [get].into_iter().chain(posts) {
            let ours = allocations_per_request(address, &request, status);
            println!("{name}: {ours:.2} allocations per request; bare hyper has {bare:.2}");
            // Not exactly 0, because the listener does some work once a second.
            assert!(ours < 0.05, "{ours} allocations per request: {request}");
        }
    }
}

/// Returns one query of each kind, and queries with fields that no kind has: a phone, a `current` account
/// that is not kept, excluded accounts, and as many fields as possible.
fn queries() -> Vec<(&'static str, String)> {
    let snapshot = shapes::small();
    let one = |kind: Kind| (kind.as_str(), kind.urls(&snapshot).swap_remove(0));
    let mut queries: Vec<_> = Kind::ALL.into_iter().map(one).collect();
    let hit = Kind::Hit.fields(7, "", 7);
    let phone = hit.replace("country=GB", "phone=+447400123456");
    queries.push(("ignored", format!("{hit}&current=unknown")));
    queries.push(("excluded", format!("{hit}&exclude=unknown,missing")));
    queries.push((
        "most",
        format!("{phone}&company=bench&user=unknown&role=secondary&current=unknown&fallback=all"),
    ));
    queries.push(("phone", phone));
    queries
}

/// Checks that no selection allocates.
fn check_selections() {
    let snapshot = shapes::small();
    let crowd = shapes::crowd(10_000);
    let url = "channel=whatsapp&ou=crowd&country=GB&client=c-1";
    for kind in Kind::ALL {
        let urls = kind.urls(&snapshot);
        let parsed: Vec<Query<'_>> = urls.iter().map(|url| query(url)).collect();
        let before = HeapStats::get().total_blocks;
        for query in &parsed {
            assert!(select(&snapshot, query, CONTEXT).channel.is_some());
        }
        assert_eq!(HeapStats::get().total_blocks, before, "{}", kind.as_str());
    }
    for (name, fields) in queries() {
        let query = query(&fields);
        let before = HeapStats::get().total_blocks;
        assert!(select(&snapshot, &query, CONTEXT).channel.is_some());
        assert_eq!(HeapStats::get().total_blocks, before, "{name}");
    }
    let query = query(url);
    let before = HeapStats::get().total_blocks;
    assert!(select(&crowd, &query, CONTEXT).result.is_ok());
    assert_eq!(HeapStats::get().total_blocks, before, "among 10,000");
}

/// Starts a server of hyper alone, which has one answer for all requests, and returns its address.
fn start_bare_hyper() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || loadtest::null::serve(socket, 208));
    address
}

/// Starts a daemon with one worker, which runs until the process ends, and returns its data address.
fn start_daemon() -> SocketAddr {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("allocations.swb");
    switchboard_snapshot::file::write(&file, shapes::small().bytes()).unwrap();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = Settings {
        listen: vec![any_port.into()],
        admin_listen: vec![any_port.into()],
        snapshot: Some(file),
        // The source is read once, so that no poll allocates while requests are counted.
        watch: WatchMode::Poll,
        poll_interval: Duration::from_secs(3600),
        workers: 1,
        require_snapshot: true,
        ..Settings::default()
    };
    let running = App::bind(settings).unwrap().start().unwrap();
    let address = running.data_addresses()[0].as_tcp().unwrap();
    // Never dropped, because the daemon must outlive this function.
    std::mem::forget(running);
    address
}

/// Returns the mean number of allocations per request on one connection. The client allocates nothing. Panics
/// if an answer has another status.
fn allocations_per_request(address: SocketAddr, request: &str, status: u16) -> f64 {
    let mut connection = TcpStream::connect(address).unwrap();
    let mut answer = [0; 4_096];
    let begin = format!("HTTP/1.1 {status} ");
    let mut ask = || {
        connection.write_all(request.as_bytes()).unwrap();
        // Answers are written whole, and are shorter than the buffer.
        let length = connection.read(&mut answer).unwrap();
        assert!(answer[..length].starts_with(begin.as_bytes()), "{request}");
    };
    (0..REQUESTS).for_each(|_| ask());
    let before = HeapStats::get().total_blocks;
    (0..REQUESTS).for_each(|_| ask());
    (HeapStats::get().total_blocks - before) as f64 / REQUESTS as f64
}
