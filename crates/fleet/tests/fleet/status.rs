//! The status of replicas at a real broker.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use switchboard_fleet::bus::{Bucket, Bus, CALL_TIMEOUT};
use switchboard_fleet::release::{Current, Reason, Rollout};
use switchboard_fleet::status::{ReplicaStatus, ReportHealth, State, fleet_status, report};
use switchboard_release::{Envelope, Manifest, Variant};
use tokio::sync::watch;

use fleet_testbed::broker::{Broker, programs};

const PATIENCE: Duration = Duration::from_secs(20);

fn status(id: &str) -> ReplicaStatus {
    ReplicaStatus {
        id: id.to_owned(),
        version: "0.2.0".to_owned(),
        schema: "s".to_owned(),
        generation: None,
        digest: None,
        state: State::Waiting,
        reason: None,
        since: "2026-11-28T12:00:00.000Z".to_owned(),
        standings_revision: 0,
        clock: String::new(),
        started: "2026-11-28T12:00:00.000Z".to_owned(),
        signed: false,
    }
}

fn serving(id: &str) -> ReplicaStatus {
    ReplicaStatus { generation: Some(7), digest: Some("b".repeat(64)), state: State::Serving, ..status(id) }
}

/// Reads the status until it is as expected.
async fn until(bus: &Bus, expected: impl Fn(&Value) -> bool) {
    let read = async {
        while !fleet_status(bus).await.is_ok_and(|status| expected(&status.json)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the status is as expected");
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn status_follows_each_replica_over_a_restart_of_the_broker() {
    for program in programs() {
        let mut broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let empty = fleet_status(&bus).await.unwrap();
        assert_eq!(empty.json.to_string(), r#"{"release":null,"rollout":null,"replicas":[]}"#);
        assert!(!empty.all_serve);

        let mut manifest = Manifest::new(7, "2026-11-28T12:00:00Z".parse().unwrap());
        let (schema, digest) = ("s".to_owned(), "b".repeat(64));
        manifest.variants.push(Variant { schema, size: 9, digest, content: "c".repeat(64) });
        let envelope = String::from_utf8(Envelope::new(&manifest).to_json()).unwrap();
        let envelope = RawValue::from_string(envelope.trim_end().to_owned()).unwrap();
        let current = Current { manifest: envelope, sources: Vec::new() }.to_json();
        bus.update(Bucket::Release, "current", current, 0, CALL_TIMEOUT).await.unwrap();
        let rollout = Rollout { generation: 7, percent: 50 }.to_json();
        bus.update(Bucket::Release, "rollout", rollout, 0, CALL_TIMEOUT).await.unwrap();

        let (health, mut reported) = watch::channel(ReportHealth::default());
        let (a, of_a) = watch::channel(status("a"));
        let (b, of_b) = watch::channel(serving("b.example"));
        let tasks = [
            tokio::spawn(report(broker.bus().await.unwrap(), of_a, health)),
            tokio::spawn(report(
                broker.bus().await.unwrap(),
                of_b,
                watch::channel(ReportHealth::default()).0,
            )),
        ];
        let first = reported.wait_for(|health| health.clock_offset_millis.is_some());
        let offset =
            tokio::time::timeout(PATIENCE, first).await.unwrap().unwrap().clock_offset_millis.unwrap();
        // The broker uses the same clock.
        assert!(offset.abs() < 1_000, "{offset}");
        let waiting = fleet_status(&bus).await.unwrap();
        assert!(!waiting.all_serve);
        // A change of the revision alone is written a little later.
        a.send_replace(ReplicaStatus { standings_revision: 5, ..status("a") });
        until(&bus, |json| json["replicas"][0]["standings_revision"] == 5).await;
        a.send_replace(serving("a"));
        until(&bus, |json| json["replicas"][0]["state"] == "serving").await;
        let all = fleet_status(&bus).await.unwrap();
        assert!(all.all_serve, "{}", all.json);
        let ids: Vec<_> = all.json["replicas"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
        assert_eq!(ids, ["a", "b.example"]);
        assert_eq!(
            (&all.json["release"]["generation"], &all.json["rollout"]["percent"]),
            (&7.into(), &50.into())
        );
        assert!(all.json["replicas"][0]["clock"].as_str().unwrap().ends_with('Z'));

        // Each replica writes again when it is connected again.
        broker.kill();
        a.send_replace(ReplicaStatus {
            state: State::Rejected,
            reason: Some(Reason::Signature),
            ..serving("a")
        });
        broker.restart().unwrap();
        let both = |json: &Value| {
            let count = json["replicas"].as_array().map(Vec::len);
            count == Some(2) && json["replicas"][0]["reason"] == "signature"
        };
        until(&bus, both).await;
        drop((a, b));
        for task in tasks {
            tokio::time::timeout(PATIENCE, task).await.expect("the task ends").unwrap();
        }
    }
}
