//! Replaces companies in a database by those of a registry that was read from files.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use sqlx::postgres::{PgConnection, PgRow};
use switchboard_model::UnixSeconds;
use switchboard_registry::{
    AddressKind, ChannelProfile, Company, DedicatedUnavailable, Expectation, Files, Holder, Mapping,
    OuWithoutPool, Registry, RolePair, Version, read,
};

use crate::connection::{Limit, optional_text, rows, text};
use crate::migrate::require_version;
use crate::{Database, DatabaseError};

/// The number of keys of each kind of change that are named.
const MAX_NAMED: usize = 3;
/// The number of bytes after which the rows of a table are sent.
const SEND_BYTES: usize = 1 << 20;
/// The first and the last second of the years that the schema allows: 0001 and 9999.
const TIMES: (i64, i64) = (-62_135_596_800, 253_402_300_799);

/// Begins an import. The triggers write one row into the history for each company. Constraints are checked at the end,
/// because rows change in any order.
const BEGIN: &str = "begin; set local search_path = pg_catalog, pg_temp; set local switchboard.import = 'on'; \
     set constraints all deferred";

/// Locks the companies. A writer who adds rows to one of them waits, others do not.
const LOCK: &str =
    "select from switchboard.company where id in (select id from new_company) order by id for update";

/// Finds the companies whose tests differ, in any field or in their order.
const CHANGED_TESTS: &str = "create temp table changed_test on commit drop as select id as company from new_company c \
     where (select jsonb_agg(jsonb_build_array(name, query, expect) order by id) from switchboard.test t \
         where t.company = c.id) \
       is distinct from (select jsonb_agg(jsonb_build_array(name, query, expect) order by id) from new_test t \
         where t.company = c.id)";

/// The companies that an import replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportScope {
    /// All companies of the registry, and the profiles of channels. Other companies and channels stay.
    Registry,
    /// All companies of the registry. Their channels must have the same profiles in the database.
    Companies,
}

/// The result of [`Database::import`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Import {
    /// The changes, by company and table.
    pub changes: Vec<Change>,
}

/// Rows of one table that an import added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of the company. `None` for channels.
    pub company: Option<String>,
    /// The name of the table.
    pub table: &'static str,
    /// `added`, `changed` or `removed`.
    pub kind: &'static str,
    /// The number of rows.
    pub rows: u64,
    /// The first keys of the rows, such as the ids of accounts.
    pub first: Vec<String>,
}

/// A table that an import compares row by row.
struct Table {
    name: &'static str,
    /// The columns of the key within a company.
    key: &'static [&'static str],
    values: &'static [&'static str],
}

const CHANNEL: Table = Table {
    name: "channel",
    key: &["id"],
    values: &["conversation_role", "pool_must_hold", "address", "dedicated_since"],
};
const COMPANY: Table = Table {
    name: "company",
    key: &["id"],
    values: &["name", "ou_without_pool", "dedicated_unavailable", "platform_version"],
};
/// The tables of a company, each behind the tables that it refers to.
const TABLES: [Table; 5] = [
    Table { name: "ou", key: &["id"], values: &["parent", "name"] },
    Table {
        name: "pool",
        key: &["id"],
        values: &["channel", "priority", "country_match", "default_country", "fallback_upward"],
    },
    Table { name: "pool_ou", key: &["pool", "ou"], values: &[] },
    Table { name: "geography", key: &["pool", "country"], values: &["served_from"] },
    Table {
        name: "account",
        key: &["id"],
        values: &[
            "channel",
            "role",
            "address",
            "country",
            "pool",
            "\"user\"",
            "weight",
            "state",
            "available_from",
        ],
    },
];

impl Database {
    /// Replaces the companies of a registry in one transaction, or shows what would change. The registry must have no
    /// errors. Only rows that differ are written.
    ///
    /// # Errors
    /// Fails if the database cannot be reached, has another version of the schema, or refuses a row.
    pub fn import(
        &self,
        registry: &Registry,
        scope: ImportScope,
        dry_run: bool,
    ) -> Result<Import, DatabaseError> {
        self.run(Limit::None, async |connection| {
            rows(connection, BEGIN).await?;
            require_version(connection).await?;
            let changes = import(connection, registry, scope).await?;
            rows(connection, "set constraints all immediate").await?;
            rows(connection, if dry_run { "rollback" } else { "commit" }).await?;
            Ok(Import { changes })
        })
    }
}

