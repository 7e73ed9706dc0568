//! `loadtest run`: executes each scenario from the preparation to the report.

use super::{
    admin::Metrics,
    ceiling,
    context::{Context, CorruptReloads},
    machine,
    options::Options,
    requests::Requests,
    scratch::{Scratch, StandingsToRestore},
    step::{Stretch, log_step},
    sweep,
    target::TestTarget,
    testbed::TestBed,
    verdicts,
};
use crate::{
    cpu_affinity,
    engine::{FailureKind, Pace},
    error::{Error, Result},
    output,
    report::{
        self, DAEMON_ENDED, figures,
        model::{Ceiling, DemandVerdict, Failures, Pinning, Report, SCHEMA, ScenarioRun, Setup},
        summary, units,
    },
    scenario::{self, Scenario},
};
use std::time::Duration;

/// Time for which the use of the cores by other programs is measured.
const BEFORE_THE_START: Duration = Duration::from_millis(500);

/// Runs the scenarios one after the other.
///
/// # Errors
/// An argument is wrong, a file cannot be read or written, the daemon fails, a demand does not hold, or a run
/// is invalid.
pub fn run(options: &Options) -> Result<()> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for name in &options.scenarios {
        let scenario = options.apply(scenario::load(name)?);
        options.check(&scenario)?;
        if scenarios.iter().any(|known| known.name == scenario.name) {
            return Err(Error::Usage(format!(
                "two scenarios are called {}: use --repeat for more runs of one, or rename a file",
                scenario.name
            )));
        }
        scenarios.push(scenario);
    }
    report::files::check_folder(&options.out)?;
    let usable = cpu_affinity::usable_cores().len();
    let busy = machine::busy_cores(BEFORE_THE_START);
    if let Some(warning) = machine::too_few_cores(usable, busy, options.target.is_some()) {
        output::log(&warning);
    }
    let scratch = Scratch::new()?;
    let mut failed = Vec::new();
    for scenario in &scenarios {
        let report = match run_scenario(scenario, options, &scratch) {
            Ok(report) => report,
            // The next scenario may succeed.
            Err(Error::Refused(reason)) => {
                output::log(&reason);
                failed.push(format!("{}: {reason}", scenario.name));
                continue;
            }
            Err(error) => return Err(error),
        };
        output::print(&summary::table(&report))?;
        report::files::write(&report, &options.out)?;
        failed.extend(report.failures());
        failed.extend(other_registry(options, &report));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::Refused(format!("failed:\n  {}", failed.join("\n  "))))
}

/// Returns the probable cause of wrong answers of a running daemon: it serves another registry.
fn other_registry(options: &Options, report: &Report) -> Option<String> {
    let (Some(registry), Some(_)) = (&options.registry, &options.target) else { return None };
    let mut steps = report.runs.iter().flat_map(|run| &run.steps);
    steps.any(|step| step.errors.contains_key(FailureKind::WrongAnswer.as_str())).then(|| {
        format!(
            "{}: answers differ from those of {}: first check that the daemon serves this registry without standings",
            report.scenario,
            registry.display()
        )
    })
}

fn run_scenario(scenario: &Scenario, options: &Options, scratch: &Scratch) -> Result<Report> {
    let started = jiff::Timestamp::now();
    output::log(&format!("\n{}: {}", scenario.name, scenario.about));
    let workers = usize::try_from(scenario.workers.get()).unwrap_or(1);
    let mut pinning = Pinning::from_option(&options.pin, &cpu_affinity::usable_cores(), workers)?;
    if let (Some(pinning), Some(_)) = (&mut pinning, &options.target) {
        // A running daemon is not pinned.
        pinning.daemon.clear();
    }
    let cores = |of: fn(&Pinning) -> &Vec<u32>| pinning.as_ref().map(of).cloned().unwrap_or_default();
    let daemon_cores = cores(|pinning| &pinning.daemon);
    let testbed = TestBed::prepare(scenario, options, &daemon_cores, scratch)?;
    testbed.prepare_snapshots(scenario)?;
    // The standings of an own daemon need not be cleared, because they end with the daemon.
    let own_standings = StandingsToRestore::default();
    let context = Context {
        scenario,
        testbed: &testbed,
        standings: match testbed.target {
            TestTarget::Own(_) => &own_standings,
            TestTarget::Running { .. } => &scratch.standings,
        },
        corrupt_reloads: CorruptReloads::Never,
        cores: &cores(|pinning| &pinning.harness),
    };
    let requests = Requests::new(scenario, options, &testbed)?;
    requests.notes.iter().for_each(|note| output::log(&format!("requests    {note}")));
    let highest = measure_highest(&context, options, requests, &daemon_cores)?;

    let (mut runs, mut verdicts) = (Vec::new(), Vec::new());
    for n in 1..=scenario.repeat.get() {
        let requests = Requests::new(scenario, options, &testbed)?;
        match run_once(&context, n, requests, highest.rate) {
            Ok(run) => runs.push(run),
            // The report keeps the runs before, because they may show why the daemon ended.
            Err(Error::Refused(reason)) if n > 1 => {
                output::log(&reason);
                let (demand, measured) =
                    (format!("{} runs", scenario.repeat), format!("{}: {reason}", n - 1));
                verdicts.push(DemandVerdict { demand, measured, holds: false });
                break;
            }
            Err(error) => return Err(error),
        }
    }
    verdicts.extend(verdicts::verdicts(&scenario.demand, &runs, highest.ceiling.as_ref()));
    let Highest { ceiling, metrics, notes, .. } = highest;
    Ok(Report {
        schema: SCHEMA,
        scenario: scenario.name.clone(),
        started: started.round(jiff::Unit::Second).unwrap_or(started).to_string(),
        setup: setup(scenario, options, &testbed, metrics.as_ref(), pinning, notes),
        ceiling,
        runs,
        verdicts,
    })
}

