//! What a query must be answered, step by step as the rules are written.

use switchboard_model::{Condition, E164, Region, Role};
use switchboard_registry::{Account, Company, DedicatedUnavailable, Holder, Registry};

use crate::chain::{Asked, Found, Step};
use crate::query::Query;
use crate::sorted::Sorted;

/// Answers for a registry.
pub struct Oracle<'a> {
    registry: &'a Registry,
    companies: Vec<Sorted<'a>>,
}

/// What must come out.
pub enum Verdict<'a> {
    /// One of these accounts.
    Selected(Selected<'a>),
    /// A problem's code.
    Refused(&'static str),
}

/// A selection, but for which of the equals it is.
pub struct Selected<'a> {
    /// Whose they are.
    pub company: &'a Company,
    /// The accounts that may be picked.
    pub candidates: Vec<&'a Account>,
    /// Why they.
    pub rule: &'static str,
    /// Absent for a dedicated account.
    pub found: Option<Found<'a>>,
    /// None for a number that belongs to no country.
    pub client_country: Option<Region>,
    /// Why the query's `current` is not kept.
    pub current_ignored: Option<&'static str>,
    /// Which step of the whole chain it is from; absent for a dedicated account.
    pub step: Option<usize>,
}

/// What is known of the client's country.
pub struct Client {
    /// None for a number that belongs to no country.
    pub country: Option<Region>,
    /// The query field it is from.
    pub source: &'static str,
    /// From a number that is not valid; only said of a country that came from the phone.
    pub guessed: Option<bool>,
    /// The query's country is not the phone's; none where the phone belongs to no country.
    pub conflict: Option<bool>,
}

/// What explain must say.
pub enum Explained<'a> {
    /// It fails before there is a chain.
    Refused(&'static str),
    /// The client, the verdict, and every step with each candidate's outcome before one was chosen.
    Walked(Client, Verdict<'a>, Vec<(Step<'a>, Vec<&'static str>)>),
}

impl<'a> Oracle<'a> {
    /// Sorts the registry, which must be free of errors.
    pub fn new(registry: &'a Registry) -> Oracle<'a> {
        Oracle { registry, companies: registry.companies.iter().map(Sorted::of).collect() }
    }

    /// The verdict on one query.
    pub fn answer(&self, query: &Query, now: i64) -> Verdict<'_> {
        match self.resolve(query, now) {
            Err(code) => Verdict::Refused(code),
            Ok((asked, client)) => decide(&asked, &client, query),
        }
    }

    /// The verdict and every step of the whole chain.
    pub fn steps(&self, query: &Query, now: i64) -> Explained<'_> {
        let (asked, client) = match self.resolve(query, now) {
            Err(code) => return Explained::Refused(code),
            Ok(resolved) => resolved,
        };
        let verdict = decide(&asked, &client, query);
        if matches!(verdict, Verdict::Refused("no_pool")) {
            return Explained::Refused("no_pool");
        }
        let chain = asked.chain().unwrap_or_default();
        let steps = chain.into_iter().map(|step| {
            let outcomes = step.accounts.iter().map(|account| asked.outcome(account)).collect();
            (step, outcomes)
        });
        Explained::Walked(client, verdict, steps.collect())
    }

    /// Steps 1 to 3: names, role, client's country.
    fn resolve<'s, 'q>(
        &'s self,
        query: &'q Query,
        now: i64,
    ) -> Result<(Asked<'s, 'q>, Client), &'static str> {
        if malformed(self.registry, query) {
            return Err("bad_request");
        }
        let sorted = match &query.company {
            Some(id) => self.companies.iter().find(|sorted| *sorted.company.id == **id),
            None => self.companies.first(),
        };
        let sorted = sorted.ok_or("unknown_company")?;
        let mut channels = self.registry.channels.iter().zip(0..);
        let channel = channels.find(|(profile, _)| Some(&*profile.id) == query.channel.as_deref());
        let (profile, channel) = channel.ok_or("unknown_channel")?;
        let ou = query.ou.as_deref().and_then(|id| sorted.ou(id)).ok_or("unknown_ou")?;
        let role = query.role.as_deref().and_then(Role::parse).unwrap_or(profile.conversation_role);
        let client = locate(query)?;
        let asked = Asked {
            sorted,
            channel: (&profile.id, channel),
            ou,
            role,
            conversation_role: profile.conversation_role,
            country: client.country,
            excluded: &query.exclude,
            now,
        };
        Ok((asked, client))
    }
}

