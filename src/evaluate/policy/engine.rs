//! The Rego engine: what a policy may use, and one evaluation of it.
//!
//! Every policy is evaluated twice, by the engine's interpreter and by its virtual machine, whose
//! instructions are counted, and both must say the same: `regorus` has had faults in one that let a failing
//! case pass (its issue 765).

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::{Program, RegoVM};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{CompiledPolicy, Engine, Value};
use serde_json::Value as Json;

use super::error::PolicyError;
use crate::limits::policy::PolicyLimits;

/// The engine with its version, as decisions name it.
pub const ENGINE: &str = "regorus 0.14.1";

/// The package of a policy.
const PACKAGE: &str = "data.reprove.audit";

/// Namespaces of functions that reach out, read the clock, or give another answer each time. The engine
/// is built without most of them; a policy that names one would find nothing there and pass, so it is
/// refused.
const NAMESPACES: [&str; 9] = ["http", "net", "opa", "time", "rand", "uuid", "io", "crypto", "rego"];

/// Single functions: what prints, what waits, and what makes much of little in one instruction, so that
/// neither count nor memory is looked at before it is done.
const FUNCTIONS: [&str; 10] = [
    "print",
    "trace",
    "test.sleep",
    "numbers.range",
    "numbers.range_step",
    "replace",
    "strings.replace_n",
    "strings.render_template",
    "regex.replace",
    "bits.lsh",
];

/// Between two looks at the memory while a policy is evaluated.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A policy, parsed, compiled, and found to use nothing that it may not.
#[derive(Debug, Clone)]
pub(super) struct Source {
    file: String,
    engine: Engine,
    /// Per entry point, in the order given.
    programs: Vec<(String, CompiledPolicy, Arc<Program>)>,
}

/// An engine's own words, on one line and bounded.
fn words(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let line = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(400).collect()
}

impl Source {
    /// Parses a policy and refuses functions that reach out, and entry points that it does not define.
    pub(super) fn load(
        file: &str,
        text: String,
        entry_points: &[&str],
        limits: &PolicyLimits,
    ) -> Result<Self, PolicyError> {
        if text.len() as u64 > limits.source_bytes_max {
            return Err(PolicyError::TooLarge { what: file.to_owned(), bytes_max: limits.source_bytes_max });
        }
        let syntax =
            |e: &dyn std::fmt::Display| PolicyError::Rego { file: file.to_owned(), detail: words(e) };
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.add_policy(file.to_owned(), text).map_err(|e| syntax(&e))?;
        let tree = engine.get_ast_as_json().map_err(|e| syntax(&e))?;
        let tree: Json = serde_json::from_str(&tree).map_err(|e| syntax(&e))?;
        let mut called = BTreeSet::new();
        calls(&tree, &mut called);
        if let Some(function) = called.iter().find(|name| is_refused(name)) {
            return Err(PolicyError::ForbiddenFunction { file: file.to_owned(), function: function.clone() });
        }
        let mut source = Self { file: file.to_owned(), engine, programs: Vec::new() };
        for entry in entry_points {
            let path = format!("{PACKAGE}.{entry}");
            let shared: regorus::Rc<str> = path.as_str().into();
            let compiled = source.engine.compile_with_entrypoint(&shared).map_err(|e| {
                // The engine's words for a rule that is not there.
                match e.to_string().contains("not a valid rule path") {
                    true => source.undefined(entry),
                    false => source.syntax(&e),
                }
            })?;
            let program =
                Compiler::compile_from_policy(&compiled, &[&path]).map_err(|e| source.syntax(&e))?;
            source.programs.push(((*entry).to_owned(), compiled, program));
        }
        Ok(source)
    }

    fn syntax(&self, error: &dyn std::fmt::Display) -> PolicyError {
        PolicyError::Rego { file: self.file.clone(), detail: words(error) }
    }

    fn undefined(&self, entry: &str) -> PolicyError {
        PolicyError::UndefinedEntry { file: self.file.clone(), entry: format!("{PACKAGE}.{entry}") }
    }

