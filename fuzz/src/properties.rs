//! The properties that must hold for any input: no panic, no abort, and a bound on memory in proportion to
//! the input.
//!
//! Each function interprets its input and panics if a property does not hold. The bounded amount is the peak
//! of the bytes that the thread has allocated.

use std::sync::LazyLock;

use rkyv::util::AlignedVec;
use switchboard::access::PrincipalsFile;
use switchboard::api::data::{query_string, select as lines};
use switchboard::api::problem::{from_error, to_json, write_problem};
use switchboard_model::UnixSeconds;
use switchboard_pipeline::{BuildMode, build_snapshot};
use switchboard_registry::{self as registry, Files};
use switchboard_release::{Envelope, EnvelopeError, MAX_ENVELOPE_BYTES, SigningKey, TrustedKeys};
use switchboard_select::{NO_STANDINGS, Query, SelectContext, explain, select, write_selection};
use switchboard_snapshot::header::{self, Header};
use switchboard_snapshot::{NoProgress, Snapshot};

/// Bytes that any input may take, regardless of its size: buffers, messages, and tables that are created
/// once.
const CONSTANT: u64 = 1 << 20;
/// Factor of the input's size that most readers may take.
const TWICE: u64 = 2;
/// Factor of the input's size that a small registry may take. The tree of a TOML document takes up to 230 times
/// its text.
const SMALL_REGISTRY: u64 = 256;
/// Factor of the size that the files of a registry may take, or the bytes for each of their lines.
const REGISTRY: u64 = 8;
const REGISTRY_LINE: u64 = 512;
/// Bytes that the tree of one TOML table may take in any registry.
const TREE: u64 = 16 << 20;

/// Factor of the size of a principals file that may be taken. A tree of TOML takes up to 230 times its text, and the
/// file has at most 1 MiB.
const PRINCIPALS: u64 = 256;

/// Factor of the size of an envelope that may be taken. A signature of 11 bytes takes up to 150 bytes, because lists
/// grow by doubling.
const ENVELOPE: u64 = 24;

/// Runs a function, and checks that it allocates at most `times` the input plus [`CONSTANT`].
fn bounded<T>(what: &str, times: u64, input: usize, run: impl FnOnce() -> T) -> (T, u64) {
    bounded_by(what, times * input as u64 + CONSTANT, input, run)
}

/// Runs a function, and checks that it allocates at most this number of bytes.
fn bounded_by<T>(what: &str, most: u64, input: usize, run: impl FnOnce() -> T) -> (T, u64) {
    let mut out = None;
    let used = allocation_counter::measure(|| out = Some(run())).bytes_max;
    assert!(
        used <= most,
        "{what}: an input of {input} bytes took {used} bytes, but at most {most} are allowed"
    );
    (out.unwrap(), used)
}

/// Opens any bytes as a snapshot.
pub fn open(data: &[u8]) {
    let (opened, _) = bounded("open", TWICE, data.len(), || {
        let mut bytes = AlignedVec::new();
        bytes.extend_from_slice(data);
        Snapshot::open(bytes)
    });
    if let Ok(snapshot) = opened {
        ask(&snapshot);
    }
}

/// The demo's company `acme`, as a compiled snapshot.
static WHOLE: LazyLock<AlignedVec> = LazyLock::new(|| {
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let demo = demo.map(|folder| folder.join("config/demo")).find(|demo| demo.is_dir()).unwrap();
    let mut files = Files::read_dir(&demo).unwrap();
    files.retain(|path| path.starts_with("acme/"));
    let compiled =
        build_snapshot(&files, 7, UnixSeconds(1_790_000_000), BuildMode::Strict, &NoProgress).ok().unwrap();
    let mut bytes = AlignedVec::new();
    bytes.extend_from_slice(compiled.snapshot.bytes());
    bytes
});

/// Opens a valid snapshot in which a few bytes are overwritten and whose checksum is correct. Five bytes of
/// input make one edit: three for the position, two for the change.
pub fn resealed(data: &[u8]) {
    let mut bytes = WHOLE.clone();
    let contents = Header::read(&bytes).unwrap().contents_len as usize;
    for edit in data.chunks_exact(5).take(64) {
        let place = usize::from(edit[0]) << 16 | usize::from(edit[1]) << 8 | usize::from(edit[2]);
        let at = header::LEN + place % contents;
        // The first byte selects the kind of edit, the second its value.
        match edit[3] % 4 {
            0 => bytes[at] = edit[4],
            1 => bytes[at] = bytes[at].wrapping_add(edit[4]),
            2 => bytes[at] ^= 1 << (edit[4] % 8),
            // Copies an index of four bytes from another position.
            _ => {
                let (to, from) = (at & !3, (at / 4 + usize::from(edit[4])) * 4 % (contents & !3));
                let from = (header::LEN + from).min(bytes.len() - 4);
                let word = [bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]];
                bytes[to..to + 4].copy_from_slice(&word);
            }
        }
    }
    let sealed = Header::read(&bytes).unwrap().seal(&bytes[header::LEN..]);
    bytes[..header::LEN].copy_from_slice(&sealed);
    let len = bytes.len();
    // The bytes themselves are allocated before the measurement.
    if let (Ok(snapshot), _) = bounded("open", 1, len, || Snapshot::open(bytes)) {
        ask(&snapshot);
    }
}

