//! `docs/api.md`: its tables have the routes, fields, members, problems and limits of the code.

use std::collections::BTreeSet;

use serde_json::Value;
use switchboard::api::{admin, data, problem};
use switchboard_model::{MAX_CLIENT_BYTES, MAX_EXCLUDED, MAX_QUERY_BYTES, QueryField, UnixSeconds};
use switchboard_select::{
    MAX_LISTED_CANDIDATES, NO_STANDINGS, Query, SelectContext, select, write_selection,
};
use switchboard_server::ServerSettings;

use super::page::{Page, quoted};
use crate::cli::switchboard;
use crate::expected;
use crate::harness::{DaemonProcess, assert_generated};
use crate::tls::certificates::Certificates;

const PAGE: &str = "docs/api.md";

#[test]
fn table_of_routes_has_every_path_with_its_methods() {
    let listed: BTreeSet<[String; 3]> = Page::read(PAGE)
        .rows("## Routes")
        .iter()
        .map(|row| [row[0].replace('`', ""), row[1].to_owned(), row[2].to_owned()])
        .collect();
    let mut routes = BTreeSet::new();
    for (listener, paths) in [("data", data::PATHS), ("admin", admin::PATHS)] {
        routes.extend(paths.iter().map(|(path, methods)| [path, listener, methods].map(str::to_owned)));
    }
    assert_eq!(listed, routes);
}

#[test]
fn table_of_query_fields_has_every_field() {
    Page::read(PAGE).assert_rows("## Query fields", QueryField::ALL.map(QueryField::as_str));
}

/// An answer from a pool to a query whose `current` is not kept has every member.
#[test]
fn table_of_members_has_the_members_of_selections() {
    let snapshot = expected::compiled(&switchboard_registry::Files::read_dir(&expected::demo()).unwrap(), 1);
    let answer = super::selection::answer(
        &snapshot,
        "company=acme channel=whatsapp ou=london country=GB current=wa-gone-1",
    );
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    Page::read(PAGE).assert_rows("## Selection", answer.as_object().unwrap().keys());
}

#[test]
fn example_of_a_selection_is_the_answer_of_the_code() {
    let snapshot = expected::compiled(&switchboard_registry::Files::read_dir(&expected::demo()).unwrap(), 1);
    let page = Page::read(PAGE);
    let blocks = page.blocks();
    let asked = blocks.iter().position(|block| block.text.contains("/v1/select")).unwrap();
    let body = blocks[asked].text.split('\'').find(|text| text.starts_with('{')).unwrap();
    let query = Query::from_json(body.as_bytes()).unwrap();
    let context = SelectContext { now: UnixSeconds(expected::NOW), random: 0, standings: &NO_STANDINGS };
    let mut answer = Vec::new();
    let selection = select(&snapshot, &query, context).result.unwrap();
    write_selection(&mut answer, &snapshot, &selection);
    assert_eq!(blocks[asked + 1].text.trim_end(), String::from_utf8(answer).unwrap());
}

#[test]
fn table_of_problems_has_every_code_with_its_status_and_title() {
    let page = Page::read(PAGE);
    page.assert_rows("## Problems", problem::all().map(|kind| kind.code));
    let mut text = String::new();
    for line in page.text.lines() {
        let kind = problem::all().find(|kind| line.starts_with(&format!("| `{}` | ", kind.code)));
        match kind {
            Some(kind) => {
                let rest: Vec<&str> = line.splitn(5, " | ").skip(3).collect();
                text +=
                    &format!("| `{}` | {} | {} | {}\n", kind.code, kind.status, kind.title, rest.join(" | "));
            }
            None => text += &format!("{line}\n"),
        }
    }
    assert_generated(PAGE, text.as_bytes(), "--test contract documents::api");
}

