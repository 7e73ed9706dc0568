//! `switchboard status` and `switchboard standing`: ask a running daemon for its state, and change standings.

use std::collections::HashSet;
use std::fmt::Write;

use hyper::Method;
use serde_json::{Map, Value, json};
use switchboard_model::UnixMillis;

use super::arguments::{
    ClearArguments, DaemonArguments, FormatArguments, ListArguments, OutputFormat, SetArguments,
    StandingCommand, StatusArguments,
};
use super::client::{Client, Reply};
use super::output::{self, ERROR, HEADING, SUCCESS, WARNING, count, printable};
use super::source::now;
use super::{CommandError, Exit, token};

/// Maximum number of findings that the state shows of one rejection.
const MAX_FINDINGS: usize = 10;
const SECOND_MS: i64 = 1_000;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Prints the state of a daemon. Fails if the daemon does not serve what its source has.
pub(super) fn status(arguments: &StatusArguments) -> Result<Exit, CommandError> {
    let StatusArguments { daemon, output: FormatArguments { format } } = arguments;
    let reply = client(daemon)?.send(Method::GET, "/status", None)?;
    if let Some(exit) = refused(&reply, *format)? {
        return Ok(exit);
    }
    let status = reply.json()?;
    let faults = faults(&status);
    match format {
        OutputFormat::Json => reply.print()?,
        OutputFormat::Text => output::print(&status_text(&status, &faults))?,
    }
    Ok(if faults.is_empty() { Exit::Success } else { Exit::Failed })
}

/// Runs a subcommand of `switchboard standing`.
pub(super) fn standing(command: &StandingCommand) -> Result<Exit, CommandError> {
    match command {
        StandingCommand::List(arguments) => list(arguments),
        StandingCommand::Set(arguments) => set(arguments),
        StandingCommand::Clear(arguments) => clear(arguments),
    }
}

fn list(arguments: &ListArguments) -> Result<Exit, CommandError> {
    let ListArguments { company, daemon, output: FormatArguments { format } } = arguments;
    let path = match company {
        Some(company) => format!("/v1/standings?company={}", percent_encoded(company)),
        None => "/v1/standings".to_owned(),
    };
    let reply = client(daemon)?.send(Method::GET, &path, None)?;
    if let Some(exit) = refused(&reply, *format)? {
        return Ok(exit);
    }
    match format {
        OutputFormat::Json => reply.print()?,
        OutputFormat::Text => output::print(&table(&reply.json()?))?,
    }
    Ok(Exit::Success)
}

fn set(arguments: &SetArguments) -> Result<Exit, CommandError> {
    let SetArguments {
        company,
        account,
        standing,
        reason,
        until,
        daemon,
        output: FormatArguments { format },
    } = arguments;
    let mut body = Map::new();
    body.insert("standing".to_owned(), standing.as_str().into());
    body.insert("reason".to_owned(), reason.as_str().into());
    if let Some(until) = until {
        body.insert("until".to_owned(), until.as_str().into());
    }
    let path = standing_path(company, account);
    let reply = client(daemon)?.send(Method::PUT, &path, Some(&body.into()))?;
    if let Some(exit) = refused(&reply, *format)? {
        return Ok(exit);
    }
    match format {
        OutputFormat::Json => reply.print()?,
        OutputFormat::Text => {
            let stored = reply.json()?;
            let of = |name| text(&stored, name).unwrap_or_default();
            let until = text(&stored, "until").map_or(String::new(), |until| format!(" until {until}"));
            let (company, account) = (printable(company), printable(account));
            let standing = of("standing");
            output::print(&format!(
                "{HEADING}{company} {account}{HEADING:#}: {standing}{until}: {}\n",
                of("reason")
            ))?;
        }
    }
    Ok(Exit::Success)
}

