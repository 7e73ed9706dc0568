use std::path::Path;

/// Asserts that a file has the bytes that are generated now. With `SWITCHBOARD_REGENERATE=1` it writes them
/// instead. `file` is relative to the folder of the crate, which may be the load test's. `test` holds the
/// arguments of `cargo test` that run the calling test, for the failure's message.
#[track_caller]
pub(crate) fn assert_generated(file: &str, generated: &[u8], test: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("SWITCHBOARD_REGENERATE").is_some_and(|value| value == "1") {
        // Other tests may read the file meanwhile, so it is replaced at once.
        let new = path.with_extension("new");
        std::fs::write(&new, generated).unwrap();
        std::fs::rename(new, path).unwrap();
        return;
    }
    let found = std::fs::read(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let same = found.iter().zip(generated).take_while(|(found, generated)| found == generated).count();
    let line = 1 + found[..same].iter().filter(|byte| **byte == b'\n').count();
    assert!(
        found == generated,
        "{file}:{line}: differs from what is generated now. Write it anew with\n    \
         SWITCHBOARD_REGENERATE=1 cargo test {test}"
    );
}
