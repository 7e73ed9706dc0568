//! `switchboard fleet publish` and `switchboard fleet rollback`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use switchboard_database::{Contents, FollowedDatabase, Rows, is_database_url};
use switchboard_fleet::publish::{
    Announced, Lagging, Published, Publisher, REMOVAL_AGE, Replicas, Seen, Store, WaveEvent,
};
use switchboard_pipeline::build::open_tested;
use switchboard_pipeline::{
    BuildMode, GuardRefusal, HoldCause, SnapshotSource, SourceStamp, build_reload, build_snapshot,
    guard_snapshot,
};
use switchboard_registry::{Files, Findings, ReadLimits};
use switchboard_release::{Counts, Envelope, Manifest, SigningKey, Variant, release_path};
use switchboard_snapshot::header::{Digests, SCHEMA_AT, restamp};
use switchboard_snapshot::{RejectionStage, Snapshot};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::cli::arguments::{
    BlobsArguments, KeysArguments, PublishArguments, RollbackArguments, StatementArguments,
};
use crate::cli::broker::{
    Broker, fetch_release, fetch_to, is_fleet, own_schema, temporary_folder, unwritable,
};
use crate::cli::diff::changes_text;
use crate::cli::output::{self, HEADING, ProgressLine, SUCCESS, WARNING, count};
use crate::cli::sign::{counts_of, manifest_without_variants, read_envelope, read_key};
use crate::cli::source::{
    database_from_url, findings_text, local_source, now, read_registry, read_snapshot, source_from_path,
};
use crate::cli::{CommandError, Exit};
use crate::config::PASSWORD_IN_ARGUMENT;

/// The minimum time between two releases of `--follow`.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(30);
/// The time without a change after which `--follow` reads a source, and the interval of looking for one.
const QUIET_PERIOD: Duration = Duration::from_secs(1);
/// The time after which `--follow` tries again what the broker or a file refused.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// How a release is published, whatever is published.
struct Publication<'a> {
    keys: Vec<SigningKey>,
    statement: &'a StatementArguments,
    store: Store,
    waves: &'a [u8],
    hold: Duration,
}

/// A registry or a snapshot that is offered to the fleet.
struct Offer {
    snapshot: Snapshot,
    /// The snapshots of other versions of the program.
    others: Vec<Vec<u8>>,
    /// The signed manifest of the source.
    signed: Option<(Envelope, Manifest)>,
    /// Whether the generation may be changed, because the source has none.
    is_compiled_now: bool,
}

/// A release that is ready to be uploaded.
struct Prepared {
    envelope: Envelope,
    manifest: Manifest,
    snapshots: Vec<(Variant, Bytes)>,
}

/// Publishes a source as the release of the fleet.
pub(super) fn run(arguments: &PublishArguments) -> Result<Exit, CommandError> {
    check_waves(&arguments.waves)?;
    let publication = Publication {
        keys: read_keys(&arguments.keys)?,
        statement: &arguments.statement,
        store: store(&arguments.blobs)?,
        waves: &arguments.waves,
        hold: arguments.hold.unwrap_or_default(),
    };
    if arguments.follow && is_fleet(&arguments.source) {
        return Err(CommandError::usage(
            "--follow: a source that is followed is the folder of a registry, a database or a snapshot file",
        ));
    }
    let broker = Broker::connect(&arguments.fleet)?;
    let publisher = broker.publisher(publication.store.clone())?;
    if arguments.follow {
        return Follower::new(arguments, &publication, &broker, &publisher)?.run();
    }
    let seen = broker.wait(publisher.read())?;
    let Some(offer) = open_offer(arguments)? else { return Ok(Exit::Failed) };
    if let Some(resumed) = resume(&broker, &publisher, &publication, &seen, &offer, arguments.dry_run)? {
        return Ok(resumed);
    }
    if arguments.dry_run || !arguments.confirm {
        let in_service = in_service(&broker, &publisher, &seen, &offer.snapshot)?;
        let exit = guard(in_service.as_ref(), &offer.snapshot, arguments)?;
        if arguments.dry_run || exit == Exit::Failed {
            return Ok(exit);
        }
    }
    let prepared = prepare(offer, &publication, &seen)?;
    publish(&broker, &publisher, &publication, &seen, prepared)?;
    Ok(Exit::Success)
}

fn check_waves(waves: &[u8]) -> Result<(), CommandError> {
    if waves.is_empty() || (waves.is_sorted_by(|a, b| a < b) && waves.last() == Some(&100)) {
        return Ok(());
    }
    Err(CommandError::usage("--waves: expected percentages that grow and end with 100, such as 1,10,100"))
}

fn read_keys(arguments: &KeysArguments) -> Result<Vec<SigningKey>, CommandError> {
    arguments.keys.iter().map(|key| read_key(key)).collect()
}

