//! Reads the registry of a database as the text of a registry's files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sqlx::postgres::{PgConnection, PgRow};
use switchboard_model::{E164, QueryField, is_id};
use switchboard_registry::{ChannelProfile, Files, ReadLimits, Version, read};

use crate::connection::{Limit, for_each_row, optional_text, rows, text};
use crate::import::{address_name, role_names, since_name};
use crate::migrate::require_version;
use crate::toml_text::{quoted, table, value};
use crate::{Contents, Database, DatabaseError, Rows};

/// Begins the transaction that reads. It sees one state of the database, waits for no writer, and holds none up. Rows come
/// in the order of an index, so that the first ones arrive before a table that is too large has been sorted.
pub(crate) const BEGIN: &str = "begin isolation level repeatable read read only; set local lock_timeout = '10s'; \
     set local search_path = pg_catalog, pg_temp; set local enable_sort = off";

/// Locks the tables before a query makes the snapshot of the transaction. Otherwise a table that another transaction
/// truncates or rewrites meanwhile would be empty in this snapshot. Waits only for such transactions.
pub(crate) const LOCK: &str = "lock table switchboard.channel, switchboard.company, switchboard.ou, switchboard.pool, \
     switchboard.pool_ou, switchboard.geography, switchboard.account, switchboard.test in access share mode";

const CHANNELS: &str = "select id, conversation_role, array_to_json(pool_must_hold)::text, address, dedicated_since \
     from switchboard.channel order by id";

const COMPANIES: &str = "select id, name, nullif(ou_without_pool, 'inherit'), nullif(dedicated_unavailable, 'error'), \
     platform_version, (select json_object_agg(g.country, g.served_from order by g.country collate \"C\")::text \
       from switchboard.geography g where g.company = c.id and g.pool is null) \
     from switchboard.company c order by id";

const POOLS: &str = "select company, id, channel, \
     (select json_agg(o.ou order by o.ou)::text from switchboard.pool_ou o where o.company = p.company and o.pool = p.id), \
     nullif(priority, 0)::text, nullif(country_match, 'country'), default_country, nullif(fallback_upward, false)::text, \
     (select json_object_agg(g.country, g.served_from order by g.country collate \"C\")::text \
       from switchboard.geography g where g.company = p.company and g.pool = p.id) \
     from switchboard.pool p order by company, id";

/// The columns of the order have a table, because the text of an id sorts otherwise than the id.
const TESTS: &str = "select company, id::text, name, query::text, expect::text from switchboard.test t \
     order by t.company, t.id";

const OUS: &str = "copy (select company, id, parent, nullif(name, '') from switchboard.ou order by company, id) \
     to stdout (format csv)";

/// A fraction of a second rounds up, as the parser of the files does. Midnight is a date, as `UnixSeconds` writes it.
const ACCOUNTS: &str = "copy (select company, id, channel, role, address, country, pool, \"user\", nullif(weight, 1), \
     nullif(state, 'active'), to_char(t, case when t = date_trunc('day', t) then 'YYYY-MM-DD' \
       else 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"' end) \
     from switchboard.account, \
       date_trunc('second', available_from at time zone 'UTC' + interval '999999 microseconds') as t \
     order by company, id) to stdout (format csv)";

/// The number of largest files whose text one table may have. With the default limit, the text is as much as a snapshot
/// holds.
const MAX_FILES: u64 = 8;
/// The memory that a file takes besides its text, because a company may have no text.
const FILE_BYTES: usize = 256;

const OUS_HEADER: &str = "id,parent,name\n";
const ACCOUNTS_HEADER: &str = "id,channel,role,address,country,pool,user,weight,state,available_from\n";

impl Database {
    /// Reads the whole registry in one transaction.
    ///
    /// The files are those of an export: two equal registries have equal bytes. A channel whose profile is the built-in
    /// one is left out. The limits hold for each file. A table may have eight times as much.
    ///
    /// # Errors
    /// Fails if the database cannot be reached within 10 s or read within 5 minutes, has another version of the schema,
    /// or has more data than the limits allow, in which case the rest is not read.
    pub fn read(&self, limits: ReadLimits) -> Result<Contents, DatabaseError> {
        self.run(Limit::Read, async |connection| {
            // The lock needs the tables, and a database without them has a better error.
            rows(connection, BEGIN).await?;
            require_version(connection).await?;
            rows(connection, format!("commit; {BEGIN}; {LOCK}")).await?;
            require_version(connection).await?;
            let contents = read_contents(connection, limits).await?;
            rows(connection, "commit").await?;
            Ok(contents)
        })
    }
}

