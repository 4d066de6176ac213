//! `.dockerignore`: which paths of a context are left out.
