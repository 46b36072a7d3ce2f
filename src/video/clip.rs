//! EDGE: a raw H.264 file, read once into memory, cut once, and played for ever at the asked frame rate. For machines
//! without a camera, for tests and for measurements: the same bytes each time. It decides how missed ticks are made
//! up; where pictures begin and end is known by `access_unit`, the exact pace by `ticker`.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};

use super::Wakeup;
use super::access_unit::{Unit, cut};
use super::ticker::Ticker;
use crate::clock::Micros;
use crate::frame::{Frame, Obeyed, Order};
use crate::message::Severity;
use crate::trace::SourceStats;

/// The clip lies in memory whole; more than this is a film, and would push a small board into swap.
const LARGEST: u64 = 256 << 20;

/// So many frames are made up after a pause, back to back; what was missed beyond is skipped in time, so that a loop
/// which was away for seconds does not send seconds at once.
const CATCH_UP: u64 = 3;

/// Frames per second that make sense; beyond it, the browser shows no more.
const RATES: std::ops::RangeInclusive<u32> = 1..=240;

/// A clip that plays.
#[derive(Debug)]
pub struct Clip {
    path: PathBuf,
    stream: Vec<u8>,
    units: Vec<Unit>,
    /// The unit that is lent next.
    next: usize,
    /// So many frames are due.
    due: u64,
    /// The newest of them since then.
    last_due: Micros,
    fps: u32,
    ticker: Ticker,
    registry: Registry,
    /// For keyframes that get parameter sets.
    scratch: Vec<u8>,
    frames: u64,
    keyframes: u64,
    bytes: u64,
    skipped: u64,
}

impl Clip {
    /// Reads the file at `path`; its first frame is due at `now`.
    ///
    /// # Errors
    /// A sentence with the path: missing, unreadable, empty, too large, no H.264 or without a keyframe to begin with.
    pub fn open(path: &Path, fps: u32, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        let stream = read(path)?;
        let cut = cut(&stream);
        let name = path.display();
        let refuse = |sentence: String| Err(io::Error::new(io::ErrorKind::InvalidData, sentence));
        if cut.nals == 0 || (cut.units.is_empty() && cut.skipped == 0) {
            return refuse(format!(
                "the clip {name} is no raw H.264 (no picture of an Annex B byte stream in it); \
                 unpack other formats with: ffmpeg -i {name} -map 0:v -c:v copy -bsf:v h264_mp4toannexb clip.h264"
            ));
        }
        if cut.units.is_empty() {
            let lack = if cut.keyframes == 0 {
                "keyframe (IDR picture)"
            } else {
                "keyframe with its parameter sets (SPS and PPS)"
            };
            return refuse(format!(
                "the clip {name} cannot be played: it has no {lack}; record it anew, beginning with one"
            ));
        }
        if cut.skipped > 0 {
            log::warn!(
                "the clip {name}: left out {} pictures that cannot be decoded \
                 (before the first keyframe, or incomplete)",
                cut.skipped
            );
        }
        let fps = fps.clamp(*RATES.start(), *RATES.end());
        let ticker = Ticker::new(now, period(fps))?;
        wakeup.registry.register(&mut SourceFd(&ticker.as_raw_fd()), wakeup.token, Interest::READABLE)?;
        Ok(Self {
            path: path.to_owned(),
            units: cut.units,
            stream,
            next: 0,
            due: 0,
            last_due: Micros::of(now),
            fps,
            ticker,
            registry: wakeup.registry.try_clone()?,
            scratch: Vec::new(),
            frames: 0,
            keyframes: 0,
            bytes: 0,
            skipped: 0,
        })
    }

    /// See [`Source::handle_ready`](super::Source::handle_ready).
    pub fn handle_ready(&mut self, _now: Instant) {
        if let Some(ticks) = self.ticker.ticks() {
            let due = self.due + ticks.count;
            self.skipped += due.saturating_sub(CATCH_UP);
            self.due = due.min(CATCH_UP);
            self.last_due = ticks.last;
        }
    }

