//! Reads the registry of a database as the text of a registry's files.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use sqlx::postgres::{PgConnection, PgRow};
use switchboard_model::{QueryField, is_id};
use switchboard_registry::{Files, ReadLimits, read};

use crate::connection::{Limit, optional_text, rows, text};
use crate::migrate::require_version;
use crate::toml_text::{quoted, table, value};
use crate::{Contents, Database, DatabaseError, Rows};

/// Begins the transaction that reads. It sees one state of the database, waits for no writer, and holds none up.
pub(crate) const BEGIN: &str = "begin isolation level repeatable read read only; set local lock_timeout = '10s'; \
     set local search_path = pg_catalog, pg_temp";

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

const OUS_HEADER: &str = "id,parent,name\n";
const ACCOUNTS_HEADER: &str = "id,channel,role,address,country,pool,user,weight,state,available_from\n";

impl Database {
    /// Reads the whole registry in one transaction.
    ///
    /// The files are those of an export: two equal registries have equal bytes. A channel whose profile is the built-in
    /// one is left out. The limits hold for each file.
    ///
    /// # Errors
    /// Fails if the database cannot be reached within 10 s or read within 5 minutes, has another version of the schema,
    /// or has a company that is larger than the limits.
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
    let channels = channels_toml(&rows(connection, CHANNELS).await?)?;
    if !channels.is_empty() {
        files.insert("channels.toml", channels);
    }

    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    for row in rows(connection, COMPANIES).await? {
        settings.insert(text(&row, 0)?.to_owned(), company_toml(&row)?);
    }
    for row in rows(connection, POOLS).await? {
        let company = settings.entry(text(&row, 0)?.to_owned()).or_default();
        company.push_str(&pool_toml(&row)?);
    }
    let mut tests: BTreeMap<String, String> = BTreeMap::new();
    let mut test_ids: HashMap<String, Vec<String>> = HashMap::new();
    for row in rows(connection, TESTS).await? {
        let company = text(&row, 0)?;
        tests.entry(company.to_owned()).or_default().push_str(&test_toml(&row)?);
        test_ids.entry(company.to_owned()).or_default().push(text(&row, 1)?.to_owned());
    }
    let max_bytes = limits.max_file_bytes;
    for (file, table, texts) in [("company.toml", "company", settings), ("tests.toml", "test", tests)] {
        for (company, text) in texts {
            if text.len() as u64 > max_bytes {
                return Err(DatabaseError::TooLarge { table, company, max_bytes });
            }
            files.insert(path_of(&company, file)?, text);
        }
    }
    for (file, table, header, copy) in
        [("ous.csv", "ou", OUS_HEADER, OUS), ("accounts.csv", "account", ACCOUNTS_HEADER, ACCOUNTS)]
    {
        read_sheets(connection, copy, header, max_bytes, (file, table), &mut files).await?;
    }
    Ok(Contents { files, rows: Rows::new(test_ids) })
}

/// Reads the rows of a table as one sheet for each company. The rows are sorted by company, which is their first cell.
async fn read_sheets(
    connection: &mut PgConnection,
    copy: &str,
    header: &str,
    max_bytes: u64,
    (file, table): (&str, &'static str),
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
        }
        sheet.extend_from_slice(cells);
        if sheet.len() as u64 > max_bytes {
            let company = String::from_utf8_lossy(&company).into_owned();
            return Err(DatabaseError::TooLarge { table, company, max_bytes });
        }
    }
    insert(&company, sheet)
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

fn channels_toml(rows: &[PgRow]) -> Result<String, DatabaseError> {
    let (built_in, _) = read(&Files::default());
    let built_in: HashSet<&str> = built_in.channels.iter().map(|channel| &*channel.id).collect();
    let mut out = String::new();
    for row in rows {
        let id = text(row, 0)?;
        let mut keys = String::new();
        push_key(&mut keys, "conversation_role", optional_text(row, 1)?.map(quoted));
        push_key(&mut keys, "pool_must_hold", optional_text(row, 2)?.map(|json| value(&parsed(json))));
        push_key(&mut keys, "address", optional_text(row, 3)?.map(quoted));
        push_key(&mut keys, "dedicated_since", optional_text(row, 4)?.map(quoted));
        if !keys.is_empty() || !built_in.contains(id) {
            separate(&mut out);
            out.push_str(&format!("[channel.{}]\n{keys}", quoted(id)));
        }
    }
    Ok(out)
}

fn company_toml(row: &PgRow) -> Result<String, DatabaseError> {
    let mut out = String::new();
    let keys = ["name", "ou_without_pool", "dedicated_unavailable", "platform_version"];
    for (column, key) in (1..).zip(keys) {
        push_key(&mut out, key, optional_text(row, column)?.map(quoted));
    }
    if let Some(geography) = optional_text(row, 5)? {
        separate(&mut out);
        out.push_str("[geography]\n");
        for (country, served_from) in entries(geography) {
            push_key(&mut out, &country, Some(value(&served_from)));
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
    let mut ordered = Vec::new();
    for field in QueryField::ALL {
        ordered.extend(query.shift_remove_entry(field.as_str()));
    }
    ordered.extend(query);
    let given = ordered.iter().filter(|(_, json)| !json.is_null());
    Ok(format!(
        "[[test]]\nname = {}\nquery = {}\nexpect = {}\n\n",
        quoted(text(row, 2)?),
        table(given.map(|(key, json)| (key.as_str(), value(json)))),
        value(&parsed(text(row, 4)?)),
    ))
}

/// Appends an empty line, except at the beginning.
fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

/// Parses the JSON of a `json` or `jsonb` value, which is never malformed.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

/// Parses an object. Another value of JSON, which the constraints exclude, has no entries.
fn entries(json: &str) -> Map<String, Value> {
    match parsed(json) {
        Value::Object(entries) => entries,
        _ => Map::new(),
    }
}
