//! The values that files without faults are read as.

use switchboard_model::{Condition, Role, Rule, UnixSeconds};
use switchboard_registry::{AddressKind, DedicatedUnavailable, Holder, OuWithoutPool, Version};

use super::base::{Texts, printed, replace, run, sound};

#[test]
fn absent_cells_have_defaults_and_the_country_comes_from_the_number() {
    let (registry, _) = run(&sound());
    let company = &registry.companies[0];
    let account = |id: &str| company.accounts.iter().find(|account| &*account.id == id).unwrap();
    let german = account("wa-de-1");
    assert_eq!(german.country.map(|country| country.alpha2()), Some("DE"));
    assert_eq!((german.role, german.weight, german.state), (Some(Role::Secondary), 5, Condition::Active));
    assert_eq!(german.holder, Holder::Pool("whats".into()));
    assert_eq!(german.place.to_string(), "acme/accounts.csv:4");
    let mini = account("mini-1");
    assert_eq!(
        (mini.weight, mini.state, mini.available_from),
        (1, Condition::Draining, Some(UnixSeconds(1_767_225_600)))
    );
    assert_eq!(account("wa-trader-1").holder, Holder::User("trader-1@acme.example".into()));
    assert_eq!(account("wa-trader-1").role, None);
    assert_eq!(account("wa-spare-1").holder, Holder::Spare);
    let channel = |id: &str| &*registry.channels[usize::from(account(id).channel.unwrap())].id;
    assert_eq!((channel("wa-gb-1"), channel("mini-1")), ("whatsapp", "wechat_miniapp"));
}

#[test]
fn ids_of_users_come_from_a_directory_of_people() {
    let longest = "ü".repeat(128);
    for user in ["o'neil@bank.example", "müller@bank.example", "a/b", "李雷", &longest] {
        let mut texts = sound();
        replace(&mut texts, "acme/accounts.csv", "trader-1@acme.example", user);
        let (registry, findings) = run(&texts);
        assert!(findings.is_empty(), "{}", printed(&findings));
        let holds = |account: &switchboard_registry::Account| account.holder == Holder::User(user.into());
        assert!(registry.companies[0].accounts.iter().any(holds), "{user}");
    }
    let mut texts = sound();
    replace(&mut texts, "acme/accounts.csv", "trader-1@acme.example", &format!("{longest}x"));
    let (_, findings) = run(&texts);
    assert!(printed(&findings).contains("is longer than 256 bytes"), "{}", printed(&findings));
}

#[test]
fn absent_settings_have_defaults() {
    let mut texts = Texts::new();
    texts.insert(
        "bank/company.toml".to_owned(),
        b"[[ou]]\nid = \"x\"\n[[pool]]\nid = \"p\"\nchannel = \"line\"\nous = [\"x\"]\n".to_vec(),
    );
    texts.insert(
        "bank/accounts.csv".to_owned(),
        b"address,id,channel,role,pool,country\n@jp,a,line,secondary,p,JP\n,,,,,\n".to_vec(),
    );
    let (registry, findings) = run(&texts);
    assert!(findings.is_empty(), "{}", printed(&findings));
    let company = &registry.companies[0];
    assert_eq!((&*company.id, &*company.name, company.platform_version), ("bank", "bank", None));
    assert_eq!(company.ou_without_pool, OuWithoutPool::Inherit);
    assert_eq!(company.dedicated_unavailable, DedicatedUnavailable::Error);
    let pool = &company.pools[0];
    assert_eq!((pool.priority, pool.match_calling_code, pool.fallback_upward), (0, false, false));
    assert!(pool.default_country.is_none() && pool.geography.is_empty());
    assert_eq!(company.accounts.len(), 1);
    assert_eq!(company.accounts[0].country.map(|country| country.alpha2()), Some("JP"));
}

#[test]
fn registry_overrides_built_in_channels_key_by_key() {
    let (registry, _) = run(&sound());
    let said: Vec<String> = registry
        .channels
        .iter()
        .map(|it| {
            let holds = match (it.pool_roles.primary, it.pool_roles.secondary) {
                (true, true) => "both",
                (true, false) => "primary",
                (false, true) => "secondary",
                (false, false) => "none",
            };
            let since = it.dedicated_since.map_or_else(|| "never".to_owned(), |version| version.to_string());
            format!("{} {:?} {holds} {:?} {since}", it.id, it.conversation_role, it.address)
        })
        .collect();
    assert_eq!(
        said,
        [
            "imessage Secondary both Phone never",
            "line Secondary secondary Handle never",
            "signal Secondary secondary Phone never",
            "sms Secondary both Phone 1.25.0",
            "telegram Secondary secondary Handle never",
            "viber Secondary secondary Handle never",
            "wechat Secondary secondary Handle never",
            "wechat_miniapp Primary primary Email never",
            "whatsapp Secondary both Phone 1.22.1",
        ]
    );

    let mut texts = sound();
    texts.insert(
        "channels.toml".to_owned(),
        b"[channel.whatsapp]\ndedicated_since = \"never\"\n[channel.line]\naddress = \"email\"\n".to_vec(),
    );
    replace(
        &mut texts,
        "acme/accounts.csv",
        "wa-trader-1,whatsapp,,+447400123477,GB,,trader-1@acme.example,,,\n",
        "",
    );
    let (registry, findings) = run(&texts);
    assert!(findings.is_empty(), "{}", printed(&findings));
    let channel = |id: &str| registry.channels.iter().find(|channel| &*channel.id == id).unwrap();
    assert_eq!(channel("whatsapp").dedicated_since, None);
    assert_eq!(channel("sms").dedicated_since, Some(Version([1, 24, 0])));
    assert_eq!(channel("line").address, AddressKind::Email);
    assert_eq!(channel("line").place.to_string(), "channels.toml:3");
}

#[test]
fn queries_of_tests_become_json_without_the_company() {
    let mut texts = sound();
    replace(
        &mut texts,
        "acme/tests.toml",
        "ou = \"london\"",
        "ou = \"lon\\\"don\", company = \"acme\", exclude = [\"a\", \"b\"]",
    );
    let (registry, findings) = run(&texts);
    assert!(findings.is_empty(), "{}", printed(&findings));
    let test = &registry.companies[0].tests[0];
    let query: serde_json::Value = serde_json::from_str(&test.query).unwrap();
    let expected = serde_json::json!({
        "channel": "whatsapp", "exclude": ["a", "b"], "ou": "lon\"don", "phone": "+447400123456"
    });
    assert_eq!(query, expected);
    assert_eq!((test.expect.climbed, test.expect.rule), (Some(2), Some(Rule::Country)));
    assert_eq!(test.place.to_string(), "acme/tests.toml:1");
}

#[test]
fn geography_may_be_a_table_or_inline() {
    let mut texts = sound();
    replace(
        &mut texts,
        "acme/company.toml",
        "geography = { NL = \"DE\" }",
        "[pool.geography]\nNL = \"DE\"\nat = \"de\"",
    );
    let (registry, findings) = run(&texts);
    assert!(findings.is_empty(), "{}", printed(&findings));
    assert_eq!(registry.companies[0].pools[0].geography.len(), 2);
}
