//! Random registries: small, with many accounts for each OU, and free of errors by construction.
//!
//! A strategy draws a plan of numbers and choices. [`super::render`] makes files of the plan, and changes
//! whatever would be an error.

use proptest::prelude::*;
use proptest::sample::select;

/// The time of the tests, in Unix seconds: 2027-01-15T08:00:00Z.
pub const NOW: i64 = 1_800_000_000;

/// Countries, many of which share a calling code. Each has the beginning of a mobile number, and the number
/// of digits that are missing.
pub const CLIENTS: &[(&str, &str, usize)] = &[
    ("US", "1201555", 4),
    ("CA", "1416555", 4),
    ("GB", "447400123", 3),
    ("JE", "447797712", 3),
    ("DE", "4915123456", 3),
    ("FR", "336123456", 3),
    ("CH", "41781234", 3),
    ("LI", "42366012", 4),
    ("KZ", "7771000", 4),
    ("RU", "791234567", 3),
    ("HK", "8525123", 4),
];

/// Ids of users with dedicated accounts.
pub const USERS: &[&str] = &["u1", "u2@example.com"];

/// Channels of the pools, with the form of their addresses.
pub const CHANNELS: &[(&str, Address)] = &[
    ("whatsapp", Address::Phone),
    ("sms", Address::Phone),
    ("wechat_miniapp", Address::Email),
    ("telegram", Address::Handle),
    (CUSTOM, Address::Phone),
    ("signal", Address::Phone),
];

/// A channel that the registry itself defines.
pub const CUSTOM: &str = "pager";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Phone,
    Email,
    Handle,
}

/// The plan of a registry.
#[derive(Debug, Clone)]
pub struct RegistryPlan {
    pub companies: Vec<CompanyPlan>,
    /// Whether the registry overrides `telegram` with the conversation role `primary`.
    pub telegram_through_primaries: bool,
}

#[derive(Debug, Clone)]
pub struct CompanyPlan {
    pub ou_without_pool: Option<&'static str>,
    pub dedicated_unavailable: Option<&'static str>,
    pub platform_version: Option<&'static str>,
    pub geography: Vec<(usize, usize)>,
    pub ous: Vec<OuPlan>,
    /// Index in [`CHANNELS`] of the channel of most pools and accounts.
    pub channel: usize,
    pub pools: Vec<PoolPlan>,
    pub accounts: Vec<AccountPlan>,
    /// Whether the columns of accounts.csv are in reverse order.
    pub mirrored: bool,
}

#[derive(Debug, Clone)]
pub struct OuPlan {
    /// Distance back to the parent in the list of OUs; 0 for a root.
    pub parent: usize,
    pub in_csv: bool,
}

#[derive(Debug, Clone)]
pub struct PoolPlan {
    /// Index of a channel other than the company's.
    pub channel: Option<usize>,
    pub ous: Vec<usize>,
    pub priority: Option<i64>,
    pub country_match: Option<&'static str>,
    pub default_country: Option<usize>,
    pub fallback_upward: bool,
    pub geography: Vec<(usize, usize)>,
}

#[derive(Debug, Clone)]
pub struct AccountPlan {
    pub holder: HolderPlan,
    pub primary: bool,
    pub country: usize,
    /// Whether the country column is empty. The country then comes from a phone number, or is absent.
    pub country_left_out: bool,
    /// The beginning of a number without a country, or of an unassigned number whose country is guessed.
    pub odd_number: Option<&'static str>,
    pub weight: Option<u16>,
    pub state: &'static str,
    pub available_from: &'static str,
}

#[derive(Debug, Clone)]
pub enum HolderPlan {
    Pool(usize),
    User(usize),
    Spare { with_role: bool },
}

/// Draws a registry of 1 to 3 companies.
pub fn registry() -> impl Strategy<Value = RegistryPlan> {
    let companies = prop_oneof![
        3 => prop::collection::vec(company(), 1..2),
        2 => prop::collection::vec(company(), 2..4),
    ];
    (companies, prop::bool::weighted(0.2)).prop_map(|(companies, telegram_through_primaries)| RegistryPlan {
        companies,
        telegram_through_primaries,
    })
}

