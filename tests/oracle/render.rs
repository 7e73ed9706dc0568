//! Renders plans of registries as the files that an administrator would write.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use switchboard_registry::Files;

use super::registries::{
    AccountPlan, Address, CHANNELS, CLIENTS, CUSTOM, CompanyPlan, HolderPlan, PoolPlan, RegistryPlan, USERS,
};

/// Ids of pools. Their order by bytes is neither that of this list nor that of the numbers in them.
const POOLS: [&str; 6] = ["p2", "p10", "P", "p-1", "p.1", "p"];
const COMPANIES: [&str; 3] = ["borealis", "acme", "Corvid"];
const COLUMNS: [&str; 10] =
    ["id", "channel", "role", "address", "country", "pool", "user", "weight", "state", "available_from"];

/// Creates files from pairs of a path and a text.
pub fn files(texts: impl IntoIterator<Item = (String, String)>) -> Files {
    Files::from_iter(texts)
}

impl RegistryPlan {
    /// Returns the files of the registry.
    pub fn render(&self) -> Files {
        let mut texts = BTreeMap::from([("channels.toml".to_owned(), self.channels())]);
        for (company, id) in self.companies.iter().zip(COMPANIES) {
            texts.insert(format!("{id}/company.toml"), company.settings());
            if company.ous.iter().any(|ou| ou.in_csv) {
                texts.insert(format!("{id}/ous.csv"), company.ous_csv());
            }
            texts.insert(format!("{id}/accounts.csv"), company.accounts_csv(self.telegram_through_primaries));
        }
        files(texts)
    }

    fn channels(&self) -> String {
        let mut text = format!(
            "[channel.{CUSTOM}]\nconversation_role = \"primary\"\npool_must_hold = [\"primary\"]\n\
             address = \"phone\"\ndedicated_since = \"1.23\"\n"
        );
        if self.telegram_through_primaries {
            text += "\n[channel.telegram]\nconversation_role = \"primary\"\npool_must_hold = [\"primary\"]\n";
        }
        text
    }
}

/// A row of accounts.csv, by column.
type Row = BTreeMap<&'static str, String>;

impl CompanyPlan {
    fn settings(&self) -> String {
        let mut text = String::from("name = \"A company\"\n");
        let settings = [
            ("ou_without_pool", self.ou_without_pool),
            ("dedicated_unavailable", self.dedicated_unavailable),
            ("platform_version", self.platform_version),
        ];
        for (name, value) in settings {
            if let Some(value) = value {
                let _ = writeln!(text, "{name} = \"{value}\"");
            }
        }
        let _ = writeln!(text, "geography = {}", mapping(&self.geography));
        for (at, _) in self.ous.iter().enumerate().filter(|(_, ou)| !ou.in_csv) {
            let _ = writeln!(text, "\n[[ou]]\nid = \"o{at}\"");
            if let Some(parent) = self.parent(at) {
                let _ = writeln!(text, "parent = \"o{parent}\"");
            }
        }
        for (pool, id) in self.pools.iter().zip(POOLS) {
            let _ = writeln!(
                text,
                "\n[[pool]]\nid = \"{id}\"\nchannel = \"{}\"",
                CHANNELS[self.channel_of(pool)].0
            );
            pool.settings(self.ous.len(), &mut text);
        }
        text
    }

    fn ous_csv(&self) -> String {
        let mut text = String::from("id,parent,name\n");
        for (at, _) in self.ous.iter().enumerate().filter(|(_, ou)| ou.in_csv) {
            let parent = self.parent(at).map(|parent| format!("o{parent}")).unwrap_or_default();
            let _ = writeln!(text, "o{at},{parent},\"Unit, number {at}\"");
        }
        text
    }

    /// Returns the parent of an OU. An OU whose plan points before the first OU is a root.
    fn parent(&self, at: usize) -> Option<usize> {
        let back = self.ous[at].parent;
        (back > 0).then(|| at.checked_sub(back)).flatten()
    }

    fn channel_of(&self, pool: &PoolPlan) -> usize {
        pool.channel.unwrap_or(self.channel)
    }

