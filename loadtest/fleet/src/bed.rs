//! A fleet that is measured: a broker, daemons, simulated replicas, and a registry that is published.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use generator::{Error, RegistryArguments, Result, SeededRng, generate_registry, write_variant};
use serde_json::{Value, json};
use switchboard_fleet::bus::{Bucket, Bus};
use switchboard_fleet::release::CURRENT_KEY;
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::board::{Board, Micros, micros};
use crate::broker::Broker;
use crate::daemon::{Daemon, DaemonSettings, LogLine, StartingDaemon, command};
use crate::http::Client;
use crate::simulated::{Seen, SimulatedReplica, SimulatedSettings};

/// The company of a generated registry.
pub const COMPANY: &str = "corp";
/// The subject of the board for a release that a replica puts in service.
const RELEASE: &str = "release";
/// Exceeds every floor: a wait that takes longer is a failure.
pub const PATIENCE: Duration = Duration::from_secs(120);

const CHANNELS: [&str; 4] = ["whatsapp", "sms", "imessage", "signal"];
const COUNTRIES: [&str; 12] = ["GB", "DE", "FR", "US", "CH", "JP", "BR", "IN", "SG", "NL", "PL", "KE"];

/// The size of a fleet and its programs.
#[derive(Debug, Clone)]
pub struct BedSettings {
    /// The number of real daemons.
    pub daemons: usize,
    /// The number of simulated replicas.
    pub simulated: usize,
    /// The number of accounts of the registry.
    pub accounts: usize,
    /// The program of the broker.
    pub nats_server: PathBuf,
    /// The program of the daemon.
    pub switchboard: PathBuf,
    /// What precedes the programs of the broker and of daemons, so that they end with this process.
    pub launcher: Vec<OsString>,
}

/// A running fleet, and its registry.
pub struct Bed {
    /// The settings.
    pub settings: BedSettings,
    /// Receives what replicas have, and when.
    pub board: Arc<Board>,
    /// The simulated replicas.
    pub simulated: Vec<SimulatedReplica>,
    /// The daemons.
    pub daemons: Vec<Daemon>,
    /// A connection to the broker.
    pub bus: Bus,
    /// The broker.
    pub broker: Broker,
    /// The registry.
    pub registry: Registry,
    /// Turns between the two contents of the registry.
    turn: usize,
    /// Removed at the end, after the processes that write it.
    pub folder: TempDir,
}

/// A generated registry with two contents.
#[derive(Debug)]
pub struct Registry {
    folders: [PathBuf; 2],
    /// The ids of all accounts.
    pub accounts: Vec<String>,
    ous: Vec<String>,
}

impl Registry {
    /// Generates a registry of this size, and a second one in which some accounts are suspended.
    ///
    /// # Errors
    /// Returns an error if the files cannot be written.
    pub fn generate(accounts: usize, folder: &Path) -> Result<Registry> {
        let folders = ["a", "b"].map(|name| folder.join(name));
        let [first, second] = &folders;
        let (ous, pools) = (accounts.div_ceil(10), accounts.div_ceil(50));
        let output = first.clone();
        generate_registry(&RegistryArguments { accounts, ous, pools, companies: 1, seed: 7, output })?;
        write_variant(first, second)?;
        let company = first.join(COMPANY);
        Ok(Registry {
            accounts: first_column(&company.join("accounts.csv"))?,
            ous: first_column(&company.join("ous.csv"))?,
            folders,
        })
    }

    /// Returns the folder of the first or of the second content.
    #[must_use]
    pub fn folder(&self, turn: usize) -> &Path {
        let [first, second] = &self.folders;
        if turn.is_multiple_of(2) { first } else { second }
    }

    /// Draws paths of selections.
    #[must_use]
    pub fn queries(&self, count: usize) -> Vec<String> {
        let mut rng = SeededRng::new(7, 0);
        let mut draw = || {
            let channel = rng.choose(&CHANNELS)?;
            let (ou, country) = (rng.choose(&self.ous)?, rng.choose(&COUNTRIES)?);
            let client = rng.below(1 << 30);
            Some(format!(
                "/v1/select?company={COMPANY}&channel={channel}&ou={ou}&country={country}&client=c-{client}"
            ))
        };
        (0..count).map_while(|_| draw()).collect()
    }
}

/// Returns the subject of the board for a simulated replica that has read everything since its last connection.
#[must_use]
pub fn current(number: usize) -> String {
    format!("current-{number}")
}

/// Returns the ids of a file that the generator wrote. They have no commas.
fn first_column(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(text.lines().skip(1).filter_map(|line| Some(line.split_once(',')?.0.to_owned())).collect())
}

impl Bed {
    /// Starts the fleet, publishes the registry, and waits until every replica serves it.
    ///
    /// Call it on a thread that outlives the fleet, because the broker and daemons end with the thread that starts
    /// them.
    ///
    /// # Errors
    /// Returns an error if a program does not start, or if a replica does not serve the release within two minutes.
    pub async fn start(settings: BedSettings) -> Result<Bed> {
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir();
        let folder = folder.map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let registry = Registry::generate(settings.accounts, folder.path())?;
        let broker = Broker::start_under(&settings.launcher, &settings.nats_server);
        let broker = broker.map_err(Error::io("start", &settings.nats_server))?;
        let bus = broker.initialized().await.map_err(|error| Error::Io(error.to_string()))?;
        let (board, daemons, simulated) = (Arc::default(), Vec::new(), Vec::new());
        let mut bed = Bed { settings, board, simulated, daemons, bus, broker, registry, turn: 0, folder };
        bed.expect_release();
        bed.publish()?;
        for number in 0..bed.settings.simulated {
            bed.simulated.push(bed.simulate(number));
        }
        let starting = (0..bed.settings.daemons).map(|number| bed.start_daemon(number));
        let starting = starting.collect::<Result<Vec<_>>>()?;
        for daemon in starting {
            bed.daemons.push(daemon.listening().map_err(Error::io("start", &bed.settings.switchboard))?);
        }
        bed.wait("serve the first release").await?;
        Ok(bed)
    }

