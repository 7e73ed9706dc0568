//! A running daemon as the target, and arguments that are refused.

use crate::{daemon, output_text, report, run};
use generator::{RegistryArguments, generate_registry};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A daemon process that ends with the test.
pub(crate) struct Running {
    child: Child,
    pub(crate) data: String,
    pub(crate) admin: String,
}

impl Running {
    pub(crate) fn serve(registry: &Path) -> Running {
        Running::serve_with(registry, &[])
    }

    /// Serves with more options, on the first `--listen` among them.
    pub(crate) fn serve_with(registry: &Path, more: &[&str]) -> Running {
        let listen = if more.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"][..] };
        let mut child = Command::new(daemon())
            .args(["serve", "--admin-listen", "127.0.0.1:0", "--log-format", "json"])
            .args(listen)
            .args(more)
            .arg("--registry")
            .arg(registry)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut logs = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
        let listening = logs.find(|log| log["message"] == "listening").unwrap();
        // A full pipe would stop the daemon.
        std::thread::spawn(move || logs.for_each(drop));
        let scheme = if more.contains(&"--tls-cert") { "https" } else { "http" };
        let url = |name| match listening[name].as_str().unwrap() {
            unix if unix.starts_with("unix:") => unix.to_owned(),
            address => format!("{scheme}://{address}"),
        };
        Running { data: url("data"), admin: url("admin"), child }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn registry(folder: &Path, seed: u64) -> PathBuf {
    let output = folder.join(format!("registry-{seed}"));
    let arguments = RegistryArguments { accounts: 400, ous: 40, pools: 20, companies: 1, seed, output };
    generate_registry(&arguments).unwrap();
    arguments.output
}

/// Writes a scenario with short durations. It has no limit of the lateness, because tests share the machine.
fn scenario(folder: &Path) -> String {
    let file = folder.join("short.toml");
    let text = "about = 'short'\nrate = 200\nduration = '300ms'\nwarm_up = '50ms'\nrepeat = 1\nceiling = '40ms'\n\
        connections = 4\nlatest_us = 60000000\ntimeout = '60s'";
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn answers_are_checked_against_the_registry_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, out) = (scenario(folder.path()), folder.path().join("out"));
    let served = registry(folder.path(), 1);
    let running = Running::serve(&served);
    let ask = |registry: &Path| {
        let registry = registry.to_str().unwrap();
        run(&out, &[&scenario, "--target", &running.data, "--admin", &running.admin, "--registry", registry])
    };
    let right = ask(&served);
    assert!(right.status.success(), "{}", output_text(&right));
    let report = report(&out);
    assert_eq!(report.setup.registry.accounts, 400);
    assert_eq!((report.setup.daemon_command, report.runs[0].steps[0].process.clone()), (None, None));
    assert_eq!(report.ceiling, None, "measured without --ceiling");
    let wrong = ask(&registry(folder.path(), 2));
    assert_eq!(wrong.status.code(), Some(1), "{}", output_text(&wrong));
    assert!(output_text(&wrong).contains("wrong_answer"), "{}", output_text(&wrong));
    assert!(
        output_text(&wrong).contains("first check that the daemon serves this registry"),
        "{}",
        output_text(&wrong)
    );
}

#[test]
fn queries_of_a_file_are_asked_and_checked_for_their_shape() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, out) = (scenario(folder.path()), folder.path().join("out"));
    let running = Running::serve(&registry(folder.path(), 1));
    let queries = folder.path().join("queries.ndjson");
    let lines = "{\"channel\":\"whatsapp\",\"ou\":\"corp\",\"country\":\"GB\"}\n{\"channel\":\"sms\",\"ou\":\"nowhere\",\"country\":\"GB\"}\n";
    fs::write(&queries, lines).unwrap();
    let ran = run(&out, &[&scenario, "--target", &running.data, "--queries", queries.to_str().unwrap()]);
    assert!(ran.status.success(), "{}", output_text(&ran));
    let report = report(&out);
    assert!(report.setup.registry.source.contains("only the form of answers is checked"));
    assert!(output_text(&ran).contains("size unknown: name the admin listener"), "{}", output_text(&ran));
    assert!(report.runs[0].steps[0].outcomes["problem"] >= 30, "{:?}", report.runs[0].steps[0].outcomes);
}

