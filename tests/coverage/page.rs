//! The HTML page is complete and needs no other file.

use std::collections::BTreeMap;

use serde_json::Value;
use switchboard_model::{Region, Rule};

use super::command::coverage;
use crate::expected::demo;

fn page() -> String {
    coverage(&["--company", "acme", "--format", "html"])
}

/// Returns the text between `from` and the next `to`.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to}")).0
}

#[test]
fn page_loads_nothing_from_elsewhere() {
    let page = page();
    for outside in
        ["src=", "href=", "url(http", "@import", "http://", "https://", "<link", "<iframe", "fetch("]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("CC BY 4.0") && page.contains("Victor Cazanave"), "whose the map is");
    // Every url() refers to a part of the page.
    assert_eq!(page.matches("url(").count(), page.matches("url(#hatch)").count());
}

#[test]
fn page_has_every_country_in_the_table_and_on_the_map_or_in_the_list() {
    let page = page();
    let map = between(&page, "<svg", "</svg>");
    let small = between(&page, "<ul class=\"small\">", "</ul>");
    let table = between(between(&page, "<table class=\"countries\">", "</table>"), "<tbody>", "</tbody>");
    let mut on_map = 0;
    for region in Region::all() {
        let code = format!("data-code=\"{region}\"");
        assert_eq!(table.matches(&code).count(), 1, "{region} in the table");
        let (drawn, listed) = (map.matches(&code).count(), small.matches(&code).count());
        assert_eq!(drawn + listed, 1, "{region}: {drawn} on the map, {listed} in the list");
        on_map += drawn;
    }
    assert!(on_map > 160, "{on_map}");
}

#[test]
fn data_of_the_page_equal_the_csv_rows() {
    let page = page();
    let data: serde_json::Value =
        serde_json::from_str(between(&page, "<script type=\"application/json\" id=\"data\">", "</script>"))
            .unwrap();
    let text = coverage(&["--company", "acme", "--format", "csv"]);
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let mut records = csv.records();
    let letters = data["letters"].as_str().unwrap();
    for company in data["companies"].as_array().unwrap() {
        for ou in company["ous"].as_array().unwrap() {
            for (channel, row) in
                company["channels"].as_array().unwrap().iter().zip(ou[1].as_array().unwrap())
            {
                let row = &data["rows"][row.as_u64().unwrap() as usize];
                for (region, letter) in Region::all().zip(row[1].as_str().unwrap().chars()) {
                    let place = letters.find(letter).unwrap_or((letter as usize).wrapping_sub(0x100));
                    let decision = &data["decisions"][row[0][place].as_u64().unwrap() as usize];
                    let record = records.next().unwrap().unwrap();
                    let climbed = decision[1].as_u64().map(|it| it.to_string()).unwrap_or_default();
                    let shown = [
                        company["id"].as_str().unwrap(),
                        ou[0].as_str().unwrap(),
                        channel[0].as_str().unwrap(),
                        region.alpha2(),
                        decision[0].as_str().unwrap(),
                        &climbed,
                        decision[2].as_str().unwrap_or_default(),
                        channel[1].as_str().unwrap(),
                    ];
                    assert_eq!(record, shown.to_vec());
                }
            }
        }
    }
    assert!(records.next().is_none());
}

/// Parses the part before the script as XML.
#[test]
fn page_is_well_formed() {
    let page = page();
    let (before, rest) = page.split_once("<script").unwrap();
    assert!(rest.ends_with("</script></body></html>"));
    let body = before.replace("<!DOCTYPE html>", "") + "</body></html>";
    let mut closed = String::new();
    for part in body.split_inclusive('>') {
        let void = ["<meta", "<br", "<input"].iter().any(|name| part.trim_start().starts_with(name));
        closed.push_str(&if void { part.replace('>', "/>") } else { part.to_owned() });
    }
    let tree = roxmltree::Document::parse(&closed).unwrap_or_else(|error| panic!("{error}"));
    let labels = tree.descendants().filter(|node| node.has_tag_name("select"));
    assert_eq!(labels.count(), 3);
    // Every control has a name for screen readers.
    for node in tree.descendants().filter(|node| node.has_tag_name("button")) {
        let named = node.attribute("aria-label").is_some() || node.descendants().any(|text| text.is_text());
        assert!(named, "{node:?}");
    }
}

