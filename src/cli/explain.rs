//! `switchboard explain field=value …`: the climb of one query, offline, as a picture or as the daemon's JSON.

use super::arguments::{Explain, Format};
use super::opened::Origin;
use super::query::{moment, parse, problem};
use super::{Exit, Failure, output, picture};
use switchboard_select::explain::explanation;
use switchboard_select::{Code, climb};

/// Shows every step of one query's chain.
pub fn run(arguments: &Explain) -> Result<Exit, Failure> {
    let Explain { query: asked, format } = arguments;
    let refuse = |code: Code, detail: Option<&str>, generation: Option<u64>| match format {
        Format::Json => problem(code, detail, generation),
        Format::Text => output::print(&picture::problem(code, detail)).map(|()| Exit::No),
    };
    let query = match parse(&asked.fields)? {
        Ok(query) => query,
        Err(bad) => return refuse(Code::BadRequest, Some(&bad.to_string()), None),
    };
    let Some(snapshot) = Origin::flagged(&asked.registry, &asked.snapshot).open()? else {
        return Ok(Exit::No);
    };
    let (answer, climb) = climb(&snapshot, &query, moment());
    let climb = match climb {
        Ok(climb) => climb,
        Err(code) => return refuse(code, None, Some(snapshot.generation())),
    };
    let text = match format {
        Format::Json => format!("{:#}\n", explanation(&snapshot, &climb)),
        Format::Text => picture::draw(&snapshot, &climb),
    };
    output::print(&text)?;
    Ok(if answer.result.is_ok() { Exit::Done } else { Exit::No })
}
