//! A broker: a process of nats-server with a store of its own.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use switchboard_fleet::bus::{Bus, BusError, BusSettings, Unreachable};
use tempfile::TempDir;

use crate::daemon::command;

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running or killed broker. Its folder is removed with it.
pub struct Broker {
    /// The program of the server, behind what launches it.
    command: Vec<OsString>,
    folder: TempDir,
    /// Lines that follow the port and the store in the configuration.
    config: String,
    port: u16,
    child: Option<Child>,
}

/// Returns the servers that are tested: those of `SWITCHBOARD_NATS_SERVERS`, by default `nats-server`. The oldest
/// one is the first, and the newest one the last.
#[must_use]
pub fn programs() -> Vec<PathBuf> {
    let listed = std::env::var("SWITCHBOARD_NATS_SERVERS").unwrap_or_else(|_| "nats-server".to_owned());
    listed.split(':').map(PathBuf::from).collect()
}

impl Broker {
    /// Starts a broker without users and TLS.
    ///
    /// # Errors
    /// Returns an error if the program does not start, or is not ready within 30 s.
    pub fn start(program: &Path) -> io::Result<Broker> {
        Broker::start_with(program, "", &[])
    }

    /// Starts a broker with more lines of configuration, and with files in its folder. The text `FOLDER` in the
    /// configuration stands for the folder.
    ///
    /// # Errors
    /// Returns an error if the program does not start, or is not ready within 30 s.
    pub fn start_with(program: &Path, config: &str, files: &[(&str, &str)]) -> io::Result<Broker> {
        Broker::start_command(vec![program.into()], config, files)
    }

    /// Starts a broker without users and TLS by a launcher: a program with its arguments that executes another, such as
    /// one that ties it to this process. An empty launcher starts the broker itself.
    ///
    /// # Errors
    /// Returns an error if the program does not start, or is not ready within 30 s.
    pub fn start_under(launcher: &[OsString], program: &Path) -> io::Result<Broker> {
        Broker::start_command(command(launcher, program), "", &[])
    }

    fn start_command(command: Vec<OsString>, config: &str, files: &[(&str, &str)]) -> io::Result<Broker> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            fs::write(folder.path().join(name), text)?;
        }
        let config = config.replace("FOLDER", &folder.path().display().to_string());
        let mut broker = Broker { command, folder, config, port: 0, child: None };
        broker.restart()?;
        Ok(broker)
    }

    /// Prepares a broker that is not started. Its port is free at the moment.
    ///
    /// # Errors
    /// Returns an error if the program does not start, or is not ready within 30 s.
    pub fn prepared(program: &Path) -> io::Result<Broker> {
        let mut broker = Broker::start(program)?;
        broker.kill();
        Ok(broker)
    }

    /// Starts the broker again on its port, and waits until it is ready.
    ///
    /// # Errors
    /// Returns an error if the broker runs, or if it is not ready within 30 s.
    pub fn restart(&mut self) -> io::Result<()> {
        if self.child.is_some() {
            return Err(io::Error::other("the broker runs"));
        }
        let folder = self.folder.path();
        // -1: the system chooses the port.
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{}\n",
            folder.join("store").display(),
            self.config
        );
        fs::write(folder.join("broker.conf"), config)?;
        let [program, launched @ ..] = self.command.as_slice() else {
            return Err(io::Error::other("no program"));
        };
        let mut child = Command::new(program)
            .args(launched)
            .arg("--config")
            .arg(folder.join("broker.conf"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
        let (sender, receiver) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            // Reads until the broker ends, because a full pipe would stop it.
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        self.child = Some(child);
        let mut log = Vec::new();
        while let Ok(line) = receiver.recv_timeout(START_TIMEOUT) {
            if let Some((_, address)) = line.split_once("Listening for client connections on ")
                && let Some(port) = address.rsplit(':').next().and_then(|port| port.trim().parse().ok())
            {
                self.port = port;
            }
            if line.contains("Server is ready") {
                return Ok(());
            }
            log.push(line);
        }
        self.kill();
        Err(io::Error::other(format!("the broker did not start:\n{}", log.join("\n"))))
    }

    /// Kills the broker as `kill -9` does, if it runs.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Removes everything that the broker has stored.
    ///
    /// # Errors
    /// Returns an error if the broker runs, or if a file cannot be removed.
    pub fn lose_memory(&self) -> io::Result<()> {
        if self.child.is_some() {
            return Err(io::Error::other("the broker runs"));
        }
        fs::remove_dir_all(self.path("store"))
    }

    /// Stops the process, so that connections stay open without an answer.
    ///
    /// # Errors
    /// Returns an error if the broker does not run.
    pub fn freeze(&self) -> io::Result<()> {
        let pid = self.pid()?;
        kill_process(pid, Signal::STOP)?;
        // The signal stops one thread after the other.
        waitpid(Some(pid), WaitOptions::UNTRACED)?;
        Ok(())
    }

    /// Continues a stopped process.
    ///
    /// # Errors
    /// Returns an error if the broker does not run.
    pub fn thaw(&self) -> io::Result<()> {
        Ok(kill_process(self.pid()?, Signal::CONT)?)
    }

    fn pid(&self) -> io::Result<Pid> {
        let id = self.child.as_ref().and_then(|child| child.id().try_into().ok());
        id.and_then(Pid::from_raw).ok_or_else(|| io::Error::other("the broker does not run"))
    }

    /// Returns the port of the broker on 127.0.0.1, which it keeps.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path of a file in the folder of the broker.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the settings of a connection, with the prefix `test`.
    #[must_use]
    pub fn settings(&self) -> BusSettings {
        BusSettings {
            urls: format!("nats://127.0.0.1:{}", self.port),
            prefix: "test".to_owned(),
            name: "a test".to_owned(),
            ..BusSettings::default()
        }
    }

    /// Returns settings with a user and the password `secret` in the URL.
    #[must_use]
    pub fn settings_of(&self, user: &str) -> BusSettings {
        BusSettings { urls: format!("nats://{user}:secret@127.0.0.1:{}", self.port), ..self.settings() }
    }

    /// Connects to the broker.
    ///
    /// # Errors
    /// Returns the error of the connection.
    pub async fn bus(&self) -> Result<Bus, BusError> {
        Bus::connect(&self.settings(), Unreachable::Fail).await
    }

    /// Connects to the broker and creates the buckets.
    ///
    /// # Errors
    /// Returns the error of the connection, or of the broker.
    pub async fn initialized(&self) -> Result<Bus, BusError> {
        let bus = self.bus().await?;
        bus.init(1).await?;
        Ok(bus)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
