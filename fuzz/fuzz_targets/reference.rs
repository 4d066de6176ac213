//! The name of an image.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgc_fuzz::reference(bytes));
