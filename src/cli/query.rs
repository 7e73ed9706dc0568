//! `switchboard select` and `switchboard explain`: answer one query without a daemon, by the same selection.

use switchboard_model::SelectError;
use switchboard_select::{
    BadQuery, NO_STANDINGS, Query, QueryFields, SelectContext, explanation, write_selection,
};

use super::arguments::{ExplainArguments, FormatArguments, OutputFormat, QueryArguments};
use super::source::{now, open_snapshot, source_from_flags};
use super::{CommandError, Exit, explain_text, output};
use crate::api::problem::{self, from_error, write_problem};

/// Multiplies the time into a number whose high bits change with every millisecond: 2^64 divided by the
/// golden ratio.
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

/// Prints the answer to a query as JSON.
pub(super) fn select(arguments: &QueryArguments) -> Result<Exit, CommandError> {
    let query = match parse_query(&arguments.fields)? {
        Ok(query) => query,
        Err(bad) => return print_problem(SelectError::BadRequest, Some(&bad.to_string()), None),
    };
    let Some(snapshot) = open_snapshot(&source_from_flags(&arguments.registry, &arguments.snapshot))? else {
        return Ok(Exit::Failed);
    };
    match switchboard_select::select(&snapshot, &query, select_context()).result {
        Ok(selection) => {
            let mut json = Vec::new();
            write_selection(&mut json, &snapshot, &selection);
            print_json(json)?;
            Ok(Exit::Success)
        }
        Err(error) => print_problem(error, None, Some(snapshot.generation())),
    }
}

/// Prints every step of the chain of a query, as text or as the JSON of `/v1/explain`.
pub(super) fn explain(arguments: &ExplainArguments) -> Result<Exit, CommandError> {
    let ExplainArguments { query: asked, output: FormatArguments { format } } = arguments;
    let fail = |error: SelectError, detail: Option<&str>, generation: Option<u64>| match format {
        OutputFormat::Json => print_problem(error, detail, generation),
        OutputFormat::Text => {
            output::print(&explain_text::render_problem(error, detail)).map(|()| Exit::Failed)
        }
    };
    let query = match parse_query(&asked.fields)? {
        Ok(query) => query,
        Err(bad) => return fail(SelectError::BadRequest, Some(&bad.to_string()), None),
    };
    let Some(snapshot) = open_snapshot(&source_from_flags(&asked.registry, &asked.snapshot))? else {
        return Ok(Exit::Failed);
    };
    let (answer, trace) = switchboard_select::trace(&snapshot, &query, select_context());
    let trace = match trace {
        Ok(trace) => trace,
        Err(error) => return fail(error, None, Some(snapshot.generation())),
    };
    let text = match format {
        OutputFormat::Json => {
            let problem = |error| problem::to_json(error, snapshot.generation());
            format!("{:#}\n", explanation(&snapshot, &trace, problem))
        }
        OutputFormat::Text => explain_text::render(&snapshot, &trace),
    };
    output::print(&text)?;
    Ok(if answer.result.is_ok() { Exit::Success } else { Exit::Failed })
}

fn print_problem(
    error: SelectError,
    detail: Option<&str>,
    generation: Option<u64>,
) -> Result<Exit, CommandError> {
    let mut json = Vec::new();
    write_problem(&mut json, from_error(error), detail, generation);
    print_json(json)?;
    Ok(Exit::Failed)
}

fn print_json(mut json: Vec<u8>) -> Result<(), CommandError> {
    json.push(b'\n');
    output::print(&String::from_utf8_lossy(&json))
}

/// Returns the query of `field=value` arguments. An argument without `=` is wrong usage. An unknown field or
/// an invalid value makes a malformed query.
fn parse_query(arguments: &[String]) -> Result<Result<Query<'_>, BadQuery>, CommandError> {
    let mut query = Query::default();
    let mut fields = QueryFields::new(&mut query);
    for argument in arguments {
        let Some((name, value)) = argument.split_once('=') else {
            return Err(CommandError::usage(
                "expected FIELD=VALUE, such as channel=whatsapp; --help lists the fields".to_owned(),
            ));
        };
        fields.set(name, value.into());
    }
    let read = fields.finish();
    Ok(read.map(|()| query))
}

/// Returns the context of a selection at the present time. The random number is derived from the clock.
fn select_context() -> SelectContext<'static> {
    let now = now();
    SelectContext {
        now: now.to_seconds(),
        random: now.as_u64().wrapping_mul(GOLDEN_RATIO),
        standings: &NO_STANDINGS,
    }
}
