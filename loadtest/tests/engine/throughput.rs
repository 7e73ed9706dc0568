//! The closed loop, and the null server.

use crate::{Yes, alone, plan};
use loadtest::{
    engine::{Pace, Plan, measure},
    null,
};
use std::{net::TcpListener, thread, time::Duration};

#[test]
fn a_closed_loop_is_as_fast_as_the_answers() {
    let _alone = alone();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = socket.local_addr().unwrap();
    thread::spawn(move || null::serve(socket, 3));
    let plan = Plan { pace: Pace::AsAnswered, ..plan(target, 1.0, Duration::from_millis(500)) };
    let measured = measure(&plan, &mut Yes, &mut |_| ()).unwrap();
    let step = measured.step;
    assert_eq!(measured.body, 3);
    // `xxx`, not `yes`: every answer is looked at.
    assert_eq!(step.errors["wrong_answer"].first, "xxx");
    assert_eq!(step.errors["wrong_answer"].count, step.due);
    assert!(step.achieved > 1_000.0 && step.due as f64 / step.seconds > 1_000.0, "{}", step.achieved);
    assert!((step.rate - step.achieved).abs() < f64::EPSILON);
}
