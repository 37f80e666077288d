//! What a source tree says of how it is built: `pyproject.toml`'s `[build-system]` (PEP 517 and 518).

use serde::Deserialize;

use super::PythonError;

/// How a source tree asks to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSystem {
    /// What the build requires, as it stands in the file.
    pub requires: Vec<String>,
    /// The backend, an object path, e.g. `setuptools.build_meta`.
    pub backend: String,
    /// Folders of the source tree in which the backend is looked for first.
    pub backend_path: Vec<String>,
}

/// What PEP 517 and pip take for a tree that says nothing.
const DEFAULT_REQUIRES: &str = "setuptools>=40.8.0";
const DEFAULT_BACKEND: &str = "setuptools.build_meta:__legacy__";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    build_system: Option<Table>,
}

/// Other keys are not allowed by PEP 518, and tools may use no others here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Table {
    requires: Option<Vec<String>>,
    build_backend: Option<String>,
    #[serde(default)]
    backend_path: Vec<String>,
}

impl BuildSystem {
    /// Reads the file of a source tree; `file` is the source distribution's name in messages.
    pub fn read(file: &str, pyproject: Option<&str>) -> Result<Self, PythonError> {
        let refuse = |detail: String| PythonError::BuildSystem { file: file.to_owned(), detail };
        let table = match pyproject {
            None => None,
            Some(text) => {
                let read: File = toml::from_str(text).map_err(|e| refuse(e.message().replace('\n', ", ")))?;
                read.build_system
            }
        };
        let Some(table) = table else {
            return Ok(Self {
                requires: vec![DEFAULT_REQUIRES.to_owned()],
                backend: DEFAULT_BACKEND.to_owned(),
                backend_path: Vec::new(),
            });
        };
        let requires = table.requires.ok_or_else(|| refuse("it has no `requires`".to_owned()))?;
        let backend = table.build_backend.unwrap_or_else(|| DEFAULT_BACKEND.to_owned());
        let word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let (module, object) = backend.split_once(':').unwrap_or((&backend, "object"));
        if backend.len() > 200 || !module.split('.').all(word) || !object.split('.').all(word) {
            let found = backend.escape_debug();
            return Err(refuse(format!("`{found}` is not a backend, expected `module.path[:object]`")));
        }
        for path in &table.backend_path {
            let plain = |part: &str| !part.is_empty() && part != ".." && !part.chars().any(char::is_control);
            if path.len() > 200 || !path.trim_end_matches('/').split('/').all(plain) {
                let found = path.escape_debug();
                return Err(refuse(format!("the backend path `{found}` leads out of the source tree")));
            }
        }
        Ok(Self { requires, backend, backend_path: table.backend_path })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tree_says_how_it_is_built_or_gets_the_default() {
        let read = |text| BuildSystem::read("x-1.tar.gz", text).unwrap();
        assert_eq!(read(None).backend, DEFAULT_BACKEND);
        assert_eq!(read(Some("[project]\nname = 'x'\n")).requires, [DEFAULT_REQUIRES]);
        let own =
            "[build-system]\nrequires = ['flit_core >=3.11,<4']\nbuild-backend = 'flit_core.buildapi'\n";
        assert_eq!(read(Some(own)).backend, "flit_core.buildapi");
        let inside = "[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = ['.', 'tools/']\n";
        assert_eq!(read(Some(inside)).backend_path, [".", "tools/"]);
    }

    #[test]
    fn what_is_no_build_system_is_refused() {
        for text in [
            "[build-system]\nbuild-backend = 'x'\n",
            "[build-system]\nrequires = 'x'\n",
            "[build-system]\nrequires = []\nextra = 1\n",
            "[build-system]\nrequires = []\nbuild-backend = 'os; import x'\n",
            "[build-system]\nrequires = []\nbuild-backend = ''\n",
            "[build-system]\nrequires = []\nbuild-backend = 'a:b:c'\n",
            "[build-system]\nrequires = []\nbackend-path = ['../x']\n",
            "[build-system]\nrequires = []\nbackend-path = ['/x']\n",
            "[build-system",
        ] {
            assert!(BuildSystem::read("x-1.tar.gz", Some(text)).is_err(), "{text}");
        }
    }
}
