//! `switchboard fleet`: `fleet init` and `fleet status`. `publish` has the commands that change the release.

mod publish;

use std::fmt::Write;

use serde_json::Value;
use switchboard_fleet::bus::{BusError, Difference};
use switchboard_fleet::status::{FleetStatus, fleet_status};

use super::arguments::{
    FleetCommand, FleetInitArguments, FleetStatusArguments, FormatArguments, OutputFormat,
};
use super::broker::Broker;
use super::output::{self, ERROR, HEADING, SUCCESS, WARNING, count, printable};
use super::source::now;
use super::{CommandError, Exit};

/// The number of digits of a digest that are shown to people.
const SHOWN_DIGITS: usize = 12;

/// Runs a subcommand of `switchboard fleet`.
pub(super) fn run(command: &FleetCommand) -> Result<Exit, CommandError> {
    match command {
        FleetCommand::Init(arguments) => init(arguments),
        FleetCommand::Publish(arguments) => publish::run(arguments),
        FleetCommand::Status(arguments) => status(arguments),
        FleetCommand::Rollback(arguments) => publish::rollback(arguments),
    }
}

/// Makes the buckets that are missing, and reports how others differ.
fn init(arguments: &FleetInitArguments) -> Result<Exit, CommandError> {
    let FleetInitArguments { replicas, fleet } = arguments;
    let broker = Broker::connect(fleet)?;
    let reports = broker.wait(broker.bus().init(replicas.unwrap_or(1).into())).map_err(|error| {
        let remedy = match (&error, replicas) {
            (BusError::Refused { .. }, Some(copies @ 2..)) => format!(
                ": {copies} copies need a cluster of at least {copies} servers with JetStream: leave --replicas out \
                 for a single server"
            ),
            _ => String::new(),
        };
        let error = CommandError::from(error);
        CommandError { message: error.message.clone() + &remedy, ..error }
    })?;
    let mut text = String::new();
    let mut differing = 0;
    for report in reports {
        // Without --replicas, any number of copies is as wanted.
        let differences: Vec<_> = report
            .differences
            .into_iter()
            .filter(|difference| replicas.is_some() || difference.setting != "num_replicas")
            .collect();
        let stream = &report.stream;
        match (report.created, differences.is_empty()) {
            (true, true) => text += &format!("{SUCCESS}created{SUCCESS:#} {stream}\n"),
            (false, true) => text += &format!("{stream} is there, as expected\n"),
            (created, false) => {
                let verb = if created { "was created, but differs" } else { "is there, and differs" };
                text += &format!("{WARNING}{stream} {verb}{WARNING:#}:\n");
                differing += 1;
            }
        }
        for difference in differences {
            let Difference { setting, expected, found } = difference;
            text += &format!("  {setting}: expected {expected}, found {found}\n");
        }
    }
    output::print(&text)?;
    if differing == 0 {
        return Ok(Exit::Success);
    }
    output::print_failure(&format!(
        "{} with other settings, which this command never changes: change them with `nats stream edit`, or choose \
         other names with --fleet-prefix",
        count(differing, "bucket exists", "buckets exist")
    ));
    Ok(Exit::Failed)
}

/// Shows the release and the replicas.
fn status(arguments: &FleetStatusArguments) -> Result<Exit, CommandError> {
    let FleetStatusArguments { fleet, output: FormatArguments { format } } = arguments;
    let broker = Broker::connect(fleet)?;
    let status = broker.wait(fleet_status(broker.bus()))?;
    match format {
        OutputFormat::Json => output::print(&format!("{:#}\n", status.json))?,
        OutputFormat::Text => output::print(&status_text(&status))?,
    }
    if let Some(fault) = &status.fault {
        output::print_failure(fault);
    }
    Ok(if status.all_serve { Exit::Success } else { Exit::Failed })
}

