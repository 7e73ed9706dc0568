//! `/v1/coverage` over raw HTTP: overview, search, pages, the decisions of one OU, and the standings in force.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard::runtime::standings::{AccountKey, Standing};
use switchboard_model::Condition;
use switchboard_registry::{Account, Files, Holder, Registry};
use switchboard_snapshot::{NoProgress, Snapshot, compile};

use crate::expected::{compiled, demo};
use crate::harness::{HttpClient, InProcessDaemon, one_worker, small_registry};

/// Returns the numbers of an overview's OUs: the id, and for each channel the countries by rule and without an
/// account.
fn cells(overview: &Value) -> Vec<(String, Vec<[u64; 5]>)> {
    let numbers = |cell: &Value| {
        ["country", "calling_code", "geography", "default_region", "none"]
            .map(|name| cell[name].as_u64().unwrap())
    };
    let of_ou = |ou: &Value| {
        let cells = ou["cells"].as_array().unwrap().iter().map(numbers).collect();
        (ou["ou"].as_str().unwrap().to_owned(), cells)
    };
    overview["ous"].as_array().unwrap().iter().map(of_ou).collect()
}

fn standing(daemon: &InProcessDaemon, account: &str, standing: Option<&str>) {
    let key = AccountKey { company: "acme".into(), account: account.into() };
    let standing = standing.map(|condition| {
        let body = json!({ "standing": condition, "reason": "under review" });
        Standing::from_json(body.to_string().as_bytes()).unwrap()
    });
    daemon.store.set_standing(key, standing);
}

#[test]
fn overview_counts_the_countries_by_rule_and_shows_gaps_first() {
    let daemon = InProcessDaemon::start();
    let overview = daemon.admin("/v1/coverage").json();
    let members = ["generation", "companies", "company", "countries", "channels", "units", "found"];
    let shown: Vec<&Value> = members.iter().map(|name| &overview[name]).collect();
    let channels = json!([{ "channel": "whatsapp", "role": "secondary" }]);
    assert_eq!(
        shown,
        [&json!(7), &json!(["acme"]), &json!("acme"), &json!(252), &channels, &json!(3), &json!(3)]
    );
    assert_eq!(overview.as_object().unwrap().len(), members.len() + 1);
    let expected = [("acme", 1), ("emea", 3), ("uk", 3)];
    let expected = expected.map(|(ou, served)| (ou.to_owned(), vec![[served, 0, 0, 0, 252 - served]]));
    assert_eq!(cells(&overview), expected);
    let found = daemon.admin("/v1/coverage?company=acme&find=M").json();
    assert_eq!((&found["units"], &found["found"]), (&json!(3), &json!(2)));
    assert_eq!(cells(&found), expected[..2]);
    let page = daemon.admin("/v1/coverage?offset=1&limit=1").json();
    assert_eq!((&page["found"], cells(&page)), (&json!(3), expected[1..2].to_vec()));
    let beyond = daemon.admin("/v1/coverage?offset=4000000000&limit=1000").json();
    assert_eq!((&beyond["found"], cells(&beyond)), (&json!(3), vec![]));
}

#[test]
fn decisions_of_one_ou_name_their_accounts() {
    let daemon = InProcessDaemon::start();
    let one = daemon.admin("/v1/coverage?ou=uk&channel=whatsapp").json();
    for (name, value) in [("company", "acme"), ("ou", "uk"), ("channel", "whatsapp"), ("role", "secondary")] {
        assert_eq!(one[name], value);
    }
    let decision = |country: &str| &one["decisions"][one["countries"][country].as_u64().unwrap() as usize];
    let of = |ou: &str, pool: &str, climbed: u32, account: &str| json!({ "rule": "country", "climbed": climbed, "pool": pool, "ou": ou, "accounts": [account], "more": 0 });
    assert_eq!(*decision("GB"), of("emea", "emea-whatsapp", 1, "wa-gb-1"));
    assert_eq!(*decision("US"), of("acme", "us-whatsapp", 2, "wa-us-001"));
    assert_eq!(*decision("FR"), json!({ "rule": "no_account_available" }));
    assert_eq!(*decision("IT"), json!({ "rule": "no_account" }));
    assert_eq!(one["countries"].as_object().unwrap().len(), 252);
    let primary = daemon.admin("/v1/coverage?ou=uk&channel=whatsapp&role=primary").json();
    assert_eq!(
        (&primary["role"], &primary["decisions"]),
        (&json!("primary"), &json!([{ "rule": "no_account" }]))
    );
}

