//! EDGE: the loop of a native viewer: any number of WHEP viewers in one process, each with a socket and a str0m engine of its
//! own, so that a sender can be measured without a browser's cost. With `--sink` it only takes datagrams in (what the bare
//! baseline sends). Shows no picture. Started by `perf/run`, or by hand against any WHEP server that offers H.264.
//!
//! `cargo run --release --example viewer -- http://127.0.0.1:8080/whep --viewers 5 --seconds 10`

mod http;
#[path = "../shared/options.rs"]
mod options;
#[allow(dead_code)]
#[path = "../shared/pictures.rs"]
mod pictures;
mod report;
mod sink;
#[path = "../shared/socket.rs"]
mod socket;
#[allow(dead_code)]
#[path = "../shared/wait.rs"]
mod wait;
mod watcher;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use report::Report;
use wait::wait_slice;
use watcher::{Seen, Watcher};
use windshield::link::Crypto;

const HELP: &str = "\
viewer URL [options]: watches a WHEP server without a browser, e.g. http://127.0.0.1:8080/whep
viewer --sink [options]: takes bare datagrams in; prints an address to send to for each viewer
  --viewers N        how many, each with a socket of its own (1)
  --seconds N        how long, counted from when everyone has a picture (10)
  --log FILE         a line for each picture: viewer, RTP time, datagrams, fingerprint, bytes,
                     CLOCK_REALTIME of the kernel's stamps on its first and last datagram (ns)
  --json             the report for machines";

/// Everyone has a picture by then, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(15);

struct Options {
    url: String,
    sink: bool,
    viewers: usize,
    seconds: f64,
    log: Option<String>,
    json: bool,
}

fn main() -> ExitCode {
    let outcome = read_options().and_then(|options| {
        let report = if options.sink { sink::run(&options) } else { watch(&options) }?;
        println!("{}", if options.json { report.json() } else { report.table() });
        Ok(())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn read_options() -> Result<Options, String> {
    let mut read = Options { url: String::new(), sink: false, viewers: 1, seconds: 10.0, log: None, json: false };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("sink") => read.sink = true,
            Long("viewers") => read.viewers = options::parse(&mut arguments, "number of viewers")?,
            Long("seconds") => read.seconds = options::parse(&mut arguments, "number of seconds")?,
            Long("log") => read.log = Some(options::text(&mut arguments)?),
            Long("json") => read.json = true,
            Long("help") | Short('h') => return Err(HELP.to_owned()),
            Value(url) if read.url.is_empty() => read.url = url.string().map_err(|e| e.to_string())?,
            other => return Err(format!("{}\n\n{HELP}", other.unexpected())),
        }
    }
    if read.url.is_empty() != read.sink || read.viewers == 0 || !(0.0..=86_400.0).contains(&read.seconds) {
        return Err(format!("either a URL or --sink, at least one viewer, at most a day\n\n{HELP}"));
    }
    Ok(read)
}

/// Watches until `--seconds` after everyone's first picture.
fn watch(options: &Options) -> Result<Report, String> {
    let crypto = Crypto::new(Instant::now())?;
    let url = http::Url::parse(&options.url)?;
    let mut log = open_log(options)?;
    let mut watchers = Vec::new();
    for _ in 0..options.viewers {
        watchers.push(Watcher::join(&url, &crypto)?);
    }
    let began = Instant::now();
    let mut end = None;
    let mut now = began;
    while end.is_none_or(|end| now < end) {
        let timeout = watchers.iter().map(Watcher::poll_timeout).chain(end).min();
        let mut set: Vec<_> = watchers.iter().map(|w| socket::readable(&w.socket)).collect();
        wait_slice(&mut set, Some(timeout.unwrap_or(now).min(now + Duration::from_millis(500))))
            .map_err(|e| e.to_string())?;
        now = Instant::now();
        for (n, (watcher, polled)) in watchers.iter_mut().zip(&set).enumerate() {
            if polled.revents != 0 {
                watcher.handle_readable(now);
            }
            watcher.handle_timeout(now);
            for seen in watcher.seen.drain(..) {
                note(&mut log, n, &seen)?;
            }
            if !watcher.is_alive() {
                return Err(format!("viewer {n} was let go by the sender"));
            }
        }
        if end.is_none() && watchers.iter().all(|w| w.counts.frames > 0) {
            // perf/run starts its clock at this line.
            eprintln!("live");
            end = Some(now + Duration::from_secs_f64(options.seconds));
            watchers.iter_mut().for_each(|w| w.counts.restart());
        } else if end.is_none() && now > began + PATIENCE {
            let without = watchers.iter().filter(|w| w.counts.frames == 0).count();
            return Err(format!("{without} viewers have no picture after {} s", PATIENCE.as_secs()));
        }
    }
    let report = Report::new(options.seconds, watchers.iter().map(|w| w.counts).collect());
    watchers.into_iter().for_each(|w| w.leave(&url));
    Ok(report)
}

fn open_log(options: &Options) -> Result<Box<dyn Write>, String> {
    Ok(match &options.log {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|e| format!("cannot write {path}: {e}"))?)),
        None => Box::new(std::io::sink()),
    })
}

fn note(log: &mut dyn Write, viewer: usize, seen: &Seen) -> Result<(), String> {
    let Seen { rtp_time, datagrams, fingerprint, bytes, first_ns, last_ns } = seen;
    writeln!(log, "{viewer} {rtp_time} {datagrams} {fingerprint:016x} {bytes} {first_ns} {last_ns}")
        .map_err(|e| format!("cannot write the log: {e}"))
}
