//! Promise: the house stays as its crate documentation draws it. Imports point one way, slices never know each other, and
//! only files that begin with `//! EDGE` touch the world. Read from the sources' text: no more than a careful reader
//! would see, and no less.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Words that slices share.
const LEAVES: &[&str] = &["clock", "frame", "h264", "message", "random", "trace"];

/// Rooms that do not know each other.
const SLICES: &[&str] = &["link", "signal", "video"];

/// They stand beside `run`: what was typed, what is printed, what the system is told. They may use the option types of
/// slices.
const BESIDE_RUN: &[&str] = &["banner", "board", "config", "doctor", "help", "host", "notify"];

/// What touches the world, as it is written: the clock, files, sockets, threads, programs, randomness. Of libc, names in
/// capitals and types are words; functions are deeds.
const WORLD: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::thread",
    "std::process::Command",
    "std::os::unix::net",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
    "mio::Poll",
    "if_addrs::",
    "getrandom::",
    "signal_hook",
];

/// Whether a module of the crate's root may use another.
fn may_use(from: &str, to: &str) -> bool {
    let leaf = |m: &str| LEAVES.contains(&m);
    match from {
        _ if from == to => true,
        // Leaves are values; one kind of value may be made of another.
        _ if leaf(from) => leaf(to),
        _ if SLICES.contains(&from) => leaf(to),
        _ if BESIDE_RUN.contains(&from) => leaf(to) || SLICES.contains(&to) || BESIDE_RUN.contains(&to),
        "run" => to != "main",
        "main" => to == "run" || BESIDE_RUN.contains(&to) || leaf(to),
        _ => false,
    }
}

/// A line of code with its number; without comments, and without tests.
fn code(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_tail = |at: usize| {
        let after = lines[at + 1..].iter().find(|l| !l.trim_start().starts_with("#["));
        lines[at].trim() == "#[cfg(test)]" && after.is_some_and(|l| l.trim_start().starts_with("mod "))
    };
    let end = (0..lines.len()).find(|&at| is_tail(at)).unwrap_or(lines.len());
    let numbered = lines[..end].iter().enumerate().map(|(at, line)| (at + 1, *line));
    numbered
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number, line.split(" // ").next().unwrap_or(line)))
        .collect()
}

/// The modules a file is in: `src/video/demo/car.rs` -> video, demo, car.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> = path.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    parts.retain(|p| p != "mod" && p != "lib");
    parts
}

/// Names directly behind a path's end: `{a::b, c}` -> a, c; `a::b` -> a.
fn heads(rest: &str) -> Vec<String> {
    let name = |s: &str| s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

/// Modules of the crate's root that code names, with the line: by `crate::`, by the crate's own name, and by as many
/// `super::` as lead there.
fn uses(module: &[String], code: &[(usize, &str)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, (number, line)) in code.iter().enumerate() {
        for root in ["crate::", "windshield::"] {
            for (start, _) in line.match_indices(root) {
                if line[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                // A group may go on in the following lines.
                let mut rest = line[start + root.len()..].to_string();
                for (_, more) in &code[at + 1..] {
                    if !is_open(&rest) {
                        break;
                    }
                    rest += more;
                }
                found.extend(heads(&rest).into_iter().map(|name| (*number, name)));
            }
        }
        let mut rest = *line;
        while let Some(start) = rest.find("super::") {
            rest = &rest[start..];
            let mut ups = 0;
            while let Some(more) = rest.strip_prefix("super::") {
                (rest, ups) = (more, ups + 1);
            }
            if ups >= module.len() {
                found.extend(heads(rest).into_iter().map(|name| (*number, name)));
            }
        }
    }
    found
}

/// A group that does not end yet.
fn is_open(rest: &str) -> bool {
    rest.starts_with('{') && rest.matches('{').count() > rest.matches('}').count()
}

/// What the code does to the world.
fn deeds(code: &[(usize, &str)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in code {
        found.extend(WORLD.iter().filter(|w| line.contains(**w)).map(|w| (*number, (*w).to_string())));
        for (start, _) in line.match_indices("libc::") {
            let name: String = line[start + 6..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let called = line[start + 6 + name.len()..].starts_with('(');
            if called && name.starts_with(|c: char| c.is_lowercase()) {
                found.push((*number, format!("libc::{name}()")));
            }
        }
    }
    found
}

/// Every source file: its path under `src`, and its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_path_buf(), text));
            }
        }
    }
    files.sort();
    assert!(files.len() > 40, "only {} files under src/", files.len());
    files
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    let mut roots: Vec<String> = Vec::new();
    for (path, text) in sources() {
        let module = module(&path);
        let Some(from) = module.first() else { continue };
        roots.push(from.clone());
        for (line, to) in uses(&module, &code(&text)) {
            // Names that are no module (`crate::Result`) cannot be told from here; this crate has none.
            if !may_use(from, &to) {
                wrong.push(format!("src/{}:{line}: {from} uses {to}", path.display()));
            }
        }
    }
    let known = |m: &String| m == "main" || m == "run" || [LEAVES, SLICES, BESIDE_RUN].concat().contains(&m.as_str());
    roots.retain(|m| !known(m));
    assert!(
        roots.is_empty(),
        "modules with no place in the house (say it in tests/house.rs and src/lib.rs): {roots:?}"
    );
    assert!(
        wrong.is_empty(),
        "imports point main -> run -> {SLICES:?} -> {LEAVES:?}, with {BESIDE_RUN:?} beside run:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn only_edges_touch_the_world() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let edge = text.lines().next().is_some_and(|first| first.starts_with("//! EDGE"));
        if !edge {
            let deeds = deeds(&code(&text)).into_iter();
            wrong.extend(deeds.map(|(line, what)| format!("src/{}:{line}: {what}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "files that touch the world begin with `//! EDGE: what`:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in sources() {
        let lines = text.lines().take_while(|l| l.starts_with("//!")).count();
        assert!(lines > 0, "src/{} does not open with `//!`", path.display());
    }
}

#[test]
fn the_reader_sees_what_is_there() {
    let text = "//! x\nuse crate::{clock::Micros, link::{self, Viewers}};\n// crate::run\nlet a = crate::video::X; // crate::run\n\
                use super::super::signal;\nuse super::car;\nuse crate::{\n    trace,\n    h264::nals,\n};\n\
                #[cfg(test)]\n#[allow(x)]\nmod tests {\n    use crate::main;\n}\n";
    let module = ["video", "demo"].map(String::from);
    let seen: Vec<(usize, String)> = uses(&module, &code(text));
    let seen: Vec<(usize, &str)> = seen.iter().map(|(n, m)| (*n, m.as_str())).collect();
    assert_eq!(seen, [(2, "clock"), (2, "link"), (4, "video"), (5, "signal"), (7, "trace"), (7, "h264")]);
    let text = "let now = Instant::now();\nlet x = libc::AF_INET + libc::c_int::MAX;\nlibc::close(3);\n// SystemTime\n";
    assert_eq!(deeds(&code(text)), [(1, "Instant::now".to_string()), (3, "libc::close()".to_string())]);
    assert!(
        !may_use("video", "link") && !may_use("trace", "video") && !may_use("link", "run") && may_use("run", "link")
    );
}
