//! A V4L2 camera that delivers raw pictures, and a V4L2 encoder behind it: `m2m` is the encoder, `coder` joins the two, and
//! the machine that makes a source of them is that of `camera`.

pub(super) mod coder;
#[cfg(test)]
mod drivers;
mod inside;
pub(super) mod m2m;

use std::io;
use std::path::Path;
use std::time::Instant;

use super::camera::feed::Feed;
use super::{Options, Wakeup};

/// A raw camera and its encoder.
pub type Encoder = Feed<coder::Coder>;

impl Encoder {
    /// Opens what is there; what is not is a state.
    ///
    /// # Errors
    /// Only if the loop's registry cannot be duplicated.
    pub fn open(raw: &Path, encoder: &Path, options: &Options, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        Self::new(coder::Pair { raw: raw.to_owned(), encoder: encoder.to_owned() }, options, wakeup, now)
    }
}
