//! Reports after a daemon that ends under load, and after a sweep without a result.

use crate::{daemon, output_text, report, run};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// Writes a shell script that starts the daemon. At its second start, the daemon is killed when all
/// connections are open. The first start measures the ceiling. The script prints the last line of the log.
fn short_lived(folder: &Path) -> String {
    let program = folder.join("short-lived");
    let (real, served) = (daemon(), folder.join("served"));
    let (real, served) = (real.display(), served.display());
    let script = format!(
        r#"#!/bin/sh
if [ "$1" != serve ] || [ ! -e {served} ] || [ -e {served}.twice ]; then
    [ "$1" = serve ] && : > {served}
    exec {real} "$@"
fi
: > {served}.twice
{real} "$@" &
until [ "$(ls -l /proc/$!/fd | grep -c socket:)" -ge 36 ]; do sleep 0.02; done
kill -9 $!
echo "out of luck" >&2
exit 101
"#
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program.to_str().unwrap().to_owned()
}

fn scenario(folder: &Path, name: &str, more: &str) -> String {
    let file = folder.join(name).with_extension("toml");
    let text = "about = 'a'\nrate = 200\nduration = '1s'\nwarm_up = '100ms'\nrepeat = 1\nceiling = '40ms'\n\
        latest_us = 60000000\ntimeout = '20s'\n";
    fs::write(&file, format!("{text}{more}")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn daemon_that_ends_is_an_error_with_its_last_log_lines() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = short_lived(folder.path());
    let first = scenario(folder.path(), "first", "connections = 34\n[reload]\nevery = '100ms'\n");
    let next = scenario(folder.path(), "next", "");
    let out = folder.path().join("out");
    let ran = run(&out, &[&first, &next, "--switchboard", &daemon, "--size", "small"]);
    assert_eq!(ran.status.code(), Some(1), "{}", output_text(&ran));
    assert!(output_text(&ran).contains("first: the daemon ended in run 1"), "{}", output_text(&ran));
    let of = |name: &str| {
        let files = fs::read_dir(&out).unwrap().map(|file| file.unwrap().path());
        let names = format!("loadtest-{name}-");
        files.filter(move |path| path.file_name().unwrap().to_str().unwrap().starts_with(&names)).count()
    };
    assert_eq!((of("first"), of("next")), (2, 2), "{}", output_text(&ran));
    for file in fs::read_dir(&out).unwrap().map(|file| file.unwrap().path()) {
        if file.to_str().unwrap().contains("loadtest-next-") {
            fs::remove_file(file).unwrap();
        }
    }
    let errors = &report(&out).runs[0].steps[0].errors;
    let ended = &errors["daemon_ended"];
    assert!(ended.first.contains("101") && ended.first.contains("out of luck"), "{}", ended.first);
    // The wait for a reload must end as well.
    assert!(errors.contains_key("metrics") && errors.contains_key("reload_not_seen"), "{errors:?}");
    assert!(errors.contains_key("connect"), "requests failed, too: {errors:?}");
}

#[test]
fn sweep_without_a_good_rate_leaves_a_report() {
    let folder = tempfile::tempdir().unwrap();
    // No answer arrives within a microsecond.
    let sweep = "connections = 1\n[sweep]\nstart = 200\nfactor = 10\nstep = '100ms'\nsettle = '10ms'\np99 = '1us'\n\
        refine = 1\n";
    let file = scenario(folder.path(), "fast", sweep);
    let out = folder.path().join("out");
    let daemon = daemon();
    let ran = run(&out, &[&file, "--switchboard", daemon.to_str().unwrap(), "--size", "small"]);
    assert_eq!(ran.status.code(), Some(1), "{}", output_text(&ran));
    let report = report(&out);
    assert_eq!((report.runs[0].knee, report.runs[0].limit), (None, Some(1.0)));
    assert!(report.runs[0].no_knee.is_some() && report.runs[0].steps.len() >= 8, "{}", output_text(&ran));
    assert!(output_text(&ran).contains("no knee was found: "), "{}", output_text(&ran));
}

#[test]
fn run_without_a_reload_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = scenario(folder.path(), "rarely", "connections = 4\n[reload]\nevery = '30s'\n");
    let out = folder.path().join("out");
    let ran = run(&out, &[&file, "--switchboard", daemon().to_str().unwrap(), "--size", "small"]);
    assert_eq!(ran.status.code(), Some(1), "{}", output_text(&ran));
    let report = report(&out);
    let errors = &report.runs[0].steps[0].errors;
    assert!(errors["reload_not_seen"].first.contains("reload.every shorter"), "{errors:?}");
}
