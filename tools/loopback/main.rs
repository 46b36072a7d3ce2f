//! EDGE: the command line and the exit code of `loopback`, which measures a frame's way from its source through the whole
//! stack to a native viewer in this process, stage by stage. Started by a person, by `perf/run`, and as a gate by `--budget`.
//! All else is in `mod.rs`, where `tests/loopback.rs` reaches it too.
//!
//! `cargo run --release --example loopback -- --viewers 5 --loss 5`

#[path = "mod.rs"]
mod loopback;

use std::process::ExitCode;

fn main() -> ExitCode {
    let done = loopback::run(std::env::args_os().skip(1));
    print!("{}", done.out);
    eprint!("{}", done.err);
    ExitCode::from(done.code)
}
