//! Requests drawn until each outcome has its share.

use super::{
    Ground,
    aim::{Aim, Wants},
    ask::Ask,
    candidates::Sets,
    kind::Kind,
    mix::Mix,
    order::{Order, Population, weights},
    request,
    share::Share,
    targets::Targets,
    worlds::{Read, World},
};
use crate::{
    dice::Dice,
    error::{Error, Result},
};
use oracle::{Query, Verdict};

/// Queries aimed at one request before it is given up; for the second half of them, with nothing wanted of it
/// but its outcome.
const TRIES: usize = 400;

/// What a draw comes to.
pub(super) struct Drawn {
    pub(super) asks: Vec<Ask>,
    pub(super) requests: Vec<Request>,
    pub(super) order: Order,
    /// One of the queries, as a URL and as JSON: one that is answered by a selection, where there is one.
    pub(super) sample: [String; 2],
    pub(super) notes: Vec<String>,
}

/// A request ready to be sent: one query, or many.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) asks: Box<[u32]>,
}

/// Draws by the mix.
pub(super) fn draw(mix: &Mix, ground: &Ground<'_>) -> Result<Drawn> {
    mix.check()?;
    let read = ground.registries.iter().map(|folder| Read::folder(folder, ground.churned));
    let read: Vec<Read> = read.collect::<Result<_>>()?;
    let worlds: Vec<World<'_>> = read.iter().map(|read| World::new(read, ground)).collect();
    let (Some(first), Some(world)) = (read.first(), worlds.first()) else {
        return Err(Error::Usage("there is no registry to draw from: name one".to_owned()));
    };
    let mut sets: Vec<Sets<'_>> = read.iter().map(|read| Sets::new(&read.calm, ground.churned)).collect();
    let mut draw = Draw {
        aim: Aim::new(Targets::of(&first.calm)),
        shares: Shares::of(mix),
        dice: Dice::new(ground.seed, 1),
        several: first.calm.companies.len() > 1,
    };
    let (mut asks, mut requests, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let (mut populations, mut notes) = (Vec::new(), Vec::new());
    let (mut sample, mut selects) = (<[String; 2]>::default(), false);
    let whole: f64 = mix.outcomes.values().sum();
    for (&kind, &weight) in mix.outcomes.iter().filter(|(_, weight)| **weight > 0.0) {
        let wanted = ((mix.distinct as f64 * weight / whole).round() as usize).max(1);
        let begin = asks.len();
        for weight in weights(mix, weight / whole, wanted) {
            let Some((query, post, answers)) = draw.request(kind, weight, world, &worlds, &mut sets) else {
                break;
            };
            let at = asks.len() as u32;
            if at == 0 || (!selects && kind.status() == 200) {
                (sample, selects) = ([request::target(&query), query.text()], kind.status() == 200);
            }
            asks.push(Ask::new(answers, query.phone.as_deref()));
            if mix.batch.is_some() {
                lines.push(query.text());
            } else {
                let bytes = if post { request::post(&query) } else { request::get(&query) };
                requests.push(Request { bytes, asks: Box::new([at]) });
            }
        }
        match asks.len() - begin {
            0 => notes.push(format!(
                "no request that comes to {} was found in this registry: the others have its share",
                kind.text()
            )),
            found => {
                if found < wanted {
                    let name = kind.text();
                    notes.push(format!(
                        "{found} requests that come to {name} were found, of {wanted} asked for"
                    ));
                }
                populations.push(Population::new(mix, weight / whole, begin, found));
            }
        }
    }
    if populations.is_empty() {
        return Err(Error::Refused(format!("nothing can be asked of this registry: {}", notes.join("; "))));
    }
    let mut order = Order::new(populations, Dice::new(ground.seed, 2));
    if let Some(each) = mix.batch {
        requests = batches(&lines, each, &mut order);
        let dice = Dice::new(ground.seed, 3);
        let all = Mix { zipf: None, ..mix.clone() };
        order = Order::new(vec![Population::new(&all, 1.0, 0, requests.len())], dice);
    }
    Ok(Drawn { asks, requests, order, sample, notes })
}

/// As many batches as give each query a place, on average, their lines in the order they'd be asked in.
fn batches(lines: &[String], each: u32, order: &mut Order) -> Vec<Request> {
    let count = lines.len().div_ceil(each as usize).max(16);
    let batch = |_| {
        let asks: Box<[u32]> = (0..each).map(|_| order.next() as u32).collect();
        let queries = asks.iter().filter_map(|at| lines.get(*at as usize)).map(String::as_str);
        Request { bytes: request::batch(queries), asks }
    };
    (0..count).map(batch).collect()
}

/// What has come out so far of each share.
struct Shares {
    phone: Share,
    client: Share,
    post: Share,
    user: Share,
    current_ignored: Share,
    exclude: Share,
    primary: Share,
    strict: Share,
}

impl Shares {
    fn of(mix: &Mix) -> Shares {
        Shares {
            phone: Share::of(mix.phone),
            client: Share::of(mix.client),
            post: Share::of(mix.post),
            user: Share::of(mix.user),
            current_ignored: Share::of(mix.current_ignored),
            exclude: Share::of(mix.exclude),
            primary: Share::of(mix.primary),
            strict: Share::of(mix.strict),
        }
    }
}

struct Draw<'a> {
    aim: Aim<'a>,
    shares: Shares,
    dice: Dice,
    /// A query must name its company.
    several: bool,
}