fn store(arguments: &BlobsArguments) -> Result<Store, CommandError> {
    let (Some(folder), Some(url)) = (&arguments.blobs, &arguments.url) else { return Ok(Store::Broker) };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_usable = rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '@', ' '])
    });
    if !is_usable {
        return Err(CommandError::usage(
            "--url: expected the URL of the folder of --blobs, such as https://blobs.example/switchboard/, without user, \
             password and query",
        ));
    }
    if !folder.is_dir() {
        return Err(CommandError::io(format!(
            "--blobs: {} is not a folder: create the folder that the web server serves",
            folder.display()
        )));
    }
    Ok(Store::Folder { folder: folder.clone(), url: url.clone() })
}

/// Opens the source and the files of `--with`. Prints the findings of a registry that has errors, and returns
/// `None`.
fn open_offer(arguments: &PublishArguments) -> Result<Option<Offer>, CommandError> {
    let PublishArguments { source, with, limits, fleet, .. } = arguments;
    let mut with = with.clone();
    let mut fetched = None;
    let mut offer = if is_fleet(source) {
        let release = fetch_release(source, &fleet.access, true)?;
        with.extend(release.others.iter().cloned());
        let release = fetched.insert(release);
        open_file(&release.file(), release.describe())?
    } else {
        let opened = source_from_path(source, &fleet.access)?;
        match opened.snapshot_file() {
            None => {
                let registry = opened.read_registry(limits.limits())?;
                let built = registry.build(now().as_u64(), BuildMode::Strict);
                let findings = match &built {
                    Ok(built) => &built.findings,
                    Err(failure) => &failure.findings,
                };
                output::print_error(&findings_text(findings, &registry.files, &registry.root));
                if findings.errors() > 0 {
                    let errors = count(findings.errors(), "error", "errors");
                    output::print_failure(&format!("{errors}: nothing was published"));
                }
                built.ok().map(|built| Offer::compiled(built.snapshot))
            }
            Some(file) => open_file(&file, &source.display().to_string())?,
        }
    };
    if let Some(offer) = &mut offer {
        add_others(offer, &with)?;
    }
    drop(fetched);
    Ok(offer)
}

impl Offer {
    fn compiled(snapshot: Snapshot) -> Offer {
        Offer { snapshot, others: Vec::new(), signed: None, is_compiled_now: true }
    }
}

/// Opens a snapshot file with its signed manifest. Prints a failed test, and returns `None`.
fn open_file(file: &Path, name: &str) -> Result<Option<Offer>, CommandError> {
    let snapshot = match open_tested(read_snapshot(file)?) {
        Ok((snapshot, _)) => snapshot,
        Err(rejection) => {
            let message = format!("{name}: {rejection}; nothing was published");
            if rejection.stage == RejectionStage::Tests {
                output::print_failure(&message);
                return Ok(None);
            }
            return Err(CommandError::io(message));
        }
    };
    let signed = read_envelope(&release_path(file))?.filter(|(envelope, _)| envelope.signatures() > 0);
    Ok(Some(Offer { snapshot, others: Vec::new(), signed, is_compiled_now: false }))
}

/// Adds snapshots of other versions. Their records are not read, because this version does not know them.
fn add_others(offer: &mut Offer, with: &[PathBuf]) -> Result<(), CommandError> {
    let mut schemas = vec![own_schema()];
    for path in with {
        // The reader of snapshots reads no further than the header of another version.
        let mut bytes = std::fs::read(path)
            .map_err(|error| CommandError::io(format!("--with: cannot read {}: {error}", path.display())))?;
        let generation = switchboard_snapshot::header::generation(&bytes).unwrap_or(0);
        if !restamp(&mut bytes, generation) {
            return Err(CommandError::io(format!(
                "--with: {} is not an intact snapshot: compile it again with the other version",
                path.display()
            )));
        }
        let schema = schema_of(&bytes);
        if schemas.contains(&schema) {
            return Err(CommandError::usage(format!(
                "--with: {} has the records of a version that the release has already (schema {schema}): compile it \
                 with the other version, or leave it out",
                path.display()
            )));
        }
        schemas.push(schema);
        offer.others.push(bytes);
    }
    Ok(())
}