    /// Evaluates one entry point in both ways, and stops waiting when the process has grown by more than it
    /// may: the engine cannot be told to stop, so that a caller who gets this answer should end.
    pub(super) fn evaluate(
        &self,
        entry: &str,
        input: &str,
        limits: &PolicyLimits,
    ) -> Result<Json, PolicyError> {
        let before = resident_bytes().unwrap_or(0);
        let (source, entry, input, own) = (self.clone(), entry.to_owned(), input.to_owned(), *limits);
        let (answer, answered) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("policy".to_owned())
            // Nobody listens any more where the memory was too much.
            .spawn(move || answer.send(source.evaluate_here(&entry, &input, &own)))
            .map_err(|e| self.stopped(&words(&e)))?;
        loop {
            match answered.recv_timeout(LOOK_EVERY) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(self.stopped("the engine ended early")),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let (max, now) = (limits.memory_bytes_max, resident_bytes().unwrap_or(0));
            if now.saturating_sub(before) > max {
                return Err(self.stopped(&format!("it uses more than {max} bytes of memory")));
            }
        }
    }

    fn evaluate_here(&self, entry: &str, input: &str, limits: &PolicyLimits) -> Result<Json, PolicyError> {
        let input = Value::from_json_str(input).map_err(|e| self.syntax(&e))?;
        let timer = ExecutionTimerConfig { limit: limits.time_max, check_interval: NonZeroU32::MIN };
        let path = format!("{PACKAGE}.{entry}");
        let by_machine = self.by_machine(entry, &input, timer, limits)?;
        let mut engine = self.engine.clone();
        engine.set_execution_timer_config(timer);
        engine.set_input(input);
        let by_interpreter = engine.eval_rule(path.clone()).map_err(|e| self.stopped(&words(&e)))?;
        if by_machine == Value::Undefined || by_interpreter == Value::Undefined {
            return Err(self.undefined(entry));
        }
        if by_machine != by_interpreter {
            return Err(PolicyError::EnginesDisagree { file: self.file.clone(), entry: path });
        }
        let text = by_machine.to_json_str().map_err(|e| self.syntax(&e))?;
        serde_json::from_str(&text).map_err(|e| self.syntax(&e))
    }

    fn by_machine(
        &self,
        entry: &str,
        input: &Value,
        timer: ExecutionTimerConfig,
        limits: &PolicyLimits,
    ) -> Result<Value, PolicyError> {
        let found = self.programs.iter().find(|(name, ..)| name == entry);
        let (_, compiled, program) = found.ok_or_else(|| self.undefined(entry))?;
        let mut machine = RegoVM::new_with_policy(compiled.clone());
        machine.load_program(Arc::clone(program));
        machine.set_max_instructions(limits.instructions_max);
        machine.set_execution_timer_config(Some(timer));
        machine.set_strict_builtin_errors(true);
        machine.set_input(input.clone());
        machine
            .execute_entry_point_by_name(&format!("{PACKAGE}.{entry}"))
            .map_err(|e| self.stopped(&words(&e)))
    }

    fn stopped(&self, detail: &str) -> PolicyError {
        PolicyError::Stopped { file: self.file.clone(), detail: detail.to_owned() }
    }
}

/// The process's resident set, from proc_pid_statm(5); none where there is no `/proc`.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

fn is_refused(name: &str) -> bool {
    let space = name.split('.').next().unwrap_or_default();
    FUNCTIONS.contains(&name) || (name.contains('.') && NAMESPACES.contains(&space))
}

/// Names of everything that is called anywhere in a syntax tree.
fn calls(tree: &Json, found: &mut BTreeSet<String>) {
    match tree {
        Json::Array(all) => all.iter().for_each(|t| calls(t, found)),
        Json::Object(members) => {
            for (key, value) in members {
                if key == "Call" {
                    // What cannot be named cannot be allowed.
                    let name = value.get("fcn").and_then(path);
                    found.insert(name.unwrap_or_else(|| "http.unnamed".to_owned()));
                }
                calls(value, found);
            }
        }
        _ => {}
    }
}

/// The dotted name of a reference: `http.send`, also where it is written `http["send"]`.
fn path(tree: &Json) -> Option<String> {
    let (kind, node) = tree.as_object()?.iter().next()?;
    let refers = || node.get("refr").and_then(path);
    match kind.as_str() {
        "Var" | "String" | "RawString" => node.get("value")?.as_str().map(str::to_owned),
        "RefDot" => Some(format!("{}.{}", refers()?, node.get("field")?.get(1)?.as_str()?)),
        "RefBrack" => Some(format!("{}.{}", refers()?, path(node.get("index")?)?)),
        _ => None,
    }
}
