//! The commit that a program is built from. `switchboard_build_info` and the reports of the load test name
//! it.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Sets `SWITCHBOARD_COMMIT` for the crate that is built; `unknown` outside a git checkout.
pub(crate) fn set_env() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=SWITCHBOARD_COMMIT={commit}");
    // HEAD holds only the name of a branch. Its log grows with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}
