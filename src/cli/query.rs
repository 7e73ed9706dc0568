//! `switchboard select` and `switchboard explain`: answer one query, from a registry or a snapshot, or by a
//! running daemon.

use hyper::Method;
use serde_json::{Map, Value};
use switchboard_model::{QueryField, SelectError};
use switchboard_pipeline::SnapshotSource;
use switchboard_pipeline::analysis::Scope;
use switchboard_select::{
    BadQuery, NO_STANDINGS, Query, QueryFields, SelectContext, explanation, write_selection,
};
use switchboard_snapshot::Snapshot;

use super::arguments::{FormatArguments, OutputFormat, QueryArguments};
use super::client::Client;
use super::output::DIMMED;
use super::source::{now, open_snapshot, source_from_path};
use super::{CommandError, Exit, explain_text, output};
use crate::api::problem::{self, from_error, write_problem};

/// Multiplies the time into a number whose high bits change with every millisecond: 2^64 divided by the
/// golden ratio.
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
/// Maximum number of companies that are named if a query has none.
const MAX_NAMED_COMPANIES: usize = 12;

/// The commands of this file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Select,
    Explain,
}

/// Prints the account for a query.
pub(super) fn select(arguments: &QueryArguments) -> Result<Exit, CommandError> {
    answer(arguments, Question::Select)
}

/// Prints every step of the chain of a query.
pub(super) fn explain(arguments: &QueryArguments) -> Result<Exit, CommandError> {
    answer(arguments, Question::Explain)
}

fn answer(arguments: &QueryArguments, question: Question) -> Result<Exit, CommandError> {
    let QueryArguments { registry, snapshot, url, fields, output: FormatArguments { format } } = arguments;
    let client = url.as_deref().map(Client::from_url).transpose()?;
    let query = match parse_query(fields)? {
        Ok(query) => query,
        Err(bad) => return print_problem(*format, SelectError::BadRequest, Some(&bad.to_string()), None),
    };
    if let Some(client) = client {
        return ask(&client, question, fields, *format);
    }
    let source = match registry.as_deref().or(snapshot.as_deref()) {
        Some(path) => source_from_path(path)?,
        None => SnapshotSource::Demo,
    };
    let Some(snapshot) = open_snapshot(&source)? else { return Ok(Exit::Failed) };
    let of_demo = if source == SnapshotSource::Demo { "the demo registry; " } else { "" };
    output::print_error(&format!(
        "{DIMMED}note: answered offline, from {of_demo}live standings are not known; --url asks a running \
         daemon{DIMMED:#}\n"
    ));
    match question {
        Question::Select => select_offline(&snapshot, &query, *format),
        Question::Explain => explain_offline(&snapshot, &query, *format),
    }
}

fn select_offline(
    snapshot: &Snapshot,
    query: &Query<'_>,
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    match switchboard_select::select(snapshot, query, select_context()).result {
        Ok(selection) => {
            let mut json = Vec::new();
            write_selection(&mut json, snapshot, &selection);
            match format {
                OutputFormat::Json => print_json(json)?,
                OutputFormat::Text => output::print(&explain_text::render_selection(&parsed(&json)?))?,
            }
            Ok(Exit::Success)
        }
        Err(error) => print_failure(snapshot, query, error, format),
    }
}

fn explain_offline(
    snapshot: &Snapshot,
    query: &Query<'_>,
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    let (answer, trace) = switchboard_select::trace(snapshot, query, select_context());
    let trace = match trace {
        Ok(trace) => trace,
        Err(error) => return print_failure(snapshot, query, error, format),
    };
    match format {
        OutputFormat::Json => {
            let problem = |error| problem::to_json(error, snapshot.generation());
            print_json(explanation(snapshot, &trace, problem).to_string().into_bytes())?;
        }
        OutputFormat::Text => output::print(&explain_text::render(snapshot, &trace))?,
    }
    Ok(if answer.result.is_ok() { Exit::Success } else { Exit::Failed })
}

