//! Two senders to compare windshield with, reading the same clip or pipe and serving the same viewers:
//! `bare` is the floor (the same bytes by plain `sendto`, no protocol), `engine` is str0m used the way its examples do.
//! Started by `perf/run`; a person may start them too.
//!
//! `cargo run --release --example baseline -- bare CLIP.h264 --to 127.0.0.1:5000`
//! `cargo run --release --example baseline -- engine CLIP.h264 --listen 127.0.0.1:8080`

mod bare;
mod desk;
mod engine;
mod input;
#[path = "../shared/options.rs"]
mod options;
mod peer;
#[allow(dead_code)]
#[path = "../shared/pictures.rs"]
mod pictures;
#[allow(dead_code)]
#[path = "../shared/wait.rs"]
mod wait;

use std::net::SocketAddr;
use std::process::ExitCode;

use input::Input;
use lexopt::prelude::*;

const HELP: &str = "\
baseline bare SOURCE [options]: the bytes of each picture in datagrams of 1,200, one sendto each
  --to IP:PORT       where to; once for each viewer
baseline engine SOURCE [options]: str0m in frame mode with its own packetizer, one sendto for each datagram
  --listen IP:PORT   HTTP (POST = offer, any path) and UDP, on this one address (127.0.0.1:8080)

  SOURCE             a raw H.264 file, paced and looped; or - for standard input, each picture with one write
  --fps RATE         pictures a second of a file (30)";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let (mut words, mut to, mut fps) = (Vec::new(), Vec::<SocketAddr>::new(), 30.0);
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
        match argument {
            Long("to") => to.push(options::parse(&mut arguments, "address; try 127.0.0.1:5000")?),
            Long("listen") => listen = options::parse(&mut arguments, "address; try 127.0.0.1:8080")?,
            Long("fps") => fps = options::parse(&mut arguments, "frame rate")?,
            Long("help") | Short('h') => return Err(HELP.to_owned()),
            Value(word) => words.push(word.string().map_err(|e| e.to_string())?),
            other => return Err(format!("{}\n\n{HELP}", other.unexpected())),
        }
    }
    let [which, source] = &words[..] else { return Err(HELP.to_owned()) };
    let input = if source == "-" { Input::standard() } else { Input::clip(source, fps)? };
    match which.as_str() {
        "bare" if !to.is_empty() => bare::run(input, &to),
        "bare" => Err(format!("bare sends to nobody without --to\n\n{HELP}")),
        "engine" if !listen.ip().is_unspecified() => engine::run(input, listen),
        "engine" => Err(format!("{listen} names no address that viewers could send to; try 127.0.0.1:8080")),
        other => Err(format!("{other} is neither bare nor engine\n\n{HELP}")),
    }
}
