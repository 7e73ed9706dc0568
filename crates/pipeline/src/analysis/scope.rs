//! Restricts an analysis to companies, OUs and channels, by their ids, and to roles.

use std::collections::{BTreeSet, HashSet};

use switchboard_model::{Role, SelectError};
use switchboard_registry::did_you_mean;
use switchboard_select::Query;
use switchboard_snapshot::{ChannelIdx, CompanyIdx, OuIdx, Snapshot};

/// The ids that an analysis is restricted to. An empty list means all: for channels, all those that the
/// company has pools of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'n> {
    /// The ids of the companies.
    pub companies: &'n [String],
    /// The ids of the channels.
    pub channels: &'n [String],
    /// The ids of the organizational units (OUs).
    pub ous: &'n [String],
    /// The roles of each channel.
    pub roles: Roles,
}

/// The roles of a channel that an analysis includes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Roles {
    /// The conversation role of each channel.
    #[default]
    Conversation,
    /// The conversation role of each channel, and the other role where a chain has an account of it.
    All,
    /// This role on every channel, also where no account has it.
    Only(Role),
}

/// The part of one company that a [`Scope`] selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scoped {
    /// Index of the company in the snapshot.
    pub company: CompanyIdx,
    /// The company's OUs, in the order of their ids.
    pub ous: Vec<OuIdx>,
    /// The channels with each role that the scope selects, in the order of their ids and of [`Role::ALL`].
    pub channels: Vec<(ChannelIdx, Role)>,
}

/// An id that no snapshot has, with similar or known ids.
#[derive(Debug, thiserror::Error)]
#[error("there is no {kind} {name:?}: {help}")]
pub struct UnknownId {
    kind: &'static str,
    name: String,
    help: String,
    is_near: bool,
}

/// Maximum number of ids that are listed if no id is similar to the unknown one.
const MAX_LISTED_IDS: usize = 12;

impl UnknownId {
    /// Returns the similar id or the known ids, such as `did you mean `emea`?`.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Returns the help, if a known id is similar to the unknown one.
    pub fn near(&self) -> Option<&str> {
        self.is_near.then_some(&*self.help)
    }

    /// Returns the id that a query names and a snapshot does not have, if the selection failed with `error` because
    /// of it.
    pub fn of_query(snapshot: &Snapshot, query: &Query<'_>, error: SelectError) -> Option<UnknownId> {
        let one = |id: &str| vec![id.to_owned()];
        let (mut companies, mut channels, mut ous) = (Vec::new(), Vec::new(), Vec::new());
        match (error, &query.company) {
            (SelectError::UnknownCompany, Some(company)) => companies = one(company),
            (SelectError::UnknownChannel, _) => channels = one(&query.channel),
            (SelectError::UnknownOu, company) => {
                companies.extend(company.as_deref().map(str::to_owned));
                ous = one(&query.ou);
            }
            _ => return None,
        }
        let scope = Scope { companies: &companies, channels: &channels, ous: &ous, ..Scope::default() };
        scope.check(&[snapshot]).err()
    }
}

