//! Commands that ask a running daemon, and the text of `select`.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use super::{stderr, stdout, switchboard};
use crate::expected::{acme, edit};
use crate::harness::DaemonProcess;

/// An account of the second company of the demo.
const MERIDIAN: &str = "wa-gb-0001";
const QUERY: [&str; 4] = ["company=acme", "channel=whatsapp", "ou=zurich", "phone=+33612345678"];

/// Runs a command. Returns standard output, standard error and the exit code.
fn run(arguments: &[&str]) -> (String, String, i32) {
    let output = switchboard(arguments);
    (stdout(&output), stderr(&output), output.status.code().unwrap())
}

fn with_query<'a>(arguments: &[&'a str], query: &[&'a str]) -> Vec<&'a str> {
    [arguments, query].concat()
}

#[test]
fn select_is_text_for_people_and_says_that_standings_are_not_known() {
    let expected = "\
answer    wa-dach-ch-1  +41781234501
          whatsapp, secondary, CH
rule      default_region: the account is of the pool's default country
found     pool dach-whatsapp, OU dach, 1 OU up
client    FR
";
    let (text, error, exit) = run(&with_query(&["select"], &QUERY));
    assert_eq!((&*text, exit), (expected, 0));
    let note =
        "note: answered offline, from the embedded demo registry; live standings are not known; --url asks";
    assert!(error.contains(note), "{error}");
    let registry = acme();
    let source = registry.path().to_str().unwrap();
    for option in ["--registry", "--snapshot"] {
        // Each option takes a folder and a file.
        let (text, error, exit) = run(&with_query(&["select", option, source], &QUERY));
        assert_eq!((&*text, exit), (expected, 0), "{error}");
        let note =
            format!("note: answered offline, from the registry {source}; live standings are not known; ");
        assert!(error.contains(&note), "{error}");
    }
}

#[test]
fn unknown_ids_come_with_near_ids_and_without_a_urn() {
    for command in ["select", "explain"] {
        for (query, code, help) in [
            (["company=acme", "channel=whatsapp", "ou=zurch"], "unknown_ou", "did you mean `zurich`?"),
            (["company=acme", "channel=whatsap", "ou=zurich"], "unknown_channel", "did you mean `whatsapp`?"),
            (["company=acne", "channel=whatsapp", "ou=zurich"], "unknown_company", "did you mean `acme`?"),
            (["company=acme", "channel=whatsapp", "ou=xxxxxxxxx"], "unknown_ou", "the known ids are acme, "),
        ] {
            let (text, error, exit) = run(&with_query(&[command, "country=CH"], &query));
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(exit, 1, "{text}{error}");
            assert!(words.starts_with(&format!("answer none: {code} ")), "{text}");
            assert!(words.contains(help) && !text.contains("urn:"), "{text}");
            // The wire has no near ids in answers to selections.
            let (json, ..) = run(&with_query(&[command, "--format", "json", "country=CH"], &query));
            let problem: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(problem["code"], code);
            assert_eq!(problem["type"], format!("urn:switchboard:problem:{code}"));
            assert!(!json.contains("did you mean"), "{json}");
        }
    }
    let (_, error, exit) = run(&["select", "channel=whatsapp", "ou=zurich", "country=CH"]);
    assert!(exit == 1 && error.contains("the companies are acme, meridian\n"), "{error}");
}

#[test]
fn unknown_ids_come_with_near_ids_from_a_daemon_too() {
    let daemon = DaemonProcess::start(&[]);
    let url = format!("http://{}", daemon.data);
    for (query, code, help) in [
        (["company=acme", "channel=whatsapp", "ou=zurch"], "unknown_ou", "did you mean `zurich`?"),
        (["company=acme", "channel=whatsap", "ou=zurich"], "unknown_channel", "did you mean `whatsapp`?"),
        (["company=acne", "channel=whatsapp", "ou=zurich"], "unknown_company", "did you mean `acme`?"),
    ] {
        for command in ["select", "explain"] {
            let words = |arguments: &[&str]| {
                let (text, error, exit) = run(&[arguments, &query, &["country=CH"]].concat());
                assert_eq!(exit, 1, "{text}{error}");
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            };
            let online = words(&[command, "--url", &url]);
            assert!(online.starts_with(&format!("answer none: {code} ")), "{online}");
            assert!(online.ends_with(help) && !online.contains("urn:"), "{online}");
            assert_eq!(online, words(&[command]));
        }
        // An answer to a gateway has no near ids. An explanation has them in its detail alone.
        let target = query.join("&") + "&country=CH";
        assert!(!daemon.get(&format!("/v1/select?{target}")).1.contains("did you mean"));
        let (status, explained) = daemon.get(&format!("/v1/explain?{target}"));
        let problem: Value = serde_json::from_str(&explained).unwrap();
        assert_eq!((status, problem["code"].as_str().unwrap()), (404, code));
        assert!(problem["detail"].as_str().unwrap().ends_with(help), "{problem}");
        assert!(!problem["detail"].as_str().unwrap().contains(['"', '\\']), "{problem}");
    }
    // Nothing is near.
    let far = "/v1/explain?company=acme&channel=whatsapp&ou=xxxxxxxxx&country=CH";
    assert!(daemon.get(far).1.contains("Check the id of the organizational unit.\""));
}

/// Returns the lines of an explanation without the fields of the query, which only an offline answer knows in full.
fn explained(source: &[&str], query: &[&str]) -> Vec<String> {
    let (text, error, exit) = run(&[&["explain"], source, query].concat());
    assert!(exit < 2, "{query:?}: {error}");
    let end = "end of the chain: ";
    let lines = text
        .lines()
        .map(|line| line.split_once(end).map_or(line.to_owned(), |(start, _)| start.to_owned() + end));
    // The rest of the sentence may be on a line of its own.
    lines.filter(|line| !line.starts_with("query ") && !line.starts_with("      ")).collect()
}

#[test]
fn explanation_has_the_same_words_offline_and_by_a_daemon() {
    let daemon = DaemonProcess::start(&[]);
    let url = format!("http://{}", daemon.data);
    let company = ["company=acme", "channel=whatsapp"];
    for fields in [
        &["ou=zurich", "phone=+33612345678"][..],
        &["ou=zurich", "country=FR", "fallback=none"],
        &["ou=dach", "country=FR", "fallback=none"],
        &["ou=emea", "country=IE", "client=x", "exclude=wa-emea-gb-1"],
        &["ou=emea", "country=IE", "client=x"],
        &["ou=americas", "country=CA", "client=x"],
        &["ou=london", "country=ZA", "client=x"],
        &["ou=emea", "country=DE", "client=x", "current=wa-emea-gb-1"],
        &["ou=emea", "country=GB", "client=x", "current=sms-us-1"],
        &["ou=emea", "country=GB", "client=x", "current=wa-none"],
        &["ou=emea", "country=GB", "client=x", "current=wa-emea-gb-1", "exclude=wa-emea-gb-1"],
        &["ou=emea", "country=GB", "client=x", "current=wa-emea-gb-1", "role=primary"],
        &["ou=emea", "country=GB", "user=trader-1@acme.example"],
        &["ou=emea", "country=GB", "user=trader-2@acme.example"],
        &["ou=emea", "country=GB", "user=Trader-1@acme.example", "client=x"],
        &["ou=emea", "country=GB", "user=trader-1@acme.example", "client=x", "role=primary"],
        &["ou=emea", "bsuid=GB.1", "phone=+33612345678"],
        &["ou=emea", "phone=+442079460"],
        &["ou=research", "country=FR"],
    ] {
        let query = [&company, fields].concat();
        let (online, offline) = (explained(&["--url", &url], &query), explained(&[], &query));
        assert_eq!(online, offline, "{query:?}");
        let (text, ..) = run(&[&["explain", "--url", &url], &query[..]].concat());
        assert!(text.contains("(OU of the query)") && !text.contains("/v1/explain"), "{text}");
    }
    // Without a country, the wire does not list a level without a default region.
    let query = [&company, &["ou=emea", "phone=+80012345678"][..]].concat();
    let (text, ..) = run(&[&["explain", "--url", &url], &query[..]].concat());
    assert!(text.contains("client    no country, because the phone number has none; only default"), "{text}");
}

#[test]
fn reason_why_current_is_not_kept_is_a_sentence() {
    let daemon = DaemonProcess::start(&[]);
    let url = format!("http://{}", daemon.data);
    for (current, words) in [
        ("sms-us-1", "sms-us-1 is not kept: the account is of another channel"),
        ("33612345678", "the named account is not kept: the company has no such account"),
    ] {
        let current = format!("current={current}");
        for source in [&[][..], &["--url", &url]] {
            let (text, _, exit) = run(&[&["select"], source, &QUERY, &[&current]].concat());
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(exit == 0 && text.ends_with(words) && !text.contains("33612345678"), "{text}");
        }
    }
    // A problem does not have the reason, but the candidates do.
    let (text, _, exit) = run(&[
        "explain",
        "--url",
        &url,
        "company=acme",
        "channel=whatsapp",
        "ou=zurich",
        "country=CH",
        "fallback=none",
        "current=wa-dach-ch-1",
        "exclude=wa-dach-ch-1",
    ]);
    assert!(
        exit == 1 && text.contains("current: wa-dach-ch-1 is not kept: the query excludes the account"),
        "{text}"
    );
}

#[test]
fn advice_names_the_command_and_not_the_route() {
    let daemon = DaemonProcess::start(&[]);
    let url = format!("http://{}", daemon.data);
    let query = ["company=acme", "channel=whatsapp", "ou=research", "country=FR"];
    for source in [&[][..], &["--url", &url]] {
        let words = |command: &str| {
            let (text, ..) = run(&[&[command], source, &query].concat());
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let (select, explain) = (words("select"), words("explain"));
        assert!(select.ends_with("a default country. `switchboard explain` shows every step."), "{select}");
        assert!(explain.contains("a default country. client FR") && !explain.contains("/v1/"), "{explain}");
    }
}

#[test]
fn json_is_that_of_the_wire_offline_and_by_a_daemon() {
    let daemon = DaemonProcess::start(&[]);
    let url = format!("http://{}", daemon.data);
    let target = QUERY.join("&").replace('+', "%2B");
    let not_found = ["company=acme", "channel=whatsapp", "ou=research", "country=FR", "client=c"];
    for (command, route) in [("select", "/v1/select"), ("explain", "/v1/explain")] {
        let (status, wire) = daemon.get(&format!("{route}?{target}"));
        assert_eq!(status, 200);
        for source in [&[][..], &["--url", &url]] {
            let arguments = [&[command, "--format", "json"], source].concat();
            let (json, error, exit) = run(&with_query(&arguments, &QUERY));
            assert_eq!((json, exit), (format!("{wire}\n"), 0), "{error}");
            assert_eq!(run(&with_query(&arguments, &not_found)).2, 1);
        }
    }
    let (text, _, exit) = run(&with_query(&["select", "--url", &url], &not_found));
    assert!(exit == 1 && text.starts_with("answer    none: no_account\n"), "{text}");
    let (offline, _, _) = run(&with_query(&["select"], &QUERY));
    assert_eq!(run(&with_query(&["select", "--url", &url], &QUERY)).0, offline);
    // A list is sent as a list.
    let excluded =
        ["company=acme", "channel=whatsapp", "ou=emea", "country=GB", "exclude=wa-emea-gb-1, wa-emea-gb-3"];
    let (text, error, exit) = run(&with_query(&["select", "--url", &url], &excluded));
    assert!(exit == 0 && text.starts_with("answer    wa-emea-gb-2 "), "{text}{error}");
}

#[test]
fn daemon_explains_its_standings() {
    let daemon = DaemonProcess::start(&[]);
    let (data, admin) = (format!("http://{}", daemon.data), format!("http://{}", daemon.admin));
    let set =
        ["standing", "set", "acme", "wa-dach-ch-1", "suspended", "--reason", "under review", "--url", &admin];
    let (text, error, exit) = run(&set);
    assert_eq!((&*text, exit), ("acme wa-dach-ch-1: suspended: under review\n", 0), "{error}");
    let (text, _, exit) = run(&with_query(&["explain", "--url", &data], &QUERY));
    assert_eq!(exit, 0);
    assert!(text.starts_with("answer    wa-global-fr-1 "), "{text}");
    let level = "OU dach (1 OU up)\n├─ country FR in dach-vip-whatsapp, dach-whatsapp: no account\n";
    assert!(text.contains(level), "{text}");
    assert!(text.contains("✘ wa-dach-ch-1  suspended by a live standing: never selected\n"), "{text}");
    assert!(text.contains("✔ wa-global-fr-1  CHOSEN"), "{text}");
    assert!(!text.contains("33612345678"), "{text}");
    // Offline, the command says that it does not know them.
    let (text, error, _) = run(&with_query(&["explain"], &QUERY));
    assert!(
        text.starts_with("answer    wa-dach-ch-1 ") && error.contains("standings are not known"),
        "{error}"
    );
}

#[test]
fn standings_are_listed_set_and_cleared() {
    let daemon = DaemonProcess::start(&[]);
    let admin = format!("http://{}/", daemon.admin);
    let standing = |arguments: &[&str]| run(&[&["standing"], arguments, &["--url", &admin]].concat());
    let of_acme = ["list", "--company", "acme"];
    assert_eq!(standing(&of_acme).0, "no standings\n");
    let (text, error, exit) =
        standing(&["set", "acme", "wa-emea-gb-1", "draining", "--reason=moved", "--until", "2h"]);
    assert_eq!(exit, 0, "{error}");
    assert!(
        text.starts_with("acme wa-emea-gb-1: draining until 20") && text.ends_with("Z: moved\n"),
        "{text}"
    );
    let (text, error, exit) = standing(&[
        "set",
        "acme",
        "wa-emea-gb-2",
        "suspended",
        "--reason=x",
        "--until=2099-01-01",
        "--format=json",
    ]);
    assert_eq!(
        (exit, serde_json::from_str::<Value>(&text).unwrap()["until"].clone()),
        (0, "2099-01-01".into()),
        "{error}"
    );
    let (text, _, exit) = standing(&of_acme);
    assert_eq!(exit, 0);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["company", "account", "standing", "until", "reason"]);
    assert_eq!(lines[1][..3], ["acme", "wa-emea-gb-1", "draining"]);
    assert_eq!(lines[2], ["acme", "wa-emea-gb-2", "suspended", "2099-01-01", "x"]);
    // Without a company, the standings of every company are listed.
    assert_eq!(standing(&["set", "meridian", MERIDIAN, "draining", "--reason=y"]).2, 0);
    let (all, error, _) = standing(&["list"]);
    let accounts: Vec<Vec<&str>> =
        all.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    let expected =
        [["company", "account"], ["acme", "wa-emea-gb-1"], ["acme", "wa-emea-gb-2"], ["meridian", MERIDIAN]];
    assert_eq!(accounts, expected, "{error}");
    let listed: Value =
        serde_json::from_str(&standing(&["list", "--company=acme", "--format=json"]).0).unwrap();
    assert_eq!(listed["standings"].as_array().unwrap().len(), 2);
    for (account, was) in [
        ("wa-emea-gb-1", "cleared; it was draining: moved"),
        ("wa-emea-gb-1", "no standing to clear"),
        ("wa-emea-de-1", "no standing to clear"),
    ] {
        let (text, error, exit) = standing(&["clear", "acme", account]);
        assert_eq!((text, exit), (format!("acme {account}: {was}\n"), 0), "{error}");
    }
    for cleared in ["suspended".into(), Value::Null] {
        let (json, error, exit) = standing(&["clear", "acme", "wa-emea-gb-2", "--format=json"]);
        let json: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}{error}"));
        assert_eq!((&json["company"], &json["account"], exit), (&"acme".into(), &"wa-emea-gb-2".into(), 0));
        assert_eq!(json["cleared"].get("standing").cloned().unwrap_or_default(), cleared);
        assert!(json.get("cleared").is_some());
    }
    let (json, _, exit) = standing(&["clear", "acme", "wa-none", "--format=json"]);
    assert!(exit == 1 && json.contains("unknown_account"), "{json}");
    assert_eq!(standing(&of_acme).0, "no standings\n");
    // A refusal has its code and its reason.
    let (_, error, exit) = standing(&["set", "acme", "wa/1 ?", "draining", "--reason=x"]);
    assert!(exit == 1 && error.contains("error[") && error.contains("no account with this id"), "{error}");
    let (_, error, exit) =
        standing(&["set", "acme", "wa-emea-gb-1", "draining", "--reason=x", "--until=2001-01-01"]);
    assert!(exit == 1 && error.contains("error[bad_request]: "), "{error}");
    for wrong in [
        &["set", "acme", "wa-emea-gb-1", "active", "--reason=x"][..],
        &["set", "acme", "wa-emea-gb-1", "draining"],
        &["set", "acme", "wa-emea-gb-1", "draining", "--reason=x", "--until=soon"],
        &["set", "acme", "wa-emea-gb-1", "draining", "--reason=x", "--until=90"],
    ] {
        assert_eq!(standing(wrong).2, 2, "{wrong:?}");
    }
}

