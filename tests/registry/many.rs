//! Many faults in the same files, the printed form of findings, and the limits on their number.

use switchboard_registry::{Code, Finding, Findings, Severity};

use super::base::{Texts, files, printed, read_and_check, replace, run, sound};

const COMPANY: &str = r#"name = 7
ou_without_pool = "inherits"
colour = "red"
platform_version = "new"

[geography]
IE = "ZZ"
FR = "FR"

[[ou]]
id = "root"
colour = "red"

[[ou]]
id = "a"
parent = "b"

[[ou]]
id = "b"
parent = "a"

[[ou]]
id = "a"

[[pool]]
id = "whats"
channel = "whatsapp"
ous = ["root", "nowhere-at-all"]
priority = "high"
geography = { NL = "DE", GB = "DE", BE = "FR" }

[[pool]]
id = "signal"
channel = "signal"
ous = []

[[pool]]
id = "fax"
channel = "fax"
ous = ["root"]

[[pool]]
id = "whats"
channel = "whatsapp"
ous = ["root"]
"#;

const ACCOUNTS: &str = "\
id,channel,role,address,country,pool,user,weight,state,available_from
w1,whatsapp,primary,+447400123400,GB,whats,,0,,
w2,whatsapp,secondary,+447400123401,GB,whats,,,sleepy,
w3,whatsapp,secondary,+4915123456701,UK,whats,,,,tomorrow
w4,whatsapp,,+447400123402,GB,whats,,,,
w5,whatsapp,secondary,+447400123403,GB,whats,user-1,,,
w6,whatsapp,primary,+447400123404,GB,,user-1,,,
w7,whatsapp,,+447400123405,GB,,user-2,,,
w8,whatsapp,,+447400123406,GB,,user-2,,,
w 9,whatsapp,secondary,+447400123407,GB,,,,,
w10,whatsapp,secondary,service@acme.example,GB,,,,,
w11,whatsapp,secondary,+447400123400,GB,,,,,
w12,sms,secondary,+447400123408,FR,,,,,
s1,signal,,+447400123409,GB,,user-3,,,
s2,signal,secondary,+447400123410,GB,signal,,,,
s2,signal,secondary,+447400123411,GB,signal,,,,
";

const TESTS: &str = r#"[[test]]
name = "a"
query = { chanel = "whatsapp" }
expect = {}
"#;

#[test]
fn every_one_of_many_faults_is_reported() {
    let mut texts = Texts::new();
    texts.insert("acme/company.toml".to_owned(), COMPANY.into());
    texts.insert("acme/accounts.csv".to_owned(), ACCOUNTS.into());
    texts.insert("acme/tests.toml".to_owned(), TESTS.into());
    texts.insert("acme/ous.csv".to_owned(), b"id,parent\nx,elsewhere\n".to_vec());
    texts.insert(
        "channels.toml".to_owned(),
        b"[channel.viber]\naddress = \"handle\"\npool_must_hold = [\"secondary\"]\n".to_vec(),
    );
    let (_, findings) = run(&texts);
    let found: Vec<(String, &str)> =
        findings.iter().map(|it| (it.place.to_string(), it.code.as_str())).collect();
    let company = |line: u32| format!("acme/company.toml:{line}");
    let account = |line: u32| format!("acme/accounts.csv:{line}");
    let expected = [
        (account(2), "invalid_value"),
        (account(3), "invalid_value"),
        (account(4), "invalid_value"),
        (account(4), "invalid_country"),
        (account(5), "role"),
        (account(6), "pool_and_user"),
        (account(7), "role"),
        (account(9), "duplicate_dedicated"),
        (account(10), "invalid_id"),
        (account(11), "invalid_address"),
        (account(12), "duplicate_address"),
        (account(13), "country_contradicted"),
        (account(14), "dedicated_unsupported"),
        (account(16), "duplicate_id"),
        (company(1), "invalid_value"),
        (company(2), "invalid_value"),
        (company(3), "unknown_key"),
        (company(4), "invalid_value"),
        (company(7), "invalid_country"),
        (company(8), "mapping_to_itself"),
        (company(10), "unserved_ou"),
        (company(12), "unknown_key"),
        (company(14), "ou_cycle"),
        (company(22), "duplicate_id"),
        (company(28), "unknown_ou"),
        (company(29), "invalid_value"),
        (company(30), "unserved_target"),
        (company(30), "unserved_target"),
        (company(30), "unserved_target"),
        (company(30), "unused_mapping"),
        (company(32), "pool_without_ou"),
        (company(39), "unknown_channel"),
        (company(42), "duplicate_id"),
        ("acme/ous.csv:2".to_owned(), "unknown_parent"),
        ("acme/tests.toml:3".to_owned(), "unknown_key"),
        ("acme/tests.toml:4".to_owned(), "invalid_value"),
        ("channels.toml:1".to_owned(), "missing_key"),
    ];
    assert_eq!(found, expected, "{}", printed(&findings));
    assert!(found.len() >= 30);
}

