//! `/v1/explain` of the admin listener: the same explanations as those of the data listener, for the console.

use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

use hyper::Method;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use switchboard_model::{MAX_QUERY_BYTES, UnixMillis};
use switchboard_server::response::BAD_REQUEST;
use switchboard_server::{Problem, Response, respond};

use super::background::Background;
use super::body;
use crate::access::Caller;
use crate::api::JSON;
use crate::api::explain::{self, QueryText};
use crate::api::problem::{NO_SNAPSHOT, malformed};
use crate::api::routes::check_media_type;
use crate::runtime::Store;

/// Answers a request to explain a query, which is in the URL or in the body.
///
/// # Errors
/// Returns the problem of the query, as the data listener does.
pub(super) async fn answer(
    background: &Background,
    store: &Store,
    caller: Option<Caller>,
    head: &Parts,
    body: Incoming,
) -> Result<Response, Problem> {
    let url = head.uri.query().unwrap_or_default();
    let query = if head.method == Method::POST {
        check_media_type(&head.headers, JSON)?;
        let body = body::read(body, "query", MAX_QUERY_BYTES).await?;
        if !url.is_empty() {
            let detail = "The query is read from the body. Send the URL without a query string.";
            return Err(Problem::new(&BAD_REQUEST).with_detail(detail));
        }
        QueryText::Body(body)
    } else {
        QueryText::Url(url.to_owned())
    };
    let Some(generation) = store.current() else {
        query.parse().map_err(malformed)?;
        return Err(Problem::new(&NO_SNAPSHOT));
    };
    let now = UnixMillis::from(SystemTime::now()).to_seconds();
    let explained = background.run(move || {
        let scope = Caller::scope_of(caller.as_ref());
        // Without a client, any of the candidates may be picked.
        let random = RandomState::new().hash_one(0);
        explain::render(&generation, scope, &query, now, random)
    });
    Ok(respond(200, JSON, explained.await??.into()))
}
