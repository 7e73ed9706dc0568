//! The properties of `fuzz/`, checked over a limited number of random inputs and over the shapes of input
//! that cost the most memory.

#[path = "../fuzz/src/properties.rs"]
mod properties;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Random inputs per property. The long form draws a hundred times as many.
const CASES: u32 = 2000;

/// Checks a property over `cases` random inputs.
fn check_property<T>(property: fn(&[u8]) -> T, inputs: impl Strategy<Value = Vec<u8>>, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let held = TestRunner::new(config).run(&inputs, |data| {
        property(&data);
        Ok(())
    });
    held.unwrap();
}

/// Draws words with a meaning in JSON, URLs, TOML or CSV, mixed with random bytes.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        "[[",
        "]]",
        "\"",
        "'",
        ":",
        ",",
        "=",
        "&",
        "%",
        "+",
        "%2B",
        "\\u00",
        "\\ud800",
        "\\",
        "\n",
        "\0",
        "#",
        " ",
        "é",
        "ou",
        "channel",
        "phone",
        "country",
        "exclude",
        "current",
        "fallback",
        "none",
        "role",
        "primary",
        "id",
        "pool",
        "ous",
        "test",
        "query",
        "expect",
        "account",
        "geography",
        "GB",
        "whatsapp",
        "+447400123401",
        "1e999",
        "-0",
        "true",
        "null",
        "2027-01-01",
        "id,channel,role,address,country,pool,user",
    ];
    let word = prop_oneof![
        8 => proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(word, 0..60).prop_map(|words| words.concat())
}

#[test]
fn query_parser_withstands_random_bytes() {
    check_property(properties::query, text(), CASES);
}

#[test]
fn batch_parser_withstands_random_bytes() {
    check_property(properties::batch, text(), CASES);
}

#[test]
fn registry_reader_withstands_random_bytes() {
    check_property(properties::registry, text(), CASES);
}

/// Draws lines of a principals file, whole and cut.
fn principals() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "[[principal]]\n",
        "[principal]\n",
        "name = ",
        "\"a\"",
        "\"anonymous\"",
        "token_sha256 = ",
        "[\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"]",
        "[\"swb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]",
        "swb_AAAA",
        "certificate = ",
        "\"spiffe://a/b\"",
        "companies = ",
        "[\"*\"]",
        "[\"acme\"]",
        "allow = ",
        "[\"select\"]",
        "[]",
        "expires = ",
        "2027-06-30",
        "\n",
        "\n",
        "\n",
        "= ",
        "\"",
        "7",
    ];
    let word = prop_oneof![
        12 => proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(word, 0..40).prop_map(|words| words.concat())
}

#[test]
fn principals_file_reader_withstands_random_bytes() {
    check_property(properties::principals, principals(), CASES);
    check_property(properties::principals, text(), CASES);
    for part in [
        "[[principal]]\n",
        "a = 1\n",
        "[",
        "\n",
        "x",
        "[[principal]]\nallow = [\"x\"]\n",
        "[[principal]]\nname=7\n",
    ] {
        properties::principals(&repeated("", part));
    }
}

/// Draws lines of a file of trusted keys, whole and cut.
fn trusted_keys() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "[[key]]\n",
        "[key]\n",
        "threshold = ",
        "name = ",
        "\"a\"",
        "\"b\"",
        "ed25519 = ",
        "\"DIYWqzcmj9cmxYpG5ZRs1Ix69uuneebaKJsRSC2bbPY=\"",
        "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
        "1",
        "2",
        "-1",
        "\n",
        "\n",
        "[[key]]\nname = \"a\"\ned25519 = \"DIYWqzcmj9cmxYpG5ZRs1Ix69uuneebaKJsRSC2bbPY=\"\n",
        "[[key]]\nname = \"b\"\ned25519 = \"MCa8gCBgsMdSU4BUQZbZzp/NlIZMqDkUZPWpxKMOJ/c=\"\n",
    ];
    let word = prop_oneof![
        12 => proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(word, 0..20).prop_map(|words| words.concat())
}

#[test]
fn trusted_keys_reader_withstands_random_bytes() {
    check_property(properties::trusted_keys, trusted_keys(), CASES);
    check_property(properties::trusted_keys, text(), CASES);
    for part in ["[[key]]\n", "a = 1\n", "[", "\n", "x", "key = [", "[[key]]\nname=7\n"] {
        properties::trusted_keys(&repeated_to(60_000, "", part));
        properties::trusted_keys(&repeated("", part));
    }
}

