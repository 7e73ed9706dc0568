//! The answers of the routes of accounts.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard::runtime::standings::{AccountKey, Standing};
use switchboard_registry::Files;

use crate::expected::compiled;
use crate::harness::{HttpClient, HttpResponse, InProcessDaemon, one_worker};

/// Accounts of both companies: id, channel, role, address, country, pool, user, weight, state, available_from.
const ACCOUNTS: [[&str; 10]; 11] = [
    ["wa-gb-1", "whatsapp", "secondary", "+447400123401", "GB", "uk", "", "", "", ""],
    ["WA-gb-2", "whatsapp", "secondary", "+447400123402", "GB", "uk", "", "7", "", ""],
    ["wa-de-1", "whatsapp", "secondary", "+4915123456701", "DE", "uk", "", "", "draining", ""],
    ["wa-main", "whatsapp", "primary", "+447400123403", "GB", "uk", "", "", "suspended", ""],
    ["wa-rest", "whatsapp", "secondary", "+447400123404", "GB", "uk", "", "", "", "2999-01-01"],
    ["wa-rest-2", "whatsapp", "secondary", "+447400123405", "GB", "uk", "", "", "draining", "2999-01-01"],
    ["wa-user", "whatsapp", "", "+447400123406", "GB", "", "M\u{fc}ller@bank.example", "", "", ""],
    ["wa-spare", "whatsapp", "secondary", "+447400123407", "GB", "", "", "", "", ""],
    ["<script>alert(1)</script>", "telegram", "secondary", "@\"x\"<b>", "GB", "tg", "", "", "", ""],
    ["tg-2", "telegram", "secondary", "@two", "DE", "tg", "", "", "", ""],
    ["wa-none", "whatsapp", "secondary", "+80012345678", "", "", "", "", "", ""],
];

fn files() -> Files {
    let mut files = Files::default();
    for company in ["acme", "globex"] {
        let pools = "[[pool]]\nid = \"uk\"\nchannel = \"whatsapp\"\nous = [\"london\"]\n\
                     [[pool]]\nid = \"tg\"\nchannel = \"telegram\"\nous = [\"london\"]\n";
        files.insert(format!("{company}/company.toml"), format!("[[ou]]\nid = \"london\"\n{pools}"));
        let mut csv = "id,channel,role,address,country,pool,user,weight,state,available_from\n".to_owned();
        for row in ids() {
            let cells = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
            csv += &(cells.collect::<Vec<_>>().join(",") + "\n");
        }
        files.insert(format!("{company}/accounts.csv"), csv);
    }
    files
}

/// Returns the accounts with ids that a registry may have: a slash is not allowed.
fn ids() -> Vec<[String; 10]> {
    ACCOUNTS.map(|row| row.map(|cell| cell.replace("</script>", "<\\script>"))).to_vec()
}

fn serve() -> InProcessDaemon {
    let daemon = InProcessDaemon::empty(one_worker());
    daemon.store.swap(compiled(&files(), 9));
    daemon
}

fn post(daemon: &InProcessDaemon, body: impl AsRef<[u8]>) -> HttpResponse {
    let mut client = HttpClient::connect(daemon.admin);
    client.post("/v1/accounts", "", body);
    client.answer()
}

/// Returns the answer to a request for a list. The same fields in a URL have the same answer.
fn list(daemon: &InProcessDaemon, fields: &Value) -> Value {
    let answer = post(daemon, fields.to_string());
    assert_eq!(answer.status, 200, "{fields}: {}", answer.text());
    answer.json()
}

fn keys(list: &Value) -> Vec<(String, String)> {
    let text = |account: &Value, name: &str| account[name].as_str().unwrap().to_owned();
    let accounts = list["accounts"].as_array().unwrap().iter();
    accounts.map(|account| (text(account, "company"), text(account, "account"))).collect()
}

