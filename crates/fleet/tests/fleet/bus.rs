//! Connections, buckets and calls.

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair as NatsKey;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use switchboard_fleet::bus::{Bucket, Bus, BusError, BusSettings, CALL_TIMEOUT, EPOCH_KEY, Unreachable};

use fleet_testbed::broker::{Broker, programs};
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn init_creates_buckets_once_and_reports_differences() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let bus = broker.bus().await.unwrap();
        let missing = bus.memory(Bucket::Release).await.unwrap_err();
        assert_eq!(missing, BusError::NoBucket("KV_test_release".to_owned()));
        assert!(missing.to_string().contains("switchboard fleet init"));

        let made = bus.init(1).await.unwrap();
        let streams: Vec<_> = made.iter().map(|report| report.stream.as_str()).collect();
        assert_eq!(streams, ["KV_test_release", "KV_test_standings", "KV_test_status", "OBJ_test_snapshots"]);
        assert!(made.iter().all(|report| report.created && report.differences.is_empty()), "{made:?}");
        let epoch = bus.get(Bucket::Release, EPOCH_KEY).await.unwrap().unwrap();
        bus.snapshots().await.unwrap();

        // A second call changes nothing, also with other settings.
        let again = bus.init(3).await.unwrap();
        for report in &again {
            let different: Vec<_> =
                report.differences.iter().map(|d| (d.setting, &*d.expected, &*d.found)).collect();
            assert_eq!(different, [("num_replicas", "3", "1")], "{}", report.stream);
            assert!(!report.created);
        }
        assert!(bus.init(1).await.unwrap().iter().all(|report| report.differences.is_empty()));
        assert_eq!(bus.get(Bucket::Release, EPOCH_KEY).await.unwrap().unwrap(), epoch);

        // Another prefix is another fleet.
        let other = BusSettings { prefix: "other-1".to_owned(), ..broker.settings() };
        let other = Bus::connect(&other, Unreachable::Fail).await.unwrap();
        assert!(other.init(1).await.unwrap().iter().all(|report| report.created));
        assert_ne!(other.get(Bucket::Release, EPOCH_KEY).await.unwrap().unwrap().value, epoch.value);
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn of_two_writers_one_wins() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let (a, b) = (broker.initialized().await.unwrap(), broker.bus().await.unwrap());
        let write = async |bus: &Bus, value: &str, expected| {
            bus.update(Bucket::Release, "current", value.into(), expected, SECOND).await
        };
        let conflict = Err(BusError::Conflict("current".to_owned()));
        assert_eq!(a.get(Bucket::Release, "current").await.unwrap(), None);
        let first = write(&a, "1", 0).await.unwrap();
        assert_eq!(write(&b, "2", 0).await, conflict);
        let second = write(&b, "2", first).await.unwrap();
        assert_eq!(write(&a, "3", first).await, conflict);
        let read = a.get(Bucket::Release, "current").await.unwrap().unwrap();
        assert_eq!((read.value.as_deref(), read.revision), (Some("2".as_bytes()), second));
        // Twenty at once: one wins.
        let many = futures_util::future::join_all((0..20).map(|_| write(&a, "4", second))).await;
        assert_eq!(many.iter().filter(|written| written.is_ok()).count(), 1, "{many:?}");

        let listed = a.list(Bucket::Standings).await.unwrap();
        assert!(listed.is_empty());
        for account in 0..300 {
            a.put(Bucket::Standings, &format!("acme.{}", account % 100), account.to_string().into())
                .await
                .unwrap();
        }
        let listed = b.list(Bucket::Standings).await.unwrap();
        assert_eq!(listed.len(), 100);
        assert!(listed.iter().all(|entry| entry.revision > 200 && entry.time_millis > 1_700_000_000_000));
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn no_call_outlasts_its_limit() {
    for program in programs() {
        let mut broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let write = async |value: &str| {
            let started = Instant::now();
            let written = bus.update(Bucket::Standings, "acme.wa", value.into(), 0, SECOND).await;
            (written.unwrap_err(), started.elapsed())
        };
        broker.freeze().unwrap();
        let (error, took) = write("frozen").await;
        assert!(
            matches!(error, BusError::TimedOut { call: "set a value", limit: SECOND, refusal: None }),
            "{error:?}"
        );
        assert!(took >= SECOND && took < 2 * SECOND, "{took:?}");
        // Two pings are not answered.
        let mut link = bus.link();
        let noticed = tokio::time::timeout(8 * SECOND, link.wait_for(|link| !link.connected)).await.is_ok();
        assert!(noticed, "the client did not notice the half-open connection");
        // Without a connection, a call fails at once.
        let (error, took) = write("lost").await;
        assert!(error == BusError::Disconnected && took < SECOND, "{error:?}, {took:?}");
        let started = Instant::now();
        assert_eq!(bus.list(Bucket::Status).await, Err(BusError::Disconnected));
        assert_eq!(bus.init(1).await, Err(BusError::Disconnected));
        assert!(started.elapsed() < SECOND);
        broker.thaw().unwrap();
        link.wait_for(|link| link.connected).await.unwrap();
        // The write that got no answer took effect. The one that was refused locally was never sent.
        let found = bus.get(Bucket::Standings, "acme.wa").await.unwrap().unwrap();
        assert_eq!(found.value.as_deref(), Some("frozen".as_bytes()));
        broker.kill();
        link.wait_for(|link| !link.connected).await.unwrap();
        broker.restart().unwrap();
        link.wait_for(|link| link.connected && link.connections >= 3).await.unwrap();
    }
}

