//! Sets the commit, converts the OpenAPI document to JSON, and sets a cfg for each optional program of the
//! tests. The conversion at build time keeps a YAML parser out of the daemon.

#[path = "build/commit.rs"]
mod commit;
#[path = "build/programs.rs"]
mod programs;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const DESCRIPTION: &str = "docs/openapi.yaml";

/// Writes the OpenAPI document as JSON to `OUT_DIR`, with its members in the order of the YAML file.
fn convert_description() -> Result<(), Box<dyn Error>> {
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
    commit::set_env();
    programs::set_cfgs();
    convert_description()
}
