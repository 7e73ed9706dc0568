//! `switchboard audit verify`: verifies the chain of an audit log.

use serde_json::json;

use super::arguments::{FormatArguments, OutputFormat, VerifyArguments};
use super::output::{self, SUCCESS, count};
use super::{CommandError, Exit};
use crate::access::audit::{self, ChainEnd, VerifiedChain, VerifyError};

/// Verifies the chain of the records, and prints its first and last record, or the record that breaks it.
pub(super) fn verify(arguments: &VerifyArguments) -> Result<Exit, CommandError> {
    let VerifyArguments { files, output: FormatArguments { format } } = arguments;
    let verified = match audit::verify(files) {
        Err(error @ VerifyError::Unreadable { .. }) => {
            let remedy = "name files of an audit log that this user may read; the output of a program must be in a file first, \
                          because each file is read twice";
            return Err(CommandError::io(format!("{error}; {remedy}")));
        }
        verified => verified,
    };
    match (format, &verified) {
        (OutputFormat::Json, _) => output::print(&format!("{:#}\n", result(&verified)))?,
        (OutputFormat::Text, Ok(chain)) => output::print(&text(chain))?,
        (OutputFormat::Text, Err(error)) => output::print_failure(&error.to_string()),
    }
    Ok(if verified.is_ok() { Exit::Success } else { Exit::Failed })
}

fn text(VerifiedChain { first, end: ChainEnd { seq, hash }, torn }: &VerifiedChain) -> String {
    let records =
        count(usize::try_from((seq - first).saturating_add(1)).unwrap_or(usize::MAX), "record", "records");
    let mut text =
        format!("{SUCCESS}{records} verified{SUCCESS:#}: {first} to {seq}\nhash of record {seq}: {hash}\n");
    if *first > 1 {
        text +=
            &format!("the chain begins at record {first}; the records before it are in none of the files\n");
    }
    if *torn > 0 {
        text += &format!(
            "the last {torn} bytes are the beginning of a record, which was not answered; the daemon removes them \
             at its next start\n"
        );
    }
    text
}

fn result(verified: &Result<VerifiedChain, VerifyError>) -> serde_json::Value {
    match verified {
        Ok(VerifiedChain { first, end: ChainEnd { seq, hash }, torn }) => {
            json!({"verified": true, "first": first, "last": seq, "hash": hash, "torn_bytes": torn})
        }
        Err(VerifyError::Broken { path, line, seq, reason }) => {
            json!({"verified": false, "file": path, "line": line, "seq": seq, "error": reason})
        }
        Err(error) => json!({"verified": false, "error": error.to_string()}),
    }
}
