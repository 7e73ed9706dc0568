//! Interprets a registry step by step, in the order in which the rules are written, and returns the expected
//! answer to a query.

use switchboard_model::{Condition, E164, Region, Role};
use switchboard_registry::{Account, Company, DedicatedUnavailable, Holder, Registry};

use crate::chain::{Found, IndexedCompany, ResolvedQuery, Step};
use crate::query::Query;

/// Computes the expected answers for a registry.
pub struct Oracle<'a> {
    registry: &'a Registry,
    companies: Vec<IndexedCompany<'a>>,
}

/// The expected answer to a query.
pub enum Verdict<'a> {
    /// The answer is one of the candidates of this selection.
    Selected(Selected<'a>),
    /// The answer is a problem with this code.
    Refused(&'static str),
}

/// An expected selection. Any of the candidates may be picked.
pub struct Selected<'a> {
    /// The company of the query.
    pub company: &'a Company,
    /// The accounts that may be picked.
    pub candidates: Vec<&'a Account>,
    /// The rule of the selection.
    pub rule: &'static str,
    /// The place of the account in the chain. `None` for a dedicated account.
    pub found: Option<Found<'a>>,
    /// The client's country. `None` for a number that belongs to no country.
    pub client_country: Option<Region>,
    /// The reason why the query's `current` account is not kept.
    pub current_ignored: Option<&'static str>,
    /// Index of the step in the whole chain. `None` for a dedicated account.
    pub step: Option<usize>,
}

/// The client's country, and the source of the country.
pub struct Client {
    /// The country. `None` for a number that belongs to no country.
    pub country: Option<Region>,
    /// The source of the country: `query`, `phone` or `bsuid`.
    pub source: &'static str,
    /// Whether the phone number is not valid. `None` unless the country comes from the phone number.
    pub guessed: Option<bool>,
    /// Whether two of the query's country, phone and business-scoped user id belong to different countries.
    pub conflict: Option<bool>,
}

/// The expected explanation of an answer.
pub enum Explained<'a> {
    /// The query fails before its chain is known, with this code.
    Refused(&'static str),
    /// The client, the verdict, the user's own account with its outcome, and every step with the outcome of
    /// each candidate before one is picked.
    Walked(Client, Verdict<'a>, Option<(&'a Account, &'static str)>, Vec<(Step<'a>, Vec<&'static str>)>),
}

impl<'a> Oracle<'a> {
    /// Indexes the registry, which must be free of errors.
    pub fn new(registry: &'a Registry) -> Oracle<'a> {
        Oracle { registry, companies: registry.companies.iter().map(IndexedCompany::new).collect() }
    }

    /// Returns the expected answer to a query. `now` is the time in Unix seconds.
    pub fn answer(&self, query: &Query, now: i64) -> Verdict<'_> {
        match self.resolve(query, now) {
            Err(code) => Verdict::Refused(code),
            Ok((resolved, client)) => decide(&resolved, &client, query),
        }
    }

    /// Returns the expected answer to a query, and every step of the whole chain.
    pub fn steps(&self, query: &Query, now: i64) -> Explained<'_> {
        let (resolved, client) = match self.resolve(query, now) {
            Err(code) => return Explained::Refused(code),
            Ok(resolved) => resolved,
        };
        let verdict = decide(&resolved, &client, query);
        if matches!(verdict, Verdict::Refused("no_pool")) {
            return Explained::Refused("no_pool");
        }
        let chain = resolved.chain().unwrap_or_default();
        let steps = chain.into_iter().map(|step| {
            let outcomes = step.accounts.iter().map(|account| resolved.outcome(account)).collect();
            (step, outcomes)
        });
        let own = dedicated(&resolved, query).map(|own| (own, resolved.outcome(own)));
        Explained::Walked(client, verdict, own, steps.collect())
    }

    /// Runs steps 1 to 3 of `docs/selection.md`: names, role, client's country.
    fn resolve<'s, 'q>(
        &'s self,
        query: &'q Query,
        now: i64,
    ) -> Result<(ResolvedQuery<'s, 'q>, Client), &'static str> {
        if malformed(self.registry, query) {
            return Err("bad_request");
        }
        let indexed = match &query.company {
            Some(id) => self.companies.iter().find(|indexed| *indexed.company.id == **id),
            None => self.companies.first(),
        };
        let indexed = indexed.ok_or("unknown_company")?;
        let mut channels = self.registry.channels.iter().zip(0..);
        let channel = channels.find(|(profile, _)| Some(&*profile.id) == query.channel.as_deref());
        let (profile, channel) = channel.ok_or("unknown_channel")?;
        let ou = query.ou.as_deref().and_then(|id| indexed.ou(id)).ok_or("unknown_ou")?;
        let role = query.role.as_deref().and_then(Role::parse).unwrap_or(profile.conversation_role);
        let client = locate(query)?;
        let resolved = ResolvedQuery {
            company: indexed,
            channel: (&profile.id, channel),
            ou,
            role,
            conversation_role: profile.conversation_role,
            country: client.country,
            excluded: &query.exclude,
            now,
        };
        Ok((resolved, client))
    }
}

fn malformed(registry: &Registry, query: &Query) -> bool {
    // The limits and forms are written out on purpose: the oracle shares none of them with the program.
    let texts = [
        &query.company,
        &query.channel,
        &query.ou,
        &query.phone,
        &query.country,
        &query.bsuid,
        &query.client,
        &query.user,
        &query.current,
    ];
    query.garbled.is_some()
        || query.channel.is_none()
        || query.ou.is_none()
        || (query.company.is_none() && registry.companies.len() > 1)
        || texts.into_iter().flatten().any(|text| text.is_empty())
        || query.role.as_deref().is_some_and(|role| Role::parse(role).is_none())
        || query.fallback.as_deref().is_some_and(|fallback| !["all", "none"].contains(&fallback))
        || query.bsuid.as_deref().is_some_and(|bsuid| country_of_bsuid(bsuid).is_none())
        || query.client.as_deref().is_some_and(|client| client.len() > 256)
        || query.user.as_deref().is_some_and(|user| user.len() > 256 || user.chars().any(is_invisible))
        || query.current.iter().chain(&query.exclude).any(|id| !is_account_id(id))
        || query.exclude.len() > 64
}

