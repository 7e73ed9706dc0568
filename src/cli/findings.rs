//! Findings as text and as JSON.

use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::output::{ERROR, HELP, PLACE, WARNING, terminal_width};
use switchboard_registry::{Beside, Files, Finding, Findings, Quote, Quotes, Severity};

/// The columns before a quoted line: its number and a bar.
const GUTTER: usize = 12;
/// The columns of a quoted line without a terminal.
const DEFAULT_WIDTH: usize = 120;
const MIN_WIDTH: usize = 40;
/// More columns than any quoted line has, because the lines are cut before they are rendered.
const UNLIMITED_WIDTH: usize = 10_000;

/// Renders findings for people: `file:line: severity[code]: message`, the line with its fault underlined, and the remedy.
/// The names of files begin with `root`.
pub fn text(findings: &Findings, files: &Files, root: &Path) -> String {
    let width = terminal_width().map_or(DEFAULT_WIDTH, |width| width.saturating_sub(GUTTER).max(MIN_WIDTH));
    let mut quotes = Quotes::of(files);
    findings.0.iter().map(|finding| one(finding, &mut quotes, root, width)).collect()
}

fn one(finding: &Finding, quotes: &mut Quotes<'_>, root: &Path, width: usize) -> String {
    let Finding { place, code, message, help, mark, beside } = finding;
    let (style, level) = match code.severity() {
        Severity::Error => (ERROR, Level::ERROR),
        Severity::Warning => (WARNING, Level::WARNING),
    };
    let file = root.join(&*place.file);
    let (file, line, severity, code) = (file.display(), place.line.max(1), code.severity(), code.text());
    let first = format!("{PLACE}{file}:{line}:{PLACE:#} {style}{severity}[{code}]{style:#}: {message}\n");
    let Some(quote) = quotes.quote(place, mark, width) else {
        return format!("{first}  {HELP}help{HELP:#}: {help}\n");
    };

    let beside: Vec<(&Beside, Quote)> = beside
        .iter()
        .filter_map(|other| Some((other, quotes.quote(&other.place, &other.mark, width)?)))
        .collect();
    // A second place on the same line is underlined in the same quote.
    let (here, elsewhere): (Vec<_>, Vec<_>) = beside.into_iter().partition(|(other, there)| {
        other.place == *place && (there.first_line, &there.text) == (quote.first_line, &quote.text)
    });
    let fault = AnnotationKind::Primary.span(quote.fault);
    let labels = here
        .into_iter()
        .map(|(other, there)| AnnotationKind::Context.span(there.fault).label(other.label.clone()));
    let snippet = Snippet::source(quote.text).line_start(quote.first_line as usize).fold(false);
    let mut group = Group::with_level(level).element(snippet.annotation(fault).annotations(labels));
    for (other, there) in elsewhere {
        let label = AnnotationKind::Context.span(there.fault).label(other.label.clone());
        let snippet = Snippet::source(there.text).line_start(there.first_line as usize).fold(false);
        let path = root.join(&*other.place.file).display().to_string();
        group = group.element(snippet.path(path).annotation(label));
    }
    let group = group.element(Level::HELP.message(help.as_str()));
    // The renderer would cut lines without regard to the underlined parts.
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii).term_width(UNLIMITED_WIDTH);
    format!("{first}{}\n\n", renderer.render(&[group]))
}

/// Renders findings as a JSON array.
pub fn json(findings: &Findings, files: &Files) -> Value {
    let mut quotes = Quotes::of(files);
    let mut one = |finding: &Finding| {
        let Finding { place, code, message, help, mark, .. } = finding;
        let mut object = json!({
            "file": &*place.file,
            "line": place.line.max(1),
            "severity": code.severity().to_string(),
            "code": code.text(),
            "message": message,
            "help": help,
        });
        // Columns are of the finding's own line, or are left out.
        if let (Some(quote), Some(object)) =
            (quotes.quote(place, mark, DEFAULT_WIDTH), object.as_object_mut())
            && quote.first_line == place.line
            && !quote.text.contains('\n')
        {
            object.insert("column".to_owned(), quote.column.into());
            object.insert("end_column".to_owned(), quote.end_column.into());
        }
        object
    };
    findings.0.iter().map(&mut one).collect()
}
