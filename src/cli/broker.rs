//! The connection of commands to the broker of a fleet, and the release of a fleet as the source of a command.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use switchboard_fleet::bus::{Bus, BusError, BusSettings, DEFAULT_PREFIX, Unreachable};
use switchboard_fleet::publish::{PublishError, Published, Publisher, Store};
use switchboard_release::{Variant, release_path};
use switchboard_snapshot::header;
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::CommandError;
use super::arguments::{FleetAccessArguments, FleetArguments};

/// A connection to the broker. Its runtime runs on a thread of its own, so that the connection stays alive while
/// the command compiles.
pub(super) struct Broker {
    settings: BusSettings,
    bus: Bus,
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    driver: Option<JoinHandle<()>>,
}

impl Broker {
    /// Connects to the broker that `--fleet` or the variable names.
    pub(super) fn connect(arguments: &FleetArguments) -> Result<Broker, CommandError> {
        let urls = arguments.fleet.clone().or_else(|| variable("SWITCHBOARD_FLEET"));
        let urls = urls.ok_or_else(|| {
            CommandError::usage(
                "the fleet has no broker: name it with --fleet nats://HOST:PORT, or in the variable SWITCHBOARD_FLEET",
            )
        })?;
        Broker::connect_to(&urls, &arguments.access)
    }

    /// Connects to the broker at these URLs.
    pub(super) fn connect_to(urls: &str, access: &FleetAccessArguments) -> Result<Broker, CommandError> {
        let settings = settings(urls, access)?;
        // The client of the broker takes the provider of the process. An earlier one is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: std::io::Error| {
            CommandError::io(format!("cannot start the client of the broker: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let drive = move || {
            let _ = runtime.block_on(ended);
        };
        let driver = std::thread::Builder::new().name("fleet".to_owned()).spawn(drive).map_err(failed)?;
        let bus = handle.block_on(Bus::connect(&settings, Unreachable::Fail));
        match bus {
            Ok(bus) => Ok(Broker { settings, bus, handle, end: Some(end), driver: Some(driver) }),
            Err(error) => {
                drop(end);
                let _ = driver.join();
                Err(error.into())
            }
        }
    }

    /// Runs a call to its end.
    pub(super) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.handle.block_on(call)
    }

    pub(super) fn publisher(&self, store: Store) -> Result<Publisher, CommandError> {
        Ok(Publisher::new(self.bus.clone(), &self.settings, store)?)
    }

    /// Returns the connection.
    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Describes the fleet for people, without user and password.
    fn describe(&self) -> String {
        format!("the fleet nats://{}", self.bus.servers())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end = None;
        if let Some(driver) = self.driver.take() {
            let _ = driver.join();
        }
    }
}

/// Returns the settings of the connection. Options override variables.
fn settings(urls: &str, access: &FleetAccessArguments) -> Result<BusSettings, CommandError> {
    let FleetAccessArguments { fleet_prefix, fleet_creds, fleet_ca, fleet_cert, fleet_key } = access;
    let file = |option: &Option<PathBuf>, name| option.clone().or_else(|| variable(name).map(PathBuf::from));
    let certificate = match (
        file(fleet_cert, "SWITCHBOARD_FLEET_CERT"),
        file(fleet_key, "SWITCHBOARD_FLEET_KEY"),
    ) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(CommandError::usage(
                "--fleet-cert and --fleet-key belong together: name the client certificate and its private key",
            ));
        }
    };
    let prefix = fleet_prefix.clone().or_else(|| variable("SWITCHBOARD_FLEET_PREFIX"));
    let settings = BusSettings {
        urls: urls.to_owned(),
        prefix: prefix.unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
        name: "switchboard command".to_owned(),
        credentials: file(fleet_creds, "SWITCHBOARD_FLEET_CREDS"),
        ca: file(fleet_ca, "SWITCHBOARD_FLEET_CA"),
        certificate,
    };
    settings.check()?;
    Ok(settings)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

impl From<BusError> for CommandError {
    fn from(error: BusError) -> CommandError {
        match error {
            BusError::Settings(_) => CommandError::usage(error.to_string()),
            BusError::Conflict(_) => {
                CommandError { may_pass: true, ..CommandError::failed(error.to_string()) }
            }
            _ => CommandError::io(error.to_string()),
        }
    }
}

