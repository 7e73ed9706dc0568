//! The token that a client sends.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::ClientError;

/// Variable with the token of a client.
const VARIABLE: &str = "SWITCHBOARD_TOKEN";
/// Maximum size of a file with a token.
const MAX_FILE_BYTES: u64 = 32 * 1024;
/// The start of every token that `switchboard token` makes.
const TOKEN_PREFIX: &[u8] = b"swb_";

/// A token of a principal. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Reads the token in a file, else in the variable `SWITCHBOARD_TOKEN`. Returns `None` without both.
    ///
    /// # Errors
    /// Returns the reason why the file or the variable has no token.
    pub fn read(file: Option<&Path>) -> Result<Option<Token>, ClientError> {
        let (text, place) = match file {
            Some(path) if path.as_os_str().as_encoded_bytes().starts_with(TOKEN_PREFIX) => {
                return Err(ClientError::Usage(
                    "--token-file has a token: write the token to a file, and name the file; replace the token, because \
                     every user of the machine could see it"
                        .to_owned(),
                ));
            }
            Some(path) => {
                let shown = path.display().to_string();
                let text = read_file(path).map_err(|error| {
                    ClientError::Io(format!("cannot read {shown}: {error}; see --token-file"))
                })?;
                (text, shown)
            }
            None => match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
                Some(value) => (value.to_string_lossy().into_owned(), VARIABLE.to_owned()),
                None => return Ok(None),
            },
        };
        let token = text.trim_start_matches('\u{feff}').trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ClientError::Usage(format!(
                "{place} has no token: expected the line that `switchboard token` printed"
            )));
        }
        Ok(Some(Token(token.to_owned())))
    }

    /// Returns the value of the header `Authorization`.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Returns the header `Authorization` with the end of its line.
    pub fn header(&self) -> String {
        format!("authorization: {}\r\n", self.authorization())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

/// Reads the file. It may be a pipe, so that the token is on no disk.
fn read_file(path: &Path) -> io::Result<String> {
    let mut content = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("the file has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}
