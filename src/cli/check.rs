//! `switchboard check DIR`

use serde_json::{Value, json};

use super::arguments::{Check, Format};
use super::output::{self, ERROR, GOOD, count};
use super::progress::Progress;
use super::{Exit, Failure, compile, report, unreached};
use switchboard_pipeline::publish;
use switchboard_pipeline::self_test::Reach;

/// Checks a registry and runs its tests; writes nothing.
pub fn run(arguments: &Check) -> Result<Exit, Failure> {
    let Check { registry, fail_under, format } = arguments;
    let files = compile::files(registry)?;
    let progress = Progress::new();
    let now = compile::now_ms();
    let seconds = (now / 1000) as i64;
    let published = publish(&files, now, seconds, &|what, done, total| progress.report(what, done, total));
    drop(progress);
    let (findings, tests, failed, reach) = match &published {
        Ok(compiled) => {
            let reach = compiled.coverage.reach(&compiled.snapshot);
            (&compiled.findings, compiled.coverage.tests, 0, Some(reach))
        }
        Err(refused) => (&refused.findings, refused.tests, refused.failed, None),
    };
    let too_low = reach.zip(*fail_under).filter(|(reach, least)| reach.percent() < *least);
    // Whoever asks for a share wants to know what is missing from it.
    let missing = published
        .as_ref()
        .ok()
        .filter(|_| fail_under.is_some())
        .map(|compiled| (&compiled.snapshot, compiled.coverage.unreached(&compiled.snapshot, seconds)));
    match format {
        Format::Json => {
            let mut coverage = reach.map(
                |reach| json!({"steps": reach.steps, "reached": reach.reached, "percent": reach.percent()}),
            );
            if let (Some((_, missing)), Some(Value::Object(coverage))) = (&missing, &mut coverage) {
                coverage.insert("unreached".to_owned(), unreached::json(missing));
            }
            let whole = json!({
                "findings": report::json(findings, &files),
                "errors": findings.errors(),
                "warnings": findings.warnings(),
                "tests": {"run": tests, "failed": failed},
                "coverage": coverage,
            });
            output::print(&format!("{whole:#}\n"))?;
        }
        Format::Text => {
            let mut text = report::text(findings, &files, registry);
            let style = if findings.errors() > 0 || too_low.is_some() { ERROR } else { GOOD };
            let (errors, warnings) =
                (count(findings.errors(), "error"), count(findings.warnings(), "warning"));
            let asked = match (findings.errors(), tests, failed) {
                (0, ..) | (_, 1.., _) => format!("{}, {failed} failed", count(tests, "test")),
                _ => "tests not run".to_owned(),
            };
            text.push_str(&format!("{style}{errors}{style:#}, {warnings}; {asked}\n"));
            if let Some(reach) = reach {
                let (Reach { steps, reached }, percent) = (reach, reach.percent());
                text.push_str(&format!(
                    "the tests reach {reached} of the chains' {steps} steps, {percent:.1} %\n"
                ));
            }
            if let Some((snapshot, missing)) = missing.filter(|(_, missing)| !missing.is_empty()) {
                text.push_str(&unreached::text(&missing, snapshot, seconds));
            }
            output::print(&text)?;
        }
    }
    if let Some((reach, least)) = too_low {
        let percent = reach.percent();
        output::error(&format!(
            "the tests reach {percent:.1} % of the steps, of at least {least} %: add tests"
        ));
    }
    Ok(if published.is_err() || too_low.is_some() { Exit::No } else { Exit::Done })
}
