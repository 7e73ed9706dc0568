//! The daemon under test: one that is started for each run, or one that is already running.

use super::{
    admin::{AdminClient, Metrics},
    options::{Options, client_error},
};
use crate::{
    child::Daemon,
    error::{Error, Result},
    report::model::RegistryFacts,
    scenario::Access,
};
use rcgen::CertifiedKey;
use rustls::ClientConfig;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::Arc,
};
use switchboard_client::{Address, Endpoint, Token, trust};
use switchboard_snapshot::{Header, header};

/// Even, because the first of two registries has the even generations.
pub(crate) const FIRST_GENERATION: u64 = 2;

pub(crate) enum TestTarget {
    Own(OwnDaemon),
    Running { data: Box<Endpoint>, admin: Box<Option<AdminClient>> },
}

pub(crate) struct OwnDaemon {
    pub(super) program: PathBuf,
    /// Folder of the snapshots and the journal.
    pub(super) folder: PathBuf,
    /// Snapshot of each registry. Generation `n` is that at `n` modulo their number.
    pub(super) compiled: Vec<PathBuf>,
    pub(super) workers: usize,
    pub(super) cores: Vec<u32>,
    pub(super) has_journal: bool,
    pub(super) access: OwnAccess,
}

/// How clients reach an own daemon: the options of the daemon, and the trust and the credential of clients.
#[derive(Default)]
pub(super) struct OwnAccess {
    /// Option and file.
    options: Vec<(&'static str, PathBuf)>,
    socket: Option<PathBuf>,
    config: Option<Arc<ClientConfig>>,
    token: Option<Token>,
}

impl OwnAccess {
    /// Makes a certificate and a token as the scenario needs them, and writes their files to the folder.
    pub(super) fn prepare(program: &Path, folder: &Path, ways: &BTreeSet<Access>) -> Result<Self> {
        let mut access = Self::default();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Error::io("write", &path)).map(|()| path)
        };
        for way in ways {
            match way {
                Access::Unix => access.socket = Some(folder.join("data.sock")),
                Access::Tls => {
                    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
                    let failed = |error| Error::Refused(format!("no certificate: {error}"));
                    let CertifiedKey { cert, signing_key } =
                        rcgen::generate_simple_self_signed(names).map_err(failed)?;
                    let certificate = write("server.pem", &cert.pem())?;
                    let config = trust(Some(&certificate)).map_err(|error| client_error("", error))?;
                    access.config = Some(Arc::new(config));
                    let key = write("server.key", &signing_key.serialize_pem())?;
                    access.options.extend([("--tls-cert", certificate), ("--tls-key", key)]);
                }
                Access::Token => {
                    let made = Command::new(program).args(["token", "loadtest"]).output();
                    let made = made.map_err(Error::io("run", program))?;
                    let token = write("token", &String::from_utf8_lossy(&made.stdout))?;
                    access.token = Token::read(Some(&token)).map_err(|error| client_error("", error))?;
                    let everything = r#"["select", "explain", "read", "standings", "metrics"]"#;
                    let lines = String::from_utf8_lossy(&made.stderr).replace(r#"["select"]"#, everything);
                    access.options.push(("--principals", write("principals.toml", &lines)?));
                }
            }
        }
        Ok(access)
    }

    /// Returns whether clients connect as they do to the null server.
    pub(super) fn is_plain_tcp(&self) -> bool {
        self.socket.is_none() && self.config.is_none()
    }

    /// Returns the endpoint of a listener, by the address that the daemon logs.
    fn endpoint(&self, address: &str) -> Result<Endpoint> {
        let scheme = match &self.config {
            _ if address.starts_with("unix:") => "",
            Some(_) => "https://",
            None => "http://",
        };
        let address = Address::from_url(&format!("{scheme}{address}"));
        let endpoint = address.and_then(|it| Endpoint::new(&it, self.config.clone(), self.token.clone()));
        endpoint.map_err(|error| client_error("", error))
    }
}

/// A daemon that is listening.
pub(crate) struct Instance {
    /// The process, if the load test has started it.
    pub(super) daemon: Option<Daemon>,
    pub(crate) data: Endpoint,
    pub(crate) admin: Option<AdminClient>,
}

impl OwnDaemon {
    fn served(&self) -> PathBuf {
        self.folder.join("served.swb")
    }

    /// Returns the path of a snapshot that is written before the run, because the copy would take time from the
    /// sender.
    pub(super) fn prepared(&self, generation: u64) -> PathBuf {
        self.folder.join(format!("generation-{generation}.swb"))
    }

    /// Returns the arguments of the daemon. The system chooses its ports.
    fn arguments(&self, snapshot: &Path, journal: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["serve", "--admin-listen", "127.0.0.1:0", "--log-format", "json", "--listen"]
                .map(OsString::from)
                .into();
        arguments.push(match &self.access.socket {
            Some(path) => format!("unix:{}", path.display()).into(),
            None => "127.0.0.1:0".into(),
        });
        arguments.extend(["--snapshot".into(), snapshot.into()]);
        arguments.extend(self.access.options.iter().flat_map(|(name, file)| [(*name).into(), file.into()]));
        if self.has_journal {
            arguments.extend(["--standings".into(), journal.into()]);
        }
        arguments.extend(["--workers".into(), self.workers.to_string().into()]);
        arguments
    }

