//! Compares a published artifact with a rebuilt one and explains every difference.