fn schema_of(snapshot: &[u8]) -> String {
    let digest = snapshot.get(SCHEMA_AT..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    format!("{:016x}", u64::from_le_bytes(digest))
}

fn variant_of(snapshot: &[u8]) -> Variant {
    let digests = Digests::of(snapshot);
    Variant {
        schema: schema_of(snapshot),
        size: snapshot.len() as u64,
        digest: digests.file.to_string(),
        content: digests.content.to_string(),
    }
}

/// Fetches the snapshot that the fleet serves, to compare it. Returns `None` if there is no release, or if the
/// content is the same.
fn in_service(
    broker: &Broker,
    publisher: &Publisher,
    seen: &Seen,
    new: &Snapshot,
) -> Result<Option<Snapshot>, CommandError> {
    let unknown = |text: &str| {
        CommandError::io(format!(
            "the new snapshot cannot be compared with the release, because {text}: --confirm publishes without a \
             comparison"
        ))
    };
    if let Some(fault) = &seen.fault {
        return Err(unknown(fault));
    }
    let Some(release) = &seen.release else { return Ok(None) };
    if release.manifest.variants.iter().any(|variant| variant.content == new.content_digest()) {
        return Ok(None);
    }
    let schema = own_schema();
    let own = release.manifest.variants.iter().find(|variant| variant.schema == schema);
    let own = own.ok_or_else(|| unknown("it has no snapshot of this version of the program"))?;
    let folder = temporary_folder()?;
    let file = folder.path().join("in-service.swb");
    fetch_to(broker, publisher, release, own, folder.path(), &file)
        .map_err(|error| unknown(&error.message))?;
    let opened = Snapshot::open(read_snapshot(&file)?);
    opened.map(Some).map_err(|rejection| unknown(&rejection.to_string()))
}

/// Prints what the guard refuses, and for `--dry-run` the decisions that change.
fn guard(
    in_service: Option<&Snapshot>,
    new: &Snapshot,
    arguments: &PublishArguments,
) -> Result<Exit, CommandError> {
    let refused = in_service.map(|old| guard_snapshot(old, new)).unwrap_or_default();
    if arguments.dry_run {
        let changes = match in_service {
            Some(old) => changes_text(old, new),
            None => "no decision can be compared: the fleet has no release, or one with the same content\n"
                .to_owned(),
        };
        let verdict = match (refused.is_empty(), arguments.confirm) {
            (true, _) => "guard: no company disappears or shrinks\n".to_owned(),
            (false, true) => "guard: --confirm allows the changes below\n".to_owned(),
            (false, false) => format!("guard: refuses {}\n", count(refused.len(), "company", "companies")),
        };
        output::print(&format!("{HEADING}{verdict}{HEADING:#}{changes}"))?;
    }
    refused.iter().for_each(|(company, refusal)| print_refusal(company, *refusal));
    if refused.is_empty() || arguments.confirm {
        return Ok(Exit::Success);
    }
    output::print_failure(&format!(
        "the guard refuses {}: correct the source, or publish the change with --confirm",
        count(refused.len(), "company", "companies")
    ));
    Ok(Exit::Failed)
}

fn print_refusal(company: &str, refusal: GuardRefusal) {
    output::print_warning(&format!("{}: {}", output::printable(company), refusal.change()));
}

/// Gives an offer a generation above the current one, and signs it.
fn prepare(offer: Offer, publication: &Publication<'_>, seen: &Seen) -> Result<Prepared, CommandError> {
    let Offer { snapshot, others, signed, is_compiled_now } = offer;
    let current = seen.generation;
    let failed = |message: String| CommandError::failed(message);
    let statement = publication.statement;
    let states = [&statement.expires, &statement.publisher, &statement.comment].iter().any(|it| it.is_some());
    let is_own = |manifest: &Manifest| manifest.names(&snapshot.digest());
    let (mut envelope, snapshots) = match signed {
        Some((envelope, manifest)) if is_own(&manifest) => {
            if states {
                return Err(CommandError::usage(
                    "the source is signed, and --expires, --publisher and --comment would change what is signed: leave \
                     the options out, or remove the .release file and sign with --key",
                ));
            }
            if manifest.generation <= current || manifest.generation < seen.served {
                return Err(failed(format!(
                    "the signed snapshot has the generation {}, and the fleet serves {}: compile the registry again, \
                     and sign the new file",
                    manifest.generation,
                    current.max(seen.served)
                )));
            }
            let all = [snapshot.bytes().to_vec()].into_iter().chain(others);
            let all: Vec<(Variant, Bytes)> =
                all.map(|bytes| (variant_of(&bytes), Bytes::from(bytes))).collect();
            let missing = manifest.variants.iter().find(|it| all.iter().all(|(variant, _)| variant != *it));
            if let Some(missing) = missing {
                return Err(CommandError::usage(format!(
                    "the signed manifest names a snapshot of the schema {}: add its file with --with",
                    missing.schema
                )));
            }
            if let Some((extra, _)) = all.iter().find(|(variant, _)| !manifest.names(&variant.digest)) {
                return Err(CommandError::usage(format!(
                    "--with: the signed manifest does not name the snapshot of the schema {}: leave the file out, or \
                     remove the .release file and sign with --key",
                    extra.schema
                )));
            }
            if !publication.keys.is_empty() {
                check_signable(&envelope, &manifest, &snapshot, all.iter().map(|(variant, _)| variant))?;
            }
            (envelope, all)
        }
        Some((_, manifest)) if publication.keys.is_empty() => {
            return Err(failed(format!(
                "the .release file is the signed manifest of another snapshot, of generation {}: sign this one with \
                 `switchboard sign`, or name a key with --key",
                manifest.generation
            )));
        }
        _ => {
            let own = snapshot.generation();
            let generation = match is_compiled_now {
                false if own >= lowest_next(seen) => own,
                _ => now().as_u64().max(lowest_next(seen)),
            };
            let counts = counts_of(&snapshot);
            let all = [snapshot.bytes().to_vec()].into_iter().chain(others).collect();
            signed_anew(all, generation, counts, statement)?
        }
    };
    publication.keys.iter().for_each(|key| envelope.sign(key));
    let manifest = envelope.unverified().map_err(|error| CommandError::usage(error.to_string()))?;
    if Envelope::from_json(&envelope.to_json()).is_err() {
        return Err(CommandError::usage(
            "the signed manifest is too large: shorten --comment and --publisher, or sign with fewer keys",
        ));
    }
    Ok(Prepared { envelope, manifest, snapshots })
}

/// Returns the lowest generation that the fleet and each of its replicas take.
fn lowest_next(seen: &Seen) -> u64 {
    seen.generation.max(seen.served).saturating_add(1)
}

/// Checks that a manifest, which others may have signed, describes the snapshots as this program does. A signature
/// confirms every statement of the manifest.
fn check_signable<'v>(
    envelope: &Envelope,
    manifest: &Manifest,
    snapshot: &Snapshot,
    mut variants: impl Iterator<Item = &'v Variant> + Clone,
) -> Result<(), CommandError> {
    let is_same = (manifest.generation, manifest.counts) == (snapshot.generation(), counts_of(snapshot))
        && manifest.variants.iter().all(|there| variants.clone().any(|own| own == there))
        && variants.all(|own| manifest.variants.contains(own));
    if is_same && envelope.has_only_known_members(manifest) {
        return Ok(());
    }
    Err(CommandError::usage(
        "--key: the signed manifest states what this program does not see in the snapshots, and a signature would confirm \
         that: leave --key out, or name every snapshot with --with",
    ))
}

