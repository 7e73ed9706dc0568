//! A fleet of the tests: a broker, a web server, and the state directories of replicas.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchboard_fleet::bus::{Bucket, CALL_TIMEOUT};
use switchboard_fleet::release::{CURRENT_KEY, Current, Encoding, ROLLOUT_KEY, Rollout, Source};
use switchboard_release::{Envelope, Manifest, SigningKey, Variant};
use switchboard_snapshot::{Snapshot, header};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{DaemonProcess, small_registry, wait_until};
use fleet_testbed::broker::{Broker, programs};

/// What the web server does with a request for a path.
#[derive(Clone)]
pub(crate) enum Behavior {
    File(Vec<u8>),
    /// Sends the first half, and then nothing more for as long as the client waits.
    Stall(Vec<u8>),
    /// Announces the whole length, and closes after the first half.
    Cut(Vec<u8>),
    Status(u16, &'static str),
}

/// A web server with files of the test. Each path has its behaviors in turn; the last one stays.
pub(crate) struct Web {
    address: String,
    files: Arc<Mutex<HashMap<String, Vec<Behavior>>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Web {
    pub(crate) fn start() -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (files, requests) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let web = Web { address, files: Arc::clone(&files), requests: Arc::clone(&requests) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, requests) = (Arc::clone(&files), Arc::clone(&requests));
                thread::spawn(move || answer(stream, &files, &requests));
            }
        });
        web
    }

    pub(crate) fn set(&self, path: &str, behaviors: Vec<Behavior>) {
        self.files.lock().unwrap().insert(path.to_owned(), behaviors);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the number of requests for a path.
    pub(crate) fn requests(&self, path: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|requested| *requested == path).count()
    }
}

fn answer(
    mut stream: TcpStream,
    files: &Mutex<HashMap<String, Vec<Behavior>>>,
    requests: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    requests.lock().unwrap().push(path.clone());
    let behavior = {
        let mut files = files.lock().unwrap();
        match files.get_mut(&path) {
            Some(behaviors) if behaviors.len() > 1 => behaviors.remove(0),
            Some(behaviors) => behaviors[0].clone(),
            None => Behavior::Status(404, ""),
        }
    };
    let (bytes, sent, stalls) = match behavior {
        Behavior::File(bytes) => (bytes.clone(), bytes.len(), false),
        Behavior::Cut(bytes) => (bytes.clone(), bytes.len() / 2, false),
        Behavior::Stall(bytes) => (bytes.clone(), bytes.len() / 2, true),
        Behavior::Status(status, headers) => {
            let _ = write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\n{headers}\r\n");
            return;
        }
    };
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
    let _ = stream.write_all(&bytes[..sent]);
    if stalls {
        // Ends when the client closes the connection.
        let _ = stream.read(&mut byte);
    }
}

/// A fleet with a publisher: a broker, a web server, and the state directories of replicas.
pub(crate) struct Site {
    pub(crate) broker: Broker,
    pub(crate) runtime: Runtime,
    pub(crate) web: Web,
    pub(crate) folder: TempDir,
}

