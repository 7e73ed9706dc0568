//! Queries of every kind that [`shapes::small`](crate::shapes::small) has a place for.

use switchboard_model::Rule;
use switchboard_select::{Query, select};
use switchboard_snapshot::Snapshot;

use crate::{MOMENT, QUERIES, SEED};

/// A kind of query, and how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An account of the client's country, in the OU's own pool.
    Hit,
    /// One of the country that the pool's geography maps to.
    Mapped,
    /// One of the pool's default country.
    Default,
    /// One of a pool five levels above.
    Climbed,
    /// There is none.
    Error,
    /// The one that the client talks to is kept.
    Current,
    /// The user's own.
    Dedicated,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 7] =
        [Kind::Hit, Kind::Mapped, Kind::Default, Kind::Climbed, Kind::Error, Kind::Current, Kind::Dedicated];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Hit => "hit",
            Kind::Mapped => "mapped",
            Kind::Default => "default",
            Kind::Climbed => "climbed 5",
            Kind::Error => "error",
            Kind::Current => "current",
            Kind::Dedicated => "dedicated",
        }
    }

    /// One query as the fields of a URL: of this client, and where an account is named, of this one.
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

    /// Queries of this kind as the fields of URLs, each answered as the kind says.
    pub fn urls(self, snapshot: &Snapshot) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(SEED);
        // Accounts of the branch in Britain: any may be somebody's current one.
        let members = members(snapshot);
        let urls = (0..QUERIES).map(|_| {
            let account = members.get(random.usize(..members.len())).cloned().unwrap_or_default();
            self.fields(random.u64(..), &account, random.u64(..70))
        });
        let urls: Vec<String> = urls.collect();
        for url in &urls {
            let answer = select(snapshot, &query(url), MOMENT);
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

/// The query that these fields come to.
pub fn query(url: &str) -> Query<'_> {
    switchboard::api::data::query_string::parse(url).unwrap_or_else(|bad| panic!("{url}: {bad}"))
}

/// The same query as a JSON object: a line of a batch.
pub fn json(url: &str) -> String {
    let fields = url.split('&').filter_map(|pair| pair.split_once('='));
    let fields: Vec<String> = fields.map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Which accounts a thousand clients of the branch get.
fn members(snapshot: &Snapshot) -> Vec<String> {
    let mut ids: Vec<String> = (0..1_000)
        .filter_map(|client| {
            let url = Kind::Hit.fields(client, "", 0);
            let at = select(snapshot, &query(&url), MOMENT).result.ok()?.account;
            Some(snapshot.account(at).id().to_owned())
        })
        .collect();
    ids.sort();
    ids.dedup();
    ids
}
