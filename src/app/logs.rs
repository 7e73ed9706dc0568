//! Structured logs on standard error. Nothing that a client sends is logged, because a phone number is personal
//! data and may be in any field.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Levels without `RUST_LOG`. notify logs routine work at `info`.
const DEFAULT_LEVELS: &str = "info,notify=warn";

/// Starts logging. The environment variable `RUST_LOG` sets the levels.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LEVELS));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LossyStderr).with_target(false);
    // A second start in one process, as in tests, keeps the logs of the first.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
}

/// Standard error without errors, because the daemon outlives its log collector. tracing would report an
/// error on standard error, and panic if that is closed.
struct LossyStderr;

impl Write for LossyStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Lines without a reader are lost.
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
