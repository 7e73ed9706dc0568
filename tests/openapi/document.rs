//! The OpenAPI description as the daemon serves it, with resolved references.

use serde_json::Value;

use crate::harness::DaemonProcess;

pub(super) struct Document {
    pub(super) root: Value,
}

/// The example of an answer, and its place in the document.
pub(super) struct Example<'d> {
    /// The operation that has the example.
    pub(super) path: &'d str,
    pub(super) method: &'d str,
    pub(super) operation: &'d Value,
    pub(super) status: u16,
    pub(super) headers: &'d Value,
    /// The media type; `None` for an answer without content.
    pub(super) content_type: Option<&'d str>,
    pub(super) name: &'d str,
    pub(super) example: &'d Value,
}

impl Document {
    pub(super) fn of(daemon: &DaemonProcess) -> Document {
        let (status, text) = daemon.admin("GET", "/openapi.json", "");
        assert_eq!(status, 200);
        Document { root: serde_json::from_str(&text).unwrap() }
    }

    /// Follows a reference. Returns any other value unchanged.
    pub(super) fn follow<'d>(&'d self, value: &'d Value) -> &'d Value {
        match value["$ref"].as_str() {
            Some(target) => {
                let pointer = target.strip_prefix('#').unwrap();
                self.follow(self.root.pointer(pointer).unwrap_or_else(|| panic!("{target} leads nowhere")))
            }
            None => value,
        }
    }

    /// Returns every operation with its path and method.
    pub(super) fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        members(&self.root["paths"]).flat_map(|(path, item)| {
            let methods = members(item).filter(|(name, _)| !matches!(*name, "parameters" | "servers"));
            methods.map(move |(method, operation)| (path, method, operation))
        })
    }

    /// Returns every example of an answer, for each operation that has it, and those of unused responses.
    pub(super) fn examples(&self) -> Vec<Example<'_>> {
        let mut examples = Vec::new();
        for (path, method, operation) in self.operations() {
            for (status, response) in members(&operation["responses"]) {
                self.collect(&mut examples, (path, method, operation), status, response);
            }
        }
        let nowhere = ("/", "get", &Value::Null);
        self.collect(&mut examples, nowhere, "404", &self.root["components"]["responses"]["NotFound"]);
        examples
    }

    fn collect<'d>(
        &'d self,
        examples: &mut Vec<Example<'d>>,
        (path, method, operation): (&'d str, &'d str, &'d Value),
        status: &str,
        response: &'d Value,
    ) {
        let response = self.follow(response);
        let status = status.parse().unwrap();
        let bare = members(&response["x-examples"]).map(|example| (None, example));
        let with_content = members(&response["content"])
            .flat_map(|(kind, media)| members(&media["examples"]).map(move |example| (Some(kind), example)));
        for (content_type, (name, example)) in bare.chain(with_content) {
            let example = self.follow(example);
            let headers = &response["headers"];
            examples.push(Example { path, method, operation, status, headers, content_type, name, example });
        }
    }
}

/// Returns the members of an object. Returns none for any other value.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