async fn import(
    connection: &mut PgConnection,
    registry: &Registry,
    scope: ImportScope,
) -> Result<Vec<Change>, DatabaseError> {
    let mut changes = Vec::new();
    send(connection, &CHANNEL, channel_rows(registry, scope)).await?;
    match scope {
        ImportScope::Registry => {
            update(connection, &CHANNEL, &mut changes).await?;
            insert(connection, &CHANNEL, &mut changes).await?;
        }
        ImportScope::Companies => require_same_channels(connection).await?,
    }
    let companies = || registry.companies.iter();
    send(connection, &COMPANY, companies().map(company_row)).await?;
    insert(connection, &COMPANY, &mut changes).await?;
    rows(connection, LOCK).await?;
    update(connection, &COMPANY, &mut changes).await?;

    let [ou, pool, pool_ou, geography, account] = &TABLES;
    send(connection, ou, companies().flat_map(ou_rows)).await?;
    send(connection, pool, companies().flat_map(pool_rows)).await?;
    send(connection, pool_ou, companies().flat_map(pool_ou_rows)).await?;
    send(connection, geography, companies().flat_map(geography_rows)).await?;
    send(connection, account, companies().flat_map(|it| account_rows(it, registry))).await?;
    for table in TABLES.iter().rev() {
        let found = rows(connection, table.delete()).await?;
        read_changes(&found, table.name, "removed", &mut changes)?;
    }
    // The accounts before their pools, because a pool that changes its channel changes its accounts by a cascade, which
    // returns no rows.
    for table in TABLES.iter().rev() {
        update(connection, table, &mut changes).await?;
    }
    for table in &TABLES {
        insert(connection, table, &mut changes).await?;
    }
    import_tests(connection, registry, &mut changes).await?;
    changes.sort_by(|a, b| a.company.cmp(&b.company));
    Ok(changes)
}

/// Writes the rows that differ.
async fn update(
    connection: &mut PgConnection,
    table: &Table,
    changes: &mut Vec<Change>,
) -> Result<(), DatabaseError> {
    if table.values.is_empty() {
        return Ok(());
    }
    let found = rows(connection, table.update()).await?;
    read_changes(&found, table.name, "changed", changes)
}

/// Writes the rows that are new.
async fn insert(
    connection: &mut PgConnection,
    table: &Table,
    changes: &mut Vec<Change>,
) -> Result<(), DatabaseError> {
    let found = rows(connection, table.insert()).await?;
    read_changes(&found, table.name, "added", changes)
}

/// Replaces the tests of the companies whose tests differ. Tests have no key, so that all of a company are replaced.
async fn import_tests(
    connection: &mut PgConnection,
    registry: &Registry,
    changes: &mut Vec<Change>,
) -> Result<(), DatabaseError> {
    let create = "create temp table new_test (id bigint, company text collate \"C\", name text, query jsonb, \
        expect jsonb) on commit drop";
    rows(connection, create).await?;
    let tests =
        registry.companies.iter().flat_map(|company| company.tests.iter().map(move |it| (company, it)));
    let lines = (0_i64..).zip(tests).map(|(number, (company, test))| {
        let query = test.query.to_string();
        let expect = expectation(&test.expect).to_string();
        row([number.to_string(), company.id.to_string(), test.name.to_string(), query, expect].map(Some))
    });
    copy(connection, "copy new_test from stdin", lines).await?;
    rows(connection, CHANGED_TESTS).await?;
    let counted = "select company, count(*)::text, array_to_json((array_agg(name order by id))[1:3])::text from written \
        group by company order by company";
    for (kind, sql) in [
        ("removed", "delete from switchboard.test where company in (select company from changed_test)"),
        (
            "added",
            "insert into switchboard.test (company, name, query, expect) select company, name, query, expect \
             from new_test where company in (select company from changed_test) order by id",
        ),
    ] {
        let found = rows(connection, format!("with written as ({sql} returning *) {counted}")).await?;
        read_changes(&found, "test", kind, changes)?;
    }
    Ok(())
}