    fn accounts_csv(&self, telegram_through_primaries: bool) -> String {
        let mut dedicated = BTreeSet::new();
        let mut held = BTreeSet::new();
        let mut rows: Vec<Row> = Vec::new();
        for plan in &self.accounts {
            let mut row = Row::new();
            let channel = match plan.holder {
                HolderPlan::Pool(_) if self.pools.is_empty() => self.channel,
                HolderPlan::Pool(at) => {
                    let at = at % self.pools.len();
                    row.insert("pool", POOLS[at].to_owned());
                    row.insert("role", role(plan.primary).to_owned());
                    held.insert((at, plan.primary));
                    self.channel_of(&self.pools[at])
                }
                HolderPlan::User(user) => {
                    if self.has_dedicated(CHANNELS[self.channel].0) && dedicated.insert(user) {
                        row.insert("user", USERS[user].to_owned());
                    }
                    self.channel
                }
                HolderPlan::Spare { with_role } => {
                    if with_role {
                        row.insert("role", role(plan.primary).to_owned());
                    }
                    self.channel
                }
            };
            plan.fill_row(CHANNELS[channel], rows.len(), &mut row);
            rows.push(row);
        }
        for (at, pool) in self.pools.iter().enumerate() {
            let channel = CHANNELS[self.channel_of(pool)];
            for primary in [true, false] {
                if required(channel.0, primary, telegram_through_primaries) && !held.contains(&(at, primary))
                {
                    let mut row =
                        Row::from([("pool", POOLS[at].to_owned()), ("role", role(primary).to_owned())]);
                    AccountPlan::plain(at).fill_row(channel, rows.len(), &mut row);
                    rows.push(row);
                }
            }
        }
        let mut columns = COLUMNS;
        if self.mirrored {
            columns.reverse();
        }
        let line = |row: &Row| columns.map(|column| row.get(column).cloned().unwrap_or_default()).join(",");
        let lines = rows.iter().map(line);
        std::iter::once(columns.join(",")).chain(lines).map(|line| line + "\n").collect()
    }

    fn has_dedicated(&self, channel: &str) -> bool {
        let since = match channel {
            "whatsapp" => "1.22.1",
            "sms" => "1.24.0",
            CUSTOM => "1.23",
            _ => return false,
        };
        self.platform_version.is_none_or(|version| version >= since)
    }
}

impl PoolPlan {
    fn settings(&self, ous: usize, text: &mut String) {
        let ous: BTreeSet<String> = self.ous.iter().map(|at| format!("\"o{}\"", at % ous)).collect();
        let _ = writeln!(text, "ous = [{}]", ous.into_iter().collect::<Vec<_>>().join(", "));
        if let Some(priority) = self.priority {
            let _ = writeln!(text, "priority = {priority}");
        }
        if let Some(how) = self.country_match {
            let _ = writeln!(text, "country_match = \"{how}\"");
        }
        if let Some(at) = self.default_country {
            let _ = writeln!(text, "default_country = \"{}\"", CLIENTS[at].0);
        }
        if self.fallback_upward {
            text.push_str("fallback_upward = true\n");
        }
        let _ = writeln!(text, "geography = {}", mapping(&self.geography));
    }
}

impl AccountPlan {
    fn plain(country: usize) -> AccountPlan {
        AccountPlan {
            holder: HolderPlan::Spare { with_role: false },
            primary: false,
            country,
            country_left_out: false,
            odd_number: None,
            weight: None,
            state: "",
            available_from: "",
        }
    }

    /// Sets all columns except pool, user and role. `n` is the number of the account in its company.
    fn fill_row(&self, (channel, address): (&'static str, Address), n: usize, row: &mut Row) {
        let (country, number, width) = CLIENTS[self.country % CLIENTS.len()];
        row.insert("id", format!("a{n}"));
        row.insert("channel", channel.to_owned());
        row.insert("weight", self.weight.map(|weight| weight.to_string()).unwrap_or_default());
        row.insert("state", self.state.to_owned());
        row.insert("available_from", self.available_from.to_owned());
        row.insert(
            "address",
            match (address, self.odd_number) {
                (Address::Phone, None) => format!("+{number}{n:0width$}"),
                (Address::Phone, Some(odd)) => format!("+{odd}{n:03}"),
                (Address::Email, _) => format!("a{n}@example.com"),
                (Address::Handle, _) => format!("@a{n}"),
            },
        );
        if address != Address::Phone || !self.country_left_out {
            row.insert("country", country.to_owned());
        }
    }
}

fn role(primary: bool) -> &'static str {
    if primary { "primary" } else { "secondary" }
}

fn required(channel: &str, primary: bool, telegram_through_primaries: bool) -> bool {
    match channel {
        "whatsapp" | "sms" => true,
        "wechat_miniapp" | CUSTOM => primary,
        "telegram" => primary == telegram_through_primaries,
        _ => !primary,
    }
}

/// Returns a mapping as an inline table. The first entry of a country counts, and no country is mapped to
/// itself.
fn mapping(pairs: &[(usize, usize)]) -> String {
    let mut mapping = BTreeMap::new();
    for (from, to) in pairs.iter().filter(|(from, to)| from != to) {
        mapping.entry(from).or_insert(to);
    }
    let entries: Vec<String> = mapping
        .into_iter()
        .map(|(from, to)| format!("{} = \"{}\"", CLIENTS[*from].0, CLIENTS[*to].0))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}
