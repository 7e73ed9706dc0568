//! The fast path answers single selections without hyper, with the same bytes as hyper. A request with the
//! header `Upgrade` goes through hyper, where the header has no meaning, so the two answers can be compared.

use std::io::Read;
use std::net::Shutdown;
use std::time::Duration;

use switchboard::config::Settings;

use crate::harness::{HttpClient, InProcessDaemon, one_worker};

const QUERIES: [&str; 18] = [
    "channel=whatsapp&ou=uk&country=GB",
    "channel=whatsapp&ou=uk&phone=%2B447400123456&client=c%20%C3%A9",
    "channel=whatsapp&ou=uk&phone=+447400123456&user=anna",
    "channel=whatsapp&ou=uk&phone=447400123456&current=wa-gb-1&exclude=wa-de-1,x",
    "channel=whatsapp&ou=uk&country=FR",
    "channel=whatsapp&ou=uk&country=GB&user=berta",
    "channel=whatsapp&ou=uk&country=FR&fallback=none",
    "channel=line&ou=uk&country=GB",
    "channel=whatsapp&ou=nowhere&country=GB",
    "channel=whatsapp&ou=uk&country=GB&colour=red",
    "channel=whatsapp&ou=uk&country=%zz",
    "channel=whatsapp&ou=uk&bsuid=GB.13491208655302741918",
    "channel=whatsapp&ou=uk&bsuid=gb.1&country=GB",
    "channel=whatsapp&ou=uk&country=GB&exclude=a,%20wa-gb-1",
    "channel=whatsapp&ou=uk&country=GB&exclude[]=wa-gb-1",
    "channel=whatsapp&ou=uk&country=GB&current=a%20b",
    "channel=whatsapp&ou=uk&country=GB&user=",
    "",
];

/// Sends these bytes at once. Returns everything that the daemon answers, without the dates.
fn answers(daemon: &InProcessDaemon, request: &[u8]) -> String {
    let mut client = daemon.client();
    client.send(request);
    client.stream.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    // A rejection can end in a reset. The bytes before it count.
    let _ = client.stream.read_to_end(&mut all);
    without_dates(&String::from_utf8(all).unwrap())
}

fn without_dates(answers: &str) -> String {
    let dated = |line: &str| line.starts_with("date: ") && line.ends_with(" GMT\r\n");
    answers.split_inclusive('\n').map(|line| if dated(line) { "date\r\n" } else { line }).collect()
}

