//! Progress on standard error: bars on a terminal, plain lines elsewhere.