fn status_text(status: &FleetStatus) -> String {
    let FleetStatus { json: status, fault, .. } = status;
    let mut text = String::new();
    let release = status.get("release").filter(|release| !release.is_null());
    match release {
        None if fault.is_some() => text += &format!("release   {ERROR}cannot be read{ERROR:#}\n"),
        None => {
            text += &format!(
                "release   {WARNING}none{WARNING:#}: publish one with `switchboard fleet publish SOURCE`\n"
            );
        }
        Some(release) => {
            let counts = release.get("counts").unwrap_or(&Value::Null);
            let number = |name: &str| counts.get(name).and_then(Value::as_u64).unwrap_or(0) as usize;
            let _ = writeln!(
                text,
                "release   generation {HEADING}{}{HEADING:#} of {}: {}, {}",
                cell(release, "generation"),
                cell(release, "created"),
                count(number("companies"), "company", "companies"),
                count(number("accounts"), "account", "accounts"),
            );
            for name in ["publisher", "comment", "expires"] {
                if release.get(name).is_some_and(|value| !value.is_null()) {
                    let has_expired = name == "expires" && has_passed(&cell(release, name));
                    let note = if has_expired {
                        format!(" {WARNING}(has passed: publish again){WARNING:#}")
                    } else {
                        String::new()
                    };
                    let _ = writeln!(text, "{name:<9} {}{note}", cell(release, name));
                }
            }
            for variant in release.get("variants").and_then(Value::as_array).into_iter().flatten() {
                let digest: String = cell(variant, "digest").chars().take(SHOWN_DIGITS).collect();
                let _ = writeln!(
                    text,
                    "variant   schema {}, digest {digest}…, {} bytes",
                    cell(variant, "schema"),
                    cell(variant, "size")
                );
            }
            let keys = release.get("signed_by").and_then(Value::as_array).into_iter().flatten();
            let keys: Vec<String> = keys.filter_map(Value::as_str).map(printable).collect();
            let _ = match keys.is_empty() {
                true => writeln!(text, "signed    no"),
                false => writeln!(text, "signed    by {}, as the release states", keys.join(", ")),
            };
            let percent = status.pointer("/rollout/percent").and_then(Value::as_u64).unwrap_or(100);
            let _ = writeln!(text, "rollout   {percent} %");
        }
    }
    let replicas: &[Value] = status.get("replicas").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    if replicas.is_empty() {
        text += &format!("replicas  {WARNING}none{WARNING:#} in the last 60 s\n");
        return text;
    }
    let expected = release.and_then(|release| release.get("generation")).cloned().unwrap_or(Value::Null);
    let serves =
        |replica: &Value| cell(replica, "state") == "serving" && replica.get("generation") == Some(&expected);
    let serving = replicas.iter().filter(|replica| serves(replica)).count();
    let _ = writeln!(text, "replicas  {serving} of {} serve the release\n", replicas.len());
    let width = replicas.iter().map(|replica| cell(replica, "id").chars().count()).max().unwrap_or(0).max(7);
    let _ = writeln!(
        text,
        "{HEADING}{:<width$}  {:<9}  {:<13}  {:<16}  {:<24}  {:<6}  VERSION{HEADING:#}",
        "REPLICA", "STATE", "GENERATION", "REASON", "SINCE", "SIGNED"
    );
    for replica in replicas {
        let style = match &*cell(replica, "state") {
            _ if serves(replica) => SUCCESS,
            "rejected" | "behind" | "unreadable" => ERROR,
            _ => WARNING,
        };
        let _ = writeln!(
            text,
            "{:<width$}  {style}{:<9}{style:#}  {:<13}  {:<16}  {:<24}  {:<6}  {}",
            cell(replica, "id"),
            cell(replica, "state"),
            cell(replica, "generation"),
            cell(replica, "reason"),
            cell(replica, "since"),
            match replica.get("signed").and_then(Value::as_bool) {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            },
            cell(replica, "version"),
        );
    }
    text
}

/// Returns a member as text, without characters that change a terminal. `-` stands for none.
fn cell(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => printable(text),
        Some(other) => printable(&other.to_string()),
    }
}

fn has_passed(time: &str) -> bool {
    let time = time.parse::<jiff::Timestamp>();
    time.is_ok_and(|time| time.as_millisecond() <= now().0)
}
