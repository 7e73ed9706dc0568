# Commands for contributors: `just` lists them. CONTRIBUTING.md says when each is needed.
# Install: `cargo install just`, or the package `just` of your system.

# List the commands.
default:
    @just --list --unsorted

# Serve the demo registry on 127.0.0.1:7400, with metrics and status on :7401.
run *options:
    cargo run --release -- {{ options }}

# Check that the whole workspace compiles, tests and benches included.
check:
    cargo check --workspace --all-targets --locked

# Run the tests; a filter selects some: `just test reload`.
test filter='':
    cargo test --workspace --locked -- {{ filter }}

# Run one long test, which `just test` ignores: `just test-long kills`.
test-long filter:
    cargo test --release --workspace --locked -- --ignored --nocapture {{ filter }}

# Format the code, then report lints and faults of the documentation.
lint:
    cargo fmt --all
    cargo fmt --manifest-path fuzz/Cargo.toml
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Run everything that must pass before a change lands, about 20 minutes.
ci:
    .ci/run

# Write the generated files again: number table, schemas, golden snapshot.
regenerate:
    SWITCHBOARD_REGENERATE=1 cargo test --workspace --locked

# Compare instruction counts with the baseline (needs valgrind and jq).
instructions:
    .ci/instructions

# Write a new instruction baseline; the commit says why it moves.
renew-instructions:
    .ci/instructions --renew

# Measure the time of each part; a filter selects some: `just bench select`.
bench filter='':
    cargo bench -p benches -- {{ filter }}

# Put load on a daemon and report latencies: `just loadtest run ramp`.
loadtest *arguments:
    cargo run --release -p loadtest -- {{ arguments }}

# Fuzz one target for a minute (needs cargo-fuzz): `just fuzz query`.
fuzz target:
    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none {{ target }} -- -max_total_time=60

# Open the API documentation of the code.
doc:
    cargo doc --workspace --no-deps --open

# Make the README's pictures again (needs Chromium).
pictures *names:
    docs/pictures/make {{ names }}
