//! One row for every country of every OU and channel. Rows are written as they come: a registry of 100,000 OUs has
//! 200 million of them.

use std::io::{self, Write};

use serde::Serialize;

use switchboard_pipeline::analysis::{Scoped, Survey};
use switchboard_snapshot::Snapshot;

const COLUMNS: [&str; 7] = ["company", "ou", "channel", "country", "rule", "climbed", "pool"];

/// A decision as it is listed; [`COLUMNS`] in their order.
#[derive(Clone, Copy, Serialize)]
struct Line<'s> {
    company: &'s str,
    ou: &'s str,
    channel: &'s str,
    country: &'static str,
    /// Or the problem's code.
    rule: &'static str,
    climbed: Option<u32>,
    pool: Option<&'s str>,
}

/// As CSV, with a header; what a problem has not is empty.
pub(super) fn csv(out: &mut dyn Write, survey: &mut Survey<'_>, scope: &[Scoped]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS).map_err(unwrapped)?;
    let mut digits = itoa::Buffer::new();
    each(survey, scope, |line| {
        let Line { company, ou, channel, country, rule, climbed, pool } = line;
        let climbed = climbed.map(|climbed| digits.format(climbed)).unwrap_or_default();
        let record = [company, ou, channel, country, rule, climbed, pool.unwrap_or_default()];
        csv.write_record(record).map_err(unwrapped)
    })?;
    csv.flush()
}

/// The fault of the output itself: whoever reads on, or has gone, is told by its kind.
fn unwrapped(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// As one JSON array; what a problem has not is null.
pub(super) fn json(out: &mut dyn Write, survey: &mut Survey<'_>, scope: &[Scoped]) -> io::Result<()> {
    out.write_all(b"[")?;
    let mut before: &[u8] = b"\n";
    each(survey, scope, |line| {
        out.write_all(before)?;
        before = b",\n";
        serde_json::to_writer(&mut *out, &line)?;
        Ok(())
    })?;
    out.write_all(b"\n]\n")
}

fn each<'s>(
    survey: &mut Survey<'s>,
    scope: &[Scoped],
    mut write: impl FnMut(Line<'s>) -> io::Result<()>,
) -> io::Result<()> {
    let snapshot: &'s Snapshot = survey.snapshot();
    for Scoped { company: number, ous, channels } in scope {
        let company = snapshot.company(*number).id();
        for &ou_number in ous {
            let ou = snapshot.ou(ou_number).id();
            for &channel_number in channels {
                let channel = snapshot.channel(channel_number).id();
                let row = survey.ask(*number, ou_number, channel_number);
                for (country, decision) in survey.row(row).countries() {
                    write(Line {
                        company,
                        ou,
                        channel,
                        country: country.alpha2(),
                        rule: decision.text(),
                        climbed: decision.served().map(|served| served.climbed),
                        pool: decision.served().map(|served| served.pool(snapshot)),
                    })?;
                }
            }
        }
    }
    Ok(())
}
