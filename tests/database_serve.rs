//! A daemon that serves a registry in PostgreSQL, and a publisher that follows one.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::cli::{stderr, switchboard};
use crate::database::demo_database;
use crate::database::server::{at_port, empty_database, sql};
use crate::harness::{DaemonProcess, get, wait_until, wait_within};

/// Selects the account whose address the tests change.
const QUERY: &str = "company=acme&channel=whatsapp&ou=emea&country=DE";
/// An interval after which no test polls.
const NO_POLL: &str = "--poll-interval=1h";

/// Returns the address of the account that [`QUERY`] selects.
fn address(daemon: &DaemonProcess) -> String {
    daemon.select(QUERY)["address"].as_str().unwrap_or_default().to_owned()
}

/// Returns a statement that gives the account another address.
fn readdress(number: u32) -> String {
    format!(
        "update switchboard.account set address = '+4930{number}' where company = 'acme' and id = 'wa-emea-de-1'"
    )
}

/// Removes the expected selections of the demo, which the edits of a test would break.
fn database_without_tests() -> String {
    let url = demo_database();
    sql(&url, "delete from switchboard.test");
    url
}

fn last_reload(daemon: &DaemonProcess) -> Value {
    daemon.status()["last_reload"].clone()
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn edits_are_in_force_within_a_second() {
    let url = database_without_tests();
    let daemon = DaemonProcess::start(&["--registry", &url, NO_POLL]);
    wait_until("notifications arrive", || daemon.status()["watch"] == "events");
    for number in 100_000..100_003 {
        let start = Instant::now();
        sql(&url, &readdress(number));
        wait_until("the edit", || address(&daemon) == format!("+4930{number}"));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    let published = || daemon.metric("switchboard_snapshot_reloads_total{outcome=\"published\"}");
    wait_until("the start and each edit are counted", || published() == 4.0);
    // A change that is no change of the registry.
    sql(&url, "update switchboard.account set weight = weight; notify switchboard_registry");
    sql(
        &url,
        "insert into switchboard.test (company, name, query, expect) values ('acme', 'a', '{}', '{\"a\": 1}')",
    );
    wait_until("the bad test", || daemon.metric("switchboard_companies_held_back") == 1.0);
    sql(&url, "delete from switchboard.test");
    wait_until("the company", || daemon.metric("switchboard_companies_held_back") == 0.0);
    assert_eq!(published(), 4.0);
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn edits_without_a_notification_are_in_force_within_two_polls() {
    let url = database_without_tests();
    let daemon = DaemonProcess::start(&["--registry", &url, "--watch=poll", "--poll-interval=700ms"]);
    assert_eq!(daemon.status()["watch"], "poll");
    let generation = || daemon.status()["snapshot"]["generation"].clone();
    // A transaction that began before a read and ends after it, and one after a deletion of the history.
    for (number, after) in [(100_000, "select pg_sleep(1)"), (100_001, "truncate switchboard.history")] {
        let before = generation();
        let (start, ended) = (Instant::now(), format!("begin; {}; {after}; commit", readdress(number)));
        sql(&url, &ended);
        let took = start.elapsed();
        wait_until("the edit", || address(&daemon) == format!("+4930{number}"));
        assert!(start.elapsed() - took < Duration::from_millis(1400), "{:?}", start.elapsed());
        assert_ne!(generation(), before);
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn bad_edits_are_held_back_and_name_the_row() {
    let url = database_without_tests();
    let daemon = DaemonProcess::start(&["--registry", &url, NO_POLL]);
    let before = address(&daemon);
    sql(
        &url,
        "update switchboard.account set address = 'nobody' where company = 'acme' and id = 'wa-emea-de-1'; \
         update switchboard.account set weight = 7 where company = 'meridian' and pool is not null",
    );
    wait_until("the company is held back", || daemon.metric("switchboard_companies_held_back") == 1.0);
    let row = "account[company=acme,id=wa-emea-de-1].address";
    let held = daemon.status()["held_back"][0].clone();
    assert_eq!(held["company"], "acme");
    assert!(held["cause"].as_str().unwrap().contains(row), "{held}");
    assert!(held["findings"][0].as_str().unwrap().contains(row), "{held}");
    assert!(daemon.log("company held back")["cause"].as_str().unwrap().contains(row));
    assert_eq!(address(&daemon), before);

    // The guard refuses an emptied database.
    sql(&url, "delete from switchboard.company");
    wait_until("the guard", || daemon.status()["held_back"][1]["reason"] == "guard");
    let reload = last_reload(&daemon);
    assert_eq!((&reload["outcome"], address(&daemon)), (&"rejected".into(), before));
    assert!(reload["error"].as_str().unwrap().starts_with("the registry postgres:///d"), "{reload}");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn database_that_is_away_at_the_start_is_served_when_it_is_back() {
    let url = empty_database();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let mut daemon = DaemonProcess::start(&["--registry", &url, "--state", state]);
    let (status, text) = get(&daemon.admin, "/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("no schema `switchboard`: run `switchboard db migrate` first"), "{text}");
    assert_eq!(daemon.metric("switchboard_snapshot_reloads_total{outcome=\"unreadable\"}"), 1.0);
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo");
    for command in [&["db", "migrate", &url][..], &["db", "import", demo, &url]] {
        assert!(switchboard(command).status.success());
    }
    wait_until("the registry is served", || get(&daemon.admin, "/readyz").0 == 200);
    let (answer, generation) = (daemon.select(QUERY), daemon.status()["snapshot"]["generation"].clone());
    let kept = folder.path().join("floor");
    let floor = generation.to_string();
    wait_until("the snapshot is kept", || fs::read_to_string(&kept).is_ok_and(|text| text.trim() == floor));
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());

    sql(&url, "alter schema switchboard rename to away");
    let daemon = DaemonProcess::start(&["--registry", &url, "--state", state]);
    assert_eq!(daemon.select(QUERY), answer);
    assert_eq!(daemon.status()["snapshot"]["from_state"], true);
    assert_eq!(last_reload(&daemon)["outcome"], "unreadable");
    sql(&url, "alter schema away rename to switchboard");
    wait_until("the database is read", || daemon.status()["snapshot"]["from_state"] == false);
    assert_eq!(last_reload(&daemon)["outcome"], "unchanged");
    assert_eq!(daemon.status()["snapshot"]["generation"], generation);
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn connection_that_ends_is_made_again() {
    let url = database_without_tests();
    let daemon = DaemonProcess::start(&["--registry", &url, NO_POLL]);
    wait_until("notifications arrive", || daemon.status()["watch"] == "events");
    // A connection that has read.
    let backends = "from pg_stat_activity where datname = current_database() and application_name = 'switchboard' \
                    and query = 'commit'";
    let first = sql(&url, &format!("select pid {backends}"));
    assert_eq!(sql(&url, &format!("select pg_terminate_backend(pid) {backends}")), "t", "one connection");
    wait_until("the new connection", || {
        let pid = sql(&url, &format!("select pid {backends}"));
        !pid.is_empty() && pid != first
    });
    sql(&url, &readdress(100_000));
    wait_within(Duration::from_secs(2), || "the edit".to_owned(), || address(&daemon) == "+4930100000");

    // A restored backup has no row of the history that is new.
    let before = daemon.status()["snapshot"]["content"].clone();
    sql(
        &url,
        "begin; create table other as table switchboard.account; drop table switchboard.account; \
         alter table other set schema switchboard; alter table switchboard.other rename to account; \
         delete from switchboard.account where id = 'wa-emea-de-1'; commit; notify switchboard_registry",
    );
    wait_until("the other table", || daemon.status()["snapshot"]["content"] != before);
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn user_and_password_are_nowhere() {
    let url = demo_database();
    let role = "create role served login password 'unheard'; grant usage on schema switchboard to served; \
                grant select on all tables in schema switchboard to served";
    sql(&url, role);
    let (at_port, _) = at_port(&url, "served:unheard");
    let at_port = at_port.replace("localhost", "127.0.0.1");
    let shown = at_port.replace("served:unheard@", "");
    for command in ["serve", "check-config"] {
        let output = switchboard(&[command, "--registry", &at_port]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("--registry: the URL has a password"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("unheard"));
    }
    let mut check = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let output = check.arg("check-config").env("SWITCHBOARD_REGISTRY", &at_port).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&format!("serves the registry {shown},")),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("switchboard.toml");
    fs::write(&config, format!("registry = \"{at_port}\"\n")).unwrap();
    let mut command = DaemonProcess::command(&[env!("CARGO_BIN_EXE_switchboard")], &["--config"]);
    command.arg(&config).env("RUST_LOG", "trace");
    let daemon = DaemonProcess::launch(command);
    assert_eq!(daemon.status()["source"], format!("the registry {shown}"));
    sql(
        &url,
        "alter role served nologin; select count(pg_terminate_backend(pid)) from pg_stat_activity \
         where usename = 'served'",
    );
    let (before, last) = daemon.logs_until("source unreadable");
    let all = format!("{before:?}{last}{}{}", daemon.status(), get(&daemon.admin, "/metrics").1);
    assert!(all.contains("is not permitted to log in"), "{all}");
    assert!(!all.contains("unheard"), "{all}");
}
