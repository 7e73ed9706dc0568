//! What an answer allocates: counted for the whole process, in a binary of its own, since the allocator that
//! counts is everybody's.
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
use benches::{MOMENT, shapes};
use dhat::HeapStats;
use switchboard::app::App;
use switchboard::config::Settings;
use switchboard::runtime::WatchMode;
use switchboard_select::{Query, select};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Requests that are counted over: what happens once a second is not seen in a request's share.
const REQUESTS: usize = 1_000;

#[test]
fn neither_a_selection_nor_its_request_allocates() {
    let _profiler = dhat::Profiler::builder().testing().build();
    selections();
    let bare = of_a_request(bare(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200);
    let address = daemon();
    for (name, fields) in asked() {
        let status = if name == Kind::Error.name() { 422 } else { 200 };
        let json = json(&fields);
        // As any gateway's client writes it.
        let url = fields.replace('+', "%2B");
        let get = format!("GET /v1/select?{url} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let post = "POST /v1/select HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
        let post = format!("{post} {}\r\n\r\n{json}", json.len());
        // In JSON, a list of accounts is put together to one text.
        let posts = (name != "excluded").then_some(post);
        for request in [get].into_iter().chain(posts) {
            let ours = of_a_request(address, &request, status);
            println!("{name}: {ours:.2} allocations a request, where bare hyper has {bare:.2}");
            // What the listener does once a second falls into some request's share.
            assert!(ours < 0.05, "{ours} allocations a request: {request}");
        }
    }
}

/// One query of each kind, and what none of the kinds has: a phone, an account that is not kept, some that are excluded, the
/// most that a query can say.
fn asked() -> Vec<(&'static str, String)> {
    let snapshot = shapes::small();
    let one = |kind: Kind| (kind.name(), kind.urls(&snapshot).swap_remove(0));
    let mut asked: Vec<_> = Kind::ALL.into_iter().map(one).collect();
    let hit = Kind::Hit.fields(7, "", 7);
    let phone = hit.replace("country=GB", "phone=+447400123456");
    asked.push(("ignored", format!("{hit}&current=nobody")));
    asked.push(("excluded", format!("{hit}&exclude=nobody,somebody")));
    asked.push((
        "most",
        format!("{phone}&company=bench&user=nobody&role=secondary&current=nobody&fallback=all"),
    ));
    asked.push(("phone", phone));
    asked
}

/// None, whatever a selection comes to.
fn selections() {
    let snapshot = shapes::small();
    let crowd = shapes::crowd(10_000);
    let url = "channel=whatsapp&ou=crowd&country=GB&client=c-1";
    for kind in Kind::ALL {
        let urls = kind.urls(&snapshot);
        let queries: Vec<Query<'_>> = urls.iter().map(|url| query(url)).collect();
        let before = HeapStats::get().total_blocks;
        for query in &queries {
            assert!(select(&snapshot, query, MOMENT).channel.is_some());
        }
        assert_eq!(HeapStats::get().total_blocks, before, "{}", kind.name());
    }
    for (name, fields) in asked() {
        let query = query(&fields);
        let before = HeapStats::get().total_blocks;
        assert!(select(&snapshot, &query, MOMENT).channel.is_some());
        assert_eq!(HeapStats::get().total_blocks, before, "{name}");
    }
    let query = query(url);
    let before = HeapStats::get().total_blocks;
    assert!(select(&crowd, &query, MOMENT).result.is_ok());
    assert_eq!(HeapStats::get().total_blocks, before, "among 10,000");
}

/// Hyper alone, with one answer for all.
fn bare() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || loadtest::null::serve(socket, 208));
    address
}

/// Starts a daemon with one worker, which runs until the process ends, and returns its data address.
fn daemon() -> SocketAddr {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("allocations.swb");
    switchboard_snapshot::file::write(&file, shapes::small().bytes()).unwrap();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = Settings {
        listen: any_port,
        admin_listen: any_port,
        snapshot: Some(file),
        // The source is read once, so that no poll allocates while requests are counted.
        watch: WatchMode::Poll,
        poll_interval: Duration::from_secs(3600),
        workers: 1,
        require_snapshot: true,
        ..Settings::default()
    };
    let running = App::bind(settings).unwrap().start().unwrap();
    let address = running.data_address();
    // A drain would count as the test's work.
    std::mem::forget(running);
    address
}

/// Allocations of one request among many on a connection, its own client's being none; each is answered with this status.
fn of_a_request(address: SocketAddr, request: &str, status: u16) -> f64 {
    let mut connection = TcpStream::connect(address).unwrap();
    let mut answer = [0; 4_096];
    let begin = format!("HTTP/1.1 {status} ");
    let mut ask = || {
        connection.write_all(request.as_bytes()).unwrap();
        // Answers are written whole, and are shorter than this.
        let length = connection.read(&mut answer).unwrap();
        assert!(answer[..length].starts_with(begin.as_bytes()), "{request}");
    };
    (0..REQUESTS).for_each(|_| ask());
    let before = HeapStats::get().total_blocks;
    (0..REQUESTS).for_each(|_| ask());
    (HeapStats::get().total_blocks - before) as f64 / REQUESTS as f64
}
