//! Structured logs on standard error. No data of a client is logged, because any field may contain a phone
//! number, which is personal data.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Log levels if `RUST_LOG` is not set. notify logs routine work at `info`.
const DEFAULT_LEVELS: &str = "info,notify=warn";

/// Starts logging in this format. The environment variable `RUST_LOG` sets the levels.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LEVELS));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LossyStderr).with_target(false);
    // A second start in the same process fails and keeps the first logger.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
}

/// Standard error that never reports an error, because the daemon outlives its log collector. tracing would
/// report the error on standard error again, and panic if it is closed.
struct LossyStderr;

impl Write for LossyStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without a reader the line is lost.
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
