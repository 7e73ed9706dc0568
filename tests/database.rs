//! A registry in PostgreSQL, through the commands: import, check, compile and export.

#[path = "../crates/database/tests/database/server.rs"]
pub(crate) mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cli::{stderr, stdout, switchboard};
use crate::harness::{DaemonProcess, wait_until};
use server::{at_port, empty_database, programs, sql, try_sql};

/// Returns the URL of a new database with the demo registry.
pub(crate) fn demo_database() -> String {
    let url = empty_database();
    succeed(&["db", "migrate", &url]);
    succeed(&["db", "import", demo().to_str().unwrap(), &url]);
    url
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo")
}

/// Runs a command that succeeds. Returns its standard output and standard error.
fn succeed(arguments: &[&str]) -> (String, String) {
    let output = switchboard(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    (stdout(&output), stderr(&output))
}

/// Runs a command that fails with this exit code. Returns its standard error.
fn fail(code: i32, arguments: &[&str]) -> String {
    let output = switchboard(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

/// Compiles a source with a fixed generation. Returns the bytes of the snapshot.
fn compiled(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.swb");
    succeed(&["compile", source, "-o", file.to_str().unwrap(), "--generation", "7"]);
    fs::read(file).unwrap()
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn folder_export_and_database_compile_to_the_same_bytes() {
    let url = demo_database();
    let folder = tempfile::tempdir().unwrap();
    let exported = folder.path().join("new/registry");
    let exported = exported.to_str().unwrap();
    succeed(&["db", "export", &url, exported]);
    let bytes = compiled(demo().to_str().unwrap());
    assert!(bytes == compiled(&url), "the database differs");
    assert!(bytes == compiled(exported), "the export differs");
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);

    let (changes, note) = succeed(&["db", "import", exported, &url]);
    assert_eq!(changes, "");
    assert!(note.ends_with("has these companies already: nothing changes\n"), "{note}");
    let error = fail(2, &["db", "export", &url, exported]);
    assert!(error.contains("is not empty"), "{error}");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn every_command_that_takes_a_source_reads_a_database() {
    let url = demo_database();
    let demo = demo();
    let demo = demo.to_str().unwrap();
    for arguments in [
        &["check", "SOURCE", "--fail-under", "1"][..],
        &["coverage", "SOURCE", "--company", "acme", "--format", "csv"],
        &["explain", "--registry", "SOURCE", "company=acme", "channel=whatsapp", "ou=london", "country=FR"],
    ] {
        let of = |source: &str| {
            let arguments: Vec<&str> =
                arguments.iter().map(|it| if *it == "SOURCE" { source } else { *it }).collect();
            succeed(&arguments).0
        };
        assert_eq!(of(&url), of(demo), "{arguments:?}");
    }
    assert!(succeed(&["diff", demo, &url]).0.contains("no decision changes"));
    sql(
        &url,
        "update switchboard.account set state = 'suspended' where company = 'acme' and pool is not null",
    );
    let diff = switchboard(&["diff", demo, &url, "--format", "json"]);
    assert!(stdout(&diff).contains("\"postgres:///d") && !stdout(&diff).contains("user="));
    let select =
        ["select", "--snapshot", &url, "company=acme", "channel=whatsapp", "ou=london", "country=FR"];
    let note = fail(1, &select);
    assert!(
        note.contains("answered offline, from the registry postgres:///d") && !note.contains("user="),
        "{note}"
    );
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn findings_about_a_database_name_rows_and_columns() {
    let url = demo_database();
    let id = sql(
        &url,
        "update switchboard.account set address = 'nobody' where company = 'acme' \
        and id = (select min(id) from switchboard.account where company = 'acme' and channel = 'whatsapp') returning id",
    );
    let output = switchboard(&["check", &url]);
    assert_eq!(output.status.code(), Some(1));
    let line = format!("account[company=acme,id={id}].address: error[invalid_address]: ");
    assert!(stdout(&output).contains(&line), "{}", stdout(&output));
    let output = switchboard(&["check", &url, "--format", "json"]);
    let json: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let finding = &json["findings"][0];
    assert_eq!(finding["entry"], format!("account[company=acme,id={id}].address"));
    assert!(finding.get("file").is_none() && finding.get("line").is_none(), "{finding}");
    for command in [&["compile", &url, "-o", "/dev/null"][..], &["coverage", &url]] {
        assert!(fail(1, command).contains(&line));
    }

    // A test that fails does not keep a command from reading.
    let url = demo_database();
    sql(&url, "update switchboard.test set expect = '{\"account\": \"none\"}' where company = 'acme'");
    let error = succeed(&["coverage", &url, "--company", "acme", "--format", "csv"]).1;
    assert!(error.contains("tests fail: `switchboard check postgres:///d"), "{error}");
    let output = switchboard(&["check", &url]);
    assert!(
        stdout(&output).contains(": error[failed_test]: ")
            && stdout(&output).contains("test[company=acme,id=")
    );
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn import_prints_changes_and_refuses_errors() {
    let url = empty_database();
    let error = fail(3, &["check", &url]);
    assert!(error.contains("has no schema `switchboard`: run `switchboard db migrate` first"), "{error}");
    let (text, _) = succeed(&["db", "migrate", &url]);
    assert!(text.starts_with("made the schema `switchboard` in postgres:///d"), "{text}");
    assert!(succeed(&["db", "migrate", &url]).0.contains("has version 1 already"));

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let accounts = |id: &str| format!("id,channel,address,country\n{id},line,@a,JP\ny,line,@b,JP\n");
    write("good/company.toml", "[[ou]]\nid = \"hq\"\n");
    write("good/accounts.csv", &accounts("x"));
    write("bad/company.toml", "[[ou]]\nid = \"hq\"\nparent = \"none\"\n");
    let error = fail(1, &["db", "import", root, &url]);
    assert!(error.contains("bad/company.toml:3: error[unknown_parent]"), "{error}");
    assert!(error.contains("1 error: nothing was imported"), "{error}");
    let error = fail(2, &["db", "import", root, &url, "--company", "good,missing"]);
    assert!(error.contains("has no company missing"), "{error}");
    assert_eq!(sql(&url, "select count(*) from switchboard.company"), "0");

    let import =
        |options: &[&str]| succeed(&[&["db", "import", root, &url, "--company", "good"], options].concat());
    let wanted = "good: account: 2 added (x, y)\ngood: company: 1 added (good)\ngood: ou: 1 added (hq)\n";
    let (changes, note) = import(&["--dry-run"]);
    assert_eq!(changes, wanted);
    assert!(note.starts_with("nothing was written to postgres:///d"), "{note}");
    assert_eq!(sql(&url, "select count(*) from switchboard.company"), "0");
    assert_eq!(import(&[]).0, wanted);
    write("good/accounts.csv", &accounts("z"));
    assert_eq!(import(&[]).0, "good: account: 1 removed (x); 1 added (z)\n");

    write("channels.toml", "[channel.line]\naddress = \"handle\"\nconversation_role = \"primary\"\n");
    let error = fail(1, &["db", "import", root, &url, "--company", "good"]);
    assert!(error.contains("another profile for channel line"), "{error}");
    fs::remove_dir_all(folder.path().join("bad")).unwrap();
    assert_eq!(succeed(&["db", "import", root, &url]).0, "channel: 1 changed (line)\n");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn import_without_a_file_of_channels_restores_the_built_in_profiles() {
    let url = empty_database();
    succeed(&["db", "migrate", &url]);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/company.toml"), "[[ou]]\nid = \"hq\"\n").unwrap();
    succeed(&["db", "import", root, &url]);
    sql(
        &url,
        "update switchboard.channel set dedicated_since = 'never' where id = 'sms'; \
         insert into switchboard.channel values ('fax', 'primary', '{primary}', 'phone')",
    );
    let profile = || {
        sql(
            &url,
            "select id, dedicated_since from switchboard.channel where id in ('fax', 'sms') order by id",
        )
    };
    let changes = "channel: 1 changed (sms)\n";
    assert_eq!(succeed(&["db", "import", root, &url, "--dry-run"]).0, changes);
    assert_eq!(profile(), "fax|\nsms|never");
    // A company alone leaves the profiles.
    assert_eq!(succeed(&["db", "import", root, &url, "--company", "a"]).0, "");
    assert_eq!(succeed(&["db", "import", root, &url]).0, changes);
    assert_eq!(profile(), "fax|\nsms|");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn import_names_the_place_of_a_character_that_a_database_cannot_hold() {
    let url = empty_database();
    succeed(&["db", "migrate", &url]);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    let settings = folder.path().join("a/company.toml");
    fs::write(settings, "[[ou]]\nid = \"hq\"\nname = \"Head\\u0000\"\n").unwrap();
    let error = fail(1, &["db", "import", folder.path().to_str().unwrap(), &url]);
    assert!(
        error.contains("a/company.toml:3: error[invalid_value]: `name` has the character NUL"),
        "{error}"
    );
    assert!(error.contains("remove the escape"), "{error}");
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn a_shown_database_is_a_url_that_works() {
    let url = demo_database();
    let (name, folder) = url.trim_start_matches("postgres:///").split_once("?host=").unwrap();
    let (folder, rest) = folder.split_once("&port=").unwrap();
    let (port, _) = rest.split_once('&').unwrap();
    let shown = |url: &str, variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.args([
            "select",
            "--registry",
            url,
            "company=acme",
            "channel=whatsapp",
            "ou=london",
            "country=FR",
        ]);
        let output = command.env("PGUSER", "postgres").envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{url}: {}", stderr(&output));
        let note = stderr(&output);
        let shown = note.split_whitespace().find(|word| word.starts_with("postgres://"));
        shown.unwrap_or_else(|| panic!("{note}")).trim_end_matches([':', ',', ';', '.']).to_owned()
    };
    let once = shown(&format!("postgres:///{name}"), &[("PGHOST", folder), ("PGPORT", port)]);
    assert_eq!(once, format!("postgres:///{name}?host={folder}&port={port}"));
    assert_eq!(shown(&once, &[]), once);
}

#[test]
fn no_message_repeats_the_credentials_of_a_url() {
    let url = "postgres://ann:secret@127.0.0.1:1/d";
    let demo = demo();
    let demo = demo.to_str().unwrap();
    for arguments in [
        &["compile", demo, "-o", url][..],
        &["coverage", demo, "-o", url],
        &["check", url],
        &["check", demo, url],
        &["inspect", url],
        &["sign", url, "--key", url],
        &["keygen", "-o", url],
        &["audit", "verify", url],
        &["select", "--url", url, "ou=a"],
        &["select", "--snapshot", demo, url],
        &["status", "--url", url],
        &["diff", demo, url],
        &["db", "import", url, url],
        &["db", "import", demo, url],
        &["db", "export", url, url],
        &["db", "migrate", url, url],
        &["check-config", "--snapshot", url],
        &["check-config", "--registry", url],
        &["check-config", "--fleet", url],
        &["--config", url],
        &["serve", "--listen", url],
        &["serve", url],
        &[url],
    ] {
        let output = switchboard(arguments);
        let text = stdout(&output) + &stderr(&output);
        assert!(!text.contains("secret") && !text.contains("ann:"), "{arguments:?}: {text}");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn passwords_and_certificates_are_those_of_psql() {
    let url = demo_database();
    sql(
        &url,
        "create role with_password login password 'a:b\\c'; grant usage on schema switchboard to with_password; \
         grant select on all tables in schema switchboard to with_password",
    );
    let (at_port, certificate) = at_port(&url, "with_password");
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("pgpass");
    fs::write(&passwords, "localhost:*:*:with_password:a\\:b\\\\c\n").unwrap();
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other_certificate = folder.path().join("other.crt");
    fs::write(&other_certificate, other.cert.pem()).unwrap();
    let check = |url: &str, variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.args(["check", url]).env_remove("PGPASSWORD").env("PGPASSFILE", &passwords);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let [certificate, other_certificate] = [&certificate, &other_certificate].map(|it| it.to_str().unwrap());
    let full = format!("{at_port}?sslmode=verify-full&sslrootcert={certificate}");
    assert_eq!(check(&full, &[]), (Some(0), String::new()));
    let in_variables = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", certificate)];
    assert_eq!(check(&at_port, &in_variables).0, Some(0));
    let (exit, error) = check(&full, &[("PGPASSFILE", "/nowhere"), ("PGPASSWORD", "wrong")]);
    assert!(
        exit == Some(3) && error.contains("password authentication failed") && !error.contains("wrong"),
        "{error}"
    );
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o640)).unwrap();
    let (exit, error) = check(&full, &[]);
    assert!(exit == Some(2) && error.contains("may read") && error.contains("mode to 600"), "{error}");
    assert_eq!(check(&full, &[("PGPASSWORD", "a:b\\c")]).0, Some(0));
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    for refused in [
        format!("{at_port}?sslmode=verify-full&sslrootcert={other_certificate}"),
        format!("{at_port}?sslmode=verify-full"),
        full.replace("@localhost", "@127.0.0.1"),
    ] {
        let (exit, error) = check(&refused, &[]);
        assert!(exit == Some(3) && error.contains("certificate"), "{refused}: {error}");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn commands_and_statements_of_the_page_work() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/postgres.md")).unwrap();
    let block = |first: &str| {
        let start = page.find(first).unwrap_or_else(|| panic!("{first}"));
        page[start..].split("```").next().unwrap()
    };
    let url = empty_database();
    let path = Path::new(env!("CARGO_BIN_EXE_switchboard")).parent().unwrap();
    let path = format!("{}:{}:{}", path.display(), programs().display(), std::env::var("PATH").unwrap());
    let run = |commands: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-e", "-c", commands])
            .env("PATH", &path)
            .env("URL", &url)
            .env_remove("SWITCHBOARD_FLEET");
        let output = shell.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    };
    // Five commands from an empty database to serving: the first two make and name the database of the page.
    let script: Vec<&str> = block("createdb registry").lines().collect();
    let [_, export, migrate, import, "switchboard serve --registry $URL"] = script[..] else {
        panic!("{script:?}")
    };
    assert!(export.starts_with("export URL=postgres:///registry?"));
    run(&format!("{migrate}\n{import}"));
    let daemon = DaemonProcess::start(&["--registry", &url]);
    let example = block("curl 'http://127.0.0.1:7400");
    let target = example.split("127.0.0.1:7400").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let edit = example.split('"').nth(1).unwrap();
    let address = || serde_json::from_str::<Value>(&daemon.get(target).1).unwrap()["address"].clone();
    assert_eq!(address(), "+33612345601");
    sql(&url, edit);
    wait_until("the edit", || address() == "+33612345699");

    sql(&url, block("-- A new number for a pool."));
    let changed = sql(
        &url,
        "select id, pool, role, state from switchboard.account where company = 'acme' \
         and id in ('wa-emea-gb-1', 'wa-emea-gb-9', 'signal-research-1') order by id",
    );
    let wanted = [
        "signal-research-1|research-signal|primary|active",
        "wa-emea-gb-1|emea-whatsapp|secondary|draining",
        "wa-emea-gb-9|emea-whatsapp|secondary|active",
    ];
    assert_eq!(changed.lines().collect::<Vec<_>>(), wanted);
    succeed(&["check", &url]);
    let history = sql(&url, block("select time, role, key"));
    assert!(history.contains("|company=acme,id=wa-emea-gb-1|active|draining"), "{history}");
    sql(&url, block("delete from switchboard.history"));
    sql(&url, &format!("begin; {}; rollback", block("create role console")));
    let before = compiled(&url);
    let folder = tempfile::tempdir().unwrap();
    let backup =
        block("pg_dump --schema").replace("registry.sql", folder.path().join("r.sql").to_str().unwrap());
    run(&backup);
    assert!(compiled(&url) == before, "the backup differs");
    let shown = page.split("registry=> ").nth(1).unwrap();
    let (statement, error) = shown.split_once('\n').unwrap();
    let error = error.lines().next().unwrap();
    assert!(try_sql(&url, statement).unwrap_err().contains(error));
}
