//! Import and export.

use switchboard_database::{Change, DatabaseError, Import, ImportScope};
use switchboard_registry::{Files, read};
use switchboard_snapshot::{NoProgress, compile};

use super::registries::{random, small};
use super::{database, export, import_files, migrated_database, sql, text};

fn change(company: &str, table: &'static str, kind: &'static str, rows: u64, first: &[&str]) -> Change {
    let company = Some(company.to_owned());
    Change { company, table, kind, rows, first: first.iter().map(|key| (*key).to_owned()).collect() }
}

/// Returns the bytes of the snapshot of a registry without its tests, and the tests.
fn compiled(files: &Files) -> (Vec<u8>, Vec<String>) {
    let (registry, findings) = read(files);
    assert_eq!(findings.errors(), 0, "{findings:?}");
    let bytes = compile(&registry, 1, &NoProgress).unwrap().with_no_tests();
    let tests = registry.companies.iter().flat_map(|company| &company.tests);
    (bytes.to_vec(), tests.map(|test| format!("{} {} {:?}", test.name, test.query, test.expect)).collect())
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn exported_files_have_one_form() {
    let url = migrated_database();
    import_files(&url, &small());
    let files = export(&url);
    let paths: Vec<&str> = files.iter().map(|(path, _)| &**path).collect();
    assert_eq!(
        paths,
        [
            "acme/accounts.csv",
            "acme/company.toml",
            "acme/ous.csv",
            "acme/tests.toml",
            "beta/company.toml",
            "beta/ous.csv",
            "channels.toml"
        ]
    );
    assert_eq!(
        text(&files, "channels.toml"),
        "[channel.\"fax\"]\nconversation_role = \"primary\"\npool_must_hold = [\"primary\"]\naddress = \"phone\"\n\n\
         [channel.\"sms\"]\ndedicated_since = \"never\"\n"
    );
    assert_eq!(
        text(&files, "acme/company.toml"),
        "name = \"Acme \\\"Capital\\\"\"\nou_without_pool = \"error\"\ndedicated_unavailable = \"pool\"\n\
         platform_version = \"1.24.0\"\n\n[geography]\nIE = \"GB\"\n\n\
         [[pool]]\nid = \"fax\"\nchannel = \"fax\"\nous = [\"hq\"]\n\n\
         [[pool]]\nid = \"wa\"\nchannel = \"whatsapp\"\nous = [\"emea\", \"hq\"]\npriority = -1\n\
         country_match = \"calling_code\"\ndefault_country = \"GB\"\nfallback_upward = true\n\
         geography = { BE = \"DE\", NL = \"DE\" }\n"
    );
    assert_eq!(
        text(&files, "acme/ous.csv"),
        "id,parent,name\nemea,hq,\"Europe\n\"\"EMEA\"\"\"\nhq,,\"Head, office\"\nuk,emea,\n"
    );
    assert_eq!(
        text(&files, "acme/accounts.csv"),
        "id,channel,role,address,country,pool,user,weight,state,available_from\n\
         fax-1,fax,primary,+442079460001,GB,fax,,,suspended,\n\
         spare,line,,@acme,GB,,,,,\n\
         wa-1,whatsapp,primary,+447400123401,GB,wa,,,,2027-03-01\n\
         wa-2,whatsapp,secondary,+447400123402,GB,wa,,1000,draining,2027-03-01T06:00:01Z\n\
         wa-3,whatsapp,secondary,+4915123456703,DE,wa,,,,\n\
         wa-4,whatsapp,,+447400123404,GB,,müller@bank.example,,,\n"
    );
    assert_eq!(
        text(&files, "acme/tests.toml"),
        "[[test]]\nname = \"line 1\"\n\
         query = { channel = \"whatsapp\", ou = \"uk\", country = \"GB\", exclude = [\"wa-9\"] }\n\
         expect = { pool = \"wa\", climbed = 1 }\n\n[[test]]\nname = \"no pool\"\n\
         query = { channel = \"sms\", ou = \"uk\", country = \"GB\" }\nexpect = { error = \"no_pool\" }\n\n"
    );
    assert_eq!(text(&files, "beta/company.toml"), "");
    assert_eq!(compiled(&files), compiled(&small()));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn exports_of_random_registries_are_equal_to_the_byte() {
    let urls = [migrated_database(), migrated_database()];
    for seed in 0..30 {
        let files = random(seed);
        for url in &urls {
            sql(url, "delete from switchboard.company");
        }
        import_files(&urls[0], &files);
        let exported = export(&urls[0]);
        assert_eq!(compiled(&exported), compiled(&files), "seed {seed}");
        import_files(&urls[1], &exported);
        assert_eq!(export(&urls[1]), exported, "seed {seed}");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn values_that_were_typed_in_another_form_are_exported_in_the_same_one() {
    let urls = [migrated_database(), migrated_database()];
    sql(
        &urls[0],
        r#"update switchboard.channel set conversation_role = 'secondary', address = 'phone' where id = 'whatsapp';
        update switchboard.channel set pool_must_hold = '{secondary,primary}', dedicated_since = '1.25' where id = 'sms';
        insert into switchboard.channel values ('fax', 'primary', '{secondary,primary,primary}', 'phone', 'never');
        insert into switchboard.company (id, name, platform_version) values ('acme', 'acme', '1.24');
        insert into switchboard.ou values ('acme', 'hq', null, E'a\r\nb\rc');
        insert into switchboard.account (company, id, channel, role, address, country, "user", available_from) values
            ('acme', 'a-1', 'fax', null, '+442079460001', null, 'ann', null),
            ('acme', 'a-2', 'sms', 'primary', '+4915123456703', null, null, '2027-01-01 00:00:00.5Z'),
            ('acme', 'a-3', 'line', null, '@+447400123401', 'GB', null, '2027-01-01 00:00:00Z');
        insert into switchboard.test (company, name, query, expect) values ('acme', 't',
            '{"company": "acme", "ou": "hq", "channel": "sms", "country": "GB", "role": null, "exclude": []}',
            '{"error": "no_pool", "account": null}')"#,
    );
    let first = export(&urls[0]);
    import_files(&urls[1], &first);
    let second = export(&urls[1]);
    for path in ["channels.toml", "acme/company.toml", "acme/ous.csv", "acme/accounts.csv", "acme/tests.toml"]
    {
        assert_eq!(text(&second, path), text(&first, path));
    }
    assert_eq!(second, first);
    assert!(text(&first, "acme/accounts.csv").contains("a-2,sms,primary,+4915123456703,DE,"));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn imports_write_only_rows_that_differ() {
    let url = migrated_database();
    let first = import_files(&url, &small());
    assert!(first.changes.contains(&change("acme", "company", "added", 1, &["acme"])), "{first:?}");
    assert!(
        first.changes.contains(&change("acme", "account", "added", 6, &["fax-1", "spare", "wa-1"])),
        "{first:?}"
    );
    let imports = "select company, after -> 'account', after -> 'test' from switchboard.history \
        where \"table\" = 'import' order by company";
    assert_eq!(sql(&url, imports), "acme|{\"added\": 6}|{\"added\": 2}\nbeta||");
    let version = "select string_agg(id || xmin, ' ' order by id) from switchboard.account";
    let before = sql(&url, version);
    assert_eq!(import_files(&url, &small()), Import::default());
    assert_eq!(sql(&url, "select count(*) from switchboard.history where \"table\" = 'import'"), "2");

    // wa-1 and wa-3 exchange their addresses, spare is removed, and its address is given to a new account.
    let mut files = small();
    let sheet = text(&files, "acme/accounts.csv")
        .replace("+447400123401", "x")
        .replace("+4915123456703", "+447400123401");
    let sheet =
        sheet.replace("x,,wa", "+4915123456703,,wa").replace("spare,", "spare-2,").replace(",1000,", ",999,");
    files.insert("acme/accounts.csv", sheet);
    let tests = text(&files, "acme/tests.toml").replace("no pool", "none");
    files.insert("acme/tests.toml", tests);
    let changes = [
        change("acme", "account", "removed", 1, &["spare"]),
        change("acme", "account", "changed", 3, &["wa-1", "wa-2", "wa-3"]),
        change("acme", "account", "added", 1, &["spare-2"]),
        change("acme", "test", "removed", 2, &["line 1", "no pool"]),
        change("acme", "test", "added", 2, &["line 1", "none"]),
    ];
    let (registry, _) = read(&files);
    let dry = database(&url).import(&registry, ImportScope::Registry, true).unwrap();
    assert_eq!(dry.changes, changes);
    assert_eq!(sql(&url, version), before);
    assert_eq!(import_files(&url, &files).changes, changes);
    let after = sql(&url, version);
    let unchanged = |text: &str| text.split(' ').find(|it| it.starts_with("wa-4")).map(str::to_owned);
    assert_eq!(unchanged(&after), unchanged(&before));
    assert_eq!(compiled(&export(&url)), compiled(&files));
    assert_eq!(sql(&url, "select count(*) from switchboard.history where \"table\" = 'import'"), "3");
    assert_eq!(sql(&url, "select count(*) from switchboard.history where \"table\" = 'account'"), "0");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn import_replaces_the_tree_and_the_pools_of_a_company_and_leaves_others() {
    let url = migrated_database();
    import_files(&url, &small());
    // The tree is turned round, a pool changes its channel, another one is removed.
    let company = "[[ou]]\nid = \"uk\"\n\n[[ou]]\nid = \"hq\"\nparent = \"uk\"\n\n[[pool]]\nid = \"wa\"\n\
        channel = \"signal\"\nous = [\"uk\"]\n";
    let accounts = "id,channel,role,address,pool\nwa-1,signal,secondary,+447400123401,wa\n";
    let files = Files::from_iter([("acme/company.toml", company), ("acme/accounts.csv", accounts)]);
    let changes = import_files(&url, &files).changes;
    // The account changes its channel with its pool.
    for changed in
        [change("acme", "account", "changed", 1, &["wa-1"]), change("acme", "pool", "changed", 1, &["wa"])]
    {
        assert!(changes.contains(&changed), "{changes:#?}");
    }
    let mut recorded = sql(
        &url,
        "select t.key, k.key, k.value from switchboard.history, jsonb_each(after) t, jsonb_each(t.value) k \
         where \"table\" = 'import' and company = 'acme' and id > (select min(id) + 1 from switchboard.history \
           where \"table\" = 'import')",
    )
    .lines()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    recorded.sort();
    let of_company = changes.iter().filter(|change| change.company.is_some());
    let mut printed: Vec<String> =
        of_company.map(|it| format!("{}|{}|{}", it.table, it.kind, it.rows)).collect();
    printed.sort();
    assert_eq!(recorded, printed);
    let mut exported = export(&url);
    assert!(exported.get("beta/company.toml").is_some());
    exported.retain(|path| path.starts_with("acme/"));
    assert_eq!(compiled(&exported), compiled(&files));
    assert_eq!(sql(&url, "select count(*) from switchboard.geography"), "0");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn imported_companies_need_the_channels_of_the_database() {
    let url = migrated_database();
    let (registry, _) = read(&small());
    let import = || database(&url).import(&registry, ImportScope::Companies, false);
    match import() {
        Err(DatabaseError::OtherChannels(channels)) => assert_eq!(channels, ["fax"]),
        other => panic!("{other:?}"),
    }
    sql(&url, "insert into switchboard.channel values ('fax', 'primary', '{primary}', 'phone')");
    import().unwrap();
    // No imported company uses this channel.
    assert_eq!(sql(&url, "select dedicated_since is null from switchboard.channel where id = 'sms'"), "t");
}
