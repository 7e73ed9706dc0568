//! The steady load: requests at their scheduled times, and each answer looked at.

use super::{Run, reload};
use crate::http::{self, Answer, Connection, Failure};
use hdrhistogram::Histogram;
use serde_json::Value;
use std::time::{Duration, Instant};

pub(super) const CONNECTIONS: u32 = 4;

/// Lines of a batch.
const LINES: usize = 20;

const JSON: &str = "application/json";

/// Answered by the account whose address each reload changes.
const QUERY: &str = r#"{"channel":"telegram","ou":"zurich","country":"CH"}"#;

struct Question {
    request: String,
    status: u16,
    /// Of each line: a field, and what it must hold.
    field: &'static str,
    value: &'static str,
    lines: usize,
}

fn questions() -> [Question; 4] {
    let get = |target| http::request("GET", target, JSON, "");
    let batch = format!("{QUERY}\n").repeat(LINES);
    [
        Question {
            request: get("/v1/select?channel=whatsapp&ou=london&phone=%2B33612345678"),
            status: 200,
            field: "account",
            value: "wa-global-fr-1",
            lines: 1,
        },
        Question {
            request: http::request("POST", "/v1/select", JSON, QUERY),
            status: 200,
            field: "account",
            value: reload::EDITED,
            lines: 1,
        },
        Question {
            request: get("/v1/select?channel=whatsapp&ou=atlantis&country=GB"),
            status: 404,
            field: "code",
            value: "unknown_ou",
            lines: 1,
        },
        Question {
            request: http::request("POST", "/v1/select/batch", "application/x-ndjson", &batch),
            status: 200,
            field: "account",
            value: reload::EDITED,
            lines: LINES,
        },
    ]
}

/// One of the load's connections, until the run is over. The time of each request is fixed in
/// advance: an answer that is late makes the next ones late too, and their latencies show it.
pub(super) fn steady(run: &Run, n: u32) {
    let mut latencies = match Histogram::<u64>::new(3) {
        Ok(latencies) => latencies,
        Err(error) => return run.tally.failed(("latencies lost", error.to_string())),
    };
    let [get, post, wrong, batch] = questions();
    let step = Duration::from_secs(1) * CONNECTIONS / run.rate;
    let mut due = Instant::now() + step * n / CONNECTIONS;
    let (mut line, mut generation) = (None, 0);
    for turn in 0_u64.. {
        run.sleep_until(due);
        if !run.goes_on() {
            break;
        }
        let question = match turn % 50 {
            49 => &batch,
            few if few % 10 == 9 => &wrong,
            even if even % 2 == 0 => &get,
            _ => &post,
        };
        run.tally.requests.one();
        match ask(run, &mut line, &mut generation, question) {
            Ok(()) => {
                run.tally.as_asked.one();
                // Not saturating_record: that one clips instead of growing, and hides the worst.
                let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                if let Err(error) = latencies.record(micros) {
                    run.tally.failed(("latencies lost", error.to_string()));
                }
            }
            Err(failure) => {
                line = None;
                run.tally.failed(failure);
            }
        }
        due += step;
    }
    run.tally.add(latencies);
}

fn ask(
    run: &Run,
    line: &mut Option<Connection>,
    generation: &mut u64,
    question: &Question,
) -> Result<(), Failure> {
    let mut connection = match line.take() {
        Some(connection) => connection,
        None => {
            *generation = 0;
            Connection::open(run.data)?
        }
    };
    let answer = connection.ask(&question.request)?;
    if !answer.last {
        *line = Some(connection);
    }
    right(&answer, question, generation)
}

fn right(answer: &Answer, question: &Question, generation: &mut u64) -> Result<(), Failure> {
    if answer.status != question.status {
        return Err(("status not as asked for", format!("{} for {}", answer.status, question.status)));
    }
    if answer.body.lines().count() != question.lines {
        return Err(("body not whole", format!("{} lines", answer.body.lines().count())));
    }
    for line in answer.body.lines() {
        let line: Value =
            serde_json::from_str(line).map_err(|error| ("body not whole", error.to_string()))?;
        let said = line.get(question.field).and_then(Value::as_str);
        if said != Some(question.value) {
            return Err(("answer not as asked", format!("{} is {said:?}", question.field)));
        }
        let address = line.get("address").and_then(Value::as_str).unwrap_or_default();
        if question.value == reload::EDITED && !reload::ADDRESSES.contains(&address) {
            return Err(("address of no generation", question.value.to_owned()));
        }
        let now = line.get("generation").and_then(Value::as_u64).unwrap_or(0);
        if now == 0 || now < *generation {
            return Err(("generation went back", format!("{now} after {generation}")));
        }
        *generation = now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_answers_are_seen() {
        let [_, _, wrong, _] = questions();
        let verdict = |status, body: &str, mut before| {
            right(&Answer { status, body: body.to_owned(), last: false }, &wrong, &mut before)
                .map_err(|(kind, _)| kind)
        };
        let good = r#"{"code":"unknown_ou","generation":7}"#;
        assert_eq!(verdict(404, good, 7), Ok(()));
        assert_eq!(verdict(200, good, 7), Err("status not as asked for"));
        assert_eq!(verdict(404, good, 8), Err("generation went back"));
        assert_eq!(verdict(404, r#"{"code":"unknown_"#, 7), Err("body not whole"));
        assert_eq!(verdict(404, "", 7), Err("body not whole"));
        assert_eq!(verdict(404, r#"{"code":"no_pool","generation":7}"#, 7), Err("answer not as asked"));
    }
}
