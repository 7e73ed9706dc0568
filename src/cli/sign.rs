//! `switchboard keygen` and `switchboard sign`: a pair of keys, and the signed manifest of a snapshot file.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use switchboard_model::UnixSeconds;
use switchboard_pipeline::build::open_tested;
use switchboard_release::{
    Counts, Envelope, MAX_ENVELOPE_BYTES, Manifest, SigningKey, Variant, is_key_name, release_path,
};
use switchboard_snapshot::{RejectionStage, Snapshot, file, header};

use super::arguments::{KeygenArguments, SignArguments, StatementArguments};
use super::output::{self, SUCCESS, WARNING, count};
use super::source::{now, reject_standard_input};
use super::{CommandError, Exit};
use crate::runtime::read_bounded;

/// The modes of a private and a public key file.
const PRIVATE_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
/// The maximum size of a private key that is read. A key has 119 bytes.
const MAX_KEY_BYTES: usize = 16 * 1024;

/// Writes a new private key to `NAME.key`, and its public key to `NAME.pub`. Replaces no file.
pub(super) fn keygen(arguments: &KeygenArguments) -> Result<Exit, CommandError> {
    let KeygenArguments { output: name } = arguments;
    let label = name.file_name().and_then(|name| name.to_str()).filter(|name| is_key_name(name));
    // A folder with a slash behind it has a last part, but the files would be in it, without a name.
    let label = label.filter(|label| name.as_os_str().as_encoded_bytes().ends_with(label.as_bytes()));
    let label = label.ok_or_else(|| {
        CommandError::usage(
            "-o: the last part of the path is not the name of a key: write 1 to 128 letters, digits and signs without \
             blank, comma and quote, such as release for release.key and release.pub",
        )
    })?;
    let key = SigningKey::generate().map_err(|error| CommandError::io(error.to_string()))?;
    let (private, public) = (with_suffix(name, ".key"), with_suffix(name, ".pub"));
    write_new(&private, PRIVATE_MODE, &key.to_pem())?;
    if let Err(error) = write_new(&public, PUBLIC_MODE, &key.public().to_toml(label)) {
        // Half of a pair would stop the next attempt.
        let _ = fs::remove_file(&private);
        return Err(error);
    }
    output::print(&format!(
        "{SUCCESS}wrote{SUCCESS:#} {} (private key: keep it secret) and {} (public key: add it to the file of \
         --trusted-keys)\n",
        private.display(),
        public.display()
    ))?;
    Ok(Exit::Success)
}

/// Signs a snapshot: writes its manifest with a signature, or adds a signature to the manifest that is there.
pub(super) fn sign(arguments: &SignArguments) -> Result<Exit, CommandError> {
    let SignArguments { snapshot: path, key, statement } = arguments;
    reject_standard_input(path)?;
    let key = read_key(key)?;
    let snapshot = match open_tested(read_signed(path)?) {
        Ok((snapshot, _)) => snapshot,
        Err(rejection) => {
            let message = format!("{}: {rejection}; nothing was signed", path.display());
            if rejection.stage == RejectionStage::Tests {
                output::print_failure(&message);
                return Ok(Exit::Failed);
            }
            return Err(CommandError::io(message));
        }
    };
    let release = release_path(path);
    let wanted = manifest_of(&snapshot, statement)?;
    let (mut envelope, manifest, what) = match read_envelope(&release)? {
        Some((envelope, manifest)) if manifest.names(&snapshot.digest()) => {
            check_same(&envelope, &manifest, &wanted, statement)
                .map_err(|fault| CommandError::usage(format!("{}: {fault}", release.display())))?;
            (envelope, manifest, "added a signature to")
        }
        // The snapshot was compiled again, and a daemon accepts the old manifest for the old snapshot only.
        Some(_) => (Envelope::new(&wanted), wanted, "replaced the manifest of another snapshot in"),
        None => (Envelope::new(&wanted), wanted, "wrote"),
    };
    let signed = envelope.signatures();
    envelope.sign(&key);
    // The key may have signed this manifest before. A key counts once.
    let what =
        if signed > 0 && envelope.signatures() == signed { "already signed with this key:" } else { what };
    let json = envelope.to_json();
    // Reads it as a daemon does, which limits the length and the number of signatures.
    if json.len() > MAX_ENVELOPE_BYTES || Envelope::from_json(&json).is_err() {
        return Err(CommandError::usage(format!(
            "{}: the release would have {} and {} bytes, but a daemon reads at most 64 signatures and \
             {MAX_ENVELOPE_BYTES} bytes: shorten --comment and --publisher, or remove the file and sign with fewer keys",
            release.display(),
            count(envelope.signatures(), "signature", "signatures"),
            json.len(),
        )));
    }
    file::write(&release, &json)
        .map_err(|error| CommandError::io(format!("cannot write {}: {error}", release.display())))?;
    output::print(&format!(
        "{SUCCESS}{what}{SUCCESS:#} {}: generation {}, {}, key {}, digest {}\n{}",
        release.display(),
        snapshot.generation(),
        count(envelope.signatures(), "signature", "signatures"),
        key.public().id(),
        snapshot.digest(),
        described(&manifest),
    ))?;
    if manifest.expires.is_some_and(|expires| expires.as_second() <= now().to_seconds().0) {
        output::print_error(&format!(
            "{WARNING}warning{WARNING:#}: the release has expired; remove {} and sign again, to state another time\n",
            release.display()
        ));
    }
    Ok(Exit::Success)
}

fn read_signed(path: &Path) -> Result<switchboard_snapshot::Bytes, CommandError> {
    file::read(path).map_err(|error| {
        let path = path.display();
        CommandError::io(format!(
            "cannot read {path}: {error}; expected a snapshot file, as `switchboard compile` writes it"
        ))
    })
}

