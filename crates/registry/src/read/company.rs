//! Reads the files of a company: `company.toml` with settings, OUs and pools, `ous.csv`, and `tests.toml` with
//! the expected selections. `accounts` reads the accounts.

use std::collections::HashSet;
use std::collections::btree_map::{self, BTreeMap};

use serde_json::{Map, Value};
use switchboard_model::{MAX_EXCLUDED, QueryField, Rule, SelectError};

use super::accounts::read_accounts;
use super::channels::Channels;
use super::layout::{CompanyFiles, SourceFile};
use super::recover::read_parts;
use super::sheet::Sheet;
use super::toml::{Document, Field, Table};
use super::value::{parse_country, require_id};
use crate::redact::quoted;
use crate::{
    Code, Company, DedicatedUnavailable, Expectation, Findings, Mapping, Ou, OuWithoutPool, Place, Pool,
    Span, Test, Unread, UnreadPart, Version,
};

const COMPANY_KEYS: [&str; 7] =
    ["name", "ou_without_pool", "dedicated_unavailable", "platform_version", "geography", "ou", "pool"];
const OU_KEYS: [&str; 3] = ["id", "parent", "name"];
const POOL_KEYS: [&str; 8] =
    ["id", "channel", "ous", "priority", "country_match", "default_country", "fallback_upward", "geography"];
const TEST_KEYS: [&str; 3] = ["name", "query", "expect"];
const EXPECT_KEYS: [&str; 6] = ["account", "rule", "ou", "pool", "climbed", "error"];

/// Reads the files of one company.
pub(super) fn read_company(
    id: &str,
    files: &CompanyFiles<'_>,
    channels: &Channels,
    findings: &mut Findings,
) -> Company {
    let place = match files.settings {
        Some(file) => file.place(0),
        None => Place::file(format!("{id}/company.toml")),
    };
    require_id(id, "company id (the name of the folder)", &place, Span::Line, findings);

    let mut company = Company {
        id: id.into(),
        name: id.into(),
        ou_without_pool: OuWithoutPool::default(),
        dedicated_unavailable: DedicatedUnavailable::default(),
        platform_version: None,
        geography: Mapping::new(),
        ous: Vec::new(),
        pools: Vec::new(),
        accounts: Vec::new(),
        tests: Vec::new(),
        unread: Unread::default(),
        place,
    };
    if files.ous_misnamed && files.ous.is_none() {
        company.unread.ous = UnreadPart::Everything;
    }
    if files.accounts_misnamed && files.accounts.is_none() {
        company.unread.accounts = UnreadPart::Everything;
    }
    let settings_read = match files.settings {
        Some(file) => read_settings(file, channels, &mut company, findings),
        None => false,
    };
    if !settings_read {
        company.unread.ous = UnreadPart::Everything;
        company.unread.pools = true;
    }
    if files.settings.is_none() && !files.settings_misnamed {
        let message = "the company has no file `company.toml`";
        let help = "add the file; in an empty file, every setting has its default";
        findings.add(&company.place, Code::MissingFile, message, help);
    }
    if let Some(file) = files.ous {
        read_ou_rows(file, &mut company, findings);
    }
    if let Some(file) = files.accounts {
        read_accounts(file, channels, &mut company, findings);
    }
    if let Some(file) = files.tests {
        company.tests = read_tests(id, file, findings);
    }
    company
}

/// Reads `company.toml`. A missing setting has its default. Returns whether the whole file could be read.
/// Faulty text may have defined any OU and any pool.
fn read_settings(
    file: SourceFile<'_>,
    channels: &Channels,
    company: &mut Company,
    findings: &mut Findings,
) -> bool {
    read_parts(file, findings, |part, findings| read_settings_of(part, channels, company, findings))
}