#[test]
fn page_names_the_rules_as_the_table_and_the_documents_do() {
    let page = page();
    let legend = between(&page, "<ul class=\"legend\"", "</ul>");
    for rule in Rule::STEPS {
        assert!(legend.contains(&format!("<span>{}</span>", rule.as_str())), "{legend}");
    }
    assert!(!page.contains("by default") && !page.contains("default region"), "one name for default_region");
}

/// The glossary's words are "OU" and "climbed". A level has a pool, so a climb counts OUs.
#[test]
fn page_and_table_have_one_word_for_an_ou() {
    let page = page();
    let (texts, _) = page.split_once("<script").unwrap();
    let script = page.rsplit_once("<script type=\"module\">").unwrap().1;
    for text in [texts, script, &coverage(&["--company", "acme", "--role", "all"])] {
        for other in [" unit", "Organizational", " level ", " levels"] {
            let found = text
                .replace("organizational unit (OU)", "")
                .replace("units of the map", "")
                .replace("units: ", "");
            assert!(!found.contains(other), "{other}");
        }
    }
}

/// The page opens on the cell with the fewest countries without an account.
#[test]
fn page_opens_on_a_served_world() {
    let page = page();
    let data: Value =
        serde_json::from_str(between(&page, "<script type=\"application/json\" id=\"data\">", "</script>"))
            .unwrap();
    let first = &data["first"];
    let text = coverage(&["--company", "acme", "--format", "csv"]);
    let mut gaps: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in csv::Reader::from_reader(text.as_bytes()).records() {
        let record = record.unwrap();
        *gaps.entry((record[1].to_owned(), record[2].to_owned())).or_default() +=
            usize::from(record[6].is_empty());
    }
    let key = (first[1].as_str().unwrap().to_owned(), first[2][0].as_str().unwrap().to_owned());
    assert_eq!(gaps.get(&key), gaps.values().min(), "{first} of {gaps:?}");
    let table = between(&page, "<table class=\"countries\">", "</table>");
    assert_eq!(table.matches("class=\"key none\"").count(), gaps[&key]);
}

#[test]
fn page_names_the_accounts_of_each_decision() {
    let page = page();
    let data: Value =
        serde_json::from_str(between(&page, "<script type=\"application/json\" id=\"data\">", "</script>"))
            .unwrap();
    let sheet = std::fs::read_to_string(demo().join("acme/accounts.csv")).unwrap();
    let (mut served, mut named) = (0, 0);
    for decision in data["decisions"].as_array().unwrap() {
        let Some(group) = decision[4].as_u64() else {
            assert!(decision[2].is_null(), "{decision}");
            continue;
        };
        served += 1;
        let group = &data["groups"][group as usize];
        for id in group[0].as_array().unwrap() {
            let id = id.as_str().unwrap();
            let row = sheet.lines().find(|line| line.starts_with(&format!("{id},"))).unwrap();
            assert!(row.contains(decision[2].as_str().unwrap()), "{id} is in the pool of {decision}");
            named += 1;
        }
    }
    assert!(served > 10 && named >= served, "{served} decisions, {named} accounts");
    let table = between(&page, "<table class=\"countries\">", "</table>");
    let first = data["groups"][0][0][0].as_str().unwrap();
    assert!(table.contains("Accounts") && page.contains(first), "{first}");
}

#[test]
fn page_is_written_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coverage.html");
    let printed = coverage(&["--company", "acme", "--format", "html", "-o", path.to_str().unwrap()]);
    assert!(printed.is_empty());
    assert_eq!(std::fs::read_to_string(path).unwrap(), page());
}