#[test]
fn status_fails_if_the_snapshot_is_stale() {
    let registry = acme();
    let daemon = DaemonProcess::start(&["--registry", registry.path().to_str().unwrap()]);
    let admin = format!("http://{}", daemon.admin);
    let (text, error, exit) = run(&["status", "--url", &admin]);
    assert_eq!(exit, 0, "{text}{error}");
    let generation = daemon.status()["snapshot"]["generation"].to_string();
    assert!(text.contains(&format!("snapshot   generation {generation}, in service since ")), "{text}");
    assert!(text.contains("1 company, ") && text.contains("ok: the daemon serves"), "{text}");
    let json: Value = serde_json::from_str(&run(&["status", "--url", &admin, "--format=json"]).0).unwrap();
    assert_eq!(json["snapshot"]["digest"], daemon.status()["snapshot"]["digest"]);
    edit(registry.path(), "acme/company.toml", "channel = \"line\"", "channel = \"lime\"");
    daemon.log("snapshot rejected");
    let (text, error, exit) = run(&["status", "--url", &admin]);
    assert_eq!(exit, 1, "{text}{error}");
    assert!(text.contains("unknown_channel") && text.contains("error: the snapshot is stale"), "{text}");
    // The lines of a finding stay lines.
    assert!(
        text.contains("\n             help: did you mean `line`?\n") && !text.contains('\u{fffd}'),
        "{text}"
    );
    assert_eq!(run(&["status", "--url", &admin, "--format=json"]).2, 1);
}

