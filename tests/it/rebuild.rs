//! The rebuild stage: locked commands in a real sandbox, over a root file system that holds only a
//! few shell scripts and the host's programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