    /// Returns the number of replicas.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.settings.daemons + self.settings.simulated
    }

    /// Makes the board wait for a release on every replica.
    pub fn expect_release(&self) {
        self.board.begin([(RELEASE.to_owned(), self.replicas())]);
    }

    /// Waits until every replica has what the board waits for. Returns the times of each subject.
    ///
    /// # Errors
    /// Returns an error after two minutes, with the number of the missing replicas.
    pub async fn wait(&self, what: &str) -> Result<HashMap<String, Vec<Micros>>> {
        self.board.wait(PATIENCE).await.map_err(|missing| {
            Error::Refused(format!("{missing} of the replicas did not {what} within {PATIENCE:?}"))
        })
    }

    fn simulate(&self, number: usize) -> SimulatedReplica {
        let board = Arc::clone(&self.board);
        let current = current(number);
        let observer = move |_, seen: Seen<'_>| match seen {
            Seen::InForce { key, .. } => board.note(&key.account, micros()),
            Seen::Serving { .. } => board.note(RELEASE, micros()),
            Seen::Current => board.note(&current, micros()),
        };
        let settings = SimulatedSettings::new(self.broker.settings(), format!("simulated-{number}"));
        SimulatedReplica::start(&Handle::current(), number, settings, Arc::new(observer))
    }

    /// Starts a daemon in the state directory of its number. Its log says when it had something in force.
    ///
    /// # Errors
    /// Returns an error if the program does not start.
    pub fn start_daemon(&self, number: usize) -> Result<StartingDaemon> {
        let bus = self.broker.settings();
        let settings = DaemonSettings::of_replica(
            &self.settings.launcher,
            &self.settings.switchboard,
            (&bus.urls, &bus.prefix),
            &self.folder.path().join(format!("state-{number}")),
            &format!("daemon-{number}"),
        );
        let board = Arc::clone(&self.board);
        let observer = move |line: &LogLine| match &*line.message {
            "standing set" | "standing removed" => {
                let account = line.members.get("account").and_then(Value::as_str);
                account.into_iter().for_each(|account| board.note(account, line.at));
            }
            "snapshot published" => board.note(RELEASE, line.at),
            _ => {}
        };
        let started = StartingDaemon::start(&settings, Arc::new(observer));
        started.map_err(Error::io("start", &self.settings.switchboard))
    }

    /// Returns a client of the admin listener of a daemon. The daemons take turns.
    #[must_use]
    pub fn admin(&self, number: usize) -> Option<Client> {
        let daemon = self.daemons.get(number % self.daemons.len().max(1))?;
        Some(Client::new(&daemon.admin))
    }

    /// Publishes the other content of the registry.
    ///
    /// # Errors
    /// Returns the output of a command that failed.
    pub fn publish(&mut self) -> Result<()> {
        self.turn += 1;
        let registry = self.registry.folder(self.turn - 1).as_os_str().to_owned();
        self.fleet(&["publish".into(), registry, "--confirm".into()])
    }

    /// Publishes the earlier content again.
    ///
    /// # Errors
    /// Returns the output of a command that failed.
    pub fn roll_back(&self) -> Result<()> {
        self.fleet(&["rollback".into()])
    }

    /// Runs a command of `switchboard fleet`.
    fn fleet(&self, arguments: &[OsString]) -> Result<()> {
        let bus = self.broker.settings();
        let command = command(&self.settings.launcher, &self.settings.switchboard);
        let [program, launched @ ..] = command.as_slice() else { return Ok(()) };
        let done = Command::new(program)
            .args(launched)
            .arg("fleet")
            .args(arguments)
            .args(["--fleet", &bus.urls, "--fleet-prefix", &bus.prefix])
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("run", program))?;
        if done.status.success() {
            return Ok(());
        }
        let output = [done.stdout, done.stderr].concat();
        Err(Error::Refused(format!("`switchboard fleet` failed:\n{}", String::from_utf8_lossy(&output))))
    }

    /// Returns the time of the broker's clock when it got the present value of `current`, and its generation.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer.
    pub async fn released(&self) -> Result<(Micros, u64)> {
        let entry = self.bus.get(Bucket::Release, CURRENT_KEY).await;
        let entry = entry.map_err(|error| Error::Io(error.to_string()))?;
        let read = entry.as_ref().and_then(|entry| {
            let current = switchboard_fleet::release::Current::parse(entry.value.as_ref()?).ok()?;
            Some((u64::try_from(entry.time_millis).ok()? * 1000, current.manifest(None).ok()?.generation))
        });
        read.ok_or_else(|| Error::Refused("the broker has no release".to_owned()))
    }

    /// Checks that every daemon serves a generation.
    ///
    /// # Errors
    /// Returns an error with the status of a daemon that serves another one.
    pub async fn check_generation(&self, generation: u64) -> Result<()> {
        for daemon in &self.daemons {
            let answer = Client::new(&daemon.admin).send("GET", "/status", "").await;
            let (_, status) = answer.map_err(|error| Error::Io(format!("{}: {error}", daemon.admin)))?;
            let read: Value = serde_json::from_str(&status).unwrap_or_default();
            if read.pointer("/snapshot/generation") != Some(&json!(generation)) {
                return Err(Error::Refused(format!("a daemon does not serve {generation}: {status}")));
            }
        }
        Ok(())
    }
}
