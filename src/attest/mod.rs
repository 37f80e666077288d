//! Turns results into statements and signed envelopes.
