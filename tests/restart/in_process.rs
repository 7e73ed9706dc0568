//! The daemon within this process: bound, started and drained as by `switchboard serve`, but without signals.

use std::time::Duration;

use switchboard::app::{App, StartError};
use switchboard::config::Settings;

use crate::harness::{HttpClient, get};

fn settings() -> Settings {
    let any = || vec!["127.0.0.1:0".parse().unwrap()];
    Settings { listen: any(), admin_listen: any(), workers: 1, ..Settings::default() }
}

#[test]
fn app_answers_once_started_and_drains() {
    let running = App::bind(settings()).unwrap().start().unwrap();
    let admin = running.admin_addresses()[0].to_string();
    assert_eq!(get(&admin, "/readyz").0, 200);
    let mut client = HttpClient::connect(running.data_addresses()[0].as_tcp().unwrap());
    assert_eq!(client.select("company=acme&channel=whatsapp&ou=zurich&country=FR")["generation"], 1);
    assert_eq!(running.drain(Duration::from_secs(20)), 0);
    assert!(client.is_closed());
}

#[test]
fn app_that_requires_a_snapshot_does_not_start_without_one() {
    let snapshot = Some("/no/such/file".into());
    let app = App::bind(Settings { snapshot, require_snapshot: true, ..settings() }).unwrap();
    let error = app.start().err().unwrap();
    assert!(matches!(&error, StartError::NoSnapshot(reason) if reason.contains("/no/such/file")), "{error}");
}
