//! A panic ends only its own request. The header `X-Switchboard-Panic` triggers one in builds with the
//! feature `fault-injection`, which the tests enable.

use switchboard::config::Settings;

use crate::harness::{HttpClient, HttpResponse, InProcessDaemon, one_worker, wait_until};

const TARGET: &str = "/v1/select?channel=whatsapp&ou=uk&country=GB";
const LINE: &str = "{\"channel\":\"whatsapp\",\"ou\":\"uk\",\"country\":\"GB\"}\n";
const COUNTER: &str = "switchboard_http_panics_total";

fn get(client: &mut HttpClient, target: &str, place: &str) -> HttpResponse {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Switchboard-Panic: {place}\r\n\r\n"));
    client.answer()
}

#[test]
fn panicking_request_is_answered_500_and_others_go_on() {
    let daemon = InProcessDaemon::with(Settings { workers: 1, ..one_worker() });
    assert_eq!(daemon.metric(COUNTER), 0.0);
    let (mut client, mut neighbour) = (daemon.client(), daemon.client());
    let explain = TARGET.replace("select", "explain");
    for round in 1..=50 {
        for (target, place) in
            [(TARGET, "answer"), (TARGET, "fast_path"), ("/nowhere", "answer"), (&explain, "explain")]
        {
            let answer = get(&mut client, target, place);
            answer.refuses(500, "internal");
            // The connection and the only worker still work.
            assert_eq!(answer.header("connection"), None);
            assert_eq!(get(&mut client, TARGET, "elsewhere").account(), "wa-gb-1");
            assert_eq!(get(&mut neighbour, TARGET, "").account(), "wa-gb-1");
        }
        assert_eq!(daemon.metric(COUNTER), f64::from(4 * round));
    }
    let count = |route: &str| {
        daemon.metric(&format!("switchboard_http_requests_total{{route=\"{route}\",code=\"500\"}}"))
    };
    assert_eq!(["select", "explain", "other"].map(count), [100.0, 50.0, 50.0]);
}

#[test]
fn panicking_line_is_a_problem_and_the_batch_goes_on() {
    let daemon = InProcessDaemon::start();
    let mut client = daemon.client();
    client.post("/v1/select/batch", "X-Switchboard-Panic: line\r\n", LINE.repeat(3));
    let lines = client.answer().lines();
    assert!(lines.len() == 3 && lines.iter().all(|line| line["code"] == "internal"), "{lines:?}");
    client.post("/v1/select/batch", "", LINE.repeat(3));
    assert!(client.answer().lines().iter().all(|line| line["account"] == "wa-gb-1"));
    assert_eq!(daemon.metric(COUNTER), 3.0);
}

#[test]
fn panicking_connection_closes_and_others_go_on() {
    let daemon = InProcessDaemon::start();
    let mut neighbour = daemon.client();
    assert_eq!(get(&mut neighbour, TARGET, "").account(), "wa-gb-1");
    for _ in 0..50 {
        let mut client = daemon.client();
        client.send(format!(
            "GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nX-Switchboard-Panic: connection\r\n\r\n"
        ));
        assert!(client.is_closed());
        assert_eq!(get(&mut neighbour, TARGET, "").account(), "wa-gb-1");
    }
    settles(&daemon, COUNTER, 50.0);
    settles(&daemon, "switchboard_http_connections", 1.0);
}

#[test]
fn admin_thread_goes_on_after_panics() {
    let daemon = InProcessDaemon::start();
    let mut client = HttpClient::connect(daemon.admin);
    for _ in 0..5 {
        get(&mut client, "/livez", "answer").refuses(500, "internal");
        assert_eq!(get(&mut client, "/livez", "").status, 200);
        let mut lost = HttpClient::connect(daemon.admin);
        lost.send("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Switchboard-Panic: connection\r\n\r\n");
        assert!(lost.is_closed());
    }
    settles(&daemon, COUNTER, 10.0);
}

/// A connection closes before its end is counted.
#[track_caller]
fn settles(daemon: &InProcessDaemon, series: &str, value: f64) {
    wait_until(&format!("{series} is {value}"), || daemon.metric(series) == value);
}
