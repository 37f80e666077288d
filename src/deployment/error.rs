//! Why a deployment could not be judged.

use miette::Diagnostic;

/// Why a deployment could not be judged.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum DeploymentError {
    /// The file could not be read.
    #[error("cannot read `{file}`")]
    #[diagnostic(code(deployment::read), help("check that the file exists and may be read"))]
    Read {
        /// Which file.
        file: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Not UTF-8.
    #[error("`{file}` is not UTF-8")]
    #[diagnostic(code(deployment::encoding), help("save the file as UTF-8"))]
    Encoding {
        /// Which file.
        file: String,
    },
    /// Not YAML as the servers read it.
    #[error("{file}:{line}:{column}: {detail}")]
    #[diagnostic(code(deployment::yaml), help("mend the file; the server would refuse it too"))]
    Yaml {
        /// Which file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        detail: String,
    },
    /// A bound was reached.
    #[error("`{file}` passes the limit `{limit}` of {max}")]
    #[diagnostic(code(deployment::limit), help("split the file, or treat it as hostile"))]
    Limit {
        /// Which file.
        file: String,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// Nobody knows what the file is.
    #[error("`{file}` is no configuration that is known here")]
    #[diagnostic(
        code(deployment::unknown_file),
        help(
            "give prometheus.yml, alertmanager.yml, web.yml, blackbox.yml, snmp.yml, a rule file or a systemd unit"
        )
    )]
    UnknownFile {
        /// Which file.
        file: String,
    },
    /// The flags cannot be split.
    #[error("the flags end inside a quotation: `{found}`")]
    #[diagnostic(
        code(deployment::flags),
        help("quote the whole command line once, and close every quotation in it")
    )]
    Flags {
        /// The rest.
        found: String,
    },
    /// Some flags stand where nobody looks.
    #[error("`{found}` stands for flags that are not seen here")]
    #[diagnostic(
        code(deployment::flags_elsewhere),
        help(
            "give the whole command line with `--flags`, or the environment file that the unit takes it from"
        )
    )]
    FlagsElsewhere {
        /// The argument or variable.
        found: String,
    },
    /// The rules are not readable.
    #[error("the rules of `{file}` cannot be used: {detail}")]
    #[diagnostic(code(deployment::rules), help("mend the file as described, or take the one of the release"))]
    Rules {
        /// Which file.
        file: String,
        /// What is wrong, with the place.
        detail: String,
    },
}
