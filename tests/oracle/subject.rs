//! The system under test, with the smallest interface: files in, answers out.

use std::array::from_fn;
use std::cell::RefCell;

use serde_json::Value;
use switchboard::api::problem::{from_error, write_problem};
use switchboard_model::{Condition, SelectError, UnixSeconds};
use switchboard_pipeline::{BuildFailure, BuildMode, BuiltSnapshot, build_snapshot};
use switchboard_registry::Files;
use switchboard_select::{self as select, Overlay, Query, SelectContext, write_selection};
use switchboard_select::{LANES, select_interleaved};
use switchboard_snapshot::{NoProgress, Snapshot};

/// A compiled snapshot in service.
pub struct Subject {
    pub snapshot: Snapshot,
    standings: Overlay,
    /// Draws another random number for every query, as a worker does.
    random: RefCell<fastrand::Rng>,
    /// The number of queries so far, and the texts of the last ones.
    asked: RefCell<(usize, [String; LANES])>,
}

impl Subject {
    /// Compiles the files as this generation. Returns the findings as text if they do not compile.
    pub fn compile(files: &Files, generation: u64) -> Result<Subject, String> {
        match build_snapshot(files, generation, UnixSeconds(0), BuildMode::Strict, &NoProgress) {
            Ok(BuiltSnapshot { snapshot, .. }) => {
                let random = RefCell::new(fastrand::Rng::with_seed(1));
                let standings = Overlay::from_free(snapshot.free_accounts());
                Ok(Subject { snapshot, standings, random, asked: RefCell::default() })
            }
            Err(BuildFailure { findings, .. }) => {
                Err(findings.iter().map(|finding| format!("{finding}\n")).collect())
            }
        }
    }

    /// Sets the standing of an account.
    pub fn set_standing(&self, company: &str, account: &str, standing: Condition) {
        let account =
            self.snapshot.find_company(company).and_then(|it| self.snapshot.find_account(it, account));
        self.standings.set(account.expect("an account of the registry"), standing);
    }

    /// Answers a query, a JSON object, as of `now` in Unix seconds. Returns the HTTP status, and the
    /// selection or the problem.
    pub fn select(&self, text: &str, now: i64) -> (u16, Value) {
        let query = match Query::from_json(text.as_bytes()) {
            Ok(query) => query,
            Err(_) => return self.problem(SelectError::BadRequest),
        };
        let context = self.context(now);
        self.check_interleaved(text, context);
        match select::select(&self.snapshot, &query, context).result {
            Ok(selection) => {
                let mut json = Vec::new();
                write_selection(&mut json, &self.snapshot, &selection);
                (200, serde_json::from_slice(&json).unwrap())
            }
            Err(code) => self.problem(code),
        }
    }

    /// Answers the query as a line of a batch, together with the queries before it. No answer may depend on
    /// another line. Every third group has gaps.
    fn check_interleaved(&self, query: &str, context: SelectContext<'_>) {
        let mut asked = self.asked.borrow_mut();
        let count = asked.0;
        asked.0 += 1;
        asked.1[count % LANES] = query.to_owned();
        let queries: [_; LANES] = from_fn(|at| {
            let gap = count.is_multiple_of(3) && at % 2 == 0;
            Query::from_json(asked.1[at].as_bytes()).ok().filter(|_| !gap)
        });
        let queries = queries.each_ref().map(|query| query.as_ref().map(|query| (query, context)));
        let alone =
            queries.map(|query| query.map(|(query, context)| select::select(&self.snapshot, query, context)));
        assert_eq!(select_interleaved(&self.snapshot, &queries), alone);
    }

    /// Explains a query. Returns the HTTP status, and the explanation or the problem.
    pub fn explain(&self, query: &str, now: i64) -> (u16, Value) {
        let query = match Query::from_json(query.as_bytes()) {
            Ok(query) => query,
            Err(_) => return self.problem(SelectError::BadRequest),
        };
        match select::explain(&self.snapshot, &query, self.context(now), |error| self.problem(error).1).1 {
            Ok(explanation) => (200, explanation),
            Err(code) => self.problem(code),
        }
    }

    fn context(&self, now: i64) -> SelectContext<'_> {
        SelectContext {
            now: UnixSeconds(now),
            random: self.random.borrow_mut().u64(..),
            standings: &self.standings,
        }
    }

    fn problem(&self, code: SelectError) -> (u16, Value) {
        let mut json = Vec::new();
        let kind = from_error(code);
        write_problem(&mut json, kind, None, Some(self.snapshot.generation()));
        (kind.status, serde_json::from_slice(&json).unwrap())
    }
}
