//! `/v1/account`: the account that has an address.

use std::fmt::Write;

use serde_json::{Value, json};
use switchboard_registry::Files;

use crate::expected::{compiled, demo};
use crate::harness::{HttpClient, InProcessDaemon, one_worker};

/// Two companies that have two addresses in common, with an account of each kind.
fn registry() -> Files {
    let mut files = Files::default();
    let mut tree = String::new();
    let mut ous = "\"root\"".to_owned();
    for number in 0..60 {
        writeln!(tree, "[[ou]]\nid = \"ou-{number:02}\"\nparent = \"root\"").unwrap();
        write!(ous, ", \"ou-{number:02}\"").unwrap();
    }
    let company = format!(
        "platform_version = \"1.25.0\"\n[[ou]]\nid = \"root\"\n{tree}\n\
         [[pool]]\nid = \"wide\"\nchannel = \"telegram\"\nous = [{ous}]\n\
         [[pool]]\nid = \"none\"\nchannel = \"signal\"\nous = []\n\
         [[pool]]\nid = \"mini\"\nchannel = \"wechat_miniapp\"\nous = [\"root\", \"ou-07\"]\n"
    );
    files.insert("alpha/company.toml", company);
    files.insert(
        "alpha/accounts.csv",
        "id,channel,role,address,country,pool,user,state,available_from\n\
         handle,telegram,secondary,@Acme_GB,GB,wide,,,\n\
         quoted,telegram,secondary,\"@a\\b\"\"c\",GB,wide,,draining,\n\
         nowhere,signal,secondary,+447400123401,GB,none,,,\n\
         mail,wechat_miniapp,primary,Care.Team@Bank.Example,GB,mini,,,\n\
         own,whatsapp,,+447400123477,GB,,m\u{fc}ller@bank.example,suspended,\n\
         spare,whatsapp,primary,+447400123478,GB,,,,2099-01-01T10:00:00+01:00\n\
         plain,sms,,+447400123477,GB,,,,\n",
    );
    files.insert(
        "beta/company.toml",
        "[[ou]]\nid = \"root\"\n[[pool]]\nid = \"p\"\nchannel = \"telegram\"\nous = [\"root\"]\n",
    );
    files.insert(
        "beta/accounts.csv",
        "id,channel,role,address,country,pool\nother,telegram,secondary,@Acme_GB,GB,p\nsmall,telegram,secondary,@acme_gb,GB,p\n",
    );
    files
}

fn daemon() -> InProcessDaemon {
    let daemon = InProcessDaemon::start();
    daemon.store.swap(compiled(&registry(), 9));
    daemon
}

#[test]
fn account_has_the_members_that_apply_to_it() {
    let daemon = daemon();
    let ask = |query: &str| {
        let answer = daemon.get(&format!("/v1/account?{query}"));
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{query}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.text()
    };
    let listed: Vec<String> = (0..50).map(|number| format!("ou-{number:02}")).collect();
    let wide = json!({"company": "alpha", "account": "handle", "address": "@Acme_GB", "channel": "telegram",
        "role": "secondary", "country": "GB", "pool": "wide", "ous": listed, "more": 11, "condition": "active",
        "generation": 9});
    assert_eq!(ask("company=alpha&channel=telegram&address=@Acme_GB"), wide.to_string());
    for (query, expected) in [
        (
            "channel=telegram&address=%40a%5Cb%22c",
            json!({"company": "alpha", "account": "quoted", "address": "@a\\b\"c", "channel": "telegram",
                "role": "secondary", "country": "GB", "pool": "wide", "ous": listed, "more": 11,
                "condition": "draining", "generation": 9}),
        ),
        (
            "channel=signal&address=%2B447400123401",
            json!({"company": "alpha", "account": "nowhere", "address": "+447400123401", "channel": "signal",
                "role": "secondary", "country": "GB", "pool": "none", "ous": [], "more": 0, "condition": "active",
                "generation": 9}),
        ),
        (
            "channel=wechat_miniapp&address=Care.Team%40bank.EXAMPLE",
            json!({"company": "alpha", "account": "mail", "address": "Care.Team@Bank.Example",
                "channel": "wechat_miniapp", "role": "primary", "country": "GB", "pool": "mini",
                "ous": ["ou-07", "root"], "more": 0, "condition": "active", "generation": 9}),
        ),
        (
            "channel=whatsapp&address=447400123477",
            json!({"company": "alpha", "account": "own", "address": "+447400123477", "channel": "whatsapp",
                "country": "GB", "user": "m\u{fc}ller@bank.example", "condition": "suspended", "generation": 9}),
        ),
        (
            "channel=whatsapp&address=+447400123478",
            json!({"company": "alpha", "account": "spare", "address": "+447400123478", "channel": "whatsapp",
                "role": "primary", "country": "GB", "condition": "active",
                "available_from": "2099-01-01T09:00:00Z", "generation": 9}),
        ),
        (
            "channel=sms&address=%20447400123477",
            json!({"company": "alpha", "account": "plain", "address": "+447400123477", "channel": "sms",
                "country": "GB", "condition": "active", "generation": 9}),
        ),
    ] {
        assert_eq!(ask(query), expected.to_string());
    }
}