/// Reads the settings of one part of `company.toml`.
fn read_settings_of(
    document: &Document<'_>,
    channels: &Channels,
    company: &mut Company,
    findings: &mut Findings,
) {
    let root = document.root();
    let meant = root.report_unknown_keys(&COMPANY_KEYS, findings);

    if let Some(name) = root.text("name", findings).given() {
        company.name = name.into();
    }
    let words = [("inherit", OuWithoutPool::Inherit), ("error", OuWithoutPool::Error)];
    if let Some(setting) = root.choice("ou_without_pool", &words, findings).given() {
        company.ou_without_pool = setting;
    }
    let words = [("error", DedicatedUnavailable::Error), ("pool", DedicatedUnavailable::Pool)];
    if let Some(setting) = root.choice("dedicated_unavailable", &words, findings).given() {
        company.dedicated_unavailable = setting;
    }
    let version = root
        .text("platform_version", findings)
        .and_then(findings, |text, place, findings| {
            let version = Version::parse(text);
            if version.is_none() {
                let message = format!("`platform_version` is {}, which is not a version", quoted(text));
                let help = "write up to three numbers, such as \"1.24.0\"";
                findings
                    .add(place, Code::InvalidValue, message, help)
                    .primary(Span::value("platform_version"));
            }
            version
        })
        .given();
    company.platform_version = version.or(company.platform_version);
    company.geography.append(&mut read_mapping(&root, findings));

    let (entries, is_list) = document.entries("ou", findings);
    entries.iter().for_each(|keys| push(&mut company.ous, read_ou(keys, findings)));
    // An `[[ou]]` with a key of pools alone may be a pool, and the reverse.
    company.unread.pools |= entries.iter().any(|keys| keys.has_any(&POOL_KEYS, &OU_KEYS));
    if !is_list || meant.contains(&"ou") {
        company.unread.ous = UnreadPart::Everything;
    }
    let (entries, is_list) = document.entries("pool", findings);
    entries.iter().for_each(|keys| push(&mut company.pools, read_pool(keys, channels, findings)));
    if entries.iter().any(|keys| keys.has_any(&OU_KEYS, &POOL_KEYS)) {
        company.unread.ous = UnreadPart::Everything;
    }
    company.unread.pools |= !is_list || meant.contains(&"pool");
}

/// Adds an item to a list that grows by a quarter. Doubling would take three times the memory of the list while
/// it grows.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 4 + 4);
    }
    list.push(item);
}

/// Reads one `[[ou]]`. A faulty id or parent becomes an empty id.
fn read_ou(keys: &Table<'_>, findings: &mut Findings) -> Ou {
    let meant = keys.report_unknown_keys(&OU_KEYS, findings);
    let id = match keys.text("id", findings) {
        Field::Given(text, place) => {
            require_id(text, "OU id", &place, Span::value("id"), findings);
            text
        }
        Field::Absent => {
            if !meant.contains(&"id") {
                keys.report_missing("id", "the OU", findings);
            }
            ""
        }
        Field::Faulty => "",
    };
    let (parent, parent_place) = match keys.text("parent", findings) {
        Field::Given(text, place) => {
            if text.is_empty() {
                require_id(text, "parent", &place, Span::value("parent"), findings);
            }
            (Some(text.into()), Some(place))
        }
        Field::Absent if !meant.contains(&"parent") => (None, None),
        Field::Absent | Field::Faulty => (Some("".into()), None),
    };
    let name = keys.text("name", findings).given().unwrap_or("");
    Ou { id: id.into(), parent, parent_place, name: name.into(), place: keys.place() }
}

/// Reads `ous.csv`, and adds its OUs to the OUs of `company.toml`.
fn read_ou_rows(file: SourceFile<'_>, company: &mut Company, findings: &mut Findings) {
    let Some(sheet) = Sheet::open(file, OU_KEYS, &["id"], findings) else {
        company.unread.ous = UnreadPart::Everything;
        return;
    };
    // If the column `parent` is mistyped, the OUs must not become roots.
    let has_parents = !sheet.may_be_mistyped("parent");
    company.ous.reserve(sheet.capacity());
    let unread = sheet.read_rows(findings, |[id, parent, name], place, findings| {
        require_id(id, "OU id", place, Span::value("id"), findings);
        let parent = if has_parents { (!parent.is_empty()).then(|| parent.into()) } else { Some("".into()) };
        let (id, name) = (id.into(), name.into());
        company.ous.push(Ou { id, parent, parent_place: None, name, place: place.clone() });
    });
    company.unread.ous.add(unread);
}

