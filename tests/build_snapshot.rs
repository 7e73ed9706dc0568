//! The build of a snapshot from the files of a registry: no errors, reproducible bytes, and expected selections
//! whose result depends on the time.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use switchboard::cli::source::findings_text;
use switchboard_model::UnixSeconds;
use switchboard_pipeline::build::open_tested;
use switchboard_pipeline::self_test::{TestCoverage, Timeline, run_at_all_times, run_test};
use switchboard_pipeline::{BuildFailure, BuildMode, BuiltSnapshot, build_snapshot};
use switchboard_registry::{Code, Files, Severity};
use switchboard_snapshot::view::SnapshotTest;
use switchboard_snapshot::{Bytes, NoProgress, Snapshot};

use crate::expected::{NOW, demo};

const GENERATION: u64 = 7;

fn demo_files() -> Files {
    Files::read_dir(&demo()).unwrap()
}

#[test]
fn demo_registry_has_no_findings_and_passes_its_tests() {
    let built = build_snapshot(&demo_files(), GENERATION, UnixSeconds(NOW), BuildMode::Strict, &NoProgress)
        .unwrap_or_else(|BuildFailure { findings, .. }| {
            panic!("{}", findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())
        });
    assert!(built.coverage.tests >= 45);
    let warnings = built.findings.iter().map(|finding| format!("{finding}\n")).collect::<String>();
    assert!(warnings.is_empty(), "the demo has no warnings, because users learn from it:\n{warnings}");
}

#[test]
fn same_registry_and_generation_give_the_same_bytes() {
    let bytes = || {
        build_snapshot(&demo_files(), GENERATION, UnixSeconds(NOW), BuildMode::Strict, &NoProgress)
            .ok()
            .unwrap()
            .snapshot
            .bytes()
            .to_vec()
    };
    assert_eq!(bytes(), bytes());
}

/// A unit below another one. Its German account rests until 2027-03-01, its default country until 2027-01-01.
const COMPANY: &str = r#"
[[ou]]
id = "bank"

[[ou]]
id = "london"
parent = "bank"

[[pool]]
id = "london-line"
channel = "line"
ous = ["london"]
default_country = "GB"
fallback_upward = true

[[pool]]
id = "bank-line"
channel = "line"
ous = ["bank"]
"#;

const ACCOUNTS: &str = "\
id,channel,role,address,country,pool,available_from
london-de,line,secondary,@london-de,DE,london-line,2027-03-01
london-gb,line,secondary,@london-gb,GB,london-line,2027-01-01T08:00:00Z
bank-de,line,secondary,@bank-de,DE,bank-line,
old,line,secondary,@old,FR,bank-line,2020-01-01
";

fn of_time(expect: &str) -> Files {
    let tests = format!(
        "[[test]]\nname = \"of the time\"\n\
         query = {{ channel = \"line\", ou = \"london\", country = \"DE\" }}\nexpect = {{ {expect} }}\n"
    );
    let texts = [
        ("bank/company.toml", COMPANY.to_owned()),
        ("bank/accounts.csv", ACCOUNTS.to_owned()),
        ("bank/tests.toml", tests),
    ];
    texts.iter().map(|(path, text)| (*path, text.as_str())).collect()
}

/// A test that fails shows no value of a client: neither in its message nor in the quoted lines.
#[test]
fn failed_test_shows_no_value_of_a_client() {
    for (field, value) in [
        ("client", "jane.doe@x.com"),
        ("client", "123456789"),
        ("phone", "+4420794600"),
        ("phone", "612345678"),
        ("bsuid", "US.abcdefghij"),
        ("bsuid", "US.13491208"),
    ] {
        let entry = format!("{field} = \"{value}\"");
        for query in [
            format!("query = {{ channel = \"line\", ou = \"london\", {entry} }} # {value}"),
            format!("query = {{ {entry}, channel = \"line\", ou = \"london\" }}"),
            format!("query.channel = \"line\"\nquery.{entry}\nquery.ou = \"london\""),
            format!("query = {{ channel = \"line\", ou = \"london\", \"{field}\" = '{value}' }}"),
        ] {
            let mut files = of_time("rule = \"country\"");
            let test = format!(
                "[[test]]\nname = \"for {value}\"\n{query}\nexpect = {{ account = \"no-account\" }}\n"
            );
            files.insert("bank/tests.toml".to_owned(), test);
            let built = build_snapshot(&files, GENERATION, at(DATES[0]), BuildMode::Strict, &NoProgress);
            let findings = built.err().unwrap().findings;
            assert_eq!(findings.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::FailedTest]);
            let text = findings_text(&findings, &files, Path::new(""));
            let value = value.trim_start_matches('+');
            assert!(text.contains("no-account") && text.contains("london"), "{text}");
            assert!(!text.contains(value), "{value} {text}");
        }
    }
}

fn at(date: &str) -> UnixSeconds {
    UnixSeconds::from_rfc3339(date).unwrap()
}

