//! Who goes first where there are fewer cores than threads.

use rustix::process::setpriority_process;

/// Nice values a thread that can wait is above the workers: on a core that is never idle it gets a tenth. A million
/// accounts take a third of a second of processor time to read and prove, which without this a worker on the same
/// core spends waiting, 12 ms at a time.
const LATER: i32 = 10;

/// Lets the workers go before this thread, and those that it starts.
pub(super) fn give_way() {
    // On Linux this is about the calling thread alone. Lowering one's own priority is always allowed.
    if let Err(error) = setpriority_process(None, LATER) {
        tracing::warn!(%error, "the reload thread cannot give way to the workers");
    }
}
