//! Switchboard without a listener: returns the status and the body for the bytes of a request.

use std::{cell::Cell, path::Path};
use switchboard::api::data::query_string;
use switchboard::api::problem::{from_error, write_problem};
use switchboard_model::{Condition, SelectError, UnixSeconds};
use switchboard_pipeline::{BuildMode, build_snapshot};
use switchboard_registry::Files;
use switchboard_select::{self as select, BadQuery, Overlay, Query, SelectContext, write_selection};
use switchboard_snapshot::{NoProgress, Snapshot};

pub(crate) struct StandIn {
    snapshot: Snapshot,
    standings: Overlay,
    random: Cell<u64>,
    now: i64,
}

impl StandIn {
    /// Compiles the registry of a folder.
    pub(crate) fn serving(folder: &Path, generation: u64, now: i64) -> StandIn {
        let files = Files::read_dir(folder).unwrap();
        let Ok(compiled) =
            build_snapshot(&files, generation, UnixSeconds(now), BuildMode::Strict, &NoProgress)
        else {
            panic!("{} does not compile", folder.display());
        };
        let standings = Overlay::new(compiled.snapshot.counts().accounts);
        StandIn { snapshot: compiled.snapshot, standings, random: Cell::new(1), now }
    }

    pub(crate) fn set_standing(&self, company: &str, account: &str, standing: Condition) {
        let company = self.snapshot.find_company(company).unwrap();
        self.standings.set(self.snapshot.find_account(company, account).unwrap(), standing);
    }

    /// Answers a request with head and body.
    pub(crate) fn answer(&self, request: &[u8]) -> (u16, Vec<u8>) {
        let text = str::from_utf8(request).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (method, rest) = head.split_once(' ').unwrap();
        let target = rest.split(' ').next().unwrap();
        match method {
            "GET" => self.one(query_string::parse(target.split_once('?').unwrap().1)),
            _ if target == "/v1/select" => self.one(Query::from_json(body.as_bytes())),
            _ => {
                let answers = body.lines().flat_map(|line| {
                    let (_, answer) = self.one(Query::from_json(line.as_bytes()));
                    answer.into_iter().chain(*b"\n")
                });
                (200, answers.collect())
            }
        }
    }

    fn one(&self, query: Result<Query<'_>, BadQuery>) -> (u16, Vec<u8>) {
        let mut body = Vec::new();
        let generation = Some(self.snapshot.generation());
        let query = match query {
            Ok(query) => query,
            Err(bad) => {
                write_problem(&mut body, from_error(SelectError::BadRequest), Some(&bad.message), generation);
                return (400, body);
            }
        };
        self.random.set(self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let context = SelectContext {
            now: UnixSeconds(self.now),
            random: self.random.get(),
            standings: &self.standings,
        };
        match select::select(&self.snapshot, &query, context).result {
            Ok(selection) => {
                write_selection(&mut body, &self.snapshot, &selection);
                (200, body)
            }
            Err(code) => {
                let kind = from_error(code);
                write_problem(&mut body, kind, None, generation);
                (kind.status, body)
            }
        }
    }
}
