//! Files to a snapshot that may be served: the one function that check, compile, serve and reload call,
//! so that what passes in a pipeline is what passes in production.

use std::time::{Duration, Instant};

use super::self_test;
use switchboard_registry::{self as registry, Code, Files, Findings, Registry, Span};
use switchboard_snapshot::compile::Progress;
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{self as snapshot, Bytes, Rejection, Snapshot, Stage};

/// A registry that is sound, as a snapshot that was opened and has answered its own tests.
pub struct Compiled {
    /// Ready to be served or written.
    pub snapshot: Snapshot,
    /// Warnings.
    pub findings: Findings,
    /// What the tests reached.
    pub coverage: self_test::Coverage,
    /// How long each stage took.
    pub timings: Timings,
}

/// A registry that is not.
pub struct Refused {
    /// Everything that was found, warnings included.
    pub findings: Findings,
    /// Tests that were asked: none where the registry could not be compiled.
    pub tests: usize,
    /// How many of them failed.
    pub failed: usize,
}

/// How long each stage of a load took, in the order that the stages began.
pub type Timings = Vec<(LoadStage, Duration)>;

/// A stage of loading a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadStage {
    /// Reading and checking a registry.
    Read,
    /// Compiling it.
    Compile,
    /// Opening a snapshot and checking its references.
    Verify,
    /// Running its tests.
    Tests,
}

impl LoadStage {
    /// Every stage, in order.
    pub const ALL: [LoadStage; 4] =
        [LoadStage::Read, LoadStage::Compile, LoadStage::Verify, LoadStage::Tests];

    /// Returns the stage's name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            LoadStage::Read => "read",
            LoadStage::Compile => "compile",
            LoadStage::Verify => "verify",
            LoadStage::Tests => "tests",
        }
    }
}

/// Checks and compiles a registry, opens what came out, and asks it the companies' tests as of `now`
/// (Unix seconds).
pub fn publish(
    files: &Files,
    generation: u64,
    now: i64,
    progress: Progress<'_>,
) -> Result<Compiled, Refused> {
    let mut clock = Clock::new();
    progress("reading", 0, 0);
    let (registry, mut findings) = registry::read(files);
    progress("checking", 0, 0);
    registry::check(&registry, &mut findings);
    findings.sort();
    clock.lap(LoadStage::Read);
    if findings.errors() > 0 {
        return Err(Refused { findings, tests: 0, failed: 0 });
    }
    let draft = match snapshot::compile(&registry, generation, progress) {
        Ok(draft) => draft,
        Err(limits) => return Err(Refused { findings: limits, tests: 0, failed: 0 }),
    };
    clock.lap(LoadStage::Compile);
    progress("verifying", 0, 0);
    let tests = own_tests(&registry);
    let opened = if tests.is_empty() { Ok(None) } else { Snapshot::open(draft.preview()).map(Some) };
    clock.lap(LoadStage::Verify);
    let mut coverage = self_test::Coverage::default();
    let mut lasting = Vec::new();
    match opened {
        Err(rejection) => return Err(unsound(findings, &rejection)),
        Ok(None) => {}
        Ok(Some(preview)) => {
            let failed = ask(&preview, &registry, tests, now, &mut findings, &mut coverage, &mut lasting);
            if failed > 0 {
                findings.sort();
                return Err(Refused { findings, tests: coverage.tests, failed });
            }
        }
    }
    clock.lap(LoadStage::Tests);
    drop(registry);
    let snapshot = match Snapshot::open(draft.seal(&lasting)) {
        Ok(snapshot) => snapshot,
        Err(rejection) => return Err(unsound(findings, &rejection)),
    };
    clock.lap(LoadStage::Verify);
    Ok(Compiled { snapshot, findings, coverage, timings: clock.laps })
}

/// Opens a compiled file, and asks it the tests that it carries.
pub fn open(bytes: impl Into<Bytes>) -> Result<(Snapshot, Timings), Rejection> {
    let mut clock = Clock::new();
    let snapshot = Snapshot::open(bytes)?;
    clock.lap(LoadStage::Verify);
    let mut ignored = self_test::Coverage::default();
    for test in snapshot.tests() {
        self_test::ask(&snapshot, &test, self_test::END_OF_TIME, &mut ignored).map_err(|reason| {
            let SnapshotTest { company, name, .. } = &test;
            Stage::Tests.rejection(format!("{company}: test {}: {reason}", registry::quoted(name)))
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

/// Asks every test as of `now`; how many failed. Those that still hold when no number rests any more
/// are kept for the snapshot to carry: whoever loads it must not see a test fail for the time of day.
fn ask(
    snapshot: &Snapshot,
    registry: &Registry,
    tests: Vec<SnapshotTest>,
    now: i64,
    findings: &mut Findings,
    coverage: &mut self_test::Coverage,
    lasting: &mut Vec<SnapshotTest>,
) -> usize {
    let places = registry.companies.iter().flat_map(|company| company.tests.iter().map(|test| &test.place));
    let mut failed = 0;
    let mut ignored = self_test::Coverage::default();
    for (test, place) in tests.into_iter().zip(places) {
        match self_test::ask(snapshot, &test, now, coverage) {
            Err(reason) => {
                failed += 1;
                let help = "mend the registry, or the expectation if the change is meant; \
                            `switchboard explain` shows every step";
                let message = format!("test {}: {reason}", registry::quoted(&test.name));
                findings.add(place, Code::FailedTest, message, help).primary(Span::value("expect"));
            }
            Ok(()) if self_test::ask(snapshot, &test, self_test::END_OF_TIME, &mut ignored).is_ok() => {
                lasting.push(test)
            }
            Ok(()) => {}
        }
    }
    failed
}

/// What was just compiled does not open: a fault of this program, and said so.
fn unsound(mut findings: Findings, rejection: &Rejection) -> Refused {
    let place = registry::Place::file("");
    let message = format!("the compiled snapshot was refused: {rejection}");
    findings.add(
        &place,
        Code::Limit,
        message,
        "this is a fault of switchboard; please report it with the registry",
    );
    Refused { findings, tests: 0, failed: 0 }
}

struct Clock {
    last: Instant,
    laps: Timings,
}

impl Clock {
    fn new() -> Clock {
        Clock { last: Instant::now(), laps: Vec::new() }
    }

    /// Laps of one stage add up.
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
