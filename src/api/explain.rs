//! Explains a query, for both listeners: the answer, and each step of the chain with its accounts.

use bytes::Bytes;
use switchboard_model::{SelectError, UnixSeconds};
use switchboard_pipeline::analysis::UnknownId;
use switchboard_select::{BadQuery, Query, SelectContext, explain};
use switchboard_server::Problem;

use super::data::query_string;
use super::problem::{self, GENERATION, from_select, malformed};
use crate::access::CompanyScope;
use crate::runtime::Generation;

/// The text of a query, to be parsed on the thread that explains it.
pub(super) enum QueryText {
    /// The query string of the URL.
    Url(String),
    /// The body of the request.
    Body(Bytes),
}

impl QueryText {
    /// Parses the query.
    ///
    /// # Errors
    /// Returns the fault of a malformed query.
    pub(super) fn parse(&self) -> Result<Query<'_>, BadQuery> {
        match self {
            QueryText::Url(text) => query_string::parse(text),
            QueryText::Body(body) => Query::from_json(body),
        }
    }
}

/// Explains a query by a generation, as JSON.
///
/// # Errors
/// Returns the problem of a malformed query, and of one that fails before it has a chain.
pub(super) fn render(
    generation: &Generation,
    scope: CompanyScope<'_>,
    query: &QueryText,
    now: UnixSeconds,
    random: u64,
) -> Result<String, Problem> {
    let Generation { snapshot, overlay } = generation;
    let mut query =
        query.parse().map_err(|bad| malformed(bad).with_number(GENERATION, snapshot.generation()))?;
    let only_company = || snapshot.only_company().map(|only| snapshot.company(only).id());
    let refused = |error| from_select(error, snapshot.generation());
    scope.restrict(&mut query, only_company).map_err(refused)?;
    let select_context = SelectContext { now, random, standings: overlay };
    let problem = |error| problem::to_json(error, snapshot.generation());
    let (_, explanation) = explain(snapshot, &query, select_context, problem);
    let explanation = explanation.map_err(|error| {
        let problem = from_select(error, snapshot.generation());
        // A similar id of a company reveals nothing only to a caller that may see every company.
        let is_hidden = error == SelectError::UnknownCompany && !matches!(scope, CompanyScope::All);
        let unknown = UnknownId::of_query(snapshot, &query, error).filter(|_| !is_hidden);
        match unknown.as_ref().and_then(UnknownId::near) {
            Some(near) => problem.with_detail(problem::with_help(error, near)),
            None => problem,
        }
    })?;
    Ok(explanation.to_string())
}
