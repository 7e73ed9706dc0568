//! The routes of standings, by which administrators drain or suspend accounts while the daemon runs.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{HeaderMap, Method};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use switchboard_model::SelectError;
use switchboard_server::response::{BAD_REQUEST, INTERNAL, NOT_FOUND, OVERLOADED};
use switchboard_server::{Peer, Problem, Response, respond};

use super::body;
use crate::access::{Caller, CompanyScope, Need, Permission, Principal};
use crate::api::JSON;
use crate::api::data::query_string::{decode, decode_path};
use crate::api::problem::{GENERATION, NO_BROKER, NO_SNAPSHOT, UNKNOWN_ACCOUNT, from_error};
use crate::api::routes::{self, ListenerKind, READ, STANDINGS, check_media_type};
use crate::runtime::standings::{AccountKey, Author, MAX_REASON_BYTES, Reach, Standing, StandingError};
use crate::runtime::{Standings, Store};

/// Methods of the standing of one account, as in the header `Allow`.
const CHANGE: &str = "GET, HEAD, PUT, DELETE";

/// Maximum number of bytes in a body. JSON may write each byte of a reason as six bytes.
const MAX_BODY_BYTES: usize = 6 * MAX_REASON_BYTES + 2 * 1024;

/// The id of no company. A request for a company that its caller may not name is answered as one for this
/// company, so that both answers are equal.
const NO_COMPANY: &str = "/";

/// Returns the permission that a request for standings needs. `path` begins with `/v1/standings`.
///
/// # Errors
/// Returns the problem of a path without a route, and of a method that the route does not have.
pub(super) fn need(method: &Method, path: &str) -> Result<Need, Problem> {
    let allow = if path == STANDINGS {
        READ
    } else if key(STANDINGS, path).is_some() {
        CHANGE
    } else {
        return Err(routes::not_found(ListenerKind::Admin, path));
    };
    match *method {
        Method::GET | Method::HEAD => Ok(Need::of(Permission::Read)),
        Method::PUT | Method::DELETE if allow == CHANGE => Ok(Need::of(Permission::Standings)),
        _ => Err(Problem::method_not_allowed(allow)),
    }
}

/// Answers a request for standings of companies that its caller may name. `path` begins with
/// `/v1/standings`. `query` is the query string of the URL.
pub(super) async fn answer(
    (caller, peer): (Option<&Caller>, Peer),
    store: &Store,
    standings: &Standings,
    (method, headers): (&Method, &HeaderMap),
    path: &str,
    query: &str,
    body: Incoming,
) -> Result<Response, Problem> {
    let scope = Caller::scope_of(caller);
    if path == STANDINGS {
        return match *method {
            Method::GET | Method::HEAD => list(scope, store, query),
            _ => Err(Problem::method_not_allowed(READ)),
        };
    }
    let mut key = key(STANDINGS, path).ok_or_else(|| routes::not_found(ListenerKind::Admin, path))?;
    if !scope.contains(&key.company) {
        key.company = NO_COMPANY.into();
    }
    let author = Author {
        principal: caller.and_then(Caller::principal).map(|Principal { name, .. }| name.clone()),
        peer: Some(peer.to_string().into()),
    };
    let check_query = || match query {
        "" => Ok(()),
        _ => Err(bad_request("Send the URL of a standing without a query string.")),
    };
    match *method {
        Method::GET | Method::HEAD => {
            check_query()?;
            get(store, &key)
        }
        Method::PUT => {
            check_media_type(headers, JSON)?;
            let body = body::read(body, "standing", MAX_BODY_BYTES).await?;
            check_query()?;
            let standing = Standing::from_json(&body).map_err(|error| bad_request(error.to_string()))?;
            let standing = Standing { by: author.principal.clone(), ..standing };
            let mut stored = standing.fields();
            let (status, reach) = match change(standings, key, Some(standing), author).await? {
                Reach::Daemon => (200, None),
                Reach::Fleet => (200, Some("fleet")),
                Reach::Replica => (202, Some("replica")),
            };
            stored.extend(reach.map(|reach| ("reach".to_owned(), reach.into())));
            Ok(respond(status, JSON, Value::from(stored).to_string().into()))
        }
        Method::DELETE => {
            check_query()?;
            change(standings, key, None, author).await?;
            let mut response = respond(204, JSON, Bytes::new());
            // A 204 has no type and no length (RFC 9110, 8.6).
            response.headers_mut().clear();
            Ok(response)
        }
        _ => Err(Problem::method_not_allowed(CHANGE)),
    }
}

fn bad_request(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(&BAD_REQUEST).with_detail(detail)
}

