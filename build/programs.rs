//! Sets a cfg for each optional program that is installed. A test that needs a missing program is ignored. If
//! `CI` is set, every program counts as installed, and the test fails instead. The cfg `ci` is for tests that take
//! minutes, which run where `CI` is set. The cfg `has_playwright` is for tests that drive Chromium by the modules of
//! `tests/console`.

use std::env;
use std::path::{Path, PathBuf};

/// Modules of node that `npm ci --prefix tests/console` installs.
const PLAYWRIGHT: &str = "tests/console/node_modules/playwright-core/package.json";

/// Optional programs. Each sets the cfg `has_<name>`, with `_` instead of `-`.
const PROGRAMS: [&str; 10] = [
    "chromium",
    "faketime",
    "haproxy",
    "man",
    "nats-server",
    "nginx",
    "openssl",
    "postgres",
    "prometheus",
    "systemd-socket-activate",
];

pub(crate) fn set_cfgs() {
    println!("cargo::rerun-if-env-changed=CI");
    println!("cargo::rustc-check-cfg=cfg(ci)");
    if env::var_os("CI").is_some() {
        println!("cargo::rustc-cfg=ci");
    }
    let mut folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    // Debian has the server's programs of each version in a folder that is not in PATH.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let mut missing = false;
    for program in PROGRAMS {
        let cfg = format!("has_{}", program.replace('-', "_"));
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        let file = folders.iter().map(|folder| folder.join(program)).find(|file| file.is_file());
        if let Some(file) = &file {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        missing |= file.is_none();
        if file.is_some() || env::var_os("CI").is_some() {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    println!("cargo::rustc-check-cfg=cfg(has_playwright)");
    let has_playwright = Path::new(PLAYWRIGHT).is_file();
    if has_playwright || env::var_os("CI").is_some() {
        println!("cargo::rustc-cfg=has_playwright");
    }
    // A missing file would run this program in each build. The folder is read whole, so it is watched only until then.
    println!("cargo::rerun-if-changed={}", if has_playwright { PLAYWRIGHT } else { "tests/console" });
    // Installing a program changes its folder. PATH itself is not watched, because it often differs between
    // an editor and a terminal, and each change would build everything again.
    for folder in folders.iter().filter(|folder| missing && folder.is_dir()) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
}
