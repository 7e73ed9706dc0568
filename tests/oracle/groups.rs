//! Groups of equal accounts, and the account that each client gets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use switchboard_registry::Files;

use super::registries::NOW;
use super::render::files;
use super::subject::Subject;

/// The generation of every group's first snapshot.
const GENERATION: u64 = 1;

/// One account of a group.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: String,
    pub weight: u16,
    pub state: &'static str,
}

/// Accounts of one country in the only pool. They are equal except for their weights.
#[derive(Debug, Clone)]
pub struct Group(pub Vec<Member>);

impl Group {
    /// Creates an account for each weight.
    pub fn from_weights(weights: impl IntoIterator<Item = u16>) -> Group {
        let member = |(n, weight)| Member { id: format!("account-{n}"), weight, state: "active" };
        Group(weights.into_iter().enumerate().map(member).collect())
    }

    /// Returns the group without the account of this id.
    pub fn without(&self, id: &str) -> Group {
        Group(self.0.iter().filter(|member| member.id != id).cloned().collect())
    }

    /// Returns the group with the account of this id suspended.
    pub fn with_suspended(&self, id: &str) -> Group {
        let mut group = self.clone();
        group.0.iter_mut().filter(|member| member.id == id).for_each(|member| member.state = "suspended");
        group
    }

    /// Returns the group with its rows in another order, by a fixed shuffle.
    pub fn shuffled(&self) -> Group {
        let mut group = self.clone();
        fastrand::Rng::with_seed(1).shuffle(&mut group.0);
        group
    }

    /// Compiles the group into a snapshot.
    pub fn serve(&self) -> Serving {
        self.serve_as(GENERATION)
    }

    /// Compiles the group into a snapshot of this generation.
    pub fn serve_as(&self, generation: u64) -> Serving {
        Serving(Subject::compile(&self.files(), generation).expect("a sound registry"))
    }

    /// Returns a registry with this group only: channel `telegram`, OU `all`, country US.
    pub fn files(&self) -> Files {
        let settings = "name = \"A company\"\n[[ou]]\nid = \"all\"\n\
                        [[pool]]\nid = \"pool\"\nchannel = \"telegram\"\nous = [\"all\"]\n";
        let mut rows = String::from("id,channel,role,address,country,pool,weight,state\n");
        for Member { id, weight, state } in &self.0 {
            let _ = writeln!(rows, "{id},telegram,secondary,@{id},US,pool,{weight},{state}");
        }
        let texts = [("acme/company.toml", settings.to_owned()), ("acme/accounts.csv", rows)];
        files(texts.map(|(path, text)| (path.to_owned(), text)))
    }

    /// Returns the expected share of each account. The shares add up to 1.
    pub fn shares(&self) -> BTreeMap<&str, f64> {
        let whole: f64 = self.0.iter().map(|member| f64::from(member.weight)).sum();
        self.0.iter().map(|member| (&*member.id, f64::from(member.weight) / whole)).collect()
    }
}

/// A group that is compiled and answers queries.
pub struct Serving(Subject);

impl Serving {
    /// Returns the account for the client with this number.
    pub fn pick(&self, client: usize, excluded: Option<&str>) -> String {
        let exclude = excluded.map(|id| format!(",\"exclude\":[\"{id}\"]")).unwrap_or_default();
        self.ask(&format!(",\"client\":\"client-{client}\"{exclude}"))
    }

    /// Returns the account for the phone with this number.
    pub fn pick_by_phone(&self, number: usize) -> String {
        self.ask(&format!(",\"phone\":\"+1201{number:07}\""))
    }

    /// Returns an account for a query without client and phone.
    pub fn pick_without_client(&self) -> String {
        self.ask("")
    }

    /// Returns the account for each of the first `clients` clients.
    pub fn picks(&self, clients: usize, excluded: Option<&str>) -> Vec<String> {
        (0..clients).map(|client| self.pick(client, excluded)).collect()
    }

    fn ask(&self, rest: &str) -> String {
        let query = format!("{{\"channel\":\"telegram\",\"ou\":\"all\",\"country\":\"US\"{rest}}}");
        let (status, body) = self.0.select(&query, NOW);
        assert_eq!(status, 200, "{query}: {body}");
        body["account"].as_str().expect("an account").to_owned()
    }
}

/// Returns how often each account was picked.
pub fn tally(picks: &[String]) -> BTreeMap<&str, f64> {
    let mut tally = BTreeMap::new();
    for id in picks {
        *tally.entry(id.as_str()).or_default() += 1.0;
    }
    tally
}

/// Fails if the picks deviate from the weights more than chance does once in 30,000 runs.
///
/// Compares Pearson's statistic, with its own variance (rare accounts raise it), with the gamma distribution
/// of the same mean and variance at four standard deviations. Accounts that are expected less than 0.5 times
/// are counted together with all others of their weight.
pub fn assert_fair(group: &Group, picks: &[String]) {
    let (tally, shares, n) = (tally(picks), group.shares(), picks.len() as f64);
    assert!(tally.keys().all(|id| shares.contains_key(id)), "picks outside the group");
    if shares.len() == 1 {
        return;
    }
    let mut cells: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (id, share) in shares {
        let name = if n * share < 0.5 { format!("all with a share of {share}") } else { id.to_owned() };
        let cell = cells.entry(name).or_default();
        cell.0 += share;
        cell.1 += tally.get(id).copied().unwrap_or(0.0);
    }
    let k = cells.len() as f64;
    let strays: f64 = cells.values().map(|(share, picked)| (picked - n * share).powi(2) / (n * share)).sum();
    let inverse: f64 = cells.values().map(|(share, _)| 1.0 / share).sum();
    let variance = 2.0 * (k - 1.0) + (inverse - k * k - 2.0 * k + 2.0) / n;
    // Wilson and Hilferty: the cube root of a gamma is nearly normal.
    let ninth = variance / (9.0 * (k - 1.0) * (k - 1.0));
    let limit = (k - 1.0) * (1.0 - ninth + 4.0 * ninth.sqrt()).powi(3);
    let size = group.0.len();
    assert!(
        strays <= limit,
        "{size} accounts, {n} picks: deviation {strays:.1} from the weights, limit {limit:.1}"
    );
}
