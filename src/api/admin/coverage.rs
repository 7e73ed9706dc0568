//! `/v1/coverage`: the decision for each country, for every OU, channel and role of a company, with the live
//! standings. First an overview of all OUs, those with the most gaps first; then the decisions of one OU.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use hyper::http::request::Parts;
use serde::Serialize;
use serde_json::{Map, Value};
use switchboard_model::{Region, Role, SelectError, UnixMillis, UnixSeconds};
use switchboard_pipeline::analysis::{Decision, DecisionTable, Roles, RuleCounts, Scope};
use switchboard_select::{Overlay, unknown_field};
use switchboard_server::response::{BAD_REQUEST, INTERNAL};
use switchboard_server::{Problem, Response, respond};
use switchboard_snapshot::{ChannelIdx, CompanyIdx, OuIdx, Snapshot};

use super::background::Background;
use crate::api::JSON;
use crate::api::data::query_string::{decode, pairs};
use crate::api::problem::{GENERATION, NO_SNAPSHOT, from_error};
use crate::runtime::{Generation, Store};

/// Number of OUs in an overview, if the request does not state a `limit`.
const DEFAULT_LIMIT: usize = 100;
/// Maximum number of OUs in an overview.
const MAX_LIMIT: usize = 1000;
/// Maximum number of companies that an overview lists. The others are counted.
const MAX_LISTED_COMPANIES: usize = 1000;
/// Maximum number of accounts that are named for one decision. The others are counted.
const MAX_NAMED_ACCOUNTS: usize = 50;
/// Maximum number of overviews that are kept, one for each company.
const MAX_KEPT_OVERVIEWS: usize = 4;

/// The fields of the query string.
const FIELDS: [&str; 7] = ["company", "find", "limit", "offset", "ou", "channel", "role"];

/// A well-formed request for a coverage.
#[derive(Debug, PartialEq, Eq)]
struct CoverageQuery {
    company: Option<String>,
    part: Part,
}

/// The part of a company's coverage that a request is for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// The OUs whose ids contain a text, from one position on.
    Overview { find: String, limit: usize, offset: usize },
    /// The decisions of one OU and channel.
    One { ou: String, channel: String, role: Option<Role> },
}

/// Answers a request. The query is in the URL.
///
/// # Errors
/// Returns the problem of the query.
pub(super) async fn answer(
    background: &Background,
    store: &Store,
    head: &Parts,
) -> Result<Response, Problem> {
    let query = CoverageQuery::parse(head.uri.query().unwrap_or_default())
        .map_err(|fault| Problem::new(&BAD_REQUEST).with_detail(fault))?;
    let generation = store.current().ok_or_else(|| Problem::new(&NO_SNAPSHOT))?;
    let body = background.run(move || {
        let now = UnixMillis::from(SystemTime::now()).to_seconds();
        query.answer(&generation, now)
    });
    Ok(respond(200, JSON, body.await??.into()))
}

