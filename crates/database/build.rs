//! Sets a cfg for each optional program of the tests, as the build script of the daemon does.

#[path = "../../build/programs.rs"]
mod programs;

fn main() {
    println!("cargo::rerun-if-changed=../../build/programs.rs");
    programs::set_cfgs();
}