/// Returns the keys of the accounts that pass the filters, in order, by a loop over the rows.
fn expected(fields: &Value) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    for company in ["acme", "globex"] {
        for row in ids() {
            let [id, channel, role, address, country, pool, user, _, state, from] = &row;
            let condition = match (state.as_str(), from.as_str()) {
                ("", "") => "active",
                ("", _) => "resting",
                (state, _) => state,
            };
            let role = if user.is_empty() { role } else { "" };
            let named = [
                ("company", company),
                ("channel", channel),
                ("role", role),
                ("pool", pool),
                ("country", country),
                ("condition", condition),
            ];
            let text = fields["text"].as_str().unwrap_or_default().to_lowercase();
            let has = |cell: &String| cell.to_lowercase().contains(&text);
            if named.iter().all(|(name, value)| fields[name].as_str().is_none_or(|wanted| wanted == *value))
                && [id, address, user].into_iter().any(has)
            {
                keys.push((company.to_owned(), id.clone()));
            }
        }
    }
    keys.sort();
    keys
}

#[test]
fn list_has_the_accounts_that_pass_every_filter() {
    let daemon = serve();
    let choices = [
        ("company", &["globex"][..]),
        ("channel", &["whatsapp", "telegram", "sms"]),
        ("role", &["primary", "secondary"]),
        ("pool", &["uk", "nosuch"]),
        ("country", &["GB"]),
        ("condition", &["active", "draining", "suspended", "resting"]),
        ("text", &["GB", "123401", "m\u{dc}LLER", "\"x\"", "<script>", "nowhere"]),
    ];
    let mut requests = vec![json!({})];
    for (name, values) in choices {
        for fields in requests.clone() {
            for value in values {
                let mut fields = fields.clone();
                fields[name] = (*value).into();
                requests.push(fields);
            }
        }
    }
    let mut client = HttpClient::connect(daemon.admin);
    let mut sizes = BTreeSet::new();
    for fields in &requests {
        client.post("/v1/accounts", "", fields.to_string());
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{fields}: {}", answer.text());
        let (list, expected) = (answer.json(), expected(fields));
        assert_eq!((keys(&list), &list["found"]), (expected.clone(), &json!(expected.len())), "{fields}");
        sizes.insert(expected.len());
    }
    assert!(sizes.len() > 8 && sizes.contains(&0), "{sizes:?}");
}

#[test]
fn list_names_the_companies_and_channels_of_the_snapshot() {
    let daemon = serve();
    let all = list(&daemon, &json!({ "limit": 1 }));
    assert_eq!((&all["generation"], &all["companies"]), (&json!(9), &json!(["acme", "globex"])));
    assert_eq!((all.get("more_companies"), &all["found"]), (None, &json!(22)));
    assert!(all["channels"].as_array().unwrap().contains(&json!("telegram")));
}

#[test]
fn url_and_body_have_the_same_answer() {
    let daemon = serve();
    for (query, body) in [
        ("", json!({})),
        (
            "company=acme&channel=whatsapp&condition=draining",
            json!({ "company": "acme", "channel": "whatsapp", "condition": "draining" }),
        ),
        ("text=M%C3%BCLL&limit=1", json!({ "text": "m\u{fc}ll", "limit": 1 })),
        ("country=gb&offset=3&limit=2", json!({ "country": "GB", "offset": 3, "limit": 2, "pool": null })),
        ("text=%3Cscript%3E&pool=tg", json!({ "text": "<script>", "pool": "tg" })),
    ] {
        let answer = daemon.admin(&format!("/v1/accounts?{query}"));
        assert_eq!((answer.status, answer.json()), (200, list(&daemon, &body)), "{query}");
        let mut client = HttpClient::connect(daemon.admin);
        client.heads = true;
        client.send(format!("HEAD /v1/accounts?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = client.answer();
        let length = answer.body.len().to_string();
        assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())), "{query}");
    }
}