fn clear(arguments: &ClearArguments) -> Result<Exit, CommandError> {
    let ClearArguments { company, account, daemon, output: FormatArguments { format } } = arguments;
    let (client, path) = (client(daemon)?, standing_path(company, account));
    // The answer to DELETE does not say whether there was a standing.
    let before = client.send(Method::GET, &path, None)?;
    let reply = client.send(Method::DELETE, &path, None)?;
    if let Some(exit) = refused(&reply, *format)? {
        return Ok(exit);
    }
    // A caller may lack the permission to read the standing.
    let was_none = before.status == 404;
    let cleared = if before.status == 200 { before.json().ok() } else { None };
    match format {
        OutputFormat::Json => {
            let whole = json!({"company": company, "account": account, "cleared": cleared});
            output::print(&format!("{whole}\n"))?;
        }
        OutputFormat::Text => {
            let (company, account) = (printable(company), printable(account));
            let was = match cleared {
                Some(cleared) => {
                    let of = |name| text(&cleared, name).unwrap_or_default();
                    format!("cleared; it was {}: {}", of("standing"), of("reason"))
                }
                None if was_none => "no standing to clear".to_owned(),
                None => "no standing any more".to_owned(),
            };
            output::print(&format!("{HEADING}{company} {account}{HEADING:#}: {was}\n"))?;
        }
    }
    Ok(Exit::Success)
}

fn client(DaemonArguments { url, ca, credential }: &DaemonArguments) -> Result<Client, CommandError> {
    Ok(Client::from_url(url, ca.as_deref())?.with_authorization(token::authorization(credential)?))
}

/// Prints the problem of an answer that has one, and returns the exit code of the command.
fn refused(reply: &Reply, format: OutputFormat) -> Result<Option<Exit>, CommandError> {
    let Some(problem) = reply.problem()? else { return Ok(None) };
    if format == OutputFormat::Json {
        reply.print()?;
    }
    problem.print();
    if problem.code == "not_found" && problem.title == "Not found" && reply.status == 404 {
        output::print_error("  --url names the admin listener, which is http://127.0.0.1:7401 by default\n");
    }
    Ok(Some(reply.exit_of_problem()))
}

fn standing_path(company: &str, account: &str) -> String {
    format!("/v1/standings/{}/{}", percent_encoded(company), percent_encoded(account))
}

/// Encodes every byte that is not unreserved (RFC 3986, 2.3).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => {
                // Writing to a `String` cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Returns the line about the principals, the trusted keys or TLS.
fn access_text(member: &str, part: &Value) -> String {
    match member {
        "principals" | "trusted_keys" => {
            let number = part.get("list").and_then(Value::as_array).map_or(0, Vec::len);
            let rejected = if text(part, "error").is_some() { "; the newest file is rejected:" } else { "" };
            format!("{number} in force{rejected}")
        }
        _ => {
            let until = |name| part.get(name).and_then(|part| text(part, "expires"));
            let client_ca = until("client_ca").map_or(String::new(), |at| format!(", client CA until {at}"));
            let rejected =
                if text(part, "error").is_some() { "; the newest files are rejected:" } else { "" };
            format!("certificate until {}{client_ca}{rejected}", until("certificate").unwrap_or_default())
        }
    }
}

/// Returns the reasons why a daemon does not serve what its source has.
fn faults(status: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let snapshot = status.get("snapshot").filter(|snapshot| !snapshot.is_null());
    if snapshot.is_none() {
        faults.push("no snapshot is in service".to_owned());
    }
    if snapshot.and_then(|snapshot| snapshot.get("from_state")).and_then(Value::as_bool) == Some(true) {
        faults.push("the snapshot came from the state directory, because the source gave none".to_owned());
    }
    let outcome = status.get("last_reload").and_then(|reload| text(reload, "outcome"));
    if let Some(outcome) = outcome.filter(|outcome| matches!(&**outcome, "rejected" | "unreadable")) {
        faults.push(format!("the snapshot is stale, because the last reload was {outcome}"));
    }
    if let Some(fleet) = status.get("fleet")
        && let Some(reason) = text(fleet, "reason")
    {
        faults.push(format!("the release of the fleet is not served: {reason}"));
    }
    let held_back = status.get("held_back").and_then(Value::as_array);
    for company in held_back.into_iter().flatten() {
        let name = text(company, "company").unwrap_or_default();
        faults.push(format!("the company {name} is held back"));
    }
    faults
}

