//! Builds a snapshot from a registry's files. `check`, `compile`, `serve` and a reload call the same
//! function, so a registry that passes in CI passes in production.

use std::time::{Duration, Instant};

use super::self_test::{self, TestCoverage, TestHistory, Timeline};
use switchboard_model::UnixSeconds;
use switchboard_registry::{self as registry, Code, Files, Findings, Registry, Span};
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{BuildStage, Bytes, Progress, Rejection, RejectionStage, Snapshot, compile};

/// How a build judges expected selections whose results differ or change with the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildMode {
    /// Rejects a registry of which a test fails now. `check` and `compile` use this mode.
    Strict,
    /// Rejects a registry of which a test fails at all times: now, and before and after every
    /// `available_from` of its company. A start and a reload of a daemon use this mode, so that it does not
    /// depend on the day whether a registry is served.
    Serve,
    /// Rejects no registry because of its tests. Adds the same findings as [`Strict`](BuildMode::Strict).
    /// Commands that only read a registry use this mode.
    Inspect,
}

/// A snapshot that was built from a registry, verified, and tested with the registry's tests.
pub struct BuiltSnapshot {
    /// The snapshot, ready to be served or written.
    pub snapshot: Snapshot,
    /// The warnings about the registry. In [`BuildMode::Inspect`] also the failed tests, which are errors.
    pub findings: Findings,
    /// Number of tests that failed. Greater than 0 only in [`BuildMode::Inspect`].
    pub failed: usize,
    /// The steps that the tests cover.
    pub coverage: TestCoverage,
    /// The time that each stage took.
    pub timings: StageTimings,
}

/// The reasons why no snapshot was built.
pub struct BuildFailure {
    /// All findings, including the warnings.
    pub findings: Findings,
    /// Number of tests that ran. 0 if the registry could not be compiled.
    pub tests: usize,
    /// Number of tests that failed.
    pub failed: usize,
}

/// The time that each stage of a load took, in the order in which the stages began.
pub type StageTimings = Vec<(LoadStage, Duration)>;

switchboard_model::text_enum! {
    /// A stage of loading a snapshot.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum LoadStage {
        /// Reads and checks a registry.
        Read => "read",
        /// Compiles the registry into a snapshot.
        Compile => "compile",
        /// Opens a snapshot and verifies its references.
        Verify => "verify",
        /// Runs the snapshot's own tests.
        Tests => "tests",
    }
}

/// Checks and compiles a registry, verifies the result, and runs the companies' tests. `now` is the present
/// time.
///
/// ```
/// use switchboard_model::UnixSeconds;
/// use switchboard_pipeline::{BuildMode, build_snapshot};
/// use switchboard_registry::Files;
/// use switchboard_snapshot::NoProgress;
///
/// let files = Files::from_iter([("acme/company.toml", "[[ou]]\nid = \"acme\"\n")]);
/// let now = UnixSeconds(1_790_000_000);
/// let built = build_snapshot(&files, 1, now, BuildMode::Strict, &NoProgress).ok().unwrap();
/// assert_eq!(built.snapshot.counts().ous, 1);
/// ```
///
/// # Errors
/// Returns the findings if the registry has errors, exceeds a limit, or fails its tests by the mode.
pub fn build_snapshot(
    files: &Files,
    generation: u64,
    now: UnixSeconds,
    mode: BuildMode,
    progress: &dyn Progress,
) -> Result<BuiltSnapshot, BuildFailure> {
    let mut clock = StageClock::new();
    let (registry, findings) = read_checked(files, progress);
    clock.lap(LoadStage::Read);
    build_checked(registry, findings, generation, now, mode, progress, clock)
}

/// Reads and checks a registry's files.
pub(super) fn read_checked(files: &Files, progress: &dyn Progress) -> (Registry, Findings) {
    progress.report(BuildStage::Reading, 0, 0);
    let (registry, mut findings) = registry::read(files);
    progress.report(BuildStage::Checking, 0, 0);
    registry::check(&registry, &mut findings);
    (registry, findings)
}

/// Builds a snapshot from a registry that was read and checked with these findings.
pub(super) fn build_checked(
    registry: Registry,
    mut findings: Findings,
    generation: u64,
    now: UnixSeconds,
    mode: BuildMode,
    progress: &dyn Progress,
    mut clock: StageClock,
) -> Result<BuiltSnapshot, BuildFailure> {
    if findings.errors() > 0 {
        return Err(BuildFailure { findings, tests: 0, failed: 0 });
    }
    let unsealed = match compile(&registry, generation, progress) {
        Ok(unsealed) => unsealed,
        Err(limits) => return Err(BuildFailure { findings: limits, tests: 0, failed: 0 }),
    };
    clock.lap(LoadStage::Compile);
    progress.report(BuildStage::Verifying, 0, 0);
    // The tests run before any is stored, because only passing tests are stored.
    let has_tests = registry.companies.iter().any(|company| !company.tests.is_empty());
    let opened = if has_tests { Snapshot::open(unsealed.with_no_tests()).map(Some) } else { Ok(None) };
    clock.lap(LoadStage::Verify);
    let mut results = TestResults::default();
    match opened {
        Err(rejection) => return Err(internal_fault(findings, &rejection)),
        Ok(None) => {}
        Ok(Some(untested)) => {
            results = run_tests(&untested, &registry, now, mode, &mut findings, progress);
            findings.sort_and_fold();
            if results.failed > 0 && mode != BuildMode::Inspect {
                let TestResults { coverage, failed, .. } = results;
                return Err(BuildFailure { findings, tests: coverage.tests, failed });
            }
        }
    }
    clock.lap(LoadStage::Tests);
    drop(registry);
    let TestResults { coverage, failed, lasting } = results;
    let snapshot = match Snapshot::open(unsealed.finish(&lasting)) {
        Ok(snapshot) => snapshot,
        Err(rejection) => return Err(internal_fault(findings, &rejection)),
    };
    clock.lap(LoadStage::Verify);
    Ok(BuiltSnapshot { snapshot, findings, failed, coverage, timings: clock.laps })
}

