//! EDGE: writes a file. Makes a test clip: the demo scene, encoded as fast as the machine can, without a clock. The
//! capture time in frame n's strip is n / fps, so the same arguments give the same pictures.
//!
//! `cargo run --release --example make_clip -- OUT.h264 --size 320x240 --fps 30 --bitrate 300k --seconds 3 --keyframe-every 30`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use lexopt::prelude::*;
use windshield::clock::Micros;
use windshield::frame::Bitrate;
use windshield::video::Size;
use windshield::video::demo::encoder::{Coded, Encoder};
use windshield::video::demo::picture::Picture;
use windshield::video::demo::scene::Scene;
use windshield::video::demo::strip::{Layout, Strip};

const HELP: &str = "\
make_clip OUT.h264 [options]: the demo scene as a raw H.264 file, for tests

  --size WxH           picture size (320x240)
  --fps N              frames per second, 1 to 120 (30)
  --bitrate N          bits per second, 300k or 2M (300k)
  --seconds N          length (3)
  --keyframe-every N   frames from keyframe to keyframe, 0 = only the first (30)";

struct Options {
    out: String,
    size: Size,
    fps: u32,
    bitrate: Bitrate,
    seconds: u32,
    keyframe_every: u32,
}

fn main() -> ExitCode {
    match options().and_then(|options| make(&options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let size = Size { width: 320, height: 240 };
    let mut options =
        Options { out: String::new(), size, fps: 30, bitrate: Bitrate(300_000), seconds: 3, keyframe_every: 30 };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(text)? {
        match argument {
            Long("size") => {
                let value = value_of(&mut arguments)?;
                options.size = size_of(&value).ok_or_else(|| format!("{value} is no size; try 320x240"))?;
            }
            Long("fps") => options.fps = number(&mut arguments, plain)?.clamp(1, 120),
            Long("bitrate") => options.bitrate = Bitrate(number(&mut arguments, scaled)?),
            Long("seconds") => options.seconds = number(&mut arguments, plain)?,
            Long("keyframe-every") => options.keyframe_every = number(&mut arguments, plain)?,
            Long("help") | Short('h') => return Err(HELP.to_owned()),
            Value(path) if options.out.is_empty() => options.out = path.string().map_err(text)?,
            other => return Err(text(other.unexpected())),
        }
    }
    if options.out.is_empty() { Err(format!("which file shall be written?\n\n{HELP}")) } else { Ok(options) }
}

fn text(error: lexopt::Error) -> String {
    format!("{error}\n\n{HELP}")
}

fn value_of(arguments: &mut lexopt::Parser) -> Result<String, String> {
    arguments.value().and_then(ValueExt::string).map_err(text)
}

fn number(arguments: &mut lexopt::Parser, read: fn(&str) -> Option<u32>) -> Result<u32, String> {
    let value = value_of(arguments)?;
    read(&value).ok_or_else(|| format!("{value} cannot be read as a number here\n\n{HELP}"))
}

fn plain(text: &str) -> Option<u32> {
    text.parse().ok()
}

/// 300k, 2M, 300000.
fn scaled(text: &str) -> Option<u32> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    digits.parse::<u32>().ok()?.checked_mul(unit)
}

/// Even numbers that leave room for the strip.
fn size_of(text: &str) -> Option<Size> {
    let (width, height) = text.split_once('x')?;
    let size = Size { width: plain(width)?, height: plain(height)? };
    let fits = size.width <= 3840 && size.height <= 2160 && size.width % 2 + size.height % 2 == 0;
    (fits && Layout::of(size.width as usize, size.height as usize).is_some()).then_some(size)
}

fn make(options: &Options) -> Result<String, String> {
    let name = &options.out;
    let frames = options.seconds.saturating_mul(options.fps);
    let file = File::create(name).map_err(|e| format!("cannot write {name}: {e}"))?;
    let mut file = BufWriter::new(file);
    let mut encoder = Encoder::new(options.fps, options.bitrate).map_err(|e| e.to_string())?;
    let (mut scene, mut picture) = (Scene::new(), Picture::new(options.size));
    let (mut bytes, mut written, mut keyframes) = (Vec::new(), 0, 0);
    for frame in 0..frames {
        if options.keyframe_every > 0 && frame % options.keyframe_every == 0 {
            encoder.order_keyframe();
        }
        let captured = Micros(u64::from(frame) * 1_000_000 / u64::from(options.fps));
        scene.draw(&mut picture, Strip::new(frame, captured));
        keyframes += u32::from(encoder.encode(&picture, &mut bytes).map_err(|e| e.to_string())? == Coded::Keyframe);
        file.write_all(&bytes).map_err(|e| format!("cannot write {name}: {e}"))?;
        written += bytes.len();
        scene.step(1.0 / options.fps as f32);
    }
    file.flush().map_err(|e| format!("cannot write {name}: {e}"))?;
    Ok(format!("{name}: {frames} frames, {keyframes} keyframes, {written} bytes"))
}