pub(crate) async fn read_contents(
    connection: &mut PgConnection,
    limits: ReadLimits,
) -> Result<Contents, DatabaseError> {
    let mut files = Files::default();
    let (defaults, _) = read(&Files::default());
    let built_in: HashMap<&str, &ChannelProfile> =
        defaults.channels.iter().map(|channel| (&*channel.id, channel)).collect();
    let (mut meter, mut channels) = (Meter::new("channel", limits), String::new());
    // The channels whose addresses are phone numbers.
    let mut phones: HashSet<String> = HashSet::new();
    for_each_row(connection, CHANNELS, |row| {
        let id = text(row, 0)?;
        let built_in = built_in.get(id).copied();
        let default = built_in.map(|channel| address_name(channel.address));
        if optional_text(row, 3)?.or(default) == Some("phone") {
            phones.insert(id.to_owned());
        }
        let channel = channel_toml(row, built_in)?;
        meter.add(channel.len())?;
        if !channel.is_empty() {
            separate(&mut channels);
            channels.push_str(&channel);
        }
        Ok(())
    })
    .await?;
    if !channels.is_empty() {
        files.insert("channels.toml", channels);
    }

    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    let mut meter = Meter::new("company", limits);
    for_each_row(connection, COMPANIES, |row| {
        meter.add_text(&mut settings, text(row, 0)?, &company_toml(row)?)
    })
    .await?;
    let mut meter = Meter::new("pool", limits);
    for_each_row(connection, POOLS, |row| meter.add_text(&mut settings, text(row, 0)?, &pool_toml(row)?))
        .await?;
    let mut tests: BTreeMap<String, String> = BTreeMap::new();
    let mut test_ids: HashMap<String, Vec<String>> = HashMap::new();
    let mut meter = Meter::new("test", limits);
    for_each_row(connection, TESTS, |row| {
        let company = text(row, 0)?;
        meter.add_text(&mut tests, company, &test_toml(row)?)?;
        test_ids.entry(company.to_owned()).or_default().push(text(row, 1)?.to_owned());
        Ok(())
    })
    .await?;
    for (file, texts) in [("company.toml", settings), ("tests.toml", tests)] {
        for (company, text) in texts {
            files.insert(path_of(&company, file)?, text);
        }
    }
    let ous = Sheet { file: "ous.csv", copy: OUS, header: OUS_HEADER };
    read_sheets(connection, ous, Meter::new("ou", limits), |_| None, &mut files).await?;
    let accounts = Sheet { file: "accounts.csv", copy: ACCOUNTS, header: ACCOUNTS_HEADER };
    let complete = |cells: &[u8]| with_country(cells, &phones);
    read_sheets(connection, accounts, Meter::new("account", limits), complete, &mut files).await?;
    Ok(Contents { files, rows: Rows::new(test_ids) })
}

/// Counts the text of a table while its rows arrive, so that a table that is too large is refused early.
struct Meter {
    table: &'static str,
    limits: ReadLimits,
    /// The number of bytes of all companies.
    bytes: u64,
}

impl Meter {
    fn new(table: &'static str, limits: ReadLimits) -> Meter {
        Meter { table, limits, bytes: 0 }
    }

    /// Counts the text of a row, or what a file takes.
    fn add(&mut self, bytes: usize) -> Result<(), DatabaseError> {
        self.bytes += bytes as u64;
        let max_bytes = self.limits.max_file_bytes.saturating_mul(MAX_FILES);
        if self.bytes <= max_bytes {
            return Ok(());
        }
        Err(DatabaseError::TableTooLarge { table: self.table, max_bytes })
    }

    /// Checks the size of the file that a company's rows make.
    fn check(&self, company: &str, file: &[u8]) -> Result<(), DatabaseError> {
        let (table, max_bytes) = (self.table, self.limits.max_file_bytes);
        if file.len() as u64 <= max_bytes {
            return Ok(());
        }
        Err(DatabaseError::CompanyTooLarge { table, company: company.to_owned(), max_bytes })
    }

    /// Appends the text of a row to the file of its company.
    fn add_text(
        &mut self,
        files: &mut BTreeMap<String, String>,
        company: &str,
        text: &str,
    ) -> Result<(), DatabaseError> {
        self.add(text.len())?;
        if !files.contains_key(company) {
            self.add(FILE_BYTES)?;
        }
        let file = files.entry(company.to_owned()).or_default();
        file.push_str(text);
        self.check(company, file.as_bytes())
    }
}

