//! The tree of OUs: every parent exists, nobody stands above itself, and the way up is not endless.

use super::Subject;
use crate::nearest::did_you_mean;
use crate::shown::{shown, shown_list};
use crate::{Code, Findings, Mark, Ou};

/// In levels, so that what counts them fits into 16 bits with room for marks.
const DEEPEST: u32 = 60_000;
/// As many members of a cycle as a message names.
const NAMED: usize = 10;
/// As many others of them as are pointed at.
const POINTED_AT: usize = 3;

/// The tree as far as it is one.
pub(super) struct Tree {
    /// The parent of each OU; `None` also where it is unknown.
    pub(super) parents: Vec<Option<usize>>,
    /// The OUs, each behind its parent; those whose way up is broken are left out.
    pub(super) top_down: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Seen {
    Never,
    OnTheWay,
    /// Levels above it; `None` where the way up ends in a fault.
    Done(Option<u32>),
}

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) -> Tree {
    let ous = &subject.company.ous;
    let mut tree = Tree { parents: vec![None; ous.len()], top_down: Vec::new() };
    let mut broken = vec![false; ous.len()];
    for (at, ou) in ous.iter().enumerate() {
        let Some(parent) = ou.parent.as_deref() else { continue };
        let found = subject.ous.get(parent).copied();
        put(&mut tree.parents, at, found);
        put(&mut broken, at, found.is_none());
        if found.is_none() && !parent.is_empty() && !subject.ous_unread {
            let message = format!("parent {} of OU {} does not exist", shown(parent), shown(&ou.id));
            let help = did_you_mean(parent, subject.ous.keys().copied().filter(|id| *id != &*ou.id), || {
                format!("add an OU {}, or leave the parent out to make this one a root", shown(parent))
            });
            let place = ou.parent_place.as_ref().unwrap_or(&ou.place);
            findings.add(place, Code::UnknownParent, message, help).value("parent");
        }
    }

    let depths = depths(subject, &tree.parents, &broken, findings);
    let mut ordered: Vec<(u32, usize)> =
        subject.first_ous().filter_map(|(at, _)| Some((depths.get(at).copied()??, at))).collect();
    ordered.sort_unstable();
    if let Some((depth, at)) = ordered.last().copied().filter(|&(depth, _)| depth >= DEEPEST)
        && let Some(ou) = ous.get(at)
    {
        let message = format!("OU {} stands on level {}, of at most {DEEPEST}", shown(&ou.id), depth + 1);
        findings.add(&ou.place, Code::Limit, message, "flatten the tree").value("id");
    }
    tree.top_down = ordered.into_iter().map(|(_, at)| at).collect();
    tree
}

/// How deep each OU stands, without recursion: the tree may be sixty thousand levels deep.
fn depths(
    subject: &Subject<'_>,
    parents: &[Option<usize>],
    broken: &[bool],
    findings: &mut Findings,
) -> Vec<Option<u32>> {
    let mut seen = vec![Seen::Never; parents.len()];
    let mut way = Vec::new();
    for start in 0..parents.len() {
        let mut next = Some(start);
        let mut above = None;
        while let Some(at) = next {
            match seen.get(at) {
                Some(Seen::Never) => {
                    put(&mut seen, at, Seen::OnTheWay);
                    way.push(at);
                    next = parents.get(at).copied().flatten();
                    // Holds where the way ends here, at a root or at a parent that is unknown.
                    above = if broken.get(at) == Some(&true) { None } else { Some(0) };
                }
                Some(Seen::Done(depth)) => {
                    above = depth.map(|depth| depth + 1);
                    break;
                }
                Some(Seen::OnTheWay) | None => {
                    let from = way.iter().position(|&on_way| on_way == at).unwrap_or(0);
                    report_cycle(subject, way.get(from..).unwrap_or_default(), findings);
                    above = None;
                    break;
                }
            }
        }
        for at in way.drain(..).rev() {
            put(&mut seen, at, Seen::Done(above));
            above = above.map(|depth| depth + 1);
        }
    }
    let depth = |seen| if let Seen::Done(depth) = seen { depth } else { None };
    seen.into_iter().map(depth).collect()
}

/// Reports a circle at the line of its first member in the file.
fn report_cycle(subject: &Subject<'_>, circle: &[usize], findings: &mut Findings) {
    let first = circle.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(index, _)| index);
    let members: Vec<&Ou> = (circle.iter().cycle().skip(first).take(circle.len()))
        .filter_map(|&at| subject.company.ous.get(at))
        .collect();
    let Some(ou) = members.first() else { return };
    let mut names = shown_list(members.iter().take(NAMED).map(|ou| &*ou.id));
    if members.len() > NAMED {
        names += &format!(" and {} more", members.len() - NAMED);
    }
    let message = match members.len() {
        1 => format!("OU {} is its own parent", shown(&ou.id)),
        _ => format!("the parents of these OUs form a circle: {names}"),
    };
    let help = "give one of them a parent outside the circle, or none";
    let mut added = findings.add(&ou.place, Code::OuCycle, message, help).value("parent");
    for other in members.iter().skip(1).take(POINTED_AT) {
        let label = format!("and so on, by way of {}", shown(&other.id));
        added = added.beside(&other.place, Mark::Value("parent".into()), label);
    }
}

fn put<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}
