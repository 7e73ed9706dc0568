//! Builds a snapshot from a registry's files. `check`, `compile`, `serve` and a reload call the same
//! function, so a registry that passes in CI passes in production.

use std::time::{Duration, Instant};

use super::self_test::{self, TestCoverage};
use switchboard_model::UnixSeconds;
use switchboard_registry::{self as registry, Code, Files, Findings, Registry, Span};
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{BuildStage, Bytes, Progress, Rejection, RejectionStage, Snapshot, compile};

/// A snapshot that was built from a registry, verified, and tested with the registry's tests.
pub struct BuiltSnapshot {
    /// The snapshot, ready to be served or written.
    pub snapshot: Snapshot,
    /// The warnings about the registry.
    pub findings: Findings,
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

/// Checks and compiles a registry, verifies the result, and runs the companies' tests at the time `now`.
///
/// ```
/// use switchboard_model::UnixSeconds;
/// use switchboard_pipeline::build_snapshot;
/// use switchboard_registry::Files;
/// use switchboard_snapshot::NoProgress;
///
/// let files = Files::from_iter([("acme/company.toml", "[[ou]]\nid = \"acme\"\n")]);
/// let built = build_snapshot(&files, 1, UnixSeconds(1_790_000_000), &NoProgress).ok().unwrap();
/// assert_eq!(built.snapshot.counts().ous, 1);
/// ```
///
/// # Errors
/// Returns the findings if the registry has errors, exceeds a limit, or fails its tests.
pub fn build_snapshot(
    files: &Files,
    generation: u64,
    now: UnixSeconds,
    progress: &dyn Progress,
) -> Result<BuiltSnapshot, BuildFailure> {
    let mut clock = StageClock::new();
    progress.report(BuildStage::Reading, 0, 0);
    let (registry, mut findings) = registry::read(files);
    progress.report(BuildStage::Checking, 0, 0);
    registry::check(&registry, &mut findings);
    findings.sort();
    clock.lap(LoadStage::Read);
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
    let tests = own_tests(&registry);
    let opened = if tests.is_empty() { Ok(None) } else { Snapshot::open(unsealed.with_no_tests()).map(Some) };
    clock.lap(LoadStage::Verify);
    let mut coverage = TestCoverage::default();
    let mut lasting = Vec::new();
    match opened {
        Err(rejection) => return Err(internal_fault(findings, &rejection)),
        Ok(None) => {}
        Ok(Some(untested)) => {
            let failed =
                run_tests(&untested, &registry, tests, now, &mut findings, &mut coverage, &mut lasting);
            if failed > 0 {
                findings.sort();
                return Err(BuildFailure { findings, tests: coverage.tests, failed });
            }
        }
    }
    clock.lap(LoadStage::Tests);
    drop(registry);
    let snapshot = match Snapshot::open(unsealed.finish(&lasting)) {
        Ok(snapshot) => snapshot,
        Err(rejection) => return Err(internal_fault(findings, &rejection)),
    };
    clock.lap(LoadStage::Verify);
    Ok(BuiltSnapshot { snapshot, findings, coverage, timings: clock.laps })
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
            let SnapshotTest { company, name, .. } = &test;
            RejectionStage::Tests
                .rejection(format!("{company}: test {} failed: {failure}", registry::quoted(name)))
        })?;
    }
    clock.lap(LoadStage::Tests);
    Ok((snapshot, clock.laps))
}

fn own_tests(registry: &Registry) -> Vec<SnapshotTest> {
    let of_company = |company: &registry::Company| {
        let own = |test: &registry::Test| SnapshotTest {
            company: company.id.to_string(),
            name: test.name.to_string(),
            query: test.query.to_string(),
            expect: self_test::expectation(&test.expect),
        };
        company.tests.iter().map(own).collect::<Vec<_>>()
    };
    registry.companies.iter().flat_map(of_company).collect()
}

/// Runs every test at the time `now`, and returns the number of failures. `lasting` receives the tests that
/// also pass when no account rests any more. Only these are stored in the snapshot, so that no stored test
/// fails because of the time.
fn run_tests(
    snapshot: &Snapshot,
    registry: &Registry,
    tests: Vec<SnapshotTest>,
    now: UnixSeconds,
    findings: &mut Findings,
    coverage: &mut TestCoverage,
    lasting: &mut Vec<SnapshotTest>,
) -> usize {
    let places = registry.companies.iter().flat_map(|company| company.tests.iter().map(|test| &test.place));
    let mut failed = 0;
    let mut ignored = TestCoverage::default();
    for (test, place) in tests.into_iter().zip(places) {
        match self_test::run_test(snapshot, &test, now, coverage) {
            Err(failure) => {
                failed += 1;
                let help = "correct the registry, or the expectation if the change is intended; \
                            `switchboard explain` shows every step of a query";
                let message = format!("test {} failed: {failure}", registry::quoted(&test.name));
                findings.add(place, Code::FailedTest, message, help).primary(Span::value("expect"));
            }
            Ok(()) if self_test::run_test(snapshot, &test, UnixSeconds::MAX, &mut ignored).is_ok() => {
                lasting.push(test)
            }
            Ok(()) => {}
        }
    }
    failed
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
struct StageClock {
    last: Instant,
    laps: StageTimings,
}

impl StageClock {
    fn new() -> StageClock {
        StageClock { last: Instant::now(), laps: Vec::new() }
    }

    /// Ends a lap, and adds its time to the stage.
    fn lap(&mut self, stage: LoadStage) {
        let now = Instant::now();
        let lap = now - self.last;
        self.last = now;
        match self.laps.iter_mut().find(|(of, _)| *of == stage) {
            Some((_, sum)) => *sum += lap,
            None => self.laps.push((stage, lap)),
        }
    }
}