/// Lists the standings of a company's accounts in the order of the account ids. Without a company, lists those
/// of all companies that the caller may name, each with its company.
fn list(scope: CompanyScope<'_>, store: &Store, query: &str) -> Result<Response, Problem> {
    let company = company(query)?.map(|id| if scope.contains(&id) { id } else { NO_COMPANY.into() });
    let generation = store.current().ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
    let snapshot = &generation.snapshot;
    if company.as_ref().is_some_and(|id| snapshot.find_company(id).is_none()) {
        return Err(refusal(StandingError::UnknownCompany(snapshot.generation())));
    }
    let company = company.as_deref();
    let mut held = store.standings();
    held.retain(|(AccountKey { company: of, account }, _)| {
        let is_listed = company.map_or_else(|| scope.contains(of), |company| **of == *company);
        is_listed && snapshot.find_company(of).is_some_and(|of| snapshot.find_account(of, account).is_some())
    });
    held.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let entries: Vec<Value> = held
        .iter()
        .map(|(key, standing)| {
            let mut entry = Map::new();
            if company.is_none() {
                entry.insert("company".to_owned(), (*key.company).into());
            }
            entry.insert("account".to_owned(), (*key.account).into());
            entry.extend(stored(standing));
            entry.into()
        })
        .collect();
    let mut list = Map::new();
    if let Some(company) = company {
        list.insert("company".to_owned(), company.into());
    }
    list.insert("standings".to_owned(), entries.into());
    Ok(respond(200, JSON, Value::from(list).to_string().into()))
}

fn get(store: &Store, key: &AccountKey) -> Result<Response, Problem> {
    store.check_account(key).map_err(refusal)?;
    match store.standing(key) {
        Some(standing) => Ok(respond(200, JSON, Value::from(stored(&standing)).to_string().into())),
        None => Err(Problem::new(&NOT_FOUND).with_detail(
            "The account has no standing, so the registry alone decides its condition. \
            Set a standing with PUT.",
        )),
    }
}

/// Returns the fields of a standing with the time at which it was set and the principal that set it, if they
/// are known.
pub(super) fn stored(standing: &Standing) -> Map<String, Value> {
    let mut fields = standing.fields();
    let since = standing.since.and_then(|since| jiff::Timestamp::from_millisecond(since.0).ok());
    fields.extend(since.map(|since| ("since".to_owned(), since.to_string().into())));
    fields.extend(standing.by.as_deref().map(|by| ("by".to_owned(), by.into())));
    fields
}

/// Sets or removes a standing. Returns when the change is in force and on the disk.
async fn change(
    standings: &Standings,
    key: AccountKey,
    standing: Option<Standing>,
    author: Author,
) -> Result<Reach, Problem> {
    let (reply, done) = oneshot::channel();
    standings.change(key, standing, author, move |result| {
        // The client may have disconnected. The change stays in force.
        let _ = reply.send(result);
    });
    match done.await {
        Ok(result) => result.map_err(refusal),
        Err(_) => Err(Problem::new(&INTERNAL)),
    }
}

fn refusal(refused: StandingError) -> Problem {
    match refused {
        StandingError::NoSnapshot => Problem::new(&NO_SNAPSHOT),
        StandingError::UnknownCompany(generation) => {
            Problem::new(from_error(SelectError::UnknownCompany)).with_number(GENERATION, generation)
        }
        StandingError::UnknownAccount(generation) => Problem::new(&UNKNOWN_ACCOUNT)
            .with_detail(
                "The company has no account with this id in the snapshot in service. \
                Check the id of the account.",
            )
            .with_number(GENERATION, generation),
        StandingError::Ended => bad_request("Send a time in the future as `until`."),
        StandingError::Following => Problem::new(&OVERLOADED).with_detail(
            "Another process writes the journal of standings. \
            Send the request to that process, or retry when this one has taken over.",
        ),
        StandingError::NoBroker(_) => Problem::new(&NO_BROKER),
        StandingError::ChangeLog(error) => {
            let detail = format!(
                "The audit log cannot be written, so nothing was changed: {error}. \
                Repair the disk, then send the request again."
            );
            Problem::new(&INTERNAL).with_detail(detail)
        }
        StandingError::Journal(error) => {
            let detail = format!(
                "The journal cannot be written, so nothing was changed: {error}. \
                Repair the disk, then send the request again."
            );
            Problem::new(&INTERNAL).with_detail(detail)
        }
    }
}

/// Parses the path of an account below a folder, such as `/v1/standings/{company}/{account}`, with percent-encoded ids.
/// Returns `None` for another path.
pub(super) fn key(folder: &str, path: &str) -> Option<AccountKey> {
    let (company, account) = path.strip_prefix(folder)?.strip_prefix('/')?.split_once('/')?;
    if company.is_empty() || account.is_empty() || account.contains('/') {
        return None;
    }
    Some(AccountKey { company: decode_path(company)?.into(), account: decode_path(account)?.into() })
}

/// Returns the company of a list, or `None` for the list of all companies. The query has no other field.
pub(super) fn company(query: &str) -> Result<Option<Cow<'_, str>>, Problem> {
    let bad = |detail: &'static str| Err(bad_request(detail));
    let mut fields = query.split('&').filter(|field| !field.is_empty());
    let (field, more) = (fields.next(), fields.next());
    match field.map(|field| field.split_once('=').unwrap_or((field, ""))) {
        _ if more.is_some() => bad("Send only the field `company`, and send it once."),
        None => Ok(None),
        Some(("company", "")) => bad("The field `company` is empty. Send a value, or leave the field out."),
        Some(("company", id)) => match decode(id) {
            Some(id) => Ok(Some(id)),
            None => bad("Percent-encode the field `company` as UTF-8."),
        },
        Some(_) => bad("Send only the field `company`."),
    }
}
