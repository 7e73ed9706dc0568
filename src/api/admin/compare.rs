//! `/v1/compare`: checks the files of a registry, and compares their decisions with those of the snapshot in service.
//! Live standings do not take part, as in `switchboard diff`. Nothing is written to a disk, and nothing is kept.
//!
//! One comparison runs at a time, on a thread of its own with the lowest priority. It ends when its time is over or
//! its client has gone: the build and the comparison then unwind where they report their progress.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::http::request::Parts;
use serde_json::{Map, Value, json};
use switchboard_model::{Region, SelectError, UnixMillis, UnixSeconds};
use switchboard_pipeline::analysis::change_json::{group_json, totals_json};
use switchboard_pipeline::analysis::compare::{Comparison, find_changes};
use switchboard_pipeline::analysis::{Roles, Scope};
use switchboard_pipeline::finding_json::finding_json;
use switchboard_pipeline::{BuildFailure, BuildMode, BuiltSnapshot, build_snapshot};
use switchboard_registry::{Files, Finding, Findings, Severity, Snippets};
use switchboard_server::response::{BAD_REQUEST, BODY_TOO_LARGE, INTERNAL, OVERLOADED};
use switchboard_server::{HangUp, Problem, Response, catch_panic, respond};
use switchboard_snapshot::{BuildStage, Progress, Snapshot};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;

use super::multipart::{FileParts, boundary, delimiter};
use super::standings::company;
use super::{background, body};
use crate::api::JSON;
use crate::api::problem::{GENERATION, NO_SNAPSHOT, from_error};
use crate::runtime::{Generation, Store};
use crate::telemetry::Telemetry;

/// Maximum number of files in one request.
const MAX_FILES: usize = 20_000;
/// Maximum number of findings in an answer.
const MAX_FINDINGS: usize = 1000;
/// Maximum number of groups of changes in an answer.
const MAX_GROUPS: usize = 200;
/// Maximum number of items in each list of a group, and of companies that only one side has.
const MAX_ITEMS: usize = 50;
/// Maximum number of bytes for all findings of an answer, and for all groups. A slow client reads both in the time
/// that the listener gives it.
const MAX_LIST_BYTES: usize = 512 * 1024;
/// Time that a connection has for its answer beyond the limit of the comparison.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The limits of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct CompareLimits {
    /// Maximum number of bytes in the body.
    pub max_body_bytes: usize,
    /// Longest time from the end of the head to the answer. Includes the arrival of the body.
    pub max_time: Duration,
}

impl Default for CompareLimits {
    fn default() -> CompareLimits {
        CompareLimits { max_body_bytes: 64 * 1024 * 1024, max_time: Duration::from_secs(30) }
    }
}

/// The state that all comparisons share.
pub(super) struct Comparisons {
    limits: CompareLimits,
    /// Has one permit, which the thread of a comparison holds until it ends.
    running: Arc<Semaphore>,
    telemetry: Arc<Telemetry>,
}

impl Comparisons {
    pub(super) fn new(limits: CompareLimits, telemetry: Arc<Telemetry>) -> Comparisons {
        Comparisons { limits, running: Arc::new(Semaphore::new(1)), telemetry }
    }

    /// Returns the longest time from the end of a request's head to its answer.
    pub(super) fn request_timeout(&self) -> Duration {
        self.limits.max_time.saturating_add(ANSWER_TIME)
    }

    /// Answers a request. A client that closes its connection, or only its sending side, ends the comparison.
    pub(super) async fn answer(
        &self,
        store: &Store,
        head: &Parts,
        body: Incoming,
        hang_up: Option<&HangUp>,
    ) -> Result<Response, Problem> {
        let gone = async {
            match hang_up {
                Some(hang_up) if hang_up.wait().await.is_ok() => {}
                _ => pending().await,
            }
        };
        tokio::select! {
            answered = self.compare(store, head, body) => answered,
            () = sleep(self.limits.max_time) => Err(self.too_long()),
            () = gone => Err(bad_request("The client closed the connection before the comparison ended.")),
        }
    }

