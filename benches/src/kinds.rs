//! The kinds of queries that [`shapes::small`](crate::shapes::small) can answer.

use switchboard_model::Rule;
use switchboard_select::{Query, select};
use switchboard_snapshot::Snapshot;

use crate::{CONTEXT, QUERIES, SEED};

switchboard_model::text_enum! {
    /// A kind of query, named after its answer.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Kind {
        /// Answered by an account of the client's country, in the OU's own pool.
        Hit => "hit",
        /// Answered by an account of the country that the pool's geography maps to.
        Mapped => "mapped",
        /// Answered by an account of the pool's default country.
        Default => "default",
        /// Answered by a pool five levels above the OU.
        Climbed => "climbed 5",
        /// Answered by an error, because there is no account.
        Error => "error",
        /// Answered by the account that the client already talks to.
        Current => "current",
        /// Answered by the account that is dedicated to the user.
        Dedicated => "dedicated",
    }
}

impl Kind {
    /// Returns one query as URL fields. `account` and `user` are used by the kinds that name one.
    pub fn fields(self, client: u64, account: &str, user: u64) -> String {
        let (ou, country) = match self {
            Kind::Hit | Kind::Current | Kind::Dedicated => ("branch", "GB"),
            Kind::Mapped => ("branch", "NL"),
            Kind::Default => ("branch", "BR"),
            Kind::Climbed => ("floor-5", "US"),
            Kind::Error => ("island", "GB"),
        };
        let mut fields = format!("channel=whatsapp&ou={ou}&country={country}&client=c-{client}");
        match self {
            Kind::Current => fields += &format!("&current={account}"),
            Kind::Dedicated => fields += &format!("&user=user-{user}"),
            _ => {}
        }
        fields
    }

    /// Returns [`QUERIES`] queries of this kind as URL fields. Checks that each is answered as the kind says.
    pub fn urls(self, snapshot: &Snapshot) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(SEED);
        // British accounts of the branch, each of which can be a client's current account.
        let members = members(snapshot);
        let urls = (0..QUERIES).map(|_| {
            let account = members.get(random.usize(..members.len())).cloned().unwrap_or_default();
            self.fields(random.u64(..), &account, random.u64(..70))
        });
        let urls: Vec<String> = urls.collect();
        for url in &urls {
            let answer = select(snapshot, &query(url), CONTEXT);
            let answered = answer.result.map(|selection| (selection.rule, selection.location)).ok();
            assert_eq!(answered.map(|(rule, _)| rule), self.rule(), "{url}");
            if let Some((_, Some(found))) = answered {
                assert_eq!(found.climbed, if self == Kind::Climbed { 5 } else { 0 }, "{url}");
            }
        }
        urls
    }

    fn rule(self) -> Option<Rule> {
        Some(match self {
            Kind::Hit | Kind::Climbed => Rule::Country,
            Kind::Mapped => Rule::Geography,
            Kind::Default => Rule::DefaultRegion,
            Kind::Current => Rule::Current,
            Kind::Dedicated => Rule::Dedicated,
            Kind::Error => return None,
        })
    }
}

/// Parses URL fields into a query.
pub fn query(url: &str) -> Query<'_> {
    switchboard::api::data::query_string::parse(url).unwrap_or_else(|bad| panic!("{url}: {bad}"))
}

/// Returns the same query as a JSON object, which is a line of a batch.
pub fn json(url: &str) -> String {
    let fields = url.split('&').filter_map(|pair| pair.split_once('='));
    let fields: Vec<String> = fields.map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Returns the ids of the accounts that a thousand clients of the branch get.
fn members(snapshot: &Snapshot) -> Vec<String> {
    let mut ids: Vec<String> = (0..1_000)
        .filter_map(|client| {
            let url = Kind::Hit.fields(client, "", 0);
            let at = select(snapshot, &query(&url), CONTEXT).result.ok()?.account;
            Some(snapshot.account(at).id().to_owned())
        })
        .collect();
    ids.sort();
    ids.dedup();
    ids
}