const QUERIES: [&str; 12] = [
    r#"{"channel":"whatsapp","ou":"zurich","phone":"+33612345678"}"#,
    r#"{"channel":"whatsapp","ou":"london","country":"IE","fallback":"none"}"#,
    r#"{"channel":"whatsapp","ou":"hongkong","country":"CN","client":"c"}"#,
    r#"{"channel":"whatsapp","ou":"apac","country":"CA","current":"wa-gb-1"}"#,
    r#"{"channel":"whatsapp","ou":"dach","phone":"+80012345678"}"#,
    r#"{"channel":"whatsapp","ou":"london","country":"GB","user":"ann@acme.example"}"#,
    r#"{"channel":"sms","ou":"acme","country":"JE","role":"primary"}"#,
    r#"{"channel":"sms","ou":"acme","country":"JE","exclude":["sms-gb-1","sms-gb-2"]}"#,
    r#"{"channel":"wechat_miniapp","ou":"hongkong","country":"CN"}"#,
    r#"{"channel":"telegram","ou":"research","country":"US","current":"tg-gb-1"}"#,
    r#"{"channel":"imessage","ou":"americas","country":"CA"}"#,
    r#"{"company":"acme","channel":"line","ou":"hongkong","country":"JP"}"#,
];

/// Queries a snapshot that was opened. Every answer must be JSON.
pub fn ask(snapshot: &Snapshot) {
    let context = SelectContext { now: UnixSeconds(1_790_000_000), random: 1, standings: &NO_STANDINGS };
    let mut json = Vec::new();
    for query in QUERIES {
        let query = Query::from_json(query.as_bytes()).ok().unwrap();
        let answer = select(snapshot, &query, context);
        json.clear();
        match &answer.result {
            Ok(selection) => write_selection(&mut json, snapshot, selection),
            Err(code) => write_problem(&mut json, from_error(*code), None, None),
        }
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(!json.contains(&b'\n') && value.is_object());
        let (explained, steps) =
            explain(snapshot, &query, context, |error| to_json(error, snapshot.generation()));
        assert_eq!(explained, answer);
        if let (Ok(selection), Ok(steps)) = (&answer.result, steps)
            && selection.location.is_some()
        {
            let chosen = steps["steps"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|step| step["candidates"].as_array().unwrap());
            let chosen: Vec<_> = chosen.filter(|candidate| candidate["outcome"] == "chosen").collect();
            assert!(matches!(chosen[..], [one] if one["account"] == value["account"]), "{steps}");
        }
    }
}

const FILES: [&str; 5] =
    ["channels.toml", "acme/company.toml", "acme/ous.csv", "acme/accounts.csv", "acme/tests.toml"];

/// Reads any bytes as the files of a registry. The first byte selects the file that the rest replaces, or
/// says that the rest contains all five files, separated by NUL. Returns the bytes that reading took.
pub fn registry(data: &[u8]) -> u64 {
    let Some((&which, rest)) = data.split_first() else { return 0 };
    let mut files = Files::default();
    files.insert("acme/company.toml", b"[[ou]]\nid = \"a\"\n");
    match FILES.get(usize::from(which % 8)) {
        Some(&file) => files.insert(file, rest),
        None => {
            for (file, text) in FILES.into_iter().zip(rest.split(|byte| *byte == 0)) {
                files.insert(file, text);
            }
        }
    }
    let bytes = data.len() as u64;
    let lines = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
    let most = u64::max(REGISTRY * bytes, REGISTRY_LINE * lines) + TREE;
    bounded_by("registry", most.min(SMALL_REGISTRY * bytes) + CONSTANT, data.len(), || {
        let (read, mut findings) = registry::read(&files);
        registry::check(&read, &mut findings);
        for finding in &findings {
            assert!(!finding.message.contains('\n') && !finding.message.is_empty(), "{finding}");
        }
    })
    .1
}

/// Reads any bytes as a query, both as JSON and as a query string.
pub fn query(data: &[u8]) {
    bounded("JSON", TWICE, data.len(), || drop(Query::from_json(data)));
    if let Ok(text) = std::str::from_utf8(data) {
        bounded("URL", TWICE, data.len(), || drop(query_string::parse(text)));
    }
}

