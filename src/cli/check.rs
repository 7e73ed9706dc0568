//! `switchboard check`: the findings of a registry or a snapshot, the results of its tests, and the steps that no test
//! covers.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use switchboard_model::{Region, UnixSeconds};
use switchboard_pipeline::self_test::{CoveredSteps, TestCoverage, run_test};
use switchboard_pipeline::test_coverage::{Suggestion, UncoveredStep};
use switchboard_pipeline::{BuildFailure, BuildMode, BuiltSnapshot, findings_json};
use switchboard_registry::{Code, Files, Findings, Place, quoted_test};
use switchboard_snapshot::Snapshot;

use super::arguments::{CheckArguments, FormatArguments, OutputFormat};
use super::output::{self, DIMMED, ERROR, HEADING, HELP, SUCCESS, count};
use super::source::{ReadRegistry, findings_text, now, read_snapshot, source_from_path};
use super::{CommandError, Exit};

/// The files of a snapshot, which has none.
const NO_FILES: [(&str, &str); 0] = [];
/// The line of the text about [`Checked::not_known`].
const NOT_IN_A_SNAPSHOT: &str = "a snapshot has no files and no tests that hold only for some time: `switchboard check` of \
    its registry also warns of stray files, header rows and dates\n";
/// Maximum number of uncovered steps in the text.
const MAX_LISTED_STEPS: usize = 20;
/// Maximum number of countries of an uncovered step in the text.
const MAX_LISTED_COUNTRIES: usize = 8;
/// Number of uncovered steps to try for a suggested test. A step without an available account has no such
/// test.
const MAX_SUGGESTION_ATTEMPTS: usize = 50;

/// The result of the checks and tests of a source.
struct Checked {
    findings: Findings,
    files: Files,
    /// The folder that file names of findings begin with.
    root: PathBuf,
    tests: usize,
    failed: usize,
    /// The snapshot and the steps that its tests cover, if there are no errors.
    passed: Option<(Snapshot, TestCoverage)>,
    /// The kinds of warnings that cannot be found, because a snapshot does not contain what they concern.
    not_known: &'static [Code],
}

/// Checks a registry or a snapshot, and runs its tests. Writes no file.
pub(super) fn run(arguments: &CheckArguments) -> Result<Exit, CommandError> {
    let CheckArguments { source, fail_under, limits, access, output: FormatArguments { format } } = arguments;
    let seconds = now().to_seconds();
    let opened = source_from_path(source, access)?;
    let checked = match opened.snapshot_file() {
        Some(path) => check_snapshot(&path, &opened.name(&path), seconds)?,
        None => check_registry(opened.read_registry(limits.limits())?),
    };
    let Checked { findings: all, files, root, tests, failed, passed, not_known } = &checked;
    let covered = passed.as_ref().map(|(snapshot, coverage)| coverage.covered_steps(snapshot));
    let too_low = covered.zip(*fail_under).filter(|(covered, least)| covered.percent() < *least);
    let uncovered = passed
        .as_ref()
        .filter(|_| fail_under.is_some())
        .map(|(snapshot, coverage)| (snapshot, coverage.uncovered_steps(snapshot, seconds)));
    match format {
        OutputFormat::Json => {
            let mut coverage = covered.map(|covered| {
                json!({"steps": covered.steps, "reached": covered.covered, "percent": covered.percent()})
            });
            if let (Some((_, uncovered)), Some(Value::Object(coverage))) = (&uncovered, &mut coverage) {
                coverage.insert("unreached".to_owned(), uncovered_json(uncovered));
            }
            let mut whole = json!({
                "findings": findings_json(all.iter(), files),
                "errors": all.errors(),
                "warnings": all.warnings(),
                "tests": {"run": tests, "failed": failed},
                "coverage": coverage,
            });
            if let (false, Value::Object(whole)) = (not_known.is_empty(), &mut whole) {
                let codes = not_known.iter().map(|code| code.as_str()).collect::<Vec<_>>();
                whole.insert("not_known".to_owned(), codes.into());
            }
            output::print(&format!("{whole:#}\n"))?;
        }
        OutputFormat::Text => {
            let mut text = findings_text(all, files, root);
            let style = if all.errors() > 0 || too_low.is_some() { ERROR } else { SUCCESS };
            let (errors, warnings) =
                (count(all.errors(), "error", "errors"), count(all.warnings(), "warning", "warnings"));
            let results = match (all.errors(), tests, failed) {
                (0, ..) | (_, 1.., _) => format!("{}, {failed} failed", count(*tests, "test", "tests")),
                _ => "tests not run".to_owned(),
            };
            text.push_str(&format!("{style}{errors}{style:#}, {warnings}; {results}\n"));
            if let Some(covered) = covered {
                let (CoveredSteps { steps, covered: reached }, percent) = (covered, covered.percent());
                text.push_str(&format!("the tests cover {reached} of {steps} chain steps, {percent:.1} %\n"));
            }
            if !not_known.is_empty() {
                text.push_str(NOT_IN_A_SNAPSHOT);
            }
            if let Some((snapshot, uncovered)) = uncovered.filter(|(_, uncovered)| !uncovered.is_empty()) {
                text.push_str(&uncovered_text(&uncovered, snapshot, seconds));
            }
            output::print(&text)?;
        }
    }
    if let Some((covered, least)) = too_low {
        let percent = covered.percent();
        output::print_failure(&format!(
            "the tests cover {percent:.1} % of the chain steps, and --fail-under demands {least} %: add tests"
        ));
    }
    Ok(if passed.is_none() || too_low.is_some() { Exit::Failed } else { Exit::Success })
}

