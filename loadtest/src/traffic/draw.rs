//! Draws requests until each outcome has its share, and the order in which they are sent.

use super::{
    Traffic, TrafficConfig,
    check::{ExpectedAnswers, ProblemTitles},
    expected::{CandidateSets, Expected},
    mix::Mix,
    outcome::Outcome,
    query_generator::{Parts, QueryGenerator},
    registries::{LoadedRegistry, Predictor},
    request,
    serving_state::{PublishedGenerations, Suspensions},
};
use crate::error::{Error, Result};
use generator::SeededRng;
use oracle::{Query, Verdict};
use rand_distr::Zipf;
use switchboard_model::{Rule, SelectError};

/// Number of queries that are generated for one request before it is given up. After half of them, the query
/// need have only the outcome, and none of the optional parts but phone and client.
const MAX_TRIES: usize = 400;

/// Smallest number of batches. With fewer, they would hardly differ.
const MIN_BATCHES: usize = 16;

/// The debt of a share is spread over this multiple of the current request's weight.
const DEBT_SPREAD: f64 = 2.0;

pub(super) struct DrawnRequest {
    pub(super) bytes: Vec<u8>,
    /// Index of the query, or indices of the queries of a batch's lines.
    pub(super) queries: Box<[u32]>,
    pub(super) is_batch: bool,
}

/// Makes a batch of queries with their indices.
impl<'a> FromIterator<(u32, &'a str)> for DrawnRequest {
    fn from_iter<I: IntoIterator<Item = (u32, &'a str)>>(lines: I) -> Self {
        let (queries, lines): (Vec<u32>, Vec<&str>) = lines.into_iter().unzip();
        let bytes = request::post_batch(&(lines.join("\n") + "\n"));
        DrawnRequest { bytes, queries: queries.into(), is_batch: true }
    }
}