impl Scope<'_> {
    /// Checks that at least one of the snapshots has each id. An OU need exist in only one of the companies.
    ///
    /// # Errors
    /// Returns the first id that no snapshot has.
    pub fn check(&self, snapshots: &[&Snapshot]) -> Result<(), UnknownId> {
        let snapshots = || snapshots.iter().copied();
        check("company", self.companies, || snapshots().flat_map(companies))?;
        check("channel", self.channels, || snapshots().flat_map(channels))?;
        check("organizational unit", self.ous, || {
            let of_company = |(snapshot, (_, company))| ous(snapshot, company);
            let asked = |snapshot| self.companies(snapshot).map(move |company| (snapshot, company));
            snapshots().flat_map(asked).flat_map(of_company)
        })
    }

    /// Returns the companies of the scope, with their OUs and channels. Skips companies that have none of the
    /// OUs.
    ///
    /// # Errors
    /// Returns the first id that the snapshot does not have.
    pub fn find(&self, snapshot: &Snapshot) -> Result<Vec<Scoped>, UnknownId> {
        self.check(&[snapshot])?;
        let scoped = self.companies(snapshot).map(|(_, company)| Scoped {
            company,
            ous: self.ous(snapshot, company).map(|(_, idx)| idx).collect(),
            channels: self
                .channels(snapshot, company)
                .flat_map(|(_, idx)| {
                    self.roles(snapshot, company, idx).into_iter().map(move |role| (idx, role))
                })
                .collect(),
        });
        Ok(scoped.filter(|scoped| self.ous.is_empty() || !scoped.ous.is_empty()).collect())
    }

    /// Returns the companies of the scope.
    pub fn companies<'s>(&self, snapshot: &'s Snapshot) -> impl Iterator<Item = (&'s str, CompanyIdx)> {
        companies(snapshot).filter(|(id, _)| is_selected(self.companies, id))
    }

    /// Returns the OUs of a company that the scope selects.
    pub fn ous<'s>(
        &self,
        snapshot: &'s Snapshot,
        company: CompanyIdx,
    ) -> impl Iterator<Item = (&'s str, OuIdx)> {
        ous(snapshot, company).filter(|(id, _)| is_selected(self.ous, id))
    }

    /// Returns the roles of a company's channel that the scope selects, in the order of [`Role::ALL`].
    pub fn roles(&self, snapshot: &Snapshot, company: CompanyIdx, channel: ChannelIdx) -> Vec<Role> {
        let conversation = snapshot.channel(channel).conversation_role();
        let is_selected = |role: &Role| match self.roles {
            Roles::Only(only) => *role == only,
            _ if *role == conversation => true,
            Roles::Conversation => false,
            Roles::All => has_accounts(snapshot, company, channel, *role),
        };
        Role::ALL.into_iter().filter(is_selected).collect()
    }

    /// Returns the channels of the scope. An empty list of channels selects those that the company has pools
    /// of.
    pub fn channels<'s>(
        &self,
        snapshot: &'s Snapshot,
        company: CompanyIdx,
    ) -> impl Iterator<Item = (&'s str, ChannelIdx)> {
        let company = snapshot.company(company);
        channels(snapshot).filter(move |&(id, channel)| match self.channels {
            [] => company.has_pools_of(channel),
            named => is_selected(named, id),
        })
    }
}

/// Returns whether a chain of the company has an account of this channel and role.
fn has_accounts(snapshot: &Snapshot, company: CompanyIdx, channel: ChannelIdx, role: Role) -> bool {
    let mut seen = HashSet::new();
    let ous = snapshot.company(company).ous();
    let mut levels = ous.filter_map(|ou| snapshot.chain(company, ou.idx(), channel, role));
    levels.any(|level| {
        seen.insert(level.idx())
            && level.runs().any(|(_, mut steps)| steps.any(|step| !step.candidates().is_empty()))
    })
}

fn is_selected(named: &[String], id: &str) -> bool {
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

fn check<'k, I, K: Iterator<Item = (&'k str, I)>>(
    kind: &'static str,
    names: &[String],
    all: impl Fn() -> K,
) -> Result<(), UnknownId> {
    let known = || all().map(|(id, _)| id);
    match names.iter().find(|name| !known().any(|id| id == *name)) {
        None => Ok(()),
        Some(name) => {
            // A set, because two snapshots have most ids in common.
            let known: BTreeSet<&str> = known().collect();
            let near = did_you_mean(name, known.iter().copied(), String::new);
            let is_near = !near.is_empty();
            let help = if is_near { near } else { list_ids(&known) };
            Err(UnknownId { kind, name: name.clone(), help, is_near })
        }
    }
}

fn list_ids(known: &BTreeSet<&str>) -> String {
    let listed = known.iter().take(MAX_LISTED_IDS).copied().collect::<Vec<_>>().join(", ");
    match known.len().saturating_sub(MAX_LISTED_IDS) {
        _ if known.is_empty() => "there are none".to_owned(),
        0 => format!("the known ids are {listed}"),
        more => format!("the known ids are {listed} and {more} more"),
    }
}
