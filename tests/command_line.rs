//! The command line as a person or a unit file meets it: the real program, its exit code, what it prints where.
//! What each value means is tested beside the code in `src/config`.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use windshield::help;

fn windshield(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windshield"));
    command.args(args).stdin(Stdio::null()).env_remove("WINDSHIELD_TOKEN").env_remove("RUST_LOG");
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program was built by cargo for this test");
    (status.code(), String::from_utf8_lossy(&stdout).into(), String::from_utf8_lossy(&stderr).into())
}

#[test]
fn help_goes_to_stdout_and_is_no_error() {
    for flag in ["--help", "-h"] {
        assert_eq!(output(&mut windshield(&[flag])), (Some(0), help::TEXT.into(), String::new()));
    }
}

#[test]
fn version_is_one_line() {
    let line = concat!("windshield ", env!("CARGO_PKG_VERSION"), "\n");
    for flag in ["--version", "-V"] {
        assert_eq!(output(&mut windshield(&[flag])), (Some(0), line.into(), String::new()));
    }
}

#[test]
fn a_wrong_command_line_ends_with_code_2_and_a_sentence_on_stderr() {
    for (args, sentence) in [
        (&["--fps", "500"][..], "--fps 500: not between 1 and 120"),
        (&["--bitrat", "2M"], "did you mean --bitrate?"),
        (&["--http"], "--http: a value is missing"),
        (&["--source", "camera"], "--source camera"),
        (&["--size", "640"], "--size 640"),
        (&["--static-dir", "src"], "--static-dir src: holds no index.html"),
        (&["drive.h264"], "--source clip:drive.h264"),
    ] {
        let (code, stdout, stderr) = output(&mut windshield(args));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(stderr.starts_with("windshield: ") && stderr.contains(sentence), "{stderr}");
        assert!(stderr.ends_with("windshield --help explains the options.\n"), "{stderr}");
    }
}

#[test]
fn an_empty_token_in_the_environment_does_not_open_the_door() {
    let (code, _, stderr) = output(windshield(&[]).env("WINDSHIELD_TOKEN", ""));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("WINDSHIELD_TOKEN: is empty"), "{stderr}");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    // The reading end is closed before the program writes, as `| head -0` would.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (code, _, stderr) = output(windshield(&["--help"]).stdout(writer));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = windshield(&["--fps", "500"]).stdout(Stdio::null()).stderr(writer).status().expect("started");
    assert_eq!(status.code(), Some(2), "the exit code still tells");
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
    let (code, _, stderr) = output(windshield(&["--version"]).stdout(full));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("cannot write to standard output"), "{stderr}");
}
