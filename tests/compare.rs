//! `/v1/compare` over real sockets: the answer is that of `check` and `diff`, hostile forms are refused, and a comparison
//! ends when its time is over or its client has gone.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use switchboard::api::admin::CompareLimits;
use switchboard_registry::Files;
use tempfile::TempDir;

use crate::cli::{stdout, switchboard};
use crate::expected::{acme, compiled, demo, edit};
use crate::harness::{HttpClient, HttpResponse, InProcessDaemon, one_worker, wait_until, wait_within};

const TARGET: &str = "/v1/compare";
const TYPE: &str = "Content-Type: multipart/form-data; boundary=xyz\r\n";
const END: &str = "--xyz--\r\n";

/// Returns a part of a form.
fn part(path: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{path}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn form(files: &[(&str, &str)]) -> Vec<u8> {
    let parts = files.iter().map(|(path, content)| part(path, content.as_bytes()));
    [parts.collect::<Vec<_>>().concat(), END.into()].concat()
}

/// Returns a form with every file below a folder, hidden ones included.
fn form_of_folder(root: &Path) -> Vec<u8> {
    fn add(folder: &Path, root: &Path, form: &mut Vec<u8>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(&path, root, form);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                form.extend(part(name, &fs::read(&path).unwrap()));
            }
        }
    }
    let mut form = Vec::new();
    add(root, root, &mut form);
    form.extend_from_slice(END.as_bytes());
    form
}

/// Serves the registry of a folder, with these limits of a comparison.
fn serve_within(folder: &Path, limits: CompareLimits) -> InProcessDaemon {
    let daemon = InProcessDaemon::with_compare_limits(one_worker(), limits);
    daemon.store.swap(compiled(&Files::read_dir(folder).unwrap(), 7));
    daemon
}

fn serve(folder: &Path) -> InProcessDaemon {
    serve_within(folder, CompareLimits::default())
}

fn post(daemon: &InProcessDaemon, target: &str, headers: &str, body: &[u8]) -> HttpResponse {
    post_to(daemon.admin, target, headers, body)
}

fn post_to(admin: SocketAddr, target: &str, headers: &str, body: &[u8]) -> HttpResponse {
    let mut client = HttpClient::connect(admin);
    client.post(target, headers, body);
    client.answer()
}

#[track_caller]
fn compare(daemon: &InProcessDaemon, form: &[u8]) -> Value {
    let answer = post(daemon, TARGET, TYPE, form);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json")),
        "{}",
        answer.text()
    );
    answer.json()
}

/// Returns the JSON that a command prints. Its exit code may be 1, for a failed test.
fn printed(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&switchboard(arguments))).unwrap()
}

/// Returns a change of the demo's company with changes of every kind but one, and with failed tests.
fn edited() -> TempDir {
    let new = acme();
    let account = |from: &str, to: &str| edit(new.path(), "acme/accounts.csv", from, to);
    account("sms-us-1,sms,secondary,+12015550151,US,acme-sms,,,,\n", "");
    account("+41781234501,CH,dach-whatsapp,,,,", "+41781234501,CH,dach-whatsapp,,,suspended,");
    account("+447400123401,GB,emea-whatsapp,,,,", "+447400123401,GB,emea-whatsapp,,7,,");
    let parent = "id = \"zurich\"\nparent = \"dach\"";
    edit(new.path(), "acme/company.toml", parent, "id = \"zurich\"\nparent = \"emea\"");
    new
}

/// Asserts that an answer has what `check` and `diff` print about the same folders.
fn assert_as_commands(answer: &Value, old: &Path, new: &Path) {
    let [old, new] = [old, new].map(|path| path.to_str().unwrap());
    let checked = printed(&["check", new, "--format", "json"]);
    let compared = printed(&["diff", old, new, "--format", "json"]);
    for member in ["errors", "warnings", "tests"] {
        assert_eq!(answer[member], checked[member], "{member}");
    }
    for member in ["compared", "unchanged", "changes", "one_to_several_companies"] {
        assert_eq!(answer[member], compared[member], "{member}");
    }
    let groups = compared["groups"].as_array().unwrap();
    let shown = answer["groups"].as_array().unwrap();
    assert_eq!(shown.len() as u64 + answer["more"].as_u64().unwrap(), groups.len() as u64);
    assert!(shown.len() == groups.len() || shown.len() >= 100, "{} groups", shown.len());
    for (shown, group) in shown.iter().zip(groups) {
        assert_eq!(*shown, bounded(group));
    }
    let mut findings = checked["findings"].as_array().unwrap().clone();
    findings.sort_by_key(|finding| finding["severity"] != "error");
    assert_eq!(answer["findings"], Value::Array(findings));
    assert_eq!(answer["more_findings"], 0);
}

