//! Tests on real packages, toolchains and browsers. Each says on standard error what it needs and lacks.

mod observe;
