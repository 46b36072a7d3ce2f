//! Pictures in: every source of H.264 behind one seam. `run` opens a [`Source`], feeds it readiness and time, takes its
//! frames by [`Source::lend`] and hands it the link's orders. Never sees a socket or a viewer.
//!
//! A frame is lent to a closure and belongs to the source again when the closure returns; that is how a camera's mapped
//! buffers will pass without a copy. A source that fails while running is in a state with a sentence, never an error.

mod access_unit;
mod assembler;
pub mod auto;
mod backoff;
pub mod camera;
mod choice;
pub mod clip;
#[cfg(feature = "demo")]
pub mod demo;
pub mod encoder;
mod group;
mod input;
mod leaving;
mod nodes;
mod parameter_sets;
pub mod pipe;
mod queue;
pub mod rpicam;
#[cfg(test)]
mod scratch;
pub mod settings;
mod slices;
mod ticker;
mod trouble;
mod trust;
mod v4l2;
mod window;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::{Registry, Token, Waker};

pub use self::choice::{Choice, Size};
use crate::frame::{Bitrate, Frame, Obeyed, Order};
use crate::message::Severity;
use crate::trace::SourceStats;
use settings::{Change, Outcome, Settings};

/// What was asked of the source. `size`, `fps` and `bitrate` bind the demo scene and cameras; a clip takes `fps`; a pipe
/// brings what it brings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which source.
    pub choice: Choice,
    /// Pixels.
    pub size: Size,
    /// Frames per second.
    pub fps: u32,
    /// Bits per second of the encoder.
    pub bitrate: Bitrate,
    /// Of cameras.
    pub camera: Settings,
}

/// What a source needs of the loop to wake it.
#[derive(Debug)]
pub struct Wakeup<'a> {
    /// Where it registers its descriptors.
    pub registry: &'a Registry,
    /// With this token.
    pub token: Token,
    /// For sources that live in a thread of their own.
    pub waker: Arc<Waker>,
}

/// Where pictures come from.
#[derive(Debug)]
// There is one in a program, and it stays where it is.
#[allow(clippy::large_enum_variant)]
pub enum Source {
    /// A file.
    Clip(clip::Clip),
    /// Standard input or a program.
    Pipe(pipe::Pipe),
    /// A V4L2 device that delivers H.264.
    Camera(camera::Camera),
    /// A V4L2 camera with a V4L2 encoder behind it.
    Encoder(encoder::Encoder),
    /// The camera of a Pi whose stack is libcamera.
    Rpicam(rpicam::Rpicam),
    /// The drawn scene.
    #[cfg(feature = "demo")]
    Demo {
        /// The scene and its encoder.
        scene: demo::Demo,
        /// Why this source and not another.
        why: String,
        /// See [`Source::describe`].
        about: String,
    },
}

/// The same call for whichever source it is.
macro_rules! each {
    ($source:expr, $one:ident => $call:expr) => {
        match $source {
            Self::Clip($one) => $call,
            Self::Pipe($one) => $call,
            Self::Camera($one) => $call,
            Self::Encoder($one) => $call,
            Self::Rpicam($one) => $call,
            #[cfg(feature = "demo")]
            Self::Demo { scene: $one, .. } => $call,
        }
    };
}

impl Source {
    /// Opens what was chosen.
    ///
    /// # Errors
    /// A sentence, and only for what a restart cannot mend: a clip that is missing, empty or no H.264, standard input
    /// that is no stream, a demo that is not compiled in. A program that cannot be run or dies is a state.
    pub fn open(options: &Options, wakeup: Wakeup<'_>, now: Instant) -> io::Result<Self> {
        let source = Self::open_choice(options, wakeup, now)?;
        if source.settings().is_none() && options.camera != Settings::default() {
            log::warn!("--camera: there is no camera to set; the source is {}", source.describe());
        }
        Ok(source)
    }