fn malformed(registry: &Registry, query: &Query) -> bool {
    query.garbled.is_some()
        || query.channel.is_none()
        || query.ou.is_none()
        || (query.company.is_none() && registry.companies.len() > 1)
        || query.role.as_deref().is_some_and(|role| Role::parse(role).is_none())
        || query.fallback.as_deref().is_some_and(|fallback| !["all", "none"].contains(&fallback))
        || query.client.as_deref().is_some_and(|client| client.is_empty() || client.len() > 128)
        || query.exclude.len() > 64
}

fn locate(query: &Query) -> Result<Client, &'static str> {
    let stated = match &query.country {
        Some(text) => Some(Region::from_alpha2(&text.to_ascii_uppercase()).ok_or("invalid_country")?),
        None => None,
    };
    let origin = match &query.phone {
        Some(text) => Some(E164::parse(text).map_err(|_| "invalid_phone")?.origin()),
        None => None,
    };
    match (stated, origin) {
        (None, None) => Err("client_required"),
        (Some(country), origin) => Ok(Client {
            country: Some(country),
            source: "query",
            guessed: None,
            conflict: match origin {
                None => Some(false),
                Some(origin) => origin.region.map(|region| region != country),
            },
        }),
        (None, Some(origin)) => Ok(Client {
            country: origin.region,
            source: "phone",
            guessed: Some(origin.guessed),
            conflict: Some(false),
        }),
    }
}

/// Steps 4 to 7: current, dedicated, the chain.
fn decide<'a>(asked: &Asked<'a, '_>, client: &Client, query: &Query) -> Verdict<'a> {
    let chain = asked.chain();
    let whole = chain.as_deref().unwrap_or_default();
    let own = dedicated(asked, query);
    let selected = |rule, candidates: Vec<&'a Account>, step: Option<usize>, current_ignored| {
        Verdict::Selected(Selected {
            company: asked.sorted.company,
            candidates,
            rule,
            found: step.and_then(|at| whole.get(at)).map(Step::place),
            client_country: client.country,
            current_ignored,
            step,
        })
    };

    let mut ignored = None;
    if let Some(current) = &query.current {
        match keep(asked, whole, own, current) {
            Ok((account, step)) => return selected("current", vec![account], step, None),
            Err(reason) => ignored = Some(reason),
        }
    }

    if let Some(own) = own
        && asked.role == asked.conversation_role
    {
        if asked.outcome(own) == "available" {
            return selected("dedicated", vec![own], None, ignored);
        }
        if asked.sorted.company.dedicated_unavailable == DedicatedUnavailable::Error {
            return Verdict::Refused("dedicated_unavailable");
        }
    }

    if chain.is_none() {
        return Verdict::Refused("no_pool");
    }
    let strict = query.fallback.as_deref() == Some("none");
    let mut some = false;
    for (at, step) in whole.iter().enumerate() {
        if strict && (step.rule != "country" || Some(step.climbed) != asked.first_level()) {
            continue;
        }
        some |= !step.accounts.is_empty();
        let available: Vec<&Account> =
            step.accounts.iter().copied().filter(|account| asked.outcome(account) == "available").collect();
        if !available.is_empty() {
            return selected(step.rule, available, Some(at), ignored);
        }
    }
    Verdict::Refused(if some { "no_account_available" } else { "no_account" })
}

/// The account of the query's user on the channel.
fn dedicated<'a>(asked: &Asked<'a, '_>, query: &Query) -> Option<&'a Account> {
    let own = asked.sorted.dedicated(query.user.as_deref()?);
    own.iter().copied().find(|account| account.channel == Some(asked.channel.1))
}

/// The current account and the first step it is in, or why it is not kept.
fn keep<'a>(
    asked: &Asked<'a, '_>,
    chain: &[Step<'a>],
    own: Option<&Account>,
    current: &str,
) -> Result<(&'a Account, Option<usize>), &'static str> {
    let account = asked.sorted.account(current).ok_or("unknown")?;
    if account.channel != Some(asked.channel.1) {
        return Err("other_channel");
    }
    let role = match account.holder {
        Holder::User(_) => Some(asked.conversation_role),
        Holder::Pool(_) | Holder::Spare => account.role,
    };
    if role != Some(asked.role) {
        return Err("other_role");
    }
    if account.state == Condition::Suspended {
        return Err("suspended");
    }
    if asked.excludes(account) {
        return Err("excluded");
    }
    if asked.rests(account) {
        return Err("resting");
    }
    if own.is_some_and(|own| own.id == account.id) {
        return Ok((account, None));
    }
    let step = chain.iter().position(|step| step.accounts.iter().any(|one| one.id == account.id));
    step.map(|at| (account, Some(at))).ok_or("not_in_chain")
}
