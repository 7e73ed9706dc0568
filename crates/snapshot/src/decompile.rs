//! Turns a company of a snapshot back into the registry's values. A daemon compiles these values again while
//! the newest files of the company are broken, so that the other companies can change meanwhile.
//!
//! The records contain what a selection reads. What only the compiler needs is stored behind them as the
//! company's definition: lines of JSON, which are parsed when they are needed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::header::{Rejection, RejectionStage};
use super::view::{ChannelRef, Records, Snapshot, lines};
use crate::format::{ArchivedOu, ArchivedPool};
use crate::{AccountIdx, CompanyIdx};
use switchboard_model::Region;
use switchboard_registry::{
    Account, ChannelProfile, Company, DedicatedUnavailable, Findings, Holder, Mapping, Ou, OuWithoutPool,
    Place, Pool, Registry, RolePair, Severity, Span, Unread, Version, check,
};

/// One line of the definitions. The lines of a company begin with [`Line::Company`]. They are small, so that
/// checking them takes little memory, whatever a file contains.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Company(CompanySettings),
    /// An OU and its parent.
    Parent(Box<str>, Box<str>),
    Pool(PoolSettings),
    /// A pool, and an OU that it is allocated to.
    Allocation(Box<str>, Box<str>),
}

/// What a company's administrators wrote about it as a whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompanySettings {
    id: Box<str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    needs_pool_at_ou: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform_version: Option<[u32; 3]>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    geography: BTreeMap<Country, Country>,
}

/// What a company's administrators wrote about a pool.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolSettings {
    id: Box<str>,
    channel: Box<str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    priority: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    match_calling_code: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_country: Option<Country>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fallback_upward: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    geography: BTreeMap<Country, Country>,
}

/// A country as its alpha-2 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Country(Region);

/// Turns companies of one snapshot back into the values from which they were compiled.
pub struct Decompiler<'s> {
    snapshot: &'s Snapshot,
    /// The lines of each company's definition, in the order of the companies.
    definitions: Vec<&'s [u8]>,
}

/// The bytes with which the first line of a company begins.
const COMPANY_LINE: &[u8] = b"{\"company\":";

/// A company of a snapshot uses a channel that the registry no longer has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("channel `{channel}`, which company `{company}` uses, is no longer in channels.toml")]
pub struct UnknownChannel {
    /// The id of the company.
    pub company: String,
    /// The id of the channel.
    pub channel: String,
}

/// Writes the definitions of all companies. Equal companies have equal definitions, whatever the order of the
/// entries in their files.
pub(super) fn write_definitions(registry: &Registry, mut append: impl FnMut(&[u8])) {
    for company in &registry.companies {
        append_line(&mut append, &Line::Company(CompanySettings::new(company)));
        let mut ous: Vec<&Ou> = company.ous.iter().collect();
        ous.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for ou in ous {
            if let Some(parent) = &ou.parent {
                append_line(&mut append, &Line::Parent(ou.id.clone(), parent.clone()));
            }
        }
        let mut pools: Vec<&Pool> = company.pools.iter().collect();
        pools.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for pool in pools {
            append_line(&mut append, &Line::Pool(PoolSettings::new(pool)));
            for ou in pool.ous.iter().collect::<BTreeSet<_>>() {
                append_line(&mut append, &Line::Allocation(pool.id.clone(), ou.clone()));
            }
        }
    }
}

#[allow(clippy::expect_used, reason = "a line is texts and numbers")]
fn append_line(append: &mut impl FnMut(&[u8]), line: &Line) {
    let mut json = serde_json::to_vec(line).expect("cannot fail: all keys are texts");
    json.push(b'\n');
    append(&json);
}

/// Checks that the definitions belong to the records of the snapshot. The lines are not kept.
pub(super) fn check_definitions(snapshot: &Snapshot) -> Result<(), Rejection> {
    let mut companies = snapshot.companies();
    let mut check: Option<DefinitionCheck<'_>> = None;
    for line in lines(snapshot.definitions()) {
        let line: Line = serde_json::from_slice(line).map_err(|error| {
            RejectionStage::Archive.rejection(format!(
                "the definition of a company is malformed: {error}: compile the registry again; if the error returns, \
                 report a bug"
            ))
        })?;
        let fits = match &line {
            Line::Company(settings) => {
                let was_complete = check.take().is_none_or(|check| check.is_complete());
                let company = companies.next();
                check = company.map(|company| DefinitionCheck::new(snapshot, company.idx()));
                was_complete && company.is_some_and(|company| *company.id() == *settings.id)
            }
            line => check.as_mut().is_some_and(|check| check.fits(line)),
        };
        if !fits {
            return Err(contradiction());
        }
    }
    if companies.next().is_none() && check.is_none_or(|check| check.is_complete()) {
        Ok(())
    } else {
        Err(contradiction())
    }
}

