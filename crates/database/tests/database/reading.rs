//! Reading a database: one state, the places of findings, and what goes wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use switchboard_database::{Database, DatabaseError};
use switchboard_registry::{Findings, ReadLimits, check, read};

use super::registries::small;
use super::server::at_port;
use super::{database, export, import_files, migrated_database, sql, text};

/// Returns the findings about a database, each as its place and its code.
fn findings(url: &str) -> Vec<String> {
    let contents = database(url).read(ReadLimits::default()).unwrap();
    let (registry, mut findings) = read(&contents.files);
    check(&registry, &mut findings);
    contents.rows.relocate(&contents.files, &mut findings);
    lines(&findings)
}

fn lines(findings: &Findings) -> Vec<String> {
    let mut lines: Vec<String> =
        findings.iter().map(|finding| format!("{} {}", finding.place, finding.code.as_str())).collect();
    lines.sort();
    lines
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn findings_name_table_key_and_column() {
    let url = migrated_database();
    assert_eq!(findings(&url), ["company empty"]);
    import_files(&url, &small());
    let before = findings(&url);
    sql(
        &url,
        r#"alter table switchboard.channel drop constraint channel_not_built_in_has_role_must_hold_and_address;
        insert into switchboard.company (id) values ('none');
        insert into switchboard.channel (id, address) values ('a.b\c', 'phone');
        update switchboard.channel set conversation_role = null where id = 'fax';
        update switchboard.ou set parent = 'uk' where company = 'acme' and id = 'hq';
        insert into switchboard.geography values ('acme', null, 'FR', 'IE'), ('acme', 'wa', 'FR', 'IT');
        update switchboard.pool set default_country = 'US' where id = 'wa';
        update switchboard.account set country = 'FR' where id = 'wa-3';
        update switchboard.account set address = 'nobody' where id = 'wa-4';
        insert into switchboard.account (company, id, channel, address) values ('beta', 'x\y', 'sms', '1');
        insert into switchboard.test (company, name, query, expect) values
            ('acme', '[[test]]', '{"ou": "uk", "fone": "1"}', '{"rule": "none"}'),
            ('acme', '', '{"ou": 1}', '{"account": "a"}')"#,
    );
    let tests: Vec<String> =
        sql(&url, "select id from switchboard.test order by id").lines().map(str::to_owned).collect();
    let mut new = findings(&url);
    new.retain(|line| !before.contains(line));
    for line in [
        "channel[id=a.b\\c] missing_key".to_owned(),
        "channel[id=fax] missing_key".to_owned(),
        "company[id=none] empty".to_owned(),
        "geography[company=acme,country=FR] chained_mapping".to_owned(),
        "geography[company=acme,pool=wa,country=FR] unserved_target".to_owned(),
        "pool[company=acme,id=wa].default_country unserved_target".to_owned(),
        "account[company=acme,id=wa-3].country country_contradicted".to_owned(),
        "account[company=acme,id=wa-4].address invalid_address".to_owned(),
        "account[company=beta,id=x\\y].address invalid_address".to_owned(),
        format!("test[company=acme,id={}].query unknown_key", tests[2]),
        format!("test[company=acme,id={}].expect.rule invalid_value", tests[2]),
        format!("test[company=acme,id={}].query invalid_value", tests[3]),
    ] {
        assert!(new.contains(&line), "{line}\n{new:#?}");
    }
    assert!(
        new.iter().any(|line| line.starts_with("ou[company=acme,id=") && line.ends_with(" ou_cycle")),
        "{new:#?}"
    );
    assert!(!new.iter().any(|line| line.contains(".toml") || line.contains(".csv")), "{new:#?}");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn findings_of_a_table_without_constraints_have_their_row() {
    let url = migrated_database();
    import_files(&url, &small());
    sql(
        &url,
        r#"alter table switchboard.account drop constraint account_pool_exists_with_this_channel,
            drop constraint account_country_is_assigned, drop constraint account_user_has_only_visible_characters,
            drop constraint account_weight_is_1_to_1000;
        alter table switchboard.pool_ou drop constraint pool_ou_ou_exists_in_the_company;
        alter table switchboard.geography drop constraint geography_served_from_is_assigned,
            drop constraint geography_maps_to_another_country;
        update switchboard.account set pool = 'w' where id = 'wa-1';
        update switchboard.account set country = 'UK', weight = -1 where id = 'wa-2';
        update switchboard.account set "user" = E'a,"b"\nwa-3' where id = 'wa-4';
        insert into switchboard.pool_ou values ('acme', 'fax', 'moon');
        insert into switchboard.geography values ('acme', null, 'LU', 'XX'), ('acme', 'wa', 'LU', 'LU')"#,
    );
    let found = findings(&url);
    for line in [
        "account[company=acme,id=wa-1].pool unknown_pool",
        "account[company=acme,id=wa-2].country invalid_country",
        "account[company=acme,id=wa-2].weight invalid_value",
        "account[company=acme,id=wa-4].user invalid_id",
        "pool_ou[company=acme,pool=fax,ou=moon] unknown_ou",
        "geography[company=acme,country=LU] invalid_country",
        "geography[company=acme,pool=wa,country=LU] mapping_to_itself",
    ] {
        assert!(found.iter().any(|it| it == line), "{line}\n{found:#?}");
    }
    sql(
        &url,
        "alter table switchboard.company drop constraint company_id_is_the_name_of_a_folder, \
        drop constraint company_id_is_ascii_without_space_comma_slash_quote",
    );
    for id in ["..", "../x", ""] {
        sql(&url, &format!("insert into switchboard.company (id) values ('{id}')"));
        let read = database(&url).read(ReadLimits::default());
        assert!(matches!(&read, Err(DatabaseError::CompanyId(refused)) if refused == id), "{read:?}");
        sql(&url, &format!("delete from switchboard.company where id = '{id}'"));
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn values_of_json_that_no_registry_has_are_found_at_their_row() {
    let url = migrated_database();
    sql(
        &url,
        "insert into switchboard.company (id) values ('a'); insert into switchboard.ou values ('a', 'hq')",
    );
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (column, field, json) in [
        ("query", "ou", "1e400"),
        ("query", "ou", "-1e400"),
        ("query", "ou", &deep),
        ("query", "ou", "18446744073709551616"),
        ("query", "exclude", "[1e400]"),
        ("query", "channel", "{\"a\": null}"),
        ("expect", "climbed", "1e400"),
        ("expect", "climbed", "18446744073709551615"),
    ] {
        let (query, expect) = match column {
            "query" => (
                format!("{{\"country\": \"GB\", \"{field}\": {json}}}"),
                "{\"error\": \"no_pool\"}".to_owned(),
            ),
            _ => ("{}".to_owned(), format!("{{\"pool\": \"p\", \"{field}\": {json}}}")),
        };
        let id = sql(
            &url,
            &format!(
                "delete from switchboard.test; insert into switchboard.test (company, name, query, expect) \
                 values ('a', 't', '{query}', '{expect}') returning id"
            ),
        );
        let found = findings(&url);
        let wanted = format!("test[company=a,id={id}].{column} invalid_value");
        assert!(found.contains(&wanted), "{field} {json:.30}: {found:#?}");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn texts_of_findings_name_rows_in_place_of_lines() {
    let url = migrated_database();
    sql(
        &url,
        "alter table switchboard.account drop constraint account_user_has_one_on_a_channel;
        alter table switchboard.ou drop constraint ou_pkey cascade;
        insert into switchboard.company (id, platform_version) values ('a', '1.30');
        insert into switchboard.ou (company, id) values ('a', 'hq'), ('a', 'hq');
        insert into switchboard.account (company, id, channel, address, country, \"user\") values
            ('a', 'm1', 'wechat_miniapp', 'x@acme.example', 'CN', null),
            ('a', 'm2', 'wechat_miniapp', 'x@ACME.example', 'CN', null),
            ('a', 'u1', 'sms', '+447400123401', 'GB', 'ann'), ('a', 'u2', 'sms', '+447400123402', 'GB', 'ann')",
    );
    let contents = database(&url).read(ReadLimits::default()).unwrap();
    let (registry, mut findings) = read(&contents.files);
    check(&registry, &mut findings);
    contents.rows.relocate(&contents.files, &mut findings);
    let messages: Vec<&str> = findings.iter().map(|finding| &*finding.message).collect();
    for message in [
        "account `m2` has the same address on channel `wechat_miniapp` as account `m1`",
        "user `ann` has two dedicated accounts on channel `sms`: `u1`, and `u2`",
        "OU id `hq` is already used at ou[company=a,id=hq]",
    ] {
        assert!(messages.contains(&message), "{message}\n{messages:#?}");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn a_table_that_is_truncated_and_filled_again_is_read_whole() {
    let url = migrated_database();
    import_files(&url, &small());
    let before = export(&url);
    thread::scope(|scope| {
        let refill = scope.spawn(|| {
            sql(
                &url,
                "begin; create temp table kept as table switchboard.geography; truncate switchboard.geography; \
                 insert into switchboard.geography table kept; select pg_sleep(1); commit",
            )
        });
        let locked = "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted \
                      and relation = 'switchboard.geography'::regclass";
        while sql(&url, locked) == "0" {
            assert!(!refill.is_finished(), "the table was never locked");
        }
        assert_eq!(export(&url), before);
    });
}

/// Ends a writer, also if the test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn reading_sees_one_state_of_all_tables() {
    let url = migrated_database();
    sql(
        &url,
        "insert into switchboard.company (id, name) values ('a', '0'); insert into switchboard.ou values ('a', 'u', null, '0')",
    );
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                sql(&url, &format!(
                    "begin; update switchboard.ou set name = '{number}'; update switchboard.company set name = '{number}'; commit"
                ));
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let _done = Done(&is_done);
        let mut seen = Vec::new();
        while seen.len() < 20 {
            let files = export(&url);
            let name = text(&files, "a/company.toml")
                .trim()
                .trim_start_matches("name = ")
                .trim_matches('"')
                .to_owned();
            assert_eq!(text(&files, "a/ous.csv"), format!("id,parent,name\nu,,{name}\n"));
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
    });
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn faults_name_their_cause() {
    let url = migrated_database();
    import_files(&url, &small());
    let limits = ReadLimits { max_file_bytes: 200 };
    let error = database(&url).read(limits).unwrap_err().to_string();
    assert_eq!(
        error,
        "table `pool` has more than 200 bytes of company `acme`; --max-file-size sets the limit"
    );
    let many = migrated_database();
    // Each table is read before those above it.
    for (table, rows) in [
        (
            "ou",
            "insert into switchboard.company (id) select n from generate_series(1, 5) n; \
             insert into switchboard.ou (company, id) select c.id, 'ou' || n from switchboard.company c, generate_series(1, 20) n",
        ),
        ("company", "insert into switchboard.company (id) select 'x' || n from generate_series(1, 100) n"),
        (
            "channel",
            "insert into switchboard.channel select 'x' || n, 'primary', '{primary}', 'phone' from generate_series(1, 200) n",
        ),
    ] {
        sql(&many, rows);
        let error = database(&many).read(limits).unwrap_err().to_string();
        let wanted =
            format!("table `{table}` has more than 1600 bytes; the limit is 8 times --max-file-size");
        assert_eq!(error, wanted);
    }

    let missing = url.replace("user=postgres", "user=nobody-here&password=secret");
    let error = database(&missing).read(ReadLimits::default()).unwrap_err().to_string();
    assert!(error.contains("role \"nobody-here\" does not exist") && !error.contains("secret"), "{error}");
    sql(&url, "drop schema switchboard cascade; create schema switchboard");
    assert!(matches!(database(&url).read(ReadLimits::default()), Err(DatabaseError::NoSchema)));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn a_database_is_read_with_tls() {
    let url = migrated_database();
    import_files(&url, &small());
    let (at_port, certificate) = at_port(&url, "postgres");
    let with_tls = format!("{at_port}?sslmode=verify-full&sslrootcert={}", certificate.display());
    assert_eq!(export(&with_tls), export(&url));
    let error = database(&format!("{at_port}?sslmode=verify-full")).read(ReadLimits::default()).unwrap_err();
    assert!(matches!(error, DatabaseError::Connection(_)), "{error:?}");
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres:///d?host={}&password=secret", folder.path().display());
    let error = Database::from_url(&url).unwrap().read(ReadLimits::default()).unwrap_err();
    assert!(matches!(error, DatabaseError::Connection(_)), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
