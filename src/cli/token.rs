//! `switchboard token`: makes a token. Reads the token that client commands send.

use std::env;
use std::io;

use hyper::header::HeaderValue;

use super::arguments::{CredentialArguments, TokenArguments};
use super::{CommandError, Exit, output};
use crate::access::{ANONYMOUS, Token, is_principal_name};
use crate::runtime::read_bounded;

/// Variable with the token of the client commands.
const VARIABLE: &str = "SWITCHBOARD_TOKEN";
/// Maximum size of a file with a token.
const MAX_TOKEN_FILE_BYTES: usize = 4096;

/// Prints a new token to standard output, and its section of the principals file to standard error.
pub(super) fn run(arguments: &TokenArguments) -> Result<Exit, CommandError> {
    let name = &arguments.name;
    if name.eq_ignore_ascii_case(ANONYMOUS) {
        return Err(CommandError::usage(
            "the principal anonymous has no token, because it stands for callers without a credential: choose another \
             name",
        ));
    }
    if !is_principal_name(name) {
        return Err(CommandError::usage(
            "NAME is not the name of a principal: write 1 to 128 letters, digits and signs without blank, comma, slash \
             and quote, such as gateway-eu",
        ));
    }
    let token = Token::random()
        .map_err(|error| CommandError::io(format!("the system has no random bytes: {error}; try again")))?;
    output::print(&format!("{}\n", token.as_str()))?;
    // The name is valid TOML between quotes, because it has no quote; a backslash is escaped.
    let name = name.replace('\\', "\\\\");
    output::print_error(&format!(
        "# Add these lines to the file of --principals, and restrict them. To replace a token, add only its hash to\n\
         # the list of its principal. The token itself is on standard output, and is stored nowhere.\n\
         [[principal]]\n\
         name = \"{name}\"\n\
         token_sha256 = [\"{}\"]\n\
         companies = [\"*\"] # all; or ids of companies, such as [\"acme\"]\n\
         allow = [\"select\"] # select explain read standings metrics\n",
        token.sha256()
    ));
    Ok(Exit::Success)
}

/// Returns the header `Authorization` of client commands: with the token in the named file, else in the
/// variable `SWITCHBOARD_TOKEN`. No message repeats the token.
pub(super) fn authorization(arguments: &CredentialArguments) -> Result<Option<HeaderValue>, CommandError> {
    let (text, place) = match &arguments.token_file {
        Some(path) => {
            let content = read_bounded(path, MAX_TOKEN_FILE_BYTES).map_err(|error: io::Error| {
                CommandError::io(format!("cannot read {}: {error}; see --token-file", path.display()))
            })?;
            (String::from_utf8_lossy(&content).into_owned(), path.display().to_string())
        }
        None => match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) => (value.to_string_lossy().into_owned(), VARIABLE.to_owned()),
            None => return Ok(None),
        },
    };
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let header = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| is_token);
    let mut header = header.ok_or_else(|| {
        CommandError::usage(format!(
            "{place} has no token: expected the line that `switchboard token` printed"
        ))
    })?;
    header.set_sensitive(true);
    Ok(Some(header))
}