#[test]
fn pages_have_every_account_once_and_in_order() {
    let daemon = serve();
    for size in [1, 3, 7, 22, 1000] {
        let mut all = Vec::new();
        for offset in (0..30).step_by(size) {
            let page = list(&daemon, &json!({ "limit": size, "offset": offset }));
            assert_eq!(page["found"], 22);
            assert!(keys(&page).len() <= size);
            all.extend(keys(&page));
        }
        assert_eq!(all, expected(&json!({})), "{size}");
    }
    let beyond = list(&daemon, &json!({ "offset": 4_294_967_295_u32 }));
    assert_eq!((&beyond["found"], &beyond["accounts"]), (&json!(22), &json!([])));
}

#[test]
fn phone_number_is_found_in_a_body_and_refused_in_a_url() {
    let daemon = serve();
    for text in ["+447400123401", "+44 7400 123401", "7400-123.401", "447400123401"] {
        let found = list(&daemon, &json!({ "text": text, "company": "acme" }));
        assert_eq!(keys(&found), [("acme".to_owned(), "wa-gb-1".to_owned())], "{text}");
    }
    for query in
        ["text=%2B447400123401", "text=07400%20123401", "text=wa-12345", "company=acme&text=1+2-3.4(5)"]
    {
        let answer = daemon.admin(&format!("/v1/accounts?{query}"));
        answer.refuses(400, "bad_request");
        let (_, detail) = answer.problem();
        assert!(detail.contains("with POST") && !detail.contains("1234"), "{detail}");
    }
}