    fn open_choice(options: &Options, wakeup: Wakeup<'_>, now: Instant) -> io::Result<Self> {
        match &options.choice {
            Choice::Clip(path) => Ok(Self::Clip(clip::Clip::open(path, options.fps, &wakeup, now)?)),
            Choice::Stdin => Ok(Self::Pipe(pipe::Pipe::stdin(&wakeup, now)?)),
            Choice::Command(command) => Ok(Self::Pipe(pipe::Pipe::command(command, &wakeup, now)?)),
            Choice::Camera(path) => Ok(Self::Camera(camera::Camera::open(path, options, &wakeup, now)?)),
            Choice::Encoder(raw, m2m) => Ok(Self::Encoder(encoder::Encoder::open(raw, m2m, options, &wakeup, now)?)),
            Choice::Rpicam => {
                let (program, _) = nodes::rpicam();
                Ok(Self::Rpicam(rpicam::Rpicam::open(program, options, &wakeup, now)?))
            }
            Choice::Auto => Self::open_best(options, wakeup, now),
            Choice::Demo => Self::open_demo(options, wakeup, "asked for by --source demo".to_owned()),
        }
    }

    /// What [`auto`] decides for this machine.
    fn open_best(options: &Options, wakeup: Wakeup<'_>, now: Instant) -> io::Result<Self> {
        let (choice, why) = auto::decide(&nodes::list(), nodes::rpicam().1);
        if matches!(choice, Choice::Auto | Choice::Demo) {
            return Self::open_demo(options, wakeup, why);
        }
        Ok(match Self::open_choice(&Options { choice, ..options.clone() }, wakeup, now)? {
            Self::Camera(camera) => Self::Camera(camera.because(why)),
            Self::Encoder(encoder) => Self::Encoder(encoder.because(why)),
            Self::Rpicam(rpicam) => Self::Rpicam(rpicam.because(why)),
            other => other,
        })
    }

    #[cfg(feature = "demo")]
    fn open_demo(options: &Options, wakeup: Wakeup<'_>, why: String) -> io::Result<Self> {
        let Options { size, fps, bitrate, .. } = *options;
        let scene = demo::Demo::open(size, fps, bitrate, wakeup.waker)?;
        let about = format!("the demo scene, {size} at {fps} fps, {} ({why})", Rate(bitrate));
        Ok(Self::Demo { scene, why, about })
    }

