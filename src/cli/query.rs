//! `switchboard select` and `switchboard explain`: answer one query, from a registry or a snapshot, or by a
//! running daemon.

use hyper::Method;
use serde_json::{Map, Value};
use switchboard_model::{QueryField, SelectError};
use switchboard_pipeline::analysis::UnknownId;
use switchboard_select::{
    BadQuery, NO_STANDINGS, Query, QueryFields, SelectContext, explanation, write_selection,
};
use switchboard_snapshot::Snapshot;

use super::arguments::{FormatArguments, OutputFormat, QueryArguments};
use super::client::{Client, RemoteProblem};
use super::output::DIMMED;
use super::source::{CommandSource, now, open_snapshot, source_from_path};
use super::{CommandError, Exit, explain_text, output, token};
use crate::api::problem::{self, from_error, write_problem};

const EXPLAIN: &str = "/v1/explain";
/// The problems of a query that names an unknown id.
const UNKNOWN_IDS: [SelectError; 3] =
    [SelectError::UnknownCompany, SelectError::UnknownChannel, SelectError::UnknownOu];
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
    let QueryArguments {
        registry,
        snapshot,
        url,
        ca,
        credential,
        limits,
        access,
        fields,
        output: FormatArguments { format },
    } = arguments;
    let client = match url {
        Some(url) => {
            Some(Client::from_url(url, ca.as_deref())?.with_authorization(token::authorization(credential)?))
        }
        None => None,
    };
    let fields = pairs(fields)?;
    let query = match parse_query(&fields) {
        Ok(query) => query,
        Err(bad) => {
            return print_problem(question, *format, SelectError::BadRequest, Some(&bad.to_string()), None);
        }
    };
    if let Some(client) = client {
        return ask(&client, question, &fields, *format);
    }
    let source = match registry.as_deref().or(snapshot.as_deref()) {
        Some(path) => source_from_path(path, access)?,
        None => CommandSource::demo(),
    };
    let Some(snapshot) = open_snapshot(&source, limits.limits())? else { return Ok(Exit::Failed) };
    output::print_error(&format!(
        "{DIMMED}note: answered offline, from {}; live standings are not known; --url asks a running \
         daemon{DIMMED:#}\n",
        source.describe()
    ));
    match question {
        Question::Select => select_offline(&snapshot, &query, &fields, *format),
        Question::Explain => explain_offline(&snapshot, &query, &fields, *format),
    }
}

fn select_offline(
    snapshot: &Snapshot,
    query: &Query<'_>,
    fields: &[(&str, &str)],
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    match switchboard_select::select(snapshot, query, select_context()).result {
        Ok(selection) => {
            let mut json = Vec::new();
            write_selection(&mut json, snapshot, &selection);
            match format {
                OutputFormat::Json => print_json(json)?,
                OutputFormat::Text => {
                    output::print(&explain_text::render_selection(&parsed(&json)?, current_of(fields)))?;
                }
            }
            Ok(Exit::Success)
        }
        Err(error) => print_failure(Question::Select, snapshot, query, error, format),
    }
}

fn explain_offline(
    snapshot: &Snapshot,
    query: &Query<'_>,
    fields: &[(&str, &str)],
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    let (answer, trace) = switchboard_select::trace(snapshot, query, select_context());
    let trace = match trace {
        Ok(trace) => trace,
        Err(error) => return print_failure(Question::Explain, snapshot, query, error, format),
    };
    let problem = |error| problem::to_json(error, snapshot.generation());
    let json = explanation(snapshot, &trace, problem);
    match format {
        OutputFormat::Json => print_json(json.to_string().into_bytes())?,
        OutputFormat::Text => {
            output::print(&explain_text::render_trace(&json, fields, snapshot, &trace))?;
        }
    }
    Ok(if answer.result.is_ok() { Exit::Success } else { Exit::Failed })
}