#[test]
fn every_account_of_the_demo_is_found_by_its_address() {
    let daemon = InProcessDaemon::start();
    let snapshot = compiled(&Files::read_dir(&demo()).unwrap(), 9);
    let mut queries = Vec::new();
    for company in snapshot.companies() {
        for (idx, account) in snapshot.accounts_of(company.idx()) {
            let (company, channel) = (company.id(), snapshot.channel(account.channel()).id());
            let address: String = account.address().bytes().map(|byte| format!("%{byte:02X}")).collect();
            queries.push((
                format!("company={company}&channel={channel}&address={address}"),
                account.id().to_owned(),
            ));
            assert_eq!(snapshot.user_of(idx).is_some(), account.is_dedicated());
        }
    }
    daemon.store.swap(snapshot);
    assert!(queries.len() > 4_000);
    let mut client = daemon.client();
    for (query, id) in queries {
        client.send(format!("GET /v1/account?{query} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.json()["account"], id.as_str(), "{query}");
    }
}

#[test]
fn address_of_several_companies_needs_the_company() {
    let daemon = daemon();
    let answer = daemon.get("/v1/account?channel=telegram&address=@Acme_GB");
    answer.refuses(400, "bad_request");
    assert_eq!(answer.json()["generation"], 9);
    let detail = answer.problem().1;
    assert!(
        detail.contains("`company`") && !detail.contains("alpha") && !detail.contains("beta"),
        "{detail}"
    );
    for (company, account) in [("alpha", "handle"), ("beta", "other")] {
        let query = format!("/v1/account?company={company}&channel=telegram&address=@Acme_GB");
        assert_eq!(daemon.get(&query).json()["account"], account);
    }
    // A handle has its case, and only one company has this one.
    assert_eq!(daemon.get("/v1/account?channel=telegram&address=@acme_gb").json()["account"], "small");
}

#[test]
fn unknown_address_and_malformed_queries_are_refused() {
    let daemon = daemon();
    for (query, status, code) in [
        ("company=gamma&channel=telegram&address=@Acme_GB", 404, "unknown_company"),
        ("company=a%20b&channel=fax&address=@Acme_GB", 404, "unknown_company"),
        ("channel=fax&address=@Acme_GB", 404, "unknown_channel"),
        ("channel=telegram&address=@gone", 404, "unknown_account"),
        ("channel=telegram&address=@Acme_GB%20", 404, "unknown_account"),
        ("company=beta&channel=sms&address=447400123477", 404, "unknown_account"),
        ("channel=whatsapp&address=@Acme_GB", 404, "unknown_account"),
        ("channel=whatsapp&address=%2B%2B447400123477", 404, "unknown_account"),
        ("channel=whatsapp&address=%2B44%207400123477", 404, "unknown_account"),
        ("channel=wechat_miniapp&address=care.team@bank.example", 404, "unknown_account"),
        ("", 400, "bad_request"),
        ("channel=telegram", 400, "bad_request"),
        ("address=@Acme_GB", 400, "bad_request"),
        ("channel=&address=@Acme_GB", 400, "bad_request"),
        ("channel=telegram&address=", 400, "bad_request"),
        ("channel=telegram&address=@gone&address=@gone", 400, "bad_request"),
        ("channel=telegram&address=@gone&ou=root", 400, "bad_request"),
        ("channel=telegram&address=%", 400, "bad_request"),
    ] {
        daemon.get(&format!("/v1/account?{query}")).refuses(status, code);
    }
    let empty = InProcessDaemon::empty(one_worker());
    empty.get("/v1/account?channel=sms&address=1").refuses(503, "no_snapshot");
    empty.get("/v1/account?channel=sms").refuses(400, "bad_request");
}

#[test]
fn head_has_no_body_and_the_route_is_counted() {
    let daemon = daemon();
    let target = "/v1/account?channel=sms&address=447400123477";
    let length = daemon.get(target).body.len().to_string();
    let mut client: HttpClient = daemon.client();
    client.heads = true;
    client.send(format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("content-length")), (200, Some(length.as_str())));
    daemon.get("/v1/account").refuses(400, "bad_request");
    for (series, count) in [
        ("switchboard_http_requests_total{route=\"account\",code=\"200\"}", 2.0),
        ("switchboard_http_requests_total{route=\"account\",code=\"400\"}", 1.0),
        ("switchboard_http_request_duration_seconds_count{route=\"account\"}", 3.0),
        ("switchboard_select_duration_seconds_count", 0.0),
    ] {
        assert_eq!(daemon.metric(series), count, "{series}");
    }
}

#[test]
fn standing_changes_the_condition_at_once() {
    let daemon = daemon();
    let put = |account: &str, standing: &str| {
        let body = format!(r#"{{"standing":"{standing}","reason":"r"}}"#);
        let mut client = HttpClient::connect(daemon.admin);
        let length = body.len();
        client.send(format!(
            "PUT /v1/standings/alpha/{account} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(client.answer().status, 200);
    };
    let condition = |query: &str| daemon.get(&format!("/v1/account?{query}")).json()["condition"].clone();
    put("plain", "draining");
    assert_eq!(condition("channel=sms&address=447400123477"), Value::from("draining"));
    // The registry's state is the stricter one.
    put("own", "draining");
    assert_eq!(condition("channel=whatsapp&address=447400123477"), Value::from("suspended"));
}