    pub(super) fn command(&self) -> String {
        let arguments = self.arguments(Path::new("FILE"), Path::new("FILE"));
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        format!("switchboard {}", arguments.join(" "))
    }

    pub(super) fn write_snapshot(&self, generation: u64, to: &Path) -> Result<()> {
        let turn = usize::try_from(generation).unwrap_or(0) % self.compiled.len().max(1);
        self.compiled.get(turn).map_or(Ok(()), |compiled| number_snapshot(compiled, to, generation))
    }

    /// Replaces the served snapshot by one rename.
    pub(super) fn serve(&self, generation: u64) -> Result<()> {
        self.replace_served(|next| match self.prepared(generation) {
            prepared if prepared.exists() => {
                fs::hard_link(&prepared, next).map_err(Error::io("put in place", prepared))
            }
            _ => self.write_snapshot(generation, next),
        })
    }

    /// Replaces the served snapshot with a copy that has one wrong bit.
    pub(super) fn serve_corrupt(&self) -> Result<()> {
        let served = self.served();
        let mut bytes = fs::read(&served).map_err(Error::io("read", &served))?;
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
        self.replace_served(|next| fs::write(next, &bytes).map_err(Error::io("write", next)))
    }

    fn replace_served(&self, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let next = self.folder.join("next.swb");
        // Because a rename of a hard link over another link of the same file does nothing and keeps both.
        let _ = fs::remove_file(&next);
        write(&next)?;
        fs::rename(&next, self.served()).map_err(Error::io("put in place", &next))
    }
}

impl TestTarget {
    /// Returns the header `Authorization` of the clients, or an empty text.
    pub(super) fn authorization(&self) -> String {
        match self {
            TestTarget::Own(own) => own.access.token.as_ref().map_or_else(String::new, Token::header),
            TestTarget::Running { data, .. } => data.authorization(),
        }
    }

    /// Starts an own daemon with the first snapshot and without standings, or returns the running daemon.
    pub(crate) fn start(&self) -> Result<Instance> {
        match self {
            TestTarget::Running { data, admin } => {
                Ok(Instance { daemon: None, data: (**data).clone(), admin: (**admin).clone() })
            }
            TestTarget::Own(own) => {
                let journal = own.folder.join("standings");
                let _ = fs::remove_file(&journal);
                own.serve(FIRST_GENERATION)?;
                let arguments = own.arguments(&own.served(), &journal);
                let daemon = Daemon::start(&own.program, &arguments, &own.cores)?;
                let data = own.access.endpoint(&daemon.data)?;
                let admin = Some(AdminClient::new(own.access.endpoint(&daemon.admin)?));
                Ok(Instance { daemon: Some(daemon), data, admin })
            }
        }
    }

    /// Returns the facts about the registry. The numbers are from the daemon's metrics.
    pub(super) fn facts(&self, options: &Options, source: &str, metrics: Option<&Metrics>) -> RegistryFacts {
        let entries = |kind| metrics.map_or(0, |metrics| metrics.entries(kind));
        RegistryFacts {
            source: match (&options.registry, &options.queries) {
                (Some(folder), _) => folder.display().to_string(),
                (None, Some(queries)) => {
                    format!(
                        "unknown; queries from {}, only the form of answers is checked",
                        queries.display()
                    )
                }
                (None, None) => source.to_owned(),
            },
            companies: entries("companies"),
            ous: entries("ous"),
            pools: entries("pools"),
            accounts: entries("accounts"),
            snapshot_bytes: metrics.map(Metrics::snapshot_bytes),
        }
    }
}

impl Instance {
    pub(crate) fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(|daemon| daemon.pid)
    }

    /// Returns the exit status and the last log lines of an own daemon if it has ended.
    pub(super) fn ended(&self) -> Option<String> {
        self.daemon.as_ref()?.ended()
    }

    /// Stops an own daemon. The error is the reason why it ended before or did not exit with 0.
    pub(super) fn stop(self) -> std::result::Result<(), String> {
        if let Some(reason) = self.ended() {
            return Err(reason);
        }
        match self.exit_status() {
            Ok(Some(status)) if !status.success() => Err(format!("{status} after SIGTERM")),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Stops an own daemon and returns its exit status.
    pub(crate) fn exit_status(self) -> Result<Option<ExitStatus>> {
        self.daemon.map(Daemon::stop).transpose()
    }
}

/// Copies a snapshot with another generation. A compilation would give the same bytes except for the header.
fn number_snapshot(from: &Path, to: &Path, generation: u64) -> Result<()> {
    let mut bytes = fs::read(from).map_err(Error::io("read", from))?;
    let known = Header::read(&bytes).map_err(|error| {
        Error::Refused(format!(
            "{}: {error}; the daemon and the load test are of different builds: build both again",
            from.display()
        ))
    })?;
    if let Some((head, body)) = bytes.split_at_mut_checked(header::LEN) {
        head.copy_from_slice(&Header { generation, ..known }.seal(body));
    }
    fs::write(to, bytes).map_err(Error::io("write", to))
}
