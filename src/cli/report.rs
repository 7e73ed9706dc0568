//! Findings as people and programs read them.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::output::{ERROR, HELP, PLACE, WARNING};
use crate::registry::{Finding, Findings, Severity};

/// `file:line: severity[code]: message`, then what to do; files as seen from here.
pub fn text(findings: &Findings, root: &Path) -> String {
    let mut out = String::new();
    for finding in &findings.0 {
        let Finding { place, code, message, help } = finding;
        let style = match code.severity() {
            Severity::Error => ERROR,
            Severity::Warning => WARNING,
        };
        let severity = code.severity();
        let file = root.join(&*place.file);
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "{PLACE}{}:{}:{PLACE:#} {style}{severity}[{}]{style:#}: {message}\n  {HELP}help{HELP:#}: {help}",
            file.display(),
            place.line.max(1),
            code.text(),
        );
    }
    out
}

/// The same as JSON.
pub fn json(findings: &Findings) -> Value {
    let one = |finding: &Finding| {
        let Finding { place, code, message, help } = finding;
        json!({
            "file": &*place.file,
            "line": place.line.max(1),
            "severity": code.severity().to_string(),
            "code": code.text(),
            "message": message,
            "help": help,
        })
    };
    findings.0.iter().map(one).collect()
}