/// An overview is kept only while it is true.
#[test]
fn standings_and_snapshots_change_the_next_answer() {
    let daemon = InProcessDaemon::start();
    let gaps = || cells(&daemon.admin("/v1/coverage?find=uk").json())[0].1[0][4];
    let rule = || {
        let one = daemon.admin("/v1/coverage?ou=uk&channel=whatsapp").json();
        one["decisions"][one["countries"]["GB"].as_u64().unwrap() as usize]["rule"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!((gaps(), rule()), (249, "country".to_owned()));
    for condition in ["draining", "suspended"] {
        standing(&daemon, "wa-gb-1", Some(condition));
        assert_eq!((gaps(), rule()), (250, "no_account_available".to_owned()), "{condition}");
        standing(&daemon, "wa-gb-1", None);
        assert_eq!((gaps(), rule()), (249, "country".to_owned()));
    }
    daemon.store.swap(small_registry::snapshot(8, &["acme", "globex"]));
    let overview = daemon.admin("/v1/coverage?company=globex").json();
    assert_eq!((&overview["generation"], &overview["companies"]), (&json!(8), &json!(["acme", "globex"])));
    assert_eq!(daemon.admin("/v1/coverage").json()["company"], "acme");
}

/// The overview and the decisions of one OU are computed in two ways.
#[test]
fn overview_of_the_demo_counts_the_decisions_of_each_ou() {
    let daemon = InProcessDaemon::empty(one_worker());
    daemon.store.swap(compiled(&Files::read_dir(&demo()).unwrap(), 7));
    let overview = daemon.admin("/v1/coverage?company=acme&limit=1000").json();
    let mut before = u64::MAX;
    for (ou, cells) in cells(&overview) {
        let gaps = cells.iter().map(|cell| cell[4]).sum();
        assert!(gaps <= before, "{ou}");
        before = gaps;
        for (cell, channel) in cells.iter().zip(overview["channels"].as_array().unwrap()) {
            let [channel, role] = ["channel", "role"].map(|name| channel[name].as_str().unwrap());
            let one = daemon
                .admin(&format!("/v1/coverage?company=acme&ou={ou}&channel={channel}&role={role}"))
                .json();
            let mut counted = [0; 5];
            for at in one["countries"].as_object().unwrap().values() {
                let rule = one["decisions"][at.as_u64().unwrap() as usize]["rule"].as_str().unwrap();
                let rules = ["country", "calling_code", "geography", "default_region"];
                counted[rules.iter().position(|it| *it == rule).unwrap_or(4)] += 1;
            }
            assert_eq!(*cell, counted, "{ou} {channel} {role}");
        }
    }
    let all = overview["channels"].as_array().unwrap().len() as u64 * 252;
    assert!(cells(&overview).len() > 5 && before < all, "{before} gaps of {all}");
}

#[test]
fn malformed_and_unknown_queries_are_refused() {
    let daemon = InProcessDaemon::start();
    for (query, says) in [
        ("limit=0", "Send a `limit` from 1 to 1000."),
        ("limit=1001", "Send a `limit` from 1 to 1000."),
        ("limit=x", "Send a `limit` from 1 to 1000."),
        ("offset=-1", "Send an `offset` of 0 or more, in digits."),
        ("unit=uk", "The field `unit` is unknown."),
        ("find=", "The field `find` is empty."),
        ("find=a&find=b", "Send the field `find` once."),
        ("find=%ff", "Percent-encode `find` as UTF-8."),
        ("ou=uk", "Add the field `channel`."),
        ("channel=whatsapp", "Add the field `ou`, or leave `channel` and `role` out."),
        ("ou=uk&channel=whatsapp&role=other", "Send `primary` or `secondary` as `role`."),
        (
            "ou=uk&channel=whatsapp&limit=1",
            "Send `find`, `limit` and `offset` without `ou`, `channel` and `role`.",
        ),
    ] {
        let answer = daemon.admin(&format!("/v1/coverage?{query}"));
        answer.refuses(400, "bad_request");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(says), "{query}: {detail}");
    }
    daemon.admin("/v1/coverage?company=initech").refuses(404, "unknown_company");
    daemon.admin("/v1/coverage?ou=nowhere&channel=whatsapp").refuses(404, "unknown_ou");
    daemon.admin("/v1/coverage?ou=uk&channel=fax").refuses(404, "unknown_channel");
    let mut client = HttpClient::connect(daemon.admin);
    client.post("/v1/coverage", "", "{}");
    client.answer().refuses(405, "method_not_allowed");
    let mut client = HttpClient::connect(daemon.admin);
    client.heads = true;
    client.send("HEAD /v1/coverage HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let length = daemon.admin("/v1/coverage").body.len().to_string();
    assert_eq!(client.answer().header("content-length"), Some(&*length));
    let empty = InProcessDaemon::empty(one_worker());
    empty.admin("/v1/coverage").refuses(503, "no_snapshot");
}

/// Returns a snapshot with this number of further OUs, half of which have a pool.
fn many_ous(count: usize) -> Snapshot {
    let mut acme = small_registry::company("acme");
    for number in 0..count {
        let ou = format!("branch-{number:05}");
        acme.ous.push(small_registry::ou(&ou, Some("uk")));
        if number % 2 == 0 {
            acme.pools.push(small_registry::pool(&ou, &ou, true));
            let holder = Holder::Pool(ou.as_str().into());
            let account = small_registry::account(&ou, "FR", holder, Condition::Active);
            acme.accounts.push(Account { address: format!("+33612{number:06}").into(), ..account });
        }
    }
    let channels = vec![small_registry::channel("sms"), small_registry::channel("whatsapp")];
    let draft = compile(&Registry { channels, companies: vec![acme] }, 7, &NoProgress).unwrap();
    Snapshot::open(draft.with_no_tests()).unwrap()
}

/// An optimized build takes 0.05 s for the first overview. The thread has the lowest priority, and other tests run.
#[test]
fn overview_of_ten_thousand_ous_takes_seconds_at_most() {
    let daemon = InProcessDaemon::empty(one_worker());
    daemon.store.swap(many_ous(10_000));
    let started = Instant::now();
    let overview = daemon.admin("/v1/coverage?limit=1000").json();
    assert_eq!((&overview["units"], cells(&overview).len()), (&json!(10_003), 1000));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
