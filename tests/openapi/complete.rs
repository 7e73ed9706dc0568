//! The OpenAPI description and the code have the same routes, codes, fields, values and limits.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use switchboard::api::{admin, data, problem};
use switchboard_model::Rule;
use switchboard_model::{MAX_CLIENT_BYTES, MAX_EXCLUDED, MAX_QUERY_BYTES, QueryField};
use switchboard_select::MAX_LISTED_CANDIDATES;
use switchboard_select::{Availability, CurrentIgnored};

use super::document::{Document, members};
use crate::access;
use crate::harness::DaemonProcess;

fn document() -> Document {
    Document::of(&DaemonProcess::start(&[]))
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn every_route_and_method_is_described_and_no_other() {
    let document = document();
    let mut described = BTreeSet::new();
    for (path, method, _) in document.operations() {
        for server in document.root["paths"][path]["servers"].as_array().unwrap() {
            let server = server["url"].as_str().unwrap();
            described.insert((server.rsplit(':').next().unwrap(), path, method.to_uppercase()));
        }
    }
    let mut routed = BTreeSet::new();
    for (port, paths) in [("7400", data::PATHS), ("7401", admin::PATHS)] {
        for (path, methods) in paths {
            routed.extend(methods.split(", ").map(|method| (port, *path, method.to_owned())));
        }
    }
    assert_eq!(described, routed);
}

/// Every operation names the permission that the daemon demands, as the role of each security scheme.
#[test]
fn every_operation_has_its_permission_and_its_denials() {
    let document = document();
    for (path, method, operation) in document.operations() {
        let what = format!("{method} {path}");
        let route = access::ROUTES.iter().find(|route| {
            let target = route.target.split('?').next().unwrap();
            let target = target.replace("COMPANY", "{company}").replace("/one", "/{account}");
            target == path
                && (route.method == method.to_uppercase() || method == "head" && route.method == "GET")
        });
        let permission = route.and_then(|route| route.permission);
        // The list of the routes, and the page of the console with its files, are for everyone.
        let is_open = matches!(path, "/" | "/assets/{file}");
        assert!(route.is_some() || is_open, "{what}: not in the matrix of tests/access.rs");
        let responses = &operation["responses"];
        let Some(permission) = permission else {
            assert_eq!((&operation["security"], &responses["401"]), (&json!([]), &Value::Null), "{what}");
            continue;
        };
        let security = json!([{}, { "token": [permission] }, { "certificate": [permission] }]);
        assert_eq!(operation["security"], security, "{what}");
        let denied = document.follow(&responses["401"]);
        let challenge = document.follow(&denied["headers"]["WWW-Authenticate"]);
        assert_eq!(challenge["schema"]["const"], "Bearer", "{what}");
        for (status, code) in [("401", "unauthorized"), ("403", "forbidden")] {
            let content = &document.follow(&responses[status])["content"]["application/problem+json"];
            assert!(
                members(&content["examples"]).all(|(_, example)| example["value"]["code"] == code),
                "{what}"
            );
            assert!(members(&content["examples"]).count() > 0, "{what}");
        }
    }
    let schemes = &document.root["components"]["securitySchemes"];
    let schemes: Vec<_> =
        members(schemes).map(|(name, scheme)| (name, scheme["type"].as_str().unwrap())).collect();
    assert_eq!(schemes, [("token", "http"), ("certificate", "mutualTLS")]);
}

#[test]
fn every_code_is_described_with_its_status_and_title() {
    let document = document();
    let schemas = &document.root["components"]["schemas"];
    let codes: BTreeSet<&str> = texts(&schemas["Code"]["enum"]).into_iter().collect();
    assert_eq!(codes, problem::all().map(|kind| kind.code).collect());
    let statuses = schemas["Problem"]["properties"]["status"]["enum"].as_array().unwrap();
    let statuses: BTreeSet<u64> = statuses.iter().map(|status| status.as_u64().unwrap()).collect();
    assert_eq!(statuses, problem::all().map(|kind| u64::from(kind.status)).collect());
    let mut shown = BTreeSet::new();
    for example in document.examples() {
        let problem = &example.example["value"];
        if example.content_type == Some("application/problem+json") {
            let kind = problem::all().find(|kind| problem["code"] == kind.code).unwrap();
            assert_eq!(example.status, kind.status);
            assert_eq!(problem["title"], kind.title);
            shown.insert(kind.code);
        }
    }
    assert_eq!(shown, codes, "every code has an example");
}

#[test]
fn every_value_of_an_answer_is_described() {
    let document = document();
    let schemas = &document.root["components"]["schemas"];
    let rules = texts(&schemas["Rule"]["enum"]);
    assert_eq!(rules, Rule::ALL.map(Rule::as_str));
    let reasons = texts(&schemas["Selection"]["properties"]["current_ignored"]["enum"]);
    assert_eq!(reasons, CurrentIgnored::ALL.map(CurrentIgnored::as_str));
    let step = &schemas["Explanation"]["properties"]["steps"]["items"]["properties"];
    assert_eq!(texts(&step["rule"]["enum"]), Rule::STEPS.map(Rule::as_str));
    let candidates = &step["candidates"];
    let outcomes: Vec<&str> =
        ["chosen"].into_iter().chain(Availability::ALL.map(Availability::as_str)).collect();
    assert_eq!(texts(&candidates["items"]["properties"]["outcome"]["enum"]), outcomes);
    assert_eq!(candidates["maxItems"], MAX_LISTED_CANDIDATES);
    for (member, words) in [("rule", rules), ("current_ignored", reasons)] {
        let shown: BTreeSet<&str> = document
            .examples()
            .iter()
            .filter_map(|example| example.example["value"][member].as_str())
            .collect();
        assert_eq!(shown, words.into_iter().collect(), "every {member} has an example");
    }
}

#[test]
fn every_field_of_a_query_is_described_with_its_limits() {
    let document = document();
    let query = &document.root["components"]["schemas"]["Query"];
    let fields: Vec<&str> = members(&query["properties"]).map(|(name, _)| name).collect();
    assert_eq!(fields, fields_of_queries());
    assert_eq!(query["additionalProperties"], false);
    let parameters = &document.root["components"]["parameters"];
    assert_eq!(members(parameters).map(|(name, _)| name).collect::<Vec<_>>(), fields_of_queries());
    for path in ["/v1/select", "/v1/explain"] {
        let given = document.root["paths"][path]["get"]["parameters"].as_array().unwrap();
        let given: Vec<&Value> = given.iter().map(|parameter| &document.follow(parameter)["name"]).collect();
        assert_eq!(given, fields_of_queries());
    }
    assert_eq!(query["properties"]["client"]["maxLength"], MAX_CLIENT_BYTES);
    assert_eq!(parameters["client"]["schema"]["maxLength"], MAX_CLIENT_BYTES);
    assert_eq!(query["properties"]["exclude"]["maxItems"], MAX_EXCLUDED);
    let most = format!("^[^,]*(,[^,]*){{0,{}}}$", MAX_EXCLUDED - 1);
    assert_eq!(parameters["exclude"]["schema"]["pattern"], most);
    assert_eq!(document.root["components"]["schemas"]["Id"]["maxLength"], switchboard_model::MAX_ID_BYTES);
    let body = document.root["paths"]["/v1/select"]["post"]["requestBody"]["description"].as_str().unwrap();
    assert_eq!(body.replace(',', ""), format!("At most {MAX_QUERY_BYTES} bytes."));
}

#[test]
fn description_is_of_this_release_and_served_as_json() {
    let daemon = DaemonProcess::start(&[]);
    let document = Document::of(&daemon);
    assert_eq!(document.root["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(document.root["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut client = crate::harness::HttpClient::connect(&daemon.admin);
    client.send("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    client.heads = true;
    client.send("HEAD /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.answer();
    let length = answer.body.len().to_string();
    assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())));
}

fn fields_of_queries() -> [&'static str; QueryField::ALL.len()] {
    QueryField::ALL.map(QueryField::as_str)
}
