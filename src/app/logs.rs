//! Structured logs on standard error. Nothing that a caller sends is ever logged: a phone number is
//! personal data, and may stand in any field.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What is logged where `RUST_LOG` says nothing. notify logs its own housekeeping as news.
const LEVELS: &str = "info,notify=warn";

/// Starts logging. `RUST_LOG` sets the levels.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LEVELS));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Unfailing).with_target(false);
    // A second start, as in a test that runs two daemons, keeps the first one's logs.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
}

/// Standard error, for as long as somebody reads it. The daemon outlives whoever collects its logs: an
/// error handed on from here would be reported on standard error, which panics where that is closed.
struct Unfailing;

impl Write for Unfailing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One write for a line, as far as the pipe takes it; the rest, and lines without a reader, are lost.
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
