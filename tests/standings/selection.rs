//! The effect of standings on selections.

use std::time::{Duration, Instant};

use super::*;
use crate::expected::{acme, edit};
use crate::harness::HttpClient;

const PUBLISHED: &str = "switchboard_snapshot_reloads_total{outcome=\"published\"}";

#[test]
fn standings_restrict_and_never_permit() {
    let registry = acme();
    let daemon = serve(registry.path(), None);
    let current = format!("{GERMAN}&current=wa-emea-de-1");
    assert_eq!(daemon.select(GERMAN)["account"], "wa-emea-de-1");

    put(&daemon, GERMAN_ACCOUNT, &standing("draining"));
    assert_ne!(daemon.select(GERMAN)["account"], "wa-emea-de-1");
    // A draining account keeps its clients.
    let kept = daemon.select(&current);
    assert_eq!((&kept["account"], &kept["rule"]), (&"wa-emea-de-1".into(), &"current".into()));
    let explained = daemon.get(&format!("/v1/explain?{GERMAN}")).1;
    assert!(
        explained.contains(r#"{"account":"wa-emea-de-1","outcome":"draining","by":"standing"}"#),
        "{explained}"
    );

    put(&daemon, GERMAN_ACCOUNT, &standing("suspended"));
    let moved = daemon.select(&current);
    assert_eq!(moved["current_ignored"], "suspended");
    assert_ne!(moved["account"], "wa-emea-de-1");
    let explained = daemon.get(&format!("/v1/explain?{GERMAN}")).1;
    assert!(
        explained.contains(r#"{"account":"wa-emea-de-1","outcome":"suspended","by":"standing"}"#),
        "{explained}"
    );

    // No standing overrides a suspension in the registry.
    edit(
        registry.path(),
        "acme/accounts.csv",
        "+4915123456701,,emea-whatsapp,,,,",
        "+4915123456701,,emea-whatsapp,,,suspended,",
    );
    std::fs::remove_file(registry.path().join("acme/tests.toml")).unwrap();
    daemon.log("snapshot published");
    put(&daemon, GERMAN_ACCOUNT, &standing("draining"));
    assert_eq!(daemon.select(&current)["current_ignored"], "suspended");
    remove(&daemon, GERMAN_ACCOUNT);
    assert_eq!(daemon.select(&current)["current_ignored"], "suspended");
}

#[test]
fn standing_outlives_its_generation_and_its_account() {
    let registry = acme();
    std::fs::remove_file(registry.path().join("acme/tests.toml")).unwrap();
    let daemon = serve(registry.path(), None);
    put(&daemon, GERMAN_ACCOUNT, &standing("suspended"));
    edit(registry.path(), "acme/accounts.csv", "+4915123456701", "+4915123456702");
    daemon.log("snapshot published");
    assert_ne!(daemon.select(GERMAN)["account"], "wa-emea-de-1");

    edit(registry.path(), "acme/accounts.csv", "wa-emea-de-1,", "wa-emea-de-7,");
    daemon.log("snapshot published");
    assert_eq!(daemon.select(GERMAN)["account"], "wa-emea-de-7");
    assert_eq!(daemon.admin("GET", GERMAN_ACCOUNT, "").0, 404);
    assert_eq!(daemon.admin("GET", "/v1/standings", "").1, r#"{"standings":[]}"#);
    assert_eq!(daemon.status()["standings"]["waiting"], 1);
    assert_eq!(daemon.metric("switchboard_standings{standing=\"suspended\"}"), 0.0);

    edit(registry.path(), "acme/accounts.csv", "wa-emea-de-7,", "wa-emea-de-1,");
    daemon.log("snapshot published");
    assert_ne!(daemon.select(GERMAN)["account"], "wa-emea-de-1");
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), Some(standing("suspended")));
}

#[test]
fn standing_is_removed_within_a_second_of_its_end() {
    let registry = acme();
    let daemon = serve(registry.path(), None);
    let begun = Instant::now();
    put(
        &daemon,
        GERMAN_ACCOUNT,
        &json!({"standing": "suspended", "reason": "rests", "until": from_now(1_500)}),
    );
    let end = begun + Duration::from_millis(1_500);
    assert_ne!(daemon.select(GERMAN)["account"], "wa-emea-de-1");
    let removed = daemon.log("standing removed");
    assert_eq!((&removed["account"], &removed["ended"]), (&"wa-emea-de-1".into(), &true.into()));
    let now = Instant::now();
    assert!(now >= end && now < end + Duration::from_secs(1), "{:?} after its end", now - end);
    assert_eq!(daemon.select(GERMAN)["account"], "wa-emea-de-1");
    assert_eq!(stored(&daemon, GERMAN_ACCOUNT), None);
}

/// After the PUT has returned, no worker selects the account. After the DELETE, every worker does.
/// Generations are published meanwhile.
#[test]
fn standing_is_seen_by_every_worker_when_its_put_returns() {
    let registry = acme();
    let daemon = DaemonProcess::start(&["--registry", registry.path().to_str().unwrap(), "--workers", "4"]);
    let mut connections: Vec<_> = (0..8).map(|_| HttpClient::connect(&daemon.data)).collect();
    let accounts = registry.path().join("acme/accounts.csv");
    let text = std::fs::read_to_string(&accounts).unwrap();
    let mut rounds = 0;
    // Generations are published while standings change, each at its own pace.
    while rounds < 200 || daemon.metric(PUBLISHED) < 4.0 {
        let address = format!("+49151234568{:02}", rounds / 20 % 100);
        std::fs::write(&accounts, text.replace("+4915123456701", &address)).unwrap();
        put(&daemon, GERMAN_ACCOUNT, &standing("suspended"));
        for connection in &mut connections {
            assert_ne!(connection.select(GERMAN)["account"], "wa-emea-de-1");
        }
        remove(&daemon, GERMAN_ACCOUNT);
        for connection in &mut connections {
            assert_eq!(connection.select(GERMAN)["account"], "wa-emea-de-1");
        }
        rounds += 1;
    }
}