fn is_account_id(text: &str) -> bool {
    let allowed = |letter: char| ('!'..='~').contains(&letter) && !",/'\"".contains(letter);
    !text.is_empty() && text.len() <= 128 && text.chars().all(allowed)
}

/// Returns whether a character is white space, a control character, or one of the usual format characters.
fn is_invisible(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || "\u{ad}\u{200b}\u{202e}\u{feff}".contains(letter)
}

/// Returns the country of a business-scoped user id: two capital letters, a dot, perhaps `ENT.`, and letters
/// and digits.
fn country_of_bsuid(text: &str) -> Option<Region> {
    let (country, id) = text.split_once('.')?;
    let id = id.strip_prefix("ENT.").unwrap_or(id);
    let well_formed = country.len() == 2
        && country.chars().all(|letter| letter.is_ascii_uppercase())
        && (1..=128).contains(&id.len())
        && id.chars().all(|letter| letter.is_ascii_alphanumeric());
    well_formed.then(|| Region::from_alpha2(country)).flatten()
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
    let scoped = query.bsuid.as_deref().and_then(country_of_bsuid);
    let named: Vec<Region> =
        [stated, origin.and_then(|origin| origin.region), scoped].into_iter().flatten().collect();
    let conflict = Some(named.iter().zip(named.iter().skip(1)).any(|(one, next)| one != next));
    match (stated, origin, scoped) {
        (None, None, None) => Err("client_required"),
        (Some(_), _, _) => Ok(Client { country: stated, source: "query", guessed: None, conflict }),
        (None, Some(origin), _) => {
            Ok(Client { country: origin.region, source: "phone", guessed: Some(origin.guessed), conflict })
        }
        (None, None, Some(_)) => Ok(Client { country: scoped, source: "bsuid", guessed: None, conflict }),
    }
}

/// Runs steps 4 to 6 of `docs/selection.md`: current, dedicated, chain. Returns all candidates of the winning
/// step and does not pick.
fn decide<'a>(resolved: &ResolvedQuery<'a, '_>, client: &Client, query: &Query) -> Verdict<'a> {
    let chain = resolved.chain();
    let whole = chain.as_deref().unwrap_or_default();
    let own = dedicated(resolved, query);
    let selected = |rule, candidates: Vec<&'a Account>, step: Option<usize>, current_ignored| {
        Verdict::Selected(Selected {
            company: resolved.company.company,
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
        match keep_current(resolved, whole, own, current) {
            Ok((account, step)) => return selected("current", vec![account], step, None),
            Err(reason) => ignored = Some(reason),
        }
    }

    if let Some(own) = own
        && resolved.role == resolved.conversation_role
    {
        if resolved.outcome(own) == "available" {
            return selected("dedicated", vec![own], None, ignored);
        }
        if resolved.company.company.dedicated_unavailable == DedicatedUnavailable::Error {
            return Verdict::Refused("dedicated_unavailable");
        }
    }

    if chain.is_none() {
        return Verdict::Refused("no_pool");
    }
    let strict = query.fallback.as_deref() == Some("none");
    let mut some = false;
    for (at, step) in whole.iter().enumerate() {
        if strict && (step.rule != "country" || Some(step.climbed) != resolved.first_level()) {
            continue;
        }
        some |= !step.accounts.is_empty();
        let available: Vec<&Account> = step
            .accounts
            .iter()
            .copied()
            .filter(|account| resolved.outcome(account) == "available")
            .collect();
        if !available.is_empty() {
            return selected(step.rule, available, Some(at), ignored);
        }
    }
    Verdict::Refused(if some { "no_account_available" } else { "no_account" })
}

/// Returns the account of the channel that is dedicated to the query's user.
fn dedicated<'a>(resolved: &ResolvedQuery<'a, '_>, query: &Query) -> Option<&'a Account> {
    let own = resolved.company.dedicated(query.user.as_deref()?);
    own.iter().copied().find(|account| account.channel == Some(resolved.channel.1))
}

/// Returns the current account and the index of the first step that has it, or the reason why it is not kept.
fn keep_current<'a>(
    resolved: &ResolvedQuery<'a, '_>,
    chain: &[Step<'a>],
    own: Option<&Account>,
    current: &str,
) -> Result<(&'a Account, Option<usize>), &'static str> {
    let account = resolved.company.account(current).ok_or("unknown")?;
    if account.channel != Some(resolved.channel.1) {
        return Err("other_channel");
    }
    let role = match account.holder {
        Holder::User(_) => Some(resolved.conversation_role),
        Holder::Pool(_) | Holder::Spare => account.role,
    };
    if role != Some(resolved.role) {
        return Err("other_role");
    }
    if account.state == Condition::Suspended {
        return Err("suspended");
    }
    if resolved.excludes(account) {
        return Err("excluded");
    }
    if resolved.rests(account) {
        return Err("resting");
    }
    if own.is_some_and(|own| own.id == account.id) {
        return Ok((account, None));
    }
    let step = chain.iter().position(|step| step.accounts.iter().any(|one| one.id == account.id));
    step.map(|at| (account, Some(at))).ok_or("not_in_chain")
}
