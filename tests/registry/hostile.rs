//! Hostile files: nothing panics, and no number of a client gets into a finding.

use proptest::prelude::*;
use switchboard_registry::{Code, Findings, Snippets};

use super::base::{CHANNELS, files, printed, read_and_check, sound};

const FILES: [&str; 5] =
    ["channels.toml", "acme/company.toml", "acme/ous.csv", "acme/accounts.csv", "acme/tests.toml"];
/// Texts that break syntax where they are inserted.
const SHARDS: [&str; 22] = [
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "[[ou]]",
    "[pool.geography]",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "\r\n",
    "\0",
    "\u{feff}",
    "#",
    "\\",
    "é",
    "  ",
    "[channel.x]",
];

fn survives(texts: &super::base::Texts) -> Findings {
    let (_, findings) = read_and_check(&files(texts));
    for finding in &findings {
        assert!(!finding.message.contains('\n') && !finding.help.contains('\n'), "{finding}");
        assert!(!finding.message.is_empty() && !finding.help.is_empty(), "{finding}");
    }
    findings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(file in 0..FILES.len(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut texts = sound();
        texts.insert(FILES[file].to_owned(), bytes);
        survives(&texts);
    }

    #[test]
    fn arbitrary_toml_like_text_never_panics(file in prop::sample::select(vec![0usize, 1, 4]), text in r#"(\[{1,2}[a-z.]{0,6}\]{0,2}\n?|[a-z_]{0,8} ?= ?("[^"]{0,5}"?|[0-9-]{0,4}|\[|\{|true)\n?){0,12}"#) {
        let mut texts = sound();
        texts.insert(FILES[file].to_owned(), text.into_bytes());
        survives(&texts);
    }

    #[test]
    fn mutated_files_never_panic(cuts in proptest::collection::vec((0..FILES.len(), any::<prop::sample::Index>(), 0..8usize, 0..SHARDS.len()), 1..5)) {
        let mut texts = sound();
        for (file, at, removed, shard) in cuts {
            let text = texts.get_mut(FILES[file]).unwrap();
            let at = at.index(text.len().max(1)).min(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, SHARDS[shard].bytes());
        }
        survives(&texts);
    }

    /// Inserts a phone number at any position of `tests.toml`, in every usual notation.
    #[test]
    fn phone_numbers_of_tests_are_never_repeated(
        at in any::<prop::sample::Index>(),
        removed in 0..12usize,
        form in prop::sample::select(vec![
            "+442079460000", "442079460000", "+44 20 7946 0000", "\"+442079460000\"", "+44-2079-460000", "(+44)2079460000",
        ]),
    ) {
        let mut texts = sound();
        let text = texts.get_mut("acme/tests.toml").unwrap();
        let at = at.index(text.len());
        let end = (at + removed).min(text.len());
        text.splice(at..end, form.bytes());
        let digits: String = printed(&survives(&texts)).chars().filter(|letter| !" -()".contains(*letter)).collect();
        prop_assert!(!digits.contains("2079460000") && !digits.contains("2079460"), "{digits}");
    }
}

/// Values of clients that look like nothing in particular.
const CLIENTS: &str = r#"[[test]]
name = "London inherits"
query = { channel = "whatsapp", ou = "london", phone = "612345678", client = "jane.doe@x.example" } # jane.doe
expect = { rule = "country", climbed = 2 }

[[test]]
name = "Zurich"
[test.query]
bsuid = 'US.janedoe'
client = """jane.doe"""
ou = "zurich"
[test.expect]
climbed = -1
"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// No finding shows a value of a client, whatever breaks the file.
    #[test]
    fn values_of_clients_are_never_shown(
        at in any::<prop::sample::Index>(),
        removed in 0..6usize,
        shard in prop::sample::select([&SHARDS[..], &["x", "\"a\"", "= 1", "climbed = -1"]].concat()),
    ) {
        let at = at.index(CLIENTS.len());
        let end = (at + removed).min(CLIENTS.len());
        let text = format!("{}{shard}{}", &CLIENTS[..at], &CLIENTS[end..]);
        let mut texts = sound();
        texts.insert("acme/tests.toml".to_owned(), text.clone().into_bytes());
        let findings = survives(&texts);
        let files = files(&texts);
        let mut snippets = Snippets::new(&files);
        for finding in &findings {
            let snippet = snippets.find(&finding.place, &finding.span, 200).map(|it| it.text).unwrap_or_default();
            let shown = format!("{finding}\n{snippet}");
            for secret in ["12345", "34567", "jane", "doe", "ane.d", "example"] {
                // A part of a value may become a key.
                let is_key = finding.message.starts_with("key `");
                prop_assert!(is_key || !shown.contains(secret), "{text}\n{shown}");
            }
        }
    }
}

/// The texts nest deeper than the stack of a recursive parser allows.
#[test]
fn deep_nesting_is_an_error_and_no_stack_overflow() {
    for open in ["[", "{a="] {
        let mut texts = sound();
        texts.insert("channels.toml".to_owned(), format!("x = {}", open.repeat(100_000)).into_bytes());
        assert!(survives(&texts).errors() > 0);
        texts.insert(
            "channels.toml".to_owned(),
            format!("{CHANNELS}\n{}", "[[a]]\n".repeat(20_000)).into_bytes(),
        );
        assert!(survives(&texts).errors() > 0);
    }
    let mut texts = sound();
    texts.insert("channels.toml".to_owned(), format!("x{} = 1", ".x".repeat(100_000)).into_bytes());
    assert!(survives(&texts).errors() > 0);
}

/// Only the table itself is lost. A long list with its items on lines of their own is read, and a text that is no
/// TOML is named as such.
#[test]
fn table_with_too_many_values_is_a_limit() {
    let items = |separator: &str| vec!["\"acme\""; 100_000].join(separator);
    let pool = |list: &str| {
        format!("\n[[pool]]\nid = \"more\"\nchannel = \"line\"\nous = [{list}]\n\n[[ou]]\nid = \"last\"\n")
    };
    let with = |file: &str, text: String| {
        let mut texts = sound();
        texts.get_mut(file).unwrap().extend(text.into_bytes());
        let (registry, findings) = read_and_check(&files(&texts));
        let found: Vec<_> = findings.iter().map(|it| (it.code, it.to_string())).collect();
        (registry.companies[0].ous.iter().any(|ou| &*ou.id == "last"), found)
    };
    let lines = String::from_utf8(sound()["acme/company.toml"].clone()).unwrap().lines().count();
    let (is_rest_read, found) = with("acme/company.toml", pool(&items(", ")));
    assert!(is_rest_read);
    let [(Code::Limit, text)] = &found[..] else { panic!("{found:?}") };
    assert!(
        text.starts_with(&format!("acme/company.toml:{}: error[limit]: the table that begins", lines + 2)),
        "{text}"
    );

    let (is_rest_read, found) = with("acme/company.toml", pool(&items(",\n")));
    assert!(is_rest_read && found.iter().all(|(code, _)| *code != Code::Limit), "{:?}", found.first());

    for file in ["channels.toml", "acme/company.toml", "acme/tests.toml"] {
        let mut texts = sound();
        texts.insert(file.to_owned(), "id,channel,address\n1,2,3\n".repeat(100_000).into_bytes());
        let (_, findings) = read_and_check(&files(&texts));
        let found: Vec<_> =
            findings.iter().filter(|it| it.place.to_string() == format!("{file}:1")).collect();
        assert!(found.iter().any(|it| it.code == Code::Syntax), "{}", printed(&findings));
        assert!(!printed(&findings).contains("ous.csv"), "{}", printed(&findings));
    }
}
