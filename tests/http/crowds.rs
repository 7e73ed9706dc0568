//! Limits on connections and on the memory of bodies and answers.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use switchboard::config::Settings;

use crate::harness::{HttpClient, InProcessDaemon, one_worker, wait_until};

const TARGET: &str = "/v1/select?channel=whatsapp&ou=uk&country=GB";
const BATCH: &str = "POST /v1/select/batch HTTP/1.1\r\nHost: x\r\n";
const REJECTED: &str = "switchboard_http_connections_total{outcome=\"rejected\"}";

fn ask(client: &mut HttpClient) -> u16 {
    client.send(format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n"));
    client.answer().status
}

/// Connects from another address of this machine, 127.0.0.`last`.
fn from(last: u8, to: SocketAddr) -> HttpClient {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0);
    socket.bind(&own.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    HttpClient::from_stream(socket.into())
}

#[test]
fn connections_of_one_peer_are_limited() {
    let daemon = InProcessDaemon::with(Settings { max_connections_per_peer: 3, ..one_worker() });
    let mut greedy: Vec<HttpClient> = (0..3).map(|_| from(9, daemon.data)).collect();
    assert!(greedy.iter_mut().all(|client| ask(client) == 200));
    let mut refused = from(9, daemon.data);
    let answer = refused.answer();
    answer.refuses(503, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(daemon.metric(REJECTED), 1.0);
    // Other peers connect, and so does this one after it has closed a connection.
    assert_eq!(ask(&mut from(8, daemon.data)), 200);
    drop((greedy.pop(), refused));
    wait_until("the peer has a place again", || {
        let mut client = from(9, daemon.data);
        // A refusal may close the connection while the request is sent.
        let sent = client.try_send(format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n"));
        sent.and_then(|()| client.try_answer()).is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn batch_bodies_share_a_budget_and_leave_some_to_single_queries() {
    let daemon = InProcessDaemon::with(Settings { max_body_bytes: 4 << 20, ..one_worker() });
    // Batches may use 3.1 MB, which suffices for two of these bodies. Each lacks one byte.
    let mut slow: Vec<HttpClient> = (0..3).map(|_| daemon.client()).collect();
    for client in &mut slow {
        client.send(format!("{BATCH}Content-Length: 1500001\r\n\r\n"));
        let _ = client.stream.write_all(&vec![b' '; 1_500_000]);
    }
    let answered = |client: &mut HttpClient| {
        client.stream.set_nonblocking(true).unwrap();
        let answered = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).unwrap();
        answered
    };
    let mut refused = None;
    wait_until("one of three is refused", || {
        refused = slow.iter_mut().position(answered);
        refused.is_some()
    });
    let answer = slow.remove(refused.unwrap()).answer();
    answer.refuses(503, "overloaded");
    assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("1"), Some("close")));
    let query =
        format!("{{\"channel\":\"whatsapp\",\"ou\":\"uk\",\"country\":\"GB\"}}{}", " ".repeat(60_000));
    assert_eq!(daemon.post("/v1/select", query).account(), "wa-gb-1");
    // Memory returns when a request is answered or abandoned.
    let mut last = slow.pop().unwrap();
    last.send(" ");
    assert_eq!(last.answer().lines().len(), 1);
    drop(slow);
    wait_until("the budget has room again", || {
        daemon.post("/v1/select/batch", vec![b' '; 2_500_000]).status == 200
    });
}

#[test]
fn unread_answers_count_in_the_budget() {
    let daemon =
        InProcessDaemon::with_small_send_buffers(Settings { max_body_bytes: 8 << 20, ..one_worker() });
    let body = "{\"channel\":\"whatsapp\",\"ou\":\"uk\",\"country\":\"GB\"}\n".repeat(10_000);
    // Each answer has 2.5 MB, nearly all of which stays in the daemon. Batches may use 6.3 MB, enough for
    // two.
    let mut deaf: Vec<HttpClient> = (0..3).map(|_| daemon.slow_client()).collect();
    let statuses = deaf.iter_mut().map(|client| {
        client.post("/v1/select/batch", "", &body);
        let mut first = [0; 12];
        client.stream.read_exact(&mut first).unwrap();
        String::from_utf8_lossy(&first).into_owned()
    });
    assert_eq!(statuses.collect::<Vec<_>>(), ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 503"]);
    drop(deaf);
    wait_until("the budget has room again", || daemon.post("/v1/select/batch", &body).status == 200);
}

#[test]
fn pipelining_stops_when_the_peer_stops_reading() {
    let daemon = InProcessDaemon::with_small_send_buffers(one_worker());
    let mut deaf = daemon.slow_client();
    // One packet of requests, whose answers have 500 KB.
    let all = 1_000;
    deaf.send(format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(all));
    deaf.stream.peek(&mut [0]).unwrap();
    let answered = || daemon.metric("switchboard_http_requests_total{route=\"select\",code=\"200\"}");
    // The worker answers a limited number of requests of a connection before it turns to others. After this
    // many requests of others, it has stopped answering the connection whose client does not read.
    for _ in 0..all / 10 {
        assert_eq!(daemon.get("/nowhere").status, 404);
    }
    assert!(answered() < all as f64 / 2.0, "{} answers", answered());
    // Once the client reads, it gets all answers, in order.
    for _ in 0..all {
        assert_eq!(deaf.answer().account(), "wa-gb-1");
    }
    assert_eq!(answered(), all as f64);
}

/// Answers to HEAD are not counted in the budget, because they have no body.
#[test]
fn pipelined_heads_stop_when_the_peer_stops_reading() {
    let daemon = InProcessDaemon::with_small_send_buffers(one_worker());
    let mut deaf = daemon.slow_client();
    let all = 3_000;
    deaf.send(format!("HEAD {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(all));
    deaf.stream.peek(&mut [0]).unwrap();
    let answered = || daemon.metric("switchboard_http_requests_total{route=\"select\",code=\"200\"}");
    for _ in 0..all / 10 {
        assert_eq!(daemon.get("/nowhere").status, 404);
    }
    assert!(answered() < all as f64 / 2.0, "{} answers", answered());
    deaf.heads = true;
    for _ in 0..all {
        assert_eq!(deaf.answer().status, 200);
    }
    assert_eq!(answered(), all as f64);
}

#[test]
fn read_answer_returns_its_memory_on_a_kept_connection() {
    let daemon = InProcessDaemon::with(Settings { max_body_bytes: 8 << 20, ..one_worker() });
    let body = "{\"channel\":\"whatsapp\",\"ou\":\"uk\",\"country\":\"GB\"}\n".repeat(10_000);
    let mut client = daemon.client();
    // The answers have 2.5 MB each; the budget has room for two.
    for _ in 0..6 {
        client.post("/v1/select/batch", "", &body);
        assert_eq!(client.answer().lines().len(), 10_000);
    }
}

#[test]
fn idle_admin_connections_are_evicted_for_new_ones() {
    let daemon = InProcessDaemon::start();
    let mut probe = HttpClient::connect(daemon.admin);
    let mut ask = || {
        probe.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        probe.answer().status
    };
    assert_eq!(ask(), 200);
    let mut idle = Vec::new();
    for round in 0..300 {
        let mut stream = TcpStream::connect(daemon.admin).unwrap();
        if round % 2 == 0 {
            let _ = stream.write_all(b"GET /liv");
        }
        idle.push(stream);
        // A connection that sends requests is never the one that has been idle for the longest time.
        if round % 20 == 0 {
            assert_eq!(ask(), 200);
            assert_eq!(daemon.admin("/readyz").status, 200);
        }
    }
    assert_eq!(ask(), 200);
    assert_eq!(daemon.admin("/livez").status, 200);
}

#[test]
fn ten_thousand_connections_come_and_go() {
    // The daemon notices closed connections with a delay, so that one peer may have thousands open.
    let daemon = InProcessDaemon::with(Settings { max_connections_per_peer: 0, ..one_worker() });
    for round in 0..10_000 {
        let mut stream = TcpStream::connect(daemon.data).unwrap();
        match round % 4 {
            0 => {}
            1 => drop(stream.write_all(b"GET / HT")),
            2 => drop(write!(stream, "GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")),
            // A reset instead of an orderly end.
            _ => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        }
    }
    assert_eq!(daemon.get(TARGET).account(), "wa-gb-1");
    // All connections end, the last ones after a delay.
    wait_until("every connection has ended", || daemon.metric("switchboard_http_connections") == 0.0);
    let mut client = daemon.client();
    assert_eq!(ask(&mut client), 200);
}