impl From<PublishError> for CommandError {
    fn from(error: PublishError) -> CommandError {
        match error {
            PublishError::Bus(error) => error.into(),
            // A rollback must not be undone by a publisher that tries again.
            PublishError::Overtaken(Some(ref other)) if other.rollback_to.is_some() => {
                CommandError::failed(error.to_string())
            }
            PublishError::Overtaken(_) | PublishError::NotNewer { .. } | PublishError::Ahead(_) => {
                CommandError { may_pass: true, ..CommandError::failed(error.to_string()) }
            }
            // A release that was replaced may have been taken back on purpose.
            PublishError::Replaced(_) | PublishError::Invalid(_) | PublishError::Rejected { .. } => {
                CommandError::failed(error.to_string())
            }
            PublishError::Write { .. } | PublishError::NotReadable { .. } | PublishError::System(_) => {
                CommandError::io(error.to_string())
            }
        }
    }
}

/// The release of a fleet, fetched to a folder for temporary files.
pub(super) struct FetchedRelease {
    folder: TempDir,
    description: String,
    /// The snapshots of other versions of the program.
    pub(super) others: Vec<PathBuf>,
}

impl FetchedRelease {
    /// Returns the snapshot of this version. The signed manifest is beside it.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("release.swb")
    }

    /// Describes the fleet for people, without user and password.
    pub(super) fn describe(&self) -> &str {
        &self.description
    }
}

/// Returns whether a source is the release of a fleet.
pub(super) fn is_fleet(source: &Path) -> bool {
    source.to_str().is_some_and(|source| source.starts_with("nats://") || source.starts_with("tls://"))
}

/// Fetches the release that a fleet serves now, with the snapshots of other versions if they are wanted.
pub(super) fn fetch_release(
    source: &Path,
    access: &FleetAccessArguments,
    with_others: bool,
) -> Result<FetchedRelease, CommandError> {
    let broker = Broker::connect_to(source.to_str().unwrap_or_default(), access)?;
    let publisher = broker.publisher(Store::Broker)?;
    let description = broker.describe();
    let seen = broker.wait(publisher.read())?;
    let failed = |text: &str| CommandError::io(format!("{description}: {text}"));
    if let Some(fault) = seen.fault {
        return Err(failed(&fault));
    }
    let release = seen.release.ok_or_else(|| {
        failed("it has no release yet: publish one with `switchboard fleet publish SOURCE`")
    })?;
    let folder = temporary_folder()?;
    let schema = own_schema();
    let (own, others): (Vec<&Variant>, Vec<&Variant>) =
        release.manifest.variants.iter().partition(|variant| variant.schema == schema);
    let own = own.first().ok_or_else(|| {
        failed(
            "its release has no snapshot that this program can read: use the version that the replicas have",
        )
    })?;
    let file = folder.path().join("release.swb");
    fetch_to(&broker, &publisher, &release, own, folder.path(), &file)?;
    fs::write(release_path(&file), release.current.manifest.get()).map_err(|error| unwritable(&error))?;
    let mut other_files = Vec::new();
    for variant in others.into_iter().filter(|_| with_others) {
        let file = folder.path().join(format!("{}.swb", variant.schema));
        fetch_to(&broker, &publisher, &release, variant, folder.path(), &file)?;
        other_files.push(file);
    }
    Ok(FetchedRelease { folder, description, others: other_files })
}

pub(super) fn fetch_to(
    broker: &Broker,
    publisher: &Publisher,
    release: &Published,
    variant: &Variant,
    folder: &Path,
    file: &Path,
) -> Result<(), CommandError> {
    let fetched = broker.wait(publisher.fetch(&release.current, variant, folder)).map_err(|error| {
        CommandError::io(format!(
            "the snapshot of generation {} cannot be read: {error}; check that its web server or the broker gives it",
            release.manifest.generation
        ))
    })?;
    fetched.rename(file).map_err(|error| unwritable(&error))
}

pub(super) fn unwritable(error: &std::io::Error) -> CommandError {
    CommandError::io(format!(
        "cannot write to the folder of temporary files: {error}; TMPDIR names another one"
    ))
}

pub(super) fn temporary_folder() -> Result<TempDir, CommandError> {
    tempfile::Builder::new().prefix("switchboard-").tempdir().map_err(|error| unwritable(&error))
}

/// Returns the digest of the record types that this program reads, as manifests have it.
pub(super) fn own_schema() -> String {
    format!("{:016x}", header::schema_digest())
}