impl CoverageQuery {
    /// Parses a query string.
    ///
    /// # Errors
    /// Returns the first fault in a sentence, which repeats no value.
    fn parse(text: &str) -> Result<CoverageQuery, Cow<'static, str>> {
        let mut values: [Option<String>; FIELDS.len()] = [const { None }; FIELDS.len()];
        for (name, value) in pairs(text) {
            let name = decode(name).ok_or("Percent-encode the name of every field as UTF-8.")?;
            let at = FIELDS.iter().position(|field| *field == name);
            let Some((field, slot)) = at.and_then(|at| FIELDS.get(at).zip(values.get_mut(at))) else {
                return Err(unknown_field(&name, &FIELDS).into());
            };
            let value = decode(value).ok_or_else(|| format!("Percent-encode `{field}` as UTF-8."))?;
            if slot.is_some() {
                return Err(format!("Send the field `{field}` once. The query has it twice.").into());
            }
            if value.is_empty() {
                let fault = format!("The field `{field}` is empty. Send a value, or leave the field out.");
                return Err(fault.into());
            }
            *slot = Some(value.into_owned());
        }
        let [company, find, limit, offset, ou, channel, role] = values;
        let part = match (ou, channel, role) {
            (None, None, None) => Part::Overview {
                find: find.unwrap_or_default(),
                limit: match limit.map_or(Some(DEFAULT_LIMIT), |limit| limit.parse().ok()) {
                    Some(limit @ 1..=MAX_LIMIT) => limit,
                    _ => return Err("Send a `limit` from 1 to 1000.".into()),
                },
                offset: match offset.map_or(Ok(0), |offset| offset.parse::<u32>()) {
                    Ok(offset) => offset as usize,
                    Err(_) => return Err("Send an `offset` of 0 or more, in digits.".into()),
                },
            },
            _ if find.is_some() || limit.is_some() || offset.is_some() => {
                return Err("Send `find`, `limit` and `offset` without `ou`, `channel` and `role`.".into());
            }
            (Some(ou), Some(channel), role) => Part::One {
                ou,
                channel,
                role: match role.map(|role| Role::parse(&role)) {
                    Some(None) => return Err("Send `primary` or `secondary` as `role`.".into()),
                    role => role.flatten(),
                },
            },
            (None, ..) => return Err("Add the field `ou`, or leave `channel` and `role` out.".into()),
            (_, None, _) => return Err("Add the field `channel`.".into()),
        };
        Ok(CoverageQuery { company, part })
    }

    /// Returns the body of the answer.
    fn answer(&self, generation: &Arc<Generation>, now: UnixSeconds) -> Result<Vec<u8>, Problem> {
        let snapshot = &generation.snapshot;
        let unknown = |error| Problem::new(from_error(error)).with_number(GENERATION, snapshot.generation());
        let company = match &self.company {
            Some(id) => snapshot.find_company(id),
            None => snapshot.companies().next().map(|first| first.idx()),
        };
        let company = company.ok_or_else(|| unknown(SelectError::UnknownCompany))?;
        match &self.part {
            Part::Overview { find, limit, offset } => with_overview(generation, company, now, |overview| {
                overview.to_json(snapshot, find, *limit, *offset)
            }),
            Part::One { ou, channel, role } => {
                let channel =
                    snapshot.find_channel(channel).ok_or_else(|| unknown(SelectError::UnknownChannel))?;
                let ou = snapshot
                    .find_ou(company, ou, snapshot.probe_ou(company, ou))
                    .ok_or_else(|| unknown(SelectError::UnknownOu))?;
                let role = role.unwrap_or(snapshot.channel(channel).conversation_role());
                one_to_json(generation, now, (company, ou, channel, role))
            }
        }
    }
}

/// Number of countries that each rule serves, and of those without an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Cell {
    country: usize,
    calling_code: usize,
    geography: usize,
    default_region: usize,
    none: usize,
}

/// The coverage of a company, in the numbers that its overview shows. It holds no reference to the snapshot, so that
/// a replaced generation is freed.
struct Overview {
    generation: Weak<Generation>,
    company: CompanyIdx,
    /// The live conditions that the overview was computed with.
    standings: Overlay,
    /// The time of the computation.
    computed: UnixSeconds,
    /// The time at which the next account begins to be available, if there is one.
    changes: Option<UnixSeconds>,
    channels: Vec<(ChannelIdx, Role)>,
    /// The distinct cells.
    cells: Vec<Cell>,
    /// The OUs, those with the most gaps first, each with the positions of its cells, one for each channel and role.
    ous: Vec<(OuIdx, Box<[u32]>)>,
}

thread_local! {
    /// The overviews that were last computed on the thread of the console. The newest is last.
    static OVERVIEWS: RefCell<Vec<Overview>> = const { RefCell::new(Vec::new()) };
}