/// A table that is read as sheets.
struct Sheet {
    file: &'static str,
    /// The statement whose rows have the company, and then the cells of the sheet.
    copy: &'static str,
    header: &'static str,
}

/// Reads the rows of a table as one sheet for each company. The rows are sorted by company, which is their first cell.
/// `complete` returns a row with what its other cells determine.
async fn read_sheets(
    connection: &mut PgConnection,
    Sheet { file, copy, header }: Sheet,
    mut meter: Meter,
    complete: impl Fn(&[u8]) -> Option<Vec<u8>>,
    files: &mut Files,
) -> Result<(), DatabaseError> {
    let mut rows = connection.copy_out_raw(copy).await?;
    let (mut company, mut sheet) = (Vec::new(), Vec::new());
    let mut insert = |company: &[u8], sheet: Vec<u8>| {
        if !sheet.is_empty() {
            files.insert(path_of(&String::from_utf8_lossy(company), file)?, sheet);
        }
        Ok::<(), DatabaseError>(())
    };
    // The protocol sends each row as a message of its own. A company's id has no comma and no quote.
    while let Some(row) = rows.try_next().await? {
        let end = row.iter().position(|&byte| byte == b',').unwrap_or(row.len());
        let (of, cells) = (row.get(..end).unwrap_or_default(), row.get(end + 1..).unwrap_or_default());
        if of != company || sheet.is_empty() {
            insert(&company, std::mem::take(&mut sheet))?;
            company = of.to_vec();
            sheet.extend_from_slice(header.as_bytes());
            meter.add(FILE_BYTES)?;
        }
        meter.add(cells.len())?;
        match complete(cells) {
            Some(cells) => sheet.extend_from_slice(&cells),
            None => sheet.extend_from_slice(cells),
        }
        meter.check(&String::from_utf8_lossy(&company), &sheet)?;
    }
    insert(&company, sheet)
}

/// Writes the country of a phone number into the cells of an account without a country, as an import does. Returns `None`
/// for other accounts.
fn with_country(cells: &[u8], phones: &HashSet<String>) -> Option<Vec<u8>> {
    // An id, a role and a phone number have no comma and no quote.
    let mut parts = cells.splitn(6, |&byte| byte == b',');
    let (_, channel, _) = (parts.next()?, parts.next()?, parts.next()?);
    let (address, country) = (parts.next()?, parts.next()?);
    if !country.is_empty() || !phones.contains(str::from_utf8(channel).ok()?) {
        return None;
    }
    let region = E164::parse(str::from_utf8(address).ok()?).ok()?.region()?;
    // The rest begins with the comma behind the country.
    let at = cells.len() - parts.next()?.len() - 1;
    let (before, rest) = cells.split_at_checked(at)?;
    Some([before, region.alpha2().as_bytes(), rest].concat())
}

/// Returns the path of a company's file. Refuses an id that would lead out of the folder of an export, although the
/// constraints of the schema exclude it.
fn path_of(company: &str, file: &str) -> Result<String, DatabaseError> {
    if !is_id(company) || company == "." || company.starts_with("..") || company == "channels.toml" {
        return Err(DatabaseError::CompanyId(company.to_owned()));
    }
    Ok(format!("{company}/{file}"))
}

/// Appends a line `key = value`, if there is a value.
fn push_key(out: &mut String, key: &str, value: Option<String>) {
    if let Some(value) = value {
        out.push_str(&format!("{key} = {value}\n"));
    }
}

/// Writes a channel without the values that are the default of its keys. Returns an empty text for a built-in one that has
/// no profile of its own.
fn channel_toml(row: &PgRow, built_in: Option<&ChannelProfile>) -> Result<String, DatabaseError> {
    let mut keys = String::new();
    let mut push = |key: &str, own: Option<String>, default: Option<String>| {
        push_key(&mut keys, key, own.filter(|own| default.as_ref() != Some(own)));
    };
    let role = built_in.map(|it| quoted(it.conversation_role.as_str()));
    push("conversation_role", optional_text(row, 1)?.map(quoted), role);
    let list = |roles: &[&str]| value(&roles.iter().copied().collect());
    let held = optional_text(row, 2)?.map(|json| match serde_json::from_str::<BTreeSet<&str>>(json) {
        Ok(roles) => list(&roles.into_iter().collect::<Vec<_>>()),
        Err(_) => value(&parsed(json)),
    });
    push("pool_must_hold", held, built_in.map(|it| list(&role_names(it.pool_roles))));
    let address = built_in.map(|it| quoted(address_name(it.address)));
    push("address", optional_text(row, 3)?.map(quoted), address);
    let since = quoted(&since_name(built_in.and_then(|it| it.dedicated_since)));
    push("dedicated_since", optional_text(row, 4)?.map(version), Some(since));
    if keys.is_empty() && built_in.is_some() {
        return Ok(keys);
    }
    Ok(format!("[channel.{}]\n{keys}", quoted(text(row, 0)?)))
}

