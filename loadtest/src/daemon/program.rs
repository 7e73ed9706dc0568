//! Which binary is the daemon.

use super::tied::this_program;
use crate::{
    error::{Error, Result},
    say,
};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The binary to run: the one named, or the one beside this program. Where cargo runs this program, it builds that one
/// first: `cargo run -p loadtest` builds the load test alone.
pub(crate) fn program(named: Option<PathBuf>) -> Result<PathBuf> {
    let program = match named {
        Some(path) => path,
        None => {
            let program = this_program()?.with_file_name("switchboard");
            if let (Some(cargo), Some(manifest)) = (env::var_os("CARGO"), env::var_os("CARGO_MANIFEST_DIR")) {
                build(Path::new(&cargo), Path::new(&manifest), &program)?;
            }
            program
        }
    };
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::Usage(format!(
        "there is no {}: build it first with `cargo build --release -p switchboard`, or name it with --switchboard",
        program.display()
    )))
}

/// In the profile of this program, whose folder is named after it.
fn build(cargo: &Path, manifest: &Path, program: &Path) -> Result<()> {
    let folder = program.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let profile = match folder {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    say::line(&format!("cargo build --profile {profile} -p switchboard: minutes, the first time"));
    let built = Command::new(cargo)
        .args(["build", "--profile", profile, "--package", "switchboard"])
        .current_dir(manifest)
        .status()
        .map_err(|source| Error::Io { doing: "run", path: cargo.to_owned(), source })?;
    if built.success() {
        return Ok(());
    }
    Err(Error::Refused("the daemon cannot be built: cargo says above why".to_owned()))
}
