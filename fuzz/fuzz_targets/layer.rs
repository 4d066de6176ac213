//! A layer and its index.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgc_fuzz::layer(bytes));