/// Checks that the channels of an import have the same profiles in the database.
async fn require_same_channels(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    let values = |of: &str| map_columns(CHANNEL.values, |column| format!("{of}.{column}"));
    let sql = format!(
        "select n.id from new_channel n left join switchboard.channel c on c.id = n.id \
         where c.id is null or ({}) is distinct from ({}) order by n.id",
        values("n"),
        values("c")
    );
    let found = rows(connection, sql).await?;
    let others: Vec<String> =
        found.iter().map(|row| text(row, 0).map(str::to_owned)).collect::<Result<_, _>>()?;
    if others.is_empty() { Ok(()) } else { Err(DatabaseError::OtherChannels(others)) }
}

/// Reads the rows of [`Table::counted`].
fn read_changes(
    found: &[PgRow],
    table: &'static str,
    kind: &'static str,
    changes: &mut Vec<Change>,
) -> Result<(), DatabaseError> {
    for row in found {
        let company = optional_text(row, 0)?.map(str::to_owned);
        let rows = text(row, 1)?.parse().unwrap_or(0);
        let first: Vec<Option<String>> = serde_json::from_str(text(row, 2)?).unwrap_or_default();
        changes.push(Change { company, table, kind, rows, first: first.into_iter().flatten().collect() });
    }
    Ok(())
}

/// Returns the columns, each changed, with commas between them.
fn map_columns(columns: &[&str], change: impl Fn(&str) -> String) -> String {
    columns.iter().map(|column| change(column)).collect::<Vec<_>>().join(", ")
}

impl Table {
    /// Returns whether the rows belong to companies.
    fn is_of_a_company(&self) -> bool {
        !matches!(self.name, "channel" | "company")
    }

    /// Returns the condition that two rows have the same key. A part of the key may be null, and no id is empty.
    fn same_key(&self) -> String {
        let of_company = self.is_of_a_company().then_some("n.company = t.company");
        let of_key = self.key.iter().map(|column| match *column {
            "pool" if self.name == "geography" => "coalesce(n.pool, '') = coalesce(t.pool, '')".to_owned(),
            column => format!("n.{column} = t.{column}"),
        });
        of_company.map(str::to_owned).into_iter().chain(of_key).collect::<Vec<_>>().join(" and ")
    }

    /// Returns the columns in the order of the rows that are sent.
    fn columns(&self) -> String {
        let company = self.is_of_a_company().then_some("company");
        let all: Vec<&str> = company.into_iter().chain(self.key.iter().chain(self.values).copied()).collect();
        all.join(", ")
    }

    /// Returns a statement that writes rows, and counts them by company.
    fn counted(&self, sql: &str) -> String {
        let company = match self.name {
            "channel" => "null::text",
            "company" => "id",
            _ => "company",
        };
        let key = format!("concat_ws('/', {})", self.key.join(", "));
        format!(
            "with written as ({sql} returning t.*) select {company}, count(*)::text, \
             array_to_json((array_agg({key} order by {key}))[1:{MAX_NAMED}])::text from written group by 1 order by 1"
        )
    }

    fn delete(&self) -> String {
        let Table { name, .. } = self;
        self.counted(&format!(
            "delete from switchboard.{name} t where t.company in (select id from new_company) \
             and not exists (select from new_{name} n where {})",
            self.same_key()
        ))
    }

    fn update(&self) -> String {
        let Table { name, values, .. } = self;
        let set = map_columns(values, |column| format!("{column} = n.{column}"));
        let [new, old] = ["n", "t"].map(|of| map_columns(values, |column| format!("{of}.{column}")));
        self.counted(&format!(
            "update switchboard.{name} t set {set} from new_{name} n where {} and ({new}) is distinct from ({old})",
            self.same_key()
        ))
    }

    fn insert(&self) -> String {
        let (Table { name, .. }, columns) = (self, self.columns());
        // Waits for an import that adds the same companies, in the same order.
        let end = if *name == "company" { "order by id on conflict do nothing" } else { "" };
        self.counted(&format!(
            "insert into switchboard.{name} as t ({columns}) select {columns} from new_{name} n \
             where not exists (select from switchboard.{name} t where {}) {end}",
            self.same_key()
        ))
    }
}