/// Cuts every list in a group of changes to 50 items, except countries, and adds the number of the others.
fn bounded(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut cut = Map::new();
            for (name, member) in members {
                match member {
                    Value::Array(list) if name != "countries" => {
                        cut.insert(name.clone(), list.iter().take(50).map(bounded).collect());
                        if list.len() > 50 {
                            cut.insert(format!("more_{name}"), (list.len() - 50).into());
                        }
                    }
                    other => drop(cut.insert(name.clone(), bounded(other))),
                }
            }
            cut.into()
        }
        other => other.clone(),
    }
}

#[test]
fn answer_is_that_of_check_and_diff() {
    let old = acme();
    let new = edited();
    let daemon = serve(old.path());
    let answer = compare(&daemon, &form_of_folder(new.path()));
    assert_as_commands(&answer, old.path(), new.path());
    assert_eq!(answer["generation"], 7);
    assert!(answer["tests"]["failed"].as_u64().unwrap() > 0, "{answer}");
    assert!(answer["changes"]["becomes_error"].as_u64().unwrap() > 0, "{answer}");
    assert_eq!(answer["findings"][0]["code"], "failed_test");
    let file = answer["findings"][0]["file"].as_str().unwrap();
    assert!(file == "acme/tests.toml" && answer["findings"][0]["line"].as_u64().unwrap() > 1, "{answer}");
    assert_eq!(answer["companies"], json!({"added": [], "removed": [], "more": 0}));
    // The same files change nothing.
    let same = compare(&daemon, &form_of_folder(old.path()));
    assert_as_commands(&same, old.path(), old.path());
    assert_eq!((&same["groups"], &same["compared"]), (&json!([]), &same["unchanged"]));
}

#[test]
fn demo_is_compared_with_one_of_its_companies() {
    let one = acme();
    let daemon = serve(one.path());
    let answer = compare(&daemon, &form_of_folder(&demo()));
    assert_as_commands(&answer, one.path(), &demo());
    assert_eq!(answer["one_to_several_companies"], true);
    assert_eq!(answer["companies"], json!({"added": ["meridian"], "removed": [], "more": 0}));

    let daemon = serve(&demo());
    let answer = compare(&daemon, &form_of_folder(one.path()));
    assert_eq!(answer["companies"], json!({"added": [], "removed": ["meridian"], "more": 0}));
    assert!(answer["changes"]["becomes_error"].as_u64().unwrap() > 0, "{answer}");
    // A comparison of one company has nothing of the others.
    let answer = post(&daemon, "/v1/compare?company=acme", TYPE, &form_of_folder(one.path())).json();
    assert_eq!(answer["companies"], json!({"added": [], "removed": [], "more": 0}));
    assert_eq!((&answer["groups"], &answer["unchanged"]), (&json!([]), &answer["compared"]));
    post(&daemon, "/v1/compare?company=nosuch", TYPE, &form_of_folder(one.path()))
        .refuses(404, "unknown_company");
    for query in ["?company=", "?company=acme&company=acme", "?ou=acme", "?company=%ff"] {
        post(&daemon, &format!("{TARGET}{query}"), TYPE, &form_of_folder(one.path()))
            .refuses(400, "bad_request");
    }
}

