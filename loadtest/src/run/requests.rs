//! The requests of a run: drawn from a registry, or read from a file of queries.

use super::{options::Options, slow_clients::SlowRequests, target::FIRST_GENERATION, testbed::TestBed};
use crate::{
    engine::{OutcomeCounts, Received, Source, WrongAnswer},
    error::{Error, Result},
    scenario::Scenario,
    traffic::{
        PublishedGenerations, Suspensions, Traffic, TrafficConfig, add_header, check_media, get, post,
    },
};
use serde_json::Value;
use std::{fs, path::Path};

/// The requests of a run, and the data that the actors share with them.
pub(crate) struct Requests {
    pub(crate) source: Box<dyn Source + Send>,
    pub(crate) published: PublishedGenerations,
    /// Suspensions of the churned accounts. Without accounts if a file has the queries.
    pub(crate) suspensions: Suspensions,
    pub(crate) slow: SlowRequests,
    /// Reasons why the drawn requests differ from the mix.
    pub(crate) notes: Vec<String>,
}

impl Requests {
    /// Draws the requests of a run, or reads them from a file. Each run needs new ones, because the right
    /// answers depend on the published generations.
    pub(crate) fn new(scenario: &Scenario, options: &Options, testbed: &TestBed) -> Result<Self> {
        let mut requests = match &options.queries {
            Some(queries) => Self::from(Queries::read(queries)?),
            None => Self::from(Self::draw(scenario, options, testbed)?),
        };
        let authorization = testbed.target.authorization();
        requests.source.add_header(&authorization);
        requests.slow.add_header(&authorization);
        Ok(requests)
    }

    /// Draws the requests of a run.
    pub(crate) fn draw(scenario: &Scenario, options: &Options, testbed: &TestBed) -> Result<Traffic> {
        let published = match options.target {
            Some(_) => PublishedGenerations::any(),
            None => PublishedGenerations::new(FIRST_GENERATION),
        };
        let registries: Vec<&Path> = testbed.registries.iter().map(|path| path.as_path()).collect();
        let now = jiff::Timestamp::now().as_second();
        let churned = &testbed.churned;
        let config = TrafficConfig { registries: &registries, churned, seed: options.seed, now };
        Traffic::draw(&scenario.mix, &config, published).map_err(|error| match error {
            Error::Usage(reason) => Error::Usage(format!("{}: {reason}", scenario.name)),
            other => other,
        })
    }
}

impl From<Traffic> for Requests {
    fn from(traffic: Traffic) -> Self {
        let [target, query] = &traffic.sample;
        Self {
            published: traffic.published.clone(),
            suspensions: traffic.suspensions().clone(),
            slow: SlowRequests::new(Some(target), Some(query)),
            notes: traffic.notes().to_vec(),
            source: Box::new(traffic),
        }
    }
}

/// Expected form of a file of queries.
const EXPECTED: &str =
    "one query per line: a JSON object of POST /v1/select, or a URL /v1/select?field=value&… of a GET";

/// Queries of a file, which are sent in turn. Only the form of their answers is checked.
pub struct Queries {
    requests: Vec<Vec<u8>>,
    /// Requests of the first URL and the first object.
    slow: SlowRequests,
    next: usize,
}

impl Queries {
    /// Reads a file with a query per line. Returns an error if a line is no query, or if the file has none.
    pub fn read(path: &Path) -> Result<Queries> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let mut requests = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let malformed = || Error::Usage(format!("{}:{}: expected {EXPECTED}", path.display(), n + 1));
            requests.push(request(line).ok_or_else(malformed)?);
        }
        if requests.is_empty() {
            return Err(Error::Usage(format!("{} has no query: expected {EXPECTED}", path.display())));
        }
        let first = |start: char| text.lines().find(|line| line.starts_with(start));
        Ok(Queries { requests, slow: SlowRequests::new(first('/'), first('{')), next: 0 })
    }
}

impl From<Queries> for Requests {
    fn from(queries: Queries) -> Self {
        Self {
            published: PublishedGenerations::any(),
            suspensions: Suspensions::new(0),
            slow: queries.slow.clone(),
            notes: Vec::new(),
            source: Box::new(queries),
        }
    }
}

/// Returns a line as a request. A path becomes a GET, an object a POST.
fn request(line: &str) -> Option<Vec<u8>> {
    if line.starts_with('/') && line.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(get(line));
    }
    matches!(serde_json::from_str(line), Ok(Value::Object(_))).then(|| post(line))
}

impl Source for Queries {
    fn next(&mut self) -> usize {
        let request = self.next;
        self.next = (request + 1) % self.requests.len();
        request
    }

    fn bytes(&self, request: usize) -> &[u8] {
        self.requests.get(request).map_or(&[], Vec::as_slice)
    }

    fn add_header(&mut self, header: &str) {
        self.requests.iter_mut().for_each(|request| add_header(request, header));
    }

    fn check(
        &mut self,
        _: usize,
        answer: &Received<'_>,
        outcomes: &mut OutcomeCounts,
    ) -> std::result::Result<(), WrongAnswer> {
        let Received { status, body, media, .. } = *answer;
        let text = || String::from_utf8_lossy(body);
        if !matches!(status, 200 | 400 | 404 | 422) {
            return Err(WrongAnswer::Status(format!("{status}: {}", text())));
        }
        check_media(media, status)?;
        let has = |field: &[u8]| body.windows(field.len()).any(|window| window == field);
        let outcome = match status {
            200 if has(b"\"account\":") && has(b"\"rule\":") => "selection",
            400.. if has(b"\"code\":") => "problem",
            _ => {
                let reason = format!("the body is neither a selection nor a problem: {}", text());
                return Err(WrongAnswer::Content(reason));
            }
        };
        *outcomes.entry(outcome).or_default() += 1;
        Ok(())
    }
}