impl Traffic {
    /// Draws requests. Their answers may name the generations that are published when the answer is read.
    ///
    /// # Errors
    /// A value of the mix is out of its range, a folder cannot be read, or a registry has errors or no query
    /// of the mix.
    pub fn draw(mix: &Mix, config: &TrafficConfig<'_>, published: PublishedGenerations) -> Result<Traffic> {
        mix.check()?;
        let registries = config.registries.iter().map(|folder| LoadedRegistry::read(folder, config.churned));
        let registries: Vec<LoadedRegistry> = registries.collect::<Result<_>>()?;
        let predictors: Vec<Predictor<'_>> =
            registries.iter().map(|registry| Predictor::new(registry, config)).collect();
        let Some(first) = registries.first() else {
            return Err(Error::Usage(
                "no registry to draw requests from: name one with --registry".to_owned(),
            ));
        };
        let mut draw = QueryDraw {
            generator: QueryGenerator::new(&first.normal),
            shares: mix.shares().map(|(_, percent)| Share::new(percent)),
            rng: SeededRng::new(config.seed, 1),
            names_company: first.normal.companies.len() > 1,
            predictors: &predictors,
            sets: registries.iter().map(|it| CandidateSets::new(&it.normal, config.churned)).collect(),
        };
        let (mut expected, mut requests, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        let (mut populations, mut notes) = (Vec::new(), Vec::new());
        let (mut sample, mut sample_selects) = (<[String; 2]>::default(), false);
        let whole: f64 = mix.outcomes.values().sum();
        let mut outcomes: Vec<_> = mix.outcomes.iter().filter(|(_, weight)| **weight > 0.0).collect();
        // Last, because only these requests can compensate for the parts that others cannot have.
        outcomes.sort_by_key(|(outcome, _)| outcome.is_from_chain());
        for (&outcome, &weight) in outcomes {
            let wanted = ((mix.distinct as f64 * weight / whole).round() as usize).max(1);
            let begin = expected.len();
            for weight in rank_weights(mix, weight / whole, wanted) {
                let Some((query, post, answers)) = draw.request(outcome, weight) else { break };
                let selects = outcome.status() == 200;
                if expected.is_empty() || (!sample_selects && selects) {
                    (sample, sample_selects) = ([request::target(&query), query.text()], selects);
                }
                if mix.batch.is_some() {
                    lines.push(query.text());
                } else {
                    let bytes = match post {
                        true => request::post(&query.text()),
                        false => request::get(&request::target(&query)),
                    };
                    let queries = Box::new([expected.len() as u32]);
                    requests.push(DrawnRequest { bytes, queries, is_batch: false });
                }
                expected.push(ExpectedAnswers::new(answers, query.phone.as_deref()));
            }
            let (found, name) = (expected.len() - begin, outcome.as_str());
            if found == 0 {
                notes.push(format!(
                "no request with the outcome {name} was found in this registry: the other outcomes get its share"
            ));
                continue;
            }
            if found < wanted {
                notes.push(format!("only {found} of {wanted} requests with the outcome {name} were found"));
            }
            populations.push(Population::new(mix.zipf, weight / whole, begin, found));
        }
        if populations.is_empty() {
            return Err(Error::Refused(format!(
                "the registry has no query of this mix: {}",
                notes.join("; ")
            )));
        }
        let mut order = RequestOrder::new(populations, SeededRng::new(config.seed, 2));
        if let Some(batch_lines) = mix.batch {
            requests = batches(&lines, batch_lines, &mut order);
            let all = Population::new(None, 1.0, 0, requests.len());
            order = RequestOrder::new(vec![all], SeededRng::new(config.seed, 3));
        }
        Ok(Traffic {
            expected,
            requests,
            order,
            selections: mix.batch.unwrap_or(1).into(),
            interleaved: None,
            published,
            suspensions: Suspensions::new(config.churned.len()),
            titles: ProblemTitles::new(),
            last_generations: Vec::new(),
            sample,
            notes,
        })
    }
}

/// Returns as many batches as give each query one line on average. Lines have the order of single requests.
fn batches(lines: &[String], batch_lines: u32, order: &mut RequestOrder) -> Vec<DrawnRequest> {
    let count = lines.len().div_ceil(batch_lines as usize).max(MIN_BATCHES);
    let batch = |_| {
        let queries = (0..batch_lines).map(|_| order.next());
        queries.filter_map(|at| Some((at as u32, &**lines.get(at)?))).collect()
    };
    (0..count).map(batch).collect()
}

pub(super) struct Interleaved {
    /// Number of requests of which one is a batch.
    interval: usize,
    /// Number of the first batch.
    first: usize,
    sent: usize,
}

impl Interleaved {
    /// Returns the number of the next request if it is a batch.
    pub(super) fn next(&mut self, requests: usize) -> Option<usize> {
        self.sent += 1;
        let batch = self.sent.is_multiple_of(self.interval).then_some(self.sent / self.interval)?;
        Some(self.first + batch.checked_rem(requests - self.first)?)
    }
}

impl Traffic {
    /// Adds batches of the posted queries. One is sent after every `interval` - 1 single requests.
    pub(crate) fn interleave_batches(&mut self, lines: usize, interval: usize) {
        let posted = self.requests.iter().filter(|request| request.bytes.starts_with(b"POST "));
        let posted = posted.filter_map(|request| {
            let (_, body) = str::from_utf8(&request.bytes).ok()?.split_once("\r\n\r\n")?;
            Some((*request.queries.first()?, body))
        });
        let posted: Vec<(u32, &str)> = posted.collect();
        let batches = posted.chunks(lines).map(|lines| lines.iter().copied().collect());
        let batches: Vec<DrawnRequest> = batches.collect();
        self.interleaved = Some(Interleaved { interval, first: self.requests.len(), sent: 0 });
        self.requests.extend(batches);
    }
}

struct QueryDraw<'a> {
    generator: QueryGenerator<'a>,
    /// Shares of the optional parts in the order of [`Mix::shares`].
    shares: [Share; 8],
    rng: SeededRng,
    names_company: bool,
    predictors: &'a [Predictor<'a>],
    sets: Vec<CandidateSets<'a>>,
}

