//! What a component is, its releases, and where their parts are published.
