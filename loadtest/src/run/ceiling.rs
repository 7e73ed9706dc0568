//! Measures the highest rates of the daemon and of a null server alternately, with the same requests in a
//! closed loop.

use super::{
    context::Context,
    requests::Requests,
    step::Stretch,
    target::{Instance, TestTarget},
};
use crate::{
    child::NullServer,
    engine::{Measured, Pace, Unchecked},
    error::{Error, Result},
    report::model::Ceiling,
    statistics::median,
};

/// Number of pairs of runs. If the machine is slower for a while, both runs of a pair are slower.
const PAIRS: usize = 5;

/// Returns the daemon's highest rate, and the ceiling if the daemon is comparable with a null server.
pub(super) fn measure(
    context: &Context<'_>,
    instance: &Instance,
    requests: &mut Requests,
    cores: &[u32],
) -> Result<(f64, Option<Ceiling>)> {
    let measure = context.scenario.ceiling.0;
    let stretch = Stretch { pace: Pace::AsAnswered, warm_up: measure / 4, measure };
    // The null server has one thread on the cores of an own daemon. Other daemons are not comparable.
    let is_comparable = match &context.testbed.target {
        TestTarget::Own(own) => own.workers == 1 && own.access.is_plain_tcp(),
        TestTarget::Running { .. } => false,
    };
    let mut null_server = None;
    let (mut null, mut daemon, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut null_idle, mut daemon_idle) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let by_daemon = context.measure("daemon", instance, &mut *requests.source, stretch, || ())?;
        check("the daemon", &by_daemon)?;
        daemon.push(by_daemon.step.achieved);
        daemon_idle.push(by_daemon.step.idle_percent);
        if !is_comparable {
            continue;
        }
        // Its answers have the length of the daemon's, which is known only now.
        let server = match &mut null_server {
            Some(server) => server,
            none => none.insert(NullServer::start(by_daemon.body_bytes, cores)?),
        };
        let server = Instance { daemon: None, data: server.data.into(), admin: None };
        let mut unchecked = Unchecked(&mut *requests.source);
        let by_null = context.measure("null server", &server, &mut unchecked, stretch, || ())?;
        check("the null server", &by_null)?;
        null.push(by_null.step.achieved);
        null_idle.push(by_null.step.idle_percent);
        ratios.push(by_daemon.step.achieved / by_null.step.achieved);
    }
    let nothing = || Error::Refused("the highest rate was not measured: no pair of runs".to_owned());
    let highest = median(&daemon).ok_or_else(nothing)?;
    let ceiling = median(&ratios).map(|ratio| Ceiling { null, daemon, null_idle, daemon_idle, ratio });
    Ok((highest, ceiling))
}

/// Checks that every request was answered, and that no connection was closed. Only such runs are comparable.
fn check(server: &str, measured: &Measured) -> Result<()> {
    if let Some((kind, failures)) = measured.step.errors.iter().next() {
        return Err(Error::Refused(format!(
            "{} × {kind} while the highest rate was measured, the first from {server}: {}",
            failures.count, failures.first
        )));
    }
    if measured.reopened > 0 {
        return Err(Error::Refused(format!(
            "{server} closed {} connections while the highest rate was measured, so the rates are not comparable: keep \
             connections open, and leave out requests after which the server closes them",
            measured.reopened
        )));
    }
    Ok(())
}