#[test]
fn malformed_requests_are_refused_and_not_repeated() {
    let daemon = serve();
    for (query, detail) in [
        ("ou=london", "The field `ou` is unknown."),
        ("447400123456=1", "A field is unknown."),
        ("company[]=acme", "The field `company[]` is unknown. Send `company` once, without brackets."),
        ("company=acme&company=acme", "Send the field `company` once."),
        ("company=", "The field `company` is empty."),
        ("text=", "The field `text` is empty."),
        ("text=%zz", "Percent-encode `text` as UTF-8."),
        ("%zz=1", "Percent-encode the name of every field as UTF-8."),
        ("nosuch=%zz", "The field `nosuch` is unknown."),
        ("condition=idle", "Set `condition` to one of: active, draining, suspended, resting."),
        ("role=main", "Set `role` to one of: primary, secondary."),
        ("country=ZZ", "Set `country` to the two letters of a country"),
        ("country=447400123456", "Set `country` to the two letters of a country"),
        ("pool=a+b", "Set `pool` to the id of a pool"),
        ("limit=0", "Set `limit` to a whole number from 1 to 1000."),
        ("limit=1001", "Set `limit` to a whole number from 1 to 1000."),
        ("limit=-1", "Set `limit` to a whole number"),
        ("limit=%2B1", "Set `limit` to a whole number"),
        ("limit=1e2", "Set `limit` to a whole number"),
        ("offset=4294967296", "Set `offset` to a whole number from 0 to 4294967295."),
        ("offset=99999999999999999999999", "Set `offset` to a whole number"),
    ] {
        let answer = daemon.admin(&format!("/v1/accounts?{query}"));
        answer.refuses(400, "bad_request");
        let (_, got) = answer.problem();
        assert!(got.starts_with(detail) && !got.contains("447400"), "{query}: {got}");
    }
    let long = json!({ "text": "\u{fc}".repeat(257) }).to_string();
    for (body, detail) in [
        ("", "Send one JSON object"),
        ("[]", "Send one JSON object"),
        ("[\"acme\"]", "Send one JSON object"),
        ("{} {}", "Send one JSON object"),
        (r#"{"company":"acme","company":"acme"}"#, "Send the field `company` once."),
        (r#"{"company":7}"#, "Send the field `company` as a text."),
        (r#"{"limit":"7"}"#, "Send the field `limit` as a number."),
        (r#"{"limit":7.5}"#, "Set `limit` to a whole number"),
        (r#"{"limit":-7}"#, "Set `limit` to a whole number"),
        (r#"{"limit":[7]}"#, "Send the field `limit` as a number."),
        (r#"{"ou":"london"}"#, "The field `ou` is unknown."),
        (r#"{"ou":null}"#, "The field `ou` is unknown."),
        (r#"{"447400123456":null}"#, "A field is unknown."),
        (r#"{"text":""}"#, "The field `text` is empty."),
        (&long, "Set `text` to at most 256 characters."),
    ] {
        let answer = post(&daemon, body);
        answer.refuses(400, "bad_request");
        let (_, got) = answer.problem();
        assert!(got.starts_with(detail) && !got.contains("447400"), "{body}: {got}");
    }
    post(&daemon, " ".repeat(8193)).refuses(413, "body_too_large");
    let mut client = HttpClient::connect(daemon.admin);
    client.post("/v1/accounts", "Content-Type: application/xml\r\n", "<a/>");
    client.answer().refuses(415, "unsupported_media_type");
    let mut client = HttpClient::connect(daemon.admin);
    client.post("/v1/accounts?limit=1", "", "{}");
    client.answer().refuses(400, "bad_request");
}

#[test]
fn unknown_names_paths_and_methods_have_their_problems() {
    let daemon = serve();
    let empty = InProcessDaemon::empty(one_worker());
    for (daemon, method, target, status, code) in [
        (&daemon, "GET", "/v1/accounts?company=nosuch", 404, "unknown_company"),
        (&daemon, "GET", "/v1/accounts?channel=nosuch", 404, "unknown_channel"),
        (&daemon, "GET", "/v1/accounts/nosuch/wa-gb-1", 404, "unknown_company"),
        (&daemon, "GET", "/v1/accounts/acme/nosuch", 404, "unknown_account"),
        (&daemon, "GET", "/v1/accounts/acme/wa-gb-1?x=1", 400, "bad_request"),
        (&daemon, "GET", "/v1/accounts/", 404, "not_found"),
        (&daemon, "GET", "/v1/accounts/acme", 404, "not_found"),
        (&daemon, "GET", "/v1/accounts/acme/", 404, "not_found"),
        (&daemon, "GET", "/v1/accounts/acme/wa-gb-1/x", 404, "not_found"),
        (&daemon, "GET", "/v1/accounts/acme/%ff", 404, "not_found"),
        (&daemon, "GET", "/v1/accountsx", 404, "not_found"),
        (&daemon, "PUT", "/v1/accounts", 405, "method_not_allowed"),
        (&daemon, "DELETE", "/v1/accounts/acme/wa-gb-1", 405, "method_not_allowed"),
        (&daemon, "POST", "/v1/accounts/acme/wa-gb-1", 405, "method_not_allowed"),
        (&empty, "GET", "/v1/accounts", 503, "no_snapshot"),
        (&empty, "GET", "/v1/accounts?company=nosuch", 503, "no_snapshot"),
        (&empty, "GET", "/v1/accounts?limit=x", 400, "bad_request"),
        (&empty, "GET", "/v1/accounts/acme/wa-gb-1", 503, "no_snapshot"),
    ] {
        let mut client = HttpClient::connect(daemon.admin);
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.problem().0.as_str()), (status, code), "{method} {target}");
    }
}

/// Sets the standing of an account of acme.
fn set_standing(daemon: &InProcessDaemon, account: &str, standing: Option<&Value>) {
    let key = AccountKey { company: "acme".into(), account: account.into() };
    let standing = standing.map(|json| Standing::from_json(json.to_string().as_bytes()).unwrap());
    daemon.store.set_standing(key, standing);
}

#[test]
fn condition_is_the_stricter_one_with_its_cause() {
    let daemon = serve();
    let suspended = json!({ "standing": "suspended", "reason": "blocked", "until": "2999-01-01T00:00:00Z" });
    let draining = json!({ "standing": "draining", "reason": "moves" });
    for (account, standing, condition, by) in [
        ("wa-gb-1", None, "active", None),
        ("wa-gb-1", Some(&draining), "draining", Some("standing")),
        ("wa-gb-1", Some(&suspended), "suspended", Some("standing")),
        ("wa-de-1", None, "draining", Some("registry")),
        ("wa-de-1", Some(&draining), "draining", Some("registry")),
        ("wa-de-1", Some(&suspended), "suspended", Some("standing")),
        ("wa-main", Some(&draining), "suspended", Some("registry")),
        ("wa-rest", None, "resting", Some("registry")),
        ("wa-rest", Some(&draining), "draining", Some("standing")),
        ("wa-rest-2", None, "draining", Some("registry")),
    ] {
        set_standing(&daemon, account, standing);
        let what = format!("{account} {standing:?}");
        let listed = list(&daemon, &json!({ "company": "acme", "text": account }))["accounts"][0].clone();
        assert_eq!((&listed["condition"], listed["by"].as_str()), (&json!(condition), by), "{what}");
        assert_eq!(listed["standing"], standing.cloned().unwrap_or_default(), "{what}");
        for other in ["active", "draining", "suspended", "resting"] {
            let fields = json!({ "company": "acme", "text": account, "condition": other });
            let is_listed = keys(&list(&daemon, &fields)).iter().any(|(_, id)| id == account);
            assert_eq!(is_listed, other == condition, "{what}: {other}");
        }
        let one = daemon.admin(&format!("/v1/accounts/acme/{account}")).json();
        for (name, value) in listed.as_object().unwrap() {
            assert_eq!(&one[name], value, "{what}: {name}");
        }
        set_standing(&daemon, account, None);
    }
}

#[test]
fn fields_that_do_not_apply_are_left_out() {
    let daemon = serve();
    let one = |id: &str| {
        let answer = daemon.admin(&format!("/v1/accounts/acme/{id}"));
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        answer.json()
    };
    let nothing = json!({
        "units": 0, "decisions": 0, "share": 0.0,
        "without": { "units": 0, "countries": 0, "decisions": 0, "first": [] }
    });
    let mut dedicated = nothing.clone();
    dedicated["dedicated"] = json!({ "user": "M\u{fc}ller@bank.example", "falls_back": false });
    assert_eq!(
        one("wa-user"),
        json!({
            "generation": 9, "company": "acme", "account": "wa-user", "channel": "whatsapp", "country": "GB",
            "address": "+447400123406", "user": "M\u{fc}ller@bank.example", "weight": 1, "condition": "active",
            "effect": dedicated
        })
    );
    let spare = one("wa-spare");
    assert_eq!((&spare["role"], &spare["effect"]), (&json!("secondary"), &nothing));
    assert!(spare.get("pool").is_none() && spare.get("user").is_none() && spare.get("by").is_none());
    let rest = one("wa-rest");
    assert_eq!(rest["available_from"], "2999-01-01T00:00:00Z");
    // An id in a path is percent-encoded, and any text in an answer is JSON.
    let odd = one("%3Cscript%3Ealert(1)%3C%5Cscript%3E");
    assert_eq!((&odd["account"], &odd["address"]), (&json!(ids()[8][0]), &json!("@\"x\"<b>")));
    assert!(one("wa-none").get("country").is_none());
}

#[test]
fn effect_follows_the_standings_of_all_accounts() {
    let daemon = serve();
    let effect = |id: &str| daemon.admin(&format!("/v1/accounts/acme/{id}")).json()["effect"].clone();
    // Two accounts of weight 1 and 7 share the clients of GB.
    let one = effect("wa-gb-1");
    assert_eq!(
        (&one["units"], &one["decisions"], &one["without"]["decisions"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert!((one["share"].as_f64().unwrap() - 1.0 / 8.0 / 252.0).abs() < 1e-12, "{one}");
    set_standing(&daemon, "WA-gb-2", Some(&json!({ "standing": "draining", "reason": "x" })));
    let gap = json!({
        "units": 1, "countries": 1, "decisions": 1, "first": [{ "ou": "london", "countries": ["GB"] }]
    });
    let alone = effect("wa-gb-1");
    assert!((alone["share"].as_f64().unwrap() - 1.0 / 252.0).abs() < 1e-12, "{alone}");
    assert_eq!(alone["without"], gap);
    // The same numbers state what the end of its own standing would bring back.
    set_standing(&daemon, "wa-gb-1", Some(&json!({ "standing": "suspended", "reason": "x" })));
    assert_eq!(effect("wa-gb-1"), alone);
    assert_eq!(effect("WA-gb-2")["without"], gap);
}

/// Returns a registry with `accounts` accounts in `pools` pools, and `ous` OUs below a root, a pool at each of the
/// first ones.
fn large(accounts: usize, ous: usize, pools: usize) -> Files {
    let mut company =
        "[[ou]]\nid = \"root\"\n[[pool]]\nid = \"all\"\nchannel = \"whatsapp\"\nous = [\"root\"]\n\
                       default_country = \"GB\"\n"
            .to_owned();
    let mut tree = "id,parent\n".to_owned();
    for ou in 1..ous {
        tree +=
            &format!("ou-{ou},{}\n", if ou < 100 { "root".to_owned() } else { format!("ou-{}", ou / 10) });
    }
    for pool in 1..pools {
        company += &format!(
            "[[pool]]\nid = \"pool-{pool}\"\nchannel = \"whatsapp\"\nous = [\"ou-{pool}\"]\nfallback_upward = true\n"
        );
    }
    let mut csv =
        "id,channel,role,address,country,pool\nroot-main,whatsapp,primary,+447300000000,GB,all\n".to_owned();
    for account in 0..accounts {
        let pool =
            if account == 0 { "all".to_owned() } else { format!("pool-{}", account % (pools - 1) + 1) };
        let role = if account > 0 && account <= pools { "primary" } else { "secondary" };
        csv += &format!("wa-{account:07},whatsapp,{role},+4474{account:08},GB,{pool}\n");
    }
    Files::from_iter([("acme/company.toml", company), ("acme/ous.csv", tree), ("acme/accounts.csv", csv)])
}

/// Serves a large registry, and returns the longest of the answers' times for lists and for effects.
fn times_of(accounts: usize, ous: usize, pools: usize) -> (Duration, Duration) {
    let daemon = InProcessDaemon::empty(one_worker());
    let daemon_files = large(accounts, ous, pools);
    daemon.store.swap(compiled(&daemon_files, 9));
    let longest = |requests: &[Value]| {
        let times = requests.iter().map(|fields| {
            let started = Instant::now();
            let found = list(&daemon, fields);
            println!("{fields}: {} found, {:?}", found["found"], started.elapsed());
            started.elapsed()
        });
        times.max().unwrap()
    };
    let lists = longest(&[
        json!({}),
        json!({ "text": "nowhere" }),
        json!({ "text": "+44 7400 001 234" }),
        json!({ "text": "WA-00", "limit": 1000 }),
        json!({ "pool": "pool-7", "condition": "active", "country": "GB" }),
        json!({ "condition": "draining" }),
        json!({ "offset": accounts - 10 }),
    ]);
    let mut effects = Duration::ZERO;
    // Of a pool at the root, which all chains reach, and of a pool at one OU.
    for account in ["wa-0000000", "wa-0005000"] {
        let started = Instant::now();
        let answer = daemon.admin(&format!("/v1/accounts/acme/{account}"));
        println!("{account}: {}, {:?}", answer.json()["effect"], started.elapsed());
        assert_eq!(answer.status, 200);
        effects = effects.max(started.elapsed());
    }
    (lists, effects)
}

#[test]
fn large_registry_is_listed_and_its_effects_are_stated_at_once() {
    let (lists, effects) = times_of(50_000, 2_000, 500);
    // The thread has the lowest priority, and other tests run. The long form has the limits of an idle machine.
    assert!(lists < Duration::from_secs(10) && effects < Duration::from_secs(20), "{lists:?}, {effects:?}");
}

#[test]
#[ignore = "measures a million accounts, which needs the machine for itself"]
fn million_accounts_are_listed_within_200_ms_long() {
    let (lists, effects) = times_of(1_000_000, 10_000, 2_000);
    println!("lists {lists:?}, effects {effects:?}");
    assert!(lists < Duration::from_millis(200) && effects < Duration::from_secs(1), "{lists:?}, {effects:?}");
}
