//! Files and repositories from elsewhere.