#[test]
fn daemon_without_a_snapshot_fails_the_status_and_cannot_answer() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let daemon = DaemonProcess::start(&["--registry", nowhere.to_str().unwrap()]);
    let (data, admin) = (format!("http://{}", daemon.data), format!("http://{}", daemon.admin));
    let (text, _, exit) = run(&["status", "--url", &admin]);
    assert!(exit == 1 && text.contains("error: no snapshot is in service"), "{text}");
    let (_, error, exit) = run(&with_query(&["select", "--url", &data], &QUERY));
    assert!(exit == 3 && error.contains("error[no_snapshot]: "), "{error}");
    // The listeners are not interchangeable.
    let (_, error, exit) = run(&["status", "--url", &data]);
    assert!(exit == 1 && error.contains("error[not_found]: ") && error.contains("7401"), "{error}");
}

#[test]
fn daemon_that_cannot_be_reached_exits_3_with_a_remedy() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let asked = with_query(&["explain", "--url", &url], &QUERY);
    let commands = [
        &asked[..],
        &["status", "--url", &url],
        &["standing", "list", "--url", &url],
        &["standing", "clear", "acme", "wa-1", "--url", &url],
    ];
    for arguments in commands {
        let (text, error, exit) = run(arguments);
        assert_eq!((&*text, exit), ("", 3), "{arguments:?}");
        assert!(error.contains(&url) && error.contains("start the daemon with `switchboard`"), "{error}");
    }
    for url in ["https://", "unix:", "127.0.0.1:7401", "http://"] {
        assert_eq!(run(&["status", "--url", url]).2, 2, "{url}");
    }
    // A source and a daemon exclude each other.
    for source in ["--registry", "--snapshot"] {
        assert_eq!(run(&with_query(&["select", "--url", &url, source, "x"], &QUERY)).2, 2);
    }
}

