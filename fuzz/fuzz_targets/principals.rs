//! Fuzzes `properties::principals`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    switchboard_fuzz::properties::principals(data);
});
