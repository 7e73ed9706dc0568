//! What the harness itself can do, and the daemon at best: as fast as answers come, in turn of a null server and the
//! daemon.

use super::{
    asked::Asked,
    step::{Context, Stretch},
    subject::{Answerer, Subject},
};
use crate::{
    daemon::NullServer,
    engine::{Measured, Pace, Unjudged},
    error::{Error, Result},
    report::model::Ceiling,
    statistics::median,
};

/// Pairs of runs: the machine may be slower for a while, and then is so for both of a pair.
const PAIRS: usize = 5;

/// The daemon's highest rate, and what it is beside a null server's where the two are alike.
pub(super) fn measure(
    context: &Context<'_>,
    answerer: &Answerer,
    asked: &mut Asked,
    cores: &[u32],
) -> Result<(f64, Option<Ceiling>)> {
    let measure = context.scenario.ceiling.0;
    let stretch = Stretch { pace: Pace::AsAnswered, warm_up: measure / 4, measure };
    // The null server has one thread, on the cores of ours: beside a daemon with more, or elsewhere, a ratio says nothing.
    let alike = matches!(context.subject, Subject::Ours(ours) if ours.workers == 1);
    let mut null_server = None;
    let mut ceiling = Ceiling {
        null: Vec::new(),
        daemon: Vec::new(),
        null_idle: Vec::new(),
        daemon_idle: Vec::new(),
        ratio: 0.0,
    };
    let mut ratios = Vec::new();
    for _ in 0..PAIRS {
        let daemon = context.measure("daemon", answerer, asked, stretch, || ())?;
        sound("the daemon", &daemon)?;
        ceiling.daemon.push(daemon.step.achieved);
        ceiling.daemon_idle.push(daemon.step.idle_percent);
        if !alike {
            continue;
        }
        // Its answers are as long as the daemon's, which are known now.
        let null = match &mut null_server {
            Some(null) => null,
            none => none.insert(NullServer::start(daemon.body, cores)?),
        };
        let null = Answerer::theirs(null.data);
        let null = context.measure("null server", &null, &mut Unjudged(asked), stretch, || ())?;
        sound("the null server", &null)?;
        ceiling.null.push(null.step.achieved);
        ceiling.null_idle.push(null.step.idle_percent);
        ratios.push(daemon.step.achieved / null.step.achieved);
    }
    let highest = median(&ceiling.daemon).unwrap_or_default();
    Ok((highest, median(&ratios).map(|ratio| Ceiling { ratio, ..ceiling })))
}

/// Holds a run to what makes it comparable: each request answered, over connections that last.
fn sound(by: &str, measured: &Measured) -> Result<()> {
    if let Some((kind, failures)) = measured.step.errors.iter().next() {
        return Err(Error::Refused(format!(
            "{} × {kind} before anything was measured, the first by {by}: {}",
            failures.count, failures.first
        )));
    }
    if measured.reopened > 0 {
        return Err(Error::Refused(format!(
            "{by} closed {} connections before anything was measured, so that there is no rate to compare with: let \
             connections last, and leave out requests after which one is closed",
            measured.reopened
        )));
    }
    Ok(())
}
