//! EDGE: arguments, standard output, the exit code. Table of contents of the program: what was typed -> log -> the loop
//! -> exit code. Holds nothing that a test or a tool would want; that is in the library.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use windshield::config::{self, Command, Config};
use windshield::help;

/// Could not start, or could not go on.
const FAILED: u8 = 1;
/// Wrong command line, as shells and most programs number it.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let args = env::args_os().skip(1);
    match config::parse(args, |name| env::var_os(name), readable_file) {
        Ok(Command::Run(config)) => run(*config),
        Ok(Command::Help) => print(help::TEXT),
        Ok(Command::Version) => print(help::VERSION),
        Err(usage) => complain(&format!("{usage}\nwindshield --help explains the options."), MISUSED),
    }
}

fn run(config: Config) -> ExitCode {
    // Two libraries call an error what nobody must act on: tiny_http that its listener is shut down under it, which is
    // how we stop it, and sctp-proto that a viewer's end hung up. What would matter to a person we say ourselves.
    let mut logger = env_logger::Builder::new();
    for quiet in ["tiny_http", "sctp_proto"] {
        logger.filter_module(quiet, log::LevelFilter::Off);
    }
    logger.parse_filters(&config.log).init();
    log::debug!("{config:?}");
    match windshield::run::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string(), FAILED),
    }
}

/// The kind is asked first: to open a FIFO would wait for a writer.
fn readable_file(path: &Path) -> bool {
    path.is_file() && File::open(path).is_ok()
}

/// Prints to stdout. A reader that has seen enough (`| head`) is no failure; a full disk is.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("cannot write to standard output: {error}"), FAILED)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Says why on stderr. Unlike `eprintln!` it does not panic when nobody listens there: the exit code still tells.
fn complain(sentence: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "windshield: {sentence}");
    ExitCode::from(code)
}