/// Makes the temporary table of new rows, and sends them.
async fn send(
    connection: &mut PgConnection,
    table: &Table,
    lines: impl Iterator<Item = String>,
) -> Result<(), DatabaseError> {
    let (name, columns) = (table.name, table.columns());
    rows(connection, format!("create temp table new_{name} (like switchboard.{name}) on commit drop"))
        .await?;
    copy(connection, &format!("copy new_{name} ({columns}) from stdin"), lines).await?;
    rows(connection, format!("analyze new_{name}")).await?;
    Ok(())
}

async fn copy(
    connection: &mut PgConnection,
    statement: &str,
    lines: impl Iterator<Item = String>,
) -> Result<(), DatabaseError> {
    let mut copy = connection.copy_in_raw(statement).await?;
    let mut buffer = String::new();
    for line in lines {
        buffer.push_str(&line);
        if buffer.len() >= SEND_BYTES {
            copy.send(buffer.as_bytes()).await?;
            buffer.clear();
        }
    }
    copy.send(buffer.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// Writes a line of the text format of COPY. A null is `\N`.
fn row<const N: usize>(cells: [Option<String>; N]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        let Some(cell) = cell else {
            line.push_str("\\N");
            continue;
        };
        for letter in cell.chars() {
            match letter {
                '\\' => line.push_str("\\\\"),
                '\t' => line.push_str("\\t"),
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                letter => line.push(letter),
            }
        }
    }
    line.push('\n');
    line
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Returns the rows of the channels. A column is null where the profile is that of the built-in channel.
fn channel_rows(registry: &Registry, scope: ImportScope) -> impl Iterator<Item = String> {
    let (defaults, _) = read(&Files::default());
    let built_in: HashMap<Box<str>, ChannelProfile> =
        defaults.channels.into_iter().map(|channel| (channel.id.clone(), channel)).collect();
    let used: HashSet<Option<u16>> = registry
        .companies
        .iter()
        .flat_map(|company| &company.accounts)
        .map(|account| account.channel)
        .collect();
    let used_by_pools: HashSet<&str> =
        registry.companies.iter().flat_map(|company| &company.pools).map(|pool| &*pool.channel).collect();
    let is_sent = |at: u16, channel: &ChannelProfile| {
        scope == ImportScope::Registry || used.contains(&Some(at)) || used_by_pools.contains(&*channel.id)
    };
    let sent = (0..).zip(&registry.channels).filter(|(at, channel)| is_sent(*at, channel));
    let lines: Vec<String> =
        sent.map(|(_, channel)| channel_row(channel, built_in.get(&channel.id))).collect();
    lines.into_iter()
}

fn channel_row(channel: &ChannelProfile, built_in: Option<&ChannelProfile>) -> String {
    /// Returns the value, unless the built-in channel has it too.
    fn own<T: PartialEq>(
        channel: &ChannelProfile,
        built_in: Option<&ChannelProfile>,
        field: impl Fn(&ChannelProfile) -> T,
    ) -> Option<T> {
        Some(field(channel)).filter(|value| built_in.map(&field).as_ref() != Some(value))
    }
    let roles = own(channel, built_in, |it| it.pool_roles);
    let roles = roles.map(|roles| format!("{{{}}}", role_names(roles).join(",")));
    let address = own(channel, built_in, |it| it.address).map(|kind| address_name(kind).to_owned());
    let since = own(channel, built_in, |it| it.dedicated_since)
        .filter(|since| since.is_some() || built_in.is_some())
        .map(since_name);
    let role = own(channel, built_in, |it| it.conversation_role).map(|role| role.as_str().to_owned());
    row([some(&channel.id), role, roles, address, since])
}

/// Returns the roles of `pool_must_hold`, in the order of an export.
pub(crate) fn role_names(roles: RolePair) -> Vec<&'static str> {
    let names = [(roles.primary, "primary"), (roles.secondary, "secondary")];
    names.into_iter().filter_map(|(held, name)| held.then_some(name)).collect()
}

pub(crate) fn address_name(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Phone => "phone",
        AddressKind::Email => "email",
        AddressKind::Handle => "handle",
    }
}

/// Returns the text of `dedicated_since`.
pub(crate) fn since_name(since: Option<Version>) -> String {
    since.map_or_else(|| "never".to_owned(), |version| version.to_string())
}

