//! The registry, compiled again and again; every fourth file is corrupt.

use super::Run;
use crate::{
    daemon::metrics,
    error::{Error, Result},
    output::{self, Sheet},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The account that each compilation gives its other address.
pub(super) const EDITED: &str = "tg-gb-1";
pub(super) const ADDRESSES: [&str; 2] = ["@acme_gb", "@acme_soak"];

/// The daemon looks once a second where no event tells it; a loaded machine may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Registry {
    program: PathBuf,
    sources: PathBuf,
    snapshot: PathBuf,
    generation: u64,
}

impl Registry {
    /// Writes the demo company and compiles its first generation.
    pub(super) fn write(folder: &Path, program: PathBuf) -> Result<Self> {
        let sources = folder.join("registry");
        let mut registry = Self { program, sources, snapshot: folder.join("snapshot"), generation: 0 };
        let company = registry.sources.join("acme");
        output::make_dir(&company)?;
        for (name, text) in [
            ("company.toml", include_str!("../../../config/demo/acme/company.toml")),
            ("tests.toml", include_str!("../../../config/demo/acme/tests.toml")),
        ] {
            let mut sheet = Sheet::create(company.join(name))?;
            sheet.text(text)?;
            sheet.finish()?;
        }
        registry.publish()?;
        Ok(registry)
    }

    pub(super) fn snapshot(&self) -> &Path {
        &self.snapshot
    }

    /// The next generation, with the account's other address.
    fn publish(&mut self) -> Result<()> {
        self.generation += 1;
        let [first, second] = ADDRESSES;
        let address = if self.generation % 2 == 1 { first } else { second };
        let accounts = include_str!("../../../config/demo/acme/accounts.csv").replace(first, address);
        let mut sheet = Sheet::create(self.sources.join("acme/accounts.csv"))?;
        sheet.text(&accounts)?;
        sheet.finish()?;
        let done = Command::new(&self.program)
            .arg("compile")
            .arg(&self.sources)
            .arg("-o")
            .arg(&self.snapshot)
            .args(["--generation", &self.generation.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|source| Error::Io { doing: "run", path: self.program.clone(), source })?;
        if done.success() {
            return Ok(());
        }
        Err(Error::Refused(format!("the demo company does not compile: {done}")))
    }

    /// The snapshot with one bit of its middle turned, put in place as a good one would be.
    fn corrupt(&self) -> Result<()> {
        let failed = |source| Error::Io { doing: "corrupt", path: self.snapshot.clone(), source };
        let mut bytes = fs::read(&self.snapshot).map_err(failed)?;
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
        let aside = self.snapshot.with_extension("aside");
        fs::write(&aside, bytes).map_err(failed)?;
        fs::rename(&aside, &self.snapshot).map_err(failed)
    }
}

/// A reload every so often. Each is awaited, so that none hides behind the next.
pub(super) fn turns(run: &Run, registry: &mut Registry) {
    let mut due = Instant::now();
    for turn in 1_u64.. {
        due += run.reload_every;
        run.sleep_until(due);
        if !run.goes_on() {
            return;
        }
        let before = counts(run);
        let bad = turn % 4 == 0;
        let done = if bad { registry.corrupt() } else { registry.publish() };
        if let Err(error) = done {
            run.tally.failed(("snapshot not written", error.to_string()));
            continue;
        }
        if bad {
            run.tally.corrupted.one()
        } else {
            run.tally.published.one()
        }
        let seen = |now: &Counts| {
            if bad { now.rejected > before.rejected } else { now.generation == registry.generation }
        };
        let until = Instant::now() + PATIENCE;
        while !seen(&counts(run)) {
            if Instant::now() > until {
                let what = if bad { "a corrupt file" } else { "a new generation" };
                run.tally.failed(("reload not seen", what.to_owned()));
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) published: u64,
    pub(super) rejected: u64,
    generation: u64,
}

/// From the daemon's metrics.
pub(super) fn counts(run: &Run) -> Counts {
    let metrics = metrics(run.admin).unwrap_or_else(|failure| {
        run.tally.failed(failure);
        Default::default()
    });
    Counts {
        published: metrics.reloads("published"),
        rejected: metrics.reloads("rejected"),
        generation: metrics.generation(),
    }
}