    /// See [`Source::lend`](super::Source::lend). A frame counts as captured when its tick was due.
    pub fn lend(&mut self, now: Instant, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        if self.due == 0 {
            return false;
        }
        self.due -= 1;
        let behind = period(self.fps).as_micros() as u64 * self.due;
        let unit = &self.units[self.next];
        let plain = &self.stream[unit.range.clone()];
        let bytes = match &unit.missing {
            None => plain,
            Some(missing) => missing.put_into(plain, &mut self.scratch),
        };
        self.frames += 1;
        self.keyframes += u64::from(unit.keyframe);
        self.bytes += bytes.len() as u64;
        self.next = (self.next + 1) % self.units.len();
        let captured = Micros(self.last_due.0.saturating_sub(behind));
        // The tick may have come due after the turn of the loop began.
        let dequeued = Micros::of(now).max(captured);
        take(Frame { bytes, keyframe: unit.keyframe, captured, encoding: None, dequeued });
        true
    }

    /// See [`Source::more`](super::Source::more).
    pub fn more(&self) -> bool {
        false
    }

    /// See [`Source::order`](super::Source::order).
    pub fn order(&mut self, now: Instant, order: Order) -> Obeyed {
        match order {
            Order::Keyframe => Obeyed::Cannot("a recorded clip has keyframes only where they were recorded"),
            Order::Bitrate(_) => Obeyed::Cannot("a recorded clip keeps the bit rate it was recorded with"),
            Order::FrameRate(fps) if !RATES.contains(&fps) => {
                Obeyed::Cannot("a clip plays at 1 to 240 frames per second")
            }
            Order::FrameRate(fps) => match self.ticker.set(now + period(fps), period(fps)) {
                Ok(()) => {
                    self.fps = fps;
                    Obeyed::Yes
                }
                Err(_) => Obeyed::Cannot("the system's timer refused the new frame rate"),
            },
        }
    }

    /// See [`Source::notice`](super::Source::notice): a clip that plays has nothing to say.
    pub fn notice(&self) -> Option<(Severity, &str)> {
        None
    }

    /// See [`Source::stats`](super::Source::stats).
    pub fn stats(&self) -> SourceStats {
        SourceStats {
            name: "clip".to_owned(),
            why: format!("asked for by --source clip:{}", self.path.display()),
            state: "running",
            frames: self.frames,
            keyframes: self.keyframes,
            bytes: self.bytes,
            dropped: self.skipped,
            ..SourceStats::default()
        }
    }

    /// See [`Source::describe`](super::Source::describe).
    pub fn describe(&self) -> String {
        format!("the clip {}, {} frames at {} fps, looped", self.path.display(), self.units.len(), self.fps)
    }

    /// See [`Source::close`](super::Source::close).
    pub fn close(&mut self) {
        // Fails only if it was not registered: nothing is lost then.
        let _ = self.registry.deregister(&mut SourceFd(&self.ticker.as_raw_fd()));
    }
}

fn period(fps: u32) -> Duration {
    Duration::from_secs(1) / fps
}

/// The whole file, or a sentence.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let name = path.display();
    let say = |kind, why: &str| Err(io::Error::new(kind, format!("cannot play the clip {name}: {why}")));
    let about = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return say(error.kind(), "there is no such file; check the path behind --source clip:");
        }
        Err(error) => return say(error.kind(), &error.to_string()),
        Ok(about) => about,
    };
    // A pipe or a device would block here, and has no end.
    if !about.is_file() {
        return say(io::ErrorKind::InvalidInput, "it is no ordinary file; for a stream use --source pipe:-");
    }
    match about.len() {
        0 => say(io::ErrorKind::InvalidData, "the file is empty; record it anew"),
        size if size > LARGEST => say(
            io::ErrorKind::InvalidData,
            &format!("it has {} MiB, and a clip may have {}; cut it", size >> 20, LARGEST >> 20),
        ),
        _ => fs::read(path).or_else(|error| say(error.kind(), &error.to_string())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