fn contradiction() -> Rejection {
    RejectionStage::Index
        .rejection("the definition of a company contradicts its records: compile the registry again")
}

/// Compares the definition of one company with its records, line by line.
struct DefinitionCheck<'s> {
    snapshot: &'s Snapshot,
    ous: &'s [ArchivedOu],
    pools: &'s [ArchivedPool],
    /// Number of lines of each kind until now.
    parents: usize,
    pools_seen: usize,
    /// The last OU with a parent, whose index ascends.
    last_ou: Option<usize>,
}

impl<'s> DefinitionCheck<'s> {
    fn new(snapshot: &'s Snapshot, company: CompanyIdx) -> DefinitionCheck<'s> {
        let tables = snapshot.tables();
        let record = tables.companies.at(company.get());
        let (ous, pools) = (tables.ous.range(&record.ous), tables.pools.range(&record.pools));
        DefinitionCheck { snapshot, ous, pools, parents: 0, pools_seen: 0, last_ou: None }
    }

    fn find_ou(&self, id: &str) -> Option<usize> {
        let tables = self.snapshot.tables();
        self.ous.binary_search_by(|ou| tables.id(&ou.id).cmp(id)).ok()
    }

    fn depth(&self, ou: usize) -> Option<u32> {
        Some(self.ous.get(ou)?.depth.to_native())
    }

    /// Returns whether a line fits the records. The depths of the OUs show that no OU is above itself.
    fn fits(&mut self, line: &Line) -> bool {
        let tables = self.snapshot.tables();
        match line {
            Line::Company(_) => false,
            Line::Parent(ou, parent) => {
                let (Some(ou), Some(parent)) = (self.find_ou(ou), self.find_ou(parent)) else { return false };
                let ascends = self.last_ou.replace(ou).is_none_or(|last| last < ou);
                self.parents += 1;
                ascends && self.depth(parent).and_then(|above| above.checked_add(1)) == self.depth(ou)
            }
            Line::Pool(settings) => {
                let pool = self.pools.get(self.pools_seen);
                self.pools_seen += 1;
                pool.is_some_and(|pool| *tables.id(&pool.id) == *settings.id)
                    && self.snapshot.find_channel(&settings.channel).is_some()
            }
            Line::Allocation(pool, ou) => {
                let last = self.pools_seen.checked_sub(1).and_then(|at| self.pools.get(at));
                last.is_some_and(|last| *tables.id(&last.id) == **pool) && self.find_ou(ou).is_some()
            }
        }
    }

    /// Returns whether every OU below another and every pool had its line.
    fn is_complete(&self) -> bool {
        let below = self.ous.iter().filter(|ou| ou.depth.to_native() > 0).count();
        self.parents == below && self.pools_seen == self.pools.len()
    }
}

impl CompanySettings {
    fn new(company: &Company) -> CompanySettings {
        CompanySettings {
            id: company.id.clone(),
            needs_pool_at_ou: company.ou_without_pool == OuWithoutPool::Error,
            platform_version: company.platform_version.map(|Version(version)| version),
            geography: countries(&company.geography),
        }
    }
}

impl PoolSettings {
    fn new(pool: &Pool) -> PoolSettings {
        PoolSettings {
            id: pool.id.clone(),
            channel: pool.channel.clone(),
            priority: pool.priority,
            match_calling_code: pool.match_calling_code,
            default_country: pool.default_country.map(Country),
            fallback_upward: pool.fallback_upward,
            geography: countries(&pool.geography),
        }
    }

