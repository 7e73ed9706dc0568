//! A standing that is set and lifted again, several times a second.

use super::Run;
use crate::http::{self, Connection, Failure};
use std::time::{Duration, Instant};

/// An account that the load is never answered with.
const TARGET: &str = "/v1/standings/acme/wa-research-gb-1";

pub(super) fn flap(run: &Run) {
    let draining = r#"{"standing":"draining","reason":"soak"}"#;
    let put = http::request("PUT", TARGET, "application/json", draining);
    let delete = http::request("DELETE", TARGET, "application/json", "");
    let mut line = None;
    while run.goes_on() {
        for (request, status) in [(&put, 200), (&delete, 204)] {
            match change(run, &mut line, request, status) {
                Ok(()) => run.tally.standings.one(),
                Err(failure) => {
                    line = None;
                    run.tally.failed(failure);
                }
            }
        }
        run.sleep_until(Instant::now() + Duration::from_millis(200));
    }
}

fn change(run: &Run, line: &mut Option<Connection>, request: &str, status: u16) -> Result<(), Failure> {
    let mut connection = match line.take() {
        Some(connection) => connection,
        None => Connection::open(run.admin)?,
    };
    let answer = connection.ask(request)?;
    if !answer.last {
        *line = Some(connection);
    }
    if answer.status == status {
        return Ok(());
    }
    Err(("standing refused", format!("status {} for {status}", answer.status)))
}