impl Draw<'_> {
    /// A query that comes to this, whether it is posted, and what it must be answered in each world.
    fn request<'s>(
        &mut self,
        kind: Kind,
        weight: f64,
        world: &'s World<'_>,
        worlds: &'s [World<'_>],
        sets: &mut [Sets<'s>],
    ) -> Option<(Query, bool, Vec<Vec<super::answer::Answer>>)> {
        let wants = self.wants(kind, weight);
        for n in 0..TRIES {
            let wants = if n < TRIES / 2 {
                wants
            } else {
                Wants { phone: wants.phone, client: wants.client, ..Wants::default() }
            };
            let Some(mut query) = self.aim.query(kind, wants, &mut self.dice) else { continue };
            if !self.several && kind != Kind::UnknownCompany && self.dice.per_mille(500) {
                query.company = None;
            }
            let verdict = world.verdict(&query);
            let ignored = match &verdict {
                Verdict::Selected(selected) => selected.current_ignored.is_some(),
                Verdict::Refused(_) => false,
            };
            if Kind::of(&verdict) != Some(kind) || ignored != wants.current_ignored {
                continue;
            }
            let each = worlds.iter().zip(&mut *sets);
            let Some(answers) = each.map(|(world, sets)| world.answers(&query, sets)).collect() else {
                continue;
            };
            let post = self.shares.post.wants(weight, &mut self.dice);
            self.settle(&query, weight, post, ignored);
            return Some((query, post, answers));
        }
        None
    }

    fn wants(&mut self, kind: Kind, weight: f64) -> Wants {
        let (shares, dice) = (&self.shares, &mut self.dice);
        let mut wants = |share: &Share| share.wants(weight, dice);
        let chain = kind.is_of_chain();
        Wants {
            phone: wants(&shares.phone),
            client: wants(&shares.client),
            user: wants(&shares.user),
            current_ignored: wants(&shares.current_ignored) && chain,
            exclude: wants(&shares.exclude) && chain,
            primary: wants(&shares.primary) && chain,
            strict: wants(&shares.strict) && kind == Kind::Country,
        }
    }

    fn settle(&mut self, query: &Query, weight: f64, post: bool, ignored: bool) {
        let shares = &mut self.shares;
        shares.phone.settle(weight, query.phone.is_some());
        shares.client.settle(weight, query.client.is_some());
        shares.post.settle(weight, post);
        shares.user.settle(weight, query.user.is_some());
        shares.current_ignored.settle(weight, ignored);
        shares.exclude.settle(weight, !query.exclude.is_empty());
        shares.primary.settle(weight, query.role.is_some());
        shares.strict.settle(weight, query.fallback.is_some());
    }
}