/// Reads one `[[pool]]`. A faulty id or channel becomes an empty id. A faulty list of OUs becomes a list of
/// one empty id.
fn read_pool(keys: &Table<'_>, channels: &Channels, findings: &mut Findings) -> Pool {
    let mut pool = Pool {
        id: "".into(),
        channel: "".into(),
        ous: Vec::new(),
        ous_places: Vec::new(),
        priority: 0,
        match_calling_code: false,
        default_country: None,
        default_place: None,
        fallback_upward: false,
        geography: Mapping::new(),
        place: keys.place(),
    };
    let meant = keys.report_unknown_keys(&POOL_KEYS, findings);

    match keys.text("id", findings) {
        Field::Given(text, place) => {
            require_id(text, "pool id", &place, Span::value("id"), findings);
            pool.id = text.into();
        }
        Field::Absent if !meant.contains(&"id") => keys.report_missing("id", "the pool", findings),
        Field::Absent | Field::Faulty => {}
    }
    match keys.text("channel", findings) {
        Field::Given(text, place) => {
            if channels.find(text).is_none() {
                channels.report_unknown(text, &place, findings);
            }
            pool.channel = text.into();
        }
        Field::Absent if !meant.contains(&"channel") => {
            keys.report_missing("channel", &format!("pool {}", quoted(&pool.id)), findings);
        }
        Field::Absent | Field::Faulty => {}
    }
    match keys.texts("ous", findings) {
        Field::Given(ous, _) => {
            let mut seen = HashSet::new();
            for (ou, place) in ous {
                if seen.insert(ou) {
                    pool.ous.push(ou.into());
                    pool.ous_places.push(place);
                } else {
                    let message = format!("`ous` of pool {} names {} twice", quoted(&pool.id), quoted(ou));
                    findings
                        .add(&place, Code::DuplicateId, message, "list each OU once")
                        .primary(Span::value("ous"));
                }
            }
        }
        Field::Absent if !meant.contains(&"ous") => {}
        Field::Absent | Field::Faulty => pool.ous.push("".into()),
    }

    pool.priority = keys.integer("priority", findings).given().unwrap_or(0);
    let words = [("country", false), ("calling_code", true)];
    pool.match_calling_code = keys.choice("country_match", &words, findings).given().unwrap_or(false);
    if let Field::Given(country, place) = keys.country("default_country", findings) {
        pool.default_country = Some(country);
        pool.default_place = Some(place);
    }
    pool.fallback_upward = keys.flag("fallback_upward", findings).given().unwrap_or(false);
    pool.geography = read_mapping(keys, findings);
    pool
}

/// Reads the `geography` of a company or a pool.
fn read_mapping(owner: &Table<'_>, findings: &mut Findings) -> Mapping {
    let mut mapping = Mapping::new();
    let Some(table) = owner.table("geography", findings).given() else { return mapping };
    let mut key_spans = BTreeMap::new();
    for entry in table.entries() {
        let key_span = || entry.key_span.clone();
        let from =
            parse_country("`geography`: the client's country", entry.key, &entry.place, key_span, findings);
        let to = table.as_text(entry.key, entry.value, &entry.place, findings).and_then(|text| {
            let value_span = || entry.value_span.clone();
            parse_country("`geography`: the serving country", text, &entry.place, value_span, findings)
        });
        let (Some(from), Some(to)) = (from, to) else { continue };
        match mapping.entry(from) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert((to, entry.place.clone()));
                key_spans.insert(from, key_span());
            }
            btree_map::Entry::Occupied(first) => {
                let message =
                    format!("`geography` maps {} twice, in upper and in lower case", quoted(entry.key));
                let first_span = key_spans.get(&from).cloned().unwrap_or_default();
                findings
                    .add(&entry.place, Code::DuplicateId, message, "keep one of the two mappings")
                    .primary(key_span())
                    .secondary(&first.get().1, first_span, "the first mapping");
            }
        }
    }
    mapping
}

/// Reads the tests of a company. Leaves out a faulty test, because its result would be meaningless.
fn read_tests(company: &str, file: SourceFile<'_>, findings: &mut Findings) -> Vec<Test> {
    let mut tests = Vec::new();
    read_parts(file, findings, |part, findings| {
        part.root().report_unknown_keys(&["test"], findings);
        let (entries, _) = part.entries("test", findings);
        for test in entries.iter().filter_map(|keys| read_test(company, keys, findings)) {
            push(&mut tests, test);
        }
    });
    tests
}