#[tokio::test]
async fn command_fails_where_no_broker_is() {
    // The discard port of the loopback refuses connections.
    let settings = BusSettings {
        urls: "nats://user:secret@127.0.0.1:9".to_owned(),
        prefix: "test".to_owned(),
        ..BusSettings::default()
    };
    let started = Instant::now();
    let error = Bus::connect(&settings, Unreachable::Fail).await.err().unwrap().to_string();
    assert!(error.starts_with("cannot connect to the broker at 127.0.0.1:9: "), "{error}");
    assert!(!error.contains("secret") && started.elapsed() < CALL_TIMEOUT, "{error}");
    let waiting = Bus::connect(&settings, Unreachable::Wait).await.unwrap();
    assert_eq!(waiting.get(Bucket::Release, "current").await, Err(BusError::Disconnected));
}

/// The permissions of `docs/fleet.md`.
const USERS: &str = r#"
authorization {
  users = [
    { user: publisher, password: secret }
    { user: replica, password: secret, permissions: {
      publish: [
        "$JS.API.STREAM.INFO.*"
        "$JS.API.STREAM.MSG.GET.*"
        "$JS.API.CONSUMER.CREATE.>"
        "$JS.API.CONSUMER.DELETE.>"
        "$JS.API.DIRECT.GET.>"
        "$JS.FC.>"
        "$KV.test_standings.>"
        "$KV.test_status.replica-1"
      ]
      subscribe: ["_INBOX.>"]
    } }
  ]
}
"#;

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn replica_may_not_write_a_release() {
    for program in programs() {
        let broker = Broker::start_with(&program, USERS, &[]).unwrap();
        let publisher = Bus::connect(&broker.settings_of("publisher"), Unreachable::Fail).await.unwrap();
        publisher.init(1).await.unwrap();
        let replica = Bus::connect(&broker.settings_of("replica"), Unreachable::Fail).await.unwrap();
        let write = async |bucket, key: &str| replica.update(bucket, key, "x".into(), 0, SECOND).await;
        write(Bucket::Standings, "acme.wa").await.unwrap();
        write(Bucket::Status, "replica-1").await.unwrap();
        assert_eq!(replica.list(Bucket::Status).await.unwrap().len(), 1);
        replica.memory(Bucket::Release).await.unwrap();
        for (bucket, key) in
            [(Bucket::Release, "current"), (Bucket::Release, "rollout"), (Bucket::Status, "replica-2")]
        {
            let error = write(bucket, key).await.unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, BusError::TimedOut { refusal: Some(_), .. }), "{text}");
            assert!(text.to_lowercase().contains("permissions violation"), "{text}");
        }
        assert_eq!(publisher.get(Bucket::Release, "current").await.unwrap(), None);

        let stranger = Bus::connect(&broker.settings_of("stranger"), Unreachable::Fail).await.err().unwrap();
        assert!(matches!(stranger, BusError::Connect { .. }), "{stranger:?}");
        assert!(!stranger.to_string().contains("secret"), "{stranger}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn broker_and_client_prove_their_identity_by_certificates() {
    let authority = || {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
    };
    let (ca, issuer) = authority();
    let (other_ca, other_issuer) = authority();
    let leaf = |name: &str, issuer: &Issuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    };
    let (server, server_key) = leaf("localhost", &issuer);
    let (client, client_key) = leaf("replica", &issuer);
    let (stranger, stranger_key) = leaf("replica", &other_issuer);
    let config = "tls { cert_file: \"FOLDER/server.crt\", key_file: \"FOLDER/server.key\", \
                  ca_file: \"FOLDER/ca.crt\", verify: true }";
    let files = [
        ("server.crt", &*server),
        ("server.key", &*server_key),
        ("ca.crt", &*ca),
        ("other.crt", &*other_ca),
        ("client.crt", &*client),
        ("client.key", &*client_key),
        ("stranger.crt", &*stranger),
        ("stranger.key", &*stranger_key),
    ];
    for program in programs() {
        let broker = Broker::start_with(&program, config, &files).unwrap();
        let with = |ca: &str, name: Option<&str>| BusSettings {
            ca: Some(broker.path(ca)),
            certificate: name
                .map(|name| (broker.path(&format!("{name}.crt")), broker.path(&format!("{name}.key")))),
            ..broker.settings()
        };
        let connect = async |settings: BusSettings| Bus::connect(&settings, Unreachable::Fail).await;
        connect(with("ca.crt", Some("client"))).await.unwrap().init(1).await.unwrap();
        let mut refused =
            vec![with("other.crt", Some("client")), with("ca.crt", Some("stranger")), with("ca.crt", None)];
        refused.push(broker.settings());
        for settings in refused {
            let error = connect(settings).await.err().unwrap();
            assert!(matches!(error, BusError::Connect { .. }), "{error:?}");
        }
        for (settings, words) in [
            (with("server.key", None), "server.key: no CERTIFICATE in PEM"),
            (with("absent.crt", None), "absent.crt: cannot be read"),
            (
                BusSettings { credentials: Some(broker.path("ca.crt")), ..broker.settings() },
                "nsc generate creds",
            ),
        ] {
            let error = connect(settings).await.err().unwrap();
            assert!(matches!(&error, BusError::Settings(text) if text.contains(words)), "{error:?}");
        }
    }
}