/// Splits any bytes into the lines of a batch, and reads each line. No byte may be lost.
pub fn batch(data: &[u8]) {
    bounded("batch", TWICE, data.len(), || {
        let (mut rest, mut lines, mut bytes) = (data, 0, 0);
        while !rest.is_empty() {
            let (line, after) = lines::first_line(rest);
            assert!(!line.contains(&b'\n') && after.len() < rest.len());
            bytes += line.len();
            lines += 1;
            drop(Query::from_json(line));
            rest = after;
        }
        let ends = data.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(bytes + ends, data.len());
        assert_eq!(lines, ends + usize::from(!data.is_empty() && !data.ends_with(b"\n")));
    });
}

/// Reads any bytes as a principals file. No message repeats a token of the input, and a file that is used has
/// principals with different names and hashes.
pub fn principals(data: &[u8]) {
    let (read, _) = bounded("principals", PRINCIPALS, data.len(), || PrincipalsFile::parse("p.toml", data));
    match read {
        Ok(file) => {
            let mut names: Vec<&str> = file.principals.iter().map(|principal| &*principal.name).collect();
            let mut hashes: Vec<[u8; 32]> =
                file.principals.iter().flat_map(|it| it.tokens.iter().map(|token| token.sha256)).collect();
            let (all_names, all_hashes) = (names.len(), hashes.len());
            names.sort_unstable();
            names.dedup();
            hashes.sort_unstable();
            hashes.dedup();
            assert!(all_names > 0 && (names.len(), hashes.len()) == (all_names, all_hashes));
        }
        Err(faults) => {
            assert!(faults.iter().next().is_some());
            for fault in faults.iter() {
                let place = fault.strip_prefix("p.toml:").and_then(|rest| rest.split(':').next());
                assert!(
                    place.is_some_and(|line| line.parse::<usize>().is_ok_and(|line| line > 0)),
                    "{fault}"
                );
                let shown = fault.match_indices("swb_").map(|(at, _)| fault[at + 4..].chars().next());
                assert!(shown.flatten().all(|next| next == '…' || !next.is_ascii_alphanumeric()), "{fault}");
            }
        }
    }
}

/// Reads any bytes as a file of trusted keys. A file that is used has different keys, and enough of them.
pub fn trusted_keys(data: &[u8]) {
    let (read, _) = bounded("keys", PRINCIPALS, data.len(), || TrustedKeys::parse("k.toml", data));
    match read {
        Ok(keys) => {
            let all = keys.keys();
            assert!((1..=all.len()).contains(&keys.threshold()));
            for (at, key) in all.iter().enumerate() {
                let mut others = all.iter().skip(at + 1);
                assert!(others.all(|other| other.name != key.name && other.key != key.key));
            }
        }
        Err(faults) => {
            assert!(faults.iter().next().is_some());
            for fault in faults.iter() {
                let place = fault.strip_prefix("k.toml:").and_then(|rest| rest.split(':').next());
                let line = place.and_then(|line| line.parse::<usize>().ok());
                assert!(line.is_some_and(|line| line > 0), "{fault}");
            }
        }
    }
}

/// The key of [`envelope`], and the file that trusts it.
static SIGNED: LazyLock<(SigningKey, TrustedKeys)> = LazyLock::new(|| {
    let key = SigningKey::generate().unwrap();
    let trusted = TrustedKeys::parse("k", key.public().to_toml("a").as_bytes()).unwrap();
    (key, trusted)
});

/// Reads any bytes as an envelope, and as the payload of one that a trusted key signed. Without a signature nothing
/// is accepted, and an envelope that is read is written and read again as the same.
pub fn envelope(data: &[u8]) {
    let (key, trusted) = &*SIGNED;
    let (read, _) = bounded("envelope", ENVELOPE, data.len(), || Envelope::from_json(data));
    if let Ok(envelope) = read {
        assert!(envelope.verify(trusted).is_err());
        // A payload in base64 with padding, and an id of each signature, may make the envelope longer than the limit.
        if let Ok(again) = Envelope::from_json(&envelope.to_json()) {
            assert_eq!(again, envelope);
        }
    }
    if data.len() <= MAX_ENVELOPE_BYTES / 2 {
        let mut signed = Envelope::from_payload(data.to_vec());
        signed.sign(key);
        let read = Envelope::from_json(&signed.to_json()).unwrap();
        let (verified, _) = bounded("manifest", ENVELOPE, data.len(), || read.verify(trusted));
        assert!(!matches!(verified, Err(EnvelopeError::Signatures { .. })));
    }
}
