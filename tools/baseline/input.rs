//! EDGE: the clock and standard input. Where a baseline's pictures come from: a clip by the clock, or a pipe, of which
//! each read is taken for whole pictures (`feeder` writes each with one call). Used by `bare` and `engine`.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use crate::pictures::{Pictures, cut};

/// What one read can bring: more than any picture has.
const ROOM: usize = 1 << 20;

/// A source.
pub enum Input {
    /// A file.
    Clip {
        /// Its pictures.
        pictures: Pictures,
        /// Between two of them.
        period: Duration,
        /// When the first was due.
        start: Instant,
        /// How many were lent.
        lent: u64,
    },
    /// Standard input.
    Standard(Vec<u8>),
}

impl Input {
    /// A file, its first picture due now.
    ///
    /// # Errors
    /// A sentence.
    pub fn clip(path: &str, fps: f64) -> Result<Self, String> {
        if !(1.0..=240.0).contains(&fps) {
            return Err(format!("{fps} is no frame rate from 1 to 240"));
        }
        let pictures = Pictures::read(path)?;
        Ok(Self::Clip { pictures, period: Duration::from_secs_f64(1.0 / fps), start: Instant::now(), lent: 0 })
    }

    /// Standard input.
    pub fn standard() -> Self {
        Self::Standard(vec![0; ROOM])
    }

    /// What to wait for: a descriptor (-1: none), a time.
    pub fn waits_for(&self) -> (RawFd, Option<Instant>) {
        match self {
            Self::Clip { period, start, lent, .. } => (-1, Some(*start + period.mul_f64(*lent as f64))),
            Self::Standard(_) => (libc::STDIN_FILENO, None),
        }
    }

    /// Lends what is due: each picture and whether it is a keyframe. False at the end of standard input.
    ///
    /// # Errors
    /// What read(2) says.
    pub fn lend(&mut self, now: Instant, readable: bool, take: &mut dyn FnMut(&[u8], bool)) -> io::Result<bool> {
        match self {
            Self::Clip { pictures, period, start, lent } => {
                while *start + period.mul_f64(*lent as f64) <= now {
                    let (_, unit, keyframe) = pictures.nth(*lent);
                    take(unit, keyframe);
                    *lent += 1;
                }
                Ok(true)
            }
            Self::Standard(room) if readable => {
                // SAFETY: pointer and length are those of the room. Not `Stdin`, whose buffer would copy.
                let got = unsafe { libc::read(libc::STDIN_FILENO, room.as_mut_ptr().cast(), room.len()) };
                let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
                for picture in cut(&room[..got]) {
                    take(&room[picture.range], picture.keyframe);
                }
                Ok(got > 0)
            }
            Self::Standard(_) => Ok(true),
        }
    }
}