/// Gives snapshots a generation, and makes their manifest without a signature.
fn signed_anew(
    all: Vec<Vec<u8>>,
    generation: u64,
    counts: Counts,
    statement: &StatementArguments,
) -> Result<(Envelope, Vec<(Variant, Bytes)>), CommandError> {
    let mut manifest = manifest_without_variants(generation, counts, statement)?;
    let mut snapshots = Vec::new();
    for mut bytes in all {
        if !restamp(&mut bytes, generation) {
            return Err(CommandError::io(
                "a snapshot cannot get another generation, because its header is not intact: compile it again",
            ));
        }
        let variant = variant_of(&bytes);
        manifest.variants.push(variant.clone());
        snapshots.push((variant, Bytes::from(bytes)));
    }
    Ok((Envelope::new(&manifest), snapshots))
}

/// Publishes a snapshot again that is the release already: adds signatures, uploads what is not at its place, and goes
/// on with the waves. Returns `None` for any other snapshot.
fn resume(
    broker: &Broker,
    publisher: &Publisher,
    publication: &Publication<'_>,
    seen: &Seen,
    offer: &Offer,
    dry_run: bool,
) -> Result<Option<Exit>, CommandError> {
    let Some(release) = seen
        .release
        .as_ref()
        .filter(|release| !offer.is_compiled_now && release.manifest.names(&offer.snapshot.digest()))
    else {
        return Ok(None);
    };
    let Some(mut announced) = publisher.resume(seen) else { return Ok(None) };
    let generation = announced.manifest.generation;
    let statement = publication.statement;
    if [&statement.expires, &statement.publisher, &statement.comment].iter().any(|it| it.is_some()) {
        return Err(CommandError::usage(format!(
            "the fleet has this snapshot already, as generation {generation}, and --expires, --publisher and --comment \
             would change its manifest: leave the options out, or publish the registry again"
        )));
    }
    let mut snapshots =
        vec![(variant_of(offer.snapshot.bytes()), Bytes::copy_from_slice(offer.snapshot.bytes()))];
    for other in &offer.others {
        let mut bytes = other.clone();
        // A snapshot without signatures got the generation of the release when it was published.
        let is_named =
            restamp(&mut bytes, generation) && announced.manifest.names(&variant_of(&bytes).digest);
        if !is_named {
            return Err(CommandError::usage(format!(
                "--with: the fleet has this snapshot already, as generation {generation}, without the one of the schema \
                 {}: leave the file out, or publish the registry again",
                schema_of(other)
            )));
        }
        snapshots.push((variant_of(&bytes), Bytes::from(bytes)));
    }
    output::print(&format!(
        "the fleet has this snapshot already: generation {generation}, at {} %\n",
        announced.percent
    ))?;
    if dry_run {
        return Ok(Some(Exit::Success));
    }
    let published = Envelope::from_json(release.current.manifest.get().as_bytes()).ok();
    let mut envelope = match (&offer.signed, &published) {
        (Some((signed, manifest)), _) if manifest.variants == release.manifest.variants => signed.clone(),
        (_, Some(published)) => published.clone(),
        _ => return Ok(None),
    };
    if !publication.keys.is_empty() {
        let manifest = envelope.unverified().map_err(|error| CommandError::usage(error.to_string()))?;
        check_signable(&envelope, &manifest, &offer.snapshot, snapshots.iter().map(|(variant, _)| variant))?;
    }
    publication.keys.iter().for_each(|key| envelope.sign(key));
    let folder = temporary_folder()?;
    let mut current = release.current.clone();
    for (variant, bytes) in &snapshots {
        current.sources = broker.wait(publisher.resupply(&current, bytes, variant, folder.path()))?;
    }
    // Before the release is written, because its waves are compared with the replicas as they were.
    let mut replicas = broker.wait(publisher.replicas())?;
    let is_signed = Some(&envelope) != published.as_ref();
    let is_moved = current.sources != release.current.sources;
    if is_signed || is_moved || replicas.has_rejected_bytes() {
        announced = broker.wait(publisher.announce(seen, &envelope, current.sources, announced.percent))?;
        if is_moved {
            output::print(&format!("{SUCCESS}uploaded{SUCCESS:#}: the release names the new place\n"))?;
        }
        if is_signed {
            output::print(&format!(
                "{SUCCESS}signed{SUCCESS:#}: the release has {} now\n",
                count(envelope.signatures(), "signature", "signatures")
            ))?;
        }
        if replicas.has_rejected_bytes() {
            output::print("replicas that rejected the bytes fetch them again\n")?;
        }
    } else {
        replicas.count_refusals_from_before();
    }
    if publication.waves.is_empty() {
        // A rollout that cannot be read is replaced too.
        if announced.percent < 100 || seen.rollout.is_none() {
            broker.wait(publisher.raise(&mut announced, 100))?;
            output::print("raised to 100 %\n")?;
        }
    } else {
        run_waves(broker, publisher, publication, &mut announced, &mut replicas)?;
    }
    Ok(Some(Exit::Success))
}