#[test]
fn reading_ends_after_ten_thousand_faulty_rows() {
    let mut texts = sound();
    let rows = |count| "id,channel,address\n".to_owned() + &"x\n".repeat(count);
    let of = |findings: &[Finding], code| findings.iter().filter(|it| it.code == code).count();
    texts.insert("acme/accounts.csv".to_owned(), rows(10_000).into());
    let (_, findings) = run(&texts);
    assert_eq!((of(&findings, Code::Limit), of(&findings, Code::Syntax)), (0, 101));
    texts.insert("acme/accounts.csv".to_owned(), rows(1_000_000).into());
    let (_, findings) = run(&texts);
    assert_eq!((of(&findings, Code::Limit), of(&findings, Code::Syntax)), (1, 101));
    let end = findings.iter().find(|it| it.code == Code::Limit).unwrap();
    assert_eq!(end.place.to_string(), "acme/accounts.csv:10002");
    assert_eq!(end.message, "10000 rows above this one are faulty, so the rest of the file is not read");
}

/// The limit exists because each channel adds series to every scrape of the metrics.
#[test]
fn more_than_a_thousand_channels_are_an_error() {
    let mut texts = sound();
    let profile = |at| {
        format!(
            "[channel.c{at:04}]\nconversation_role = \"secondary\"\npool_must_hold = []\naddress = \"handle\"\n"
        )
    };
    let built_in = 8;
    let own = |count: usize| (0..count - built_in).map(profile).collect::<String>().into_bytes();
    texts.insert("channels.toml".to_owned(), own(1000));
    assert_eq!(run(&texts).1.iter().map(Finding::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    texts.insert("channels.toml".to_owned(), own(1001));
    let (_, findings) = run(&texts);
    let limit = findings.iter().find(|it| it.code == Code::Limit).unwrap();
    assert_eq!(limit.message, "the registry has 1001 channels, but at most 1000 are allowed");
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let mut texts = sound();
    let rows = |count: u32| {
        (0..count).map(|at| format!("a{at},whatsapp,secondary,+44740{at:07},GB,nowhere\n")).collect()
    };
    let rows: String = rows(30_000);
    texts.insert(
        "acme/accounts.csv".to_owned(),
        format!("id,channel,role,address,country,pool\n{rows}").into(),
    );
    let (_, findings) = run(&texts);
    let unknown: Vec<_> = findings.iter().filter(|it| it.code == Code::UnknownPool).collect();
    assert_eq!(unknown.len(), 101);
    let last = &unknown[100];
    assert_eq!(last.place.line, 102);
    assert!(last.message.ends_with(" (and 29899 more findings of this kind)"), "{last}");
}

#[test]
fn findings_are_printed_with_place_code_and_help() {
    let mut texts = sound();
    replace(&mut texts, "acme/company.toml", "fallback_upward", "fallback_upwards");
    let (_, findings) = run(&texts);
    assert_eq!(
        findings[0].to_string(),
        "acme/company.toml:23: error[unknown_key]: key `fallback_upwards` is unknown\n  help: did you mean `fallback_upward`?"
    );
    let mut texts = sound();
    replace(&mut texts, "acme/company.toml", "NL = \"DE\"", "GB = \"DE\"");
    let (_, findings) = run(&texts);
    assert!(findings[0].to_string().starts_with(
        "acme/company.toml:24: warning[unused_mapping]: the mapping `GB` to `DE` of pool `whats` is used only while"
    ));
}

/// A file in Latin-1 is one fault, even if several of its lines are affected.
#[test]
fn wrong_encoding_is_one_finding() {
    let mut texts = sound();
    texts.insert(
        "acme/ous.csv".to_owned(),
        b"id,parent,name\nlondon,emea,x\nzurich,emea,Z\xfcrich\nbern,emea,K\xf6niz\n".to_vec(),
    );
    texts.insert("acme/tests.toml".to_owned(), b"# ok\n# Z\xfcrich\n".to_vec());
    let (_, findings) = run(&texts);
    let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
    assert_eq!(
        found,
        [(Code::Syntax, "acme/ous.csv:3".to_owned()), (Code::Syntax, "acme/tests.toml:2".to_owned())]
    );
}

#[test]
fn unserved_ous_are_reported_a_hundred_times_at_most() {
    let mut texts = sound();
    replace(
        &mut texts,
        "acme/company.toml",
        "\"wechat_miniapp\"\nous = [\"acme\"]",
        "\"wechat_miniapp\"\nous = [\"london\"]",
    );
    let mut ous = String::from("id,parent,name\nlondon,acme,\n");
    for number in 0..1000 {
        ous += &format!("ou-{number},acme,\n");
    }
    texts.insert("acme/ous.csv".to_owned(), ous.into_bytes());
    let (_, findings) = run(&texts);
    assert_eq!(findings.len(), 101, "{}", printed(&findings));
    assert!(findings.iter().all(|finding| finding.code == Code::UnservedOu));
    // `acme` and `emea` have no pool of the channel either.
    assert!(findings[100].message.contains("901 more"), "{}", printed(&findings));
}

#[test]
fn with_ou_without_pool_error_every_ou_needs_a_pool() {
    let mut texts = sound();
    replace(&mut texts, "acme/company.toml", "\"inherit\"", "\"error\"");
    let (_, findings) = run(&texts);
    let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
    assert_eq!(
        found,
        [
            (Code::UnservedOu, "acme/company.toml:12".to_owned()),
            (Code::UnservedOu, "acme/ous.csv:2".to_owned()),
            (Code::UnservedOu, "acme/ous.csv:3".to_owned()),
        ]
    );
    assert!(findings[0].message.contains("`wechat_miniapp`, `whatsapp`"));
}

fn chain_of(levels: u32) -> Texts {
    let mut texts = sound();
    let mut ous = String::from("id,parent\n");
    for level in 2..levels {
        let parent = if level == 2 { "emea".to_owned() } else { format!("l{}", level - 1) };
        ous += &format!("l{level},{parent}\n");
    }
    texts.insert("acme/ous.csv".to_owned(), ous.into_bytes());
    texts
}

#[test]
fn trees_deeper_than_60000_levels_are_an_error() {
    let (_, findings) = read_and_check(&files(&chain_of(60_000)));
    assert!(findings.is_empty(), "{}", printed(&findings));
    let (_, findings) = read_and_check(&files(&chain_of(60_001)));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings.iter().next().unwrap().code, Code::Limit);
}

#[test]
fn long_cycle_is_one_finding() {
    let mut texts = chain_of(5_000);
    replace(&mut texts, "acme/company.toml", "id = \"acme\"", "id = \"acme\"\nparent = \"l4999\"");
    let (_, findings) = run(&texts);
    assert_eq!(findings.len(), 1, "{}", printed(&findings));
    assert_eq!(findings[0].code, Code::OuCycle);
    assert!(findings[0].message.ends_with("and 4990 more"));
}

#[test]
fn two_countries_mapped_to_each_other_are_no_chain() {
    let mut texts = sound();
    replace(&mut texts, "acme/company.toml", "NL = \"DE\"", "NL = \"DE\", AT = \"CH\", CH = \"AT\"");
    let (_, findings) = run(&texts);
    assert!(findings.iter().all(|finding| finding.code == Code::UnservedTarget), "{}", printed(&findings));
}

/// A suspended number's country may be mapped in its stead.
#[test]
fn mapping_of_a_country_with_only_suspended_accounts_is_used() {
    let mut texts = sound();
    replace(&mut texts, "acme/company.toml", "NL = \"DE\"", "DE = \"GB\"");
    replace(&mut texts, "acme/accounts.csv", ",5,active", ",5,suspended");
    let (_, findings) = run(&texts);
    assert!(findings.is_empty(), "{}", printed(&findings));
}

/// What a log line and `/status` show of a registry with many faults.
#[test]
fn causes_are_the_syntax_first_and_then_one_of_each_code() {
    let mut texts = Texts::new();
    texts.insert("acme/company.toml".to_owned(), COMPANY.into());
    texts.insert("acme/accounts.csv".to_owned(), ACCOUNTS.into());
    texts.insert("acme/tests.toml".to_owned(), b"[[test]]\nquery =\n".to_vec());
    let (_, findings) = read_and_check(&files(&texts));
    let causes = findings.causes();
    assert_eq!(causes.len(), 10);
    assert_eq!((causes[0].code, causes[0].place.to_string()), (Code::Syntax, "acme/tests.toml:2".to_owned()));
    let mut codes: Vec<_> = causes.iter().map(|it| it.code).collect();
    codes.dedup();
    assert_eq!(codes.len(), 10, "{codes:?}");
    assert!(causes.iter().all(|it| it.code.severity() == Severity::Error));

    // The first one is the first one that `check` prints.
    assert_eq!(findings.iter().next(), causes.first().copied());

    // With few codes, each code has several findings. Warnings are shown only without errors.
    let mut texts = sound();
    replace(&mut texts, "acme/accounts.csv", ",5,active", ",5000,active");
    replace(&mut texts, "acme/accounts.csv", "+447400123499,GB", "+447400123499,FR");
    replace(&mut texts, "acme/accounts.csv", "draining,2026-01-01", "resting,2026-01-01");
    let (_, findings) = read_and_check(&files(&texts));
    let found = |findings: &Findings| findings.causes().iter().map(|it| it.code).collect::<Vec<_>>();
    assert_eq!(found(&findings), [Code::InvalidValue, Code::InvalidValue]);
    let mut texts = sound();
    replace(&mut texts, "acme/accounts.csv", "+447400123499,GB", "+447400123499,FR");
    assert_eq!(found(&read_and_check(&files(&texts)).1), [Code::CountryContradicted]);
    assert_eq!(found(&read_and_check(&files(&sound())).1), []);
}