#[test]
fn server_that_is_not_a_daemon_exits_3() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let answers = [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnone",
        "SSH-2.0-OpenSSH\r\n",
        "",
    ];
    let serving = std::thread::spawn(move || {
        for answer in answers {
            use std::io::{Read, Write};
            let (mut stream, _) = server.accept().unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for answer in answers {
        let (_, error, exit) = run(&["status", "--url", &url]);
        assert_eq!(exit, 3, "{answer:?}: {error}");
        assert!(error.contains("--url"), "{error}");
    }
    serving.join().unwrap();
}

#[test]
fn registry_with_a_failing_test_is_queried_with_a_warning() {
    let registry = acme();
    let path = registry.path().join("acme/tests.toml");
    let test = "\n[[test]]\nname = \"wrong\"\nexpect = { account = \"sms-us-1\" }\n\
        query = { channel = \"whatsapp\", ou = \"emea\", country = \"GB\" }\n";
    fs::write(&path, fs::read_to_string(&path).unwrap() + test).unwrap();
    let root = registry.path().to_str().unwrap();
    for command in ["select", "explain"] {
        let (text, error, exit) = run(&with_query(&[command, "--registry", root], &QUERY));
        assert!(exit == 0 && text.starts_with("answer    wa-dach-ch-1 "), "{text}{error}");
        assert!(error.contains("warning: 1 test fails: "), "{error}");
    }
    let (text, error, exit) = run(&["coverage", root, "--format", "csv"]);
    assert!(exit == 0 && text.lines().count() > 1000 && error.contains("warning: 1 test fails: "), "{error}");
}

#[test]
fn check_config_reports_every_fault_of_the_settings() {
    let registry = acme();
    let root = registry.path().to_str().unwrap();
    let (text, error, exit) = run(&["check-config", "--registry", root]);
    assert_eq!(exit, 0, "{error}");
    assert!(
        text.starts_with("the settings are valid: serves the registry ") && text.contains("127.0.0.1:7401"),
        "{text}"
    );
    assert_eq!(run(&["check-config"]).2, 0, "the demo registry");
    // The path of a Unix socket is checked as a start does it.
    for (path, words) in [("nosuch/socket", "create the folder of the socket"), ("acme", "and no socket")] {
        let address = format!("unix:{root}/{path}");
        let (_, error, exit) = run(&["check-config", "--listen", &address, "--admin-listen", &address]);
        assert!(exit == 2 && error.contains("--listen") && error.contains(words), "{error}");
        let (_, error, exit) = run(&["check-config", "--admin-listen", &address]);
        assert!(exit == 3 && error.contains("(--admin-listen)") && error.contains(words), "{error}");
    }
    let settings = registry.path().join("settings.toml");
    fs::write(&settings, "worker = 2\npoll_interval = \"0s\"\n").unwrap();
    let (_, error, exit) = run(&["check-config", "--config", settings.to_str().unwrap()]);
    assert!(exit == 2 && error.contains("worker") && error.contains("poll_interval"), "{error}");
    let file = settings.to_str().unwrap();
    let (_, error, exit) = run(&[
        "check-config",
        "--listen",
        "127.0.0.1:7400",
        "--admin-listen",
        "127.0.0.1:7400",
        "--registry",
        "/nowhere",
        "--state",
        file,
        "--standings",
        "/nowhere/standings.journal",
    ]);
    assert_eq!(exit, 2, "{error}");
    for fault in [
        "overlap",
        "the source cannot be read: ",
        "is not a folder",
        "the folder of the journal does not exist",
    ] {
        assert!(error.contains(fault), "{fault}: {error}");
    }
    // The exit code is that of an unreadable file only if nothing else is at fault.
    let nowhere = registry.path().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    for (arguments, fault) in [
        (&["--registry", nowhere][..], "nowhere: No such file or directory"),
        (&["--registry", file], "name it with --snapshot"),
        (&["--snapshot", root], "name it with --registry"),
        (&["--standings", root], "standings: "),
        (&["--standings", file], "is not a journal of standings"),
        (&["--standings", "/dev/null"], "is not a regular file"),
        (&["--state", file], "is not a folder"),
        (&["--state", "/dev/null/state"], "state: /dev/null/state: "),
        (&["--config", nowhere], "cannot read the settings file"),
    ] {
        let (text, error, exit) = run(&[&["check-config"], arguments].concat());
        assert_eq!((&*text, exit), ("", 3), "{arguments:?}: {error}");
        assert!(error.starts_with("error: ") && error.contains(fault), "{arguments:?}: {error}");
        assert!(!error.contains(": .:"), "{error}");
    }
    // Everything that does not depend on a faulty value is checked, and each fault has its mark.
    let (_, error, exit) = run(&[
        "check-config",
        "--access-log",
        "1.5",
        "--color=x",
        "--log-level",
        "loud",
        "--workers",
        "-1",
        "--registry",
        nowhere,
        "--listen=:1",
        "--admin-listen=:1",
        "--config",
        file,
        "--standings",
        root,
    ]);
    assert_eq!(exit, 2, "{error}");
    let faults = [
        "--access-log: \"1.5\" is not valid: ",
        "--color: ",
        "--log-level: ",
        "--workers: ",
        "worker",
        "poll_interval: ",
        "overlap",
        "can be reached from other machines",
        "the source cannot be read",
        "standings: ",
    ];
    assert_eq!(error.matches("error: ").count(), faults.len(), "{error}");
    for fault in faults {
        assert!(error.contains(fault), "{fault}: {error}");
    }
    // A state directory that does not exist yet is created by a start, and not by this command.
    let state = registry.path().join("new/state");
    assert_eq!(run(&["check-config", "--state", state.to_str().unwrap()]).2, 0);
    assert!(!state.parent().unwrap().exists());
    for command in ["check-config", "serve"] {
        let (_, error, exit) = run(&[command, "--registry", "postgres://reader:secret@db/registry"]);
        assert!(exit == 2 && error.contains("has a password") && !error.contains("secret"), "{error}");
    }
    assert_eq!(run(&["check-config", "--nonsense"]).2, 2);
}

#[test]
fn check_config_reports_a_word_in_rust_log_that_is_no_level() {
    let check = |value: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"));
        let output = command.arg("check-config").args(arguments).env("RUST_LOG", value).output().unwrap();
        (stderr(&output), output.status.code().unwrap())
    };
    for value in ["loud", "info,loud", "hyper", "foo=bar"] {
        let (error, exit) = check(value, &[]);
        let expected =
            format!("environment variable RUST_LOG: \"{value}\" is not valid: expected error, warn");
        assert!(exit == 2 && error.contains(&expected), "{error}");
        assert_eq!(check(value, &["--log-level", "info"]).1, 0, "an option overrides the variable");
    }
    for value in ["", " ", "debug", "info, hyper=trace", "off"] {
        assert_eq!(check(value, &[]).1, 0, "{value}");
    }
}

#[test]
fn every_command_that_reads_a_registry_has_a_limit_on_its_files() {
    let registry = acme();
    let root = registry.path().to_str().unwrap();
    let snapshot = registry.path().join("a.swb");
    let commands: [&[&str]; 6] = [
        &["check", root],
        &["compile", root, "-o", snapshot.to_str().unwrap()],
        &["coverage", root],
        &["diff", root, root],
        &with_query(&["select", "--registry", root], &QUERY),
        &with_query(&["explain", "--registry", root], &QUERY),
    ];
    for command in commands {
        let (text, error, exit) = run(&[command, &["--max-file-size", "1KiB"]].concat());
        let all = text + &error;
        assert!(
            exit == 1 && all.contains("[limit]") && all.contains("at most 1024 are read"),
            "{command:?}: {all}"
        );
        let (_, error, exit) = run(&[command, &["--max-file-size=1GiB"]].concat());
        assert_eq!(exit, 0, "{command:?}: {error}");
        assert_eq!(run(&[command, &["--max-file-size=0"]].concat()).2, 2, "{command:?}");
    }
}

#[test]
fn source_that_is_no_source_says_what_to_name() {
    let registry = acme();
    let root = registry.path().to_str().unwrap();
    let (_, error, exit) = run(&["inspect", root]);
    assert!(exit == 3 && error.contains(" is a folder, and inspect shows a snapshot file"), "{error}");
    assert!(error.contains(&format!("switchboard compile {root} -o FILE")), "{error}");
    let query = with_query(&["select", "--snapshot", "-"], &QUERY);
    for arguments in
        [&["check", "-"][..], &["inspect", "-"], &["coverage", "-"], &["diff", "-", root], &query]
    {
        let (_, error, exit) = run(arguments);
        assert!(
            exit == 2 && error.contains("standard input") && error.contains("./-"),
            "{arguments:?}: {error}"
        );
    }
}
