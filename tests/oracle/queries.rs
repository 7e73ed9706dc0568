//! Random queries for a registry. Most can be answered; every field is faulty at times.

use oracle::Query;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use switchboard_registry::{Company, Holder, Ou, Registry};

use super::registries::{CLIENTS, USERS, place};

/// A random query before its names are taken from a registry.
#[derive(Debug, Clone)]
pub struct QueryPlan {
    company: Index,
    company_given: Given,
    pool: Index,
    channel: Given,
    ou: Index,
    ou_given: Given,
    under_pool: bool,
    person: Person,
    client: Option<String>,
    user: Option<&'static str>,
    role: Option<&'static str>,
    current: Option<Current>,
    exclude: Vec<Index>,
    /// Unknown ids are added to `exclude` until it has this many.
    padding: usize,
    /// A text that cannot be an id, added to `exclude`.
    malformed_excluded: Option<&'static str>,
    exclude_own: bool,
    fallback: Option<&'static str>,
    garble: Option<Garble>,
    now: i64,
}

/// Whether a name exists in the registry.
#[derive(Debug, Clone, Copy)]
enum Given {
    Known,
    Unknown,
    LeftOut,
}

#[derive(Debug, Clone)]
struct Person {
    phone: Option<String>,
    country: Option<String>,
    bsuid: Option<String>,
}

#[derive(Debug, Clone)]
enum Current {
    /// Any account of the company.
    Any(Index),
    /// An account on the channel of the query.
    OnChannel(Index),
    /// An account of the next company, which may be the same one.
    Elsewhere(Index),
    /// The dedicated account of the user.
    Own,
    Unknown,
    /// A text that cannot be an id.
    Malformed(&'static str),
}

/// Texts that cannot be ids of accounts.
const NO_IDS: [&str; 8] = ["", " ", "a1 ", "a1,a2", "a/b", "a\u{200b}", "'a1'", "caf\u{e9}"];

#[derive(Debug, Clone, Copy)]
enum Garble {
    UnknownField,
    RepeatedField,
    NumericPhone,
    NullInExclude,
    TextExclude,
    NumericExclude,
    NotAnObject,
    NotJson,
}

/// Draws a plan, with the time of the query.
pub fn query() -> impl Strategy<Value = QueryPlan> {
    let ou = (any::<Index>(), given(1), prop::bool::weighted(0.8));
    let names = (any::<Index>(), given(5), any::<Index>(), given(1), ou, person(), client());
    let user = prop_oneof![
        60 => Just(None), 20 => select(USERS).prop_map(Some), 10 => Just(Some("stranger")),
        1 => select(&["m\u{fc}ller@b.example", "o'neil", "a,b/c"][..]).prop_map(Some),
        1 => select(&["", "a b", "u1 ", "\u{200b}u1", "u\u{ad}1", "u1\n"][..]).prop_map(Some),
    ];
    let role = prop_oneof![
        80 => Just(None), 15 => Just(Some("primary")), 15 => Just(Some("secondary")), 1 => Just(Some("tertiary"))
    ];
    let fallback = prop_oneof![80 => Just(None), 12 => Just(Some("none")), 8 => Just(Some("all")), 1 => Just(Some("some"))];
    let exclude =
        prop_oneof![2 => Just(Vec::new()).boxed(), 1 => prop::collection::vec(any::<Index>(), 1..10).boxed()];
    let padding = prop_oneof![90 => Just(0usize), 8 => Just(1), 2 => Just(64), 1 => Just(65)];
    let malformed = prop_oneof![80 => Just(None), 1 => select(&NO_IDS[..]).prop_map(Some)];
    let garble = prop_oneof![60 => Just(None), 1 => garble().prop_map(Some)];
    let rest = (
        user,
        role,
        current(),
        exclude,
        (padding, malformed),
        prop::bool::weighted(0.1),
        fallback,
        garble,
        -1i64..3,
    );
    (names, rest).prop_map(|(names, rest)| {
        let (company, company_given, pool, channel, (ou, ou_given, under_pool), person, client) = names;
        let (user, role, current, exclude, (padding, malformed_excluded), exclude_own, fallback, garble, now) = rest;
        QueryPlan {
            company,
            company_given,
            pool,
            channel,
            ou,
            ou_given,
            under_pool,
            person,
            client,
            user,
            role,
            current,
            exclude,
            padding,
            malformed_excluded,
            exclude_own,
            fallback,
            garble,
            now,
        }
    })
}

fn given(left_out: u32) -> impl Strategy<Value = Given> {
    prop_oneof![100 => Just(Given::Known), 1 => Just(Given::Unknown), left_out => Just(Given::LeftOut)]
}

/// Draws the client: a phone, a country, both or neither. Some are invalid.
fn person() -> impl Strategy<Value = Person> {
    let digits = prop_oneof![
        40 => (place(), 0..200u32).prop_map(|(at, n)| {
            let (_, number, width) = CLIENTS[at];
            format!("{number}{n:0width$}")
        }),
        3 => select(&["80012345678", "870773111632", "979123456789"][..]).prop_map(str::to_owned),
        3 => select(&["10000000000", "4411111111111", "70000000000", "4912"][..]).prop_map(str::to_owned),
        1 => select(&["999123456", "1234", "", "4474001234561234", "44740o123456", "0044740012345"][..])
            .prop_map(str::to_owned),
    ];
    let phone =
        (digits, any::<bool>()).prop_map(|(digits, plus)| if plus { format!("+{digits}") } else { digits });
    let country = prop_oneof![
        40 => place().prop_map(|at| CLIENTS[at].0.to_owned()),
        2 => select(&["IE", "AQ", "XK", "TA", "AC", "GF"][..]).prop_map(str::to_owned),
        1 => select(&["UK", "EU", "ZZ", "", "DEU", "4", "É"][..]).prop_map(str::to_owned),
    ];
    let country =
        (country, any::<bool>()).prop_map(|(text, low)| if low { text.to_ascii_lowercase() } else { text });
    let person = prop_oneof![
        16 => phone.clone().prop_map(|phone| (Some(phone), None)),
        16 => country.clone().prop_map(|country| (None, Some(country))),
        6 => (phone, country).prop_map(|(phone, country)| (Some(phone), Some(country))),
        4 => Just((None, None)),
    ];
    let bsuid = prop_oneof![
        40 => Just(None),
        8 => (place(), 0..200u32).prop_map(|(at, n)| Some(format!("{}.{n}", CLIENTS[at].0))),
        1 => place().prop_map(|at| Some(format!("{}.ENT.{}", CLIENTS[at].0, "9".repeat(128)))),
        1 => select(&["GB", "GB.", "gb.1", "UK.1", "GB.ENT.", "GB.a b", "GB.\u{e9}", ""][..])
            .prop_map(|text| Some(text.to_owned())),
    ];
    (person, bsuid).prop_map(|((phone, country), bsuid)| Person { phone, country, bsuid })
}

fn client() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        60 => Just(None),
        60 => (0..500u32).prop_map(|n| Some(format!("client-{n}"))),
        6 => Just(Some("Łódź \"7\"\\\n".to_owned())),
        3 => Just(Some("€".repeat(85) + "-")),
        1 => Just(Some("€".repeat(85) + "--")),
        1 => Just(Some(String::new())),
    ]
}