#[test]
fn target_that_goes_leaves_a_report_of_the_runs_before() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, out) = (scenario(folder.path()), folder.path().join("out"));
    let served = registry(folder.path(), 1);
    let mut running = Running::serve(&served);
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", &scenario, "--target", &running.data, "--repeat", "20", "--pin", "none", "--registry"])
        .arg(&served)
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("run 1 ")));
    running.child.kill().unwrap();
    let said: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said:#?}");
    let report = report(&out);
    assert!((1..20).contains(&report.runs.len()), "{said:#?}");
    assert_eq!(report.verdicts[0].demand, "20 runs");
    assert!(report.verdicts[0].measured.contains("cannot connect") && !report.verdicts[0].holds, "{said:#?}");
}

#[test]
fn nothing_is_measured_where_no_report_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for out in [&file, &file.join("below"), Path::new("/proc/none")] {
        let ran = run(out, &[]);
        assert_eq!(ran.status.code(), Some(3), "{}", output_text(&ran));
        assert!(
            output_text(&ran).contains(out.to_str().unwrap()) && !output_text(&ran).contains("steady"),
            "{}",
            output_text(&ran)
        );
    }
}

#[test]
fn missing_or_wrong_arguments_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, words) in [
        (&["steady", "--target", "http://127.0.0.1:1"][..], 2, "--registry"),
        (&["reload-storm", "--target", "http://127.0.0.1:1", "--registry", "r"], 2, "without --target"),
        (&["standings-churn", "--target", "http://127.0.0.1:1", "--registry", "r"], 2, "--admin"),
        (&["steady", "steady"], 2, "two scenarios are called steady"),
        (&["ramp", "--rate", "100"], 2, "is a sweep"),
        (&["steady", "--rate", "1e9"], 2, "rate must be more than 0, and at most 10,000,000"),
        (&["--size", "5000/500"], 2, "write small"),
        (&["--size", "5000/x/500/200"], 2, "write small"),
        (&["--size", "tiny"], 2, "write small"),
        (&["--target", "ftp://127.0.0.1"], 2, "expected a URL such as http://127.0.0.1:7400"),
        (&["--target", "http://127.0.0.1:7400/api"], 2, "the URL has a path"),
        (
            &["--target", "https://127.0.0.1:1", "--ca", "none.pem", "--registry", "r"],
            3,
            "--ca: none.pem: No such",
        ),
        (
            &["--target", "https://127.0.0.1:1", "--ca", "Cargo.toml", "--registry", "r"],
            2,
            "there is no certificate",
        ),
        (&["--target", "127.0.0.1:1", "--token-file", "none", "--registry", "r"], 3, "cannot read none"),
        (&["--token-file", "none"], 2, "--target"),
        (&["--access", "tls", "--target", "http://127.0.0.1:1"], 2, "--target"),
        (&["--access", "tls,unix"], 2, "access cannot have tls and unix"),
        (&["--access", "quic"], 2, "possible values: tls, unix, token"),
        (&["unsteady"], 2, "choose one of steady, ramp"),
        (&["none.toml"], 3, "cannot read none.toml"),
        (&["--pin", "all"], 2, ""),
        (&["--switchboard", "/none/switchboard"], 2, "/none/switchboard does not exist"),
    ] {
        let ran = run(folder.path(), arguments);
        assert_eq!(ran.status.code(), Some(code), "{arguments:?}: {}", output_text(&ran));
        assert!(output_text(&ran).contains(words), "{arguments:?}: {}", output_text(&ran));
    }
}