/// Builds at a time. Returns the findings, and the number of stored tests if a snapshot was built.
fn build(files: &Files, date: &str, mode: BuildMode) -> (String, Option<usize>) {
    let (findings, stored) = match build_snapshot(files, GENERATION, at(date), mode, &NoProgress) {
        Ok(BuiltSnapshot { snapshot, findings, failed, .. }) => {
            let errors = findings.iter().filter(|it| it.code.severity() == Severity::Error).count();
            assert_eq!(errors, failed);
            assert!(
                open_tested(Bytes::read(snapshot.bytes(), std::io::empty(), snapshot.bytes().len()).unwrap())
                    .is_ok(),
                "the stored tests do not depend on the day"
            );
            (findings, Some(snapshot.tests().count()))
        }
        Err(BuildFailure { findings, .. }) => (findings, None),
    };
    (findings.iter().map(|finding| format!("{finding}\n")).collect(), stored)
}

/// The times before, between and after the dates of the accounts.
const DATES: [&str; 4] = ["2026-06-01", "2027-02-01", "2027-06-01", "2019-06-01"];

#[test]
fn test_that_fails_later_is_a_warning_with_the_first_date() {
    let files = of_time("account = \"bank-de\"");
    for mode in [BuildMode::Strict, BuildMode::Serve, BuildMode::Inspect] {
        let (findings, stored) = build(&files, DATES[0], mode);
        assert!(
            findings.contains("bank/tests.toml:1: warning[dated_test]: test `of the time` holds now, but")
        );
        assert!(findings.contains("fails from 2027-01-01T08:00:00Z on: expected account \"bank-de\", got"));
        assert_eq!(stored, Some(0), "a snapshot has no test that fails when no account rests");
    }
}

#[test]
fn daemon_serves_a_registry_whose_test_holds_at_another_time() {
    for (expect, dates) in [
        ("account = \"bank-de\"", ["2027-02-01", "2027-06-01"]),
        ("account = \"london-de\"", ["2026-06-01", "2019-06-01"]),
        ("account = \"london-gb\"", ["2026-06-01", "2027-06-01"]),
    ] {
        let files = of_time(expect);
        for date in dates {
            let (findings, stored) = build(&files, date, BuildMode::Strict);
            assert!(
                findings.contains("error[failed_test]") && stored.is_none(),
                "{expect} {date} {findings}"
            );
            let (findings, stored) = build(&files, date, BuildMode::Inspect);
            assert!(
                findings.contains("error[failed_test]") && stored.is_some(),
                "{expect} {date} {findings}"
            );
            let (findings, stored) = build(&files, date, BuildMode::Serve);
            assert!(
                findings.contains("warning[dated_test]") && stored.is_some(),
                "{expect} {date} {findings}"
            );
        }
    }
    let (findings, stored) = build(&of_time("account = \"london-de\""), DATES[0], BuildMode::Serve);
    assert!(findings.contains("fails now, but holds from 2027-03-01 on"), "{findings}");
    assert_eq!(stored, Some(1));
    let (findings, _) = build(&of_time("account = \"bank-de\""), DATES[2], BuildMode::Serve);
    assert!(findings.contains("fails now, but held earlier"), "{findings}");
}

#[test]
fn test_that_holds_at_no_time_is_refused_on_every_day() {
    let files = of_time("rule = \"geography\"");
    for date in DATES {
        for mode in [BuildMode::Strict, BuildMode::Serve] {
            let (findings, stored) = build(&files, date, mode);
            assert!(
                findings.contains("error[failed_test]") && stored.is_none(),
                "{date} {mode:?} {findings}"
            );
        }
        assert!(build(&files, date, BuildMode::Inspect).1.is_some());
    }
}

#[test]
fn test_that_fails_between_two_dates_is_stored() {
    let files = of_time("rule = \"country\"");
    let (findings, stored) = build(&files, DATES[0], BuildMode::Strict);
    assert!(findings.contains("fails from 2027-01-01T08:00:00Z on"), "{findings}");
    assert_eq!(stored, Some(1));
    let (findings, stored) = build(&files, DATES[1], BuildMode::Strict);
    assert!(findings.contains("; the test holds from 2027-03-01 on") && stored.is_none(), "{findings}");
}

#[test]
fn test_of_a_malformed_query_has_one_result_at_all_times() {
    let text = |expect: &str| {
        let test =
            format!("[[test]]\nquery = {{ channel = \"line\" }}\nexpect = {{ error = \"{expect}\" }}\n");
        let texts =
            [("bank/company.toml", COMPANY), ("bank/accounts.csv", ACCOUNTS), ("bank/tests.toml", &test)];
        texts.into_iter().collect::<Files>()
    };
    let (findings, stored) = build(&text("bad_request"), DATES[0], BuildMode::Strict);
    assert!(!findings.contains("test]") && stored == Some(1), "{findings}");
    assert_eq!(build(&text("no_pool"), DATES[0], BuildMode::Serve).1, None);
}

