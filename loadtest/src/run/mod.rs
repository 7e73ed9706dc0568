//! `loadtest run`: sets the stage, finds out what there is to reach, measures, and tells.

mod actors;
mod asked;
mod ceiling;
mod cores;
mod digest;
mod machine;
mod options;
mod progress;
mod queries;
mod reloads;
mod scratch;
mod stage;
mod standings;
mod step;
mod subject;
mod sweep;
mod variant;
mod verdicts;
mod waits;

pub use self::options::Options;
use self::{
    scratch::Scratch,
    stage::Stage,
    standings::Owed,
    step::{Context, Stretch},
    subject::{Answerer, Subject},
};
use crate::{
    engine::Pace,
    error::{Error, Result},
    report::{
        self, DAEMON_ENDED,
        model::{Failures, Pinning, Report, Run, SCHEMA, Setup, Step},
        summary, units,
    },
    say,
    scenario::{self, Scenario},
    traffic,
};

/// Runs the scenarios one after the other; says no where a demand does not hold or a run means nothing.
///
/// # Errors
/// The arguments, the files, the daemon; and every demand that does not hold.
pub fn run(options: &Options) -> Result<()> {
    let names = match options.scenarios.as_slice() {
        [] => &["steady".to_owned()],
        names => names,
    };
    let mut scenarios = Vec::new();
    for name in names {
        let scenario = options.over(scenario::load(name)?);
        options.check(&scenario)?;
        if scenarios.iter().any(|known: &Scenario| known.name == scenario.name) {
            return Err(Error::Usage(format!(
                "two scenarios are called {}: for more runs of one raise --repeat; else rename a file",
                scenario.name
            )));
        }
        scenarios.push(scenario);
    }
    report::files::check_folder(&options.out)?;
    let scratch = Scratch::new()?;
    let mut failed = Vec::new();
    for scenario in &scenarios {
        let report = match one(scenario, options, &scratch) {
            Ok(report) => report,
            // What one cannot measure, the next may.
            Err(Error::Refused(why)) => {
                say::line(&why);
                failed.push(format!("{}: {why}", scenario.name));
                continue;
            }
            Err(error) => return Err(error),
        };
        summary::print(&report)?;
        report::files::write(&report, &options.out)?;
        failed.extend(report::failures(&report));
        failed.extend(another_registry(options, &report));
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(format!("failed:\n  {}", failed.join("\n  "))))
    }
}

/// What wrong answers of a daemon that ran already come from, as a rule.
fn another_registry(options: &Options, report: &Report) -> Option<String> {
    let (Some(registry), Some(_)) = (&options.registry, options.target) else { return None };
    let mut steps = report.runs.iter().flat_map(|run| &run.steps);
    steps.any(|step| step.errors.contains_key("wrong_answer")).then(|| {
        format!(
            "{}: answers are wrong by {}: see first whether that is what the daemon serves, with the same standings",
            report.scenario,
            registry.display()
        )
    })
}

