//! `switchboard explain`: the text and the JSON of an explanation.

use std::fs;

use serde_json::Value;

use super::{stdout, switchboard};
use crate::expected;
use crate::harness::DaemonProcess;

/// Width of the output without a terminal.
const COLUMNS: usize = 80;

/// Explains a query of the demo registry. Returns the output and the exit code.
fn explain(fields: &[&str]) -> (String, Option<i32>) {
    let output = switchboard(&[&["explain"], fields].concat());
    (stdout(&output), output.status.code())
}

fn json(fields: &[&str]) -> Value {
    serde_json::from_str(&stdout(&switchboard(&[&["explain", "--format", "json"], fields].concat()))).unwrap()
}

fn whatsapp(fields: &[&str]) -> (String, Option<i32>) {
    explain(&[&["company=acme", "channel=whatsapp"], fields].concat())
}

#[test]
fn text_of_an_explanation_is_exact() {
    let expected = "\
answer    wa-dach-ch-1  +41781234501
          whatsapp, secondary, CH
rule      default_region: the account is of the pool's default country
found     pool dach-whatsapp, OU dach, 1 OU up
client    FR, derived from the phone number
query     whatsapp for OU zurich of acme; role secondary

OU zurich (OU of the query)
└─ no pool of this channel: inherits from the OU above ↑
OU dach (1 OU up)
├─ country FR in dach-vip-whatsapp, dach-whatsapp: no account
├─ default region CH in dach-whatsapp
│    ✔ wa-dach-ch-1  CHOSEN
└─ the account is found, so the search ends here
OU emea (2 OUs up): not needed
├─ country FR in emea-whatsapp: no account
└─ continues at the OU above, because a pool here has `fallback_upward` ↑
OU acme (3 OUs up): not needed
├─ country FR in global-whatsapp: 1 account (1 available)
├─ default region US in global-whatsapp: 1 account (1 available)
└─ end of the chain: there is no OU above
";
    assert_eq!(whatsapp(&["ou=zurich", "phone=+33612345678"]), (expected.to_owned(), Some(0)));
}

#[test]
fn each_reason_to_pass_over_an_account_is_shown() {
    for (fields, exit, lines) in [
        (&["ou=dach", "country=AT"][..], 0, &["✘ wa-vip-at-1  resting until 2099-01-01"][..]),
        (
            &["ou=london", "country=ZA"],
            0,
            &["✘ wa-emea-za-1  suspended: never selected", "no account is available"],
        ),
        (
            &["ou=emea", "country=AE"],
            0,
            &["✘ wa-emea-ae-1  draining: keeps its clients, gets no new clients"],
        ),
        (
            &["ou=emea", "country=IE", "client=x", "exclude=wa-emea-gb-1"],
            0,
            &[
                "✘ wa-emea-gb-1  excluded by the query",
                "CHOSEN among 2: the same for this client each time",
                "available, but another account was picked",
            ],
        ),
        (&["ou=emea", "country=IE"], 0, &["geography: IE is mapped to GB in emea-whatsapp", "at random"]),
        (&["ou=americas", "country=CA"], 0, &["calling code +1 in apac-whatsapp"]),
        (
            &["ou=emea", "phone=+80012345678"],
            0,
            &["no country, because the phone number has none; only default regions"],
        ),
        (&["ou=emea", "country=GB", "phone=+33612345678"], 0, &["the phone number is of another country"]),
        (&["ou=emea", "phone=+4474"], 1, &["none: invalid_phone"]),
        (&["ou=emea", "phone=+442079460"], 0, &["(guessed): the number is not valid"]),
        (&["ou=nowhere", "country=GB"], 1, &["none: unknown_ou"]),
        (
            &["ou=research", "country=FR"],
            1,
            &["none: no_account", "no account", "end of the chain: no pool here has `fall"],
        ),
        (
            &["ou=dach", "country=FR", "fallback=none"],
            1,
            &[
                "fallback none",
                "default region CH in dach-whatsapp: 1 account (1 available), not tried",
                "the search ends here, because the query has `fallback=none`",
            ],
        ),
        (
            &["ou=emea", "country=AE", "current=wa-emea-ae-1"],
            0,
            &["✔ current: wa-emea-ae-1  CHOSEN: the client already talks to this"],
        ),
        (
            &["ou=emea", "country=GB", "current=sms-us-1"],
            0,
            &["✘ current: sms-us-1 is not kept: the account is of another"],
        ),
        (
            &["ou=emea", "country=GB", "user=trader-1@acme.example"],
            0,
            &[
                "✔ dedicated: wa-trader-1  CHOSEN: the account is dedicated to the user",
                "OU emea (OU of the query): not needed",
            ],
        ),
        (
            &["ou=emea", "country=GB", "user=Trader-1@acme.example"],
            0,
            &["· dedicated: the user has no account; did you mean trader-1@acme.example?"],
        ),
        (
            &["ou=emea", "bsuid=GB.1", "phone=+33612345678"],
            0,
            &["derived from the phone number", "the business-scoped user id is of"],
        ),
        (&["ou=emea", "bsuid=GB.1"], 0, &["GB, derived from the business-scoped user id"]),
        (
            &["ou=emea", "country=GB", "user=trader-2@acme.example"],
            1,
            &[
                "✘ dedicated: the user's account wa-trader-2 is suspended",
                "OU emea (OU of the query): not tried",
            ],
        ),
    ] {
        let (text, code) = whatsapp(fields);
        assert_eq!(code, Some(exit), "{fields:?}\n{text}");
        for line in lines {
            assert!(text.contains(line), "{fields:?}: {line}\n{text}");
        }
    }
}

