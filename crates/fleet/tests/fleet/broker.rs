//! A broker for a test: a process of nats-server with a store of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use switchboard_fleet::bus::{Bus, BusSettings, Unreachable};
use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running or killed broker. Its folder is removed with it.
pub(crate) struct Broker {
    program: PathBuf,
    folder: TempDir,
    /// Lines that follow the port and the store in the configuration.
    config: String,
    port: u16,
    child: Option<Child>,
}

/// Returns the servers that are tested.
pub(crate) fn programs() -> Vec<PathBuf> {
    let listed = std::env::var("SWITCHBOARD_NATS_SERVERS").unwrap_or_else(|_| "nats-server".to_owned());
    listed.split(':').map(PathBuf::from).collect()
}

impl Broker {
    /// Starts a broker without users and TLS.
    pub(crate) fn start(program: &Path) -> Broker {
        Broker::start_with(program, "", &[])
    }

    /// Starts a broker with more lines of configuration, and with files in its folder. The text `FOLDER` in the
    /// configuration stands for the folder.
    pub(crate) fn start_with(program: &Path, config: &str, files: &[(&str, &str)]) -> Broker {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let config = config.replace("FOLDER", folder.path().to_str().unwrap());
        let mut broker = Broker { program: program.to_owned(), folder, config, port: 0, child: None };
        broker.restart();
        broker
    }

    /// Prepares a broker that is not started. Its port is free at the moment.
    pub(crate) fn prepared(program: &Path) -> Broker {
        let mut broker = Broker::start(program);
        broker.kill();
        broker
    }

    /// Starts the broker again on its port, and waits until it is ready.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "the broker runs");
        let folder = self.folder.path();
        // -1: the system chooses the port.
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{}\n",
            folder.join("store").display(),
            self.config
        );
        fs::write(folder.join("broker.conf"), config).unwrap();
        let mut child = Command::new(&self.program)
            .arg("--config")
            .arg(folder.join("broker.conf"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        // Reads until the broker ends, because a full pipe would stop it.
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        self.child = Some(child);
        let mut log = Vec::new();
        loop {
            let line = receiver.recv_timeout(START_TIMEOUT);
            let line = line.unwrap_or_else(|_| panic!("the broker did not start:\n{}", log.join("\n")));
            if let Some((_, address)) = line.split_once("Listening for client connections on ") {
                self.port = address.rsplit(':').next().unwrap().trim().parse().unwrap();
            }
            let ready = line.contains("Server is ready");
            log.push(line);
            if ready {
                return;
            }
        }
    }

    /// Kills the broker as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Removes everything that the broker has stored. It must not run.
    pub(crate) fn lose_memory(&self) {
        assert!(self.child.is_none(), "the broker runs");
        fs::remove_dir_all(self.folder.path().join("store")).unwrap();
    }

    /// Stops the process, so that connections stay open without an answer.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        // The signal stops one thread after the other.
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap();
    }

    /// Continues a stopped process.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.as_ref().unwrap().id().try_into().unwrap()).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn settings(&self) -> BusSettings {
        BusSettings {
            urls: format!("nats://127.0.0.1:{}", self.port),
            prefix: "test".to_owned(),
            name: "a test".to_owned(),
            ..BusSettings::default()
        }
    }

    /// Returns settings with a user and a password in the URL.
    pub(crate) fn settings_of(&self, user: &str) -> BusSettings {
        BusSettings { urls: format!("nats://{user}:secret@127.0.0.1:{}", self.port), ..self.settings() }
    }

    /// Connects to the broker.
    pub(crate) async fn bus(&self) -> Bus {
        Bus::connect(&self.settings(), Unreachable::Fail).await.unwrap()
    }

    /// Connects to the broker and creates the buckets.
    pub(crate) async fn initialized(&self) -> Bus {
        let bus = self.bus().await;
        bus.init(1).await.unwrap();
        bus
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}