/// A release before it is published.
pub(crate) struct Release {
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
    /// The path of the snapshot at the web server.
    pub(crate) path: String,
    pub(crate) source: Source,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site::on(&programs()[0])
    }

    /// Starts the broker of a program.
    pub(crate) fn on(program: &Path) -> Site {
        let broker = Broker::start(program).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let site = Site { broker, runtime, web: Web::start(), folder: tempfile::tempdir().unwrap() };
        site.init();
        site
    }

    /// Creates the buckets.
    pub(crate) fn init(&self) {
        self.runtime.block_on(self.broker.initialized()).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        self.broker.settings().urls
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.state(name).to_str().unwrap().to_owned()
    }

    /// Starts a replica with an id, which is also the name of its state directory.
    pub(crate) fn replica(&self, id: &str, more: &[&str]) -> DaemonProcess {
        DaemonProcess::start(&self.options(id, more).iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn options(&self, id: &str, more: &[&str]) -> Vec<String> {
        self.options_at(&self.url(), id, more)
    }

    /// Returns the options of a replica that reaches the broker at another URL.
    pub(crate) fn options_at(&self, url: &str, id: &str, more: &[&str]) -> Vec<String> {
        let options = ["--fleet", url, "--state", &self.path(id), "--replica-id", id];
        let options = [&options, ["--fleet-prefix", "test", "--spread", "0"].as_slice(), more].concat();
        options.iter().map(|option| (*option).to_owned()).collect()
    }

    /// Prepares a release of these companies, and puts its snapshot on the web server.
    pub(crate) fn release(&self, generation: u64, companies: &[&str]) -> Release {
        self.release_of(&small_registry::snapshot(generation, companies))
    }

    /// Prepares a release of a snapshot, and puts the snapshot on the web server.
    pub(crate) fn release_of(&self, snapshot: &Snapshot) -> Release {
        let bytes = snapshot.bytes().to_vec();
        let mut manifest = Manifest::new(snapshot.generation(), "2026-11-28T12:00:00Z".parse().unwrap());
        manifest.variants.push(Variant {
            schema: format!("{:016x}", header::schema_digest()),
            size: bytes.len() as u64,
            digest: snapshot.digest(),
            content: snapshot.content_digest(),
        });
        let path = format!("/{}.swb", snapshot.digest());
        self.web.set(&path, vec![Behavior::File(bytes.clone())]);
        let source = Source {
            digest: snapshot.digest(),
            encoding: Encoding::Identity,
            size: bytes.len() as u64,
            urls: vec![self.web.url(&path)],
        };
        Release { bytes, manifest, path, source }
    }

    /// Sets the release, signed with these keys.
    pub(crate) fn publish(&self, release: &Release, keys: &[&SigningKey]) {
        let mut envelope = Envelope::new(&release.manifest);
        keys.iter().for_each(|key| envelope.sign(key));
        let manifest = String::from_utf8(envelope.to_json()).unwrap().trim_end().to_owned();
        let current = Current {
            manifest: RawValue::from_string(manifest).unwrap(),
            sources: vec![release.source.clone()],
        };
        self.put(CURRENT_KEY, current.to_json());
    }

    pub(crate) fn roll_out(&self, generation: u64, percent: u8) {
        self.put(ROLLOUT_KEY, Rollout { generation, percent }.to_json());
    }

    /// Sets a value of the release by compare-and-set. Repeats what a busy broker does not answer in time.
    #[track_caller]
    pub(crate) fn put(&self, key: &str, value: Vec<u8>) {
        let put = async || {
            let bus = self.broker.bus().await?;
            let revision = bus.get(Bucket::Release, key).await?.map_or(0, |entry| entry.revision);
            bus.update(Bucket::Release, key, value.clone(), revision, CALL_TIMEOUT).await
        };
        wait_until("the broker takes the value", || self.runtime.block_on(put()).is_ok());
    }

    /// Returns the status that a replica wrote to the broker, or null.
    pub(crate) fn reported(&self, id: &str) -> Value {
        let get = async { self.broker.bus().await.unwrap().get(Bucket::Status, id).await };
        let value = self.runtime.block_on(get).unwrap().and_then(|entry| entry.value);
        value.map_or(Value::Null, |value| serde_json::from_slice(&value).unwrap())
    }
}

pub(crate) fn generation(daemon: &DaemonProcess) -> u64 {
    daemon.status()["snapshot"]["generation"].as_u64().unwrap_or(0)
}

/// Waits until a replica has a state with a reason, or null.
#[track_caller]
pub(crate) fn wait_for(daemon: &DaemonProcess, generation: u64, state: &str, reason: impl Into<Value>) {
    let reason = reason.into();
    let is_reached = || {
        let fleet = &daemon.status()["fleet"];
        (&fleet["release_generation"], &fleet["state"], &fleet["reason"])
            == (&json!(generation), &json!(state), &reason)
    };
    wait_until(&format!("generation {generation} is {state} {reason}"), is_reached);
}

#[track_caller]
pub(crate) fn wait_until_served(daemon: &DaemonProcess, generation_of: u64) {
    wait_for(daemon, generation_of, "serving", Value::Null);
    assert_eq!(generation(daemon), generation_of);
}

pub(crate) fn is_connected(daemon: &DaemonProcess) -> bool {
    daemon.status()["fleet"]["connected"] == true
}

/// Sets a standing. Returns the status, and how far the change has come.
pub(crate) fn set(daemon: &DaemonProcess, account: &str, body: &str) -> (u16, String) {
    let (status, answer) = daemon.admin("PUT", &format!("/v1/standings/acme/{account}"), body);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    (status, answer["reach"].as_str().or(answer["code"].as_str()).unwrap_or_default().to_owned())
}

pub(crate) fn clear(daemon: &DaemonProcess, account: &str) -> (u16, String) {
    let (status, answer) = daemon.admin("DELETE", &format!("/v1/standings/acme/{account}"), "");
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn standing(daemon: &DaemonProcess, account: &str) -> Value {
    let (_, answer) = daemon.admin("GET", &format!("/v1/standings/acme/{account}"), "");
    serde_json::from_str::<Value>(&answer).unwrap()["standing"].clone()
}
