//! One change of a standing as a line of the journal: a checksum, a space, a JSON object.
//!
//! Lines of text, so that whoever is called at night can read the journal with `less`.

use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::standing::{Fields, Key, Standing};

/// Hexadecimal digits of the checksum: XXH3-64 of the JSON object's bytes.
const DIGITS: usize = 16;

/// An account gets a standing, or loses the one it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub key: Key,
    /// What it gets; `None`: it is lifted.
    pub standing: Option<Standing>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    company: Box<str>,
    account: Box<str>,
    standing: Option<Fields>,
}

/// Appends a change as a line.
pub fn write(out: &mut Vec<u8>, key: &Key, standing: Option<&Standing>) {
    let Key { company, account } = key;
    let json = json!({"company": company, "account": account, "standing": standing.map(Standing::fields)});
    let json = json.to_string();
    out.extend_from_slice(format!("{:016x} {json}\n", xxh3_64(json.as_bytes())).as_bytes());
}

/// Reads a line, without its end; `None` where it is not what was written.
pub fn read(line: &[u8]) -> Option<Change> {
    let (checksum, json) = line.split_at_checked(DIGITS)?;
    let json = json.strip_prefix(b" ")?;
    let checksum = u64::from_str_radix(str::from_utf8(checksum).ok()?, 16).ok()?;
    if checksum != xxh3_64(json) {
        return None;
    }
    let Record { company, account, standing } = serde_json::from_slice(json).ok()?;
    let standing = standing.map(Standing::from_fields).transpose().ok()?;
    Some(Change { key: Key { company, account }, standing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written_and_not_otherwise() {
        let key = Key { company: "acme".into(), account: "wa-gb-1".into() };
        let standing = br#"{"standing":"suspended","reason":"line\nbreak","until":"2030-01-01T00:00:00Z"}"#;
        for standing in [None, Some(Standing::from_json(standing).unwrap())] {
            let mut line = Vec::new();
            write(&mut line, &key, standing.as_ref());
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let whole = line.strip_suffix(b"\n").unwrap();
            assert_eq!(read(whole), Some(Change { key: key.clone(), standing: standing.clone() }));
            for len in 0..whole.len() {
                assert_eq!(read(&whole[..len]), None);
            }
            for at in 0..whole.len() {
                let mut altered = whole.to_vec();
                altered[at] ^= 1;
                assert_eq!(read(&altered), None, "byte {at}");
            }
        }
    }
}