/// Uploads the snapshots, announces the release, runs its waves, and removes old snapshots.
fn publish(
    broker: &Broker,
    publisher: &Publisher,
    publication: &Publication<'_>,
    seen: &Seen,
    prepared: Prepared,
) -> Result<(), CommandError> {
    let Prepared { envelope, manifest, snapshots } = prepared;
    let generation = manifest.generation;
    if envelope.signatures() == 0 {
        let was_signed = seen
            .release
            .as_ref()
            .and_then(|release| Envelope::from_json(release.current.manifest.get().as_bytes()).ok());
        output::print_warning(match was_signed.is_some_and(|envelope| envelope.signatures() > 0) {
            true => {
                "the release is not signed, and the one before was: replicas with --trusted-keys reject it; publish \
                 again with --key FILE"
            }
            false => {
                "the release is not signed: replicas with --trusted-keys reject it; sign with --key FILE"
            }
        });
    }
    let folder = temporary_folder()?;
    let (mut sources, mut transferred) = (Vec::new(), 0);
    for (variant, bytes) in &snapshots {
        let source = broker.wait(publisher.upload(bytes, variant, folder.path()))?;
        transferred += source.size;
        sources.push(source);
    }
    // Before the release, because its waves are compared with the replicas as they were.
    let mut replicas = None;
    let mut percent = 100;
    if !publication.waves.is_empty() {
        let before = broker.wait(publisher.replicas())?;
        percent = Publisher::first_wave(publication.waves, generation, &before);
        replicas = Some(before);
    }
    let mut announced = broker.wait(publisher.announce(seen, &envelope, sources, percent))?;
    let Counts { companies, accounts, .. } = manifest.counts;
    output::print(&format!(
        "{SUCCESS}published{SUCCESS:#} generation {generation}: {}, {}, {}, {transferred} bytes to transfer, at \
         {percent} %\n",
        count(companies as usize, "company", "companies"),
        count(accounts as usize, "account", "accounts"),
        match envelope.signatures() {
            0 => "not signed".to_owned(),
            signatures => count(signatures, "signature", "signatures"),
        },
    ))?;
    if let Some(replicas) = &mut replicas {
        run_waves(broker, publisher, publication, &mut announced, replicas)?;
    }
    // The release is in force, so that a failure is no failure of the command.
    if let Err(error) = broker.wait(publisher.sweep(REMOVAL_AGE)) {
        output::print_warning(&format!("old snapshots were not removed, and will be next time: {error}"));
    }
    Ok(())
}

fn run_waves(
    broker: &Broker,
    publisher: &Publisher,
    publication: &Publication<'_>,
    announced: &mut Announced,
    replicas: &mut Replicas,
) -> Result<(), CommandError> {
    let generation = announced.manifest.generation;
    let mut report = |event| report_wave(event, generation);
    let (waves, hold) = (publication.waves, publication.hold);
    broker.wait(publisher.run_waves(announced, waves, hold, replicas, &mut report))?;
    output::print(&format!("{SUCCESS}done{SUCCESS:#}: generation {generation} is at 100 %\n"))
}

