//! One generation per request: whatever can be read in an answer says which generation it is of.
//!
//! `SWITCHBOARD_LONG=1` runs it for 30 s instead of 3.

mod encoded;
mod readers;
mod stress;

use std::time::Duration;

/// How long it is tried.
fn duration() -> Duration {
    Duration::from_secs(if std::env::var_os("SWITCHBOARD_LONG").is_some() { 30 } else { 3 })
}