/// A registry of one unit below another one, each with two pools, whose accounts become available on many days.
fn dated(dates: usize, tests: &str) -> (Files, Vec<UnixSeconds>) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut company = "[[ou]]\nid = \"bank\"\n[[ou]]\nid = \"london\"\nparent = \"bank\"\n".to_owned();
    for (pool, ou, priority) in [("a", "london", 0), ("b", "london", 1), ("c", "bank", 0), ("d", "bank", 1)] {
        write!(
            company,
            "[[pool]]\nid = \"{pool}\"\nchannel = \"line\"\nous = [\"{ou}\"]\npriority = {priority}\n\
             default_country = \"GB\"\nfallback_upward = true\n"
        )
        .unwrap();
    }
    let mut accounts = "id,channel,role,address,country,pool,available_from\n".to_owned();
    let mut times = Vec::new();
    for account in 0..dates {
        let time = UnixSeconds(1_800_000_000 + random.i64(0..1_000) * 86_400);
        let (country, pool) =
            (random.choice(["GB", "DE"]).unwrap(), random.choice(["a", "b", "c", "d"]).unwrap());
        writeln!(accounts, "x{account},line,secondary,@x{account},{country},{pool},{time}").unwrap();
        times.push(time);
    }
    for pool in ["a", "b", "c", "d"] {
        writeln!(accounts, "fr-{pool},line,secondary,@fr-{pool},FR,{pool},").unwrap();
    }
    times.sort_unstable();
    times.dedup();
    let texts =
        [("bank/company.toml", &*company), ("bank/accounts.csv", &*accounts), ("bank/tests.toml", tests)];
    (texts.into_iter().collect(), times)
}

#[test]
fn history_of_a_test_equals_the_results_at_each_time() {
    let (files, times) = dated(60, "");
    let snapshot = compiled(&files);
    let mut changing = 0;
    for client in 0..40 {
        let client = if client % 4 == 0 { String::new() } else { format!(r#","client":"c{client}""#) };
        for (ou, expect) in [
            ("london", r#"{"rule":"default_region"}"#),
            ("london", r#"{"climbed":1}"#),
            ("bank", r#"{"account":"x7"}"#),
            ("bank", r#"{"error":"no_account_available"}"#),
        ] {
            let query = format!(r#"{{"channel":"line","ou":"{ou}","country":"DE"{client},"current":"x9"}}"#);
            let expect = expect.to_owned();
            let test = SnapshotTest { company: "bank".to_owned(), name: String::new(), query, expect };
            let mut coverage = TestCoverage::default();
            let mut holds = |now| run_test(&snapshot, &test, now, &mut coverage).is_ok();
            let all: Vec<(UnixSeconds, bool)> =
                [UnixSeconds::MIN].iter().chain(&times).map(|&it| (it, holds(it))).collect();
            changing += usize::from(all.iter().any(|it| it.1) && all.iter().any(|it| !it.1));
            for (index, &(now, holds_now)) in all.iter().enumerate() {
                let timeline = Timeline::new(times.iter().copied(), now);
                let history = run_at_all_times(&snapshot, &test, &timeline, &mut TestCoverage::default());
                let later = |wanted: bool| all[index + 1..].iter().find(|it| it.1 == wanted).map(|it| it.0);
                assert_eq!(history.failure_now.is_none(), holds_now);
                let next_failure = history.next_failure.as_ref().map(|(from, _)| *from);
                assert_eq!(next_failure, later(false).filter(|_| holds_now), "{} {now}", test.query);
                assert_eq!(history.next_pass, later(true).filter(|_| !holds_now), "{} {now}", test.query);
                assert_eq!(history.holds_at_the_end(), all.last().unwrap().1);
                assert_eq!(history.holds_at_some_time(), all.iter().any(|it| it.1));
            }
        }
    }
    assert!(changing > 20, "{changing} tests change over time");
}

fn compiled(files: &Files) -> Snapshot {
    let built = build_snapshot(files, GENERATION, UnixSeconds(NOW), BuildMode::Strict, &NoProgress);
    built.unwrap_or_else(|failure| panic!("{:?}", failure.findings)).snapshot
}

#[test]
fn thousand_tests_over_a_thousand_dates_run_in_a_moment() {
    let mut tests = String::new();
    for test in 0..1_000 {
        let client = if test % 2 == 0 { String::new() } else { format!(", client = \"c{test}\"") };
        writeln!(
            tests,
            "[[test]]\nquery = {{ channel = \"line\", ou = \"london\", country = \"DE\"{client} }}\n\
             expect = {{ error = \"no_account_available\" }}"
        )
        .unwrap();
    }
    let (files, times) = dated(3_000, &tests);
    assert!(times.len() > 900, "{}", times.len());
    let begin = Instant::now();
    let built = build_snapshot(&files, GENERATION, UnixSeconds(NOW), BuildMode::Strict, &NoProgress);
    let took = begin.elapsed();
    let built = built.unwrap_or_else(|failure| panic!("{:?}", failure.findings));
    let dated = built.findings.iter().filter(|it| it.code == Code::DatedTest).count();
    println!("1,000 tests over {} dates: {took:?}", times.len());
    assert!(dated >= 100 && built.snapshot.tests().count() == 0, "{dated}");
    // A run of every test at every time takes minutes. The limit allows for a busy machine.
    assert!(took < Duration::from_secs(10), "{took:?}");
}