/// Opens a compiled snapshot, and runs the tests that are stored in it.
///
/// # Errors
/// Returns a rejection if the bytes are not a valid snapshot, or if a test fails.
pub fn open_tested(bytes: impl Into<Bytes>) -> Result<(Snapshot, StageTimings), Rejection> {
    let mut clock = StageClock::new();
    let snapshot = Snapshot::open(bytes)?;
    clock.lap(LoadStage::Verify);
    for test in snapshot.tests() {
        // At `MAX` no account rests, so the result does not depend on the clock.
        let mut ignored = TestCoverage::default();
        self_test::run_test(&snapshot, &test, UnixSeconds::MAX, &mut ignored).map_err(|failure| {
            let SnapshotTest { company, name, query, .. } = &test;
            let name = registry::quoted_test(name, query);
            RejectionStage::Tests.rejection(format!("{company}: test {name} failed: {failure}"))
        })?;
    }
    clock.lap(LoadStage::Tests);
    Ok((snapshot, clock.laps))
}

/// The results of all tests of a registry.
#[derive(Default)]
struct TestResults {
    coverage: TestCoverage,
    failed: usize,
    /// The tests that pass when no account rests any more. Only these are stored in the snapshot, so that no
    /// stored test fails because of the time.
    lasting: Vec<SnapshotTest>,
}

/// Runs every test at all times at which its result can change, and reports failures as the mode demands.
fn run_tests(
    snapshot: &Snapshot,
    registry: &Registry,
    now: UnixSeconds,
    mode: BuildMode,
    findings: &mut Findings,
    progress: &dyn Progress,
) -> TestResults {
    let mut results = TestResults::default();
    for company in registry.companies.iter().filter(|company| !company.tests.is_empty()) {
        let dates = company.accounts.iter().filter_map(|account| account.available_from);
        let timeline = Timeline::new(dates, now);
        for test in &company.tests {
            progress.report(BuildStage::Verifying, 0, 0);
            let stored = SnapshotTest {
                company: company.id.to_string(),
                name: test.name.to_string(),
                query: test.query.to_string(),
                expect: self_test::expectation(&test.expect),
            };
            let history = self_test::run_at_all_times(snapshot, &stored, &timeline, &mut results.coverage);
            results.failed += usize::from(report_test(test, &history, mode, findings));
            if history.holds_at_the_end() {
                results.lasting.push(stored);
            }
        }
    }
    results
}

/// Reports a test that fails at some time. Returns whether it counts as failed.
fn report_test(
    test: &registry::Test,
    history: &TestHistory,
    mode: BuildMode,
    findings: &mut Findings,
) -> bool {
    let name = registry::quoted_test(&test.name, &test.query);
    let mut add = |code: Code, message: String, help: &str| {
        findings.add(&test.place, code, message, help).primary(Span::value("expect"));
    };
    match (&history.failure_now, mode) {
        (Some(failure), BuildMode::Serve) if history.holds_at_some_time() => {
            let when = match history.next_pass {
                Some(from) => format!("but holds from {from} on"),
                None => "but held earlier".to_owned(),
            };
            let help = "correct the expectation, or remove the test; the registry is served all the same, \
                        because only the time decides whether this test holds";
            add(Code::DatedTest, format!("test {name} fails now, {when}: {failure}"), help);
            false
        }
        (Some(failure), _) => {
            let when = match (history.next_pass, history.holds_at_some_time()) {
                (Some(from), _) => format!("; the test holds from {from} on"),
                (None, true) => {
                    "; the test held before an account of the company became available".to_owned()
                }
                (None, false) => String::new(),
            };
            let help = "correct the registry, or the expectation if the change is intended; \
                        `switchboard explain` shows every step of a query";
            add(Code::FailedTest, format!("test {name} failed: {failure}{when}"), help);
            true
        }
        (None, _) => {
            if let Some((from, failure)) = &history.next_failure {
                let help = "write an expectation that also holds from this date on, such as the rule or the \
                            pool instead of the account; `check` and `compile` reject the registry from this \
                            date on, and a daemon serves it all the same";
                add(
                    Code::DatedTest,
                    format!("test {name} holds now, but fails from {from} on: {failure}"),
                    help,
                );
            }
            false
        }
    }
}

/// Reports a compiled snapshot that does not open, which is a bug of this program.
fn internal_fault(mut findings: Findings, rejection: &Rejection) -> BuildFailure {
    let place = registry::Place::file("");
    let message = format!("the compiled snapshot was rejected: {rejection}");
    findings.add(
        &place,
        Code::Internal,
        message,
        "this is a bug in Switchboard; report it with this message and the version; the registry contains phone \
         numbers, so send it only in private",
    );
    BuildFailure { findings, tests: 0, failed: 0 }
}

/// Measures the time of each stage of a build.
pub(super) struct StageClock {
    last: Instant,
    laps: StageTimings,
}

impl StageClock {
    pub(super) fn new() -> StageClock {
        StageClock { last: Instant::now(), laps: Vec::new() }
    }

    /// Ends a lap, and adds its time to the stage.
    pub(super) fn lap(&mut self, stage: LoadStage) {
        let now = Instant::now();
        let lap = now - self.last;
        self.last = now;
        match self.laps.iter_mut().find(|(of, _)| *of == stage) {
            Some((_, sum)) => *sum += lap,
            None => self.laps.push((stage, lap)),
        }
    }
}