fn current() -> impl Strategy<Value = Option<Current>> {
    let some = prop_oneof![
        2 => any::<Index>().prop_map(Current::Any),
        6 => any::<Index>().prop_map(Current::OnChannel),
        1 => any::<Index>().prop_map(Current::Elsewhere),
        2 => Just(Current::Own),
        2 => Just(Current::Unknown),
        1 => select(&NO_IDS[..]).prop_map(Current::Malformed),
    ];
    prop_oneof![2 => Just(None), 1 => some.prop_map(Some)]
}

fn garble() -> impl Strategy<Value = Garble> {
    use Garble::{
        NotAnObject, NotJson, NullInExclude, NumericExclude, NumericPhone, RepeatedField, TextExclude,
        UnknownField,
    };
    select(
        &[
            UnknownField,
            RepeatedField,
            NumericPhone,
            NullInExclude,
            TextExclude,
            NumericExclude,
            NotAnObject,
            NotJson,
        ][..],
    )
}

impl QueryPlan {
    /// Returns the query of this plan for a registry, and its time in seconds after the time of the tests.
    pub fn aim(&self, registry: &Registry) -> (Query, i64) {
        let at = self.company.index(registry.companies.len());
        let company = &registry.companies[at];
        let channel = self.channel(registry, company);
        let on =
            |id: &str| registry.channels.iter().position(|profile| *profile.id == *id).map(|at| at as u16);
        let own = company.accounts.iter().find(|account| {
            account.channel == channel.as_deref().and_then(on)
                && self.user.is_some_and(|user| account.holder == Holder::User(user.into()))
        });
        let mut exclude: Vec<String> = Vec::new();
        if !company.accounts.is_empty() {
            exclude.extend(self.exclude.iter().map(|at| at.get(&company.accounts).id.to_string()));
        }
        exclude.extend(own.filter(|_| self.exclude_own).map(|own| own.id.to_string()));
        exclude.extend(self.malformed_excluded.map(str::to_owned));
        exclude.extend((exclude.len()..self.padding).map(|n| format!("gone-{n}")));
        let current = self.current.as_ref().and_then(|current| match current {
            Current::Unknown => Some("gone".to_owned()),
            Current::Malformed(text) => Some((*text).to_owned()),
            Current::Own => own.map(|own| own.id.to_string()),
            Current::Elsewhere(index) => {
                pick(&registry.companies[(at + 1) % registry.companies.len()], index, |_| true)
            }
            Current::Any(index) => pick(company, index, |_| true),
            Current::OnChannel(index) => {
                let channel = channel.as_deref().and_then(on);
                pick(company, index, |its| Some(its) == channel)
            }
        });
        let name = |given: Given, known: String, unknown: &str| match given {
            Given::Known => Some(known),
            Given::Unknown => Some(unknown.to_owned()),
            Given::LeftOut => None,
        };
        let mut query = Query {
            company: name(self.company_given, company.id.to_string(), "no-such-company"),
            ou: name(self.ou_given, self.ou(company), "atlantis"),
            channel,
            phone: self.person.phone.clone(),
            country: self.person.country.clone(),
            bsuid: self.person.bsuid.clone(),
            client: self.client.clone(),
            user: self.user.map(str::to_owned),
            role: self.role.map(str::to_owned),
            current,
            fallback: self.fallback.map(str::to_owned),
            exclude,
            garbled: None,
        };
        query.garbled = self.garble.map(|how| how.apply(&query));
        (query, self.now)
    }

