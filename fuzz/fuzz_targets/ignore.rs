//! An ignore file.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgc_fuzz::ignore(bytes));