struct Highest {
    /// Requests per second. 0 if the rate was not measured.
    rate: f64,
    ceiling: Option<Ceiling>,
    metrics: Option<Metrics>,
    notes: Vec<String>,
}

/// Measures the highest rate. If that fails, the scenario fails only if its rate is a share of the highest
/// rate.
fn measure_highest(
    context: &Context<'_>,
    options: &Options,
    mut requests: Requests,
    daemon_cores: &[u32],
) -> Result<Highest> {
    let instance = context.testbed.target.start()?;
    let metrics = instance.admin.as_ref().and_then(|admin| admin.metrics().ok());
    let is_needed = context.scenario.needs_ceiling();
    // The highest rate of a running daemon is measured only on request, because the daemon may serve others.
    let measured = match is_needed || options.ceiling || options.target.is_none() {
        true => ceiling::measure(context, &instance, &mut requests, daemon_cores),
        false => Ok((0.0, None)),
    };
    let mut notes = requests.notes;
    let mut missing = "not measured: --ceiling measures it".to_owned();
    let (rate, ceiling) =
        match (measured, instance.stop().map_err(|reason| format!("the daemon ended: {reason}"))) {
            (Ok(measured), Ok(())) => measured,
            (Ok(_), Err(reason)) => return Err(Error::Refused(reason)),
            (Err(Error::Refused(reason)), Ok(())) if !is_needed => {
                missing = format!("none: {reason}");
                notes.push(format!("ceiling {missing}"));
                (0.0, None)
            }
            (Err(error), Ok(())) => return Err(error),
            (Err(error), Err(reason)) => return Err(Error::Refused(format!("{error}; {reason}"))),
        };
    let line = match &ceiling {
        Some(ceiling) => figures::describe_ceiling(ceiling),
        None if rate > 0.0 => {
            format!("{}/s by the daemon; not comparable with a null server", units::rate(rate))
        }
        None => missing,
    };
    output::log(&format!("ceiling     {line}"));
    Ok(Highest { rate, ceiling, metrics, notes })
}

/// Runs the scenario once. An own daemon is started for it. If it fails, adds an error to the run.
fn run_once(context: &Context<'_>, n: u32, mut requests: Requests, highest: f64) -> Result<ScenarioRun> {
    let scenario = context.scenario;
    let instance = context.testbed.target.start()?;
    let run = match scenario.sweep {
        Some(sweep) => sweep::run(context, &instance, &mut requests, sweep, highest),
        None => {
            let pace = Pace::Rate(scenario.rate.per_second(highest));
            let stretch = Stretch { pace, warm_up: scenario.warm_up.0, measure: scenario.duration.0 };
            let name = format!("run {n}");
            context.step(&name, &instance, &mut requests, stretch).map(|(step, _)| {
                log_step(&name, &step);
                ScenarioRun { steps: vec![step], ..ScenarioRun::default() }
            })
        }
    };
    match (run, instance.stop()) {
        (Ok(mut run), Err(first)) => {
            if let Some(step) = run.steps.last_mut() {
                step.errors.entry(DAEMON_ENDED.to_owned()).or_insert(Failures { count: 1, first });
            }
            Ok(run)
        }
        (Err(error), Err(reason)) => Err(Error::Refused(format!("{error}; the daemon ended: {reason}"))),
        (run, Ok(())) => run,
    }
}

fn setup(
    scenario: &Scenario,
    options: &Options,
    testbed: &TestBed,
    metrics: Option<&Metrics>,
    pinning: Option<Pinning>,
    notes: Vec<String>,
) -> Setup {
    let own = match &testbed.target {
        TestTarget::Own(own) => Some(own),
        TestTarget::Running { .. } => None,
    };
    Setup {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        daemon: metrics.and_then(Metrics::build),
        commit: Some(env!("SWITCHBOARD_COMMIT").to_owned()).filter(|commit| commit != "unknown"),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        harness_digest: std::env::current_exe().ok().and_then(|program| machine::digest(&program)),
        daemon_digest: own.and_then(|own| machine::digest(&own.program)),
        effective: scenario.effective(),
        notes,
        daemon_command: own.map(|own| own.command()),
        machine: machine::machine(),
        pinning,
        registry: testbed.target.facts(options, &testbed.source, metrics),
        seed: options.seed,
        connections: scenario.connections.get(),
        timeout_us: u64::try_from(scenario.timeout.0.as_micros()).unwrap_or(u64::MAX),
    }
}
