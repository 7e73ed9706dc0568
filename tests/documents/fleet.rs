//! The page about the fleet: its commands, its permissions and its leaf node, as a reader would use them.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use switchboard_fleet::bus::{Bucket, Bus, BusSettings, DEFAULT_PREFIX, Unreachable};
use switchboard_fleet::publish::{Publisher, Store};

use super::root;
use crate::cli::{stderr, stdout};
use crate::expected::{acme, edit};
use crate::harness::{DaemonProcess, wait_until};
use crate::tls::certificates::{Certificates, connect_with};
use fleet_testbed::broker::{Broker, programs};

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn page() -> String {
    fs::read_to_string(root().join("docs/fleet.md")).unwrap()
}

/// Returns the blocks of code of a language, in the order of the page.
fn blocks(language: &str) -> Vec<String> {
    let (page, begin) = (page(), format!("```{language}\n"));
    let blocks = page.split(&begin).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Returns the block that has a text.
fn block_with(language: &str, text: &str) -> String {
    blocks(language).into_iter().find(|block| block.contains(text)).unwrap()
}

/// Runs a command with a user of the broker, whose password is `secret`.
fn run(url: &str, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(arguments)
        .env("SWITCHBOARD_FLEET", url)
        .output()
        .unwrap()
}

fn bus(url: &str) -> (tokio::runtime::Runtime, Bus, BusSettings) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let settings = BusSettings {
        urls: url.to_owned(),
        prefix: DEFAULT_PREFIX.to_owned(),
        name: "a test".to_owned(),
        ..BusSettings::default()
    };
    let bus = runtime.block_on(Bus::connect(&settings, Unreachable::Fail)).unwrap();
    (runtime, bus, settings)
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn permissions_of_the_page_are_enough_and_not_more() {
    let users = block_with("text", "authorization {");
    let users = ["ADMIN", "PUBLISHER", "REPLICA"]
        .iter()
        .fold(users, |users, name| users.replace(&format!("${name}_PASSWORD"), "secret"));
    let broker = Broker::start_with(&programs()[0], &users, &[]).unwrap();
    let [admin, publisher, replica] =
        ["admin", "publisher", "replica"].map(|user| broker.settings_of(user).urls);
    let succeed = |url: &str, arguments: &[&str]| {
        let output = run(url, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    };
    succeed(&admin, &["fleet", "init"]);
    let registry = acme();
    let folder = registry.path().to_str().unwrap();
    succeed(&publisher, &["fleet", "publish", folder]);
    let _ = fs::remove_file(registry.path().join("acme/tests.toml"));
    edit(registry.path(), "acme/accounts.csv", "wa-emea-gb-1,", "wa-emea-gb-one,");
    succeed(&publisher, &["fleet", "publish", folder]);
    // Also what publishing does only after an hour.
    let (runtime, as_publisher, settings) = bus(&publisher);
    runtime.block_on(async {
        let store = as_publisher.snapshots().await.unwrap();
        let name = format!("{}.swb", "0".repeat(64));
        store.put(&*name, &mut &b"of no release"[..]).await.unwrap();
    });
    succeed(&publisher, &["fleet", "rollback"]);
    assert!(stdout(&run(&publisher, &["fleet", "status"])).contains("generation"));
    runtime.block_on(async {
        let publisher = Publisher::new(as_publisher.clone(), &settings, Store::Broker).unwrap();
        assert_eq!(publisher.sweep(Duration::ZERO).await.unwrap(), 1);
        let error = as_publisher.put(Bucket::Release, "epoch", b"x".to_vec()).await.unwrap_err();
        assert!(error.to_string().to_lowercase().contains("permissions violation"), "{error}");
    });

    succeed(&replica, &["check", &replica]);
    let before = stdout(&run(&replica, &["fleet", "status", "--format", "json"]));
    let output = run(&replica, &["fleet", "publish", folder]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let (runtime, as_replica, _) = bus(&replica);
    runtime.block_on(async {
        for key in ["current", "rollout", "epoch"] {
            let error = as_replica.put(Bucket::Release, key, b"x".to_vec()).await.unwrap_err();
            assert!(error.to_string().to_lowercase().contains("permissions violation"), "{key}: {error}");
        }
        as_replica.put(Bucket::Status, "replica-1", b"{}".to_vec()).await.unwrap();
        as_replica.put(Bucket::Standings, "acme.wa", b"{}".to_vec()).await.unwrap();
    });
    let after = stdout(&run(&publisher, &["fleet", "status", "--format", "json"]));
    let release = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["release"].clone();
    assert_eq!(release(&after), release(&before));
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn leaf_node_of_the_page_reaches_the_broker() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hub = block_with("text", "leafnodes { listen")
        .replace("0.0.0.0:7422", &format!("127.0.0.1:{port}"))
        .replace("/var/lib/nats", "FOLDER/store");
    let hub = Broker::start_with(&programs()[0], &hub, &[]).unwrap();
    let leaf = block_with("text", "leafnodes { remotes")
        .replace("broker.example:7422", &format!("127.0.0.1:{port}"));
    // The helper gives each server a JetStream.
    let leaf = Broker::start_with(&programs()[0], &format!("jetstream: disabled\n{leaf}"), &[]).unwrap();
    let (hub, leaf) = (hub.settings().urls, leaf.settings().urls);
    assert!(run(&hub, &["fleet", "init"]).status.success());
    let registry = acme();
    let folder = registry.path().to_str().unwrap();
    // The connection of the leaf node may come after its start.
    wait_until("the release through the leaf node", || {
        run(&leaf, &["fleet", "publish", folder]).status.success()
    });
    let output = run(&hub, &["check", &leaf]);
    assert!(output.status.success(), "{}", stderr(&output));
    let status = |url: &str| stdout(&run(url, &["fleet", "status", "--format", "json"]));
    assert_eq!(status(&hub), status(&leaf));
}

#[test]
#[cfg_attr(
    not(all(has_nats_server, has_nginx)),
    ignore = "needs nats-server and nginx: apt-get install nats-server nginx"
)]
fn web_server_of_the_page_gives_snapshots_for_client_certificates_alone() {
    let certificates = Certificates::new();
    let client = certificates.client();
    let path = |name: &str| certificates.path(name).to_str().unwrap().to_owned();
    certificates.write("client.pem", &client.certificate);
    certificates.write("client.key", &client.key);
    let tls =
        format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", path("server.pem"), path("server.key"));
    let broker = Broker::start_with(&programs()[0], &tls, &[]).unwrap();
    let broker = format!("tls://localhost:{}", broker.port());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(at("blobs")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let lines = [
        ("443 ssl", format!("127.0.0.1:{port} ssl")),
        ("/srv/blobs", at("blobs")),
        ("/etc/nginx/blobs.pem", path("server.pem")),
        ("/etc/nginx/blobs.key", path("server.key")),
        ("/etc/nginx/replicas-ca.pem", path("ca.pem")),
    ];
    let lines = lines.iter().fold(block_with("nginx", "ssl_verify_client"), |lines, (of_page, here)| {
        assert!(lines.contains(of_page), "{of_page} in {lines}");
        lines.replace(of_page, here)
    });
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = paths.map(|name| format!("{name}_temp_path {};\n", at(name))).concat();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {};\nerror_log {};\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{lines}}}\n",
        at("pid"),
        at("log")
    );
    fs::write(at("nginx.conf"), whole).unwrap();
    let mut nginx = Command::new("nginx");
    let nginx = nginx.args(["-e", "stderr", "-c", &at("nginx.conf")]).stderr(Stdio::null()).spawn().unwrap();
    let _nginx = KilledOnDrop(nginx);
    let web = format!("127.0.0.1:{port}");
    wait_until("nginx listens", || TcpStream::connect(&web).is_ok());

    let (ca, certificate, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let identity = ["--fleet-ca", &ca, "--fleet-cert", &certificate, "--fleet-key", &key];
    let succeed = |arguments: &[&str]| {
        let output = run(&broker, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    };
    succeed(&["fleet", "init", "--fleet-ca", &ca]);
    let registry = acme();
    let (blobs, url) = (at("blobs"), format!("https://localhost:{port}/"));
    let publish = [
        "fleet",
        "publish",
        registry.path().to_str().unwrap(),
        "--blobs",
        &blobs,
        "--url",
        &url,
        "--fleet-ca",
        &ca,
    ];
    let output = run(&broker, &publish);
    assert!(
        stderr(&output).contains("cannot be read back") && stderr(&output).contains("400"),
        "{}",
        stderr(&output)
    );
    succeed(&[&publish[..], &identity[2..]].concat());

    let state = at("with");
    let with = DaemonProcess::start(
        &[&["--fleet", &broker, "--state", &state, "--spread", "0"], &identity[..]].concat(),
    );
    wait_until("the release is served", || with.status()["fleet"]["state"] == "serving");
    let stranger = Certificates::new().client();
    let identity = [
        ("replaced.pem", &stranger.certificate, &client.certificate),
        ("replaced.key", &stranger.key, &client.key),
    ];
    let [certificate, key] = identity.map(|(name, before, _)| certificates.write(name, before));
    let state = at("replaced");
    let options = ["--fleet", &broker, "--state", &state, "--spread", "0", "--fleet-ca", &ca];
    let identity_options = ["--fleet-cert", &certificate, "--fleet-key", &key];
    let replaced = DaemonProcess::start(&[&options[..], &identity_options].concat());
    wait_until("the fetch fails", || replaced.status()["fleet"]["reason"] == "fetch_failed");
    let detail = replaced.status()["fleet"]["detail"].to_string();
    assert!(detail.contains("localhost:") && detail.contains(" answered 400"), "{detail}");
    // The next fetch reads the files again. A new release comes before the next attempt.
    identity.iter().for_each(|(name, _, after)| drop(certificates.write(name, after)));
    succeed(&[&publish[..], &["--fleet-cert", &certificate, "--fleet-key", &key]].concat());
    wait_until("the release is served", || replaced.status()["fleet"]["state"] == "serving");
    // A client with a certificate gets files, and no names of files.
    let get = |target: &str| connect_with(&certificates.client_config(Some(&client)), &web).get(target);
    let names =
        fs::read_dir(at("blobs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names.chain([String::new()]) {
        let expected = if name.ends_with(".zst") { 200 } else { 403 };
        assert_eq!(get(&format!("/{name}")).status, expected, "{name}");
    }
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
fn first_commands_of_the_page_make_three_replicas_that_serve() {
    let commands = blocks("sh");
    let [first, second, ..] = &commands[..] else { panic!("two blocks: {commands:?}") };
    // Commands begin in the first column. A variable is none.
    let is_command =
        |line: &&str| !line.starts_with(' ') && !line.starts_with("export") && !line.starts_with("done");
    assert_eq!(first.lines().filter(is_command).count(), 5, "{first}");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    let registry = folder.path().join("config/demo");
    fs::rename(acme().keep(), &registry).unwrap();
    // Free ports in place of those of the page: six with a common beginning, and one for the broker.
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = u16::try_from(std::process::id() % 150).unwrap();
    let prefix = (0..150)
        .map(|at| 150 + (start + at) % 150)
        .find(|prefix| (1..=3).all(|n| is_free(prefix * 100 + n * 10) && is_free(prefix * 100 + n * 10 + 1)))
        .unwrap();
    let broker = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let script = first.replace(":74$", &format!(":{prefix}$")).replace("4222", &broker);
    assert_ne!(&script, first);
    let path = format!(
        "{}:{}",
        std::path::Path::new(env!("CARGO_BIN_EXE_switchboard")).parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).env("PATH", &path).env_remove("SWITCHBOARD_FLEET");
        command.current_dir(folder.path());
        command
    };
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut child = shell(&script)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let group = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if started.elapsed() > Duration::from_secs(60) => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let second = format!("export SWITCHBOARD_FLEET=nats://127.0.0.1:{broker}\nset -e\n{second}");
    let again = status.map(|_| shell(&second).output().unwrap());
    // The replicas and the broker still run.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{log}");
    assert!(log.contains("replicas  3 of 3 serve the release"), "{log}");
    let again = again.unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    let text = stdout(&again);
    assert!(text.contains("accounts removed: wa-emea-gb-3"), "{text}");
    assert_eq!(text.matches("published generation").count(), 2, "{text}");
}
