//! Versions of the messaging platform.

use std::fmt;

use super::Version;

impl Version {
    /// Reads one to three numbers with dots between them; missing ones count as zero.
    pub fn parse(text: &str) -> Option<Version> {
        let mut version = Version([0; 3]);
        let mut parts = text.split('.');
        for (slot, part) in version.0.iter_mut().zip(parts.by_ref()) {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *slot = part.parse().ok()?;
        }
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version([major, minor, patch]) = self;
        write!(out, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_are_zero_and_parts_are_numbers() {
        assert_eq!(Version::parse("1.24"), Version::parse("1.24.0"));
        assert!(Version::parse("1.9") < Version::parse("1.10"));
        for bad in ["", "1.", ".1", "1.2.3.4", "v1", "1.+2", "1.2-rc1", "99999999999"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
