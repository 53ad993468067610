//! Roll back a set of services to a date: points (what can be gone back to), plan (pure), apply (effects).