/// Draws parts of an envelope and of a manifest.
fn envelope() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"payload\":",
        "\"payloadType\":\"application/vnd.switchboard.release+json\"",
        "\"signatures\":",
        "\"keyid\":",
        "\"sig\":",
        "\"e30=\"",
        "\"\"",
        "null",
        "{\"payload\":\"e30=\",\"payloadType\":\"application/vnd.switchboard.release+json\",\"signatures\":[",
        "{\"sig\":\"AAAA\"}",
        "]}",
        "\"format\":1",
        "\"generation\":7",
        "\"created\":\"2026-01-01T00:00:00Z\"",
        "\"variants\":[]",
        "\"expires\":",
        "{\"format\":1,\"generation\":7,\"created\":\"2026-01-01T00:00:00Z\",\"variants\":[",
    ];
    let word = prop_oneof![
        12 => proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(word, 0..12).prop_map(|words| words.concat())
}

#[test]
fn envelope_reader_withstands_random_bytes() {
    check_property(properties::envelope, envelope(), CASES);
    check_property(properties::envelope, text(), CASES);
    let begin =
        "{\"payload\":\"\",\"payloadType\":\"application/vnd.switchboard.release+json\",\"signatures\":[";
    for (begin, part) in [
        ("", "["),
        ("", "{\"a\":"),
        (begin, "{\"sig\":\"\"},"),
        (begin, "["),
        ("{\"payload\":\"", "AAAA"),
        ("{\"", "x"),
    ] {
        for size in [30_000, 60_000, LARGE] {
            properties::envelope(&repeated_to(size, begin, part));
        }
    }
}

#[test]
fn snapshot_open_withstands_random_bytes() {
    check_property(properties::open, vec(any::<u8>(), 0..500), CASES);
}

#[test]
fn snapshot_open_withstands_changes_behind_a_valid_checksum() {
    check_property(properties::resealed, vec(any::<u8>(), 5..40), CASES);
}

#[test]
#[ignore = "long: a hundred times as many inputs of each property"]
fn all_readers_withstand_random_bytes_long() {
    check_property(properties::query, text(), 100 * CASES);
    check_property(properties::batch, text(), 100 * CASES);
    check_property(properties::registry, text(), 100 * CASES);
    check_property(properties::principals, principals(), 100 * CASES);
    check_property(properties::trusted_keys, trusted_keys(), 100 * CASES);
    check_property(properties::envelope, envelope(), 20 * CASES);
    check_property(properties::open, vec(any::<u8>(), 0..500), 100 * CASES);
    check_property(properties::resealed, vec(any::<u8>(), 5..40), 100 * CASES);
}

/// Bytes of each shape: so many that constant costs do not matter.
const LARGE: usize = 1 << 18;

fn repeated(begin: &str, part: &str) -> Vec<u8> {
    repeated_to(LARGE, begin, part)
}

fn repeated_to(size: usize, begin: &str, part: &str) -> Vec<u8> {
    let mut text = begin.to_owned();
    while text.len() < size {
        text += part;
    }
    text.into_bytes()
}

#[test]
fn costly_queries_stay_within_the_limits_of_memory_and_stack() {
    let exclude = r#"{"channel":"a","ou":"b","exclude":"#;
    for (begin, part) in [
        ("", "["),
        ("", "{\"a\":"),
        (exclude, "["),
        (&format!("{exclude}["), "\"\","),
        (&format!("{exclude}["), "[],"),
        (&format!("{exclude}\""), "\\n"),
        ("{\"channel\":\"", "\\u0041"),
        ("{", "\"ou\":\"\","),
        ("{\"", "x"),
        ("exclude=", ","),
        ("exclude=", "%2C"),
        ("", "&"),
        ("", "a=&"),
        ("channel=", "%41"),
        ("phone=", "+"),
        ("1e", "9"),
    ] {
        for len in [64 * 1024, LARGE] {
            let text = &repeated(begin, part)[..len];
            properties::query(text);
            properties::batch(text);
        }
        let lines = repeated("", &format!("{begin}{}\n", part.repeat(1000)));
        properties::batch(&lines);
    }
}