/// Calls `answer` with the overview of a company. Computes the overview only if a snapshot, a standing or the time
/// has changed a decision.
fn with_overview<T>(
    generation: &Arc<Generation>,
    company: CompanyIdx,
    now: UnixSeconds,
    answer: impl FnOnce(&Overview) -> T,
) -> T {
    OVERVIEWS.with_borrow_mut(|kept| {
        kept.retain(|overview| overview.is_of(generation));
        let at = kept.iter().position(|overview| overview.company == company);
        let overview = at.map(|at| kept.remove(at)).filter(|overview| overview.is_valid(generation, now));
        let overview = overview.unwrap_or_else(|| Overview::compute(generation, company, now));
        let answer = answer(&overview);
        if kept.len() >= MAX_KEPT_OVERVIEWS {
            kept.remove(0);
        }
        kept.push(overview);
        answer
    })
}

impl Overview {
    fn compute(generation: &Arc<Generation>, company: CompanyIdx, now: UnixSeconds) -> Overview {
        let Generation { snapshot, overlay } = &**generation;
        let standings = overlay.clone();
        let mut table = DecisionTable::with_standings(snapshot, now, standings.clone());
        let scope = Scope { roles: Roles::All, ..Scope::default() };
        let channels = scope.channels(snapshot, company).flat_map(|(_, channel)| {
            scope.roles(snapshot, company, channel).into_iter().map(move |role| (channel, role))
        });
        let channels: Vec<(ChannelIdx, Role)> = channels.collect();
        let mut cells: Vec<Cell> = Vec::new();
        let mut cell_of_row: HashMap<usize, u32> = HashMap::new();
        let mut ous = Vec::new();
        for ou in snapshot.company(company).ous() {
            let of_ou = channels.iter().map(|&(channel, role)| {
                // An OU without pools has the numbers of the OU at which its chain begins.
                let start = snapshot.chain(company, ou.idx(), channel, role).map(|level| level.ou());
                let row = table.row_of(company, start.unwrap_or(ou.idx()), channel, role);
                *cell_of_row.entry(row).or_insert_with(|| {
                    cells.push(Cell::new(RuleCounts::from_row(&table.row(row))));
                    (cells.len() - 1) as u32
                })
            });
            ous.push((ou.idx(), of_ou.collect::<Box<[u32]>>()));
        }
        let gaps = |at: &u32| cells.get(*at as usize).map_or(0, |cell| cell.none);
        // A stable sort keeps OUs with equally many gaps in the order of their ids.
        ous.sort_by_cached_key(|(_, of_ou)| Reverse(of_ou.iter().map(gaps).sum::<usize>()));
        let accounts = snapshot.accounts_of(company).filter(|(account, _)| !standings.is_free(*account));
        let changes = accounts.filter_map(|(_, account)| account.available_from()).filter(|from| *from > now);
        Overview {
            generation: Arc::downgrade(generation),
            company,
            computed: now,
            changes: changes.min(),
            channels,
            cells,
            ous,
            standings,
        }
    }

    fn is_of(&self, generation: &Arc<Generation>) -> bool {
        // The pointer keeps the memory of its generation from being used again.
        std::ptr::eq(self.generation.as_ptr(), Arc::as_ptr(generation))
    }

    fn is_valid(&self, generation: &Generation, now: UnixSeconds) -> bool {
        let is_before_change = self.changes.is_none_or(|changes| now < changes);
        self.computed <= now && is_before_change && self.standings == generation.overlay
    }