/// Writes a version with three numbers, as an import stores it.
fn version(text: &str) -> String {
    quoted(&Version::parse(text).map_or_else(|| text.to_owned(), |version| version.to_string()))
}

fn company_toml(row: &PgRow) -> Result<String, DatabaseError> {
    let mut out = String::new();
    let id = text(row, 0)?;
    push_key(&mut out, "name", optional_text(row, 1)?.filter(|name| *name != id).map(quoted));
    push_key(&mut out, "ou_without_pool", optional_text(row, 2)?.map(quoted));
    push_key(&mut out, "dedicated_unavailable", optional_text(row, 3)?.map(quoted));
    push_key(&mut out, "platform_version", optional_text(row, 4)?.map(version));
    if let Some(geography) = optional_text(row, 5)? {
        separate(&mut out);
        out.push_str("[geography]\n");
        if let Value::Object(mapping) = parsed(geography) {
            for (country, served_from) in mapping {
                push_key(&mut out, &country, Some(value(&served_from)));
            }
        }
    }
    Ok(out)
}

fn pool_toml(row: &PgRow) -> Result<String, DatabaseError> {
    let mut out = "\n[[pool]]\n".to_owned();
    push_key(&mut out, "id", Some(quoted(text(row, 1)?)));
    push_key(&mut out, "channel", Some(quoted(text(row, 2)?)));
    push_key(&mut out, "ous", optional_text(row, 3)?.map(|json| value(&parsed(json))));
    push_key(&mut out, "priority", optional_text(row, 4)?.map(str::to_owned));
    push_key(&mut out, "country_match", optional_text(row, 5)?.map(quoted));
    push_key(&mut out, "default_country", optional_text(row, 6)?.map(quoted));
    push_key(&mut out, "fallback_upward", optional_text(row, 7)?.map(str::to_owned));
    push_key(&mut out, "geography", optional_text(row, 8)?.map(|json| value(&parsed(json))));
    Ok(out)
}

/// Writes a test. Its keys have the order of the query's fields, because `jsonb` has another order of its own.
fn test_toml(row: &PgRow) -> Result<String, DatabaseError> {
    let mut query = entries(text(row, 3)?);
    // A test always queries its own company.
    let own = quoted(text(row, 0)?);
    query.retain(|(key, value)| key != "company" || *value != own);
    query.sort_by_key(|(key, _)| {
        QueryField::ALL.iter().position(|field| field.as_str() == key).unwrap_or(usize::MAX)
    });
    let inline = |entries: &[(String, String)]| {
        table(entries.iter().map(|(key, value)| (key.as_str(), value.clone())))
    };
    Ok(format!(
        "[[test]]\nname = {}\nquery = {}\nexpect = {}\n\n",
        quoted(text(row, 2)?),
        inline(&query),
        inline(&entries(text(row, 4)?)),
    ))
}

/// Appends an empty line, except at the beginning.
fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

/// Parses JSON that PostgreSQL made from texts, which is never malformed.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

/// Returns the entries of an object with their values in TOML, without nulls, which TOML does not have. Another value of
/// JSON, which the constraints exclude, has no entries.
///
/// `jsonb` has numbers and depths that the parser refuses. No key of a registry takes such a value. It is written as
/// `inf`, which a finding names.
fn entries(json: &str) -> Vec<(String, String)> {
    let of = |(key, json): (String, Option<Value>)| match json {
        Some(Value::Null) => None,
        Some(json) => Some((key, value(&json))),
        None => Some((key, "inf".to_owned())),
    };
    if let Ok(entries) = serde_json::from_str::<Map<String, Value>>(json) {
        return entries.into_iter().map(|(key, json)| (key, Some(json))).filter_map(of).collect();
    }
    let raw: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap_or_default();
    raw.into_iter().map(|(key, json)| (key, serde_json::from_str(json.get()).ok())).filter_map(of).collect()
}
