//! `switchboard select field=value …`: one query, offline, through the same walk as the daemon's.

use super::arguments::Query as Arguments;
use super::compile::now_ms;
use super::opened::Origin;
use super::{Exit, Failure, output};
use switchboard_select::{
    self, BadQuery, Code, Fields, Moment, NO_STANDINGS, Query, write_problem, write_selection,
};

/// Answers one query.
pub fn select(arguments: &Arguments) -> Result<Exit, Failure> {
    let query = match parse(&arguments.fields)? {
        Ok(query) => query,
        Err(bad) => return problem(Code::BadRequest, Some(&bad.to_string()), None),
    };
    let Some(snapshot) = Origin::flagged(&arguments.registry, &arguments.snapshot).open()? else {
        return Ok(Exit::No);
    };
    match switchboard_select::select(&snapshot, &query, moment()).result {
        Ok(selection) => {
            let mut json = Vec::new();
            write_selection(&mut json, &snapshot, &selection);
            line(json)?;
            Ok(Exit::Done)
        }
        Err(code) => problem(code, None, Some(snapshot.generation())),
    }
}

/// `field=value …`; a word without `=` is wrong usage, a wrong field or value a malformed query.
pub(super) fn parse(words: &[String]) -> Result<Result<Query<'_>, BadQuery>, Failure> {
    let mut query = Query::default();
    let mut fields = Fields::of(&mut query);
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            return Err(Failure::usage(
                "expected field=value, such as channel=whatsapp; see --help".to_owned(),
            ));
        };
        fields.set(name, value.into());
    }
    let read = fields.finish();
    Ok(read.map(|()| query))
}

/// The clock decides which numbers rest, and, where a query names no client, which of equals it gets.
pub(super) fn moment() -> Moment<'static> {
    let now = now_ms();
    Moment {
        now: (now / 1000) as i64,
        chance: now.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        standings: &NO_STANDINGS,
    }
}

pub(super) fn problem(code: Code, detail: Option<&str>, generation: Option<u64>) -> Result<Exit, Failure> {
    let mut json = Vec::new();
    write_problem(&mut json, code, detail, generation);
    line(json)?;
    Ok(Exit::No)
}

fn line(mut json: Vec<u8>) -> Result<(), Failure> {
    json.push(b'\n');
    output::print(&String::from_utf8_lossy(&json))
}
