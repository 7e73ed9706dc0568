//! The fast path: answers single selections and look-ups of an address without hyper.
//!
//! Nearly all requests of gateways are a small `GET /v1/select?…` or `GET /v1/account?…`, or a `POST` whose
//! body follows its head directly. Through hyper, such a request takes 8,000 instructions in addition to its
//! answer, for a `Request` with header map and URI, the future of a service and a `Response`. The fast path
//! parses the head in place and writes the head of the answer itself.
//!
//! It takes only requests that hyper would accept and answer with the same bytes (`tests/http/fast_path.rs`).

use std::time::{Duration, Instant};

use switchboard_model::MAX_QUERY_BYTES;
use switchboard_select::Query;
use switchboard_server::response::{INTERNAL, write_response};
use switchboard_server::{ConnectionInfo, FastAnswer, Problem, SimpleRequest, catch_panic, failpoint};

use super::account;
use super::body::BodyKind;
use super::context::WorkerContext;
use super::query_string;
use super::select::{ResponseMeta, select_current};
use crate::access::{CompanyScope, Credential, Need, Permission, Principal, Principals};
use crate::api::access_log::{AccessLog, AnsweredRequest, code_in};
use crate::api::authorization::{allowed, credential_of};
use crate::telemetry::Route;

/// Answers the single selection or look-up at the start of these bytes. See [`Service::fast_path`].
///
/// [`Service::fast_path`]: switchboard_server::Service::fast_path
pub(super) fn answer(
    context: &WorkerContext,
    connection: &ConnectionInfo,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Option<FastAnswer> {
    let started = Instant::now();
    let (text, len, authorization) = read(bytes)?;
    let mut credential = authorization.map_or_else(|| credential_of(connection), Credential::Authorization);
    let mut reader;
    let principal: Option<&Principal> = match &context.authorizer {
        None => None,
        Some(authorizer) => {
            reader = authorizer.reader();
            let principals = reader.pin();
            if let Credential::Authorization(value) = credential {
                let (at, token) = find_token(principals, connection, value)?;
                credential = Credential::Token(at, token);
            }
            let need = Need::of(Permission::Select);
            // A refused request is answered and counted behind hyper.
            let at = principals.authorize(credential, need, context.clock.read()).ok()?;
            Some(principals.get(at)?)
        }
    };
    let scope = principal.map_or(CompanyScope::All, Principal::scope);
    let mut body = context.scratch.borrow_mut();
    body.clear();
    let meta = catch_panic(|| {
        failpoint::panic_if(failpoint::is_named_in(bytes, failpoint::FAST_PATH));
        let mut query = Query::default();
        let read = match text {
            QueryText::Url(text) => query_string::read(text, &mut query),
            QueryText::Body(json) => query.read_json(json),
            QueryText::Account(text) => return account::answer(context, scope, text, &mut body),
        };
        select_current(context, scope, read.map(|()| &mut query), &mut body)
    });
    let panicked = meta.is_none();
    let meta = match meta {
        Some(meta) => meta?,
        None => {
            context.telemetry.count_panic();
            body.clear();
            Problem::new(&INTERNAL).write(&mut body);
            ResponseMeta::problem(INTERNAL.status)
        }
    };
    write_response(out, meta.status, meta.content_type, &body, &context.clock.date());
    let at = Instant::now();
    let took = at.saturating_duration_since(started);
    let route = if matches!(text, QueryText::Account(_)) { Route::Account } else { Route::Select };
    if !panicked && route == Route::Select {
        context.metrics.timings.record_selection(took);
    }
    context.metrics.timings.record_request(route, meta.status, took);
    if principal.is_some() {
        context.metrics.auth.count(allowed(credential));
    }
    if let Some(log) = &context.access_log {
        log_answer(log, principal, connection, bytes, meta.status, &body, took);
    }
    Some(FastAnswer { len, at })
}

/// Returns the principal and the token of a header `Authorization`. Hashes the token of a connection only once in a
/// version of the principals, because the hash takes longer than all other checks.
#[inline]
fn find_token(principals: &Principals, connection: &ConnectionInfo, value: &[u8]) -> Option<(usize, usize)> {
    let version = principals.version();
    if let Some(found) = connection.credential.recall(value, version) {
        return Some(found);
    }
    let found = principals.find_token(value)?;
    connection.credential.remember(value, version, found);
    Some(found)
}

/// Logs an answer of the fast path if it is due.
#[cold]
fn log_answer(
    log: &AccessLog,
    principal: Option<&Principal>,
    connection: &ConnectionInfo,
    request: &[u8],
    status: u16,
    body: &[u8],
    took: Duration,
) {
    if log.is_due() {
        log.log(&AnsweredRequest {
            method: Some(if request.starts_with(b"POST") { "POST" } else { "GET" }),
            route: if request.starts_with(b"GET /v1/account") { "/v1/account" } else { "/v1/select" },
            status,
            code: code_in(status, body).as_deref(),
            bytes: body.len(),
            duration: Some(took),
            principal,
            peer: connection.peer,
        });
    }
}

/// The text of a query, borrowed from the request.
#[derive(Clone, Copy)]
enum QueryText<'r> {
    /// The query string of the URL.
    Url(&'r str),
    /// The body of the request.
    Body(&'r [u8]),
    /// The query string of the URL of `/v1/account`.
    Account(&'r str),
}

/// The text of a query, the length of its request in bytes, and the value of its `Authorization`.
type Request<'r> = (QueryText<'r>, usize, Option<&'r [u8]>);

/// Returns the single selection or look-up at the start of these bytes.
fn read(bytes: &[u8]) -> Option<Request<'_>> {
    // Checked before the head is parsed, so that other requests are parsed only once.
    let is_post = match (bytes.strip_prefix(b"GET /v1/select"), bytes.strip_prefix(b"POST /v1/select ")) {
        (Some(rest), _) if matches!(rest.first(), Some(b'?' | b' ')) => false,
        (_, Some(_)) => true,
        _ => return read_account(bytes),
    };
    let request = SimpleRequest::parse(bytes, BodyKind::Query.media_type(), MAX_QUERY_BYTES)?;
    if is_post {
        return Some((QueryText::Body(request.body), request.len, request.authorization));
    }
    let query = request.target.get("/v1/select".len()..)?;
    let query = query.strip_prefix('?').unwrap_or_default();
    request.body.is_empty().then_some((QueryText::Url(query), request.len, request.authorization))
}

/// Returns the look-up at the start of these bytes.
fn read_account(bytes: &[u8]) -> Option<Request<'_>> {
    bytes.strip_prefix(b"GET /v1/account?")?;
    let request = SimpleRequest::parse(bytes, BodyKind::Query.media_type(), MAX_QUERY_BYTES)?;
    let query = request.target.strip_prefix("/v1/account?")?;
    request.body.is_empty().then_some((QueryText::Account(query), request.len, request.authorization))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_selections_alone_are_taken() {
        let is_taken = |request: &str| read(request.as_bytes()).is_some();
        assert!(is_taken("GET /v1/select HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(is_taken("GET /v1/select?a=b%20c HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(is_taken("GET /v1/account?a=b%20c HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(is_taken("POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET"));
        for request in [
            "GET /v1/selected HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /v1/accounts?a HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD /v1/account?a HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD /v1/select HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            "POST /v1/select?a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
            "POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n{}",
            "POST /v1/select HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\n{}",
        ] {
            assert!(!is_taken(request), "{request}");
        }
    }
}
