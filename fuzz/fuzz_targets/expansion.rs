//! Variables, and their patterns.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgc_fuzz::expansion(bytes));