/// Returns a token of NATS: claims about a key, signed by its issuer.
fn token(issuer: &NatsKey, subject: &NatsKey, expires: Option<u64>, nats: &serde_json::Value) -> String {
    let mut claims = serde_json::json!({
        "jti": "1", "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": "test",
        "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = expires.into();
    }
    let header = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
    let text = [header.to_owned(), claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(issuer.sign(text.as_bytes()).unwrap()))
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn credentials_are_read_again_at_each_connection() {
    let [operator, account, system, user] =
        [NatsKey::new_operator(), NatsKey::new_account(), NatsKey::new_account(), NatsKey::new_user()];
    let limits = serde_json::json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1
    });
    let of_account = serde_json::json!({"type": "account", "version": 2, "limits": limits});
    let of_user = serde_json::json!({
        "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}
    });
    let preloaded = [&account, &system]
        .map(|key| format!("{}: \"{}\"", key.public_key(), token(&operator, key, None, &of_account)));
    let config = format!(
        "operator: \"{}\"\nresolver: MEMORY\nsystem_account: {}\nresolver_preload: {{ {} }}",
        token(&operator, &operator, None, &serde_json::json!({"type": "operator", "version": 2})),
        system.public_key(),
        preloaded.join(", ")
    );
    let credentials = |expires| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\nNKEY Seed printed below.\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            token(&account, &user, expires, &of_user),
            user.seed().unwrap()
        )
    };
    for program in programs() {
        let mut broker = Broker::start_with(&program, &config, &[]).unwrap();
        let file = broker.path("replica.creds");
        // Expired long ago.
        fs::write(&file, credentials(Some(1_700_000_001))).unwrap();
        let settings = BusSettings { credentials: Some(file.clone()), ..broker.settings() };
        let bus = Bus::connect(&settings, Unreachable::Wait).await.unwrap();
        let mut link = bus.link();
        let refused =
            link.wait_for(|link| link.error.as_ref().is_some_and(|error| error.contains("authorization")));
        timeout(PATIENCE, refused).await.unwrap().unwrap();
        fs::write(&file, credentials(None)).unwrap();
        timeout(PATIENCE, link.wait_for(|link| link.connected)).await.unwrap().unwrap();
        // A file that is being replaced: the last credentials stay.
        broker.kill();
        fs::write(&file, "-----BEGIN NATS USER JWT-----\n").unwrap();
        timeout(PATIENCE, link.wait_for(|link| !link.connected)).await.unwrap().unwrap();
        broker.restart().unwrap();
        timeout(PATIENCE, link.wait_for(|link| link.connected)).await.unwrap().unwrap();
    }
}
