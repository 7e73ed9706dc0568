//! Damaged snapshots that `open` must reject, and the memory that reading and opening takes.

mod golden;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rkyv::util::AlignedVec;
use switchboard::api::problem::to_json;
use switchboard_model::UnixSeconds;
use switchboard_registry::Files;
use switchboard_select::{NO_STANDINGS, Query, SelectContext, explain, select, write_selection};
use switchboard_snapshot::header::{self, Header};
use switchboard_snapshot::{Bytes, Rejection, RejectionStage, Snapshot, file};

use crate::expected::{self, demo};

fn acme() -> AlignedVec {
    let mut files = Files::read_dir(&demo()).unwrap();
    files.retain(|path| path.starts_with("acme/"));
    aligned(expected::compiled(&files, 7).bytes())
}

fn aligned(bytes: &[u8]) -> AlignedVec {
    let mut aligned = AlignedVec::new();
    aligned.extend_from_slice(bytes);
    aligned
}

/// Writes a header with the right checksum for the changed body.
fn reseal(bytes: &mut AlignedVec) {
    let sealed = Header::read(bytes).unwrap().seal(&bytes[header::LEN..]);
    bytes[..header::LEN].copy_from_slice(&sealed);
}

fn stage(bytes: &[u8]) -> RejectionStage {
    Snapshot::open(aligned(bytes)).map(|_| ()).unwrap_err().stage
}

#[test]
fn every_truncation_is_rejected() {
    let whole = acme();
    for len in (0..512).chain((0..whole.len()).step_by(97)) {
        assert_eq!(stage(&whole[..len]), RejectionStage::Length, "{len} bytes");
    }
    let mut longer = whole.to_vec();
    longer.push(0);
    assert_eq!(stage(&longer), RejectionStage::Length);
}

#[test]
fn every_flipped_bit_is_rejected() {
    let whole = acme();
    for at in (0..header::LEN).chain((header::LEN..whole.len()).step_by(61)) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at % 8);
        let expected = match at {
            0..24 => [RejectionStage::Header, RejectionStage::Checksum],
            32..56 => [RejectionStage::Length, RejectionStage::Length],
            _ => [RejectionStage::Checksum, RejectionStage::Checksum],
        };
        assert!(expected.contains(&stage(&bytes)), "byte {at}: {}", stage(&bytes).as_str());
    }
}

/// Changes one to three bytes of the body and corrects the checksum. The snapshot must be rejected, or answer
/// all queries without a panic.
#[test]
fn damaged_records_never_make_a_query_panic() {
    let whole = acme();
    let queries: Vec<String> = expected::of("acme").iter().map(as_json).collect();
    let contents = Header::read(&whole).unwrap().contents_len as usize;
    let mut random = fastrand::Rng::with_seed(1);
    let (mut refused, mut opened) = (0, 0);
    for _ in 0..3_000 {
        let mut bytes = aligned(&whole);
        for _ in 0..=random.usize(..3) {
            let at = header::LEN + random.usize(..contents);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, bytes[at].wrapping_add(1)][random.usize(..6)];
        }
        reseal(&mut bytes);
        match Snapshot::open(bytes) {
            Err(Rejection { .. }) => refused += 1,
            Ok(snapshot) => {
                opened += 1;
                let answered = catch_unwind(AssertUnwindSafe(|| ask(&snapshot, &queries)));
                assert!(answered.is_ok(), "a query panicked on a snapshot that was opened");
            }
        }
    }
    assert!(refused > 100 && opened > 100, "{refused} rejected, {opened} opened: too few of one kind");
}

fn ask(snapshot: &Snapshot, queries: &[String]) {
    let context = SelectContext { now: UnixSeconds(expected::NOW), random: 1, standings: &NO_STANDINGS };
    let mut json = Vec::new();
    for query in queries {
        let query = Query::from_json(query.as_bytes()).unwrap();
        if let Ok(selection) = select(snapshot, &query, context).result {
            write_selection(&mut json, snapshot, &selection);
        }
        let _ = explain(snapshot, &query, context, |error| to_json(error, snapshot.generation()));
    }
}

