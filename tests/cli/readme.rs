//! The README: its registry, its first answer, and the pictures of the documents.

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
fn documents_show_every_picture_with_a_description() {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures")).unwrap();
    let mut made: Vec<String> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".png"))
        .map(|name| format!("docs/pictures/{name}"))
        .collect();
    let page = |path: &str| String::from_utf8(read(path)).unwrap().replace("pictures/", "docs/pictures/");
    let pages = readme() + &page("docs/loadtest.md") + &page("docs/console.md");
    let images =
        pages.lines().filter_map(|line| line.strip_prefix("![")?.strip_suffix(")")?.split_once("]("));
    // The pictures of the console follow the reader's colour scheme: `<picture>` with one for each.
    let attribute = |line: &str, name: &str| Some(line.split_once(name)?.1.split_once('"')?.0.to_owned());
    let schemes =
        pages.lines().filter_map(|line| attribute(line, "<img alt=\"").zip(attribute(line, " src=\"")));
    let mut shown: Vec<String> = pages.lines().filter_map(|line| attribute(line, "srcset=\"")).collect();
    for (words, path) in images.map(|(words, path)| (words.to_owned(), path.to_owned())).chain(schemes) {
        assert!(words.len() > 60, "{path}: {words}");
        shown.push(path);
    }
    for path in &shown {
        let png = read(path);
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{path}");
        assert!(png.len() < MAX_PICTURE_BYTES, "{path} has {} bytes", png.len());
    }
    made.sort();
    shown.sort();
    shown.dedup();
    assert_eq!(made, shown);
}

/// Returns the fenced blocks of a language, in the order of the README.
fn blocks<'t>(readme: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    readme.split(&fence).skip(1).map(|after| after.split("```").next().unwrap()).collect()
}

#[test]
fn registry_of_the_readme_passes_check_and_answers_its_queries() {
    let readme = readme();
    let toml = blocks(&readme, "toml");
    let [company, tests] = toml[..] else { panic!("two blocks of TOML, {} found", toml.len()) };
    let csv = blocks(&readme, "csv");
    let lines = company.lines().chain(csv[0].lines()).chain(tests.lines()).filter(|line| !line.is_empty());
    assert!(lines.count() <= 20, "the registry has at most 20 lines");

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("registry");
    fs::create_dir_all(root.join("acme")).unwrap();
    for (name, text) in [("company.toml", company), ("accounts.csv", csv[0]), ("tests.toml", tests)] {
        fs::write(root.join("acme").join(name), text).unwrap();
    }
    let root = root.to_str().unwrap();
    let commands = readme.lines().map(|line| line.split('#').next().unwrap().trim_end());
    let commands = commands
        .filter_map(|line| line.strip_prefix("switchboard "))
        .filter(|line| line.starts_with("check registry") || line.contains("--registry registry"));
    let mut run = 0;
    for command in commands {
        let arguments: Vec<&str> =
            command.split_whitespace().map(|word| if word == "registry" { root } else { word }).collect();
        let output = switchboard(&arguments);
        assert!(output.status.success(), "{command}: {output:?}");
        run += 1;
    }
    assert_eq!(run, 3);
}

#[test]
fn first_answer_of_the_readme_is_what_the_demo_registry_gives() {
    let readme = readme();
    let json = blocks(&readme, "json")[0];
    let url = readme
        .lines()
        .find_map(|line| line.strip_prefix("curl -s 'http://127.0.0.1:7400/v1/select?"))
        .unwrap();
    let query = url.trim_end_matches('\'').replace("%2B", "+");
    let arguments: Vec<&str> = ["select", "--format", "json"].into_iter().chain(query.split('&')).collect();
    assert_eq!(stdout(&switchboard(&arguments)), json);
}
