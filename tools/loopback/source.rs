//! EDGE: reads a file. Where frames come from: the product's own clip source by its timer, or frames that are due at fixed
//! times: made up, or (in virtual time, which no timer knows) a file's pictures. Lends them to `world`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windshield::clock::Micros;
use windshield::frame::{Bitrate, Frame, Obeyed, Order};
use windshield::video::settings::Settings;
use windshield::video::{self, Choice, Wakeup};

use super::knobs::Knobs;
use super::pictures::Pictures;
use super::time::Clock;

/// A keyframe of a small encoder is so many times as large as what follows it.
const KEYFRAME_RATIO: usize = 4;

/// One comes so often without being asked for.
const KEYFRAME_EVERY: Duration = Duration::from_secs(2);

/// A source.
// There is one.
#[allow(clippy::large_enum_variant)]
pub enum Source {
    /// The product's.
    Product(video::Source),
    /// By the tool's own clock.
    Paced(Paced),
}

/// Frames due at fixed times.
pub struct Paced {
    pictures: Option<Pictures>,
    size: usize,
    start: Instant,
    period: Duration,
    lent: u64,
    keyframe_wished: bool,
    keyframe_due: u64,
    unit: Vec<u8>,
}

impl Source {
    /// By the product's own source where it can be.
    ///
    /// # Errors
    /// A sentence: the file is missing or no H.264.
    pub fn open(
        knobs: &Knobs,
        clock: &Clock,
        poll: Option<(&mio::Poll, mio::Token, Arc<mio::Waker>)>,
    ) -> Result<Self, String> {
        match (&knobs.clip, poll) {
            (Some(path), Some((poll, token, waker))) => {
                let options = video::Options {
                    choice: Choice::Clip(PathBuf::from(path)),
                    size: video::Size { width: 640, height: 480 },
                    fps: knobs.fps,
                    bitrate: Bitrate(2_000_000),
                    camera: Settings::default(),
                };
                let wakeup = Wakeup { registry: poll.registry(), token, waker };
                video::Source::open(&options, wakeup, clock.now()).map(Self::Product).map_err(|e| e.to_string())
            }
            (path, _) => Ok(Self::Paced(Paced {
                pictures: path.as_deref().map(Pictures::read).transpose()?,
                size: knobs.frame_size,
                start: clock.now(),
                period: knobs.period(),
                lent: 0,
                keyframe_wished: true,
                keyframe_due: 0,
                unit: Vec::new(),
            })),
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Product(source) => source.describe(),
            Self::Paced(Paced { pictures: Some(pictures), .. }) => {
                format!("a clip of {} frames", pictures.pictures.len())
            }
            Self::Paced(paced) => format!("made-up frames of {} bytes", paced.size),
        }
    }

    /// When there is something to lend, as far as this is known beforehand.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Product(source) => source.poll_timeout(),
            Self::Paced(paced) => Some(paced.due()),
        }
    }

    /// Its timer fired.
    pub fn handle_ready(&mut self, now: Instant) {
        if let Self::Product(source) = self {
            source.handle_ready(now);
        }
    }

    /// Lends a frame that is due; false if none is.
    pub fn lend(&mut self, now: Instant, dequeued: Micros, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        match self {
            Self::Product(source) => source.lend(now, take),
            Self::Paced(paced) => paced.lend(now, dequeued, take),
        }
    }

    /// Obeys or does not.
    pub fn order(&mut self, now: Instant, order: Order) -> Obeyed {
        match (self, order) {
            (Self::Product(source), order) => source.order(now, order),
            (Self::Paced(Paced { pictures: Some(_), .. }), _) => {
                Obeyed::Cannot("a clip has keyframes where it has them")
            }
            (Self::Paced(paced), Order::Keyframe) => {
                paced.keyframe_wished = true;
                Obeyed::Yes
            }
            (Self::Paced(_), _) => Obeyed::Cannot("made-up frames have the size that was asked for"),
        }
    }
}

impl Paced {
    /// Multiples of the period, so that no error adds up.
    fn due(&self) -> Instant {
        self.start + Duration::from_nanos(self.period.as_nanos() as u64 * self.lent)
    }

    fn lend(&mut self, now: Instant, dequeued: Micros, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        let due = self.due();
        if now < due {
            return false;
        }
        let captured = Micros::of(due).min(dequeued);
        let number = self.lent;
        self.lent += 1;
        if let Some(pictures) = &self.pictures {
            let (_, bytes, keyframe) = pictures.nth(number);
            take(Frame { bytes, keyframe, captured, encoding: None, dequeued });
            return true;
        }
        let keyframe = std::mem::take(&mut self.keyframe_wished) || number >= self.keyframe_due;
        if keyframe {
            self.keyframe_due = number + (KEYFRAME_EVERY.as_nanos() / self.period.as_nanos()) as u64;
        }
        let size = if keyframe { self.size * KEYFRAME_RATIO } else { self.size };
        access_unit(&mut self.unit, keyframe, size);
        take(Frame { bytes: &self.unit, keyframe, captured, encoding: None, dequeued });
        true
    }
}

/// `size` bytes that are H.264 as far as anyone looks before a decoder does.
fn access_unit(unit: &mut Vec<u8>, keyframe: bool, size: usize) {
    unit.clear();
    if keyframe {
        // Constrained baseline, level 3.1.
        unit.extend([0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xd9, 1, 0x41, 0xfb]);
        unit.extend([0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80]);
    }
    // The top bit of the second byte: first_mb_in_slice is 0, a picture begins.
    unit.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }, 0x88]);
    // No zeros, so no start code by chance.
    let filler = size.saturating_sub(unit.len());
    unit.extend((0..filler).map(|i| (i % 250) as u8 + 1));
}

/// What a clip needs to wake the loop.
///
/// # Errors
/// What the kernel says.
pub fn waker(poll: &mio::Poll, token: mio::Token) -> io::Result<Arc<mio::Waker>> {
    Ok(Arc::new(mio::Waker::new(poll.registry(), token)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_frames_are_pictures_of_the_size_asked_for() {
        let mut unit = Vec::new();
        for (keyframe, size) in [(true, 5_000), (false, 333)] {
            access_unit(&mut unit, keyframe, size);
            let cut = super::super::pictures::cut(&unit);
            assert_eq!((unit.len(), cut.len(), cut[0].keyframe), (size, 1, keyframe));
        }
    }
}