/// Sends the query to a daemon, and prints its answer. A query is the body of a POST, because proxies log URLs.
fn ask(
    client: &Client,
    question: Question,
    fields: &[String],
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    let path = match question {
        Question::Select => "/v1/select",
        Question::Explain => "/v1/explain",
    };
    let reply = client.send(Method::POST, path, Some(&body(fields)))?;
    let problem = reply.problem()?;
    let exit = match &problem {
        Some(_) => reply.exit_of_problem(),
        None if reply.json()?.get("problem").is_some() => Exit::Failed,
        None => Exit::Success,
    };
    match (format, problem) {
        (OutputFormat::Json, _) => reply.print()?,
        (OutputFormat::Text, Some(problem)) if exit == Exit::Io => problem.print(),
        (OutputFormat::Text, Some(problem)) => {
            output::print(&explain_text::render_problem(&problem.code, &problem.title, &problem.detail))?;
        }
        (OutputFormat::Text, None) => output::print(&match question {
            Question::Select => explain_text::render_selection(&reply.json()?),
            Question::Explain => explain_text::render_explanation(&reply.json()?),
        })?,
    }
    Ok(exit)
}

/// Returns the fields of a query as a JSON object. A list is written with commas, as in a URL.
fn body(fields: &[String]) -> Value {
    let member = |field: &String| {
        let (name, value) = field.split_once('=')?;
        let value = match QueryField::parse(name) {
            Some(QueryField::Exclude) => {
                value.split(',').map(str::trim).filter(|id| !id.is_empty()).map(Value::from).collect()
            }
            _ => Value::from(value),
        };
        Some((name.to_owned(), value))
    };
    fields.iter().filter_map(member).collect::<Map<_, _>>().into()
}

fn parsed(json: &[u8]) -> Result<Value, CommandError> {
    serde_json::from_slice(json).map_err(|error| CommandError::io(format!("the answer is not JSON: {error}")))
}

/// Prints the problem of a query that a snapshot cannot answer. For people, an unknown id comes with near ones.
fn print_failure(
    snapshot: &Snapshot,
    query: &Query<'_>,
    error: SelectError,
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    let near = near_names(snapshot, query, error);
    if let Some(companies) = companies(snapshot, query, error) {
        output::print_error(&companies);
    }
    print_problem(format, error, near.as_deref(), Some(snapshot.generation()))
}

/// Returns a sentence about the unknown id of a query, with near or known ids.
fn near_names(snapshot: &Snapshot, query: &Query<'_>, error: SelectError) -> Option<String> {
    let one = |id: &str| vec![id.to_owned()];
    let (mut companies, mut channels, mut ous) = (Vec::new(), Vec::new(), Vec::new());
    match (error, &query.company) {
        (SelectError::UnknownCompany, Some(company)) => companies = one(company),
        (SelectError::UnknownChannel, _) => channels = one(&query.channel),
        (SelectError::UnknownOu, company) => {
            companies.extend(company.as_deref().map(str::to_owned));
            ous = one(&query.ou);
        }
        _ => return None,
    }
    let scope = Scope { companies: &companies, channels: &channels, ous: &ous, ..Scope::default() };
    scope.check(&[snapshot]).err().map(|unknown| unknown.to_string())
}

/// Returns a line with the companies of a snapshot, if a query needs one and has none.
fn companies(snapshot: &Snapshot, query: &Query<'_>, error: SelectError) -> Option<String> {
    if error != SelectError::BadRequest || query.company.is_some() {
        return None;
    }
    let named: Vec<&str> =
        snapshot.companies().take(MAX_NAMED_COMPANIES).map(|company| company.id()).collect();
    let more = match snapshot.companies().len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("the companies are {}{more}\n", named.join(", ")))
}

fn print_problem(
    format: OutputFormat,
    error: SelectError,
    detail: Option<&str>,
    generation: Option<u64>,
) -> Result<Exit, CommandError> {
    match format {
        OutputFormat::Json => {
            // A detail about a snapshot is for people: the wire has that of the kind.
            let detail = detail.filter(|_| generation.is_none());
            let mut json = Vec::new();
            write_problem(&mut json, from_error(error), detail, generation);
            print_json(json)?;
        }
        OutputFormat::Text => {
            let detail = detail.unwrap_or(error.reason());
            let title = from_error(error).title;
            output::print(&explain_text::render_problem(error.as_str(), title, detail))?;
        }
    }
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
