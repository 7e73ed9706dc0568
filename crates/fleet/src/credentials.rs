//! The file of NATS credentials, which is read again at each connection, because credentials expire and are replaced.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_nats::{Auth, AuthError, ConnectOptions};
use nkeys::KeyPair;
use parking_lot::Mutex;

/// A user's token and the seed of its key.
#[derive(Clone)]
struct Credentials {
    jwt: String,
    key: Arc<KeyPair>,
}

/// Returns options that show the credentials of a file. The last ones stay in force if the file cannot be used later.
///
/// # Errors
/// Returns the fault of the file if it cannot be used now. No text quotes the file.
pub(crate) fn options(file: &Path) -> Result<ConnectOptions, String> {
    let last = Arc::new(Mutex::new(read(file)?));
    let file: Arc<PathBuf> = Arc::new(file.to_owned());
    Ok(ConnectOptions::with_auth_callback(move |nonce| {
        let (last, file) = (Arc::clone(&last), Arc::clone(&file));
        async move {
            match read(&file) {
                Ok(credentials) => *last.lock() = credentials,
                Err(error) => tracing::warn!(%error, "the last credentials of the fleet stay in force"),
            }
            let Credentials { jwt, key } = last.lock().clone();
            let mut auth = Auth::new();
            auth.jwt = Some(jwt);
            auth.signature = Some(key.sign(&nonce).map_err(AuthError::new)?);
            Ok(auth)
        }
    }))
}

fn read(file: &Path) -> Result<Credentials, String> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
    let jwt = section(&text, "NATS USER JWT");
    let key = section(&text, "USER NKEY SEED").and_then(|seed| KeyPair::from_seed(seed).ok());
    match (jwt, key) {
        (Some(jwt), Some(key)) => Ok(Credentials { jwt: jwt.to_owned(), key: Arc::new(key) }),
        _ => Err(format!(
            "{}: this is not a file of NATS credentials: make one with `nsc generate creds`",
            file.display()
        )),
    }
}

/// Returns the line between the lines that begin and end a section.
fn section<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let begin = format!("-----BEGIN {name}-----");
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != begin).skip(1);
    lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
}