/// For every test of the demo: only the selected account is marked as chosen, no line is too long, the exit
/// code fits, and the phone number of the client is not shown.
#[test]
fn explanations_of_all_demo_tests_are_consistent() {
    for test in expected::of("acme") {
        let mut fields: Vec<String> =
            test.query.iter().map(|(field, value)| format!("{field}={value}")).collect();
        fields.push("company=acme".to_owned());
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let (text, code) = explain(&fields);
        assert_eq!(code, Some(i32::from(test.expect.contains_key("error"))), "{}\n{text}", test.name);
        let answer = text.lines().next().unwrap().trim_start_matches("answer").trim();
        let chosen: Vec<&str> = text.lines().filter(|line| line.contains("CHOSEN")).collect();
        match test.expect.get("error") {
            Some(error) => {
                assert_eq!(answer, format!("none: {}", error.as_str().unwrap()), "{}", test.name);
                assert!(chosen.is_empty(), "{text}");
            }
            None => {
                let account = answer.split(' ').next().unwrap();
                assert!(matches!(chosen[..], [one] if one.contains(&format!(" {account} "))), "{text}");
            }
        }
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(!text.contains('\u{1b}'), "colour in a pipe: {text}");
        for (field, value) in &test.query {
            let digits = value.trim_start_matches('+');
            assert!(field != "phone" || digits.len() < 7 || !text.contains(digits), "{}\n{text}", test.name);
        }
    }
}

#[test]
fn json_explanation_has_every_step() {
    let explained = json(&["company=acme", "channel=whatsapp", "ou=london", "country=IE"]);
    let steps: Vec<(&str, &str)> = explained["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["rule"].as_str().unwrap(), step["ou"].as_str().unwrap()))
        .collect();
    let expected = [
        ("country", "emea"),
        ("geography", "emea"),
        ("country", "acme"),
        ("geography", "acme"),
        ("default_region", "acme"),
    ];
    assert_eq!(steps, expected);
    assert_eq!(explained["steps"][1]["candidates"].as_array().unwrap().len(), 3);
}

#[test]
fn json_explanation_equals_the_answer_of_the_daemon() {
    let daemon = DaemonProcess::start(&[]);
    for query in ["channel=whatsapp&ou=zurich&phone=33612345678", "channel=sms&ou=london&country=GB&client=a"]
    {
        let fields: Vec<&str> = query.split('&').chain(["company=acme"]).collect();
        let (status, body) = daemon.get(&format!("/v1/explain?company=acme&{query}"));
        assert_eq!((status, json(&fields)), (200, serde_json::from_str(&body).unwrap()));
    }
    let problem = json(&["company=acme", "channel=whatsapp", "ou=nowhere", "country=GB"]);
    assert_eq!(problem["code"], "unknown_ou");
}

/// Sixty levels with unavailable accounts, and two hundred equal accounts at the top.
#[test]
fn long_chains_and_large_steps_are_abbreviated() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    let mut company = String::new();
    let mut accounts = "id,channel,role,address,country,pool,state\n".to_owned();
    for level in 0..60 {
        let parent = if level == 0 { String::new() } else { format!("parent = \"ou-{}\"\n", level - 1) };
        company += &format!("[[ou]]\nid = \"ou-{level}\"\n{parent}");
        company += &format!(
            "[[pool]]\nid = \"pool-{level}\"\nchannel = \"line\"\nous = [\"ou-{level}\"]\nfallback_upward = true\n"
        );
        let (number, state) = if level == 0 { (200, "active") } else { (1, "suspended") };
        for at in 0..number {
            accounts +=
                &format!("line-{level}-{at:03},line,secondary,@a{level}-{at},GB,pool-{level},{state}\n");
        }
    }
    fs::write(folder.path().join("deep/company.toml"), company).unwrap();
    fs::write(folder.path().join("deep/accounts.csv"), accounts).unwrap();
    let root = folder.path().to_str().unwrap();
    let (text, code) = explain(&["--registry", root, "channel=line", "ou=ou-59", "country=GB", "client=c"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("… 34 more levels without an available account"), "{text}");
    assert!(text.contains("… and 188 more: 188 available") && text.contains("CHOSEN among 200"), "{text}");
    assert!(text.contains("OU ou-59 (OU of the query)") && text.contains("OU ou-0 (59 OUs up)"), "{text}");
    assert!(text.lines().count() < 140, "{text}");
    let (text, _) = explain(&["--registry", root, "channel=line", "ou=ou-3", "country=FR"]);
    assert!(
        text.contains("none: no_account\n") && text.contains("end of the chain: there is no OU above"),
        "{text}"
    );
}

#[test]
fn query_without_company_is_refused_with_several_companies() {
    let (text, exit) = explain(&["channel=whatsapp", "ou=zurich", "country=CH"]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.ends_with("The snapshot has several companies. Add the field `company`."), "{text}");
    assert_eq!(exit, Some(1));
}
