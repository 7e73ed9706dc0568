//! Quantiles by Prometheus, compared with exact quantiles of the same requests that the client measures.
//!
//! The server measures a POST from its head to its answer. A client that delays the body by milliseconds
//! measures the same time plus the microseconds on the network. Therefore the quantile of the histogram must
//! lie in the bucket of the exact quantile or in a neighbouring one.

use std::time::{Duration, Instant};

use super::server::Prometheus;
use crate::harness::{DaemonProcess, HttpClient, get};

const BODY: &str = r#"{"company":"acme","channel":"whatsapp","ou":"emea","country":"DE"}"#;
const CLIENTS: u32 = 8;
const EACH: u32 = 25;

/// Sends requests with delayed bodies, most of them a little and some of them much. Returns their sorted
/// times.
fn measured(address: &str) -> Vec<f64> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let address = address.to_owned();
            std::thread::spawn(move || {
                let mut connection = HttpClient::connect(address);
                (0..EACH).map(|at| late(&mut connection, client + CLIENTS * at)).collect::<Vec<f64>>()
            })
        })
        .collect();
    let mut all: Vec<f64> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn late(client: &mut HttpClient, number: u32) -> f64 {
    let held = Duration::from_micros(u64::from(2_000 + number * number));
    let start = Instant::now();
    client.send(format!("POST /v1/select HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", BODY.len()));
    // The time under test.
    std::thread::sleep(held);
    client.send(BODY);
    client.answer();
    start.elapsed().as_secs_f64()
}

#[test]
#[cfg_attr(not(has_prometheus), ignore = "needs prometheus: apt-get install prometheus")]
fn quantiles_by_prometheus_agree_with_exact_quantiles() {
    let daemon = DaemonProcess::start(&[]);
    let exact = measured(&daemon.data);
    let prometheus = Prometheus::start(&[("switchboard", &daemon.admin)]);
    let text = get(&daemon.admin, "/metrics").1;
    for metric in
        ["switchboard_select_duration_seconds", "switchboard_http_request_duration_seconds{route=\"select\"}"]
    {
        let (name, labels) = metric.split_once('{').unwrap_or((metric, "}"));
        let labels = labels.strip_suffix('}').unwrap();
        let counted = f64::from(CLIENTS * EACH);
        prometheus.awaits(
            "a scrape of all of them",
            || {},
            |prometheus| prometheus.value(&format!("{name}_count{{{labels}}}")) == Some(counted),
        );
        let prefix = format!("{name}_bucket{{{labels}");
        let bounds: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with(&prefix))
            .map(|line| line.split("le=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        let bucket = |seconds: f64| bounds.iter().position(|bound| seconds <= *bound).unwrap();
        for quantile in [0.5, 0.9, 0.99] {
            let theirs =
                prometheus.value(&format!("histogram_quantile({quantile}, {name}_bucket{{{labels}}})"));
            let theirs = theirs.unwrap();
            let ours = exact[(quantile * counted) as usize - 1];
            println!("{metric} p{}: {theirs:.6} s by Prometheus, {ours:.6} s from outside", quantile * 100.0);
            assert!(bucket(theirs).abs_diff(bucket(ours)) <= 1, "{metric} {quantile}: {theirs} and {ours}");
        }
    }
}