fn report_wave(event: WaveEvent, generation: u64) {
    output::print_error(&match event {
        WaveEvent::Raised { percent } => format!("{HEADING}wave of {percent} %{HEADING:#}\n"),
        WaveEvent::Progress { members: 0, living, .. } => {
            format!("  no replica of {living} is in the wave\n")
        }
        WaveEvent::Progress { serving, members, living } => format!(
            "  {serving} of {} in the wave {} generation {generation} ({living} in the fleet)\n",
            count(members, "replica", "replicas"),
            if serving == 1 { "serves" } else { "serve" },
        ),
        WaveEvent::Waiting { replicas, others } => {
            let mut names: Vec<String> = replicas.iter().map(lagging_text).collect();
            if others > 0 {
                names.push(format!("{others} more"));
            }
            format!("  {WARNING}waiting for{WARNING:#} {}\n", names.join(", "))
        }
        WaveEvent::Holding(time) => format!("  the next wave begins in {}\n", duration_text(time)),
    });
}

/// Describes a replica that a wave waits for, such as `eu-1 (waiting, fetch_failed)`.
fn lagging_text(replica: &Lagging) -> String {
    let Lagging { id, state, reason } = replica;
    let reason = reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    output::printable(&format!("{id} ({state}{reason})"))
}

/// Renders a duration as people write it, such as `5m` or `1h 30m`.
fn duration_text(time: Duration) -> String {
    jiff::SignedDuration::try_from(time)
        .map_or_else(|_| format!("{} s", time.as_secs()), |time| format!("{time:#}"))
}

/// Publishes the content of an earlier release again.
pub(super) fn rollback(arguments: &RollbackArguments) -> Result<Exit, CommandError> {
    let RollbackArguments { to, keys, statement, blobs, fleet } = arguments;
    let publication = Publication {
        keys: read_keys(keys)?,
        statement,
        store: store(blobs)?,
        waves: &[],
        hold: Duration::ZERO,
    };
    let broker = Broker::connect(fleet)?;
    let publisher = broker.publisher(publication.store.clone())?;
    let seen = broker.wait(publisher.read())?;
    let history = broker.wait(publisher.history())?;
    let failed = |message: String| {
        output::print_failure(&message);
        Ok(Exit::Failed)
    };
    let known = || known_generations(&history);
    let current = seen.release.as_ref();
    let target = match to {
        Some(to) => history.iter().find(|release| release.manifest.generation == *to),
        None => history.iter().find(|release| {
            current
                .is_none_or(|current| release.revision < current.revision && !release.has_content_of(current))
        }),
    };
    let Some(target) = target else {
        return match to {
            Some(to) => failed(format!("--to: the fleet does not keep the release {to}: {}", known())),
            None => failed(format!("the fleet keeps no earlier release with other content: {}", known())),
        };
    };
    if let Some(current) = current.filter(|current| target.has_content_of(current)) {
        output::print(&format!(
            "generation {} has this content already: nothing was published\n",
            current.manifest.generation
        ))?;
        return Ok(Exit::Success);
    }
    let prepared = restamped(&broker, &publisher, &publication, target, &seen)?;
    output::print_error(&format!("content of generation {}\n", target.manifest.generation));
    publish(&broker, &publisher, &publication, &seen, prepared)?;
    Ok(Exit::Success)
}

