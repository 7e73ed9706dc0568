//! Conformance with HTTP/1.1 (RFC 9110 and RFC 9112), byte for byte. Each case names its section.

use std::net::Shutdown;

use crate::harness::{HttpClient, InProcessDaemon};

/// The state of the connection after the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The connection stays open for further requests.
    Open,
    /// The connection is closed, because the end of a request is uncertain or the client requested it.
    Closed,
}
use Then::{Closed, Open};

struct Case {
    section: &'static str,
    name: &'static str,
    /// `{GET}` stands for a good request line, `{Q}` for its target, `{BODY}` for a body of 48 bytes.
    send: &'static str,
    answers: &'static [u16],
    then: Then,
}

const TARGET: &str = "/v1/select?channel=whatsapp&ou=uk&country=GB";
const BODY: &str = r#"{"channel":"whatsapp","ou":"uk","country":"GB" }"#;

const fn case(
    section: &'static str,
    name: &'static str,
    send: &'static str,
    answers: &'static [u16],
    then: Then,
) -> Case {
    Case { section, name, send, answers, then }
}

const POST: &str = "POST /v1/select HTTP/1.1\r\nHost: x\r\n";

#[rustfmt::skip]
const CASES: &[Case] = &[
    // ---- messages and their lines (RFC 9112)
    case("9112 2.2", "empty lines before a request are passed over", "\r\n\r\n{GET}Host: x\r\n\r\n", &[200], Open),
    case("9112 2.2", "a lone LF may end a line", "GET {Q} HTTP/1.1\nHost: x\n\n", &[200], Open),
    case("9112 2.2", "a bare CR in the request line", "GET {Q}\rx HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 2.2", "a bare CR in a value", "{GET}Host: x\r\nA: b\rc\r\n\r\n", &[400], Closed),
    case("9112 2.2", "a bare CR for an end", "{GET}Host: x\rA: b\r\n\r\n", &[400], Closed),
    case("9112 2.2", "white space before the first field", "{GET} Host: x\r\n\r\n", &[400], Closed),
    case("9110 5.5", "NUL in a value", "{GET}Host: x\r\nA: b\0c\r\n\r\n", &[400], Closed),
    case("9110 5.1", "NUL in a name", "{GET}Host: x\r\nA\0: b\r\n\r\n", &[400], Closed),
    case("9112 3", "NUL in the target", "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3", "NUL for a method", "\0 / HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3", "two spaces in the request line", "GET  {Q} HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3", "a space in the target", "GET /v1/select?a b HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3", "no version", "GET {Q}\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 2.3", "a version in lower case", "GET {Q} http/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 2.3", "HTTP/1.2", "GET {Q} HTTP/1.2\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 2.3", "HTTP/0.9", "GET {Q}\r\n\r\n", &[400], Closed),
    case("9112 2.3", "HTTP/7.0", "GET {Q} HTTP/7.0\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9113 3.4", "HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400], Closed),
    case("9113 3.4", "HTTP/2's preface and a frame", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", &[400], Closed),
    case("8446 4.1", "TLS", "\x16\x03\x01\x02\0\x01\0\x01\u{7f}\r\n", &[400], Closed),
    // ---- methods and targets
    case("9110 9.1", "an unknown method", "BREW {Q} HTTP/1.1\r\nHost: x\r\n\r\n", &[405], Open),
    case("9110 9.1", "methods are case-sensitive", "get {Q} HTTP/1.1\r\nHost: x\r\n\r\n", &[405], Open),
    case("9110 9.1", "a method that is no token", "G(T {Q} HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3.2.2", "an absolute target", "GET http://x{Q} HTTP/1.1\r\nHost: x\r\n\r\n", &[200], Open),
    case("9112 3.2.2", "an absolute target wins over Host", "GET http://y:80{Q} HTTP/1.1\r\nHost: x\r\n\r\n", &[200], Open),
    case("9112 3.2.2", "an absolute target needs Host too", "GET http://x{Q} HTTP/1.1\r\n\r\n", &[400], Closed),
    case("9112 3.2.2", "an absolute target of another scheme", "GET ftp://x{Q} HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3.2.3", "authority-form is for CONNECT", "GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3.2.3", "and there is no tunnel here", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", &[404], Closed),
    case("9112 3.2.4", "asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &[404], Open),
    case("9112 3.2.1", "a target without its slash", "GET v1/select HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3.2", "a fragment is no part of a target", "GET {Q}#a HTTP/1.1\r\nHost: x\r\n\r\n", &[200], Open),
    case("3986 2.1", "bad percent-encoding", "GET {Q}&client=%zz HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Open),
    case("3986 2.1", "cut percent-encoding", "GET {Q}&client=%4 HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Open),
    case("3986 2.1", "percent-encoded bytes that are no UTF-8", "GET {Q}&client=%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Open),
    case("3986 2.1", "a percent-encoded path is another path", "GET /v1/%73elect HTTP/1.1\r\nHost: x\r\n\r\n", &[404], Open),
    case("3986 6.2.2", "dots are not resolved", "GET /v1/../v1/select HTTP/1.1\r\nHost: x\r\n\r\n", &[404], Open),
    case("9110 5.5", "an echo cannot begin a header", "GET {Q}&client=%0d%0aX:%20y&%0d%0aX:y=1 HTTP/1.1\r\nHost: x\r\n\r\n", &[400], Open),
    // ---- Host
    case("9112 3.2", "no Host in HTTP/1.1", "{GET}\r\n", &[400], Closed),
    case("9112 3.2", "two Hosts", "{GET}Host: x\r\nHost: x\r\n\r\n", &[400], Closed),
    case("9112 3.2", "two Hosts in HTTP/1.0", "GET {Q} HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", &[400], Closed),
    case("9112 3.2", "an empty Host", "{GET}Host:\r\n\r\n", &[200], Open),
    case("9112 3.2", "no Host in HTTP/1.0", "GET {Q} HTTP/1.0\r\n\r\n", &[200], Closed),
    case("9110 7.2", "a Host with a port", "{GET}Host: [::1]:7400\r\n\r\n", &[200], Open),
    case("9110 7.2", "a Host with a path", "{GET}Host: x/y\r\n\r\n", &[400], Closed),
    case("9110 7.2", "a Host of two words", "{GET}Host: x y\r\n\r\n", &[400], Closed),
    case("9110 7.2", "a Host with user information", "{GET}Host: u@x\r\n\r\n", &[400], Closed),
    case("9110 7.2", "a Host with a port that is none", "{GET}Host: x:y\r\n\r\n", &[400], Closed),
    // ---- header fields
    case("9112 5.1", "white space before the colon", "{GET}Host : x\r\n\r\n", &[400], Closed),
    case("9112 5.1", "a tab before the colon", "{GET}Host: x\r\nA\t: b\r\n\r\n", &[400], Closed),
    case("9112 5.2", "a folded line", "{GET}Host: x\r\nA: b\r\n c\r\n\r\n", &[400], Closed),
    case("9112 5.2", "a line folded with a tab", "{GET}Host: x\r\nA: b\r\n\tc\r\n\r\n", &[400], Closed),
    case("9112 5", "a field without a colon", "{GET}Host: x\r\nA\r\n\r\n", &[400], Closed),
    case("9112 5", "a field without a name", "{GET}Host: x\r\n: b\r\n\r\n", &[400], Closed),
    case("9110 5.1", "a name that is no token", "{GET}Host: x\r\nA(b): c\r\n\r\n", &[400], Closed),
    case("9110 5.5", "bytes beyond ASCII in a value are opaque", "{GET}Host: x\r\nA: \u{e4}\r\n\r\n", &[200], Open),
    case("9110 5.6.3", "white space around a value", "{GET}Host: \t x \t\r\n\r\n", &[200], Open),
    // ---- bodies and their lengths
    case("9112 6.3", "a body of the length stated", "{POST}Content-Length: 48\r\n\r\n{BODY}", &[200], Open),
    case("9110 9.3.1", "a body of a GET means nothing, and is not taken for a request", "{GET}Host: x\r\nContent-Length: 48\r\n\r\n{BODY}", &[200], Closed),
    case("9112 6.3", "no length is no body", "{POST}\r\n", &[400], Open),
    case("9110 8.6", "an equal length, stated twice", "{POST}Content-Length: 48\r\nContent-Length: 48\r\n\r\n{BODY}", &[200], Open),
    case("9112 6.3", "two lengths that differ", "{POST}Content-Length: 48\r\nContent-Length: 4\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "a list of lengths", "{POST}Content-Length: 48, 48\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "a length with a sign", "{POST}Content-Length: +48\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "a length below zero", "{POST}Content-Length: -1\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "a hexadecimal length", "{POST}Content-Length: 0x30\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "an empty length", "{POST}Content-Length:\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "a length in two words", "{POST}Content-Length: 4 8\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "a length beyond 64 bits", "{POST}Content-Length: 18446744073709551664\r\n\r\n{BODY}", &[400], Closed),
    case("9110 8.6", "a length of 64 bits", "{POST}Content-Length: 9223372036854775807\r\n\r\n{BODY}", &[413], Closed),
    case("9110 8.6", "leading zeros are digits", "{POST}Content-Length: 0000000048\r\n\r\n{BODY}", &[200], Open),
    case("9112 6.1", "a length and a coding", "{POST}Content-Length: 48\r\nTransfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.1", "a coding and a length", "{POST}Transfer-Encoding: chunked\r\nContent-Length: 48\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.1", "a coding and a length of nothing, and a request within", "{POST}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n{GET}Host: x\r\n\r\n", &[400], Closed),
    case("9112 6.1", "a coding in HTTP/1.0", "POST /v1/select HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.1", "another coding below chunked", "{POST}Transfer-Encoding: gzip, chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.1", "another coding, on a line before", "{POST}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.3", "chunked is not the last", "{POST}Transfer-Encoding: chunked, gzip\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.3", "chunked is not there", "{POST}Transfer-Encoding: identity\r\n\r\n{BODY}", &[400], Closed),
    case("9112 7.1", "chunked twice", "{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7", "codings are case-insensitive", "{POST}Transfer-Encoding: CHUNKED\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[200], Open),
    case("9110 5.6.3", "a tab around the coding", "{POST}Transfer-Encoding:\tchunked\t\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[200], Open),
    case("9112 6.1", "a vertical tab around the coding", "{POST}Transfer-Encoding: \x0bchunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 5.1", "white space behind Transfer-Encoding", "{POST}Transfer-Encoding : chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.1", "a coding that looks like chunked", "{POST}Transfer-Encoding: xchunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 6.1", "a quoted coding", "{POST}Transfer-Encoding: \"chunked\"\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7.1", "a chunk and its end", "{POST}Transfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n", &[200], Open),
    case("9112 7.1.1", "chunk extensions are passed over", "{POST}Transfer-Encoding: chunked\r\n\r\n30;a=b;c=\"d\"\r\n{BODY}\r\n0;e\r\n\r\n", &[200], Open),
    case("9112 7.1.2", "so is a trailer", "{POST}Transfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\nA: b\r\nContent-Length: 7\r\n\r\n", &[200], Open),
    case("9112 7.1", "a chunk without a size", "{POST}Transfer-Encoding: chunked\r\n\r\n\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7.1", "a chunk's size with a sign", "{POST}Transfer-Encoding: chunked\r\n\r\n+30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7.1", "a chunk's size with 0x", "{POST}Transfer-Encoding: chunked\r\n\r\n0x30\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7.1", "a chunk's size beyond 64 bits", "{POST}Transfer-Encoding: chunked\r\n\r\n10000000000000030\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7.1", "a chunk of 8 EiB", "{POST}Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n{BODY}", &[], Open),
    case("9112 7.1", "a chunk longer than its size", "{POST}Transfer-Encoding: chunked\r\n\r\n2f\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7.1", "a size that ends in a lone LF", "{POST}Transfer-Encoding: chunked\r\n\r\n30\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    case("9112 7.1", "a body that ends in a lone LF", "{POST}Transfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\n", &[400], Closed),
    case("9112 7.1.1", "an extension with a lone LF", "{POST}Transfer-Encoding: chunked\r\n\r\n30;a\nb\r\n{BODY}\r\n0\r\n\r\n", &[400], Closed),
    // ---- expectations
    case("9110 10.1.1", "a body that comes unasked has its answer", "{POST}Expect: 100-continue\r\nContent-Length: 48\r\n\r\n{BODY}", &[100, 200], Open),
    case("9110 10.1.1", "an expectation without a body is passed over", "{GET}Host: x\r\nExpect: 100-continue\r\n\r\n", &[200], Open),
    case("9110 10.1.1", "an unknown expectation may be ignored", "{POST}Expect: cake\r\nContent-Length: 48\r\n\r\n{BODY}", &[200], Open),
    case("9110 10.1.1", "HTTP/1.0 has no expectations", "POST /v1/select HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 48\r\n\r\n{BODY}", &[200], Closed),
    case("9110 7.8", "an upgrade is passed over", "{GET}Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", &[200], Open),
    // ---- connections
    case("9112 9.3", "close closes the connection", "{GET}Host: x\r\nConnection: close\r\n\r\n{GET}Host: x\r\n\r\n", &[200], Closed),
    case("9112 9.3", "HTTP/1.0 is closed", "GET {Q} HTTP/1.0\r\n\r\n", &[200], Closed),
    case("9112 9.3", "HTTP/1.0 may be kept", "GET {Q} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200], Open),
    case("9112 9.3.2", "pipelined requests are answered in order", "{GET}Host: x\r\n\r\n{POST}Content-Length: 48\r\n\r\n{BODY}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n{POST}Transfer-Encoding: chunked\r\n\r\n30\r\n{BODY}\r\n0\r\n\r\n{GET}Host: x\r\n\r\n", &[200, 200, 404, 200, 200], Open),
    case("9112 9.3.2", "a fault of a query ends nothing", "{GET}Host: x\r\n\r\nGET /v1/select?x HTTP/1.1\r\nHost: x\r\n\r\n{GET}Host: x\r\n\r\n", &[200, 400, 200], Open),
    case("9112 9.3.2", "a fault in a head ends the pipeline in its turn", "{GET}Host: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n{GET}\r\n{GET}Host: x\r\n\r\n", &[200, 404, 400], Closed),
    case("9112 11.2", "a smuggled request behind two lengths", "{GET}Host: x\r\n\r\n{POST}Content-Length: 0\r\nContent-Length: 48\r\n\r\n{GET}Host: x\r\n\r\n", &[200, 400], Closed),
    case("9112 11.2", "a smuggled request behind a coding", "{POST}Content-Length: 48\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n{GET}Host: x\r\n\r\n", &[400], Closed),
];

fn bytes(text: &str) -> Vec<u8> {
    let get = format!("GET {TARGET} HTTP/1.1\r\n");
    let text = text.replace("{GET}", &get).replace("{POST}", POST).replace("{Q}", TARGET);
    text.replace("{BODY}", BODY).into_bytes()
}

/// Sends a case in pieces of this size, and small pieces in one packet each. Asserts the answers.
fn hold(daemon: &InProcessDaemon, case: &Case, piece: usize) {
    let what = format!("RFC {}: {} (in pieces of {piece})", case.section, case.name);
    let mut client = daemon.client();
    client.stream.set_nodelay(true).unwrap();
    for piece in bytes(case.send).chunks(piece) {
        // After a rejection the connection may already be closed.
        if std::io::Write::write_all(&mut client.stream, piece).is_err() {
            break;
        }
    }
    let mut close_stated = false;
    for status in case.answers {
        let answer = client.answer();
        assert_eq!(answer.status, *status, "{what}: {}", answer.text());
        match status {
            100 => {}
            200 => assert_eq!(answer.account(), "wa-gb-1", "{what}"),
            _ => assert!(!answer.problem().0.is_empty(), "{what}"),
        }
        assert!(answer.header("x").is_none(), "{what}");
        close_stated = answer.header("connection") == Some("close");
    }
    match case.then {
        Closed => assert!(client.is_closed(), "{what}: closed"),
        // A body without an end.
        Open if case.answers.is_empty() => {
            client.stream.shutdown(Shutdown::Write).unwrap();
            client.answer().refuses(400, "bad_request");
        }
        Open => {
            assert!(!close_stated, "{what}: stays open");
            client.send(bytes("{GET}Host: x\r\n\r\n"));
            assert_eq!(client.answer().account(), "wa-gb-1", "{what}: goes on");
        }
    }
    // An answer to HTTP/1.0 has no `Connection: close`, which RFC 9112, 9.6 requires in HTTP/1.1.
    if case.then == Closed && !case.send.contains("HTTP/1.0") {
        assert!(close_stated, "{what}: says that it closes");
    }
}

#[test]
fn requests_are_read_as_the_rfcs_require() {
    let daemon = InProcessDaemon::start();
    assert_eq!(BODY.len(), 48);
    let mut expected = std::collections::BTreeMap::new();
    let mut failed = Vec::new();
    for case in CASES {
        for piece in [usize::MAX, 7] {
            // All failures are reported together.
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hold(&daemon, case, piece)));
            failed.extend(held.is_err().then_some(case.name));
            for status in case.answers.iter().filter(|status| **status != 100) {
                *expected.entry(*status).or_insert(0.0) += 1.0;
            }
            if case.then == Open {
                *expected.entry(if case.answers.is_empty() { 400 } else { 200 }).or_insert(0.0) += 1.0;
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let refused: f64 = expected.iter().filter(|(status, _)| **status != 200).map(|(_, count)| count).sum();
    println!("{} cases, {refused} requests refused", CASES.len());
    // Every rejection is counted, by the daemon and by hyper.
    for (status, count) in expected {
        let routes = ["select", "batch", "account", "explain", "other"].map(|route| {
            daemon.metric(&format!("switchboard_http_requests_total{{route=\"{route}\",code=\"{status}\"}}"))
        });
        assert_eq!(routes.iter().sum::<f64>(), count, "{status}");
    }
}

#[test]
fn head_beyond_a_hundred_fields_is_refused() {
    let daemon = InProcessDaemon::start();
    // RFC 9110, 5.4: a head that is too large is answered 4xx. The daemon answers 431 (RFC 6585, 5).
    let with = |fields: usize| {
        daemon.ask(format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(fields)))
    };
    assert_eq!(with(99).account(), "wa-gb-1");
    with(100).refuses(431, "header_too_large");
    with(3_000).refuses(431, "header_too_large");
    // RFC 9112, 3: a method or a target that is longer than all known ones.
    let long = "x".repeat(40_000);
    for request in [format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), format!("{long} / HTTP/1.1\r\n\r\n")]
    {
        daemon.ask(request).refuses(431, "header_too_large");
    }
    daemon.ask(format!("GET /{long}{long}{long}{long}")).refuses(431, "header_too_large");
}

#[test]
fn admin_listener_reads_requests_as_the_rfcs_require() {
    let daemon = InProcessDaemon::start();
    for head in
        ["", "Host: x\r\nHost: x\r\n", "Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"]
    {
        let mut client = HttpClient::connect(daemon.admin);
        client.send(format!("GET /livez HTTP/1.1\r\n{head}\r\n"));
        client.answer().refuses(400, "bad_request");
        assert!(client.is_closed());
    }
}

#[test]
fn half_closed_connection_gets_its_answers() {
    let daemon = InProcessDaemon::start();
    // RFC 9112, 9.6: a half-close does not end the connection, even after a slow answer.
    let line = format!("{}\n", BODY).repeat(10_000);
    let mut client = daemon.client();
    client.post("/v1/select/batch", "", line);
    client.send(bytes("{GET}Host: x\r\n\r\n"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.answer().lines().len(), 10_000);
    assert_eq!(client.answer().account(), "wa-gb-1");
    assert!(client.is_closed());
}

#[test]
fn connection_closes_when_a_request_ends_early() {
    let daemon = InProcessDaemon::start();
    // RFC 9112, 8: an incomplete request is never processed.
    for cut in [
        "",
        "\r\n",
        "GET",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "{POST}Content-Length: 48\r\n\r\n{",
    ] {
        let mut client = daemon.client();
        client.send(bytes(cut));
        client.stream.shutdown(Shutdown::Write).unwrap();
        if cut.contains("Length") {
            client.answer().refuses(400, "bad_request");
        }
        assert!(client.is_closed(), "{cut}");
        // The client does not wait for an answer.
        let mut client = daemon.client();
        client.send(bytes(cut));
    }
    assert_eq!(daemon.get(TARGET).account(), "wa-gb-1");
}