    /// Returns the pool, which is not allocated to an OU yet.
    fn into_pool(self, place: &Place) -> Pool {
        Pool {
            id: self.id,
            channel: self.channel,
            ous: Vec::new(),
            ous_places: Vec::new(),
            priority: self.priority,
            match_calling_code: self.match_calling_code,
            default_country: self.default_country.map(|Country(region)| region),
            default_place: self.default_country.map(|_| place.clone()),
            fallback_upward: self.fallback_upward,
            geography: mapping(self.geography, place),
            place: place.clone(),
        }
    }
}

impl<'s> Decompiler<'s> {
    /// Finds the definitions of all companies.
    pub fn new(snapshot: &'s Snapshot) -> Decompiler<'s> {
        let mut rest = snapshot.definitions();
        let mut definitions = Vec::new();
        while !rest.is_empty() {
            let lines = rest.split_inclusive(|byte| *byte == b'\n').skip(1);
            let own = lines.take_while(|line| !line.starts_with(COMPANY_LINE));
            let first = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
            let (definition, others) = rest.split_at(first + own.map(<[u8]>::len).sum::<usize>());
            definitions.push(definition);
            rest = others;
        }
        Decompiler { snapshot, definitions }
    }

    /// Returns a company as the values from which it was compiled, without its tests, which
    /// [`tests`](Snapshot::tests) returns. Its places name the files of the company, but no line.
    ///
    /// `channels` are the profiles with which the company will be compiled again. With the profiles of its
    /// own registry, a company is compiled to the same bytes again.
    ///
    /// # Errors
    /// Fails if the company uses a channel that is not among `channels`.
    pub fn company(&self, idx: CompanyIdx, channels: &[ChannelProfile]) -> Result<Company, UnknownChannel> {
        let snapshot = self.snapshot;
        let tables = snapshot.tables();
        let record = tables.companies.at(idx.get());
        let company = snapshot.company(idx);
        let place = Place::file(format!("{}/company.toml", company.id()));
        let unknown_channel =
            |channel: &str| UnknownChannel { company: company.id().to_owned(), channel: channel.to_owned() };
        let number_of = |id: &str| channels.iter().position(|channel| *channel.id == *id);
        let numbers =
            snapshot.channels().map(|channel| number_of(channel.id()).and_then(|at| u16::try_from(at).ok()));
        let numbers: Vec<Option<u16>> = numbers.collect();

        let (mut settings, mut parents, mut pools) = (None, HashMap::new(), Vec::<Pool>::new());
        let definition = self.definitions.get(idx.get() as usize).copied().unwrap_or_default();
        for line in lines(definition).filter_map(|line| serde_json::from_slice(line).ok()) {
            match line {
                Line::Company(own) => settings = Some(own),
                Line::Parent(ou, parent) => drop(parents.insert(ou, parent)),
                Line::Pool(pool) if number_of(&pool.channel).is_none() => {
                    return Err(unknown_channel(&pool.channel));
                }
                Line::Pool(pool) => pools.push(pool.into_pool(&place)),
                Line::Allocation(_, ou) => {
                    if let Some(pool) = pools.last_mut() {
                        pool.ous.push(ou);
                        pool.ous_places.push(place.clone());
                    }
                }
            }
        }
        let ou = |ou: &ArchivedOu| {
            let id = tables.id(&ou.id);
            let parent = parents.get(id).cloned();
            Ou { id: id.into(), parent, parent_place: None, name: "".into(), place: place.clone() }
        };
        let ous = tables.ous.range(&record.ous).iter().map(ou).collect();

        let accounts_place = Place::file(format!("{}/accounts.csv", company.id()));
        let (first, len) = (record.accounts.start.to_native(), record.accounts.len.to_native());
        let mut accounts = Vec::with_capacity(len as usize);
        for account_idx in first..first + len {
            let account = snapshot.account(AccountIdx::new(account_idx));
            let number = numbers.get(account.channel().get() as usize).copied().flatten();
            let channel = number.ok_or_else(|| unknown_channel(snapshot.channel(account.channel()).id()))?;
            let holder = match (account.pool(), self.user_of(account_idx)) {
                (Some(pool), _) => Holder::Pool(snapshot.pool(pool).id().into()),
                (None, Some(user)) => Holder::User(user.into()),
                (None, None) => Holder::Spare,
            };
            accounts.push(Account {
                id: account.id().into(),
                channel: Some(channel),
                role: account.role(),
                address: unescaped(snapshot.account_pieces(account.json()).address),
                country: account.country(),
                holder,
                weight: account.weight(),
                state: account.condition(),
                available_from: account.available_from(),
                place: accounts_place.clone(),
            });
        }
        Ok(Company {
            id: company.id().into(),
            name: company.id().into(),
            ou_without_pool: match settings.as_ref() {
                Some(settings) if settings.needs_pool_at_ou => OuWithoutPool::Error,
                _ => OuWithoutPool::Inherit,
            },
            dedicated_unavailable: if company.dedicated_falls_back() {
                DedicatedUnavailable::Pool
            } else {
                DedicatedUnavailable::Error
            },
            platform_version: settings.as_ref().and_then(|settings| settings.platform_version).map(Version),
            geography: settings.map(|settings| mapping(settings.geography, &place)).unwrap_or_default(),
            ous,
            pools,
            accounts,
            tests: Vec::new(),
            unread: Unread::default(),
            place,
        })
    }

    /// Returns the user of an account, if the account is dedicated.
    fn user_of(&self, account: u32) -> Option<&'s str> {
        let tables = self.snapshot.tables();
        let found =
            tables.dedicated.binary_search_by_key(&account, |dedicated| dedicated.account.to_native());
        found.ok().and_then(|at| tables.dedicated.get(at)).map(|dedicated| tables.id(&dedicated.user))
    }
}

/// Returns the warnings about the registry from which a snapshot was compiled.
///
/// A snapshot has no lines, so a finding names its entry in place of a line:
/// `account[company=acme,id=wa-1].country`. Three kinds of warnings concern files alone and are never found:
/// files that are not read, the spelling of header rows, and tests whose result changes with the time. Takes
/// about as long as checking the registry.
pub fn warnings(snapshot: &Snapshot) -> Findings {
    let channels: Vec<ChannelProfile> = snapshot.channels().map(profile_of).collect();
    let decompiler = Decompiler::new(snapshot);
    let mut warnings = Findings::default();
    // One company at a time needs less memory.
    for idx in snapshot.companies().map(|company| company.idx()) {
        let Ok(mut company) = decompiler.company(idx, &channels) else { continue };
        number_entries(&mut company);
        let registry = Registry { channels: channels.clone(), companies: vec![company] };
        let mut found = Findings::default();
        check(&registry, &mut found);
        let mut found = found.filtered(|_, code| code.severity() == Severity::Warning);
        for company in &registry.companies {
            found.relocate(|place, span| Place::entry(describe_entry(company, place, span)));
        }
        warnings.append(&found);
    }
    warnings
}

/// Returns the profile of a channel, as far as a snapshot has it. The other parts matter only to errors, which
/// a registry that was compiled does not have.
fn profile_of(channel: ChannelRef<'_>) -> ChannelProfile {
    ChannelProfile {
        id: channel.id().into(),
        conversation_role: channel.conversation_role(),
        pool_roles: RolePair { primary: false, secondary: false },
        address: channel.address_kind(),
        dedicated_since: None,
        place: Place::file("channels.toml"),
    }
}

/// Gives every entry of a company a line of its own in a file for entries of its kind.
fn number_entries(company: &mut Company) {
    let id = company.id.clone();
    let numbered = |kind: &str| {
        let file: Arc<str> = format!("{id}/{kind}").into();
        (1..).map(move |line| Place { file: file.clone(), line })
    };
    for (ou, place) in company.ous.iter_mut().zip(numbered("ou")) {
        ou.place = place;
    }
    for (pool, place) in company.pools.iter_mut().zip(numbered("pool")) {
        pool.ous_places.iter_mut().for_each(|it| *it = place.clone());
        pool.default_place = pool.default_country.map(|_| place.clone());
        pool.geography.values_mut().for_each(|(_, it)| *it = place.clone());
        pool.place = place;
    }
    for (account, place) in company.accounts.iter_mut().zip(numbered("account")) {
        account.place = place;
    }
}

/// Describes the entry at a place that [`number_entries`] gave, with the faulty field.
fn describe_entry(company: &Company, place: &Place, span: &Span) -> String {
    let index = (place.line as usize).wrapping_sub(1);
    let kind = place.file.rsplit('/').next().unwrap_or_default();
    let id = match kind {
        "ou" => company.ous.get(index).map(|ou| &ou.id),
        "pool" => company.pools.get(index).map(|pool| &pool.id),
        "account" => company.accounts.get(index).map(|account| &account.id),
        _ => None,
    };
    let entry = match id {
        Some(id) => format!("{kind}[company={},id={id}]", company.id),
        None => format!("company[id={}]", company.id),
    };
    match span {
        Span::Value(field) if &**field != "id" => format!("{entry}.{field}"),
        Span::Entry(country) => format!("{entry}.geography.{country}"),
        _ => entry,
    }
}

fn countries(mapping: &Mapping) -> BTreeMap<Country, Country> {
    mapping.iter().map(|(from, (to, _))| (Country(*from), Country(*to))).collect()
}

fn mapping(countries: BTreeMap<Country, Country>, place: &Place) -> Mapping {
    countries.into_iter().map(|(Country(from), Country(to))| (from, (to, place.clone()))).collect()
}

/// Returns the text of JSON without its quotes.
fn unescaped(json: &[u8]) -> Box<str> {
    let plain = || String::from_utf8_lossy(json).into_owned();
    if !json.contains(&b'\\') {
        return plain().into();
    }
    let quoted = [b"\"", json, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_else(|_| plain()).into()
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl From<Country> for String {
    fn from(Country(region): Country) -> String {
        region.alpha2().to_owned()
    }
}

impl TryFrom<String> for Country {
    type Error = String;

    fn try_from(alpha2: String) -> Result<Country, String> {
        Region::from_alpha2(&alpha2).map(Country).ok_or_else(|| format!("{alpha2:?} is no country"))
    }
}

#[cfg(test)]
mod tests {
    use switchboard_registry::{Code, Files, read};

    use super::*;
    use crate::{NoProgress, compile};

    const COMPANY: &str = "[geography]\nGB = \"DE\"\nFR = \"ES\"\n[[ou]]\nid = \"hq\"\n[[ou]]\nid = \"branch\"\nparent = \"hq\"\n\
        [[pool]]\nid = \"sms\"\nchannel = \"sms\"\nous = [\"branch\"]\ndefault_country = \"IT\"\n\
        geography = { NL = \"BE\", BE = \"DE\" }\n\
        [[pool]]\nid = \"line\"\nchannel = \"line\"\n";
    const ACCOUNTS: &str = "id,channel,role,address,country,pool,user\n\
        a1,sms,primary,+447400123400,,sms,\n\
        a2,sms,secondary,+447400123401,GB,sms,\n\
        a3,sms,secondary,+4915123456701,FR,sms,\n\
        a4,sms,secondary,+4474001234,DE,sms,\n\
        a5,sms,secondary,+88213123456,,sms,\n\
        a6,whatsapp,,+447400123402,,,ann\n\
        l1,line,secondary,@acme,GB,line,\n";

    #[test]
    fn warnings_of_a_snapshot_are_those_of_its_registry() {
        let mut files = Files::from_iter([("a/company.toml", COMPANY), ("a/accounts.csv", ACCOUNTS)]);
        files.insert(
            "b/company.toml".to_owned(),
            COMPANY.replace("geography = {", "geography = { FR = \"FI\","),
        );
        files.insert("b/accounts.csv".to_owned(), ACCOUNTS);
        let (registry, mut findings) = read(&files);
        check(&registry, &mut findings);
        let texts = |findings: &Findings| {
            let mut texts: Vec<(Code, String, String)> =
                findings.iter().map(|it| (it.code, it.message.clone(), it.help.clone())).collect();
            texts.sort();
            texts
        };
        let wanted = texts(&findings);
        let mut codes: Vec<Code> = wanted.iter().map(|(code, ..)| *code).collect();
        codes.dedup();
        assert!(findings.errors() == 0 && codes.len() == 8, "{findings:?}");

        let unsealed = compile(&registry, 1, &NoProgress).unwrap();
        let snapshot = Snapshot::open(unsealed.with_no_tests()).unwrap();
        let warnings = warnings(&snapshot);
        assert_eq!(texts(&warnings), wanted);
        assert_eq!(warnings.warnings(), findings.warnings());
        for company in ["a", "b"] {
            let count = |findings: &Findings| {
                let own = findings.filtered(|of, _| of == Some(company));
                (own.warnings(), own.len())
            };
            assert_eq!(count(&warnings), count(&findings));
        }
        let places: Vec<String> = warnings.iter().map(|it| it.place.to_string()).collect();
        for place in [
            "account[company=a,id=a3].country",
            "account[company=b,id=a4].address",
            "company[id=a].geography.GB",
            "ou[company=a,id=hq]",
            "pool[company=b,id=sms].geography.FR",
            "pool[company=a,id=sms].default_country",
            "pool[company=a,id=line].ous",
        ] {
            assert!(places.iter().any(|it| it == place), "{place} {places:#?}");
        }
    }
}
