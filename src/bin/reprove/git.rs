//! git as a reader of objects, and of nothing that the user or the machine has configured for git.
#![allow(unsafe_code)]

use std::sync::Once;

use git2::ConfigLevel;
use git2::opts::{set_search_path, set_verify_owner_validation};

/// Makes libgit2 look for no configuration outside of a repository: a broken or hostile one could end a run,
/// and decides nothing here. Owners are not compared, since what they would be trusted with is not read.
pub(crate) fn ignore_configuration() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A folder that cannot be: an empty path means the current folder to libgit2.
        let nowhere = "/dev/null";
        for level in [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global] {
            // SAFETY: these options are the library's own memory, without a lock. This runs once, before the
            // command that calls it opens a repository, and no other thread of this program uses libgit2 then.
            // A level that the platform lacks is an error, and has no file to be read.
            let _ = unsafe { set_search_path(level, nowhere) };
        }
        // SAFETY: as above.
        let _ = unsafe { set_verify_owner_validation(false) };
    });
}
