//! Validates registries and faulty files with the checked-in schemas.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Returns the checked-in schema for a file.
fn validator(file: &Path) -> Validator {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let text = fs::read_to_string(root().join(format!("docs/schema/{name}.schema.json"))).unwrap();
    jsonschema::draft7::new(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn valid(validator: &Validator, text: &str) -> Result<(), String> {
    let document: toml::Table = text.parse().unwrap();
    let document = serde_json::to_value(document).unwrap();
    validator.validate(&document).map_err(|error| format!("{error} at {}", error.instance_path()))
}

/// Returns the paths of the TOML files of the checked-in registries.
fn sound() -> Vec<PathBuf> {
    let mut files = vec![root().join("config/channels.toml")];
    let mut folders = vec![root().join("config/demo"), root().join("tests/fixtures/registry")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "toml") => files.push(path),
                false => {}
            }
        }
    }
    assert!(files.len() >= 7, "{files:?}");
    files
}

#[test]
fn checked_in_registries_match_the_schemas() {
    for file in sound() {
        let text = fs::read_to_string(&file).unwrap();
        valid(&validator(&file), &text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
#[rustfmt::skip] // one row, one fault
fn schemas_reject_wrong_keys_types_and_words() {
    for (file, text) in [
        ("company.toml", "nam = \"x\""),
        ("company.toml", "name = 1"),
        ("company.toml", "ou_without_pool = \"inherits\""),
        ("company.toml", "dedicated_unavailable = \"pools\""),
        ("company.toml", "platform_version = \"1.x\""),
        ("company.toml", "geography = { IE = \"Britain\" }"),
        ("company.toml", "geography = { Ireland = \"GB\" }"),
        ("company.toml", "[ou]\nid = \"a\""),
        ("company.toml", "[[ou]]\nname = \"a\""),
        ("company.toml", "[[ou]]\nid = \"a b\""),
        ("company.toml", "[[ou]]\nid = \"a\"\nparrent = \"b\""),
        ("company.toml", "[[pool]]\nid = \"a\""),
        ("company.toml", "[[pool]]\nid = \"a\"\nchannel = \"sms\"\nous = \"b\""),
        ("company.toml", "[[pool]]\nid = \"a\"\nchannel = \"sms\"\npriority = \"1\""),
        ("company.toml", "[[pool]]\nid = \"a\"\nchannel = \"sms\"\ncountry_match = \"code\""),
        ("company.toml", "[[pool]]\nid = \"a\"\nchannel = \"sms\"\nfallback_upward = \"yes\""),
        ("channels.toml", "[chanel.x]"),
        ("channels.toml", "[channel.x]\naddress = \"phone\""),
        ("channels.toml", "[channel.sms]\naddress = \"phones\""),
        ("channels.toml", "[channel.sms]\npool_must_hold = \"primary\""),
        ("channels.toml", "[channel.sms]\ndedicated_since = \"soon\""),
        ("tests.toml", "[[test]]\nquery = { ou = \"a\" }"),
        ("tests.toml", "[[test]]\nquery = { ou = \"a\" }\nexpect = {}"),
        ("tests.toml", "[[test]]\nquery = { phon = \"a\" }\nexpect = { climbed = 1 }"),
        ("tests.toml", "[[test]]\nquery = { ou = \"a\" }\nexpect = { climbed = -1 }"),
        ("tests.toml", "[[test]]\nquery = { ou = \"a\" }\nexpect = { rule = \"kountry\" }"),
        ("tests.toml", "[[test]]\nquery = { ou = \"a\" }\nexpect = { error = \"no_luck\" }"),
    ] {
        assert!(valid(&validator(Path::new(file)), text).is_err(), "{file}: {text}");
    }
    let partly = "[channel.sms]\ndedicated_since = \"never\"\n[channel.x]\nconversation_role = \"primary\"\n\
                  pool_must_hold = []\naddress = \"handle\"\n";
    valid(&validator(Path::new("channels.toml")), partly).unwrap();
}

/// Editors look for the path of the schema in the first line of a file.
#[test]
fn registries_name_their_schemas_in_the_first_line() {
    for file in sound().into_iter().filter(|file| file.starts_with(root().join("config"))) {
        let text = fs::read_to_string(&file).unwrap();
        let named = text.lines().next().and_then(|line| line.strip_prefix("#:schema "));
        let named = named.unwrap_or_else(|| panic!("{} names no schema", file.display()));
        let schema = file.parent().unwrap().join(named).canonicalize().unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert_eq!(schema, root().join(format!("docs/schema/{name}.schema.json")).canonicalize().unwrap());
    }
}

#[test]
fn schema_command_prints_the_checked_in_schemas() {
    for name in ["company", "channels", "tests"] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_switchboard")).args(["schema", name]).output();
        let checked_in = fs::read(root().join(format!("docs/schema/{name}.schema.json"))).unwrap();
        assert_eq!(output.unwrap().stdout, checked_in, "{name}");
    }
}
