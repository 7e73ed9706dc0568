//! Of which companies, OUs and channels the decisions are asked for.

use std::collections::BTreeSet;

use switchboard_registry::did_you_mean;
use switchboard_snapshot::{ChannelIdx, CompanyIdx, OuIdx, Snapshot};

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
    pub company: CompanyIdx,
    /// Its OUs, in the order of their ids.
    pub ous: Vec<OuIdx>,
    /// Channels, in the order of their ids.
    pub channels: Vec<ChannelIdx>,
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
    /// Sees that one at least of the snapshots has what is named. An OU need be only one of the companies'.
    pub fn demand(&self, snapshots: &[&Snapshot]) -> Result<(), Unknown> {
        let snapshots = || snapshots.iter().copied();
        demand("company", self.companies, || snapshots().flat_map(companies))?;
        demand("channel", self.channels, || snapshots().flat_map(channels))?;
        demand("organizational unit", self.ous, || {
            let of_company = |(snapshot, (_, company))| ous(snapshot, company);
            let asked = |snapshot| self.companies(snapshot).map(move |company| (snapshot, company));
            snapshots().flat_map(asked).flat_map(of_company)
        })
    }

    /// What is named, of companies that have any of the OUs that are.
    pub fn find(&self, snapshot: &Snapshot) -> Result<Vec<Scoped>, Unknown> {
        self.demand(&[snapshot])?;
        let scoped = self.companies(snapshot).map(|(_, company)| Scoped {
            company,
            ous: self.ous(snapshot, company).map(|(_, idx)| idx).collect(),
            channels: self.channels(snapshot, company).map(|(_, idx)| idx).collect(),
        });
        Ok(scoped.filter(|scoped| self.ous.is_empty() || !scoped.ous.is_empty()).collect())
    }

    /// The companies that are asked for, by id and number.
    pub fn companies<'s>(&self, snapshot: &'s Snapshot) -> impl Iterator<Item = (&'s str, CompanyIdx)> {
        companies(snapshot).filter(|(id, _)| wanted(self.companies, id))
    }

    /// The OUs of a company that are asked for.
    pub fn ous<'s>(
        &self,
        snapshot: &'s Snapshot,
        company: CompanyIdx,
    ) -> impl Iterator<Item = (&'s str, OuIdx)> {
        ous(snapshot, company).filter(|(id, _)| wanted(self.ous, id))
    }

    /// The channels that are asked for; where none is named, those that the company has pools of.
    pub fn channels<'s>(
        &self,
        snapshot: &'s Snapshot,
        company: CompanyIdx,
    ) -> impl Iterator<Item = (&'s str, ChannelIdx)> {
        let company = snapshot.company(company);
        channels(snapshot).filter(move |&(id, channel)| match self.channels {
            [] => company.has_pools_of(channel),
            named => wanted(named, id),
        })
    }
}

fn wanted(named: &[String], id: &str) -> bool {
    named.is_empty() || named.iter().any(|name| name == id)
}

fn companies(snapshot: &Snapshot) -> impl Iterator<Item = (&str, CompanyIdx)> {
    snapshot.companies().map(|company| (company.id(), company.idx()))
}

fn channels(snapshot: &Snapshot) -> impl Iterator<Item = (&str, ChannelIdx)> {
    snapshot.channels().map(|channel| (channel.id(), channel.idx()))
}

fn ous(snapshot: &Snapshot, company: CompanyIdx) -> impl Iterator<Item = (&str, OuIdx)> {
    snapshot.company(company).ous().map(|ou| (ou.id(), ou.idx()))
}

fn demand<'k, I, K: Iterator<Item = (&'k str, I)>>(
    kind: &'static str,
    names: &[String],
    all: impl Fn() -> K,
) -> Result<(), Unknown> {
    let known = || all().map(|(id, _)| id);
    match names.iter().find(|name| !known().any(|id| id == *name)) {
        None => Ok(()),
        Some(name) => {
            // Two snapshots have most of them in common.
            let known: BTreeSet<&str> = known().collect();
            let help = did_you_mean(name, known.iter().copied(), || there_are(&known));
            Err(Unknown { kind, name: name.clone(), help })
        }
    }
}

fn there_are(known: &BTreeSet<&str>) -> String {
    let listed = known.iter().take(MOST_LISTED).copied().collect::<Vec<_>>().join(", ");
    match known.len().saturating_sub(MOST_LISTED) {
        _ if known.is_empty() => "there is none at all".to_owned(),
        0 => format!("there are {listed}"),
        more => format!("there are {listed} and {more} more"),
    }
}