    /// Returns an OU, mostly one that has a certain pool at its own level or above.
    fn ou(&self, company: &Company) -> String {
        let pool =
            self.under_pool.then(|| company.pools.get(self.pool.index(company.pools.len().max(1)))).flatten();
        let served =
            |ou: &&Ou| pool.is_none_or(|pool| upward(company, ou).any(|ou| pool.ous.contains(&ou.id)));
        let served: Vec<&Ou> = company.ous.iter().filter(served).collect();
        if served.is_empty() {
            self.ou.get(&company.ous).id.to_string()
        } else {
            self.ou.get(&served).id.to_string()
        }
    }

    /// Returns a channel, mostly that of a pool of the company.
    fn channel(&self, registry: &Registry, company: &Company) -> Option<String> {
        match self.channel {
            Given::Known if company.pools.is_empty() => {
                Some(self.pool.get(&registry.channels).id.to_string())
            }
            Given::Known => Some(self.pool.get(&company.pools).channel.to_string()),
            Given::Unknown => Some("pigeon".to_owned()),
            Given::LeftOut => None,
        }
    }
}

fn pick(company: &Company, index: &Index, on: impl Fn(u16) -> bool) -> Option<String> {
    let fit: Vec<_> = company.accounts.iter().filter(|account| account.channel.is_some_and(&on)).collect();
    (!fit.is_empty()).then(|| index.get(&fit).id.to_string())
}

/// Returns an OU and those above it.
fn upward<'a>(company: &'a Company, ou: &'a Ou) -> impl Iterator<Item = &'a Ou> {
    std::iter::successors(Some(ou), |ou| {
        company.ous.iter().find(|above| Some(&above.id) == ou.parent.as_ref())
    })
}

impl Garble {
    /// Returns the text of a query with this fault.
    fn apply(self, query: &Query) -> String {
        let mut fields = query.fields();
        match self {
            Garble::UnknownField => fields.push("\"colour\":\"red\"".to_owned()),
            Garble::RepeatedField => {
                fields.extend(["\"user\":\"u1\"".to_owned(), "\"user\":\"u1\"".to_owned()])
            }
            Garble::NumericPhone => {
                fields.retain(|field| !field.starts_with("\"phone\""));
                fields.push("\"phone\":447400123456".to_owned());
            }
            Garble::TextExclude | Garble::NumericExclude | Garble::NullInExclude => {
                fields.retain(|field| !field.starts_with("\"exclude\""));
                let value = match self {
                    Garble::TextExclude => "\"a1\"",
                    Garble::NumericExclude => "[1]",
                    _ => "[null]",
                };
                fields.push(format!("\"exclude\":{value}"));
            }
            Garble::NotAnObject => return format!("[{{{}}}]", fields.join(",")),
            Garble::NotJson => return format!("{{{}", fields.join(",")),
        }
        format!("{{{}}}", fields.join(","))
    }
}
