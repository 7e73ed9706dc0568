//! The progress bar of a compile that takes its time: on standard error, on a terminal, from the
//! second second on.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Compiles shorter than this are not worth a bar.
const WORTH_IT: Duration = Duration::from_secs(1);

/// How often the time is drawn anew.
const TICK: Duration = Duration::from_millis(100);
const COUNTED: &str = "{spinner} {msg} {bar:40} {human_pos} of {human_len} accounts, {elapsed}";
const UNCOUNTED: &str = "{spinner} {msg} {elapsed}";

/// A bar that appears once the work has taken a second, and goes when it is dropped.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// Hidden, unless standard error is a terminal and the work takes its time.
    pub fn new() -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Progress { bar, started: Instant::now() }
    }

    /// What is done now, and so many of so many accounts of it; of none where that cannot be told.
    pub fn report(&self, what: &'static str, done: usize, total: usize) {
        let template = if total > 0 { COUNTED } else { UNCOUNTED };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_message(what);
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        if self.bar.is_hidden() && self.started.elapsed() >= WORTH_IT {
            // indicatif itself stays silent where standard error is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(TICK);
        }
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