impl QueryDraw<'_> {
    /// Returns a query with this outcome, whether it is sent by POST, and its answers in each registry.
    fn request(&mut self, outcome: Outcome, weight: f64) -> Option<(Query, bool, Vec<Vec<Expected>>)> {
        let wanted = self.wanted(outcome, weight);
        for n in 0..MAX_TRIES {
            let wanted = match n < MAX_TRIES / 2 {
                true => wanted,
                false => Parts { phone: wanted.phone, client: wanted.client, ..Parts::default() },
            };
            let Some(mut query) = self.generator.query(outcome, wanted, &mut self.rng) else { continue };
            if !self.names_company
                && outcome != Outcome::Refused(SelectError::UnknownCompany)
                && self.rng.per_mille(500)
            {
                query.company = None;
            }
            let verdict = self.predictors.first()?.verdict(&query);
            let current_ignored =
                matches!(&verdict, Verdict::Selected(selected) if selected.current_ignored.is_some());
            if Outcome::from_verdict(&verdict) != Some(outcome) || current_ignored != wanted.current_ignored {
                continue;
            }
            let each = self.predictors.iter().zip(&mut self.sets);
            let Some(answers) = each.map(|(predictor, sets)| predictor.answers(&query, sets)).collect()
            else {
                continue;
            };
            let [.., post] = &self.shares;
            let post = post.wants(weight, &mut self.rng);
            // In the order of `Mix::shares`.
            let parts = [
                query.phone.is_some(),
                query.client.is_some(),
                query.user.is_some(),
                current_ignored,
                !query.exclude.is_empty(),
                query.role.is_some(),
                query.fallback.is_some(),
                post,
            ];
            self.shares.iter_mut().zip(parts).for_each(|(share, has)| share.settle(weight, has));
            return Some((query, post, answers));
        }
        None
    }

    fn wanted(&mut self, outcome: Outcome, weight: f64) -> Parts {
        let [phone, client, user, current_ignored, exclude, primary, strict, _] = &self.shares;
        let mut wants = |share: &Share| share.wants(weight, &mut self.rng);
        let chain = outcome.is_from_chain();
        Parts {
            phone: wants(phone),
            client: wants(client),
            user: wants(user),
            current_ignored: wants(current_ignored) && chain,
            exclude: wants(exclude) && chain,
            primary: wants(primary) && chain,
            strict: wants(strict) && outcome == Outcome::Selected(Rule::Country),
        }
    }
}

/// A share of requests with unequal weights. The following requests compensate for an excess or a deficit,
/// even if the first request weighs as much as a thousand others.
pub struct Share {
    wanted: f64,
    /// Sum of the weights of all requests.
    pub all: f64,
    /// Sum of the weights of the requests with the part.
    pub given: f64,
}

impl Share {
    /// Creates a share of this percentage, without requests.
    pub fn new(percent: f64) -> Share {
        Share { wanted: percent / 100.0, all: 0.0, given: 0.0 }
    }

    /// Draws whether the next request has the part.
    pub fn wants(&self, weight: f64, rng: &mut SeededRng) -> bool {
        let debt = self.wanted * self.all - self.given;
        rng.fraction() < self.wanted + debt / (DEBT_SPREAD * weight)
    }

    /// Records the weight of a request, and whether the request has the part.
    pub fn settle(&mut self, weight: f64, has: bool) {
        self.all += weight;
        if has {
            self.given += weight;
        }
    }
}

/// The requests of one outcome. They have consecutive numbers. The busiest client is first.
pub(super) struct Population {
    weight: f64,
    first: usize,
    len: usize,
    /// Distribution of the clients. `None` if they are equally busy.
    zipf: Option<Zipf<f64>>,
}

impl Population {
    fn new(exponent: Option<f64>, weight: f64, first: usize, len: usize) -> Population {
        // `Mix::check` allows only exponents that the distribution accepts.
        let zipf = exponent.and_then(|exponent| Zipf::new(len as f64, exponent).ok());
        Population { weight, first, len, zipf }
    }
}

/// Returns the weight of each rank of a population. The sum of the weights is `weight`.
fn rank_weights(mix: &Mix, weight: f64, len: usize) -> Vec<f64> {
    let exponent = mix.zipf.unwrap_or(0.0);
    let raw: Vec<f64> = (1..=len).map(|rank| (rank as f64).powf(-exponent)).collect();
    let whole: f64 = raw.iter().sum();
    raw.into_iter().map(|one| one * weight / whole).collect()
}

/// Draws the numbers of requests: first an outcome by its weight, then one of its clients.
pub(super) struct RequestOrder {
    rng: SeededRng,
    populations: Vec<Population>,
    whole: f64,
}

impl RequestOrder {
    fn new(populations: Vec<Population>, rng: SeededRng) -> RequestOrder {
        let whole = populations.iter().map(|it| it.weight).sum();
        RequestOrder { rng, populations, whole }
    }

    pub(super) fn next(&mut self) -> usize {
        let mut left = self.rng.fraction() * self.whole;
        let last = self.populations.len().saturating_sub(1);
        for (at, population) in self.populations.iter().enumerate() {
            if left < population.weight || at == last {
                let rank = match &population.zipf {
                    Some(zipf) => self.rng.rank(zipf).min(population.len - 1),
                    None => self.rng.below(population.len),
                };
                return population.first + rank;
            }
            left -= population.weight;
        }
        0
    }
}
