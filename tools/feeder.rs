//! EDGE: a pipe and the clock. Plays a camera whose every picture is known: writes a clip's pictures to standard output at
//! an exact pace, each with one write, and notes when. `perf/run` puts it in front of a sender and joins the log with what
//! came out at the other end.
//!
//! `cargo run --release --example feeder -- CLIP.h264 --fps 30 --log FILE | windshield --source pipe:-`

#[path = "shared/options.rs"]
mod options;
#[allow(dead_code)]
#[path = "shared/pictures.rs"]
mod pictures;
#[allow(dead_code)]
#[path = "shared/wait.rs"]
mod wait;

use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use pictures::{Pictures, fingerprint};

const HELP: &str = "\
feeder CLIP.h264 [options]: a clip's pictures to standard output, each with one write, over and over

  --fps RATE     pictures a second, also fractions (30)
  --log FILE     a line for each picture: number, number in the clip, fingerprint, bytes,
                 CLOCK_REALTIME and CLOCK_MONOTONIC before the write, CLOCK_MONOTONIC after it (ns)
  --seconds N    end after so long (0: when nobody reads any more)";

/// The kernel's limit for a pipe of an ordinary user: a picture always fits, so a write is seen whole or not at all.
const PIPE_BYTES: libc::c_int = 1 << 20;

struct Options {
    clip: String,
    fps: f64,
    log: Option<String>,
    seconds: f64,
}

fn main() -> ExitCode {
    match read_options().and_then(|options| feed(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn read_options() -> Result<Options, String> {
    let mut read = Options { clip: String::new(), fps: 30.0, log: None, seconds: 0.0 };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("fps") => read.fps = options::parse(&mut arguments, "frame rate")?,
            Long("log") => read.log = Some(options::text(&mut arguments)?),
            Long("seconds") => read.seconds = options::parse(&mut arguments, "number of seconds")?,
            Long("help") | Short('h') => return Err(HELP.to_owned()),
            Value(path) if read.clip.is_empty() => read.clip = path.string().map_err(|e| e.to_string())?,
            other => return Err(format!("{}\n\n{HELP}", other.unexpected())),
        }
    }
    if read.clip.is_empty() || !(1.0..=240.0).contains(&read.fps) {
        return Err(format!("a clip and a frame rate from 1 to 240 are needed\n\n{HELP}"));
    }
    Ok(read)
}

fn feed(options: &Options) -> Result<(), String> {
    let clip = Pictures::read(&options.clip)?;
    let fingerprints: Vec<u64> = clip.pictures.iter().map(|p| fingerprint(&clip.stream[p.range.clone()])).collect();
    let mut log: LineWriter<Box<dyn Write>> = LineWriter::new(match &options.log {
        Some(path) => Box::new(File::create(path).map_err(|e| format!("cannot write {path}: {e}"))?),
        None => Box::new(io::sink()),
    });
    // SAFETY: F_SETPIPE_SZ takes an int; on what is no pipe it fails without effect.
    unsafe { libc::fcntl(io::stdout().as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES) };
    let start = Instant::now();
    let period = Duration::from_secs_f64(1.0 / options.fps);
    for n in 0u64.. {
        let due = start + period.mul_f64(n as f64);
        if options.seconds > 0.0 && due - start >= Duration::from_secs_f64(options.seconds) {
            break;
        }
        wait::sleep_until(due);
        let (index, unit, _) = clip.nth(n);
        let (real, before) = (wait::realtime_ns(), wait::monotonic_ns());
        match write_once(unit) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            other => other.map_err(|e| format!("cannot write to standard output: {e}"))?,
        }
        let after = wait::monotonic_ns();
        let line = format!("{n} {index} {:016x} {} {real} {before} {after}\n", fingerprints[index], unit.len());
        log.write_all(line.as_bytes()).map_err(|e| format!("cannot write the log: {e}"))?;
    }
    Ok(())
}

/// One write(2); the rest, which only a reader that is a second behind makes necessary, with more.
fn write_once(mut unit: &[u8]) -> io::Result<()> {
    while !unit.is_empty() {
        // SAFETY: pointer and length are those of `unit`. Not `Stdout`, which looks for line ends.
        let wrote = unsafe { libc::write(libc::STDOUT_FILENO, unit.as_ptr().cast(), unit.len()) };
        match usize::try_from(wrote) {
            Ok(wrote) => unit = &unit[wrote..],
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
}
