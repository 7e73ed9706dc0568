//! The pictures of the README exist, are small, and are up to date.

use std::fs;
use std::path::Path;

use super::{stdout, switchboard};

const MAX_PICTURE_BYTES: usize = 300_000;

fn read(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn readme() -> String {
    String::from_utf8(read("README.md")).unwrap()
}

/// Returns the text that `docs/pictures/make` stores in a picture: the content of its `iTXt` chunk,
/// uncompressed and without a language.
fn description(png: &[u8]) -> String {
    let start = b"iTXtDescription\0\0\0\0\0";
    let at = png.windows(start.len()).position(|bytes| bytes == start).expect("a description in the picture");
    let length = u32::from_be_bytes(png[at - 4..at].try_into().unwrap()) as usize;
    let chunk = &png[at + "iTXt".len()..][..length];
    String::from_utf8(chunk[start.len() - "iTXt".len()..].to_vec()).unwrap()
}

#[test]
fn picture_of_explain_shows_the_present_output() {
    let shown = description(&read("docs/pictures/explain.png"));
    let (command, picture) = shown.split_once("\n\n").unwrap();
    let command = command.trim_start_matches("$ switchboard ");
    assert!(readme().contains(command), "the README has another command than the picture:\n{command}");
    let arguments: Vec<&str> = command.split_whitespace().filter(|word| *word != "\\").collect();
    let printed = stdout(&switchboard(&arguments));
    assert_eq!(
        picture.trim_end(),
        printed.trim_end(),
        "the picture is out of date; run: docs/pictures/make explain"
    );
}

#[test]
fn readme_shows_every_picture_with_a_description() {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures")).unwrap();
    let mut made: Vec<String> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".png"))
        .map(|name| format!("docs/pictures/{name}"))
        .collect();
    let readme = readme();
    let images =
        readme.lines().filter_map(|line| line.strip_prefix("![")?.strip_suffix(")")?.split_once("]("));
    let mut shown = Vec::new();
    for (words, path) in images {
        let png = read(path);
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{path}");
        assert!(png.len() < MAX_PICTURE_BYTES, "{path} has {} bytes", png.len());
        assert!(words.len() > 60, "{path}: {words}");
        shown.push(path.to_owned());
    }
    made.sort();
    shown.sort();
    assert_eq!(made, shown);
}
