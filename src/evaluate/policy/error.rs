//! Why a policy could not be used.

use miette::Diagnostic;

use crate::evaluate::definition::DefinitionError;

/// Why a policy could not be used. None of these is a decision.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum PolicyError {
    /// A file of decisions is not as it must be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Definition(#[from] DefinitionError),
    /// The policy is no Rego.
    #[error("`{file}` is not a policy: {detail}")]
    #[diagnostic(code(policy::rego), help("mend the Rego at the place that the message names"))]
    Rego {
        /// Which file.
        file: String,
        /// The engine's words.
        detail: String,
    },
    /// It calls what a policy may not.
    #[error("`{file}` calls `{function}`, which reaches out of the policy")]
    #[diagnostic(
        code(policy::forbidden_function),
        help(
            "decide from `input` alone: the day of judgement is `input.as_of`, and what has to be fetched belongs to the evidence"
        )
    )]
    ForbiddenFunction {
        /// Which file.
        file: String,
        /// Which function.
        function: String,
    },
    /// An answer that a policy must define is not defined.
    #[error("`{file}` does not define `{entry}`")]
    #[diagnostic(
        code(policy::undefined_entry),
        help(
            "define it as a set of objects with `code`, `subject` and `message`; an empty set is an answer, nothing is none"
        )
    )]
    UndefinedEntry {
        /// Which file.
        file: String,
        /// Which entry point.
        entry: String,
    },
    /// An answer is not a set of coded entries.
    #[error("`{entry}` of `{file}` is no set of answers: {detail}")]
    #[diagnostic(
        code(policy::answer),
        help("give each entry `code`, `subject` and `message`, all three strings")
    )]
    Answer {
        /// Which file.
        file: String,
        /// Which entry point.
        entry: String,
        /// What is wrong.
        detail: String,
    },
    /// A limit or a fault ended the evaluation.
    #[error("`{file}` was not evaluated to its end: {detail}")]
    #[diagnostic(
        code(policy::stopped),
        help("make the policy cheaper, or mend what fails in it; without an end there is no decision")
    )]
    Stopped {
        /// Which file.
        file: String,
        /// Why.
        detail: String,
    },
    /// The engine's two ways of evaluation differ.
    #[error("two evaluations of `{entry}` in `{file}` differ")]
    #[diagnostic(
        code(policy::engines_disagree),
        help("write the rule in a simpler way, and report this as a fault of the engine")
    )]
    EnginesDisagree {
        /// Which file.
        file: String,
        /// Which entry point.
        entry: String,
    },
    /// The policy or its input is too large.
    #[error("`{what}` has more than {bytes_max} bytes")]
    #[diagnostic(code(policy::too_large), help("check that this is a policy; split what is"))]
    TooLarge {
        /// What.
        what: String,
        /// The bound.
        bytes_max: u64,
    },
}
