//! Distribution client.
