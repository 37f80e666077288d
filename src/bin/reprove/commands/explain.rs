//! `reprove explain`.

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::explain;
use crate::render::{self, Failure};

/// Explain a code that an answer or an error message showed.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The code, e.g. `openpgp-key-live` or `archive::limit`; without it all codes are listed.
    code: Option<String>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no such code: `{code}`")]
#[diagnostic(code(cli::explain_unknown), help("{help}"))]
struct Unknown {
    code: String,
    help: String,
}

impl Explain {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let all = explain::all();
        let Some(code) = &self.code else {
            let text = match args.format {
                Format::Json => render::json(&all)?,
                Format::Text => all.iter().map(|e| format!("{}\n", e.code)).collect(),
            };
            return render::answer(&text, Exit::Pass);
        };
        let Some(entry) = all.iter().find(|e| e.code == code) else {
            let near = explain::nearest(code, &all);
            let help = match near.as_slice() {
                [] => "list all codes with `reprove explain`".to_owned(),
                near => format!("did you mean {}? all codes: `reprove explain`", near.join(", ")),
            };
            return Err(Failure::new(Unknown { code: code.clone(), help }, Exit::Usage));
        };
        let text = match args.format {
            Format::Json => render::json(entry)?,
            Format::Text => format!("{}\n\n{}\n", entry.code, entry.text),
        };
        render::answer(&text, Exit::Pass)
    }
}
