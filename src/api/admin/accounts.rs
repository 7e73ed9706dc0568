//! `/v1/accounts` lists the accounts of the snapshot in service with their live conditions, by filters and in pages.
//! `/v1/accounts/{company}/{account}` returns one account with its effect.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::Method;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use switchboard_model::{Condition, Region, Role, SelectError, UnixMillis, UnixSeconds, is_id};
use switchboard_select::unknown_field;
use switchboard_server::response::BAD_REQUEST;
use switchboard_server::{Problem, Response, respond};
use switchboard_snapshot::view::AccountRef;
use switchboard_snapshot::{AccountIdx, PoolIdx, Snapshot};

use super::background::Background;
use super::text_match::{Needle, may_be_phone};
use super::{body, effect, standings};
use crate::access::{Need, Permission};
use crate::api::JSON;
use crate::api::data::query_string::{decode, pairs};
use crate::api::problem::{GENERATION, NO_SNAPSHOT, UNKNOWN_ACCOUNT, from_error};
use crate::api::routes::{self, ACCOUNTS, ListenerKind, QUERY, READ, check_media_type};
use crate::runtime::standings::AccountKey;
use crate::runtime::{Generation, Store};

/// The fields of a request for a list, in the order in which they are described.
const FIELDS: [&str; 9] =
    ["company", "channel", "role", "pool", "country", "condition", "text", "limit", "offset"];
/// The fields whose values are numbers.
const NUMBERS: [&str; 2] = ["limit", "offset"];

/// Maximum number of accounts in one answer.
const MAX_LISTED_ACCOUNTS: usize = 1000;
/// Number of accounts in one answer if the request does not say.
const DEFAULT_LIMIT: usize = 100;
/// Maximum number of companies that an answer names. The others are counted.
const MAX_LISTED_COMPANIES: usize = 200;
/// Maximum number of characters in the text to find. No id, address or user is longer.
const MAX_TEXT_CHARS: usize = 256;
/// Maximum number of bytes in a body.
const MAX_BODY_BYTES: usize = 8 * 1024;

switchboard_model::text_enum! {
    /// The condition of an account, by which a list can be filtered. Every account has exactly one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum ListedCondition {
        /// A selection may pick the account.
        Active => "active",
        /// The account keeps its clients and gets no new ones.
        Draining => "draining",
        /// The account is never selected.
        Suspended => "suspended",
        /// The account is active, and its `available_from` is in the future.
        Resting => "resting",
    }
}

/// The accounts that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filters {
    company: Option<String>,
    channel: Option<String>,
    role: Option<Role>,
    pool: Option<String>,
    country: Option<Region>,
    condition: Option<ListedCondition>,
    text: Option<String>,
    limit: usize,
    offset: usize,
}

/// The values of a request's fields, by their positions in [`FIELDS`].
#[derive(Default)]
struct Values<'a>([Option<Cow<'a, str>>; FIELDS.len()]);

impl<'a> Values<'a> {
    fn set(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), String> {
        let at = FIELDS.iter().position(|field| *field == name);
        let Some((field, slot)) = at.and_then(|at| FIELDS.get(at).zip(self.0.get_mut(at))) else {
            return Err(unknown_field(name, &FIELDS));
        };
        if slot.is_some() {
            return Err(format!("Send the field `{field}` once. The request has it twice."));
        }
        if value.is_empty() {
            return Err(format!("The field `{field}` is empty. Send a value, or leave the field out."));
        }
        *slot = Some(value);
        Ok(())
    }

    fn filters(self) -> Result<Filters, String> {
        let [company, channel, role, pool, country, condition, text, limit, offset] = self.0;
        let role = role.map(|text| one_of("role", &text, Role::ALL, Role::as_str)).transpose()?;
        let of_condition =
            |text: Cow<'_, str>| one_of("condition", &text, ListedCondition::ALL, ListedCondition::as_str);
        let country = country.map(|text| {
            Region::from_alpha2(&text).ok_or("Set `country` to the two letters of a country, such as GB.")
        });
        if pool.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(
                "Set `pool` to the id of a pool, which has no spaces, commas, slashes or quotes.".to_owned()
            );
        }
        if text.as_deref().is_some_and(|text| text.chars().count() > MAX_TEXT_CHARS) {
            return Err(format!("Set `text` to at most {MAX_TEXT_CHARS} characters."));
        }
        let limit = limit.map_or(Ok(DEFAULT_LIMIT), |text| number("limit", &text, 1, MAX_LISTED_ACCOUNTS))?;
        let offset = offset.map_or(Ok(0), |text| number("offset", &text, 0, u32::MAX as usize))?;
        Ok(Filters {
            company: company.map(Cow::into_owned),
            channel: channel.map(Cow::into_owned),
            role,
            pool: pool.map(Cow::into_owned),
            country: country.transpose()?,
            condition: condition.map(of_condition).transpose()?,
            text: text.map(Cow::into_owned),
            limit,
            offset,
        })
    }
}

