//! Fuzzes `properties::trusted_keys`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    switchboard_fuzz::properties::trusted_keys(data);
});
