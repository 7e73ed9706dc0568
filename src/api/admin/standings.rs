//! The standings' routes: what administrators and their tools say of accounts while the daemon runs.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Method;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::route::allow;
use crate::api::data::Response;
use crate::api::data::answers::respond;
use crate::api::data::problems::Problem;
use crate::api::data::url::{decode, decode_path};
use crate::runtime::Standings;
use crate::runtime::standings::{AccountKey, Standing, StandingError};
use switchboard_select::Code;
use switchboard_snapshot::{CompanyIdx, Snapshot};

/// The path that the standings are below.
pub(super) const PATH: &str = "/v1/standings";
/// That of one account's, as it is documented.
pub(super) const PATH_OF_ONE: &str = "/v1/standings/{company}/{account}";
/// Largest body: a reason has at most 1024 bytes, of which JSON makes six each at worst.
const LARGEST: usize = 8 * 1024;
pub(super) const JSON: &str = "application/json";

/// Answers a request for the standings; `below` is the path below [`PATH`], and `query` the URL's.
pub(super) async fn answer(
    standings: &Standings,
    method: &Method,
    below: &str,
    query: &str,
    body: Incoming,
) -> Result<Response, Problem> {
    if below.is_empty() {
        return match *method {
            Method::GET | Method::HEAD => list(standings, query),
            _ => Err(other_method(PATH)),
        };
    }
    let key = key(below).ok_or_else(|| Problem::new(Code::NotFound))?;
    if !query.is_empty() {
        return Err(Problem::new(Code::BadRequest).detail("the URL of a standing has no query"));
    }
    match *method {
        Method::GET | Method::HEAD => get(standings, &key),
        Method::PUT => {
            let standing = Standing::from_json(&read(body).await?)
                .map_err(|wrong| Problem::new(Code::BadRequest).detail(wrong.to_string()))?;
            let stored = Value::from(standing.fields());
            change(standings, key, Some(standing)).await?;
            Ok(respond(200, JSON, stored.to_string().into()))
        }
        Method::DELETE => {
            change(standings, key, None).await?;
            let mut response = respond(204, JSON, Bytes::new());
            // Nothing has neither a type nor a length (RFC 9110, 8.6).
            response.headers_mut().clear();
            Ok(response)
        }
        _ => Err(other_method(PATH_OF_ONE)),
    }
}

fn other_method(path: &str) -> Problem {
    Problem::method_not_allowed(allow(path).unwrap_or_default())
}

/// Every standing of a company's accounts, in order of their ids.
fn list(standings: &Standings, query: &str) -> Result<Response, Problem> {
    let store = standings.store();
    let generation = store.current().ok_or_else(|| Problem::new(Code::NoSnapshot))?;
    let snapshot = &generation.snapshot;
    let company = company(snapshot, query)?;
    let id = snapshot.company(company).id();
    let mut held = store.standings();
    held.retain(|(key, _)| *key.company == *id && snapshot.find_account(company, &key.account).is_some());
    held.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let entries: Vec<Value> = held
        .iter()
        .map(|(key, standing)| {
            let mut entry = Map::from_iter([("account".to_owned(), Value::from(&*key.account))]);
            entry.extend(standing.fields());
            entry.into()
        })
        .collect();
    Ok(respond(200, JSON, json!({"company": id, "standings": entries}).to_string().into()))
}

fn get(standings: &Standings, key: &AccountKey) -> Result<Response, Problem> {
    let store = standings.store();
    store.check_account(key).map_err(refusal)?;
    match store.standing(key) {
        Some(standing) => Ok(respond(200, JSON, Value::from(standing.fields()).to_string().into())),
        None => Err(Problem::new(Code::NotFound).detail("the account has no live standing")),
    }
}

/// Returns once it is done, and on the disk.
async fn change(standings: &Standings, key: AccountKey, standing: Option<Standing>) -> Result<(), Problem> {
    let (reply, done) = oneshot::channel();
    standings.change(key, standing, move |result| {
        // Whoever asked may be gone by now; it is done all the same.
        let _ = reply.send(result);
    });
    match done.await {
        Ok(result) => result.map_err(refusal),
        Err(_) => Err(Problem::new(Code::Internal)),
    }
}

fn refusal(refused: StandingError) -> Problem {
    match refused {
        StandingError::NoSnapshot => Problem::new(Code::NoSnapshot),
        StandingError::UnknownCompany(generation) => {
            Problem::new(Code::UnknownCompany).generation(generation)
        }
        StandingError::UnknownAccount(generation) => Problem::new(Code::NotFound)
            .detail("the company has no such account in the snapshot in service")
            .generation(generation),
        StandingError::Ended => {
            Problem::new(Code::BadRequest).detail("until: expected a time to come; it has passed")
        }
        StandingError::Following => Problem::new(Code::Overloaded).detail(
            "another process keeps the journal of standings; ask it, or again when this one has taken over",
        ),
        StandingError::Journal(error) => {
            let detail = format!("nothing was changed, since the journal cannot be written: {error}");
            Problem::new(Code::Internal).detail(detail)
        }
    }
}

/// `/{company}/{account}`, both percent-encoded where need be.
fn key(below: &str) -> Option<AccountKey> {
    let (company, account) = below.strip_prefix('/')?.split_once('/')?;
    if company.is_empty() || account.is_empty() || account.contains('/') {
        return None;
    }
    Some(AccountKey { company: decode_path(company)?.into(), account: decode_path(account)?.into() })
}

/// The company of a list: the query's only field; it may be left out where there is just one.
fn company(snapshot: &Snapshot, query: &str) -> Result<CompanyIdx, Problem> {
    let bad = |detail| Err(Problem::new(Code::BadRequest).detail(detail));
    let mut fields = query.split('&').filter(|field| !field.is_empty());
    let (field, more) = (fields.next(), fields.next());
    match field.map(|field| field.split_once('=').unwrap_or((field, ""))) {
        _ if more.is_some() => bad("expected no other field than company, once"),
        None => match snapshot.only_company() {
            Some(company) => Ok(company),
            None => bad("company: this field is required where there are several companies"),
        },
        Some(("company", id)) => match decode(id) {
            Some(id) => {
                let unknown = StandingError::UnknownCompany(snapshot.generation());
                snapshot.find_company(&id).ok_or_else(|| refusal(unknown))
            }
            None => bad("company: not percent-encoded UTF-8"),
        },
        Some(_) => bad("expected no other field than company"),
    }
}

async fn read(body: Incoming) -> Result<Bytes, Problem> {
    match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::new(Code::BodyTooLarge).detail(format!("a standing has at most {LARGEST} bytes")))
        }
        Err(_) => {
            Err(Problem::new(Code::BadRequest)
                .detail("the body ends too early, or is not chunked as announced"))
        }
    }
}
