//! Findings as people and programs read them.

use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::output::{self, ERROR, HELP, PLACE, WARNING};
use switchboard_registry::{Beside, Files, Finding, Findings, Quote, Quotes, Severity};

/// What is left of a line for the quote itself, behind the number of its line and its bar.
const GUTTER: usize = 12;
/// Characters of a quoted line where nobody's terminal is asked, and the fewest that make sense.
const WIDE: usize = 120;
const NARROW: usize = 40;
/// More than any line has by then.
const UNCUT: usize = 10_000;

/// `file:line: severity[code]: message`, below it the line with what is wrong in it underlined, and what to do;
/// files as seen from here.
pub fn text(findings: &Findings, files: &Files, root: &Path) -> String {
    let width = output::width().map_or(WIDE, |width| width.saturating_sub(GUTTER).max(NARROW));
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
    // On the very line, both are underlined there.
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
    // The lines are cut already; it would cut them without regard to what is underlined.
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii).term_width(UNCUT);
    format!("{first}{}\n\n", renderer.render(&[group]))
}

/// The same as JSON.
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
        // A column of another line would be misleading.
        if let (Some(quote), Some(object)) = (quotes.quote(place, mark, WIDE), object.as_object_mut())
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