fn read_test(company: &str, keys: &Table<'_>, findings: &mut Findings) -> Option<Test> {
    let added = findings.added();
    let meant = keys.report_unknown_keys(&TEST_KEYS, findings);
    let place = keys.place();
    let name = match keys.text("name", findings).given() {
        Some(name) => name.into(),
        None => format!("line {}", place.line).into(),
    };
    let required_table = |key: &'static str, findings: &mut Findings| match keys.table(key, findings) {
        Field::Given(table, _) => Some(table),
        Field::Absent if !meant.contains(&key) => {
            keys.report_missing(key, "the test", findings);
            None
        }
        Field::Absent | Field::Faulty => None,
    };
    let query = required_table("query", findings).map(|table| read_query(company, &table, findings));
    let expect = required_table("expect", findings).map(|table| read_expectation(&table, findings));
    let (Some(query), Some(expect)) = (query, expect) else { return None };
    (findings.added() == added).then(|| Test { name, query: query.into(), expect, place })
}

/// Reads the query. Returns the JSON object that a gateway would send, with its fields in the order of
/// [`QueryField::ALL`], because equal tests must compile to the same bytes.
fn read_query(company: &str, table: &Table<'_>, findings: &mut Findings) -> String {
    table.report_unknown_keys(&QueryField::ALL.map(QueryField::as_str), findings);
    let mut json = Map::new();
    for entry in table.entries() {
        let (key, place) = (entry.key, &entry.place);
        // Findings do not repeat the values of a query, because a value may be a client's phone number.
        match QueryField::parse(key) {
            Some(QueryField::Exclude) => {
                let Field::Given(list, _) = table.texts(key, findings) else { continue };
                if list.len() > MAX_EXCLUDED {
                    let message = format!(
                        "`exclude` lists {} accounts, but at most {MAX_EXCLUDED} are allowed",
                        list.len()
                    );
                    let help = "shorten the list";
                    findings.add(place, Code::InvalidValue, message, help).primary(Span::value(key));
                }
                json.insert(key.to_owned(), list.iter().map(|(id, _)| Value::from(*id)).collect());
            }
            Some(QueryField::Company) => {
                let named = table.as_text(key, entry.value, place, findings);
                if named.is_some_and(|named| named != company) {
                    let message = format!(
                        "`company` differs from {}, the company that this file belongs to",
                        quoted(company)
                    );
                    let help = "remove the key: a test always queries its own company";
                    findings.add(place, Code::InvalidValue, message, help).primary(Span::value(key));
                }
            }
            Some(_) => {
                if let Some(text) = table.as_text(key, entry.value, place, findings) {
                    json.insert(key.to_owned(), Value::from(text));
                }
            }
            None => {}
        }
    }
    let ordered = QueryField::ALL.iter().filter_map(|field| json.remove_entry(field.as_str()));
    Value::Object(ordered.collect()).to_string()
}

fn read_expectation(table: &Table<'_>, findings: &mut Findings) -> Expectation {
    let meant = table.report_unknown_keys(&EXPECT_KEYS, findings);
    if table.entries().is_empty() && meant.is_empty() {
        let message = "`expect` is empty, so the test can never fail";
        let help = format!("write at least one of {}", EXPECT_KEYS.join(", "));
        findings.add(&table.place(), Code::InvalidValue, message, help).primary(Span::value("expect"));
    }
    let mut text = |key: &str| table.text(key, findings).given().map(Box::from);
    let (account, ou, pool) = (text("account"), text("ou"), text("pool"));
    let rules = Rule::ALL.map(|rule| (rule.as_str(), rule));
    let errors = SelectError::ALL.map(|error| (error.as_str(), error));
    let rule = table.choice("rule", &rules, findings).given();
    let climbed = table
        .integer("climbed", findings)
        .and_then(findings, |climbed, place, findings| {
            let levels = u32::try_from(climbed).ok();
            if levels.is_none() {
                let message =
                    format!("`climbed` is {}, which is not a number of OUs", quoted(&climbed.to_string()));
                let help = "write 0 for the query's own OU, 1 for its parent, and so on";
                findings.add(place, Code::InvalidValue, message, help).primary(Span::value("climbed"));
            }
            levels
        })
        .given();
    let error = table.choice("error", &errors, findings).given();
    Expectation { account, rule, ou, pool, climbed, error }
}
