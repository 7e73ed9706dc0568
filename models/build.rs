//! Sets `cfg(loom)` for this crate alone, so that the sources that it shares with the daemon use loom's
//! atomics and locks. tokio has a `cfg(loom)` too, so the flag cannot be set for the whole workspace.

fn main() {
    println!("cargo::rustc-cfg=loom");
}
