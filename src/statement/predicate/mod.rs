//! Predicates, one file for each type.
