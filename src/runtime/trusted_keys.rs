//! The keys in force that must have signed a snapshot file, and what replaces them. Only the reload thread, the
//! watch of the keys file and `/status` use them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use switchboard_model::UnixMillis;
use switchboard_release::{
    Envelope, KeyFileFaults, MAX_KEY_FILE_BYTES, Manifest, PublicKey, TrustedKeys, Verified,
};

use super::watch_path::read_bounded;

/// The keys in force, with the file that they come from. Clones share their state.
#[derive(Clone)]
pub struct KeysInForce {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    keys: TrustedKeys,
    sha256: [u8; 32],
    loaded_at: UnixMillis,
    /// The reason why the newest content of the file is not in force.
    error: Option<String>,
    /// The last manifest with a valid signature of each key.
    last: Vec<(PublicKey, LastManifest)>,
    /// Whether the newest content of the source was rejected because of its signatures.
    has_refused: bool,
}

struct LastManifest {
    manifest: Manifest,
    /// The digest of the snapshot file that the manifest was verified for.
    digest: String,
    verified_at: UnixMillis,
}

/// The reason why the file of the trusted keys cannot be used at a start.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the trusted keys {path}: {error}; see --trusted-keys", path = .path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error that the system returned.
        error: io::Error,
    },
    /// The file has faults.
    #[error(transparent)]
    Faults(#[from] KeyFileFaults),
}

/// An event of the trusted keys.
#[derive(Debug)]
pub enum KeysEvent<'a> {
    /// The file was read at the start.
    Opened {
        /// Number of keys.
        keys: usize,
        /// Number of keys that must have signed a snapshot.
        threshold: usize,
    },
    /// New content of the file is in force.
    Replaced {
        /// Number of keys.
        keys: usize,
        /// Number of keys that must have signed a snapshot.
        threshold: usize,
    },
    /// The file has the content in force again.
    Unchanged,
    /// The file is broken or unreadable. The keys in force stay.
    Rejected {
        /// The faults, each with file, line and remedy.
        reason: &'a str,
    },
}

impl KeysInForce {
    /// Reads the file.
    ///
    /// # Errors
    /// Fails if the file cannot be read or has faults.
    pub fn open(path: &Path) -> Result<KeysInForce, KeysError> {
        let content = read_bounded(path, MAX_KEY_FILE_BYTES)
            .map_err(|error| KeysError::Unreadable { path: path.to_owned(), error })?;
        let state = State {
            keys: TrustedKeys::parse(&path.to_string_lossy(), &content)?,
            sha256: Sha256::digest(&content).into(),
            loaded_at: SystemTime::now().into(),
            error: None,
            last: Vec::new(),
            has_refused: false,
        };
        Ok(KeysInForce { shared: Arc::new(Shared { path: path.to_owned(), state: Mutex::new(state) }) })
    }

