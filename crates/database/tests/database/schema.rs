//! The schema: its versions, its rules, its roles and its history.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::runtime::Builder;
use tokio::time::timeout;

use switchboard_database::{DatabaseError, Migrated, SCHEMA_VERSION};
use switchboard_model::{Region, is_id, is_invisible};
use switchboard_registry::{Files, ReadLimits, read};

use super::registries::small;
use super::server::try_sql;
use super::{database, empty_database, export, import_files, migrated_database, sql};

const COMPANY: &str = "insert into switchboard.company (id) values ('acme');
    insert into switchboard.ou (company, id, parent) values ('acme', 'hq', null), ('acme', 'emea', 'hq');
    insert into switchboard.pool (company, id, channel) values ('acme', 'sms', 'sms'), ('acme', 'line', 'line');
    insert into switchboard.pool_ou values ('acme', 'sms', 'hq');
    insert into switchboard.account (company, id, channel, role, address, pool)
        values ('acme', 'a1', 'sms', 'primary', '+447400123401', 'sms');";

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn migration_can_be_repeated_and_refuses_a_newer_schema() {
    let url = empty_database();
    let database = database(&url);
    assert!(matches!(database.read(ReadLimits::default()), Err(DatabaseError::NoSchema)));
    let migrate = || database.migrate(false).unwrap();
    let both =
        thread::scope(|scope| [scope.spawn(migrate), scope.spawn(migrate)].map(|it| it.join().unwrap()));
    let mut from = both.map(|migrated| migrated.from);
    from.sort();
    assert_eq!(from, [0, SCHEMA_VERSION]);
    assert_eq!(migrate(), Migrated { from: SCHEMA_VERSION, to: SCHEMA_VERSION });

    sql(&url, "insert into switchboard.migration (version) values (1000)");
    assert!(matches!(database.migrate(false), Err(DatabaseError::NewerSchema { found: 1000, .. })));
    assert!(matches!(
        database.read(ReadLimits::default()),
        Err(DatabaseError::NewerSchema { found: 1000, .. })
    ));
    sql(&url, "delete from switchboard.migration");
    assert!(matches!(database.read(ReadLimits::default()), Err(DatabaseError::NoVersion)));
    assert!(matches!(database.migrate(false), Err(DatabaseError::NoVersion)));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn rules_of_values_are_those_of_the_registry() {
    let url = migrated_database();
    let invisible = sql(
        &url,
        "select string_agg(i::text, ' ' order by i) from generate_series(1, 1114111) i \
         where i not between 55296 and 57343 and not switchboard.is_visible(chr(i))",
    );
    let wanted: Vec<String> =
        ('\u{1}'..=char::MAX).filter(|it| is_invisible(*it)).map(|it| u32::from(it).to_string()).collect();
    assert_eq!(invisible, wanted.join(" "));

    let of_ids = sql(
        &url,
        "select string_agg(chr(i), '' order by i) from generate_series(1, 400) i \
         where switchboard.is_id(chr(i))",
    );
    let wanted: String = (1..=400).filter_map(char::from_u32).filter(|it| is_id(&it.to_string())).collect();
    assert_eq!(of_ids, wanted);
    let lengths = "select switchboard.is_id(repeat('x', 128)), switchboard.is_id(repeat('x', 129)), switchboard.is_id('')";
    assert_eq!(sql(&url, lengths), "t|f|f");

    let countries = sql(
        &url,
        "select string_agg(chr(a) || chr(b), ' ' order by a, b) from generate_series(48, 122) a, \
         generate_series(48, 122) b where switchboard.is_country(chr(a) || chr(b))",
    );
    let wanted: BTreeSet<&str> = Region::all().map(|region| region.alpha2()).collect();
    assert_eq!(countries, wanted.into_iter().collect::<Vec<_>>().join(" "));

    let channels = sql(&url, "select string_agg(id, ' ' order by id) from switchboard.channel");
    let (built_in, _) = read(&Files::default());
    let wanted: Vec<&str> = built_in.channels.iter().map(|channel| &*channel.id).collect();
    assert_eq!(channels, wanted.join(" "));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn faults_are_refused_with_the_name_of_the_rule() {
    let url = migrated_database();
    sql(&url, COMPANY);
    let account = |columns: &str, values: &str| {
        format!(
            "insert into switchboard.account (company, id, channel, {columns}) values ('acme', 'a2', 'sms', {values})"
        )
    };
    let update = |assignment: &str| format!("update switchboard.account set {assignment}");
    for (statement, rule) in [
        ("insert into switchboard.company (id) values ('a b')".to_owned(), "company_id_is_ascii_without"),
        (
            "insert into switchboard.company (id) values ('..')".to_owned(),
            "company_id_is_the_name_of_a_folder",
        ),
        ("insert into switchboard.company (id) values ('acme')".to_owned(), "(id)=(acme) already exists"),
        (
            "update switchboard.company set platform_version = '1.x'".to_owned(),
            "platform_version_is_a_version",
        ),
        ("update switchboard.ou set parent = 'nowhere'".to_owned(), "ou_parent_exists_in_the_company"),
        ("update switchboard.ou set parent = id".to_owned(), "ou_parent_is_another_ou"),
        (
            "insert into switchboard.channel (id, address) values ('fax', 'phone')".to_owned(),
            "channel_not_built_in_has_role_must_hold_and_address",
        ),
        ("delete from switchboard.ou where id = 'hq'".to_owned(), "ou_parent_exists_in_the_company"),
        ("update switchboard.pool set channel = 'fax'".to_owned(), "pool_channel_exists"),
        ("update switchboard.pool set default_country = 'UK'".to_owned(), "pool_default_country_is_assigned"),
        (
            "insert into switchboard.pool_ou values ('acme', 'sms', 'apac')".to_owned(),
            "ou_exists_in_the_company",
        ),
        (
            "insert into switchboard.geography values ('acme', 'sms', 'DE', 'DE')".to_owned(),
            "maps_to_another_country",
        ),
        (
            "insert into switchboard.geography values ('acme', null, 'NL', 'DE'), ('acme', null, 'NL', 'BE')"
                .to_owned(),
            "geography_maps_a_country_of_a_company_once",
        ),
        (account("address", "'+447400123401'"), "account_address_is_once_on_a_channel"),
        (account("address", "'+44 7400 123402'"), "account_address_has_only_visible_characters"),
        (account("address, pool", "'+447400123402', 'sms'"), "account_of_a_pool_has_a_role"),
        (
            account("address, role, pool", "'+447400123402', 'primary', 'line'"),
            "pool_exists_with_this_channel",
        ),
        (
            account("address, \"user\", role", "'+447400123402', 'ann', 'primary'"),
            "account_of_a_user_has_no_role",
        ),
        (
            account("address, \"user\"", "'+447400123402', E'ann\\u200b'"),
            "account_user_has_only_visible_characters",
        ),
        (update("\"user\" = 'ann'"), "account_has_a_pool_or_a_user_not_both"),
        (update("weight = 0"), "account_weight_is_1_to_1000"),
        (update("state = 'off'"), "account_state_is_active_draining_or_suspended"),
        (update("available_from = 'infinity'"), "account_available_from_has_a_year_of_four_digits"),
        (
            "insert into switchboard.test (company, name, query, expect) values ('acme', 't', '{}', '{}')"
                .to_owned(),
            "test_expect_is_an_object_with_a_field",
        ),
    ] {
        let error = try_sql(&url, &statement).unwrap_err();
        assert!(error.contains(rule), "{statement}\n{error}");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn renamed_units_and_pools_keep_their_references_and_a_deleted_company_leaves_nothing() {
    let url = migrated_database();
    sql(&url, COMPANY);
    sql(
        &url,
        "update switchboard.ou set id = 'head' where id = 'hq'; update switchboard.pool set id = 'text' where id = 'sms'",
    );
    let files = export(&url);
    assert_eq!(super::text(&files, "acme/ous.csv"), "id,parent,name\nemea,head,\nhead,,\n");
    assert!(
        super::text(&files, "acme/company.toml")
            .contains("id = \"text\"\nchannel = \"sms\"\nous = [\"head\"]\n")
    );
    assert!(
        super::text(&files, "acme/accounts.csv").ends_with("\na1,sms,primary,+447400123401,GB,text,,,,\n")
    );
    sql(&url, "delete from switchboard.company");
    assert_eq!(export(&url), Files::default());
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn history_has_each_changed_row() {
    let url = migrated_database();
    let history = |columns: &str| {
        let rows =
            format!("select {columns} from switchboard.history where \"table\" = 'account' order by id");
        let rows = sql(&url, &rows);
        sql(&url, "delete from switchboard.history");
        rows
    };
    sql(&url, COMPANY);
    assert_eq!(
        history("role, company, key, before, after ->> 'address'"),
        "postgres|acme|company=acme,id=a1||+447400123401"
    );
    sql(&url, "update switchboard.account set weight = 2");
    assert_eq!(history("key, before -> 'weight', after -> 'weight'"), "company=acme,id=a1|1|2");
    sql(&url, "update switchboard.account set weight = 2");
    assert_eq!(history("key"), "");
    sql(&url, "update switchboard.account set id = 'a2'");
    assert_eq!(
        history("key, before ->> 'id', after ->> 'id'"),
        "company=acme,id=a1|a1|\ncompany=acme,id=a2||a2"
    );
    sql(&url, "delete from switchboard.account");
    assert_eq!(history("key, before ->> 'id', after"), "company=acme,id=a2|a2|");
    sql(&url, "truncate switchboard.account");
    assert_eq!(history("company, key"), "|all rows");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn history_has_the_rows_of_cascades() {
    let url = migrated_database();
    sql(&url, COMPANY);
    let changed = |statement: &str| {
        sql(&url, "delete from switchboard.history");
        sql(&url, statement);
        sql(
            &url,
            "select \"table\", key, before is not null, after is not null from switchboard.history \
             order by \"table\" collate \"C\", key collate \"C\"",
        )
    };
    assert_eq!(
        changed("update switchboard.ou set id = 'head' where id = 'hq'"),
        "ou|company=acme,id=emea|t|t\nou|company=acme,id=head|f|t\nou|company=acme,id=hq|t|f\n\
         pool_ou|company=acme,pool=sms,ou=head|f|t\npool_ou|company=acme,pool=sms,ou=hq|t|f"
    );
    assert_eq!(
        changed("update switchboard.pool set channel = 'whatsapp' where id = 'sms'"),
        "account|company=acme,id=a1|t|t\npool|company=acme,id=sms|t|t"
    );
    assert_eq!(
        changed("delete from switchboard.company"),
        "account|company=acme,id=a1|t|f\ncompany|id=acme|t|f\nou|company=acme,id=emea|t|f\n\
         ou|company=acme,id=head|t|f\npool|company=acme,id=line|t|f\npool|company=acme,id=sms|t|f\n\
         pool_ou|company=acme,pool=sms,ou=head|t|f"
    );
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn edits_and_imports_notify_listeners() {
    let url = migrated_database();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    // The listener ends within a runtime.
    let _context = runtime.enter();
    let mut listener = runtime
        .block_on(async {
            let mut listener = PgListener::connect(&url).await?;
            listener.listen("switchboard_registry").await?;
            Ok::<_, sqlx::Error>(listener)
        })
        .unwrap();
    // Returns the number of notifications before the one with a payload.
    let mut notified = |change: &dyn Fn()| {
        change();
        sql(&url, "notify switchboard_registry, 'end'");
        runtime.block_on(async {
            for number in 0.. {
                let next = timeout(Duration::from_secs(60), listener.recv()).await.unwrap();
                if next.unwrap().payload() == "end" {
                    return number;
                }
            }
            unreachable!()
        })
    };
    assert_eq!(notified(&|| drop(sql(&url, COMPANY))), 1);
    let update = "update switchboard.account set weight = 2";
    assert_eq!(notified(&|| drop(sql(&url, &format!("begin; {update}; rollback")))), 0);
    assert_eq!(notified(&|| drop(sql(&url, update))), 1);
    // Nothing changes.
    assert_eq!(notified(&|| drop(sql(&url, update))), 0);
    assert_eq!(
        notified(&|| drop(sql(&url, "update switchboard.channel set address = 'phone' where id = 'sms'"))),
        1
    );
    assert_eq!(notified(&|| drop(import_files(&url, &small()))), 1);
    assert_eq!(notified(&|| drop(import_files(&url, &small()))), 0);
    assert_eq!(notified(&|| drop(sql(&url, "truncate switchboard.test"))), 1);
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn editors_change_the_registry_and_readers_do_not() {
    let url = empty_database();
    for _ in 0..2 {
        database(&url).migrate(true).unwrap();
    }
    sql(&url, COMPANY);
    let as_role = |role: &str, statement: &str| try_sql(&url, &format!("set role {role}; {statement}"));
    let edit = "update switchboard.account set weight = weight + 1";
    assert!(as_role("switchboard_reader", edit).unwrap_err().contains("permission denied for table account"));
    as_role("switchboard_editor", edit).unwrap();
    let last = "select role, company, key from switchboard.history order by id desc limit 1";
    assert_eq!(as_role("switchboard_reader", last).unwrap(), "switchboard_editor|acme|company=acme,id=a1");
    sql(&url, "create role stranger; grant usage on schema switchboard to stranger");
    for forged in [
        "insert into switchboard.history (\"table\") values ('account')",
        "update switchboard.history set role = 'ann'",
        "delete from switchboard.history",
        "truncate switchboard.history",
        "insert into switchboard.migration values (2)",
        "alter table switchboard.account disable trigger all",
        // The function would write rows of another table into the history.
        "create temp table account (id text); create trigger forge after insert on account referencing new table as \
         new_rows for each statement execute function switchboard.record_change('id')",
    ] {
        for role in ["switchboard_editor", "stranger"] {
            let error = as_role(role, forged).unwrap_err();
            assert!(
                error.contains("permission denied") || error.contains("must be owner"),
                "{role}: {forged}\n{error}"
            );
        }
    }
    // No other function runs with the rights of the owner.
    let definer =
        "select proname from pg_proc where pronamespace = 'switchboard'::regnamespace and prosecdef";
    assert_eq!(sql(&url, definer), "record_change");
    sql(&url, "drop owned by stranger; drop role stranger");
    let reader = format!("{url}&options=-c%20role%3Dswitchboard_reader");
    assert_eq!(export(&reader), export(&url));
    assert!(export(&reader).get("acme/accounts.csv").is_some());
}
