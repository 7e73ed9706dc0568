//! Sets the commit, writes the description of the interface as JSON, so that the daemon has no parser of
//! YAML, and tells the tests which optional programs there are.

#[path = "build/commit.rs"]
mod commit;
#[path = "build/programs.rs"]
mod programs;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const DESCRIPTION: &str = "docs/openapi.yaml";

/// The members stay in the order that they are written in.
fn describe() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DESCRIPTION}");
    let yaml = fs::read_to_string(DESCRIPTION).map_err(|error| format!("{DESCRIPTION}: {error}"))?;
    let description: serde_json::Value =
        serde_saphyr::from_str(&yaml).map_err(|error| format!("{DESCRIPTION}: {error}"))?;
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&folder).join("openapi.json"), description.to_string())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    commit::tell();
    programs::set_cfgs();
    describe()
}
