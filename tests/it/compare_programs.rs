//! The usual programs as judges: where `tar`, `unzip`, `ar` or `xz` reads two archives differently,
//! nothing may call them equal; and what they read alike, written anew, is equal or equivalent. And Go's
//! own compiler: what differs between two builds is named by what was asked of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::compare::{Answer, CompareOptions, Comparison, compare_paths};

/// Generated pairs, and mutations, for each program.
const ROUNDS: u64 = 40;

/// A small generator (splitmix64), so that each run sees the same archives.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }
}

/// A folder with two trees, and what a program says.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a program writes to its standard output; nothing where it fails.
    fn output(&self, line: &[&str]) -> Option<Vec<u8>> {
        let output = Command::new(line[0])
            .args(&line[1..])
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .output()
            .ok()?;
        output.status.success().then_some(output.stdout)
    }

    fn compare(&self, a: &str, b: &str) -> Comparison {
        compare_paths(&self.path(a), &self.path(b), &CompareOptions::new(self.folder.path())).unwrap()
    }
}

/// Writes a tree; gives whether the second one holds the same files.
fn tree(root: &Path, random: &mut Random, edit: usize) -> bool {
    let names = ["plain", "with a blank", "d\u{e9}j\u{e0}", "-dash", "under/one", "under/two/three"];
    let edited = random.below(names.len());
    for (number, name) in names.iter().enumerate() {
        let length = random.below(3000);
        let mut body: Vec<u8> = (0..=length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        let mut mode = if random.below(2) == 0 { 0o644 } else { 0o755 };
        let time = random.below(1_000_000_000) as u64 + if edit == 4 { 5_000 } else { 0 };
        if number == edited {
            match edit {
                1 => body[length] ^= 1,
                2 => mode ^= 0o111,
                _ => {}
            }
        }
        let renamed = format!("{name}.new");
        let path = root.join(if number == edited && edit == 3 { renamed.as_str() } else { name });
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, body).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let when = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(time);
        fs::File::options().write(true).open(&path).unwrap().set_modified(when).unwrap();
    }
    edit == 0 || edit == 4
}

/// How a program writes an archive, and how it reads one.
struct Program {
    name: &'static str,
    /// Ways to write the tree `$tree` into the archive `$out`, by a shell.
    write: &'static [&'static str],
    read: fn(&Place, &str) -> Option<Vec<u8>>,
    /// Whether the archive keeps modes and names, or contents alone.
    keeps: (bool, bool),
}

const PROGRAMS: [Program; 4] = [
    Program {
        name: "tar",
        write: &[
            "tar --format=gnu --sort=name -cf $out -C $tree .",
            "tar --format=pax --sort=name -cf $out -C $tree .",
            "tar --format=ustar --sort=name -cf $out -C $tree .",
            "tar --format=gnu --sort=name --owner=7 --group=9 -b 40 -cf $out -C $tree .",
        ],
        read: |place, archive| {
            // Mode, size, name and target; not owner and time.
            let list = place.output(&["tar", "-tvf", archive, "--full-time", "--numeric-owner"])?;
            let mut said = Vec::new();
            for line in list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
                said.extend(words.next()?);
                said.extend(words.skip(4).collect::<Vec<_>>().join(&b' '));
                said.push(b'\n');
            }
            said.extend(place.output(&["tar", "-xOf", archive])?);
            Some(said)
        },
        keeps: (true, true),
    },
    Program {
        name: "zip",
        write: &[
            "cd $tree && zip -qrX -1 $out.zip . && mv $out.zip $out",
            "cd $tree && zip -qrX -9 $out.zip . && mv $out.zip $out",
            "cd $tree && zip -qr -0 $out.zip . && mv $out.zip $out",
        ],
        read: |place, archive| {
            let names = place.output(&["unzip", "-Z1", archive])?;
            Some([names, place.output(&["unzip", "-p", archive])?].concat())
        },
        keeps: (true, true),
    },
    Program {
        name: "ar",
        write: &["ar rcD $out $tree/-dash* $tree/plain*", "ar rcU $out $tree/-dash* $tree/plain*"],
        read: |place, archive| {
            Some([place.output(&["ar", "t", archive])?, place.output(&["ar", "p", archive])?].concat())
        },
        keeps: (false, true),
    },
    Program {
        name: "xz",
        write: &[
            "cat $tree/plain* $tree/-dash* | xz -T1 -1 > $out",
            "cat $tree/plain* $tree/-dash* | xz -T1 --check=sha256 > $out",
            "cat $tree/plain* $tree/-dash* | xz -T1 --block-size=512 > $out",
        ],
        read: |place, archive| place.output(&["xz", "-dcq", archive]),
        keeps: (false, false),
    },
];