fn status_text(status: &Value, faults: &[String]) -> String {
    let mut out = String::new();
    let mut line = |name: &str, words: &str| {
        let _ = writeln!(out, "{name:<10} {words}");
    };
    // The findings of a company that is held back are often those of the last reload.
    let mut shown = HashSet::new();
    let of = |name| text(status, name).unwrap_or_default();
    let uptime = status.get("uptime_seconds").and_then(Value::as_u64).unwrap_or(0);
    line("version", &format!("{}, up {}", of("version"), duration(uptime)));
    line("source", &of("source"));
    match status.get("snapshot").filter(|snapshot| !snapshot.is_null()) {
        None => line("snapshot", &format!("{ERROR}none{ERROR:#}")),
        Some(snapshot) => {
            let generation = snapshot.get("generation").and_then(Value::as_u64).unwrap_or(0);
            let since = text(snapshot, "activated_at")
                .map_or(String::new(), |at| format!(", in service since {at}{}", ago(&at)));
            line("snapshot", &format!("generation {HEADING}{generation}{HEADING:#}{since}"));
            if let Some(built) = text(snapshot, "built_at") {
                line("", &format!("built at {built}{}", ago(&built)));
            }
            let counts = snapshot.get("counts").and_then(Value::as_object);
            let counts: Vec<String> = counts.into_iter().flatten().map(counted).collect();
            line("", &counts.join(", "));
            for name in ["digest", "content"] {
                if let Some(digest) = text(snapshot, name) {
                    line(name, &digest);
                }
            }
            let warnings = snapshot.get("warnings").and_then(|warnings| warnings.get("count"));
            if let Some(number @ 1..) = warnings.and_then(Value::as_u64) {
                let number = count(usize::try_from(number).unwrap_or(usize::MAX), "warning", "warnings");
                line(
                    "warnings",
                    &format!(
                        "{WARNING}{number}{WARNING:#} about the registry; `switchboard check` shows them"
                    ),
                );
            }
        }
    }
    if let Some(reload) = status.get("last_reload").filter(|reload| !reload.is_null()) {
        let outcome = text(reload, "outcome").unwrap_or_default();
        let at = text(reload, "at").map_or(String::new(), |at| format!(" at {at}{}", ago(&at)));
        line("reload", &format!("{outcome}{at}"));
        if let Some(error) = text(reload, "error") {
            line("", &error);
        }
        for finding in findings(reload) {
            finding.lines().for_each(|part| line("", part));
            shown.insert(finding);
        }
    }
    if let Some(fleet) = status.get("fleet") {
        let of = |name| text(fleet, name).unwrap_or_default();
        let generation = fleet.get("release_generation").and_then(Value::as_u64);
        let release =
            generation.map_or("no release".to_owned(), |generation| format!("release {generation}"));
        let reason = text(fleet, "reason").map_or(String::new(), |reason| format!(" ({reason})"));
        let is_connected = fleet.get("connected").and_then(Value::as_bool) == Some(true);
        let connection = if is_connected { "" } else { ", the broker is not connected" };
        line("fleet", &format!("{release}: {}{reason}{connection}", of("state")));
        for name in ["detail", "error"] {
            if let Some(words) = text(fleet, name) {
                line("", &words);
            }
        }
        line("replica", &of("replica_id"));
    }
    for company in status.get("held_back").and_then(Value::as_array).into_iter().flatten() {
        let of = |name| text(company, name).unwrap_or_default();
        let since = text(company, "since").map_or(String::new(), |at| format!(" since {at}{}", ago(&at)));
        line("held back", &format!("{WARNING}{}{WARNING:#}{since}: {}", of("company"), of("reason")));
        let findings = findings(company);
        if findings.is_empty() {
            // The guard gives a cause, but no finding.
            line("", &of("cause"));
        }
        for finding in findings.iter().filter(|finding| !shown.contains(*finding)) {
            finding.lines().for_each(|part| line("", part));
        }
    }
    if let Some(state) = status.get("state").filter(|state| !state.is_null()) {
        let is = |name| state.get(name).and_then(Value::as_bool) != Some(false);
        let writable = if is("writable") { "" } else { ", which cannot be written" };
        let locked = if is("lock") { "" } else { ", which another process writes" };
        line("state", &format!("{}{writable}{locked}", text(state, "path").unwrap_or_default()));
    }
    if let Some(audit) = status.get("audit") {
        let newest = audit.get("seq").and_then(Value::as_u64).zip(text(audit, "hash"));
        if let Some((seq, hash)) = newest {
            line("audit log", &format!("record {seq}, hash {hash}"));
        }
        if let Some(error) = text(audit, "error") {
            line("audit log", &format!("{WARNING}cannot be written{WARNING:#}: {error}"));
        }
    }
    for (name, member) in [("principals", "principals"), ("tls", "tls"), ("keys", "trusted_keys")] {
        let Some(part) = status.get(member).filter(|part| !part.is_null()) else { continue };
        line(name, &access_text(member, part));
        if let Some(error) = text(part, "error") {
            line("", &format!("{ERROR}{error}{ERROR:#}"));
        }
    }
    if let Some(standings) = status.get("standings") {
        let number = |name| standings.get(name).and_then(Value::as_u64).unwrap_or(0);
        let kept = text(standings, "kept").map_or(String::new(), |kept| format!("; kept {kept}"));
        line(
            "standings",
            &format!("{} draining, {} suspended{kept}", number("draining"), number("suspended")),
        );
        if let Some(error) = text(standings, "error") {
            line("", &format!("{ERROR}{error}{ERROR:#}"));
        }
    }
    if faults.is_empty() {
        let _ = writeln!(out, "{SUCCESS}ok{SUCCESS:#}: the daemon serves what its source has");
    }
    for fault in faults {
        let _ = writeln!(out, "{ERROR}error{ERROR:#}: {fault}");
    }
    out
}