/// Returns what the signature states besides the snapshot, a line each.
fn described(manifest: &Manifest) -> String {
    let expires = manifest.expires.map(|time| time.to_string());
    [("expires", &expires), ("publisher", &manifest.publisher), ("comment", &manifest.comment)]
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}: {}\n", value.escape_debug())))
        .collect()
}

/// Checks that a manifest, which others may have signed, describes a snapshot as this program does. A signature
/// confirms every statement of the manifest.
fn check_same(
    envelope: &Envelope,
    there: &Manifest,
    own: &Manifest,
    arguments: &StatementArguments,
) -> Result<(), String> {
    let is_same = there.generation == own.generation && there.counts == own.counts;
    if !(is_same && own.variants.iter().all(|variant| there.variants.contains(variant))) {
        return Err("the manifest names this snapshot with another generation, size, content or other counts: remove \
                    the file, and sign again"
            .to_owned());
    }
    if there.variants != own.variants {
        return Err(
            "the manifest names other snapshots too, which this command does not see: remove the file, and \
                    sign again"
                .to_owned(),
        );
    }
    if !envelope.has_only_known_members(there) {
        return Err(
            "the manifest states what this version does not know: sign with the version that wrote it, or \
                    remove the file, and sign again"
                .to_owned(),
        );
    }
    let has_options =
        [&arguments.expires, &arguments.publisher, &arguments.comment].iter().any(|it| it.is_some());
    let is_asked =
        there.expires == own.expires && there.publisher == own.publisher && there.comment == own.comment;
    if has_options && !is_asked {
        return Err("the manifest is already signed, and --expires, --publisher and --comment would change it: leave \
                    the options out to add a signature, or remove the file to sign anew"
            .to_owned());
    }
    Ok(())
}

/// Returns the manifest of a snapshot without its variants.
pub(super) fn manifest_without_variants(
    generation: u64,
    counts: Counts,
    arguments: &StatementArguments,
) -> Result<Manifest, CommandError> {
    let StatementArguments { expires, publisher, comment } = arguments;
    let expires = expires.as_deref().map(|text| {
        let time = UnixSeconds::from_rfc3339(text).filter(|time| *time > now().to_seconds());
        let time = time.ok_or("the time has passed: name a time in the future");
        let time = time.and_then(|time| {
            Timestamp::from_second(time.0).map_err(|_| "the time is too late: name one before 9999-12-30")
        });
        time.map_err(|fault| CommandError::usage(format!("--expires: {fault}")))
    });
    let created = Timestamp::from_millisecond(now().0).unwrap_or_default();
    let mut manifest = Manifest::new(generation, created);
    manifest.expires = expires.transpose()?;
    manifest.publisher.clone_from(publisher);
    manifest.comment.clone_from(comment);
    manifest.counts = counts;
    Ok(manifest)
}

/// Returns the numbers of records that a manifest states.
pub(super) fn counts_of(snapshot: &Snapshot) -> Counts {
    let records = snapshot.counts();
    Counts {
        companies: records.companies as u64,
        ous: records.ous as u64,
        pools: records.pools as u64,
        accounts: records.accounts as u64,
    }
}

fn manifest_of(snapshot: &Snapshot, arguments: &StatementArguments) -> Result<Manifest, CommandError> {
    let mut manifest = manifest_without_variants(snapshot.generation(), counts_of(snapshot), arguments)?;
    manifest.variants.push(Variant {
        schema: format!("{:016x}", header::schema_digest()),
        size: snapshot.bytes().len() as u64,
        digest: snapshot.digest(),
        content: snapshot.content_digest(),
    });
    Ok(manifest)
}

/// Reads the envelope beside a snapshot, if there is one.
pub(super) fn read_envelope(path: &Path) -> Result<Option<(Envelope, Manifest)>, CommandError> {
    let bytes = match read_bounded(path, MAX_ENVELOPE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(CommandError::io(format!(
                "cannot read {}: {error}; correct the cause, or remove the file to sign the snapshot anew",
                path.display()
            )));
        }
    };
    let read = Envelope::from_json(&bytes).and_then(|envelope| Ok((envelope.unverified()?, envelope)));
    match read {
        Ok((manifest, envelope)) => Ok(Some((envelope, manifest))),
        Err(error) => Err(CommandError::io(format!(
            "{}: the file cannot be kept: {error}; remove the file to sign the snapshot anew",
            path.display()
        ))),
    }
}

/// Reads a private key. No message repeats its content.
pub(super) fn read_key(path: &Path) -> Result<SigningKey, CommandError> {
    let failed = |what: &dyn std::fmt::Display| CommandError::io(format!("{}: {what}", path.display()));
    let content = read_bounded(path, MAX_KEY_BYTES).map_err(|error| {
        failed(&format!("{error}; name the .key file of `switchboard keygen` with --key"))
    })?;
    SigningKey::from_pem(&String::from_utf8_lossy(&content)).map_err(|error| failed(&error))
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), CommandError> {
    let failed = |error: io::Error| {
        let remedy = match error.kind() {
            ErrorKind::AlreadyExists => "a key is never replaced: choose another name, or remove the file",
            ErrorKind::NotFound => "create the folder first",
            _ => "correct the cause, or choose another folder",
        };
        CommandError::io(format!("cannot write {}: {error}; {remedy}", path.display()))
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    let written = match mode {
        // The umask may have removed the permissions of the owner.
        PRIVATE_MODE => file.set_permissions(Permissions::from_mode(mode)),
        _ => Ok(()),
    };
    let written = written.and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(path);
        failed(error)
    })
}

/// Returns a path with a text behind its last name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
