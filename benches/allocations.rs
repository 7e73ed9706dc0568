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
use std::thread;

use benches::kinds::{Kind, query};
use benches::{MOMENT, shapes};
use dhat::HeapStats;
use switchboard::http;
use switchboard::live::Store;
use switchboard::live::publish::LOAD_STAGES;
use switchboard::select::{Query, select};
use switchboard::snapshot::Stage;
use switchboard::telemetry::{Labels, Telemetry};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Requests that are counted over: what happens once a second is not seen in a request's share.
const REQUESTS: usize = 1_000;

#[test]
fn a_selection_allocates_nothing_and_a_request_little() {
    let _profiler = dhat::Profiler::builder().testing().build();
    selections();
    let bare = of_a_request(bare(), "/");
    let fields = Kind::Hit.fields(7, "", 0);
    let ours = of_a_request(daemon(), &format!("/v1/select?{fields}"));
    println!("allocations a request: {ours:.2}, of which bare hyper's are {bare:.2}");
    assert!(ours - bare < 1.5, "{ours} allocations a request, where bare hyper has {bare}");
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

/// The data listener with one worker, for as long as the test runs.
fn daemon() -> SocketAddr {
    let labels = Labels {
        outcomes: http::outcomes(),
        routes: http::routes(),
        statuses: http::statuses(),
        stages: Stage::ALL.map(Stage::text).to_vec(),
        load_stages: LOAD_STAGES.to_vec(),
    };
    let store = Store::default();
    store.publish(shapes::small());
    let settings =
        http::Settings { listen: ([127, 0, 0, 1], 0).into(), workers: 1, ..http::Settings::default() };
    let listener = http::Listener::bind(&settings).unwrap();
    let address = listener.local_addr().unwrap();
    let drain = tokio::sync::watch::Sender::new(false);
    let serving = listener.serve(store, Telemetry::new("0", "0", labels), drain.subscribe()).unwrap();
    // It is to outlive the test.
    std::mem::forget((serving, drain));
    address
}

/// Allocations of one request among many on a connection, its own client's being none.
fn of_a_request(address: SocketAddr, path: &str) -> f64 {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = [0; 4_096];
    let mut ask = || {
        connection.write_all(request.as_bytes()).unwrap();
        // Answers are written whole, and are shorter than this.
        let length = connection.read(&mut answer).unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    };
    (0..REQUESTS).for_each(|_| ask());
    let before = HeapStats::get().total_blocks;
    (0..REQUESTS).for_each(|_| ask());
    (HeapStats::get().total_blocks - before) as f64 / REQUESTS as f64
}
