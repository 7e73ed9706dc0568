//! Daemons that clients reach over TLS, on a Unix socket or with a token.

use crate::{
    daemon, output_text, report, run,
    target::{Running, registry},
};
use std::{fs, path::Path, process::Command};

/// Writes a scenario with short durations, whose requests are both URLs and JSON. It has no limit of the lateness,
/// because tests share the machine.
fn scenario(folder: &Path, more: &str) -> String {
    let file = folder.join("short.toml");
    let text = format!(
        "about = 'short'\nrate = 200\nduration = '300ms'\nwarm_up = '50ms'\nrepeat = 1\nceiling = '40ms'\n\
         connections = 4\nlatest_us = 60000000\ntimeout = '60s'\nmix.post = 50\n{more}"
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn own_daemon_is_reached_in_every_way() {
    let daemon = daemon();
    for (ways, options, has_ratio) in [
        ("token", &["--principals"][..], true),
        ("tls,token", &["--tls-cert", "--tls-key", "--principals"], false),
        ("unix,token", &["--listen unix:", "--principals"], false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (scenario, out) = (scenario(folder.path(), ""), folder.path().join("out"));
        let arguments = [&scenario, "--access", ways, "--size", "small", "--switchboard"];
        let ran = run(&out, &[&arguments[..], &[daemon.to_str().unwrap()]].concat());
        assert!(ran.status.success(), "{ways}: {}", output_text(&ran));
        let report = report(&out);
        let command = report.setup.daemon_command.unwrap();
        assert!(options.iter().all(|option| command.contains(option)), "{ways}: {command}");
        // The null server has neither TLS nor a Unix socket, so that a ratio to it would mislead.
        assert_eq!(report.ceiling.is_some(), has_ratio, "{ways}");
        let shown = report.setup.effective["access"].as_array().unwrap().iter();
        let shown: Vec<_> = shown.map(|way| way.as_str().unwrap()).collect();
        assert_eq!(shown.join(","), ways);
        let step = &report.runs[0].steps[0];
        assert!(step.due >= 59 && step.errors.is_empty(), "{ways}: {step:?}");
    }
}

/// All actors have the credential and the way of the requests.
#[test]
fn actors_reach_a_daemon_over_tls_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let more = "access = ['tls', 'token']\n[standings]\nrate = 20\n[reload]\nevery = '100ms'\n\
        [slow_clients]\ncount = 6\n[new_connections]\nrate = 40\n[mix]\n";
    let file = scenario(folder.path(), "");
    let text = fs::read_to_string(&file).unwrap().replace("mix.post = 50\n", more) + "post = 50\n";
    fs::write(&file, text.replace("300ms", "1s")).unwrap();
    let out = folder.path().join("out");
    let ran = run(&out, &[&file, "--size", "small", "--switchboard", daemon().to_str().unwrap()]);
    assert!(ran.status.success(), "{}", output_text(&ran));
    let step = &report(&out).runs[0].steps[0];
    for kind in ["standing", "reload", "slow_clients", "new_connections"] {
        let text = step.events.iter().find(|event| event.kind == kind).map(|event| &event.text);
        assert!(text.is_some_and(|text| !text.starts_with("0 ")), "{kind}: {text:?}");
    }
}

/// Makes a certificate for 127.0.0.1 and a principal. Returns the options of a daemon with both.
fn certificate_and_principal(folder: &Path) -> Vec<String> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.join("server.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("server.key"), made.signing_key.serialize_pem()).unwrap();
    let made = Command::new(daemon()).args(["token", "loadtest"]).output().unwrap();
    fs::write(folder.join("token"), made.stdout).unwrap();
    let everything = "[\"select\", \"read\", \"standings\", \"metrics\"]";
    let lines = String::from_utf8(made.stderr).unwrap().replace("[\"select\"]", everything);
    fs::write(folder.join("principals.toml"), lines).unwrap();
    let options =
        [("--tls-cert", "server.pem"), ("--tls-key", "server.key"), ("--principals", "principals.toml")];
    let options =
        options.map(|(name, file)| [name.to_owned(), folder.join(file).to_str().unwrap().to_owned()]);
    options.concat()
}

#[test]
fn running_daemon_is_reached_with_the_options_of_the_client_commands() {
    let folder = tempfile::tempdir().unwrap();
    let (path, registry) = (folder.path(), registry(folder.path(), 1));
    let options = certificate_and_principal(path);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let socket = format!("unix:{}", path.join("data.sock").display());
    let file = |name: &str| path.join(name).to_str().unwrap().to_owned();
    let (ca, token, registry) = (file("server.pem"), file("token"), registry);
    let scenario = scenario(path, "[standings]\nrate = 20");
    let base = |running: &Running, more: &[&str]| {
        let out = tempfile::tempdir_in(path).unwrap();
        let target = [&scenario, "--target", &running.data, "--admin", &running.admin, "--registry"];
        run(out.path(), &[&target[..], &[registry.to_str().unwrap()], more].concat())
    };
    let over_tls = Running::serve_with(&registry, &options);
    let ran = base(&over_tls, &["--ca", &ca, "--token-file", &token]);
    assert!(ran.status.success(), "{}", output_text(&ran));
    let ran = base(&over_tls, &["--token-file", &token]);
    let text = output_text(&ran);
    assert!(ran.status.code() == Some(1) && text.contains("invalid peer certificate"), "{text}");
    let (only_data, out) = (tempfile::tempdir_in(path).unwrap(), path.join("out"));
    let without_standings = self::scenario(only_data.path(), "");
    let target = [&without_standings, "--target", &over_tls.data, "--registry", registry.to_str().unwrap()];
    let text = output_text(&run(&out, &target));
    assert!(text.contains("cannot connect to https://") && text.contains("with --ca"), "{text}");
    // With the certificate and no token, every request is refused.
    let ran = run(&out, &[&target[..], &["--ca", &ca]].concat());
    let text = output_text(&ran);
    assert!(ran.status.code() == Some(1) && text.contains("401"), "{text}");
    // Without the token, the admin listener refuses to list the standings.
    let ran = base(&over_tls, &["--ca", &ca]);
    let text = output_text(&ran);
    assert!(ran.status.code() == Some(1) && text.contains("status 401"), "{text}");
    let on_socket = Running::serve_with(&registry, &["--listen", &socket]);
    assert_eq!(on_socket.data, socket);
    let ran = base(&on_socket, &[]);
    assert!(ran.status.success(), "{}", output_text(&ran));
}
