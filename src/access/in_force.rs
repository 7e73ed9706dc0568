//! The principals in force, and what replaces them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, Cache};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use switchboard_model::{UnixMillis, UnixSeconds};
use switchboard_snapshot::Snapshot;

use super::file::{FileFaults, MAX_FILE_BYTES, PrincipalsFile, TOKEN_PREFIX};
use super::principals::{Companies, Permission, Principal, Principals};
use crate::runtime::read_bounded;

/// Maximum number of items in a message.
const MAX_SHOWN: usize = 9;
/// Number of hexadecimal digits by which `/status` names a token.
const SHOWN_DIGITS: usize = 8;

/// The principals in force, which a reload of the file replaces by one pointer store. Clones share their
/// state.
#[derive(Clone)]
pub struct Access {
    shared: Arc<InForce>,
}

struct InForce {
    path: PathBuf,
    /// Shared with the caches of the readers.
    cell: Arc<ArcSwap<Principals>>,
    state: Mutex<LastLoad>,
}

/// The state of the file, for `/status` and for the comparison with its next content.
struct LastLoad {
    sha256: [u8; 32],
    loaded_at: UnixMillis,
    warnings: Vec<String>,
    /// The reason why the newest content is not in force.
    error: Option<String>,
    /// Digest of the content that was refused last, if it could be read.
    refused: Option<[u8; 32]>,
    /// The companies of principals that the snapshot lacked when they were last reported.
    unknown: Vec<String>,
}

/// The reason why the principals file cannot be used at a start.
#[derive(Debug, thiserror::Error)]
pub enum PrincipalsError {
    /// The file cannot be read.
    #[error("cannot read the principals {path}: {error}; see --principals", path = .path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error that the system returned.
        error: io::Error,
    },
    /// The file has faults.
    #[error(transparent)]
    Faults(#[from] FileFaults),
}

/// An event of the principals.
#[derive(Debug)]
pub enum AccessEvent<'a> {
    /// The file was read at the start.
    Opened {
        /// Number of principals.
        principals: usize,
        /// Mistakes in the file that do not keep it from being used.
        warnings: &'a [String],
        /// The times at which credentials end.
        expiries: Vec<UnixSeconds>,
    },
    /// New content of the file is in force.
    Replaced {
        /// Number of principals.
        principals: usize,
        /// Mistakes in the file that do not keep it from being used.
        warnings: &'a [String],
        /// The times at which credentials end.
        expiries: Vec<UnixSeconds>,
    },
    /// The file has the content in force again.
    Unchanged,
    /// The file is broken or unreadable. The principals in force stay.
    Rejected {
        /// The faults, each with file, line and remedy.
        reason: &'a str,
    },
    /// Principals have companies that the snapshot in service lacks.
    UnknownCompanies {
        /// Each principal with the company.
        companies: &'a [String],
    },
}

impl Access {
    /// Reads the file.
    ///
    /// # Errors
    /// Fails if the file cannot be read or has faults.
    pub fn open(path: &Path) -> Result<Access, PrincipalsError> {
        let unreadable = |error| PrincipalsError::Unreadable { path: path.to_owned(), error };
        let content = read_bounded(path, MAX_FILE_BYTES).map_err(unreadable)?;
        let PrincipalsFile { principals, warnings } =
            PrincipalsFile::parse(&path.to_string_lossy(), &content)?;
        let state = LastLoad {
            sha256: Sha256::digest(&content).into(),
            loaded_at: SystemTime::now().into(),
            warnings,
            error: None,
            refused: None,
            unknown: Vec::new(),
        };
        let cell = Arc::new(ArcSwap::from_pointee(Principals::new(principals)));
        let shared = InForce { path: path.to_owned(), cell, state: Mutex::new(state) };
        Ok(Access { shared: Arc::new(shared) })
    }

    /// Returns the principals in force.
    pub fn current(&self) -> Arc<Principals> {
        self.shared.cell.load_full()
    }

