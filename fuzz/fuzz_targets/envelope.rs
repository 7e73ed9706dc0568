//! Fuzzes `properties::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    switchboard_fuzz::properties::envelope(data);
});