fn company() -> impl Strategy<Value = CompanyPlan> {
    let settings = (
        prop_oneof![3 => Just(None), 1 => Just(Some("inherit")), 1 => Just(Some("error"))],
        prop_oneof![1 => Just(None), 1 => Just(Some("error")), 2 => Just(Some("pool"))],
        prop_oneof![3 => Just(None), 1 => Just(Some("1.22.1")), 1 => Just(Some("1.24.0")), 1 => Just(Some("2.0.0"))],
        any::<bool>(),
        prop_oneof![6 => 0..1usize, 4 => 0..CHANNELS.len()],
    );
    let lists = (
        geography(4),
        prop::collection::vec(ou(), 1..9),
        prop_oneof![1 => prop::collection::vec(pool(), 0..1), 20 => prop::collection::vec(pool(), 1..7)],
        prop_oneof![prop::collection::vec(account(), 0..26), prop::collection::vec(account(), 15..26)],
    );
    (settings, lists).prop_map(|(settings, (geography, ous, pools, accounts))| {
        let (ou_without_pool, dedicated_unavailable, platform_version, mirrored, channel) = settings;
        CompanyPlan {
            ou_without_pool,
            dedicated_unavailable,
            platform_version,
            geography,
            ous,
            channel,
            pools,
            accounts,
            mirrored,
        }
    })
}

/// Draws a country as an index into [`CLIENTS`]. The first countries are more likely.
pub fn place() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![2 => 0..3usize, 2 => 0..6usize, 1 => 0..CLIENTS.len()]
}

fn geography(most: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((place(), place()), 0..=most)
}

fn ou() -> impl Strategy<Value = OuPlan> {
    (prop_oneof![5 => 1..2usize, 2 => 1..4usize, 1 => 0..1usize], prop::bool::weighted(0.3))
        .prop_map(|(parent, in_csv)| OuPlan { parent, in_csv })
}

fn pool() -> impl Strategy<Value = PoolPlan> {
    let channel = prop_oneof![4 => Just(None), 1 => (0..CHANNELS.len()).prop_map(Some)];
    let ous = prop_oneof![1 => prop::collection::vec(0..8usize, 0..1), 15 => prop::collection::vec(0..8usize, 1..4)];
    let priority = prop_oneof![3 => Just(None), 3 => (-1..2i64).prop_map(Some), 1 => Just(Some(i64::MIN))];
    let country_match = select(&[None, Some("country"), Some("calling_code"), Some("calling_code")][..]);
    let default_country = prop_oneof![2 => Just(None), 1 => place().prop_map(Some)];
    (channel, ous, priority, country_match, default_country, prop::bool::weighted(0.7), geography(3))
        .prop_map(|(channel, ous, priority, country_match, default_country, fallback_upward, geography)| {
            PoolPlan { channel, ous, priority, country_match, default_country, fallback_upward, geography }
        })
}

fn account() -> impl Strategy<Value = AccountPlan> {
    let holder = prop_oneof![
        16 => (0..6usize).prop_map(HolderPlan::Pool),
        3 => (0..USERS.len()).prop_map(HolderPlan::User),
        1 => any::<bool>().prop_map(|with_role| HolderPlan::Spare { with_role }),
    ];
    let odd = prop_oneof![16 => Just(None), 1 => Just(Some("800123450")), 1 => Just(Some("441111111"))];
    let weight = prop_oneof![2 => Just(None), 1 => (1..=1000u16).prop_map(Some)];
    let state =
        prop_oneof![8 => Just(""), 2 => Just("active"), 2 => Just("draining"), 2 => Just("suspended")];
    let from = prop_oneof![
        10 => Just(""),
        5 => select(&[
            "2020-02-29", "2027-01-15", "2027-01-16", "2099-01-01", "2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z",
            "2027-01-15T09:00:00+01:00", "2027-01-15T07:59:59Z",
        ][..]),
    ];
    (holder, prop::bool::weighted(0.3), place(), prop::bool::weighted(0.3), odd, weight, state, from)
        .prop_map(
            |(holder, primary, country, country_left_out, odd_number, weight, state, available_from)| {
                AccountPlan {
                    holder,
                    primary,
                    country,
                    country_left_out,
                    odd_number,
                    weight,
                    state,
                    available_from,
                }
            },
        )
}