    async fn compare(&self, store: &Store, head: &Parts, body: Incoming) -> Result<Response, Problem> {
        let boundary = boundary(&head.headers)?;
        let permit = Arc::clone(&self.running).try_acquire_owned().map_err(|_| busy())?;
        let max_bytes = self.limits.max_body_bytes;
        let body = body::read(body, "registry", max_bytes).await.map_err(|problem| {
            if *problem.kind() == BODY_TOO_LARGE { too_large(max_bytes) } else { problem }
        })?;
        let company = company(head.uri.query().unwrap_or_default())?.map(Cow::into_owned);
        let generation = store.current();
        let now = UnixMillis::from(SystemTime::now()).to_seconds();
        let (sender, result) = oneshot::channel();
        let telemetry = Arc::clone(&self.telemetry);
        let spawned = background::spawn("compare", move || {
            let progress = UntilClosed(&sender);
            let answered = catch_panic(|| {
                let files = files(&body, &boundary)?;
                drop(body);
                let generation = generation.ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
                let answer = compare(&generation, &files, company, now, &progress)?;
                Ok(Bytes::from(answer.to_string()))
            });
            drop(permit);
            match answered {
                Some(answered) => drop(sender.send(answered)),
                None if sender.is_closed() => {}
                // The receiver then finds the channel closed.
                None => telemetry.count_panic(),
            }
        });
        if let Err(error) = spawned {
            tracing::error!(error = error.to_string(), "cannot start the thread of a comparison");
            return Err(Problem::new(&INTERNAL));
        }
        let answer = result.await.map_err(|_| Problem::new(&INTERNAL))??;
        Ok(respond(200, JSON, answer))
    }

    fn too_long(&self) -> Problem {
        let detail = format!(
            "The comparison takes longer than {:?}, its arrival included. Run `switchboard diff` with the snapshot file \
             in service and the folder of the registry, which has no limit.",
            self.limits.max_time
        );
        Problem::new(&OVERLOADED).with_header(RETRY_AFTER, "30").with_detail(detail)
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(&BODY_TOO_LARGE).with_detail(format!(
        "The files have more than {max_bytes} bytes together. Run `switchboard diff` with the snapshot file in service \
         and the folder of the registry, which has no limit."
    ))
}

fn busy() -> Problem {
    Problem::new(&OVERLOADED)
        .with_header(RETRY_AFTER, "5")
        .with_detail("Another comparison is in progress. Retry after the time in Retry-After.")
}

fn bad_request(detail: &'static str) -> Problem {
    Problem::new(&BAD_REQUEST).with_detail(detail)
}

/// Reads the files of a body. They are the files of a folder, so what a folder may have besides is passed over.
fn files(body: &[u8], boundary: &str) -> Result<Files, Problem> {
    let delimiter = delimiter(boundary);
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for part in FileParts::new(body, &delimiter) {
        let part = part?;
        if files.len() == MAX_FILES {
            return Err(bad_request(
                "The form has more than 20000 files. Send only the files of a registry.",
            ));
        }
        if !is_relative(&part.name) {
            return Err(bad_request(
                "A file name is not a path inside a registry. Send relative paths with forward slashes and without dot \
                 segments, such as acme/company.toml.",
            ));
        }
        if !seen.insert(part.name.clone()) {
            return Err(bad_request("Two files have the same name. Send each file once."));
        }
        files.push((part.name, part.content.to_vec()));
    }
    if files.is_empty() {
        return Err(bad_request("The form has no file. Send every file of the registry."));
    }
    Ok(Files::from_list(files))
}

/// Returns whether a path leads from a folder to a file within it, on every system.
fn is_relative(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
        && !path.contains(|c: char| c == '\\' || c.is_control())
}

/// Ends the work by unwinding when its result is no longer awaited.
struct UntilClosed<'s, T>(&'s oneshot::Sender<T>);

