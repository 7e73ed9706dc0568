//! What a reader needs to run the same again.

use super::figures::time;
use crate::report::{model::Report, summary::UNTOLD, units};
use maud::{Markup, html};

pub(super) fn section(report: &Report) -> Markup {
    let setup = &report.setup;
    let (machine, registry) = (&setup.machine, &setup.registry);
    let count = units::thousands;
    html! {
        section {
            h2 { "Setup" }
            dl {
                dt { "command" } dd { code { (setup.command) } }
                dt { "daemon" } dd { (setup.daemon.as_deref().unwrap_or("does not tell")) }
                dt { "its command" } dd {
                    @match &setup.daemon_command { Some(command) => code { (command) }, None => "ran already" }
                }
                dt { "harness" } dd { (setup.commit.as_deref().unwrap_or("not built in a checkout")) }
                dt { "builds" } dd {
                    "harness " (setup.profile)
                    @if let Some(digest) = &setup.harness_digest { " " code { (digest) } }
                    @if let Some(digest) = &setup.daemon_digest { ", daemon " code { (digest) } }
                }
                dt { "scenario" } dd { code { (serde_json::Value::from(setup.effective.clone()).to_string()) } }
                @for note in &setup.notes { dt { "note" } dd { (note) } }
                dt { "machine" } dd {
                    (machine.processor) ", " (machine.cores) " cores, " (format!("{:.1}", machine.memory as f64 / 1e9)) " GB, "
                    (machine.kernel)
                }
                dt { "pinning" } dd { (units::pinning(setup.pinning.as_ref())) }
                dt { "registry" } dd {
                    (registry.source) ": "
                    @if registry.told() {
                        (count(registry.companies))
                        @if registry.companies == 1 { " company, " } @else { " companies, " }
                        (count(registry.ous)) " OUs, " (count(registry.pools)) " pools, "
                        (count(registry.accounts)) " accounts"
                    } @else { (UNTOLD) }
                    @if let Some(bytes) = registry.snapshot_bytes { ", a snapshot of " (units::megabytes(bytes)) }
                }
                dt { "seed" } dd { (setup.seed) }
                dt { "connections" } dd { (setup.connections) }
                dt { "time-out" } dd { (time(setup.timeout_us as f64)) }
                dt { "schema" } dd { (report.schema) }
            }
        }
    }
}