impl Filters {
    /// Returns whether the filters let every account of a company pass.
    fn pass_all(&self) -> bool {
        let Filters { company: _, channel, role, pool, country, condition, text, limit: _, offset: _ } = self;
        [channel, pool, text].into_iter().all(Option::is_none)
            && role.is_none()
            && country.is_none()
            && condition.is_none()
    }

    /// Reads the query string of a URL.
    fn from_url(text: &str) -> Result<Filters, String> {
        let mut values = Values::default();
        for (name, value) in pairs(text) {
            let name = decode(name).ok_or("Percent-encode the name of every field as UTF-8.")?;
            let value = decode(value).ok_or_else(|| match FIELDS.iter().find(|field| **field == name) {
                Some(field) => format!("Percent-encode `{field}` as UTF-8."),
                None => unknown_field(&name, &FIELDS),
            })?;
            values.set(&name, value)?;
        }
        let filters = values.filters()?;
        match filters.text.as_deref() {
            Some(text) if may_be_phone(text) => {
                Err("A text with five digits in a row may be a phone number, which must not be in a URL. \
                     Send the fields as one JSON object with POST."
                    .to_owned())
            }
            _ => Ok(filters),
        }
    }

    /// Reads a body, which is one JSON object.
    fn from_body(body: &[u8]) -> Result<Filters, String> {
        let Members(members) = serde_json::from_slice(body)
            .map_err(|_| "Send one JSON object with the fields of the request as the body.")?;
        let mut values = Values::default();
        for (name, value) in members {
            let is_number = NUMBERS.contains(&&*name);
            let value = match value {
                Value::Null if FIELDS.contains(&&*name) => continue,
                Value::String(text) if !is_number => text,
                Value::Number(number) if is_number => number.to_string(),
                _ => match FIELDS.iter().find(|field| **field == name) {
                    Some(field) if is_number => return Err(format!("Send the field `{field}` as a number.")),
                    Some(field) => return Err(format!("Send the field `{field}` as a text.")),
                    None => return Err(unknown_field(&name, &FIELDS)),
                },
            };
            values.set(&name, Cow::Owned(value))?;
        }
        values.filters()
    }
}

/// The members of a JSON object, also those that it has twice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Members, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        json.deserialize_map(Object)
    }
}

fn one_of<T: Copy, const N: usize>(
    field: &str,
    text: &str,
    all: [T; N],
    as_str: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.into_iter().find(|value| as_str(*value) == text);
    found.ok_or_else(|| format!("Set `{field}` to one of: {}.", all.map(as_str).join(", ")))
}

fn number(field: &str, text: &str, least: usize, most: usize) -> Result<usize, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (least..=most).contains(number));
    number.ok_or_else(|| format!("Set `{field}` to a whole number from {least} to {most}."))
}

/// Returns the permission that a request for accounts needs. `path` begins with `/v1/accounts`.
///
/// # Errors
/// Returns the problem of a path without a route, and of a method that the route does not have.
pub(super) fn need(method: &Method, path: &str) -> Result<Need, Problem> {
    let allow = if path == ACCOUNTS {
        QUERY
    } else if standings::key(ACCOUNTS, path).is_some() {
        READ
    } else {
        return Err(routes::not_found(ListenerKind::Admin, path));
    };
    match allow.split(", ").any(|allowed| *method == allowed) {
        true => Ok(Need::whole(Permission::Read)),
        false => Err(Problem::method_not_allowed(allow)),
    }
}

