//! The request of an example.

use std::fmt::Write as _;

use serde_json::Value;

use super::document::{Document, Example, members};
use crate::harness::{DaemonProcess, HttpClient, HttpResponse};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    headers: String,
    body: Option<String>,
}

impl Request {
    /// Returns the example's own request, or the one of the same name in the operation.
    pub(super) fn of(document: &Document, example: &Example<'_>) -> Request {
        let stated = &example.example["x-request"];
        if stated.is_object() { Request::stated(stated) } else { Request::named(document, example) }
    }

    /// Reads an `x-request` or an `x-after`.
    pub(super) fn stated(stated: &Value) -> Request {
        let text = |name: &str, default: &str| stated[name].as_str().unwrap_or(default).to_owned();
        let size = |name: &str| stated[name].as_u64().map(|size| size as usize);
        let mut request = Request {
            method: text("method", "GET"),
            target: stated["target"].as_str().expect("a target").to_owned(),
            headers: String::new(),
            body: None,
        };
        for (name, value) in members(&stated["headers"]) {
            write!(request.headers, "{name}: {}\r\n", value.as_str().unwrap()).unwrap();
        }
        if let Some(bytes) = size("headerBytes") {
            write!(request.headers, "X-Padding: {}\r\n", "x".repeat(bytes)).unwrap();
        }
        if let Some(bytes) = size("bodyBytes") {
            request.body = Some(" ".repeat(bytes));
        } else if let Some(lines) = size("bodyLines") {
            request.body = Some("\n".repeat(lines));
        } else {
            request.carry(&stated["body"]);
        }
        request
    }

    fn named(document: &Document, example: &Example<'_>) -> Request {
        let Example { path, method, operation, name, .. } = *example;
        let mut request = Request {
            method: method.to_uppercase(),
            target: path.to_owned(),
            headers: String::new(),
            body: None,
        };
        let of_path = &document.root["paths"][path]["parameters"];
        let mut named = false;
        for parameter in [of_path, &operation["parameters"]].into_iter().filter_map(Value::as_array).flatten()
        {
            let parameter = document.follow(parameter);
            let value = &parameter["examples"][name]["value"];
            let Value::String(text) = value else { continue };
            let text = encoded(text);
            named = true;
            let field = parameter["name"].as_str().unwrap();
            if parameter["in"] == "path" {
                request.target = request.target.replace(&format!("{{{field}}}"), &text);
            } else {
                let mark = if request.target.contains('?') { '&' } else { '?' };
                write!(request.target, "{mark}{field}={text}").unwrap();
            }
        }
        for (_, media) in members(&operation["requestBody"]["content"]) {
            request.carry(&media["examples"][name]["value"]);
        }
        assert!(named || request.body.is_some(), "{method} {path}: no request is named {name}");
        request
    }

    /// Returns an object as JSON, a list as NDJSON, and a text unchanged.
    fn carry(&mut self, body: &Value) {
        let (kind, text) = match body {
            Value::Null => return,
            Value::Array(lines) => {
                ("application/x-ndjson", lines.iter().map(|line| format!("{line}\n")).collect())
            }
            Value::String(text) => ("application/json", text.clone()),
            json => ("application/json", json.to_string()),
        };
        if !self.headers.contains("Content-Type") {
            write!(self.headers, "Content-Type: {kind}\r\n").unwrap();
        }
        self.body = Some(text);
    }

    pub(super) fn with_header(mut self, line: &str) -> Request {
        write!(self.headers, "{line}\r\n").unwrap();
        self
    }

    /// Sends the request to the listener that has the path.
    pub(super) fn ask(&self, document: &Document, daemon: &DaemonProcess) -> HttpResponse {
        let path = self.target.split('?').next().unwrap();
        let is_it = |template: &str| {
            let same = |(stated, given): (&str, &str)| stated == given || stated.starts_with('{');
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(same)
        };
        let item = members(&document.root["paths"]).find(|(template, _)| is_it(template));
        let server = item.map_or("", |(_, item)| item["servers"][0]["url"].as_str().unwrap());
        let address = if server.ends_with(":7401") { &daemon.admin } else { &daemon.data };
        let mut client = HttpClient::connect(address);
        client.heads = self.method == "HEAD";
        let Request { method, target, headers, body } = self;
        let length =
            body.as_ref().map_or(String::new(), |body| format!("Content-Length: {}\r\n", body.len()));
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n");
        // The daemon may answer and close the connection before a large body is sent.
        let _ = client.try_send(format!("{head}{}", body.as_deref().unwrap_or_default()));
        client.answer()
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        if plain(byte) {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}