impl<T> UntilClosed<'_, T> {
    fn proceed(&self) {
        if self.0.is_closed() {
            // Calls no panic hook, so nothing is logged.
            resume_unwind(Box::new("the comparison is no longer awaited"));
        }
    }
}

impl<T: Send> Progress for UntilClosed<'_, T> {
    fn report(&self, _: BuildStage, _: usize, _: usize) {
        self.proceed();
    }
}

/// Compares a registry with the snapshot in service, in one company or in all, and there in every OU, channel and role.
/// With errors in the registry, the answer has only the findings.
fn compare<T: Send>(
    generation: &Generation,
    files: &Files,
    company: Option<String>,
    now: UnixSeconds,
    progress: &UntilClosed<'_, T>,
) -> Result<Value, Problem> {
    let old = &generation.snapshot;
    let mut answer = Map::new();
    answer.insert("generation".to_owned(), old.generation().into());
    let (findings, tests, failed, new) =
        match build_snapshot(files, old.generation(), now, BuildMode::Inspect, progress) {
            Ok(BuiltSnapshot { snapshot, findings, failed, coverage, .. }) => {
                (findings, coverage.tests, failed, Some(snapshot))
            }
            Err(BuildFailure { findings, tests, failed }) => (findings, tests, failed, None),
        };
    insert_findings(&mut answer, &findings, files, || progress.proceed());
    answer.insert("tests".to_owned(), json!({"run": tests, "failed": failed}));
    if let Some(new) = new {
        let companies: Vec<String> = company.into_iter().collect();
        let scope = Scope { companies: &companies, roles: Roles::All, ..Scope::default() };
        if scope.check(&[old, &new]).is_err() {
            let problem = Problem::new(from_error(SelectError::UnknownCompany)).with_detail(
                "Neither the snapshot in service nor the files have a company with this id. Check the id, which is the \
                 name of the company's folder.",
            );
            return Err(problem.with_number(GENERATION, old.generation()));
        }
        insert_changes(&mut answer, (old, &new), scope, now, || progress.proceed());
    }
    Ok(answer.into())
}

/// Inserts the findings, errors first, as `check --format json` has them.
fn insert_findings(answer: &mut Map<String, Value>, all: &Findings, files: &Files, proceed: impl Fn()) {
    let mut snippets = Snippets::new(files);
    let of_severity = |severity| all.iter().filter(move |finding| finding.code.severity() == severity);
    let sorted = of_severity(Severity::Error).chain(of_severity(Severity::Warning));
    let json = |finding: &Finding| {
        proceed();
        finding_json(finding, &mut snippets)
    };
    let list = bounded(sorted.map(json), MAX_FINDINGS);
    answer.insert("more_findings".to_owned(), (all.len() - list.len()).into());
    answer.insert("findings".to_owned(), list.into());
    answer.insert("errors".to_owned(), all.errors().into());
    answer.insert("warnings".to_owned(), all.warnings().into());
}

/// Inserts the changes, the worst first, as `diff --format json` has them.
fn insert_changes(
    answer: &mut Map<String, Value>,
    (old, new): (&Snapshot, &Snapshot),
    scope: Scope<'_>,
    now: UnixSeconds,
    proceed: impl Fn(),
) {
    let mut comparison = Comparison::new(old, new, now);
    let changes = find_changes(&mut comparison, scope, &proceed);
    answer.extend(totals_json(&changes).map(|(name, value)| (name.to_owned(), value)));
    answer.insert("countries".to_owned(), Region::COUNT.into());
    answer.insert("companies".to_owned(), companies(old, new, scope));
    answer.insert("one_to_several_companies".to_owned(), comparison.is_one_to_several().into());
    let json = |group| {
        proceed();
        group_json(&mut comparison, group, MAX_ITEMS)
    };
    let groups = bounded(changes.groups.iter().map(json), MAX_GROUPS);
    answer.insert("more".to_owned(), (changes.groups.len() - groups.len()).into());
    answer.insert("groups".to_owned(), groups.into());
}

