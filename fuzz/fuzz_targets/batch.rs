//! Fuzzes `properties::batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| switchboard_fuzz::properties::batch(data));
