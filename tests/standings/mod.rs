//! Live standings: set over HTTP, seen by every worker, kept over crashes and generations.

mod crash;
mod generations;
mod hand_over;
mod journal;
mod routes;
mod selection;

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::DaemonProcess;

const GERMAN: &str = "channel=whatsapp&ou=emea&country=DE";
/// The only account that serves a German client of EMEA.
const GERMAN_ACCOUNT: &str = "/v1/standings/acme/wa-emea-de-1";

/// Serves acme, with a journal of standings if `journal` is given.
fn serve(registry: &Path, journal: Option<&Path>) -> DaemonProcess {
    let mut arguments = vec!["--registry", registry.to_str().unwrap()];
    if let Some(journal) = journal {
        arguments.extend(["--standings", journal.to_str().unwrap()]);
    }
    DaemonProcess::start(&arguments)
}

fn standing(standing: &str) -> Value {
    json!({"standing": standing, "reason": "under review"})
}

/// Sets a standing and asserts that the answer repeats it.
#[track_caller]
fn put(daemon: &DaemonProcess, path: &str, body: &Value) {
    let (status, stored) = daemon.admin("PUT", path, &body.to_string());
    assert_eq!((status, serde_json::from_str(&stored).ok().as_ref()), (200, Some(body)), "{stored}");
}

#[track_caller]
fn remove(daemon: &DaemonProcess, path: &str) {
    assert_eq!(daemon.admin("DELETE", path, ""), (204, String::new()));
}

/// Returns the stored standing, if there is one.
fn stored(daemon: &DaemonProcess, path: &str) -> Option<Value> {
    let (status, body) = daemon.admin("GET", path, "");
    assert!(status == 200 || status == 404, "{status} {body}");
    (status == 200).then(|| without_since(serde_json::from_str(&body).unwrap()))
}

/// Removes the time at which a standing was set, which is not in the future.
fn without_since(mut standing: Value) -> Value {
    let since = standing.as_object_mut().unwrap().shift_remove("since").unwrap();
    let since: jiff::Timestamp = since.as_str().unwrap().parse().unwrap();
    assert!(since <= jiff::Timestamp::now());
    standing
}

/// Returns the time that is this many milliseconds from now. A negative number is in the past.
fn from_now(milliseconds: i64) -> String {
    let now = jiff::Timestamp::now();
    (now + jiff::SignedDuration::from_millis(milliseconds)).to_string()
}
