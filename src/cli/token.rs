//! `switchboard token`: makes a token. Reads the token that client commands send.

use hyper::header::HeaderValue;
use switchboard_client::{ClientError, Token};

use super::arguments::{CredentialArguments, TokenArguments};
use super::{CommandError, Exit, output};
use crate::access::{self, ANONYMOUS, is_principal_name};

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
    let token = access::Token::random()
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
    let token = Token::read(arguments.token_file.as_deref()).map_err(|error| match error {
        ClientError::Usage(reason) => CommandError::usage(reason),
        ClientError::Io(reason) => CommandError::io(reason),
    })?;
    let header = token.map(|token| HeaderValue::from_str(&token.authorization())).transpose();
    // The characters of a token are allowed in a header.
    let mut header = header.map_err(|error| CommandError::usage(error.to_string()))?;
    header.iter_mut().for_each(|header| header.set_sensitive(true));
    Ok(header)
}