/// Sends the query to a daemon, and prints its answer. A query is the body of a POST, because proxies log URLs.
fn ask(
    client: &Client,
    question: Question,
    fields: &[(&str, &str)],
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    let path = match question {
        Question::Select => "/v1/select",
        Question::Explain => EXPLAIN,
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
        (OutputFormat::Text, Some(mut problem)) => {
            // Only explanations look for similar ids, because selections must be quick.
            if question == Question::Select
                && UNKNOWN_IDS.iter().any(|error| error.as_str() == problem.code)
                && let Ok(explained) = client.send(Method::POST, EXPLAIN, Some(&body(fields)))
                && let Ok(Some(explained)) = explained.problem()
                && explained.code == problem.code
            {
                problem = explained;
            }
            let RemoteProblem { code, title, detail } = &problem;
            output::print(&explain_text::render_problem(code, title, detail, question == Question::Select))?;
        }
        (OutputFormat::Text, None) => output::print(&match question {
            Question::Select => explain_text::render_selection(&reply.json()?, current_of(fields)),
            Question::Explain => explain_text::render_explanation(&reply.json()?, fields),
        })?,
    }
    Ok(exit)
}

/// Returns the value of `current`.
fn current_of<'f>(fields: &[(&str, &'f str)]) -> Option<&'f str> {
    fields.iter().find(|(name, _)| *name == QueryField::Current.as_str()).map(|(_, value)| *value)
}

/// Returns the fields of a query as a JSON object. A list is written with commas, as in a URL.
fn body(fields: &[(&str, &str)]) -> Value {
    let member = |&(name, value): &(&str, &str)| {
        let value = match QueryField::parse(name) {
            Some(QueryField::Exclude) => {
                value.split(',').map(str::trim).filter(|id| !id.is_empty()).map(Value::from).collect()
            }
            _ => Value::from(value),
        };
        (name.to_owned(), value)
    };
    fields.iter().map(member).collect::<Map<_, _>>().into()
}

fn parsed(json: &[u8]) -> Result<Value, CommandError> {
    serde_json::from_slice(json).map_err(|error| CommandError::io(format!("the answer is not JSON: {error}")))
}

/// Prints the problem of a query that a snapshot cannot answer. For people, an unknown id comes with near ones.
fn print_failure(
    question: Question,
    snapshot: &Snapshot,
    query: &Query<'_>,
    error: SelectError,
    format: OutputFormat,
) -> Result<Exit, CommandError> {
    let unknown = UnknownId::of_query(snapshot, query, error);
    let detail = unknown.map(|unknown| problem::with_help(error, unknown.help()));
    if let Some(companies) = companies(snapshot, query, error) {
        output::print_error(&companies);
    }
    print_problem(question, format, error, detail.as_deref(), Some(snapshot.generation()))
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
    question: Question,
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
            let kind = from_error(error);
            let (detail, is_select) = (detail.unwrap_or(kind.detail), question == Question::Select);
            output::print(&explain_text::render_problem(kind.code, kind.title, detail, is_select))?;
        }
    }
    Ok(Exit::Failed)
}

fn print_json(mut json: Vec<u8>) -> Result<(), CommandError> {
    json.push(b'\n');
    output::print(&String::from_utf8_lossy(&json))
}

/// Returns the names and values of `field=value` arguments. An argument without `=` is wrong usage.
fn pairs(arguments: &[String]) -> Result<Vec<(&str, &str)>, CommandError> {
    let pairs = arguments.iter().map(|argument| {
        argument.split_once('=').ok_or_else(|| {
            CommandError::usage("expected FIELD=VALUE, such as channel=whatsapp; --help lists the fields")
        })
    });
    pairs.collect()
}

/// Returns the query of these fields. An unknown field or an invalid value makes a malformed query.
fn parse_query<'f>(fields: &[(&str, &'f str)]) -> Result<Query<'f>, BadQuery> {
    let mut query = Query::default();
    let mut read = QueryFields::new(&mut query);
    for &(name, value) in fields {
        read.set(name, value.into());
    }
    read.finish()?;
    Ok(query)
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
