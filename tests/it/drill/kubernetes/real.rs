//! Beside a real one.
