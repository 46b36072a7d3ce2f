//! A V4L2 camera that delivers H.264, and the parts that a camera with an encoder behind it shares with it: `feed` is the
//! machine, pure parts judge (`health`, `keyframes`, `units`, `stamps`, `level`), edges do (`direct`, `stream`, `setup`).

pub(super) mod direct;
pub(super) mod feed;
pub(super) mod health;
pub(super) mod keyframes;
pub(super) mod level;
pub(super) mod setup;
pub(super) mod stamps;
pub(super) mod stream;
pub(super) mod units;

use std::io;
use std::path::Path;
use std::time::Instant;

use super::{Options, Wakeup};

/// A camera that delivers H.264 by itself.
pub type Camera = feed::Feed<direct::Direct>;

impl Camera {
    /// Opens what is there; what is not is a state.
    ///
    /// # Errors
    /// Only if the loop's registry cannot be duplicated.
    pub fn open(path: &Path, options: &Options, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        Self::new(path.to_owned(), options, wakeup, now)
    }
}
