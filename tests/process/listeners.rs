//! Addresses: several listeners, overlaps, and addresses in use.

use std::net::TcpListener;

use super::{free_address, refused, serve};
use crate::harness::{DaemonProcess, get};

const QUERY: &str = "/v1/select?company=acme&channel=whatsapp&ou=zurich&country=FR";

/// Returns the addresses in a field of the log line `listening`.
fn split(addresses: &str) -> Vec<&str> {
    addresses.split(", ").collect()
}

#[test]
fn every_address_of_a_listener_answers() {
    let [other_data, other_admin] = [free_address(), free_address()];
    let daemon = DaemonProcess::launch(serve(&[
        "--listen",
        "localhost:0",
        "--listen",
        &other_data,
        "--admin-listen",
        &format!("localhost:0,{other_admin}"),
    ]));
    let (data, admin) = (split(&daemon.data), split(&daemon.admin));
    assert!(data.len() >= 2 && data.contains(&&*other_data), "{data:?}");
    assert!(admin.len() >= 2 && admin.contains(&&*other_admin), "{admin:?}");
    for _ in 0..3 {
        for address in &data {
            assert_eq!(get(address, QUERY).0, 200, "{address}");
        }
        for address in &admin {
            assert_eq!(get(address, "/readyz").0, 200, "{address}");
        }
    }
}

#[test]
fn address_without_a_host_is_every_address_of_the_machine() {
    let daemon =
        DaemonProcess::launch(serve(&["--listen", ":0", "--admin-listen", "127.0.0.1:0", "--anonymous"]));
    let data = split(&daemon.data);
    let port = data[0].rsplit_once(':').unwrap().1;
    assert_eq!(data[0], format!("0.0.0.0:{port}"));
    assert_eq!(get(&format!("127.0.0.1:{port}"), QUERY).0, 200);
    if let Some(second) = data.get(1) {
        assert_eq!(*second, format!("[::]:{port}"));
        assert_eq!(get(&format!("[::1]:{port}"), QUERY).0, 200);
    }
}

#[test]
fn overlapping_listeners_are_refused_before_the_source_is_read() {
    for [data, admin] in [
        ["127.0.0.1:7499", "127.0.0.1:7499"],
        ["0.0.0.0:7499", "127.0.0.1:7499"],
        ["127.0.0.1:7499", "[::]:7499"],
        ["localhost:7499", "[::1]:7499"],
        [":7499", "localhost:7499"],
        ["127.0.0.1:7499", "[::ffff:127.0.0.1]:7499"],
    ] {
        let (code, text) = refused(serve(&[
            "--listen",
            data,
            "--admin-listen",
            admin,
            "--registry",
            "/no/such/registry",
            "--require-snapshot",
        ]));
        assert_eq!(code, 2, "{text}");
        let said = format!("error: --listen {data} and --admin-listen {admin} overlap");
        assert!(text.starts_with(&said), "{text}");
    }
}

#[test]
fn address_in_use_is_refused_with_its_holder_and_the_remedy() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let wildcard = format!("0.0.0.0:{}", address.port());
    let holder = format!("process {} (", std::process::id());
    for (option, other) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
        for refused_address in [address.to_string(), wildcard.clone()] {
            let (code, text) =
                refused(serve(&[option, &refused_address, other, "127.0.0.1:0", "--anonymous"]));
            assert_eq!(code, 3, "{text}");
            let expected = [&*refused_address, &format!("({option})"), &holder, "--reuse-port"];
            assert!(expected.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}

#[test]
fn second_daemon_listens_beside_the_first_only_if_both_share_the_addresses() {
    for [first, second] in [[false, false], [true, false], [false, true], [true, true]] {
        let (data, admin) = (free_address(), free_address());
        let command = |shares: bool| {
            let mut command = serve(&["--listen", &data, "--admin-listen", &admin]);
            command.args(shares.then_some("--reuse-port"));
            command
        };
        let running = DaemonProcess::launch(command(first));
        if first && second {
            drop(DaemonProcess::launch(command(second)));
        } else {
            let (code, text) = refused(command(second));
            let holder = format!("process {} (switchboard) already listens there", running.pid());
            assert!(code == 3 && text.contains(&holder), "{code} {text}");
        }
    }
}

#[test]
fn wrong_settings_exit_with_code_2_and_name_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("settings.toml");
    std::fs::write(&config, "listen = \"nohost\"\nworker = 3\n").unwrap();
    let mut command = serve(&["--config", config.to_str().unwrap()]);
    command.env("SWITCHBOARD_WATCH", "never").env("SWITCHBOARD_WORKERS", "");
    let (code, text) = refused(command);
    assert_eq!(code, 2, "{text}");
    let place = config.display();
    for part in [
        &format!("{place}:1: listen: \"nohost\" is not valid: the port is missing"),
        &format!("{place}:2: unknown key \"worker\": did you mean `workers`?"),
        "SWITCHBOARD_WATCH: \"never\" is not valid: expected events or poll",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    let (code, text) = refused(serve(&["--listen", &format!("unix:/{}", "s".repeat(107))]));
    assert!(code == 2 && text.contains("has at most 107 bytes") && text.contains("has 108"), "{text}");
    let (code, text) = refused(serve(&["--config", "/no/such/settings.toml"]));
    assert!(code == 3 && text.contains("cannot read the settings file /no/such/settings.toml"), "{text}");
}

#[test]
fn file_above_the_maximum_size_is_refused() {
    let registry = crate::expected::acme();
    let listen = ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--require-snapshot", "--registry"];
    let root = registry.path().to_str().unwrap();
    let (code, text) = refused(serve(&[&listen[..], &[root, "--max-file-size=100"]].concat()));
    assert!(code == 3 && text.contains("acme/accounts.csv"), "{code} {text}");
    drop(DaemonProcess::launch(serve(&[&listen[..], &[root, "--max-file-size=1MiB"]].concat())));
}

#[test]
fn variables_set_what_no_option_sets() {
    let mut command = serve(&["--admin-listen", "127.0.0.1:0"]);
    command
        .env("SWITCHBOARD_LISTEN", "127.0.0.1:0,127.0.0.1:0")
        .env("SWITCHBOARD_ADMIN_LISTEN", "192.0.2.1:1");
    let daemon = DaemonProcess::launch(command);
    assert_eq!(split(&daemon.data).len(), 2);
}