/// What a folder may have besides the files of a registry has the same findings, or none.
#[test]
fn files_are_those_of_a_folder() {
    let new = acme();
    let write = |path: &str, text: &str| {
        let path = new.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for path in [
        "README.md",
        ".gitignore",
        ".git/HEAD",
        ".git/hooks/a/b",
        "acme/.accounts.csv.swp",
        "acme/~$accounts.csv",
    ] {
        write(path, "\u{0}not read");
    }
    let daemon = serve(new.path());
    assert_eq!(compare(&daemon, &form_of_folder(new.path()))["findings"], json!([]));
    for (path, text) in [
        ("acme/acounts.csv", "a"),
        ("acme/notes.txt", "a"),
        ("acme/old/company.toml", "["),
        ("stray.csv", "a"),
        ("docs/pages/a", "a"),
        ("notes/readme.txt", ""),
        (".hidden/company.toml", "[[ou]]\nid = \"hidden\"\n"),
        (".tools/accounts.csv", "a"),
        ("readme/accounts.csv", "id\n"),
    ] {
        write(path, text);
    }
    let answer = compare(&daemon, &form_of_folder(new.path()));
    let checked = printed(&["check", new.path().to_str().unwrap(), "--format", "json"]);
    assert!(checked["findings"].as_array().unwrap().len() > 5, "{checked}");
    let mut findings = checked["findings"].as_array().unwrap().clone();
    findings.sort_by_key(|finding| finding["severity"] != "error");
    assert_eq!(answer["findings"], Value::Array(findings));
}

#[test]
fn errors_have_no_comparison() {
    let old = acme();
    let daemon = serve(old.path());
    let answer =
        compare(&daemon, &form(&[("acme/company.toml", "[[ou]]\nid = \"acme\"\nparrent = \"x\"\n")]));
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["generation", "more_findings", "findings", "errors", "warnings", "tests"]);
    assert_eq!((&answer["errors"], &answer["tests"]), (&json!(1), &json!({"run": 0, "failed": 0})));
    let finding = &answer["findings"][0];
    assert_eq!(
        [&finding["file"], &finding["line"], &finding["code"]],
        [&json!("acme/company.toml"), &json!(3), &json!("unknown_key")]
    );
}