/// Returns a count of records with its noun, such as `1 company`.
fn counted((name, number): (&String, &Value)) -> String {
    const NOUNS: [(&str, &str, &str); 5] = [
        ("companies", "company", "companies"),
        ("ous", "OU", "OUs"),
        ("pools", "pool", "pools"),
        ("accounts", "account", "accounts"),
        ("chains", "chain", "chains"),
    ];
    let number = number.as_u64().unwrap_or(0);
    match NOUNS.into_iter().find(|(known, ..)| known == name) {
        Some((_, singular, plural)) => count(usize::try_from(number).unwrap_or(usize::MAX), singular, plural),
        None => format!("{number} {}", printable(name)),
    }
}

/// Returns the first findings of a rejection as text. A finding is a text of several lines, or an object with a place
/// and a message.
fn findings(of: &Value) -> Vec<String> {
    let all = of.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |finding: &Value| match finding.as_str() {
        Some(finding) => finding.lines().map(printable).collect::<Vec<_>>().join("\n"),
        None => {
            let of = |name| text(finding, name).unwrap_or_default();
            let line = finding.get("line").and_then(Value::as_u64).unwrap_or(0);
            format!("{}:{line}: {}[{}]: {}", of("file"), of("severity"), of("code"), of("message"))
        }
    };
    let mut shown: Vec<String> = all.iter().take(MAX_FINDINGS).map(one).collect();
    if let more @ 1.. = all.len().saturating_sub(MAX_FINDINGS) {
        shown.push(format!("… and {more} more; --format json lists all"));
    }
    shown
}