#[test]
fn tables_of_standings_and_status_have_the_members_of_the_answers() {
    let page = Page::read(PAGE);
    let state = tempfile::tempdir().unwrap();
    let certificates = Certificates::new();
    let options = [certificates.options(), vec!["--admin-tls=off".to_owned()]].concat();
    let principals = state.path().join("principals.toml");
    let allow = r#"allow = ["read", "standings"]"#;
    std::fs::write(
        &principals,
        format!("[[principal]]\nname = \"anonymous\"\ncompanies = [\"*\"]\n{allow}\n"),
    )
    .unwrap();
    let keys = state.path().join("keys");
    let made = switchboard(&["keygen", "-o", keys.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    let keys = keys.with_extension("pub");
    let [state, principals, keys] = [state.path(), &principals, &keys].map(|path| path.to_str().unwrap());
    // A replica without a broker serves the snapshot of its state directory.
    let kept = format!("{state}/current.swb");
    let compiled =
        switchboard(&["compile", super::root().join("config/demo").to_str().unwrap(), "-o", &kept]);
    assert!(compiled.status.success(), "{compiled:?}");
    let fleet = ["--fleet", "nats://127.0.0.1:1"];
    let more = ["--state", state, "--principals", principals, "--trusted-keys", keys];
    let more = [&fleet[..], &more].concat();
    let daemon = DaemonProcess::start(&options.iter().map(String::as_str).chain(more).collect::<Vec<_>>());
    let blocks = page.blocks();
    let put = blocks.iter().find(|block| block.text.contains("PUT")).unwrap();
    let body = put.text.split('\'').find(|text| text.starts_with('{')).unwrap();
    let path = put.text.split_once(":7401").unwrap().1.split_whitespace().next().unwrap();
    // The broker of the fleet cannot be reached.
    let reached = format!("{},\"reach\":\"replica\"}}", body.strip_suffix('}').unwrap());
    assert_eq!(daemon.admin("PUT", path, body), (202, reached));
    let standing: Value = serde_json::from_str(body).unwrap();
    page.assert_rows("## Standings", standing.as_object().unwrap().keys());

    let status = daemon.status();
    let rows = page.rows("## Probes and status");
    let listed: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(row[0])).collect();
    assert_eq!(listed, status.as_object().unwrap().keys().map(String::as_str).collect());
    for row in rows {
        let member = &status[row[0].trim_matches('`')];
        for inner in member.as_object().into_iter().flat_map(|object| object.keys()) {
            assert!(quoted(row[1]).contains(&**inner), "{row:?}: no {inner}");
        }
    }
}

#[test]
fn limits_are_those_of_the_code() {
    let page = Page::read(PAGE);
    let defaults = ServerSettings::default();
    let seconds = |duration: std::time::Duration| format!("{} s", duration.as_secs());
    for (row, limit) in [
        ("body of a single query, line of a batch", format!("{} bytes", thousands(MAX_QUERY_BYTES))),
        ("connections of the data listener", thousands(defaults.max_connections)),
        ("connections of one peer to the data listener", thousands(defaults.max_connections_per_peer)),
        (
            "bodies in arrival and large answers, all together",
            format!("{} MiB", defaults.max_body_bytes >> 20),
        ),
        ("time from the first byte of a request to the end of its head", seconds(defaults.header_timeout)),
        ("time from the end of the head to the answer", seconds(defaults.body_timeout)),
        ("time between two requests of a connection", seconds(defaults.idle_timeout)),
    ] {
        let rows = page.rows("## Limits");
        let found = rows.iter().find(|cells| cells[0] == row).unwrap_or_else(|| panic!("no row {row:?}"));
        assert!(found[1].split(';').next() == Some(&*limit), "{found:?}: expected {limit}");
    }
    let fields = page.rows("## Query fields");
    let limit = |field: &str| fields.iter().find(|cells| cells[0] == format!("`{field}`")).unwrap()[3];
    assert_eq!(limit("client"), format!("1 to {MAX_CLIENT_BYTES} bytes"));
    assert_eq!(limit("exclude"), format!("{MAX_EXCLUDED} ids"));
    assert!(page.text.contains(&format!("at most {MAX_LISTED_CANDIDATES} `candidates`")));
}

#[test]
fn limits_of_the_gateway_page_are_the_defaults() {
    let page = Page::read("docs/integrating.md");
    let defaults = ServerSettings::default();
    for limit in [
        format!("after {} s (`idle_timeout`)", defaults.idle_timeout.as_secs()),
        format!("closes idle connections after {} s", defaults.drain_grace.as_secs()),
        format!(
            "accepts {} connections of one address and {} in all",
            thousands(defaults.max_connections_per_peer),
            thousands(defaults.max_connections)
        ),
    ] {
        assert!(page.text.contains(&limit), "{limit}");
    }
}

/// The program in Python sends keyword arguments and has no list of the fields.
#[test]
fn query_types_of_the_example_programs_have_every_field() {
    let page = Page::read("docs/integrating.md");
    for (language, from, to) in [
        ("Go", "type Query struct {", "\n}"),
        ("TypeScript", "interface Query {", "\n}"),
        ("Java", "record Query(", ") {}"),
    ] {
        let (_, rest) = page.text.split_once(from).unwrap_or_else(|| panic!("{language}: no {from}"));
        let (fields, _) = rest.split_once(to).unwrap();
        let names: BTreeSet<&str> =
            fields.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').collect();
        for field in QueryField::ALL {
            assert!(names.contains(field.as_str()), "{language}: no {}", field.as_str());
        }
    }
}

/// Writes a number with a comma before its last three digits.
fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}