    #[cfg(not(feature = "demo"))]
    fn open_demo(options: &Options, _: Wakeup<'_>, why: String) -> io::Result<Self> {
        let sentence = match options.choice {
            Choice::Demo => "the demo scene is not compiled into this program (cargo feature \"demo\")".to_owned(),
            _ => {
                format!("no source for pictures: {why}, and the demo scene is not compiled in (cargo feature \"demo\")")
            }
        };
        let way_out =
            "give it a camera program with --source pipe:COMMAND, or a recording with --source clip:FILE.h264";
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("{sentence}; {way_out}")))
    }

    /// Its descriptor or the waker fired, or [`more`](Self::more) said so: takes in what is there, without blocking,
    /// up to a batch limit.
    pub fn handle_ready(&mut self, now: Instant) {
        each!(self, one => one.handle_ready(now));
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Clip(_) => {}
            Self::Pipe(pipe) => pipe.handle_timeout(now),
            Self::Camera(camera) => camera.handle_timeout(now),
            Self::Encoder(encoder) => encoder.handle_timeout(now),
            Self::Rpicam(rpicam) => rpicam.handle_timeout(now),
            #[cfg(feature = "demo")]
            Self::Demo { .. } => {}
        }
    }

    /// When it wants [`handle_timeout`](Self::handle_timeout) to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Clip(_) => None,
            Self::Pipe(pipe) => pipe.poll_timeout(),
            Self::Camera(camera) => camera.poll_timeout(),
            Self::Encoder(encoder) => encoder.poll_timeout(),
            Self::Rpicam(rpicam) => rpicam.poll_timeout(),
            #[cfg(feature = "demo")]
            Self::Demo { .. } => None,
        }
    }

    /// Lends the next frame if one is whole; false if there is none now. May be called again at once.
    pub fn lend(&mut self, now: Instant, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        each!(self, one => one.lend(now, take))
    }

    /// There is more to take in although no event will say so: call [`handle_ready`](Self::handle_ready) in the next
    /// turn without waiting.
    pub fn more(&self) -> bool {
        each!(self, one => one.more())
    }

    /// Carries out an order of the link, or says that it cannot.
    pub fn order(&mut self, now: Instant, order: Order) -> Obeyed {
        each!(self, one => one.order(now, order))
    }

    /// Changes a running camera; one outcome for each thing that was asked for.
    pub fn change(&mut self, now: Instant, change: &Change) -> Vec<Outcome> {
        match self {
            Self::Camera(camera) => camera.change(now, change),
            Self::Encoder(encoder) => encoder.change(now, change),
            Self::Rpicam(rpicam) => rpicam.change(now, change),
            Self::Clip(_) => change.refused("a recorded clip has no camera"),
            Self::Pipe(_) => change.refused("a pipe carries no orders to its camera"),
            #[cfg(feature = "demo")]
            Self::Demo { scene, .. } => {
                let mut outcomes = change.refused("the demo scene has no camera");
                if let Some(rate) = change.bitrate
                    && let Some(outcome) = outcomes.iter_mut().find(|outcome| outcome.name == "bitrate")
                {
                    outcome.result = match scene.order(now, Order::Bitrate(rate)) {
                        Obeyed::Yes => Ok(format!("{} bit/s", scene.stats().bitrate.unwrap_or(rate.0))),
                        Obeyed::Cannot(why) => Err(why.to_owned()),
                    };
                }
                outcomes
            }
        }
    }

    /// How the camera is set; none where there is no camera to set.
    pub fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Camera(camera) => Some(camera.settings()),
            Self::Encoder(encoder) => Some(encoder.settings()),
            Self::Rpicam(rpicam) => Some(rpicam.settings()),
            Self::Clip(_) | Self::Pipe(_) => None,
            #[cfg(feature = "demo")]
            Self::Demo { .. } => None,
        }
    }

    /// What a person should know, e.g. "the camera program ended (exit status 1); starting it again in 2 s". None when
    /// all is well.
    pub fn notice(&self) -> Option<(Severity, &str)> {
        each!(self, one => one.notice())
    }

    /// Counters and state; everything but `profile_level_id`.
    pub fn stats(&self) -> SourceStats {
        match self {
            Self::Clip(clip) => clip.stats(),
            Self::Pipe(pipe) => pipe.stats(),
            Self::Camera(camera) => camera.stats(),
            Self::Encoder(encoder) => encoder.stats(),
            Self::Rpicam(rpicam) => rpicam.stats(),
            #[cfg(feature = "demo")]
            Self::Demo { scene, why, .. } => SourceStats { why: why.clone(), ..scene.stats() },
        }
    }

    /// One line for the log and the banner: which source, and why this one.
    pub fn describe(&self) -> String {
        match self {
            Self::Clip(clip) => clip.describe(),
            Self::Pipe(pipe) => pipe.describe(),
            Self::Camera(camera) => camera.describe(),
            Self::Encoder(encoder) => encoder.describe(),
            Self::Rpicam(rpicam) => rpicam.describe(),
            #[cfg(feature = "demo")]
            Self::Demo { about, .. } => about.clone(),
        }
    }

    /// Ends what it started (a program with all its children, a thread). Called once, at exit; takes half a second at
    /// most.
    pub fn close(&mut self) {
        each!(self, one => one.close());
    }
}

/// A bit rate as people say it.
#[cfg(feature = "demo")]
struct Rate(Bitrate);

#[cfg(feature = "demo")]
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.0 {
            rate if rate >= 1_000_000 => write!(f, "{} Mbit/s", f64::from(rate) / 1e6),
            rate => write!(f, "{} kbit/s", f64::from(rate) / 1e3),
        }
    }
}

#[cfg(all(test, not(feature = "demo")))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_a_camera_and_a_demo_the_refusal_says_what_to_do() {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(1)).unwrap());
        for choice in [Choice::Auto, Choice::Demo] {
            let waker = Arc::clone(&waker);
            let size = Size { width: 640, height: 480 };
            let camera = Settings::default();
            let options = Options { choice, size, fps: 30, bitrate: Bitrate(2_000_000), camera };
            let wakeup = Wakeup { registry: poll.registry(), token: Token(0), waker };
            let sentence = Source::open(&options, wakeup, Instant::now()).unwrap_err().to_string();
            assert!(sentence.contains("--source pipe:COMMAND"), "{sentence}");
        }
    }
}