/// Lists the generations of the history, the newest first. Generations with the same content come together.
fn known_generations(history: &[Published]) -> String {
    let mut contents: Vec<(&Published, Vec<u64>)> = Vec::new();
    for release in history {
        let generation = release.manifest.generation;
        match contents.iter_mut().find(|(newest, _)| newest.has_content_of(release)) {
            Some((_, generations)) if !generations.contains(&generation) => generations.push(generation),
            Some(_) => {}
            None => contents.push((release, vec![generation])),
        }
    }
    let text = |(_, generations): &(&Published, Vec<u64>)| {
        let mut texts = generations.iter().map(u64::to_string);
        let newest = texts.next().unwrap_or_default();
        let others = texts.collect::<Vec<_>>().join(", ");
        if others.is_empty() { newest } else { format!("{newest} (with the content of {others})") }
    };
    match contents.is_empty() {
        true => "no release is known".to_owned(),
        false => {
            format!("the known generations are {}", contents.iter().map(text).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Fetches the snapshots of an earlier release, and gives them a generation above the current one.
fn restamped(
    broker: &Broker,
    publisher: &Publisher,
    publication: &Publication<'_>,
    target: &Published,
    seen: &Seen,
) -> Result<Prepared, CommandError> {
    let folder = temporary_folder()?;
    let mut all = Vec::new();
    for variant in &target.manifest.variants {
        let file = folder.path().join("earlier.swb");
        fetch_to(broker, publisher, target, variant, folder.path(), &file)?;
        all.push(std::fs::read(&file).map_err(|error| unwritable(&error))?);
    }
    let generation = now().as_u64().max(lowest_next(seen));
    let (mut envelope, snapshots) =
        signed_anew(all, generation, target.manifest.counts, publication.statement)?;
    publication.keys.iter().for_each(|key| envelope.sign(key));
    let manifest = envelope.unverified().map_err(|error| CommandError::usage(error.to_string()))?;
    Ok(Prepared { envelope, manifest, snapshots })
}

/// Publishes what a source becomes, until the process ends.
struct Follower<'a> {
    arguments: &'a PublishArguments,
    publication: &'a Publication<'a>,
    broker: &'a Broker,
    publisher: &'a Publisher,
    source: FollowedSource,
    hangup: Signal,
    /// Whether the guard refused a change in the last round.
    is_refused: bool,
}

/// The source of `--follow`.
enum FollowedSource {
    Files {
        source: SnapshotSource,
        /// The stamp of the source before the last round.
        stamp: SourceStamp,
    },
    Database {
        followed: Box<FollowedDatabase>,
        limits: ReadLimits,
        /// The registry as of the last change. `None` if it was never read.
        contents: Option<Arc<Contents>>,
        /// The error of the last look, if it failed.
        error: Option<String>,
    },
}

impl FollowedSource {
    fn new(arguments: &PublishArguments) -> Result<FollowedSource, CommandError> {
        let Some(url) = arguments.source.to_str().filter(|source| is_database_url(source)) else {
            let source = local_source(&arguments.source)?;
            return Ok(FollowedSource::Files { source, stamp: SourceStamp::Constant });
        };
        let database = database_from_url(url)?;
        if database.has_password_in_url() {
            return Err(CommandError::usage(format!("--follow: {PASSWORD_IN_ARGUMENT}")));
        }
        let followed = Box::new(FollowedDatabase::new(database, None));
        let limits = arguments.limits.limits();
        Ok(FollowedSource::Database { followed, limits, contents: None, error: None })
    }

    /// Waits until files are quiet. Reads a database if it has changed.
    fn settle(&mut self) {
        match self {
            FollowedSource::Database { .. } => drop(self.is_changed()),
            FollowedSource::Files { source, stamp } => {
                *stamp = source.stamp();
                loop {
                    thread::sleep(QUIET_PERIOD);
                    let next = source.stamp();
                    if next == *stamp {
                        return;
                    }
                    *stamp = next;
                }
            }
        }
    }

    /// Returns whether the source has changed since it was settled. Prints why a database cannot be read.
    fn is_changed(&mut self) -> bool {
        match self {
            FollowedSource::Files { source, stamp } => source.stamp() != *stamp,
            FollowedSource::Database { followed, limits, contents, error } => match followed.poll(*limits) {
                Ok(None) => false,
                Ok(Some(read)) => {
                    *error = None;
                    let digest = read.files.digest();
                    let is_new = contents.as_ref().is_none_or(|known| known.files.digest() != digest);
                    if is_new {
                        *contents = Some(Arc::new(read));
                    }
                    is_new
                }
                Err(found) => {
                    let found = format!("{}: {found}", followed.database());
                    if error.as_ref() != Some(&found) {
                        output::print_failure(&found);
                    }
                    *error = Some(found);
                    false
                }
            },
        }
    }
}

/// The result of a round of `--follow`.
enum Round {
    Published,
    /// Nothing is new, or everything new is refused.
    Nothing,
}

impl<'a> Follower<'a> {
    fn new(
        arguments: &'a PublishArguments,
        publication: &'a Publication<'a>,
        broker: &'a Broker,
        publisher: &'a Publisher,
    ) -> Result<Follower<'a>, CommandError> {
        let source = FollowedSource::new(arguments)?;
        let hangup = broker
            .wait(async { signal(SignalKind::hangup()) })
            .map_err(|error| CommandError::io(format!("cannot receive SIGHUP: {error}")))?;
        Ok(Follower { arguments, publication, broker, publisher, source, hangup, is_refused: false })
    }

    fn run(&mut self) -> Result<Exit, CommandError> {
        let broker = self.broker;
        let mut confirm = self.arguments.confirm;
        let mut due = Instant::now();
        loop {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.source.settle();
            let began = Instant::now();
            let retry = match self.round(confirm) {
                Ok(Round::Published) => {
                    due = began + FOLLOW_INTERVAL;
                    false
                }
                Ok(Round::Nothing) => false,
                Err(error) => {
                    output::print_failure(&error.message);
                    error.may_pass
                }
            };
            let retry_at = Instant::now() + RETRY_INTERVAL;
            confirm = loop {
                let hung_up = broker.wait(async {
                    tokio::select! {
                        _ = self.hangup.recv() => true,
                        () = sleep(QUIET_PERIOD) => false,
                    }
                });
                if let FollowedSource::Database { followed, .. } = &mut self.source
                    && hung_up
                {
                    followed.forget();
                }
                let is_changed = self.source.is_changed();
                if hung_up {
                    break self.is_refused && !is_changed;
                }
                if is_changed || (retry && Instant::now() >= retry_at) {
                    break false;
                }
            };
        }
    }

    fn round(&mut self, confirm: bool) -> Result<Round, CommandError> {
        let seen = self.broker.wait(self.publisher.read())?;
        let offer = match &self.source {
            FollowedSource::Files { source: SnapshotSource::Registry(folder), .. } => {
                let (files, folder) =
                    (read_registry(folder, self.arguments.limits.limits())?, folder.clone());
                self.compile(&files, None, &folder, &seen, confirm)?
            }
            FollowedSource::Files { .. } => self.open(&seen, confirm)?,
            FollowedSource::Database { contents, followed, .. } => {
                let Some(contents) = contents.clone() else { return Ok(Round::Nothing) };
                let name = PathBuf::from(followed.database().to_string());
                self.compile(&contents.files, Some(&contents.rows), &name, &seen, confirm)?
            }
        };
        let Some(mut offer) = offer else { return Ok(Round::Nothing) };
        if offer.is_compiled_now {
            add_others(&mut offer, &self.arguments.with)?;
        }
        let prepared = prepare(offer, self.publication, &seen)?;
        publish(self.broker, self.publisher, self.publication, &seen, prepared)?;
        Ok(Round::Published)
    }

    /// Compiles the registry. Holds back companies as a reload of a daemon does. Findings name rows in place of lines if
    /// the registry is in a database. `root` is the folder or the name of the database.
    fn compile(
        &mut self,
        files: &Files,
        rows: Option<&Rows>,
        root: &Path,
        seen: &Seen,
        confirm: bool,
    ) -> Result<Option<Offer>, CommandError> {
        let served = self.served(seen, confirm)?;
        let now = now();
        let generation = now.as_u64().max(lowest_next(seen));
        let progress = ProgressLine::new();
        let built = match &served {
            None => build_snapshot(files, generation, now.to_seconds(), BuildMode::Serve, &progress)
                .map(Into::into),
            Some(served) => build_reload(files, served, confirm, generation, now.to_seconds(), &progress),
        };
        drop(progress);
        let relocate = |findings: &mut Findings| {
            if let Some(rows) = rows {
                rows.relocate(files, findings);
            }
        };
        let reload = match built {
            Ok(mut reload) => {
                reload.change_findings(relocate);
                reload
            }
            Err(mut failure) => {
                relocate(&mut failure.findings);
                output::print_error(&findings_text(&failure.findings, files, root));
                let errors = count(failure.findings.errors(), "error", "errors");
                output::print_failure(&format!("{errors}: nothing was published"));
                self.is_refused = false;
                return Ok(None);
            }
        };
        if reload.findings.errors() > 0 {
            output::print_error(&findings_text(&reload.findings, files, root));
        }
        for held in &reload.held_back {
            output::print_warning(&format!(
                "{} is held back: {}",
                output::printable(&held.company),
                held.cause
            ));
        }
        self.is_refused = reload.held_back.iter().any(|held| matches!(held.cause, HoldCause::Guard(_)));
        let Some(built) = reload.built else { return Ok(None) };
        let is_known =
            served.is_some_and(|served| served.content_digest() == built.snapshot.content_digest());
        Ok((!is_known).then(|| Offer::compiled(built.snapshot)))
    }

    /// Opens the snapshot file. The guard refuses it as a whole.
    fn open(&mut self, seen: &Seen, confirm: bool) -> Result<Option<Offer>, CommandError> {
        self.is_refused = false;
        let Some(offer) = open_offer(self.arguments)? else { return Ok(None) };
        let contents = seen.release.iter().flat_map(|release| &release.manifest.variants);
        if contents.into_iter().any(|variant| variant.content == offer.snapshot.content_digest()) {
            return Ok(None);
        }
        let Some(served) = self.served(seen, confirm)? else { return Ok(Some(offer)) };
        let refused = guard_snapshot(&served, &offer.snapshot);
        self.is_refused = !refused.is_empty();
        if refused.is_empty() || confirm {
            return Ok(Some(offer));
        }
        refused.iter().for_each(|(company, refusal)| print_refusal(company, *refusal));
        output::print_failure(
            "the guard refuses the snapshot: replace the file, or send SIGHUP to publish it",
        );
        Ok(None)
    }

    /// Returns the snapshot that the fleet serves. With `confirm`, one that cannot be read is like none.
    fn served(&self, seen: &Seen, confirm: bool) -> Result<Option<Snapshot>, CommandError> {
        let schema = own_schema();
        let read = || {
            if let Some(fault) = &seen.fault {
                return Err(CommandError::io(format!(
                    "the source cannot be compared with the release, because {fault}: publish once with --confirm"
                )));
            }
            let Some(release) = &seen.release else { return Ok(None) };
            let own = release.manifest.variants.iter().find(|variant| variant.schema == schema);
            let own = own.ok_or_else(|| {
                CommandError::io(
                    "the release has no snapshot of this version of the program, with which the source could be \
                     compared: publish once with --confirm",
                )
            })?;
            let folder = temporary_folder()?;
            let file = folder.path().join("in-service.swb");
            fetch_to(self.broker, self.publisher, release, own, folder.path(), &file)?;
            let opened = Snapshot::open(read_snapshot(&file)?);
            opened.map(Some).map_err(|rejection| CommandError::io(rejection.to_string()))
        };
        match read() {
            Ok(snapshot) => Ok(snapshot),
            Err(error) if confirm => {
                output::print_error(&format!("{WARNING}warning{WARNING:#}: {}\n", error.message));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
