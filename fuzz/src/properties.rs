//! What must hold for any input: no panic, no abort, and no more memory than the input is worth.
//!
//! Each function takes an input apart in its own way and panics where a property does not hold. Memory is
//! what this thread had allocated at most, counted by the allocator.

use std::sync::LazyLock;

use rkyv::util::AlignedVec;
use switchboard::api::data::{batch as lines, query_string};
use switchboard::api::problem::{from_error, to_json, write_problem};
use switchboard_model::UnixSeconds;
use switchboard_pipeline::build_snapshot;
use switchboard_registry::{self as registry, Files};
use switchboard_select::{NO_STANDINGS, Query, SelectContext, explain, select, write_selection};
use switchboard_snapshot::header::{self, Header};
use switchboard_snapshot::{NoProgress, Snapshot};

/// What reading anything may take beside what its input is worth: buffers, messages, tables that are
/// made once.
const CONSTANT: u64 = 1 << 20;
/// Times the input: what it is worth.
const TWICE: u64 = 2;
/// Times the input that a registry may take. A TOML document becomes a tree that is larger than its text by
/// up to 230 times; CSV rows of four bytes, 84 times. Sound files take 10 to 40.
const REGISTRY: u64 = 256;

/// Runs something and holds what it allocated to so many times the input.
fn bounded<T>(what: &str, times: u64, input: usize, run: impl FnOnce() -> T) -> (T, u64) {
    let mut out = None;
    let used = allocation_counter::measure(|| out = Some(run())).bytes_max;
    let most = times * input as u64 + CONSTANT;
    assert!(used <= most, "{what}: {used} bytes for an input of {input}, of at most {most}");
    (out.unwrap(), used)
}

/// Any bytes as a snapshot.
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

/// The demo's companies, as a compiled file.
static WHOLE: LazyLock<AlignedVec> = LazyLock::new(|| {
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let demo = demo.map(|folder| folder.join("config/demo")).find(|demo| demo.is_dir()).unwrap();
    let mut files = Files::read_dir(&demo).unwrap();
    files.retain(|path| path.starts_with("acme/"));
    let compiled = build_snapshot(&files, 7, UnixSeconds(1_790_000_000), &NoProgress).ok().unwrap();
    let mut bytes = AlignedVec::new();
    bytes.extend_from_slice(compiled.snapshot.bytes());
    bytes
});

/// A sound snapshot with a few places overwritten, under a checksum that is right again. Five bytes of
/// input a place: three of where, two of what.
pub fn resealed(data: &[u8]) {
    let mut bytes = WHOLE.clone();
    let contents = Header::read(&bytes).unwrap().contents_len as usize;
    for edit in data.chunks_exact(5).take(64) {
        let place = usize::from(edit[0]) << 16 | usize::from(edit[1]) << 8 | usize::from(edit[2]);
        let at = header::LEN + place % contents;
        // The first byte says how; the second what.
        match edit[3] % 4 {
            0 => bytes[at] = edit[4],
            1 => bytes[at] = bytes[at].wrapping_add(edit[4]),
            2 => bytes[at] ^= 1 << (edit[4] % 8),
            // A whole index, from elsewhere.
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
    // The bytes themselves were allocated before.
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

/// Whatever was opened is answered from, and every answer is JSON.
pub fn ask(snapshot: &Snapshot) {
    let moment = SelectContext { now: UnixSeconds(1_790_000_000), random: 1, standings: &NO_STANDINGS };
    let mut json = Vec::new();
    for query in QUERIES {
        let query = Query::from_json(query.as_bytes()).ok().unwrap();
        let answer = select(snapshot, &query, moment);
        json.clear();
        match &answer.result {
            Ok(selection) => write_selection(&mut json, snapshot, selection),
            Err(code) => write_problem(&mut json, from_error(*code), None, None),
        }
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(!json.contains(&b'\n') && value.is_object());
        let (explained, steps) =
            explain(snapshot, &query, moment, |error| to_json(error, snapshot.generation()));
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

/// Any bytes as the files of a registry: the first byte says which file they replace, or that they are all
/// five, one behind each NUL. Returns what reading them took.
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
    bounded("registry", REGISTRY, data.len(), || {
        let (read, mut findings) = registry::read(&files);
        registry::check(&read, &mut findings);
        for finding in &findings {
            assert!(!finding.message.contains('\n') && !finding.message.is_empty(), "{finding}");
        }
    })
    .1
}

/// Any bytes as a query, in JSON and in a URL.
pub fn query(data: &[u8]) {
    bounded("JSON", TWICE, data.len(), || drop(Query::from_json(data)));
    if let Ok(text) = std::str::from_utf8(data) {
        bounded("URL", TWICE, data.len(), || drop(query_string::parse(text)));
    }
}

/// Any bytes as a batch: every line once, nothing lost, each read.
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