/// Answers a request for accounts. The path begins with `/v1/accounts`.
///
/// # Errors
/// Returns the problem of a malformed request, and of one for an unknown company, channel or account.
pub(super) async fn answer(
    background: &Background,
    store: &Store,
    head: &Parts,
    body: Incoming,
) -> Result<Response, Problem> {
    let (path, url) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let store = store.clone();
    if path != ACCOUNTS {
        let key =
            standings::key(ACCOUNTS, path).ok_or_else(|| routes::not_found(ListenerKind::Admin, path))?;
        if !url.is_empty() {
            return Err(bad_request("Send the URL of an account without a query string."));
        }
        let generation = store.current().ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
        return background.run(move || one(&generation, &store, &key, now())).await?;
    }
    let filters = if head.method == Method::POST {
        check_media_type(&head.headers, JSON)?;
        let body = body::read(body, "request", MAX_BODY_BYTES).await?;
        if !url.is_empty() {
            return Err(bad_request(
                "The fields are read from the body. Send the URL without a query string.",
            ));
        }
        Filters::from_body(&body)
    } else {
        Filters::from_url(url)
    };
    let filters = filters.map_err(bad_request)?;
    let generation = store.current().ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
    background.run(move || list(&generation, &store, &filters, now())).await?
}

fn now() -> UnixSeconds {
    UnixMillis::from(SystemTime::now()).to_seconds()
}

fn bad_request(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(&BAD_REQUEST).with_detail(detail)
}

fn unknown(error: SelectError, snapshot: &Snapshot) -> Problem {
    Problem::new(from_error(error)).with_number(GENERATION, snapshot.generation())
}

/// Lists accounts in the order of company and id.
fn list(
    generation: &Arc<Generation>,
    store: &Store,
    filters: &Filters,
    now: UnixSeconds,
) -> Result<Response, Problem> {
    let snapshot = &generation.snapshot;
    let (found, page) = find(generation, filters, now)?;
    let rows: Vec<Value> = page.into_iter().map(|idx| account(generation, store, now, idx).into()).collect();
    let companies = snapshot.companies().map(|company| company.id());
    let more = companies.len().saturating_sub(MAX_LISTED_COMPANIES);
    let mut answer = Map::new();
    answer.insert("generation".into(), snapshot.generation().into());
    answer.insert("companies".into(), companies.take(MAX_LISTED_COMPANIES).collect());
    if more > 0 {
        answer.insert("more_companies".into(), more.into());
    }
    answer.insert("channels".into(), snapshot.channels().map(|channel| channel.id()).collect());
    answer.insert("found".into(), found.into());
    answer.insert("accounts".into(), rows.into());
    Ok(respond(200, JSON, Value::from(answer).to_string().into()))
}

/// Returns the number of accounts that pass the filters, and those of the page.
fn find(
    generation: &Generation,
    filters: &Filters,
    now: UnixSeconds,
) -> Result<(usize, Vec<AccountIdx>), Problem> {
    let Generation { snapshot, overlay } = generation;
    let Filters { role, country, condition, limit, offset, .. } = *filters;
    let company = filters
        .company
        .as_deref()
        .map(|id| snapshot.find_company(id).ok_or_else(|| unknown(SelectError::UnknownCompany, snapshot)));
    let company = company.transpose()?;
    let channel = filters
        .channel
        .as_deref()
        .map(|id| snapshot.find_channel(id).ok_or_else(|| unknown(SelectError::UnknownChannel, snapshot)));
    let channel = channel.transpose()?;
    // Pools of several companies can have the same id.
    let pools = filters.pool.as_deref().map(|id| {
        let all = 0..snapshot.counts().pools as u32;
        all.map(|at| snapshot.pool(PoolIdx::new(at)).id() == id).collect::<Vec<bool>>()
    });
    let is_of_pool = |account: AccountRef<'_>| {
        let is_it = |pools: &Vec<bool>| {
            account.pool().is_some_and(|pool| pools.get(pool.get() as usize) == Some(&true))
        };
        pools.as_ref().is_none_or(is_it)
    };
    let mut needle = filters.text.as_deref().map(Needle::new);
    let (mut found, mut page) = (0, Vec::new());
    for of in snapshot.companies().filter(|of| company.is_none_or(|company| of.idx() == company)) {
        if filters.pass_all() {
            // A page that shows every account asks every few seconds, and need not read all of them.
            let skipped = offset.saturating_sub(found);
            let accounts = snapshot.accounts_of(of.idx());
            found += accounts.len();
            page.extend(accounts.skip(skipped).map(|(idx, _)| idx).take(limit - page.len()));
            continue;
        }
        // In the order of their accounts. A search for each user would take most of the time.
        let mut users = snapshot.users(of.idx());
        for (idx, account) in snapshot.accounts_of(of.idx()) {
            let user = if account.is_dedicated() { users.next() } else { None };
            let passes = channel.is_none_or(|channel| account.channel() == channel)
                && role.is_none_or(|role| account.role() == Some(role))
                && country.is_none_or(|country| account.country() == Some(country))
                && is_of_pool(account)
                && condition.is_none_or(|condition| {
                    listed_condition(account, overlay.condition(idx), now) == condition
                })
                && needle.as_mut().is_none_or(|needle| {
                    needle.is_in(account.id())
                        || needle.is_in_address(&account.address())
                        || user.is_some_and(|(user, _)| needle.is_in(user))
                });
            if passes {
                if found >= offset && page.len() < limit {
                    page.push(idx);
                }
                found += 1;
            }
        }
    }
    Ok((found, page))
}

