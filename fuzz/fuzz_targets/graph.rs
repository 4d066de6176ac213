//! The graph's text form.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgc_fuzz::graph(bytes));
