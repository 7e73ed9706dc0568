//! Which build ran: a commit is not enough where somebody measures what is not committed yet.

use std::{fs, path::Path};
use xxhash_rust::xxh3::xxh3_64;

/// XXH3 of a file, in hexadecimal digits.
pub(super) fn of(file: &Path) -> Option<String> {
    fs::read(file).ok().map(|bytes| format!("{:016x}", xxh3_64(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The published value for no bytes.
        assert_eq!(of(file.path()).as_deref(), Some("2d06800538d394c2"));
        assert_eq!(of(Path::new("/none")), None);
    }
}
