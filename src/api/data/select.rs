//! Answers one query, for all ways in which a query arrives.

use switchboard_model::SelectError;
use switchboard_select::{Answer, BadQuery, Query, select, write_selection};
use switchboard_server::response::PROBLEM_CONTENT_TYPE;
use switchboard_snapshot::Snapshot;

use super::context::WorkerContext;
use crate::api::JSON;
use crate::api::problem::{from_error, write_problem};
use crate::telemetry::ChannelCounters;

/// The HTTP status and the media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResponseMeta {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
}

impl ResponseMeta {
    pub(super) const JSON: ResponseMeta = ResponseMeta { status: 200, content_type: JSON };

    pub(super) fn problem(status: u16) -> ResponseMeta {
        ResponseMeta { status, content_type: PROBLEM_CONTENT_TYPE }
    }
}

/// Selects from the snapshot in service, appends the selection or the problem, and counts it. Returns `None`
/// without counting if there is no snapshot.
pub(super) fn select_current(
    context: &WorkerContext,
    query: Result<&Query<'_>, BadQuery>,
    out: &mut Vec<u8>,
) -> Option<ResponseMeta> {
    context.with_generation(|generation| {
        let snapshot = &generation.snapshot;
        let channels = context.channel_counters(snapshot);
        // Also for malformed queries, because the header `date` uses the time that is read here.
        let select_context = context.select_context(generation);
        let answer = query.map(|query| select(snapshot, query, select_context));
        write_answer(context, snapshot, &channels, answer, out)
    })
}

/// Appends the selection or the problem, and counts it.
pub(super) fn write_answer(
    context: &WorkerContext,
    snapshot: &Snapshot,
    channels: &ChannelCounters,
    answer: Result<Answer, BadQuery>,
    out: &mut Vec<u8>,
) -> ResponseMeta {
    let generation = Some(snapshot.generation());
    let kind = match answer {
        Err(bad) => {
            context.count_malformed(channels, snapshot, &bad);
            let kind = from_error(SelectError::BadRequest);
            write_problem(out, kind, Some(&bad.message), generation);
            kind
        }
        Ok(answer) => {
            context.count(channels, &answer);
            match answer.result {
                Ok(selection) => {
                    write_selection(out, snapshot, &selection);
                    return ResponseMeta::JSON;
                }
                Err(error) => {
                    let kind = from_error(error);
                    write_problem(out, kind, None, generation);
                    kind
                }
            }
        }
    };
    ResponseMeta::problem(kind.status)
}