fn listed_condition(account: AccountRef<'_>, standing: Condition, now: UnixSeconds) -> ListedCondition {
    match account.condition().max(standing) {
        Condition::Draining => ListedCondition::Draining,
        Condition::Suspended => ListedCondition::Suspended,
        Condition::Active if account.is_resting(now) => ListedCondition::Resting,
        Condition::Active => ListedCondition::Active,
    }
}

/// Returns one account with its effect.
fn one(
    generation: &Arc<Generation>,
    store: &Store,
    key: &AccountKey,
    now: UnixSeconds,
) -> Result<Response, Problem> {
    let Generation { snapshot, overlay } = &**generation;
    let company = snapshot.find_company(&key.company);
    let company = company.ok_or_else(|| unknown(SelectError::UnknownCompany, snapshot))?;
    let idx = snapshot.find_account(company, &key.account).ok_or_else(|| {
        let detail = "The company has no account with this id in the snapshot in service. \
                      Check the id of the account.";
        Problem::new(&UNKNOWN_ACCOUNT).with_detail(detail).with_number(GENERATION, snapshot.generation())
    })?;
    let mut answer = Map::new();
    answer.insert("generation".into(), snapshot.generation().into());
    answer.extend(account(generation, store, now, idx));
    answer.insert("effect".into(), effect::of(snapshot, overlay, now, idx).into());
    Ok(respond(200, JSON, Value::from(answer).to_string().into()))
}

/// Returns the fields of an account. Those that do not apply are left out.
fn account(generation: &Generation, store: &Store, now: UnixSeconds, idx: AccountIdx) -> Map<String, Value> {
    let Generation { snapshot, overlay } = generation;
    let account = snapshot.account(idx);
    let (company, id) = (snapshot.company(account.company()).id(), account.id());
    let mut object = Map::new();
    let mut insert = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    insert("company", Some(company.into()));
    insert("account", Some(id.into()));
    insert("channel", Some(snapshot.channel(account.channel()).id().into()));
    insert("role", account.role().map(|role| role.as_str().into()));
    insert("country", account.country().map(|country| country.alpha2().into()));
    insert("address", Some((*account.address()).into()));
    insert("pool", account.pool().map(|pool| snapshot.pool(pool).id().into()));
    insert("user", snapshot.user_of(idx).map(Value::from));
    insert("weight", Some(account.weight().into()));
    let standing = overlay.condition(idx);
    let condition = listed_condition(account, standing, now);
    insert("condition", Some(condition.as_str().into()));
    let by = match condition {
        ListedCondition::Active => None,
        ListedCondition::Resting => Some("registry"),
        _ if standing > account.condition() => Some("standing"),
        _ => Some("registry"),
    };
    insert("by", by.map(Value::from));
    let rests_until = account.available_from().filter(|from| *from > now);
    let rests_until = rests_until.and_then(|from| jiff::Timestamp::from_second(from.0).ok());
    insert("available_from", rests_until.map(|from| from.to_string().into()));
    let standing = store.standing(&AccountKey { company: company.into(), account: id.into() });
    insert("standing", standing.map(|standing| standings::stored(&standing).into()));
    object
}
