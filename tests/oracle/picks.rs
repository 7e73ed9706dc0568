//! The pick among equal accounts: shares follow the weights, no client moves without need, and a client keeps
//! its account.

use std::collections::BTreeSet;

use super::groups::{Group, Member, assert_fair, tally};

/// Numbers of accounts in the tested groups.
const SIZES: [usize; 6] = [2, 5, 33, 300, 3_000, 10_000];
/// Clients that each group serves.
const CLIENTS: usize = 10_000;

/// Returns groups of every size, with equal weights and with mixed weights from 1 to 1000.
fn groups() -> impl Iterator<Item = Group> {
    SIZES.into_iter().flat_map(|size| {
        let equal = Group::from_weights((0..size).map(|_| 1));
        let mixed = Group::from_weights((0..size).map(|n| [1, 2, 10, 3, 1000, 250, 7][n % 7]));
        [equal, mixed]
    })
}

#[test]
fn shares_follow_the_weights() {
    const MANY: usize = 100_000;
    let group = Group::from_weights([1, 2, 3, 4]);
    let picks = group.serve().picks(MANY, None);
    let tally = tally(&picks);
    for (id, share) in group.shares() {
        let n = MANY as f64;
        let strays = (tally[id] - n * share).abs();
        assert!(strays <= 0.01 * n, "{id} has {} of {n}, not {share}", tally[id]);
        assert!(
            strays <= 3.0 * (n * share * (1.0 - share)).sqrt(),
            "{id} has {} of {n}, not {share}",
            tally[id]
        );
    }
}

#[test]
fn shares_follow_the_weights_in_groups_of_every_size() {
    for group in groups() {
        assert_fair(&group, &group.serve().picks(CLIENTS, None));
    }
}

#[test]
fn shares_follow_the_weights_by_phone_too() {
    for weights in [vec![1, 2, 3, 4], vec![5; 300]] {
        let group = Group::from_weights(weights);
        let serving = group.serve();
        let picks: Vec<String> = (0..20_000).map(|number| serving.pick_by_phone(number)).collect();
        assert_fair(&group, &picks);
    }
}

#[test]
fn picks_without_a_client_follow_the_weights() {
    for weights in
        [vec![1, 2, 3, 4], vec![1; 5], vec![3; 300], [1; 150].into_iter().chain([9; 150]).collect()]
    {
        let group = Group::from_weights(weights);
        let serving = group.serve();
        let picks: Vec<String> = (0..20_000).map(|_| serving.pick_without_client()).collect();
        assert_fair(&group, &picks);
    }
}

#[test]
fn clients_of_a_removed_account_are_spread_by_weight() {
    for weights in [vec![1, 2, 3, 4], vec![1; 33], vec![1; 300]] {
        let group = Group::from_weights(weights);
        let gone = group.0[0].id.clone();
        assert_fair(&group.without(&gone), &group.serve().picks(20_000, Some(&gone)));
    }
}

#[test]
fn removing_an_account_moves_only_its_own_clients() {
    for group in groups() {
        let serving = group.serve();
        let before = serving.picks(CLIENTS, None);
        let gone = busiest(&before);
        let what = format!("{} accounts without {gone}", group.0.len());
        let ways = [
            ("excluded", serving.picks(CLIENTS, Some(&gone))),
            ("suspended", group.with_suspended(&gone).serve().picks(CLIENTS, None)),
            ("removed", group.without(&gone).serve().picks(CLIENTS, None)),
        ];
        for (way, after) in ways {
            let moved =
                (0..CLIENTS).filter(|client| before[*client] != gone && after[*client] != before[*client]);
            assert_eq!(moved.count(), 0, "of {CLIENTS} clients moved between other accounts: {what}, {way}");
            assert!(!after.contains(&gone), "{what}, {way}, is picked");
        }
    }
}

#[test]
fn removing_many_accounts_moves_only_their_clients() {
    // Half of the accounts are suspended, as after many retries with `exclude`.
    for group in groups() {
        let mut half = group.clone();
        half.0.iter_mut().step_by(2).for_each(|member| member.state = "suspended");
        let gone: BTreeSet<&str> = half.0.iter().step_by(2).map(|member| &*member.id).collect();
        let (before, after) = (group.serve().picks(CLIENTS, None), half.serve().picks(CLIENTS, None));
        for (before, after) in before.iter().zip(&after) {
            assert!(gone.contains(before.as_str()) || before == after, "{before} lost a client to {after}");
            assert!(!gone.contains(after.as_str()), "{after} is suspended, and picked");
        }
        let left = Group(half.0.iter().filter(|member| member.state == "active").cloned().collect());
        assert_fair(&left, &after);
    }
}

#[test]
fn adding_an_account_moves_only_the_clients_that_it_gains() {
    for group in groups() {
        let before = group.serve().picks(CLIENTS, None);
        for weight in [1, 1000] {
            let mut more = group.clone();
            more.0.push(Member { id: "added".to_owned(), weight, state: "active" });
            let after = more.serve().picks(CLIENTS, None);
            let strays =
                before.iter().zip(&after).filter(|(before, after)| before != after && *after != "added");
            let size = group.0.len();
            assert_eq!(strays.count(), 0, "of {CLIENTS} clients moved between the {size} that were there");
            assert_fair(&more, &after);
        }
    }
}

#[test]
fn client_keeps_its_account_in_another_generation_and_order_of_rows() {
    for group in groups() {
        let before = group.serve().picks(CLIENTS, None);
        assert_eq!(before, group.serve_as(2).picks(CLIENTS, None), "another generation");
        assert_eq!(before, group.shuffled().serve_as(3).picks(CLIENTS, None), "rows in another order");
    }
}

/// Returns the account with the most clients.
fn busiest(picks: &[String]) -> String {
    let most = tally(picks).into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
    most.map(|(id, _)| id.to_owned()).expect("a client")
}
