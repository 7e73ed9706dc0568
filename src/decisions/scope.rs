//! Of which companies, OUs and channels the decisions are asked for.

use super::decision::id;
use crate::registry::did_you_mean;
use crate::snapshot::Snapshot;
use crate::snapshot::format::{ArchivedCompany, NO_COLUMN};
use crate::snapshot::view::Records;

/// What is asked for, by id. Nothing named: all there is, of channels those that the company has pools of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'n> {
    /// Companies.
    pub companies: &'n [String],
    /// Channels.
    pub channels: &'n [String],
    /// Organizational units.
    pub ous: &'n [String],
}

/// The same of one company, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scoped {
    /// The company.
    pub company: u32,
    /// Its OUs, in the order of their ids.
    pub ous: Vec<u32>,
    /// Channels, in the order of their ids.
    pub channels: Vec<u32>,
}

/// Something is named that there is not.
#[derive(Debug, thiserror::Error)]
#[error("there is no {kind} {name:?}: {help}")]
pub struct Unknown {
    kind: &'static str,
    name: String,
    help: String,
}

/// Most ids that are listed where none is close to a wrong one.
const MOST_LISTED: usize = 12;

impl Scope<'_> {
    /// Finds what is named. An OU need be only one of the companies'; those that have none of the named are
    /// left out.
    pub fn find(&self, snapshot: &Snapshot) -> Result<Vec<Scoped>, Unknown> {
        let contents = snapshot.contents();
        let company_ids = || contents.companies.iter().map(|company| id(snapshot.text(&company.id)));
        let channel_ids = || contents.channels.iter().map(|channel| id(snapshot.text(&channel.id)));
        let companies = named("company", self.companies, company_ids, |name| snapshot.company(name))?;
        let companies = match self.companies {
            [] => (0..contents.companies.len() as u32).collect(),
            _ => companies,
        };
        let channels = named("channel", self.channels, channel_ids, |name| snapshot.channel(name))?;
        let find_ou = |company, name: &str| snapshot.ou(company, name, snapshot.seek_ou(company, name));
        let ou_ids = || {
            let of = |&company: &u32| contents.ous.range(&contents.companies.at(company).ous).iter();
            companies.iter().flat_map(of).map(|ou| id(snapshot.text(&ou.id)))
        };
        named("organizational unit", self.ous, ou_ids, |name| {
            companies.iter().find_map(|&company| find_ou(company, name))
        })?;
        let of_company = |&number: &u32| {
            let company = contents.companies.at(number);
            let mut ous: Vec<u32> = match self.ous {
                [] => {
                    let first = company.ous.start.to_native();
                    (first..first + company.ous.len.to_native()).collect()
                }
                names => names.iter().filter_map(|name| find_ou(number, name)).collect(),
            };
            ous.sort_unstable();
            ous.dedup();
            let channels = if self.channels.is_empty() { used(snapshot, company) } else { channels.clone() };
            Scoped { company: number, ous, channels }
        };
        let scoped = companies.iter().map(of_company);
        Ok(scoped.filter(|scoped| self.ous.is_empty() || !scoped.ous.is_empty()).collect())
    }
}

/// The channels that a company has pools of.
pub fn used(snapshot: &Snapshot, company: &ArchivedCompany) -> Vec<u32> {
    let contents = snapshot.contents();
    let first = company.columns.to_native();
    let uses = |&channel: &u32| contents.columns.at(first + channel).to_native() != NO_COLUMN;
    (0..contents.channels.len() as u32).filter(uses).collect()
}

/// The numbers of what is named, in order, each once.
fn named<'k, K: Iterator<Item = &'k str>>(
    kind: &'static str,
    names: &[String],
    known: impl Fn() -> K,
    find: impl Fn(&str) -> Option<u32>,
) -> Result<Vec<u32>, Unknown> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let unknown = || {
            let help = did_you_mean(name, known(), || there_are(&mut known()));
            Unknown { kind, name: name.clone(), help }
        };
        found.push(find(name).ok_or_else(unknown)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn there_are<'k>(known: &mut impl Iterator<Item = &'k str>) -> String {
    let mut listed: Vec<&str> = known.by_ref().take(MOST_LISTED).collect();
    listed.sort_unstable();
    match (listed.is_empty(), known.count()) {
        (true, _) => "there is none at all".to_owned(),
        (false, 0) => format!("there are {}", listed.join(", ")),
        (false, more) => format!("there are {} and {more} more", listed.join(", ")),
    }
}
