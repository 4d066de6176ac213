//! Users and groups of an image: its `/etc/passwd` and `/etc/group`.
