//! Path patterns as Go's `filepath.Match` reads them: `COPY` sources and `.dockerignore`.