fn equal(found: &Comparison) -> bool {
    matches!(found.verdict, Answer::Identical | Answer::Equivalent)
}

fn write(place: &Place, program: &Program, random: &mut Random, side: &str) -> bool {
    let way = program.write[random.below(program.write.len())];
    let out = place.path(side);
    let line = way
        .replace("$tree", place.path(&format!("tree-{side}")).to_str().unwrap())
        .replace("$out", out.to_str().unwrap());
    place.output(&["sh", "-c", &line]).is_some()
}

#[test]
fn what_the_usual_programs_read_alike_is_equal_and_nothing_else() {
    for program in &PROGRAMS {
        let mut compared = (0, 0);
        for round in 0..ROUNDS {
            let place = Place::new();
            let edit = usize::try_from(round % 5).unwrap();
            for (side, edit) in [("a", 0), ("b", edit)] {
                let root = place.path(&format!("tree-{side}"));
                tree(&root, &mut Random(round), edit);
            }
            let mut random = Random(round ^ 0xffff);
            if !write(&place, program, &mut random, "a") || !write(&place, program, &mut random, "b") {
                if round == 0 {
                    println!("`{}` is absent: its archives are not compared with what it says", program.name);
                    break;
                }
                panic!("`{}` fails in round {round}", program.name);
            }
            let (Some(one), Some(other)) = ((program.read)(&place, "a"), (program.read)(&place, "b")) else {
                println!(
                    "`{}` has no partner that reads: nothing is compared with what it says",
                    program.name
                );
                break;
            };
            let found = place.compare("a", "b");
            // What the program's listing does not tell is known from the edit.
            let mode = edit == 2 && program.keeps.0;
            let same = one == other && !mode;
            assert_eq!(equal(&found), same, "{} round {round}, edit {edit}: {found:#?}", program.name);
            compared = (compared.0 + u32::from(same), compared.1 + u32::from(!same));
        }
        println!("{}: {} pairs alike, {} not", program.name, compared.0, compared.1);
    }
}

#[test]
fn no_mutation_is_called_equal_where_the_usual_program_reads_something_else() {
    for program in &PROGRAMS {
        let place = Place::new();
        tree(&place.path("tree-a"), &mut Random(1), 0);
        let mut random = Random(7);
        if !write(&place, program, &mut random, "a") {
            println!("`{}` is absent: mutations of its archives are not looked at", program.name);
            continue;
        }
        let whole = fs::read(place.path("a")).unwrap();
        let Some(read) = (program.read)(&place, "a") else {
            println!("`{}` has no partner that reads: its mutations are not looked at", program.name);
            continue;
        };
        let mut seen = 0;
        for round in 0..ROUNDS {
            let mut mutated = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(mutated.len());
                match random.below(3) {
                    0 => mutated[at] ^= 1 << random.below(8),
                    1 => mutated[at] = u8::try_from(random.below(256)).unwrap(),
                    _ => mutated.truncate(whole.len() - random.below(whole.len() / 2)),
                }
            }
            fs::write(place.path("b"), &mutated).unwrap();
            let found = place.compare("a", "b");
            assert_eq!(found.verdict == Answer::Identical, mutated == whole, "{} {round}", program.name);
            if let Some(other) = (program.read)(&place, "b")
                && other != read
            {
                seen += 1;
                assert!(!equal(&found), "{} round {round}: {found:#?}", program.name);
            }
        }
        println!("{}: {seen} of {ROUNDS} mutations are read as something else", program.name);
    }
}