fn check_registry(registry: ReadRegistry) -> Checked {
    let built = registry.build(now().as_u64(), BuildMode::Strict);
    let ReadRegistry { files, root, .. } = registry;
    match built {
        Ok(BuiltSnapshot { snapshot, findings, coverage, .. }) => {
            let tests = coverage.tests;
            let passed = Some((snapshot, coverage));
            Checked { findings, files, root, tests, failed: 0, passed, not_known: &[] }
        }
        Err(BuildFailure { findings, tests, failed }) => {
            Checked { findings, files, root, tests, failed, passed: None, not_known: &[] }
        }
    }
}

/// Verifies a snapshot file, finds the warnings about its registry, and runs the tests that it contains.
fn check_snapshot(path: &Path, name: &str, now: UnixSeconds) -> Result<Checked, CommandError> {
    let snapshot = Snapshot::open(read_snapshot(path)?)
        .map_err(|rejection| CommandError::io(format!("{name}: {rejection}")))?;
    let mut findings = switchboard_snapshot::warnings(&snapshot);
    let mut coverage = TestCoverage::default();
    let mut failed = 0;
    let place = Place::file(name.to_owned());
    for test in snapshot.tests() {
        // Now, as for a registry, and at `MAX`, where no account rests, as when the snapshot is served.
        let failure = run_test(&snapshot, &test, now, &mut coverage)
            .and_then(|()| run_test(&snapshot, &test, UnixSeconds::MAX, &mut TestCoverage::default()));
        if let Err(failure) = failure {
            failed += 1;
            let name = quoted_test(&test.name, &test.query);
            let message = format!("{}: test {name} failed: {failure}", test.company);
            let help = "compile the registry again; `switchboard explain` shows every step of a query";
            findings.add(&place, Code::FailedTest, message, help);
        }
    }
    findings.sort_and_fold();
    let tests = coverage.tests;
    let passed = (failed == 0).then_some((snapshot, coverage));
    let (files, root) = (Files::from_iter(NO_FILES), PathBuf::new());
    let not_known = &[Code::StrayFile, Code::ColumnCase, Code::DatedTest];
    Ok(Checked { findings, files, root, tests, failed, passed, not_known })
}

/// Lists the first uncovered steps, and suggests a test that covers one of them at the time `now`.
fn uncovered_text(uncovered: &[UncoveredStep], snapshot: &Snapshot, now: UnixSeconds) -> String {
    let mut text = format!(
        "{} without a test, those with the most decisions first:\n",
        count(uncovered.len(), "step", "steps")
    );
    for step in uncovered.iter().take(MAX_LISTED_STEPS) {
        let UncoveredStep { company, channel, ou, pool, rule, .. } = step;
        text += &format!(
            "  {HEADING}{company}: OU {ou}{HEADING:#}, {channel} {}, pool {pool}, {}: {}\n",
            step.role.as_str(),
            rule.as_str(),
            clients(step),
        );
    }
    if uncovered.len() > MAX_LISTED_STEPS {
        let more = uncovered.len() - MAX_LISTED_STEPS;
        text += &format!("  {DIMMED}and {more} more; --format json lists every step{DIMMED:#}\n");
    }
    let mut candidates = uncovered.iter().take(MAX_SUGGESTION_ATTEMPTS);
    if let Some((step, suggestion)) =
        candidates.find_map(|step| Some((step, step.suggestion(snapshot, now)?)))
    {
        text += &format!(
            "{HELP}help{HELP:#}: this test covers one of these steps; add it to {}/tests.toml\n\n",
            step.company
        );
        text += &test_toml(step, &suggestion);
        text.push('\n');
    }
    text
}

/// Renders all uncovered steps, each with all of its countries.
fn uncovered_json(uncovered: &[UncoveredStep]) -> Value {
    let step_json = |step: &UncoveredStep| {
        json!({
            "company": step.company,
            "ou": step.ou,
            "channel": step.channel,
            "role": step.role.as_str(),
            "pool": step.pool,
            "rule": step.rule.as_str(),
            "countries": step.countries.iter().map(|country| country.alpha2()).collect::<Vec<_>>(),
            "no_country": step.no_country,
        })
    };
    uncovered.iter().map(step_json).collect()
}

fn clients(step: &UncoveredStep) -> String {
    let mut names: Vec<&str> =
        step.countries.iter().take(MAX_LISTED_COUNTRIES).map(|country| country.alpha2()).collect();
    let more = step.countries.len() - names.len();
    if step.countries.len() == Region::COUNT {
        return "every country".to_owned();
    }
    if names.is_empty() {
        names.push("clients without a country");
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &more
}

/// Renders a suggested test as TOML. Ids have no control characters, so strings are quoted as in JSON.
fn test_toml(step: &UncoveredStep, Suggestion { query, exclude }: &Suggestion) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut fields: Vec<String> =
        query.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
    if !exclude.is_empty() {
        let ids: Vec<String> = exclude.iter().map(|id| quoted(id)).collect();
        fields.push(format!("exclude = [{}]", ids.join(", ")));
    }
    let client = query.iter().find(|(name, _)| *name == "country");
    let client = client.map_or("a client without a country", |(_, country)| country.as_str());
    let name = format!("{client} at {}: {} from {}", step.ou, step.rule.as_str(), step.pool);
    format!(
        "[[test]]\nname = {}\nquery = {{ {} }}\nexpect = {{ rule = {}, ou = {}, pool = {}, climbed = 0 }}\n",
        quoted(&name),
        fields.join(", "),
        quoted(step.rule.as_str()),
        quoted(&step.ou),
        quoted(&step.pool),
    )
}
