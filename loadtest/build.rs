//! The commit that reports name.

#[path = "../build/commit.rs"]
mod commit;

fn main() {
    println!("cargo::rerun-if-changed=../build");
    commit::tell();
}
