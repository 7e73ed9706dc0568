//! A daemon without free file descriptors neither spins nor stalls.

use jiff::Timestamp;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{ask, connect, status};
use crate::expected::acme;
use crate::harness::DaemonProcess;

const TARGET: &str = "/v1/select?channel=whatsapp&ou=emea&country=DE";

/// Sets the soft limit of the daemon's open files. Returns the previous one.
fn set_soft_limit(daemon: &DaemonProcess, limit: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
    let was = prlimit(pid, Resource::Nofile, Rlimit { current: Some(20), maximum: None });
    // Without the right to raise the hard limit, its current value is stated.
    let was = was.unwrap_or_else(|_| {
        let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(20), maximum: hard }).unwrap()
    });
    prlimit(pid, Resource::Nofile, Rlimit { current: limit, maximum: was.maximum }).unwrap();
    was.current
}

#[test]
fn accepting_resumes_after_file_descriptors_ran_out() {
    let registry = acme();
    let daemon = DaemonProcess::start(&["--registry", registry.path().to_str().unwrap()]);
    let mut kept = connect(&daemon.data, 2, None);
    // Accepted before the limit falls: in the queue it would wait until the limit rises again.
    assert_eq!(ask(&mut kept, TARGET), Some(200));
    let before = set_soft_limit(&daemon, Some(5));
    let mut waiting: Vec<_> = (0..5).map(|_| connect(&daemon.data, 3, None)).collect();
    for stream in &mut waiting {
        stream.send(format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    // Attempts are counted in the log, because the admin listener closes connections that are idle for 5 s.
    let failed: Vec<Timestamp> = (0..5)
        .map(|_| {
            let entry = daemon.log("cannot accept a connection");
            assert_eq!(ask(&mut kept, TARGET), Some(200), "an accepted connection is served");
            entry["timestamp"].as_str().unwrap().parse().unwrap()
        })
        .collect();
    // Attempts are 50 ms apart by the daemon's clock. Without a pause they would keep a core busy.
    let pauses: Vec<_> = failed.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    assert!(pauses.iter().all(|pause| pause.as_millis() >= 45), "{pauses:?}");
    set_soft_limit(&daemon, before);
    for stream in &mut waiting {
        assert_eq!(status(stream), Some(200));
    }
    let errors = daemon.metric("switchboard_http_connections_total{outcome=\"accept_error\"}");
    assert!(errors >= 5.0, "{errors}");
    println!("{errors} accept errors, {pauses:?} apart, then all 5 that waited were answered");
}

#[test]
fn limit_of_64_descriptors_lowers_max_connections_and_is_logged() {
    let registry = acme();
    let daemon =
        DaemonProcess::start_under("ulimit -n 64", &["--registry", registry.path().to_str().unwrap()]);
    let entry = daemon.logged_at_start("max_connections lowered");
    let most = usize::try_from(entry["max_connections"].as_u64().unwrap()).unwrap();
    let mut open: Vec<_> = (10..60).map(|from| connect(&daemon.data, from, None)).collect();
    let statuses: Vec<_> = open.iter_mut().map(|stream| ask(stream, TARGET)).collect();
    let served = statuses.iter().filter(|status| **status == Some(200)).count();
    assert!((8..50).contains(&served), "{served} of 50 peers were served");
    assert_eq!(served, most);
    assert_eq!(daemon.metric("switchboard_http_connections"), served as f64);
    assert!(daemon.metric("process_open_fds") < 64.0);
    println!("64 descriptors: {served} of 50 connections served, the others refused");
}