fn as_json(test: &expected::Expected) -> String {
    let fields = test.query.iter().map(|(field, value)| match field.as_str() {
        "exclude" => (field.clone(), value.split(',').map(str::to_owned).collect()),
        _ => (field.clone(), serde_json::Value::from(value.as_str())),
    });
    serde_json::Value::Object(fields.collect()).to_string()
}

/// A snapshot of 66,000 accounts is verified by two threads. A fault in the part of either thread must be
/// found.
#[test]
fn large_snapshots_are_verified_by_both_threads() {
    let mut files = Files::default();
    let company = "[[ou]]\nid = \"hq\"\n[[pool]]\nid = \"p\"\nchannel = \"telegram\"\nous = [\"hq\"]\n";
    let mut accounts = "id,channel,role,address,country,pool\n".to_owned();
    for number in 0..66_000 {
        accounts += &format!("t{number},telegram,secondary,@t{number},GB,p\n");
    }
    files.insert("large/company.toml", company);
    files.insert("large/accounts.csv", accounts);
    let snapshot = expected::compiled(&files, 7);
    let contents = switchboard_snapshot::forge::tables(&snapshot);
    let fields: [*const u8; 3] = [
        (&raw const contents.accounts[40_000].id_hash).cast(),
        (&raw const contents.members[40_000].account).cast(),
        (&raw const contents.overrides[0]).cast(),
    ];
    for field in fields {
        let mut bytes = aligned(snapshot.bytes());
        bytes[field as usize - snapshot.bytes().as_ptr() as usize] ^= 1;
        reseal(&mut bytes);
        assert_eq!(stage(&bytes), RejectionStage::Index);
    }
    // The verification may take half of the file's length in memory.
    let bytes = aligned(snapshot.bytes());
    let used = allocation_counter::measure(|| drop(Snapshot::open(bytes).unwrap())).bytes_max;
    assert!(used <= snapshot.bytes().len() as u64 / 2, "{used}");
}

#[test]
fn reading_a_file_takes_no_more_memory_than_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.swb");
    let whole = acme();
    std::fs::write(&path, &whole).unwrap();
    assert!(*file::read(&path).unwrap() == *whole);

    // A header followed by a hole of the announced length, first of a possible length, then of an impossible
    // one.
    for contents_len in [1 << 28, 1 << 40] {
        let header = Header { contents_len, ..Header::read(&whole).unwrap() };
        std::fs::write(&path, header.seal(&[])).unwrap();
        let len = u64::try_from(header.file_len()).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        let used = allocation_counter::measure(|| {
            let bytes = file::read(&path).unwrap();
            assert_eq!(stage(&bytes), RejectionStage::Length);
        });
        assert!(used.bytes_max < 1 << 20, "{} bytes for a file of holes", used.bytes_max);
    }

    // A file that one call of `read` does not return whole.
    let mut bytes = whole.to_vec();
    let tests = Header::read(&whole).unwrap().tests_len as usize;
    let at = bytes.len() - tests;
    bytes.splice(at..at, std::iter::repeat_n(b'\n', 4 << 20));
    let header = Header { tests_len: (tests + (4 << 20)) as u64, ..Header::read(&whole).unwrap() };
    let sealed = header.seal(&bytes[header::LEN..]);
    bytes[..header::LEN].copy_from_slice(&sealed);
    std::fs::write(&path, &bytes).unwrap();
    assert!(*file::read(&path).unwrap() == *bytes);

    // A file that is truncated while it is read: `open` rejects the part.
    let cut = Bytes::read(&bytes[..header::LEN], &bytes[header::LEN..5_000], bytes.len()).unwrap();
    assert!(*cut == bytes[..5_000]);
}