fn company_row(company: &Company) -> String {
    let name = Some(company.name.to_string()).filter(|name| **name != *company.id);
    let ou_without_pool = match company.ou_without_pool {
        OuWithoutPool::Inherit => "inherit",
        OuWithoutPool::Error => "error",
    };
    let dedicated_unavailable = match company.dedicated_unavailable {
        DedicatedUnavailable::Error => "error",
        DedicatedUnavailable::Pool => "pool",
    };
    let version = company.platform_version.map(|version| version.to_string());
    row([some(&company.id), name, some(ou_without_pool), some(dedicated_unavailable), version])
}

fn ou_rows(company: &Company) -> impl Iterator<Item = String> {
    company.ous.iter().map(|ou| {
        let parent = ou.parent.as_deref().and_then(some);
        row([some(&company.id), some(&ou.id), parent, some(&ou.name)])
    })
}

fn pool_rows(company: &Company) -> impl Iterator<Item = String> {
    company.pools.iter().map(|pool| {
        let country_match = if pool.match_calling_code { "calling_code" } else { "country" };
        row([
            some(&company.id),
            some(&pool.id),
            some(&pool.channel),
            Some(pool.priority.to_string()),
            some(country_match),
            pool.default_country.map(|country| country.alpha2().to_owned()),
            Some(pool.fallback_upward.to_string()),
        ])
    })
}

fn pool_ou_rows(company: &Company) -> impl Iterator<Item = String> {
    let pairs = company.pools.iter().flat_map(|pool| pool.ous.iter().map(move |ou| (pool, ou)));
    pairs.map(|(pool, ou)| row([some(&company.id), some(&pool.id), some(ou)]))
}

fn geography_rows(company: &Company) -> impl Iterator<Item = String> {
    let of = |pool: Option<&'_ str>, mapping: &Mapping| -> Vec<String> {
        let entries = mapping.iter().map(|(from, (to, _))| {
            row([some(&company.id), pool.and_then(some), some(from.alpha2()), some(to.alpha2())])
        });
        entries.collect()
    };
    let own = of(None, &company.geography);
    let of_pools: Vec<String> =
        company.pools.iter().flat_map(|pool| of(Some(&pool.id), &pool.geography)).collect();
    own.into_iter().chain(of_pools)
}

fn account_rows<'r>(company: &'r Company, registry: &'r Registry) -> impl Iterator<Item = String> + 'r {
    company.accounts.iter().map(|account| {
        let channel = account.channel.and_then(|at| registry.channels.get(usize::from(at)));
        let (pool, user) = match &account.holder {
            Holder::Pool(pool) => (some(pool), None),
            Holder::User(user) => (None, some(user)),
            Holder::Spare => (None, None),
        };
        row([
            some(&company.id),
            some(&account.id),
            channel.and_then(|channel| some(&channel.id)),
            account.role.and_then(|role| some(role.as_str())),
            some(&account.address),
            account.country.map(|country| country.alpha2().to_owned()),
            pool,
            user,
            Some(account.weight.to_string()),
            some(account.state.as_str()),
            account.available_from.map(timestamp),
        ])
    })
}

/// Writes a time for PostgreSQL. A time outside the years that the schema allows becomes the nearest one: such an
/// account has been available for two thousand years, or will not be for eight thousand.
fn timestamp(time: UnixSeconds) -> String {
    let text = UnixSeconds(time.0.clamp(TIMES.0, TIMES.1)).to_string();
    if text.len() == "2027-03-01".len() { text + " 00:00:00Z" } else { text }
}

fn expectation(expect: &Expectation) -> Value {
    let Expectation { account, rule, ou, pool, climbed, error } = expect;
    let mut json = Map::new();
    let mut insert = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            json.insert(key.to_owned(), value);
        }
    };
    let of = |text: &Option<Box<str>>| text.as_deref().map(Value::from);
    insert("account", of(account));
    insert("rule", rule.map(|rule| rule.as_str().into()));
    insert("ou", of(ou));
    insert("pool", of(pool));
    insert("climbed", climbed.map(Value::from));
    insert("error", error.map(|error| error.as_str().into()));
    Value::Object(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_escaped() {
        assert_eq!(row([some("a\t\\\n\r"), None, some("")]), "a\\t\\\\\\n\\r\t\\N\t\n");
    }

    #[test]
    fn times_have_years_of_four_digits() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (1, "1970-01-01T00:00:01Z"),
            (i64::MIN, "0001-01-01 00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(UnixSeconds(seconds)), text);
        }
    }
}