/// Reading a sheet takes at most eight times its size, or 512 bytes for each of its rows.
#[test]
fn costly_sheets_stay_within_the_bound_of_memory() {
    let header = "id,channel,role,address,country,pool,user,weight,state,available_from\n";
    for (begin, part) in [
        ("", ","),
        ("", "\n"),
        ("", "\r"),
        ("", "\""),
        ("", "\"\n"),
        ("", "\0"),
        ("", "x"),
        ("", "é"),
        ("", ";\t,"),
        ("", "\u{200b}"),
        (header, ","),
        (header, "\n"),
        (header, "\r"),
        (header, "\""),
        (header, "\"\""),
        (header, "\"a\n"),
        (header, "\0"),
        (header, "x"),
        (header, "x,"),
        (header, "x\n"),
        (header, ",,,,,,,,,\n"),
        (header, "!/,x,x,x,x,x,x/,x,x,x\n"),
        (header, "a,sms,primary,4.91511E+12,UK,p,u,1.0,TRUE,46387\n"),
        (header, "\"a\",\"sms\",,\"+447400123456\",,,,,,\n"),
        ("id,channel,address\n", "a,,\n"),
        ("id,channel,address\n", "a,sms,\"\n\"\n"),
    ] {
        let text = repeated(begin, part);
        let rows = text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
        let mut data = vec![3];
        data.extend_from_slice(&text);
        let used = properties::registry(&data);
        let most = u64::max(8 * text.len() as u64, 512 * rows);
        // Messages, maps and buffers that do not grow with the file.
        let constant = 256 << 10;
        assert!(used <= most + constant, "{begin:?} {part:?}…: {used} bytes, but at most {most} are allowed");
    }
}

/// `properties::registry` asserts the bound: eight times the size, or 512 bytes for each line, and 16 MiB for the
/// tree of one table. Prints how many times its own size each shape takes.
#[test]
fn costly_registry_files_stay_within_the_bound_of_memory() {
    /// So large that the 16 MiB are fewer than a tree of the file would take.
    const SIZE: usize = 1 << 20;
    let pool = "[[pool]]\nid = \"a\"\nchannel = \"sms\"\nous = [\"a\"]\n\n";
    let test = "[[test]]\nname = \"a\"\nquery = { channel = \"sms\", ou = \"a\", country = \"GB\" }\n\
                expect = { rule = \"country\" }\n\n";
    for (file, begin, part) in [
        (1, "a = [", "[],"),
        (1, "a = [", "{},"),
        (1, "a = [", "{a=1},"),
        (1, "a = [", "1,"),
        (1, "a = [", "0,\n"),
        (1, "a = [", "\"\","),
        (1, "a = ", "["),
        (1, "a = ", "{a="),
        (1, "", "[[ou]]\n"),
        (1, "", "[[pool]]\n"),
        (1, "", "[[a]]\n"),
        (1, "", "[a]\n"),
        (1, "", "[[a]]\n[b]\n"),
        (1, "", "[a.b]\n"),
        (1, "", "a=1\n"),
        (1, "", "a.a.a.a.a.a=1\n"),
        (1, "a", ".a"),
        (1, "[a", ".a"),
        (1, "ous = [", "\"\","),
        (1, "[[pool]]\nid = \"a\"\nchannel = \"sms\"\nous = [", "\"\","),
        (1, "[[pool]]\nid = \"a\"\nchannel = \"sms\"\nous = [", "\"\",\n"),
        (1, "", pool),
        (1, "", "[[ou]]\nid = \"a\"\nparent = \"b\"\n"),
        (1, "a = \"\"\"", pool),
        (1, "a = [", pool),
        (1, "", "\n"),
        (1, "", "="),
        (1, "", "=\n"),
        (1, "", "#\n"),
        (1, "", "\""),
        (2, "id,parent,name\n", "a,,\n"),
        (2, "id,parent,name\n", "\n"),
        (2, "id,parent,name\n", "\"\n"),
        (2, "id,parent,name\n", ",,,,,,\n"),
        (2, "id,parent,name\n", "a,,\"\n,,a\"\n"),
        (2, "", ","),
        (3, "id,channel,role,address,country,pool,user,weight,state,available_from\n", ",,,,,,,,,\n"),
        (3, "id,channel,role,address,country,pool,user,weight,state,available_from\n", ",,,,,,,,,"),
        (3, "id,channel,address\n", "a,,\n"),
        (3, "id,channel,address\n", "\n"),
        (3, "id,channel,address\n", "a\n"),
        (4, "", "[[test]]\n"),
        (4, "", test),
        (4, "[[test]]\nquery = {exclude = [", "\"\","),
        (0, "", "[channel.a]\n"),
        (0, "[channel", ".a"),
    ] {
        let text = repeated_to(SIZE, begin, part);
        let mut data = vec![file];
        data.extend_from_slice(&text);
        let times = properties::registry(&data) as f64 / text.len() as f64;
        println!("{times:5.1} times: {file} {begin:?} {part:?}…");
    }
}