    /// Reports the file that was read at the start.
    pub fn report_opened(&self, observer: impl Fn(&KeysEvent<'_>)) {
        let (keys, threshold) = counts(&self.shared.state.lock().keys);
        observer(&KeysEvent::Opened { keys, threshold });
    }

    /// Puts the content of the file in force, or keeps the last good one. `read` is the content, or the path
    /// with the error of the system. Returns whether the source must be judged again, because the keys before
    /// refused it.
    pub fn apply(&self, read: Result<&[u8], String>, observer: impl Fn(&KeysEvent<'_>)) -> bool {
        let mut state = self.shared.state.lock();
        let parsed = read.and_then(|content| {
            let sha256 = <[u8; 32]>::from(Sha256::digest(content));
            if sha256 == state.sha256 {
                return Ok(None);
            }
            let keys = TrustedKeys::parse(&self.shared.path.to_string_lossy(), content);
            keys.map(|keys| Some((keys, sha256))).map_err(|faults| faults.to_string())
        });
        match parsed {
            Ok(None) => {
                if state.error.take().is_some() {
                    observer(&KeysEvent::Unchanged);
                }
                false
            }
            Ok(Some((keys, sha256))) => {
                state.last.retain(|(key, _)| keys.keys().iter().any(|trusted| trusted.key == *key));
                (state.keys, state.sha256, state.error) = (keys, sha256, None);
                state.loaded_at = SystemTime::now().into();
                let (keys, threshold) = counts(&state.keys);
                observer(&KeysEvent::Replaced { keys, threshold });
                state.has_refused
            }
            Err(reason) => {
                if state.error.as_ref() != Some(&reason) {
                    observer(&KeysEvent::Rejected { reason: &reason });
                    state.error = Some(reason);
                }
                false
            }
        }
    }

    /// Verifies that enough keys in force have signed a manifest that names a snapshot file by its digest.
    /// `release` is the content of the envelope's file, or the reason why it cannot be read.
    ///
    /// # Errors
    /// Returns the reason, with a remedy.
    pub(super) fn verify(&self, release: &Result<Vec<u8>, String>, digest: &str) -> Result<Verified, String> {
        let content = release.as_ref().map_err(Clone::clone)?;
        let state = self.shared.state.lock();
        let verified = Envelope::from_json(content).and_then(|envelope| envelope.verify(&state.keys));
        let verified = verified.map_err(|error| error.to_string())?;
        if !verified.manifest.names(digest) {
            return Err(format!(
                "it names another snapshot, of generation {}; copy both files again, or sign the snapshot with \
                 `switchboard sign`",
                verified.manifest.generation
            ));
        }
        Ok(verified)
    }

    /// Records a manifest whose snapshot was accepted, as the last one of the keys that signed it.
    pub(super) fn record(&self, verified: &Verified, digest: &str) {
        let mut state = self.shared.state.lock();
        let verified_at = SystemTime::now().into();
        let signed = |trusted: &&switchboard_release::TrustedKey| verified.keys.contains(&trusted.name);
        let keys: Vec<PublicKey> = state.keys.keys().iter().filter(signed).map(|it| it.key).collect();
        state.last.retain(|(key, _)| !keys.contains(key));
        state.last.extend(keys.into_iter().map(|key| {
            let (manifest, digest) = (verified.manifest.clone(), digest.to_owned());
            (key, LastManifest { manifest, digest, verified_at })
        }));
    }

    /// Calls a function with the keys in force.
    pub(super) fn with_keys<T>(&self, read: impl FnOnce(&TrustedKeys) -> T) -> T {
        read(&self.shared.state.lock().keys)
    }

    /// Sets whether the newest content of the source was rejected because of its signatures.
    pub(super) fn set_refused(&self, has_refused: bool) {
        self.shared.state.lock().has_refused = has_refused;
    }

    /// Returns the part of `/status` about the trusted keys.
    pub fn status(&self) -> Value {
        let state = self.shared.state.lock();
        let now = Timestamp::now();
        let list = state.keys.keys().iter().map(|trusted| {
            let last = state.last.iter().find(|(key, _)| *key == trusted.key);
            let last = last.map(|(_, LastManifest { manifest, digest, verified_at })| {
                json!({
                    "generation": manifest.generation,
                    "digest": digest,
                    "created": manifest.created.to_string(),
                    "expires": manifest.expires.map(|time| time.to_string()),
                    "expired": manifest.expires.is_some_and(|time| time <= now),
                    "verified_at": time(*verified_at),
                })
            });
            json!({"name": trusted.name, "id": trusted.key.id(), "last_manifest": last})
        });
        json!({
            "path": self.shared.path,
            "loaded_at": time(state.loaded_at),
            "error": state.error,
            "threshold": state.keys.threshold(),
            "list": list.collect::<Value>(),
        })
    }
}

/// Returns the number of keys, and how many of them must have signed a snapshot.
fn counts(keys: &TrustedKeys) -> (usize, usize) {
    (keys.keys().len(), keys.threshold())
}

/// Formats a time in RFC 3339. Returns `None` for a time out of range.
fn time(at: UnixMillis) -> Option<String> {
    Timestamp::from_millisecond(at.0).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use switchboard_release::{SigningKey, Variant};

    use super::*;

    const DIGEST: &str = "ab";

    /// Returns an envelope of generation 7 for [`DIGEST`] that these keys signed.
    fn signed(keys: &[&SigningKey]) -> Result<Vec<u8>, String> {
        let mut manifest = Manifest::new(7, Timestamp::UNIX_EPOCH);
        let digest = DIGEST.to_owned();
        manifest.variants.push(Variant { schema: String::new(), size: 1, digest, content: String::new() });
        let mut envelope = Envelope::new(&manifest);
        keys.iter().for_each(|key| envelope.sign(key));
        Ok(envelope.to_json())
    }

    #[test]
    fn broken_content_leaves_the_last_good_keys_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let [a, b] = [(); 2].map(|()| SigningKey::generate().unwrap());
        let good = a.public().to_toml("a");
        fs::write(&path, &good).unwrap();
        let keys = KeysInForce::open(&path).unwrap();
        let events = RefCell::new(Vec::new());
        let apply = |read: Result<&str, &str>| {
            let read = read.map(str::as_bytes).map_err(str::to_owned);
            let again = keys.apply(read, |event| events.borrow_mut().push(format!("{event:?}")));
            (events.take(), again)
        };
        let verified = keys.verify(&signed(&[&a]), DIGEST).unwrap();
        assert_eq!(verified.keys, ["a"]);
        assert_eq!(keys.status()["list"][0]["last_manifest"], json!(null), "nothing is accepted yet");
        keys.record(&verified, DIGEST);
        let last = &keys.status()["list"][0]["last_manifest"];
        assert_eq!(
            (&last["generation"], &last["digest"], &last["expires"]),
            (&json!(7), &json!(DIGEST), &json!(null))
        );
        assert_eq!(apply(Ok(&good)), (vec![], false));

        let (rejected, again) = apply(Ok("threshold = 1\n"));
        assert!(rejected.len() == 1 && rejected[0].contains("keys.toml:1: ") && !again, "{rejected:?}");
        assert_eq!(apply(Ok("threshold = 1\n")), (vec![], false), "one rejection is reported once");
        assert!(keys.status()["error"].as_str().unwrap().contains("has no key"));
        assert!(keys.verify(&signed(&[&a]), DIGEST).is_ok());
        assert_eq!(apply(Err("p: gone")).0, ["Rejected { reason: \"p: gone\" }"]);
        assert_eq!(apply(Ok(&good)).0, ["Unchanged"]);

        keys.set_refused(true);
        let both = format!("threshold = 2\n{good}{}", b.public().to_toml("b"));
        assert_eq!(apply(Ok(&both)), (vec!["Replaced { keys: 2, threshold: 2 }".to_owned()], true));
        assert_eq!(keys.status()["list"][0]["last_manifest"]["generation"], 7, "a key that stays keeps it");
        assert!(keys.verify(&signed(&[&a]), DIGEST).is_err());
        assert!(keys.verify(&signed(&[&a, &b]), DIGEST).is_ok());
        let error = keys.verify(&signed(&[&a, &b]), "cd").unwrap_err();
        assert!(error.contains("names another snapshot, of generation 7"), "{error}");
        assert_eq!(keys.verify(&Err("gone".to_owned()), DIGEST).unwrap_err(), "gone");
    }

    #[test]
    fn unreadable_and_broken_files_are_different_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        assert!(matches!(KeysInForce::open(&path), Err(KeysError::Unreadable { .. })));
        assert!(matches!(KeysInForce::open(folder.path()), Err(KeysError::Unreadable { .. })));
        fs::write(&path, "").unwrap();
        assert!(matches!(KeysInForce::open(&path), Err(KeysError::Faults(_))));
    }
}
