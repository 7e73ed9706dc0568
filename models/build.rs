//! Switches the sources that are shared with switchboard to loom's atomics and locks, in this crate alone:
//! set for the whole workspace, tokio would take the flag for its own.

fn main() {
    println!("cargo::rustc-cfg=loom");
}
