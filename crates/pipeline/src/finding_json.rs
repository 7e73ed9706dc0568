//! Findings as JSON, for `check --format json` and for the comparison of a registry over HTTP.

use serde_json::{Value, json};
use switchboard_registry::{Files, Finding, Snippets};

/// Width of a quoted line, in characters, of which a column is taken.
const QUOTE_WIDTH: usize = 120;

/// Renders findings as a JSON array.
pub fn findings_json<'f>(findings: impl IntoIterator<Item = &'f Finding>, files: &Files) -> Value {
    let mut snippets = Snippets::new(files);
    findings.into_iter().map(|finding| finding_json(finding, &mut snippets)).collect()
}

/// Renders one finding as a JSON object.
pub fn finding_json(finding: &Finding, snippets: &mut Snippets<'_>) -> Value {
    let Finding { place, code, message, help, span, .. } = finding;
    let mut object = json!({
        "file": &*place.file,
        "line": place.line.max(1),
        "severity": code.severity().to_string(),
        "code": code.as_str(),
        "message": message,
        "help": help,
    });
    if let (true, Some(object)) = (place.has_no_file(), object.as_object_mut()) {
        object.shift_remove("file");
        object.shift_remove("line");
        object.shift_insert(0, "entry".to_owned(), (&*place.file).into());
    }
    // Columns refer to the line of the finding. Without a quote of this line alone, they are left out.
    if let (Some(quote), Some(object)) = (snippets.find(place, span, QUOTE_WIDTH), object.as_object_mut())
        && quote.first_line == place.line
        && !quote.text.contains('\n')
    {
        object.insert("column".to_owned(), quote.column.into());
        object.insert("end_column".to_owned(), quote.end_column.into());
    }
    object
}