/// Returns the companies of the scope that only one of the snapshots has.
fn companies(old: &Snapshot, new: &Snapshot, scope: Scope<'_>) -> Value {
    let [old, new] =
        [old, new].map(|snapshot| scope.companies(snapshot).map(|(id, _)| id).collect::<BTreeSet<&str>>());
    let [added, removed] = [new.difference(&old), old.difference(&new)].map(Iterator::collect::<Vec<_>>);
    let more: usize = [&added, &removed].map(|list| list.len().saturating_sub(MAX_ITEMS)).iter().sum();
    let first =
        |list: Vec<&&str>| list.into_iter().take(MAX_ITEMS).map(|id| Value::from(*id)).collect::<Value>();
    json!({"added": first(added), "removed": first(removed), "more": more})
}

/// Returns the first items, up to a number of items and bytes.
fn bounded(items: impl Iterator<Item = Value>, max_items: usize) -> Vec<Value> {
    let mut bytes = 0;
    let fits = |item: &Value| {
        bytes += item.to_string().len();
        bytes <= MAX_LIST_BYTES
    };
    items.take(max_items).take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use switchboard_pipeline::demo_files;
    use switchboard_select::Overlay;

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_790_000_000);

    #[test]
    fn comparison_that_is_no_longer_awaited_ends_without_a_panic() {
        let files = demo_files();
        let built = build_snapshot(&files, 1, NOW, BuildMode::Strict, &switchboard_snapshot::NoProgress);
        let snapshot = built.ok().unwrap().snapshot;
        let overlay = Overlay::from_free(snapshot.free_accounts());
        let generation = Generation { snapshot, overlay };
        let (sender, receiver) = oneshot::channel::<()>();
        let run = || catch_panic(|| compare(&generation, &files, None, NOW, &UntilClosed(&sender)));
        assert_eq!(run().unwrap().unwrap()["groups"], json!([]));
        drop(receiver);
        assert!(run().is_none());
    }

    /// The points at which a comparison can end are as many as the tests and the OUs.
    #[test]
    fn comparison_can_end_at_every_test_and_every_ou() {
        struct Reports(AtomicUsize);
        impl Progress for Reports {
            fn report(&self, _: BuildStage, _: usize, _: usize) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let reports = Reports(AtomicUsize::new(0));
        let built = build_snapshot(&demo_files(), 1, NOW, BuildMode::Strict, &reports).ok().unwrap();
        let tests = built.coverage.tests;
        assert!(tests > 50 && reports.0.into_inner() > tests, "{tests}");
        let (snapshot, calls) = (built.snapshot, Cell::new(0));
        let proceed = || calls.set(calls.get() + 1);
        insert_changes(&mut Map::new(), (&snapshot, &snapshot), Scope::default(), NOW, proceed);
        assert!(calls.get() > snapshot.counts().ous, "{}", calls.get());
    }

    #[test]
    fn names_of_files_are_relative_paths() {
        for path in
            ["channels.toml", "acme/company.toml", "a b/ü.csv", "..data/x", "a/...", "c:/x", "\u{202e}/x"]
        {
            assert!(is_relative(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            "./a",
            "a/..",
            "../a",
            "a/./b",
            "a\\b",
            "..\\a",
            "a\nb",
            "a\0",
            "\u{85}",
        ] {
            assert!(!is_relative(path), "{path:?}");
        }
    }

    #[test]
    fn list_is_bounded_in_items_and_bytes() {
        let items = || std::iter::repeat_n(Value::from("x".repeat(1022)), 1000);
        assert_eq!(bounded(items(), 7).len(), 7);
        assert_eq!(bounded(items(), 1000).len(), MAX_LIST_BYTES / 1024);
    }
}
