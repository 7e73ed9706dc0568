//! The facts of an explanation. All of them come from the JSON of `/v1/explain`, online and offline, so that both have
//! the same text. A trace adds what the JSON does not have: then its fields are `Some`.

use jiff::Timestamp;
use serde_json::Value;
use switchboard_model::{Condition, QueryField, Rule};
use switchboard_select::{
    Availability, CurrentIgnored, CurrentOutcome, MAX_LISTED_CANDIDATES, Trace, TracedStep, TracedUser,
};
use switchboard_snapshot::{AccountIdx, Snapshot};

use crate::cli::output::printable;

/// The outcome of the account that was selected.
const CHOSEN: &str = "chosen";
/// The availability of an account that is kept.
pub(super) const CURRENT: &str = "current";

/// An explanation. Its texts are printable.
pub(super) struct Explanation {
    pub(super) answer: ExplainedAnswer,
    pub(super) client: ExplainedClient,
    pub(super) query: Asked,
    pub(super) current: Option<Current>,
    pub(super) user: Option<User>,
    pub(super) levels: Vec<Level>,
    /// Whether `levels` has every OU with pools. Without a trace, a level without a step is not known.
    pub(super) has_all_levels: bool,
}

pub(super) enum ExplainedAnswer {
    Selected(Selected),
    Problem { code: String, title: String, detail: String },
}

/// The answer of `/v1/select`.
pub(super) struct Selected {
    pub(super) account: String,
    pub(super) address: String,
    pub(super) channel: String,
    pub(super) role: Option<String>,
    pub(super) country: Option<String>,
    pub(super) rule: String,
    pub(super) pool: Option<String>,
    pub(super) ou: Option<String>,
    pub(super) climbed: u32,
    pub(super) client_country: Option<String>,
    pub(super) current_ignored: Option<String>,
}

/// The client's country.
pub(super) struct ExplainedClient {
    pub(super) country: Option<String>,
    /// The field that the country comes from.
    pub(super) source: String,
    pub(super) is_guessed: bool,
    pub(super) has_conflict: bool,
}

/// The query.
pub(super) struct Asked {
    pub(super) channel: String,
    pub(super) ou: String,
    pub(super) company: Option<String>,
    pub(super) role: Option<String>,
    /// Whether the role is the conversation role of the channel.
    pub(super) is_usual_role: Option<bool>,
    pub(super) without_fallback: bool,
    pub(super) has_phone: bool,
    /// Whether the query names the client, so that the client gets the same account each time.
    pub(super) names_client: bool,
}

/// The account that the client talks to.
pub(super) struct Current {
    /// The id. `None` if the company has no such account: then the text may be any, such as a phone number.
    pub(super) account: Option<String>,
    pub(super) outcome: CurrentFate,
}

pub(super) enum CurrentFate {
    Kept {
        is_draining: bool,
    },
    /// The reason is `None` if the answer is a problem, which does not have the reason.
    Ignored(Option<String>),
}

/// The user of the query.
pub(super) struct User {
    /// The dedicated account, if the user has one on the channel.
    pub(super) account: Option<ExplainedCandidate>,
    /// A user with a similar id.
    pub(super) near: Option<String>,
    /// Whether the role of the query is that of dedicated accounts.
    pub(super) has_fitting_role: Option<bool>,
}

/// A level of the chain.
pub(super) struct Level {
    pub(super) ou: String,
    pub(super) climbed: u32,
    pub(super) is_root: Option<bool>,
    pub(super) steps: Vec<Step>,
}

pub(super) struct Step {
    pub(super) rule: String,
    pub(super) pool: String,
    pub(super) country: Option<String>,
    pub(super) candidates: Vec<ExplainedCandidate>,
    /// The other candidates by their availability, if it is known.
    pub(super) unlisted: Unlisted,
}

