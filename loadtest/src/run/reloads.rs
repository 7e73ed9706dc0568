//! A new snapshot again and again, each looked out for until it is served.

use super::{actors::Actors, stage::FIRST, subject::Ours};
use crate::{daemon::metrics, scenario::Reload};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// The daemon looks once a second where no event tells it; a loaded machine may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// At the end of a run, one that is younger may be on its way still.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// Scarcely: rendering the metrics takes from the core that answers.
const PAUSE: Duration = Duration::from_millis(50);

impl Actors<'_> {
    pub(super) fn reload(&self, ours: &Ours, reload: Reload) {
        let Some(admin) = self.answerer.admin else { return };
        let (mut due, mut seen) = (Instant::now(), 0_u64);
        for (generation, path) in ours.snapshots.iter().filter(|(generation, _)| *generation > FIRST) {
            due += reload.every.0;
            self.until.sleep_until(due);
            if !self.until.goes_on() {
                break;
            }
            // Before it is there: the first answer of it may come at once.
            self.published.announce(*generation);
            let placed = Instant::now();
            if let Err(error) = ours.serve(path) {
                return self.failed("reload_not_written", error.to_string());
            }
            if self.served(admin, *generation, placed) {
                let text =
                    format!("generation {generation}, served after {} ms", placed.elapsed().as_millis());
                self.event(placed, "reload", text);
                seen += u64::from(Instant::now() > self.from);
            }
        }
        if seen == 0 {
            let why = "no new snapshot was served while it was recorded: make the duration longer, or reload.every \
                       shorter";
            self.failed("reload_not_seen", why.to_owned());
        }
    }

    /// Waits until this generation is served, for as long as the run goes on and there is hope.
    fn served(&self, admin: SocketAddr, generation: u64, placed: Instant) -> bool {
        loop {
            match metrics(admin) {
                Ok(told) if told.generation() == generation => return true,
                Ok(_) => {}
                Err((kind, why)) => self.failed("metrics", format!("{kind}: {why}")),
            }
            let waited = placed.elapsed();
            let most = if self.until.goes_on() { PATIENCE } else { ON_ITS_WAY };
            if waited > most {
                let why =
                    format!("generation {generation} was not served within {:.1} s", waited.as_secs_f64());
                self.failed("reload_not_seen", why);
            }
            if waited > most || !self.until.goes_on() {
                return false;
            }
            self.until.sleep_until(Instant::now() + PAUSE);
        }
    }
}