const PROGRAM: &str = "package main\n\nvar who = \"nobody\"\n\n//go:noinline\nfunc twice(x int) int { return x * 2 }\n\nfunc main() { println(who, twice(len(who))) }\n";

/// Builds a program with Go; `None` where there is no Go.
fn go(place: &Place, out: &str, source: &str, flags: &[&str]) -> Option<()> {
    fs::write(place.path("go.mod"), "module example.org/p\n\ngo 1.18\n").unwrap();
    fs::write(place.path("main.go"), source).unwrap();
    let output = Command::new("go")
        .args(["build", "-o", out, "-buildvcs=false"])
        .args(flags)
        .arg(".")
        .current_dir(place.folder.path())
        .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache"))
        .envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=mod"), ("CGO_ENABLED", "0"), ("GOOS", "linux")])
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

#[test]
fn go_programs_differ_in_what_was_asked_of_the_compiler() {
    let place = Place::new();
    if go(&place, "plain", PROGRAM, &["-trimpath"]).is_none() {
        println!("there is no Go here: its programs are not compared");
        return;
    }
    let build = |out: &str, source: &str, flags: &[&str]| go(&place, out, source, flags).unwrap();
    // Newer linkers write a GNU build ID too, which follows from Go's own.
    let causes = |found: &Comparison| {
        let mut ids: Vec<&str> = found.differences.iter().map(|d| d.cause.id()).collect();
        ids.retain(|id| *id != "elf-build-id");
        ids.sort_unstable();
        ids.dedup();
        ids.join(" ")
    };
    build("tags-ab", PROGRAM, &["-trimpath", "-tags=a,b"]);
    build("tags-ba", PROGRAM, &["-trimpath", "-tags=b,a"]);
    let found = place.compare("tags-ab", "tags-ba");
    assert_eq!(
        (found.verdict, causes(&found).as_str()),
        (Answer::Different, "compiler-flags go-buildid"),
        "{found:#?}"
    );
    let flags = found.differences.iter().find(|d| d.cause.id() == "compiler-flags").unwrap();
    assert_eq!(
        (flags.field.as_deref(), flags.a.as_deref(), flags.b.as_deref()),
        (Some("go build info, -tags"), Some("a,b"), Some("b,a"))
    );
    build("other", &PROGRAM.replace("x * 2", "x * 3"), &["-trimpath"]);
    let found = place.compare("plain", "other");
    assert!(causes(&found).contains("elf-code"), "{found:#?}");
    assert!(found.differences.iter().any(|d| d.hunks.iter().any(|h| h.contains("main.twice"))), "{found:#?}");
    // Known values put aside: of two builds for two people nothing is left, of another program something.
    build("alice", PROGRAM, &["-trimpath", "-ldflags=-buildid=x -X main.who=alice"]);
    build("clara", PROGRAM, &["-trimpath", "-ldflags=-buildid=x -X main.who=clara"]);
    build(
        "wrong",
        &PROGRAM.replace("x * 2", "x * 3"),
        &["-trimpath", "-ldflags=-buildid=x -X main.who=clara"],
    );
    let mut options = CompareOptions::new(place.folder.path());
    options.mask = vec!["alice".to_owned(), "clara".to_owned()];
    let masked =
        |b: &str| compare_paths(&place.path("alice"), &place.path(b), &options).unwrap().masked.unwrap();
    assert_eq!(masked("clara").remaining, Vec::<String>::new());
    assert_eq!(masked("wrong").remaining, ["."]);
}