fn one(scenario: &Scenario, options: &Options, scratch: &Scratch) -> Result<Report> {
    let started = jiff::Timestamp::now();
    say::line(&format!("\n{}: {}", scenario.name, scenario.about));
    let pinning = pinning(scenario, options)?;
    let pinning = pinning.as_ref();
    let stage = stage::set(scenario, options, pinning, scratch)?;
    let churned = churned(scenario, options, &stage)?;
    // Our own daemon goes with this process, and its standings with it: nothing is owed to it.
    let own = Owed::default();
    let owed = match stage.subject {
        Subject::Ours(_) => &own,
        Subject::Theirs { .. } => &scratch.owed,
    };
    let context = Context {
        scenario,
        subject: &stage.subject,
        churned: &churned,
        owed,
        cores: pinning.map(|pinning| pinning.harness.as_slice()).unwrap_or_default(),
    };
    let daemon_cores = pinning.map(|pinning| pinning.daemon.as_slice()).unwrap_or_default();
    let mut asked = asked::draw(scenario, options, &stage, &churned)?;
    asked.notes().iter().for_each(|note| say::line(&format!("requests    {note}")));

    let mut notes = asked.notes().to_vec();
    let answerer = stage.subject.start()?;
    let told = answerer.metrics();
    // Flat out is no way to ask a daemon that may be serving others, unless that is wanted.
    let needed = scenario.needs_ceiling();
    let mut without = "not measured: --ceiling asks the daemon flat out".to_owned();
    let ceiling = match needed || options.ceiling || options.target.is_none() {
        true => ceiling::measure(&context, &answerer, &mut asked, daemon_cores),
        false => Ok((0.0, None)),
    };
    let (highest, ceiling) = match (ceiling, answerer.stop()) {
        (Ok(ceiling), None) => ceiling,
        (Ok(_), Some(why)) => return Err(Error::Refused(format!("the daemon ended: {why}"))),
        (Err(Error::Refused(why)), None) if !needed => {
            without = format!("none: {why}");
            notes.push(format!("ceiling {without}"));
            (0.0, None)
        }
        (Err(error), None) => return Err(error),
        (Err(error), Some(why)) => {
            return Err(Error::Refused(format!("{error}; the daemon ended: {why}")));
        }
    };
    let told_of = match &ceiling {
        Some(ceiling) => summary::ceiling(ceiling),
        None if highest > 0.0 => {
            format!("{}/s by the daemon; no null server that is like it", units::rate(highest))
        }
        None => without,
    };
    say::line(&format!("ceiling     {told_of}"));

    let made = |n: u32| -> Result<Run> {
        let mut asked = asked::draw(scenario, options, &stage, &churned)?;
        let answerer = stage.subject.start()?;
        let run = match scenario.sweep {
            Some(sweep) => {
                sweep::run(&context, &answerer, &mut asked, sweep, highest, &|step| line("step", step))
            }
            None => {
                let pace = Pace::Rate(scenario.rate.of(highest));
                let stretch = Stretch { pace, warm_up: scenario.warm_up.0, measure: scenario.duration.0 };
                context.step(&format!("run {n}"), &answerer, &mut asked, stretch).map(|step| {
                    line(&format!("run {n}"), &step);
                    Run { steps: vec![step], knee: None, no_knee: None, limit: None }
                })
            }
        };
        ended_well(answerer, run)
    };
    let (mut runs, mut unmade) = (Vec::new(), None);
    for n in 1..=scenario.repeat.get() {
        match made(n) {
            Ok(run) => runs.push(run),
            // The runs before are not thrown away: they may be all that tells how the daemon ended.
            Err(Error::Refused(why)) if n > 1 => {
                say::line(&why);
                unmade = Some(verdicts::unmade(scenario.repeat.get(), n - 1, &why));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Report {
        schema: SCHEMA,
        scenario: scenario.name.clone(),
        started: started.round(jiff::Unit::Second).unwrap_or(started).to_string(),
        setup: Setup {
            command: std::env::args().collect::<Vec<_>>().join(" "),
            daemon: told.as_ref().and_then(|told| told.build()),
            commit: Some(env!("SWITCHBOARD_COMMIT").to_owned()).filter(|commit| commit != "unknown"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            harness_digest: std::env::current_exe().ok().and_then(|program| digest::of(&program)),
            daemon_digest: match &stage.subject {
                Subject::Ours(ours) => digest::of(&ours.program),
                Subject::Theirs { .. } => None,
            },
            effective: scenario.effective(),
            notes,
            daemon_command: match &stage.subject {
                Subject::Ours(ours) => Some(ours.command()),
                Subject::Theirs { .. } => None,
            },
            machine: machine::machine(),
            pinning: pinning.cloned(),
            registry: stage.subject.facts(options, stage.source.clone(), told.as_ref()),
            seed: options.seed,
            connections: scenario.connections.get(),
            timeout_us: u64::try_from(scenario.timeout.0.as_micros()).unwrap_or(u64::MAX),
        },
        verdicts: unmade
            .into_iter()
            .chain(verdicts::verdicts(&scenario.demand, &runs, ceiling.as_ref()))
            .collect(),
        ceiling,
        runs,
    })
}

/// The run, with what was wrong where its daemon did not end well.
fn ended_well(answerer: Answerer, run: Result<Run>) -> Result<Run> {
    let why = answerer.stop();
    match (run, why) {
        (Ok(mut run), Some(first)) => {
            if let Some(step) = run.steps.last_mut() {
                step.errors.entry(DAEMON_ENDED.to_owned()).or_insert(Failures { count: 1, first });
            }
            Ok(run)
        }
        (Err(error), Some(why)) => Err(Error::Refused(format!("{error}; the daemon ended: {why}"))),
        (run, None) => run,
    }
}

fn pinning(scenario: &Scenario, options: &Options) -> Result<Option<Pinning>> {
    let workers = usize::try_from(scenario.workers.get()).unwrap_or(1);
    let pinning = cores::cores(&options.pin, workers)?;
    Ok(if options.target.is_some() { pinning.map(Pinning::of_harness_alone) } else { pinning })
}

/// The accounts whose standings change; none where none do.
fn churned(scenario: &Scenario, options: &Options, stage: &Stage) -> Result<Vec<(String, String)>> {
    let Some(standings) = scenario.standings else { return Ok(Vec::new()) };
    let Some(registry) = stage.registries.first() else { return Ok(Vec::new()) };
    let most = usize::try_from(standings.accounts.get()).unwrap_or(1);
    let mut accounts = traffic::churnable(registry, most, options.seed)?;
    if let Subject::Theirs { admin: Some(admin), .. } = stage.subject {
        let found = accounts.len();
        accounts = standings::without_standing(admin, accounts)?;
        if accounts.len() < found {
            let held = found - accounts.len();
            say::line(&format!("standings   {held} accounts have one already, and are left alone"));
        }
    }
    if accounts.is_empty() {
        return Err(Error::Refused(format!(
            "{} has no account to change the standing of: that takes four accounts in use of one pool, role and country, \
             of which one has no standing yet; name another registry",
            scenario.name
        )));
    }
    Ok(accounts)
}

fn line(name: &str, step: &Step) {
    let failed: u64 = step.failed();
    let failed = if failed > 0 { format!(", {failed} errors") } else { String::new() };
    let invalid = step.invalid.as_ref().map(|why| format!("; INVALID: {why}")).unwrap_or_default();
    let (p50, p99) = (units::time(step.corrected.p50), units::time(step.corrected.p99));
    let max = units::time(step.corrected.max);
    let rate = units::rate(step.rate);
    say::line(&format!("{name:<12}{rate}/s: p50 {p50}, p99 {p99}, max {max}{failed}{invalid}"));
}
