//! The README's commands exist with the options that it shows.

use std::process::Command;

/// Lines of console blocks that begin with a prompt, without their comments.
fn commands(readme: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            let command = command.split(" #").next().unwrap();
            found.push(command.split_whitespace().map(str::to_owned).collect());
        }
    }
    found
}

#[test]
fn every_command_of_the_readme_is_understood() {
    let commands = commands(include_str!("../../README.md"));
    let ours: Vec<_> = commands.iter().filter(|c| c[0] == "reprove").collect();
    assert!(ours.len() >= 10, "{ours:?}");
    for command in ours {
        let out =
            Command::new(env!("CARGO_BIN_EXE_reprove")).args(&command[1..]).arg("--help").output().unwrap();
        assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
    let makefile = include_str!("../../Makefile");
    for command in commands.iter().filter(|c| c[0] == "make") {
        assert!(makefile.contains(&format!("\n{}:", command[1])), "{command:?}");
    }
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    let out = Command::new(env!("CARGO_BIN_EXE_reprove"))
        .args(["audit", "x", "--no-such", "--help"])
        .output()
        .unwrap();
    assert!(!out.status.success());
}