fn get(query: &str, fields: &str) -> String {
    format!("GET /v1/select?{query} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

fn post(body: &str, fields: &str) -> String {
    let length = body.len();
    format!("POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{fields}\r\n{body}")
}

fn json(query: &str) -> String {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    format!("{{{}}}", pairs.join(","))
}

#[test]
fn fast_path_and_hyper_answer_with_the_same_bytes() {
    let daemon = InProcessDaemon::start();
    for query in QUERIES {
        for (direct, through) in [
            (get(query, ""), get(query, "Upgrade: x\r\n")),
            (get(query, "Connection: keep-alive\r\nA: b\r\n"), get(query, "A: b\r\nUpgrade: x\r\n")),
            (post(&json(query), ""), post(&json(query), "Upgrade: x\r\n")),
        ] {
            let answer = answers(&daemon, direct.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 ") && answer.contains("\r\ndate\r\n"), "{answer}");
            assert_eq!(answer, answers(&daemon, through.as_bytes()), "{direct}");
        }
    }
}

#[test]
fn fast_path_and_hyper_find_accounts_with_the_same_bytes() {
    let daemon = InProcessDaemon::start();
    for query in [
        "channel=whatsapp&address=%2B44740012347",
        "channel=whatsapp&address=44740012347&company=acme",
        "channel=whatsapp&address=+1",
        "channel=fax&address=1",
        "company=x&channel=sms&address=1",
        "channel=whatsapp&address=%zz",
        "channel=whatsapp",
        "",
    ] {
        let get = |fields: &str| format!("GET /v1/account?{query} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let answer = answers(&daemon, get("").as_bytes());
        assert!(answer.contains("\r\ndate\r\n"), "{answer}");
        assert_eq!(answer, answers(&daemon, get("Upgrade: x\r\n").as_bytes()), "{query}");
    }
    assert_eq!(daemon.metric("switchboard_http_requests_total{route=\"account\",code=\"200\"}"), 4.0);
}

/// Replaces every byte of a request by every byte with a meaning in HTTP.
#[test]
fn fast_path_and_hyper_refuse_broken_requests_alike() {
    let daemon = InProcessDaemon::start();
    for request in
        [get(QUERIES[0], "Accept: */*\r\n"), post(&json(QUERIES[0]), "Content-Type: application/json\r\n")]
    {
        let line = request.find("Host").unwrap();
        for at in 0..request.find("\r\n\r\n").unwrap() {
            for byte in *b"\0\t\n\r \"#%+,/0:;<=?@A\\{\x7f\x80\xff" {
                let mut spoilt = request.as_bytes().to_vec();
                spoilt[at] = byte;
                let (line, rest) = spoilt.split_at(line);
                let through = [line, b"Upgrade: x\r\n", rest].concat();
                let (direct, through) = (answers(&daemon, &spoilt), answers(&daemon, &through));
                assert_eq!(direct, through, "{byte:#x} at {at} of {request}");
            }
        }
    }
}

#[test]
fn answers_keep_their_order_in_any_pieces() {
    let daemon = InProcessDaemon::start();
    let batch = "POST /v1/select/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let chunked =
        "POST /v1/select HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let explain = "GET /v1/explain?channel=whatsapp&ou=uk&country=GB HTTP/1.1\r\nHost: x\r\n\r\n";
    let (one, other) = (get(QUERIES[0], ""), get("channel=whatsapp&ou=uk&country=US", ""));
    let requests = [&*one, &*other, batch, &*one, explain, &*other, chunked, &*post(&json(QUERIES[0]), "")];
    let apart: String = requests.iter().map(|request| answers(&daemon, request.as_bytes())).collect();
    let stream = requests.concat();
    let ends: Vec<usize> = requests
        .iter()
        .scan(0, |at, request| {
            *at += request.len();
            Some(*at)
        })
        .collect();
    for cut in (0..stream.len()).step_by(7) {
        let (first, second) = stream.as_bytes().split_at(cut);
        let mut client = daemon.client();
        client.send(first);
        // Complete requests are answered before the rest is sent.
        let ends = ends.iter().filter(|end| **end <= cut).count();
        let mut all = Vec::new();
        for _ in 0..ends {
            all.extend(client.whole_answer());
        }
        client.send(second);
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.stream.read_to_end(&mut all).unwrap();
        assert_eq!(without_dates(&String::from_utf8_lossy(&all)), apart, "cut at {cut}");
    }
    assert_eq!(answers(&daemon, stream.as_bytes()), apart);
}

/// A peer that sends without reading must not fill the memory with answers.
#[test]
fn fast_path_stops_reading_when_the_peer_stops_reading() {
    let daemon = InProcessDaemon::with_small_send_buffers(one_worker());
    let mut client = daemon.slow_client();
    let many = get(QUERIES[0], "").repeat(100);
    client.stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut idle = 0;
    while idle < 50 {
        match std::io::Write::write(&mut client.stream, &many.as_bytes()[sent % many.len()..]) {
            Ok(some) => (sent, idle) = (sent + some, 0),
            Err(_) => {
                // The daemon is a thread of this process and gets time to read more.
                idle += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        assert!(sent < 64 << 20, "the daemon reads without limit");
    }
    client.stream.set_nonblocking(false).unwrap();
    let whole = sent / get(QUERIES[0], "").len();
    let mut client = HttpClient::from_stream(client.stream.try_clone().unwrap());
    for _ in 0..whole {
        assert_eq!(client.answer().status, 200);
    }
}

/// Empty lines between requests are not buffered and do not start the timeout of a head.
#[test]
fn empty_lines_between_requests_are_ignored() {
    let settings = Settings { header_timeout: Duration::from_millis(50), ..one_worker() };
    let daemon = InProcessDaemon::with(settings);
    let mut client = daemon.client();
    let request = post(&json(QUERIES[0]), "") + "\r\n\n";
    for _ in 0..3 {
        client.send(&request);
        assert_eq!(client.answer().status, 200);
        // Longer than the timeout of a head.
        std::thread::sleep(Duration::from_millis(80));
    }
    // More empty lines than the limit of a head in bytes.
    for _ in 0..200 {
        client.send(request.repeat(100));
        (0..100).for_each(|_| assert_eq!(client.answer().status, 200));
    }
    // A single CR is not an empty line, even if the LF could follow in a later packet.
    let explain = "GET /v1/explain?channel=whatsapp&ou=uk&country=GB HTTP/1.1\r\nHost: x\r\n\r\n";
    client.send("\r\n".repeat(50) + explain + &get(QUERIES[0], ""));
    assert_eq!([client.answer().status, client.answer().status], [200, 200]);
    client.send("\r");
    client.send(get(QUERIES[0], ""));
    assert_eq!(client.answer().status, 400);
}

#[test]
fn connection_with_fast_answers_alone_drains() {
    let mut daemon = InProcessDaemon::start();
    let mut client = daemon.client();
    client.send(get(QUERIES[0], "") + "\r\n");
    assert_eq!(client.answer().status, 200);
    daemon.running().begin_drain();
    client.send(get(QUERIES[0], ""));
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(client.is_closed());
    // A connection that stays idle closes after the drain grace, without a force-close.
    drop(client);
    assert_eq!(daemon.drain(Duration::from_secs(20)), 0);

    let mut daemon =
        InProcessDaemon::with(Settings { drain_timeout: Duration::from_millis(100), ..one_worker() });
    let mut idle = daemon.client();
    idle.send("\r\n".to_owned() + &get(QUERIES[0], "") + "\r\n");
    assert_eq!(idle.answer().status, 200);
    assert_eq!(daemon.drain(Duration::from_secs(20)), 0);
    assert!(idle.is_closed());
}

#[test]
fn fast_answers_are_counted() {
    let daemon = InProcessDaemon::start();
    let mut client = daemon.client();
    client.send(get(QUERIES[0], "").repeat(3) + &get(QUERIES[7], "") + &post("[]", ""));
    let statuses: Vec<u16> = (0..5).map(|_| client.answer().status).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 400]);
    for (series, count) in [
        ("switchboard_http_requests_total{route=\"select\",code=\"200\"}", 3.0),
        ("switchboard_http_requests_total{route=\"select\",code=\"404\"}", 1.0),
        ("switchboard_http_requests_total{route=\"select\",code=\"400\"}", 1.0),
        ("switchboard_select_duration_seconds_count", 5.0),
        ("switchboard_http_request_duration_seconds_count{route=\"select\"}", 5.0),
        ("switchboard_selections_total{channel=\"whatsapp\",outcome=\"country\"}", 3.0),
        ("switchboard_selections_total{channel=\"\",outcome=\"unknown_channel\"}", 1.0),
        ("switchboard_selections_total{channel=\"\",outcome=\"bad_request\"}", 1.0),
    ] {
        assert_eq!(daemon.metric(series), count, "{series}");
    }
}
