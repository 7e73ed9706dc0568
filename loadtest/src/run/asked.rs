//! What is asked: requests drawn from a registry, or queries of the user's own.

use super::{options::Options, queries::Queries, stage::FIRST, stage::Stage};
use crate::{
    engine::{Received, Source},
    error::{Error, Result},
    scenario::Scenario,
    slow::Ways,
    traffic::{Ground, Outcomes, Published, Suspensions, Traffic, Wrong},
};
use std::path::Path;

pub(super) enum Asked {
    Drawn(Box<Traffic>),
    Given(Queries),
}

/// The requests of a run. Each run draws them anew, since what may be answered depends on what was published.
pub(super) fn draw(
    scenario: &Scenario,
    options: &Options,
    stage: &Stage,
    churned: &[(String, String)],
) -> Result<Asked> {
    if let Some(queries) = &options.queries {
        return Queries::read(queries).map(Asked::Given);
    }
    let registries: Vec<&Path> = stage.registries.iter().map(|path| path.as_path()).collect();
    let published = if options.target.is_some() { Published::any() } else { Published::only(FIRST) };
    let now = jiff::Timestamp::now().as_second();
    let ground = Ground { registries: &registries, churned, seed: options.seed, now };
    Traffic::draw(&scenario.mix, &ground, published).map(|traffic| Asked::Drawn(Box::new(traffic))).map_err(
        |error| match error {
            Error::Usage(why) => Error::Usage(format!("{}: {why}", scenario.name)),
            other => other,
        },
    )
}

impl Asked {
    pub(super) fn published(&self) -> Published {
        match self {
            Asked::Drawn(traffic) => traffic.published().clone(),
            Asked::Given(_) => Published::any(),
        }
    }

    /// Told by whoever changes standings; of no account where no answer can be held to them.
    pub(super) fn suspensions(&self) -> Suspensions {
        match self {
            Asked::Drawn(traffic) => traffic.suspensions().clone(),
            Asked::Given(_) => Suspensions::new(0),
        }
    }

    /// What slow clients ask.
    pub(super) fn slowly(&self) -> Ways {
        match self {
            Asked::Drawn(traffic) => {
                let [target, query] = traffic.sample();
                Ways::default().head(target).body(query)
            }
            Asked::Given(queries) => queries.slowly(),
        }
    }

    pub(super) fn notes(&self) -> &[String] {
        match self {
            Asked::Drawn(traffic) => traffic.notes(),
            Asked::Given(_) => &[],
        }
    }

    fn inner(&self) -> &dyn Source {
        match self {
            Asked::Drawn(traffic) => &**traffic,
            Asked::Given(queries) => queries,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Source {
        match self {
            Asked::Drawn(traffic) => &mut **traffic,
            Asked::Given(queries) => queries,
        }
    }
}

impl Source for Asked {
    fn next(&mut self) -> usize {
        self.inner_mut().next()
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.inner().bytes(request)
    }

    fn selections(&self) -> u64 {
        self.inner().selections()
    }

    fn check(
        &mut self,
        request: usize,
        answer: &Received<'_>,
        outcomes: &mut Outcomes,
    ) -> std::result::Result<(), Wrong> {
        self.inner_mut().check(request, answer, outcomes)
    }
}