/// Renders a list of standings as a table.
fn table(listed: &Value) -> String {
    let standings = listed.get("standings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if standings.is_empty() {
        return "no standings\n".to_owned();
    }
    // The list of one company names it once.
    let company = text(listed, "company");
    let heading = ["company", "account", "standing", "until", "reason"].map(str::to_owned);
    let row = |standing: &Value| {
        let of = |name| text(standing, name);
        let company = of("company").or(company.clone()).unwrap_or_default();
        let until = of("until").unwrap_or_else(|| "-".to_owned());
        [
            company,
            of("account").unwrap_or_default(),
            of("standing").unwrap_or_default(),
            until,
            of("reason").unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(heading).chain(standings.iter().map(row)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut out = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let cells = cells.join("  ");
        let style = if at == 0 { HEADING } else { anstyle::Style::new() };
        let _ = writeln!(out, "{style}{}{style:#}", cells.trim_end());
    }
    out
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name)?.as_str().map(printable)
}

/// Returns how long ago a time was, such as ` (2h 5m ago)`.
fn ago(time: &str) -> String {
    let elapsed = UnixMillis::from_rfc3339(time).map(|time| (now().0 - time.0) / SECOND_MS);
    match elapsed.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) => format!(" ({} ago)", duration(seconds)),
        None => String::new(),
    }
}

/// Renders the two greatest units of a duration, such as `2h 5m`.
fn duration(seconds: u64) -> String {
    let units = [(DAY_SECONDS, "d"), (60 * 60, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in units {
        let number = rest / unit;
        rest %= unit;
        if number > 0 || !parts.is_empty() || unit == 1 {
            parts.push(format!("{number}{name}"));
        }
    }
    parts.truncate(2);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn duration_has_its_two_greatest_units() {
        let cases = [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3_600, "1h 0m"), (200_000, "2d 7h")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn ids_in_a_path_are_encoded() {
        assert_eq!(standing_path("a&b", "wa%1?"), "/v1/standings/a%26b/wa%251%3F");
    }

    #[test]
    fn finding_has_its_lines_and_is_shown_once() {
        let finding =
            "acme/accounts.csv:2: error[bad_phone]: the number has blanks\n  help: write it without";
        let status = json!({
            "version": "0", "source": "s",
            "snapshot": {"generation": 1, "counts": {"companies": 1, "ous": 2, "pools": 1, "accounts": 0, "others": 3}},
            "last_reload": {"outcome": "rejected", "error": "every change is held back: acme", "findings": [finding]},
            "held_back": [
                {"company": "acme", "reason": "registry", "cause": format!("1 error: {finding}"), "findings": [finding]},
                {"company": "beta", "reason": "guard", "cause": "all accounts are gone", "findings": []},
            ],
        });
        let shown = anstream::adapter::strip_str(&status_text(&status, &[])).to_string();
        assert_eq!(shown.matches("the number has blanks").count(), 1, "{shown}");
        assert_eq!(shown.matches("help: write it without").count(), 1, "{shown}");
        assert_eq!(shown.matches("all accounts are gone").count(), 1, "{shown}");
        assert!(shown.contains("1 company, 2 OUs, 1 pool, 0 accounts, 3 others\n"), "{shown}");
        assert!(shown.contains("acme/accounts.csv:2: ") && !shown.contains('\u{fffd}'), "{shown}");
    }

    #[test]
    fn every_fault_of_a_state_is_named() {
        let good = json!({"snapshot": {"generation": 1, "from_state": false}, "held_back": [],
                          "last_reload": {"outcome": "unchanged"}});
        assert!(faults(&good).is_empty());
        let bad = json!({"snapshot": {"generation": 1, "from_state": true},
                         "held_back": [{"company": "acme"}, {"company": "meridian"}],
                         "last_reload": {"outcome": "unreadable"}});
        assert_eq!(faults(&bad).len(), 4);
        assert_eq!(faults(&json!({"snapshot": null, "last_reload": {"outcome": "rejected"}})).len(), 2);
    }
}