/// The candidates that the JSON does not list.
pub(super) enum Unlisted {
    Counted(usize),
    ByAvailability(Vec<(&'static str, usize)>),
}

/// An account with its availability.
pub(super) struct ExplainedCandidate {
    pub(super) account: String,
    pub(super) is_chosen: bool,
    /// `available`, `draining`, `suspended`, `excluded` or `resting`; [`CURRENT`] for an account that is kept.
    pub(super) availability: String,
    /// Whether a live standing restricts the account, and not the registry.
    pub(super) by_standing: bool,
    pub(super) rests_until: Option<String>,
    pub(super) weight: Option<u16>,
}

impl Explanation {
    /// Reads the JSON of `/v1/explain`. `fields` are those of the query.
    pub(super) fn from_json(json: &Value, fields: &[(&str, &str)]) -> Explanation {
        let field = |of: QueryField| {
            fields.iter().find(|(name, _)| *name == of.as_str()).map(|(_, value)| printable(value))
        };
        let answer = match (json.get("selection"), json.get("problem")) {
            (Some(selection), _) => ExplainedAnswer::Selected(Selected::from_json(selection)),
            (None, problem) => {
                let of = |name| problem.and_then(|problem| text(problem, name)).unwrap_or_default();
                ExplainedAnswer::Problem { code: of("code"), title: of("title"), detail: of("detail") }
            }
        };
        let client = json.get("client").unwrap_or(&Value::Null);
        let client = ExplainedClient {
            country: text(client, "country"),
            source: text(client, "source").unwrap_or_default(),
            is_guessed: is(client, "guessed"),
            has_conflict: is(client, "conflict"),
        };
        let mut levels = levels(json);
        if answer.is_by(Rule::Current) {
            // An account that is kept may be draining, which the JSON does not say.
            let steps = levels.iter_mut().flat_map(|level| &mut level.steps);
            let candidates = steps.flat_map(|step| &mut step.candidates);
            candidates
                .filter(|candidate| candidate.is_chosen)
                .for_each(|candidate| CURRENT.clone_into(&mut candidate.availability));
        }
        let role = field(QueryField::Role);
        let names_client = [QueryField::Client, QueryField::Phone, QueryField::Bsuid]
            .into_iter()
            .any(|of| field(of).is_some());
        let query = Asked {
            channel: field(QueryField::Channel).unwrap_or_default(),
            ou: field(QueryField::Ou).unwrap_or_default(),
            company: field(QueryField::Company),
            role: role.clone().or_else(|| answer.selected()?.role.clone()),
            is_usual_role: role.is_none().then_some(true),
            without_fallback: field(QueryField::Fallback).is_some_and(|fallback| fallback == "none"),
            has_phone: field(QueryField::Phone).is_some(),
            names_client,
        };
        let current = field(QueryField::Current).map(|id| Current::new(id, &answer, &levels));
        let user = json.get("user").map(|user| User {
            account: user.get("account").map(|_| ExplainedCandidate::from_json(user)),
            near: text(user, "near"),
            has_fitting_role: query.is_usual_role,
        });
        let has_all_levels = client.country.is_some();
        Explanation { answer, client, query, current, user, levels, has_all_levels }
    }

    /// Adds what only a trace has. The JSON is that of the same trace.
    pub(super) fn add_trace(&mut self, snapshot: &Snapshot, trace: &Trace) {
        let asked = &trace.query;
        let usual = snapshot.channel(asked.channel).conversation_role();
        self.query.company = Some(printable(snapshot.company(asked.company).id()));
        self.query.role = Some(asked.role.as_str().to_owned());
        self.query.is_usual_role = Some(asked.role == usual);
        self.current = trace.current.map(|current| Current {
            account: current.account.map(|account| printable(snapshot.account(account).id())),
            outcome: match current.outcome {
                CurrentOutcome::Kept => CurrentFate::Kept {
                    is_draining: current
                        .account
                        .is_some_and(|account| snapshot.account(account).condition() == Condition::Draining),
                },
                CurrentOutcome::Ignored(why) => CurrentFate::Ignored(Some(why.as_str().to_owned())),
            },
        });
        if let Some(user) = &mut self.user {
            user.has_fitting_role = Some(asked.role == usual);
            if let (Some(candidate), Some(TracedUser::Account(account, _))) = (&mut user.account, &trace.user)
            {
                candidate.add_record(snapshot, *account);
            }
        }
        let mut steps = std::mem::take(&mut self.levels).into_iter().flat_map(|level| level.steps);
        let mut traced = trace.steps.iter().peekable();
        let chosen = trace.answer.result.ok().map(|selection| selection.account);
        for level in &trace.levels {
            let mut of_level = Vec::new();
            while let Some(traced) = traced.next_if(|step| step.location.climbed == level.climbed) {
                let Some(mut step) = steps.next() else { break };
                step.add_trace(snapshot, traced, chosen);
                of_level.push(step);
            }
            self.levels.push(Level {
                ou: printable(snapshot.ou(level.ou).id()),
                climbed: level.climbed,
                is_root: Some(snapshot.ou(level.ou).depth() == 0),
                steps: of_level,
            });
        }
        self.has_all_levels = true;
    }
}

impl ExplainedAnswer {
    pub(super) fn selected(&self) -> Option<&Selected> {
        match self {
            ExplainedAnswer::Selected(selected) => Some(selected),
            ExplainedAnswer::Problem { .. } => None,
        }
    }

    /// Returns whether the selected account has this rule.
    pub(super) fn is_by(&self, rule: Rule) -> bool {
        self.selected().is_some_and(|selected| selected.rule == rule.as_str())
    }
}

impl Selected {
    /// Reads the JSON of `/v1/select`.
    pub(super) fn from_json(json: &Value) -> Selected {
        let of = |name| text(json, name);
        Selected {
            account: of("account").unwrap_or_default(),
            address: of("address").unwrap_or_default(),
            channel: of("channel").unwrap_or_default(),
            role: of("role"),
            country: of("country"),
            rule: of("rule").unwrap_or_default(),
            pool: of("pool"),
            ou: of("ou"),
            climbed: number(json, "climbed"),
            client_country: of("client_country"),
            current_ignored: of("current_ignored"),
        }
    }
}

impl Current {
    /// Derives the outcome of the account with this id. A problem has no reason, but the candidates may have one.
    fn new(id: String, answer: &ExplainedAnswer, levels: &[Level]) -> Current {
        let candidates = levels.iter().flat_map(|level| &level.steps).flat_map(|step| &step.candidates);
        let found = || candidates.clone().find(|candidate| candidate.account == id);
        let outcome = match answer {
            _ if answer.is_by(Rule::Current) => CurrentFate::Kept { is_draining: false },
            ExplainedAnswer::Selected(selected) => CurrentFate::Ignored(selected.current_ignored.clone()),
            ExplainedAnswer::Problem { .. } => {
                CurrentFate::Ignored(found().map(|found| found.availability.clone()))
            }
        };
        let is_unknown = match &outcome {
            CurrentFate::Ignored(Some(why)) => why == CurrentIgnored::Unknown.as_str(),
            CurrentFate::Ignored(None) => true,
            CurrentFate::Kept { .. } => false,
        };
        Current { account: (!is_unknown).then_some(id), outcome }
    }
}

impl Step {
    fn from_json(json: &Value) -> Step {
        let candidates = json.get("candidates").and_then(Value::as_array);
        Step {
            rule: text(json, "rule").unwrap_or_default(),
            pool: text(json, "pool").unwrap_or_default(),
            country: text(json, "country"),
            candidates: candidates.into_iter().flatten().map(ExplainedCandidate::from_json).collect(),
            unlisted: Unlisted::Counted(number(json, "more") as usize),
        }
    }

    fn add_trace(&mut self, snapshot: &Snapshot, traced: &TracedStep, chosen: Option<AccountIdx>) {
        let chosen = chosen.filter(|_| self.candidates.iter().any(|candidate| candidate.is_chosen));
        let listed: Vec<(AccountIdx, Availability)> = traced.listed(MAX_LISTED_CANDIDATES, chosen).collect();
        for (candidate, (account, _)) in self.candidates.iter_mut().zip(&listed) {
            candidate.add_record(snapshot, *account);
        }
        let count = |of: Availability, all: &[(AccountIdx, Availability)]| {
            all.iter().filter(|(_, availability)| *availability == of).count()
        };
        let counts = Availability::ALL
            .map(|of| (of.as_str(), count(of, &traced.candidates).saturating_sub(count(of, &listed))));
        self.unlisted = Unlisted::ByAvailability(counts.to_vec());
    }

    /// Returns the number of all candidates.
    pub(super) fn len(&self) -> usize {
        self.candidates.len() + self.unlisted.len()
    }
}

impl Unlisted {
    pub(super) fn len(&self) -> usize {
        match self {
            Unlisted::Counted(number) => *number,
            Unlisted::ByAvailability(counts) => counts.iter().map(|(_, number)| number).sum(),
        }
    }
}

impl ExplainedCandidate {
    fn from_json(json: &Value) -> ExplainedCandidate {
        let outcome = text(json, "outcome").unwrap_or_default();
        let is_chosen = outcome == CHOSEN;
        ExplainedCandidate {
            account: text(json, "account").unwrap_or_default(),
            is_chosen,
            availability: if is_chosen { Availability::Available.as_str().to_owned() } else { outcome },
            by_standing: text(json, "by").is_some_and(|by| by == "standing"),
            rests_until: None,
            weight: None,
        }
    }

    fn add_record(&mut self, snapshot: &Snapshot, account: AccountIdx) {
        let record = snapshot.account(account);
        let until = record.available_from().and_then(|until| Timestamp::from_second(until.0).ok());
        self.rests_until = until.map(|until| until.to_string().trim_end_matches("T00:00:00Z").to_owned());
        self.weight = Some(record.weight());
    }
}

/// Returns the levels that have steps.
fn levels(json: &Value) -> Vec<Level> {
    let steps = json.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let place = |step: &Value| (text(step, "ou").unwrap_or_default(), number(step, "climbed"));
    let levels = steps.chunk_by(|a, b| place(a) == place(b)).filter_map(|steps| {
        let (ou, climbed) = place(steps.first()?);
        let steps = steps.iter().map(Step::from_json).collect();
        Some(Level { ou, climbed, is_root: None, steps })
    });
    levels.collect()
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name)?.as_str().map(printable)
}

fn is(of: &Value, name: &str) -> bool {
    of.get(name).and_then(Value::as_bool) == Some(true)
}

fn number(of: &Value, name: &str) -> u32 {
    of.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}