    /// Returns whether a principal is known by a client certificate.
    pub fn has_certificates(&self) -> bool {
        self.current().iter().any(|principal| principal.certificate.is_some())
    }

    /// Returns the mistakes that do not keep the file from being used. `snapshot` is what the daemon serves, if that
    /// is known.
    pub fn warnings(&self, snapshot: Option<&Snapshot>, now: UnixSeconds) -> Vec<String> {
        let current = self.current();
        let mut warnings = self.shared.state.lock().warnings.clone();
        let expired = current.iter().filter(|principal| principal.has_expired(now));
        warnings.extend(expired.map(|principal| {
            let date = principal.expires.map(|(date, _)| date.to_string()).unwrap_or_default();
            format!("principal `{}` has expired on {date}: its requests are refused", principal.name)
        }));
        let unknown = snapshot.map(|snapshot| unknown_companies(&current, snapshot)).unwrap_or_default();
        if !unknown.is_empty() {
            warnings.push(format!("principals have companies that the source lacks: {}", first_of(&unknown)));
        }
        warnings
    }

    /// Creates a reader for one worker.
    pub fn reader(&self) -> AccessReader {
        AccessReader { cache: Cache::new(Arc::clone(&self.shared.cell)) }
    }

    /// Puts the content of the file in force, or keeps the last good one. `read` is the content, or the path
    /// with the error of the system.
    pub fn apply(&self, read: Result<&[u8], String>, observer: impl Fn(&AccessEvent<'_>)) {
        let mut state = self.shared.state.lock();
        let mut refused = None;
        let parsed = read.and_then(|content| {
            let sha256 = <[u8; 32]>::from(Sha256::digest(content));
            refused = Some(sha256);
            if sha256 == state.sha256 {
                return Ok(None);
            }
            let file = PrincipalsFile::parse(&self.shared.path.to_string_lossy(), content);
            file.map(|file| Some((file, sha256))).map_err(|faults| faults.to_string())
        });
        match parsed {
            Ok(None) => {
                if state.error.take().is_some() {
                    observer(&AccessEvent::Unchanged);
                }
            }
            Ok(Some((PrincipalsFile { principals, warnings }, sha256))) => {
                let mut principals = Principals::new(principals);
                principals.keep_last_uses(&self.current());
                let count = principals.iter().len();
                let expiries = expiries(&principals);
                self.shared.cell.store(Arc::new(principals));
                let loaded_at = SystemTime::now().into();
                let unknown = std::mem::take(&mut state.unknown);
                *state = LastLoad { sha256, loaded_at, warnings, error: None, refused: None, unknown };
                observer(&AccessEvent::Replaced { principals: count, warnings: &state.warnings, expiries });
            }
            // The same content is refused once.
            Err(reason) if state.refused == refused && state.error.as_ref() == Some(&reason) => {}
            Err(reason) => {
                state.refused = refused;
                observer(&AccessEvent::Rejected { reason: &reason });
                state.error = Some(reason);
            }
        }
    }

    /// Reports the file that was read at the start, with its warnings.
    pub fn report_opened(&self, observer: impl Fn(&AccessEvent<'_>)) {
        let current = self.current();
        let warnings = &self.shared.state.lock().warnings;
        let (principals, expiries) = (current.iter().len(), expiries(&current));
        observer(&AccessEvent::Opened { principals, warnings, expiries });
    }

    /// Reports the companies of principals that the snapshot lacks, if they have changed since the last call.
    pub fn report_unknown_companies(&self, snapshot: &Snapshot, observer: impl Fn(&AccessEvent<'_>)) {
        let found = unknown_companies(&self.current(), snapshot);
        let mut state = self.shared.state.lock();
        if state.unknown != found {
            if !found.is_empty() {
                observer(&AccessEvent::UnknownCompanies { companies: &found });
            }
            state.unknown = found;
        }
    }

    /// Returns the part of `/status` about the principals. It names tokens by the start of their hashes.
    pub fn status(&self, snapshot: Option<&Snapshot>, now: UnixSeconds) -> Value {
        let principals = self.current();
        let state = self.shared.state.lock();
        let list: Vec<Value> =
            principals.iter().map(|principal| status_of(principal, snapshot, now)).collect();
        json!({
            "path": self.shared.path,
            "loaded_at": time(state.loaded_at.to_seconds()),
            "error": state.error,
            "warnings": state.warnings,
            "list": list,
        })
    }
}

fn status_of(principal: &Principal, snapshot: Option<&Snapshot>, now: UnixSeconds) -> Value {
    let mut part = Map::new();
    part.insert("name".into(), (*principal.name).into());
    match &principal.companies {
        Companies::All => drop(part.insert("companies".into(), json!(["*"]))),
        Companies::Listed(ids) => {
            part.insert("companies".into(), json!(ids));
            let unknown: Vec<&str> = snapshot.map_or_else(Vec::new, |snapshot| missing(ids, snapshot));
            part.insert("unknown_companies".into(), json!(unknown));
        }
        Companies::None => {}
    }
    let allow: Vec<&str> = principal.allow.iter().map(|permission| Permission::as_str(*permission)).collect();
    part.insert("allow".into(), json!(allow));
    if let Some(certificate) = &principal.certificate {
        part.insert("certificate".into(), (**certificate).into());
    }
    let expires = principal.expires.map(|(date, _)| date.to_string());
    if let Some(date) = &expires {
        part.insert("expires".into(), date.as_str().into());
        part.insert("expired".into(), principal.has_expired(now).into());
    }
    let tokens = principal.tokens.iter().map(|token| {
        let mut digits = hex(&token.sha256);
        digits.truncate(SHOWN_DIGITS);
        json!({"sha256": digits, "last_use": token.last_use().and_then(time), "expires": expires})
    });
    part.insert("tokens".into(), tokens.collect());
    part.into()
}

fn expiries(principals: &Principals) -> Vec<UnixSeconds> {
    principals.iter().filter_map(|principal| principal.expires.map(|(_, at)| at)).collect()
}

/// Returns the first of a list, and the number of the others. A line of a log has a bounded length.
pub fn first_of(list: &[String]) -> String {
    let shown: Vec<&str> = list.iter().take(MAX_SHOWN).map(String::as_str).collect();
    let more = list.len().saturating_sub(MAX_SHOWN);
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    shown.join(", ") + &rest
}

/// Returns the companies of principals that a snapshot lacks, each with its principal.
fn unknown_companies(principals: &Principals, snapshot: &Snapshot) -> Vec<String> {
    let of = |principal: &Principal| match &principal.companies {
        Companies::Listed(ids) => {
            let name = &principal.name;
            missing(ids, snapshot).iter().map(|id| format!("{name}: {id}")).collect()
        }
        Companies::All | Companies::None => Vec::new(),
    };
    principals.iter().flat_map(of).collect()
}

fn missing<'i>(ids: &'i [Box<str>], snapshot: &Snapshot) -> Vec<&'i str> {
    ids.iter().map(|id| &**id).filter(|id| snapshot.find_company(id).is_none()).collect()
}

/// Formats a time in RFC 3339. Returns `None` for a time out of range.
fn time(at: UnixSeconds) -> Option<String> {
    jiff::Timestamp::from_second(at.0).ok().map(|at| at.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One worker's access to the principals in force. Detects a change by one load.
pub struct AccessReader {
    cache: Cache<Arc<ArcSwap<Principals>>, Arc<Principals>>,
}

impl AccessReader {
    /// Returns the principals in force. Use them for one whole request.
    #[inline]
    pub fn pin(&mut self) -> &Arc<Principals> {
        self.cache.load()
    }
}

/// A new token. Its `Debug` form does not show it.
pub struct Token(String);

impl Token {
    /// Makes a token from 32 random bytes of the system: `swb_` and 43 characters.
    ///
    /// # Errors
    /// Returns the error of the system if it has no random bytes.
    pub fn random() -> io::Result<Token> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::from)?;
        Ok(Token(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// Returns the token as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the SHA-256 of the token in hexadecimal digits, for the principals file.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;
    use crate::access::{Credential, Need};

    fn text(name: &str, token: &Token) -> String {
        let hash = token.sha256();
        format!(
            "[[principal]]\nname = \"{name}\"\ntoken_sha256 = [\"{hash}\"]\ncompanies = [\"acme\"]\nallow = [\"select\"]\n"
        )
    }

    #[test]
    fn token_has_43_characters_of_base64url_after_its_prefix() {
        let [one, other] = [(); 2].map(|()| Token::random().unwrap());
        let rest = one.as_str().strip_prefix("swb_").unwrap();
        assert_eq!(rest.len(), 43);
        assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{rest}");
        assert_ne!(one.as_str(), other.as_str());
        assert!(one.sha256().len() == 64 && !format!("{one:?}").contains(rest));
    }

    #[test]
    fn broken_content_leaves_the_last_good_principals_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("principals.toml");
        let token = Token::random().unwrap();
        let good = text("a", &token);
        fs::write(&path, &good).unwrap();
        let access = Access::open(&path).unwrap();
        let events = RefCell::new(Vec::new());
        let apply = |read: Result<&str, &str>| {
            let read = read.map(str::as_bytes).map_err(str::to_owned);
            access.apply(read, |event| events.borrow_mut().push(format!("{event:?}")));
            events.take()
        };
        let name = || access.current().get(0).unwrap().name.to_string();
        assert!(apply(Ok(&good)).is_empty());
        let bearer = format!("Bearer {}", token.as_str());
        let credential = Credential::Authorization(bearer.as_bytes());
        let need = Need::of(Permission::Select);
        assert_eq!(access.current().authorize(credential, need, UnixSeconds(7)), Ok(0));

        let rejected = apply(Ok("[[principal]]\n"));
        assert!(rejected.len() == 1 && rejected[0].contains("principals.toml:1: "), "{rejected:?}");
        assert!(apply(Ok("[[principal]]\n")).is_empty(), "one rejection is reported once");
        assert_eq!(name(), "a");
        let error = access.status(None, UnixSeconds(9))["error"].clone();
        assert!(error.as_str().unwrap().contains("has no `name`"), "{error}");
        assert_eq!(apply(Err("p: gone")), ["Rejected { reason: \"p: gone\" }"]);
        assert_eq!(apply(Ok(&good)), ["Unchanged"]);
        assert!(access.status(None, UnixSeconds(9))["error"].is_null());

        assert_eq!(apply(Ok(&text("b", &token))), ["Replaced { principals: 1, warnings: [], expiries: [] }"]);
        assert_eq!(name(), "b");
        let status = access.status(None, UnixSeconds(9));
        let shown = &status["list"][0]["tokens"][0];
        assert_eq!(shown["sha256"], token.sha256()[..8]);
        assert_eq!(shown["last_use"], "1970-01-01T00:00:07Z", "a reload keeps the last use");
        assert!(
            !status.to_string().contains(&token.sha256()) && !status.to_string().contains(token.as_str())
        );
    }

    #[test]
    fn unreadable_and_broken_files_are_different_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("principals.toml");
        assert!(matches!(Access::open(&path), Err(PrincipalsError::Unreadable { .. })));
        assert!(matches!(Access::open(folder.path()), Err(PrincipalsError::Unreadable { .. })));
        fs::write(&path, "").unwrap();
        assert!(matches!(Access::open(&path), Err(PrincipalsError::Faults(_))));
    }
}