    fn to_json(
        &self,
        snapshot: &Snapshot,
        find: &str,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<u8>, Problem> {
        let text = find.to_lowercase();
        let is_found = |id: &str| text.is_empty() || id.to_lowercase().contains(&text);
        let (mut found, mut ous) = (0, Vec::new());
        for (ou, of_ou) in &self.ous {
            let id = snapshot.ou(*ou).id();
            if is_found(id) {
                if found >= offset && ous.len() < limit {
                    let cells = of_ou.iter().filter_map(|&at| self.cells.get(at as usize)).collect();
                    ous.push(OverviewOu { ou: id, cells });
                }
                found += 1;
            }
        }
        let companies = snapshot.companies();
        let channels = self.channels.iter();
        to_json(&OverviewJson {
            generation: snapshot.generation(),
            more_companies: Some(companies.len().saturating_sub(MAX_LISTED_COMPANIES))
                .filter(|more| *more > 0),
            companies: companies.take(MAX_LISTED_COMPANIES).map(|company| company.id()).collect(),
            company: snapshot.company(self.company).id(),
            countries: Region::COUNT,
            channels: channels
                .map(|&(channel, role)| ChannelJson {
                    channel: snapshot.channel(channel).id(),
                    role: role.as_str(),
                })
                .collect(),
            units: self.ous.len(),
            found,
            ous,
        })
    }
}

impl Cell {
    fn new(counts: RuleCounts) -> Cell {
        let RuleCounts { country, calling_code, geography, default_region, none, .. } = counts;
        Cell { country, calling_code, geography, default_region, none }
    }
}

#[derive(Serialize)]
struct OverviewJson<'a> {
    generation: u64,
    companies: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_companies: Option<usize>,
    company: &'a str,
    countries: usize,
    channels: Vec<ChannelJson<'a>>,
    units: usize,
    found: usize,
    ous: Vec<OverviewOu<'a>>,
}

#[derive(Serialize)]
struct ChannelJson<'a> {
    channel: &'a str,
    role: &'static str,
}

#[derive(Serialize)]
struct OverviewOu<'a> {
    ou: &'a str,
    cells: Vec<&'a Cell>,
}

#[derive(Serialize)]
struct OneJson<'a> {
    generation: u64,
    company: &'a str,
    ou: &'a str,
    channel: &'a str,
    role: &'static str,
    /// The distinct decisions.
    decisions: Vec<DecisionJson<'a>>,
    /// For each country: the position of its decision.
    countries: Map<String, Value>,
}

#[derive(Serialize)]
struct DecisionJson<'a> {
    /// The rule, or the code of the problem.
    rule: &'static str,
    #[serde(flatten)]
    served: Option<ServedJson<'a>>,
}

#[derive(Serialize)]
struct ServedJson<'a> {
    climbed: u32,
    pool: &'a str,
    ou: &'a str,
    accounts: Vec<&'a str>,
    /// Number of accounts that are not listed.
    more: usize,
}

/// Returns the decisions of one OU, channel and role.
fn one_to_json(
    Generation { snapshot, overlay }: &Generation,
    now: UnixSeconds,
    (company, ou, channel, role): (CompanyIdx, OuIdx, ChannelIdx, Role),
) -> Result<Vec<u8>, Problem> {
    let mut table = DecisionTable::with_standings(snapshot, now, overlay.clone());
    let number = table.row_of(company, ou, channel, role);
    let row = table.row(number);
    let id =
        |candidate: &switchboard_snapshot::view::Candidate<'_>| snapshot.account(candidate.account()).id();
    let decision = |decision: &Decision| DecisionJson {
        rule: decision.as_str(),
        served: decision.served().map(|served| {
            let available = table.available(served);
            ServedJson {
                climbed: served.climbed,
                pool: served.pool(snapshot),
                ou: served.ou(snapshot),
                accounts: available.iter().take(MAX_NAMED_ACCOUNTS).map(id).collect(),
                more: available.len().saturating_sub(MAX_NAMED_ACCOUNTS),
            }
        }),
    };
    let countries = Region::all().zip(row.cells());
    to_json(&OneJson {
        generation: snapshot.generation(),
        company: snapshot.company(company).id(),
        ou: snapshot.ou(ou).id(),
        channel: snapshot.channel(channel).id(),
        role: role.as_str(),
        decisions: row.distinct().iter().map(decision).collect(),
        countries: countries.map(|(country, &at)| (country.alpha2().to_owned(), at.into())).collect(),
    })
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    // Cannot fail: every key is a text.
    serde_json::to_vec(value).map_err(|_| Problem::new(&INTERNAL))
}