#[test]
fn lists_of_an_answer_are_bounded() {
    let old = acme();
    let daemon = serve(old.path());
    // Many companies with errors of every file and code, so that findings are not folded.
    let text = |n: usize| format!("[[ou]]\nid = \"ou-{n}\"\nparrent = \"{}\"\n", "x".repeat(100));
    let names: Vec<String> = (0..3000).map(|n| format!("company-{n:04}/company.toml")).collect();
    let parts: Vec<Vec<u8>> =
        names.iter().enumerate().map(|(n, name)| part(name, text(n).as_bytes())).collect();
    let answer = post(&daemon, TARGET, TYPE, &[parts.concat(), END.into()].concat());
    assert!(answer.body.len() < 600_000, "{}", answer.body.len());
    let answer = answer.json();
    let findings = answer["findings"].as_array().unwrap().len();
    assert!((1..=1000).contains(&findings), "{findings}");
    assert_eq!(findings as u64 + answer["more_findings"].as_u64().unwrap(), 3000);

    // 300 companies with a group of their own, and one with more OUs than a list has.
    let company = |ou: &str, n: usize| {
        format!(
            "[[ou]]\nid = \"{ou}\"\n[[pool]]\nid = \"p{n}\"\nchannel = \"sms\"\nous = [\"{ou}\"]\ndefault_country = \"GB\"\n"
        )
    };
    let account = |n: usize| {
        format!(
            "id,channel,role,address,country,pool\na{n},sms,secondary,+4474001{n:05},GB,p{n}\n\
             main,sms,primary,+4474002{n:05},GB,p{n}\n"
        )
    };
    let mut form = Vec::new();
    for n in 0..300 {
        form.extend(part(&format!("c{n:03}/company.toml"), company("root", n).as_bytes()));
        form.extend(part(&format!("c{n:03}/accounts.csv"), account(n).as_bytes()));
    }
    let children: String =
        (0..120).map(|n| format!("[[ou]]\nid = \"ou-{n:03}\"\nparent = \"root\"\n")).collect();
    form.extend(part("a/company.toml", (company("root", 999) + &children).as_bytes()));
    form.extend(part("a/accounts.csv", account(999).as_bytes()));
    form.extend_from_slice(END.as_bytes());
    let answer = post(&daemon, TARGET, TYPE, &form);
    assert!(answer.body.len() < 600_000, "{}", answer.body.len());
    let answer = answer.json();
    let groups = answer["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 200);
    assert!(answer["more"].as_u64().unwrap() > 100, "{}", answer["more"]);
    assert_eq!(groups[0]["kind"], "becomes_error");
    let companies = &answer["companies"];
    let added = companies["added"].as_array().unwrap().len();
    assert_eq!((added, &companies["removed"], &companies["more"]), (50, &json!(["acme"]), &json!(251)));
    let wide = groups.iter().find(|group| group["company"] == "a").unwrap();
    let place = wide["where"].as_array().unwrap().iter().find(|place| place["more_ous"].is_u64()).unwrap();
    assert_eq!(place["ous"].as_array().unwrap().len() as u64, 50);
}

#[test]
fn hostile_forms_are_refused() {
    let old = acme();
    let daemon = serve(old.path());
    let whole = form(&[("acme/company.toml", "[[ou]]\nid = \"acme\"\n")]);
    for (headers, status) in [
        ("", 415),
        ("Content-Type: application/json\r\n", 415),
        ("Content-Type: multipart/mixed; boundary=xyz\r\n", 415),
        ("Content-Type: multipart/form-data\r\n", 400),
        ("Content-Type: multipart/form-data; boundary=\r\n", 400),
        ("Content-Type: multipart/form-data; boundary=other\r\n", 400),
    ] {
        let answer = post(&daemon, TARGET, headers, &whole);
        let code = if status == 415 { "unsupported_media_type" } else { "bad_request" };
        answer.refuses(status, code);
        assert_eq!(answer.header("accept"), (status == 415).then_some("multipart/form-data"), "{headers}");
    }
    for path in [
        "/etc/passwd",
        "../acme/company.toml",
        "acme/../../x",
        "acme\\\\company.toml",
        "",
        "acme//x",
        "acme/",
        "./x",
    ] {
        let refused = post(&daemon, TARGET, TYPE, &form(&[(path, "x")]));
        refused.refuses(400, "bad_request");
        assert!(!refused.text().contains("passwd"), "{path}");
    }
    let twice = form(&[("acme/company.toml", "x"), ("acme/company.toml", "x")]);
    let tiny = [part("a", b"").repeat(100_000), END.into()].concat();
    let many: Vec<Vec<u8>> = (0..100_000).map(|n| part(&n.to_string(), b"")).collect();
    let many = [many.concat(), END.into()].concat();
    let without_end = part("acme/company.toml", &b"x".repeat(1_000_000));
    let long_head = [b"--xyz\r\nX-Padding: ".to_vec(), b"x".repeat(5_000_000), b"\r\n\r\n".to_vec()].concat();
    let no_name = b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--xyz--\r\n";
    for body in [
        &twice,
        &tiny,
        &many,
        &without_end,
        &long_head,
        &no_name.to_vec(),
        &END.into(),
        &Vec::new(),
        &b"\0".repeat(9),
    ] {
        let started = Instant::now();
        post(&daemon, TARGET, TYPE, body).refuses(400, "bad_request");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
    // The route has one method, and the daemon is as before.
    for method in ["GET", "PUT", "DELETE"] {
        let mut client = HttpClient::connect(daemon.admin);
        client.send(format!("{method} {TARGET} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = client.answer();
        answer.refuses(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    assert_eq!(compare(&daemon, &form_of_folder(old.path()))["groups"], json!([]));
}

#[test]
fn without_a_snapshot_there_is_no_comparison() {
    let daemon = InProcessDaemon::empty(one_worker());
    post(&daemon, TARGET, TYPE, &form_of_folder(&demo())).refuses(503, "no_snapshot");
    post(&daemon, TARGET, TYPE, b"x").refuses(400, "bad_request");
}

#[test]
fn body_is_limited_whether_its_length_is_announced_or_not() {
    let old = acme();
    let limits = CompareLimits { max_body_bytes: 100_000, ..CompareLimits::default() };
    let daemon = serve_within(old.path(), limits);
    let fits = form_of_folder(old.path());
    assert!(fits.len() < limits.max_body_bytes);
    compare(&daemon, &fits);
    let large = form(&[("acme/company.toml", &"#".repeat(limits.max_body_bytes))]);
    let refused = post(&daemon, TARGET, TYPE, &large);
    refused.refuses(413, "body_too_large");
    assert!(refused.text().contains("switchboard diff"), "{}", refused.text());
    // An endless body in chunks is refused at the limit.
    let mut client = HttpClient::connect(daemon.admin);
    client.send(format!(
        "POST {TARGET} HTTP/1.1\r\nHost: localhost\r\n{TYPE}Transfer-Encoding: chunked\r\n\r\n"
    ));
    let chunk = format!("{:x}\r\n{}\r\n", 4096, "x".repeat(4096));
    for _ in 0..=limits.max_body_bytes / 4096 {
        client.send(&chunk);
    }
    client.answer().refuses(413, "body_too_large");
    assert!(client.is_closed());
    compare(&daemon, &fits);
}

/// Begins a comparison whose body does not arrive. The daemon has read the head.
fn begin(daemon: &InProcessDaemon) -> HttpClient {
    let mut client = HttpClient::connect(daemon.admin);
    let head = format!(
        "POST {TARGET} HTTP/1.1\r\nHost: localhost\r\n{TYPE}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n"
    );
    client.send(head);
    assert_eq!(client.answer().status, 100);
    client
}

#[test]
fn one_comparison_runs_at_a_time() {
    let old = acme();
    let daemon = serve(old.path());
    let form = form_of_folder(old.path());
    let mut first = begin(&daemon);
    let refused = post(&daemon, TARGET, TYPE, &form);
    refused.refuses(503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("5"));
    // Other requests do not wait.
    assert_eq!(daemon.admin("/livez").status, 200);
    // A client that goes in the middle of its body ends its comparison.
    first.send("--xyz\r\n");
    drop(first);
    wait_until("the slot is free", || post(&daemon, TARGET, TYPE, &form).status == 200);
}

#[test]
fn slow_client_is_answered_when_its_time_is_over() {
    let old = acme();
    let limits = CompareLimits { max_time: Duration::from_millis(500), ..CompareLimits::default() };
    let daemon = serve_within(old.path(), limits);
    let started = Instant::now();
    let mut slow = begin(&daemon);
    let answer = slow.answer();
    answer.refuses(503, "overloaded");
    assert!(started.elapsed() >= limits.max_time, "{:?}", started.elapsed());
    assert!(
        answer.text().contains("longer than 500ms") && answer.text().contains("switchboard diff"),
        "{}",
        answer.text()
    );
    assert!(slow.is_closed());
}

/// The time of a comparison may be longer than that of other requests of the admin listener, whose body has 10 s.
#[test]
fn body_of_a_comparison_may_take_longer_than_another_body() {
    let old = acme();
    let daemon = serve(old.path());
    let body = form_of_folder(old.path());
    let mut client = HttpClient::connect(daemon.admin);
    client.send(format!(
        "POST {TARGET} HTTP/1.1\r\nHost: localhost\r\n{TYPE}Content-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body[..100]);
    thread::sleep(Duration::from_secs(11));
    client.send(&body[100..]);
    assert_eq!(client.answer().status, 200);
}

/// A registry whose tests take many seconds, because each is run at many dates.
fn long_registry() -> Vec<u8> {
    let company = "[[ou]]\nid = \"root\"\n[[pool]]\nid = \"p\"\nchannel = \"sms\"\nous = [\"root\"]\n";
    let mut accounts = "id,channel,role,address,country,pool,available_from\n\
         main,sms,primary,+447400998877,GB,p,\na,sms,secondary,+447400998878,GB,p,\n"
        .to_owned();
    for n in 0..3000 {
        let (year, month, day) = (2100 + n / 336, 1 + n / 28 % 12, 1 + n % 28);
        accounts += &format!("a{n},sms,secondary,+44740012{n:04},GB,p,{year}-{month:02}-{day:02}\n");
    }
    let test = "[[test]]\nquery = { channel = \"sms\", ou = \"root\", country = \"GB\" }\nexpect = { rule = \"country\" }\n";
    let tests = test.repeat(80_000);
    form(&[("acme/company.toml", company), ("acme/accounts.csv", &accounts), ("acme/tests.toml", &tests)])
}

#[test]
fn comparison_ends_when_its_time_is_over_or_its_client_has_gone() {
    let old = acme();
    let long = long_registry();
    let short = form_of_folder(old.path());
    let is_free = |daemon: &InProcessDaemon| post(daemon, TARGET, TYPE, &short).status == 200;

    let limits = CompareLimits { max_time: Duration::from_secs(2), ..CompareLimits::default() };
    let daemon = serve_within(old.path(), limits);
    let answer = post(&daemon, TARGET, TYPE, &long);
    answer.refuses(503, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("30"));
    wait_within(
        Duration::from_secs(60), // the thread has the lowest priority
        || "the slot is free after the time".to_owned(),
        || is_free(&daemon),
    );

    let daemon = serve(old.path());
    let mut client = HttpClient::connect(daemon.admin);
    client.post(TARGET, TYPE, &long);
    // The whole body has arrived when the daemon still computes.
    wait_until("the comparison runs", || !is_free(&daemon));
    drop(client);
    wait_within(
        Duration::from_secs(60), // the thread has the lowest priority
        || "the slot is free after the client".to_owned(),
        || is_free(&daemon),
    );
    assert_eq!(daemon.metric("switchboard_http_panics_total"), 0.0);
}

/// Queries and probes are answered while a comparison computes.
#[test]
fn comparison_does_not_delay_others() {
    let old = acme();
    let limits = CompareLimits { max_time: Duration::from_secs(3), ..CompareLimits::default() };
    let daemon = serve_within(old.path(), limits);
    let (admin, long) = (daemon.admin, long_registry());
    thread::scope(|scope| {
        let comparison = scope.spawn(|| post_to(admin, TARGET, TYPE, &long));
        let (mut rounds, mut longest) = (0, Duration::ZERO);
        let mut data = daemon.client();
        while !comparison.is_finished() {
            let started = Instant::now();
            assert_eq!(daemon.admin("/livez").status, 200);
            data.select("company=acme&channel=whatsapp&ou=emea&country=GB");
            longest = longest.max(started.elapsed());
            rounds += 1;
        }
        comparison.join().unwrap().refuses(503, "overloaded");
        assert!(rounds > 20 && longest < Duration::from_secs(1), "{rounds} rounds, the longest {longest:?}");
    });
}

/// Beyond the limit on connections, idle ones are closed, and not the one that waits for a comparison.
#[test]
fn connection_that_waits_for_its_comparison_is_not_closed_for_others() {
    let old = acme();
    let limits = CompareLimits { max_time: Duration::from_secs(3), ..CompareLimits::default() };
    let daemon = serve_within(old.path(), limits);
    let mut client = HttpClient::connect(daemon.admin);
    client.post(TARGET, TYPE, long_registry());
    let short = form_of_folder(old.path());
    wait_until("the comparison runs", || post(&daemon, TARGET, TYPE, &short).status == 503);
    let others: Vec<HttpClient> = (0..70)
        .map(|_| {
            let mut other = HttpClient::connect(daemon.admin);
            assert_eq!(other.get("/livez").status, 200);
            other
        })
        .collect();
    client.answer().refuses(503, "overloaded");
    drop(others);
}

/// A client that closes its sending side ends its comparison, and can still read that.
#[test]
fn client_that_closes_its_sending_side_is_taken_to_have_gone() {
    let old = acme();
    let daemon = serve(old.path());
    let mut client = HttpClient::connect(daemon.admin);
    client.post(TARGET, TYPE, long_registry());
    client.stream.flush().unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    client.answer().refuses(400, "bad_request");
    let short = form_of_folder(old.path());
    wait_until("the slot is free", || post(&daemon, TARGET, TYPE, &short).status == 200);
}
