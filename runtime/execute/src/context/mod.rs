//! Build contexts: directories given with the build.
