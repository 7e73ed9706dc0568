//! Findings of a registry, rendered as text and as JSON.

use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};
use switchboard_registry::{self as registry, Files, Finding, Findings, Label, Severity, Snippets};

use super::output::{ERROR, HEADING, HELP, WARNING, terminal_width};

/// Columns in front of a quoted line, for its number and a bar.
const GUTTER: usize = 12;
/// Width of a quoted line in columns, if standard output is no terminal.
const DEFAULT_WIDTH: usize = 120;
const MIN_WIDTH: usize = 40;
/// Width for the renderer. No line is wider, because lines are cut before they are rendered.
const UNLIMITED_WIDTH: usize = 10_000;

/// Renders findings for people: `file:line: severity[code]: message`, the line with its fault underlined, and
/// the remedy. File names begin with `root`.
pub fn text(findings: &Findings, files: &Files, root: &Path) -> String {
    let width = terminal_width().map_or(DEFAULT_WIDTH, |width| width.saturating_sub(GUTTER).max(MIN_WIDTH));
    let mut snippets = Snippets::new(files);
    findings.iter().map(|finding| one(finding, &mut snippets, root, width)).collect()
}

fn one(finding: &Finding, snippets: &mut Snippets<'_>, root: &Path, width: usize) -> String {
    let Finding { place, code, message, help, span, labels } = finding;
    let (style, level) = match code.severity() {
        Severity::Error => (ERROR, Level::ERROR),
        Severity::Warning => (WARNING, Level::WARNING),
    };
    let file = root.join(&*place.file);
    let (file, line, severity, code) = (file.display(), place.line.max(1), code.severity(), code.as_str());
    let first = format!("{HEADING}{file}:{line}:{HEADING:#} {style}{severity}[{code}]{style:#}: {message}\n");
    let Some(quote) = snippets.find(place, span, width) else {
        return format!("{first}  {HELP}help{HELP:#}: {help}\n");
    };

    let labels: Vec<(&Label, registry::Snippet)> = labels
        .iter()
        .filter_map(|other| Some((other, snippets.find(&other.place, &other.span, width)?)))
        .collect();
    // A second place on the same line is underlined in the same quote.
    let (here, elsewhere): (Vec<_>, Vec<_>) = labels.into_iter().partition(|(other, there)| {
        other.place == *place && (there.first_line, &there.text) == (quote.first_line, &quote.text)
    });
    let fault = AnnotationKind::Primary.span(quote.fault);
    let labels = here
        .into_iter()
        .map(|(other, there)| AnnotationKind::Context.span(there.fault).label(other.text.clone()));
    let snippet = Snippet::source(quote.text).line_start(quote.first_line as usize).fold(false);
    let mut group = Group::with_level(level).element(snippet.annotation(fault).annotations(labels));
    for (other, there) in elsewhere {
        let label = AnnotationKind::Context.span(there.fault).label(other.text.clone());
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
    let mut snippets = Snippets::new(files);
    let mut one = |finding: &Finding| {
        let Finding { place, code, message, help, span, .. } = finding;
        let mut object = json!({
            "file": &*place.file,
            "line": place.line.max(1),
            "severity": code.severity().to_string(),
            "code": code.as_str(),
            "message": message,
            "help": help,
        });
        // Columns refer to the line of the finding. Without a quote of this line alone, they are left out.
        if let (Some(quote), Some(object)) =
            (snippets.find(place, span, DEFAULT_WIDTH), object.as_object_mut())
            && quote.first_line == place.line
            && !quote.text.contains('\n')
        {
            object.insert("column".to_owned(), quote.column.into());
            object.insert("end_column".to_owned(), quote.end_column.into());
        }
        object
    };
    findings.iter().map(&mut one).collect()
}
