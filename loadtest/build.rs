//! Sets the commit that reports name, and tells the tests which optional programs there are.

#[path = "../build/commit.rs"]
mod commit;
#[path = "../build/programs.rs"]
mod programs;

fn main() {
    println!("cargo::rerun-if-changed=../build");
    commit::set_env();
    programs::set_cfgs();
}
