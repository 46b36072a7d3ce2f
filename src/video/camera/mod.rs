//! A V4L2 camera that delivers H.264, and the parts that a camera with an encoder behind it shares with it: `feed` is the
//! machine, pure parts judge (`health`, `keyframes`, `units`, `stamps`, `sequence`, `level`), edges do (`direct`, `stream`, `setup`).

pub(super) mod device;
pub(super) mod direct;
pub(super) mod feed;
pub(super) mod health;
pub(super) mod keyframes;
pub(super) mod level;
pub(super) mod sequence;
pub(super) mod setup;
pub(super) mod stamps;
pub(super) mod stream;
mod trouble;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use mio::{Poll, Token, Waker};

    use super::super::settings::{Change, Settings};
    use super::super::{Choice, Size};
    use super::*;
    use crate::frame::{Bitrate, Obeyed, Order};

    fn camera(path: &Path, now: Instant) -> (Camera, Poll) {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(1)).unwrap());
        let size = Size { width: 640, height: 480 };
        let choice = Choice::Camera(path.to_owned());
        let options = Options { choice, size, fps: 30, bitrate: Bitrate(1), camera: Settings::default() };
        let wakeup = Wakeup { registry: poll.registry(), token: Token(0), waker };
        (Camera::open(path, &options, &wakeup, now).unwrap(), poll)
    }

    #[test]
    fn what_is_no_camera_is_a_state_with_a_sentence_and_no_error() {
        for (path, words) in [
            ("/dev/there-is-no-such-camera", "there is no /dev/there-is-no-such-camera"),
            ("/dev/null", "no camera but no video device at all"),
            ("/tmp", "no camera but a folder"),
        ] {
            let (camera, _poll) = camera(Path::new(path), Instant::now());
            let sentence = camera.stats().sentence;
            assert!(sentence.contains(words), "{sentence}");
            assert_eq!(camera.stats().state, "waiting");
            assert!(camera.describe().contains(words), "{}", camera.describe());
        }
    }

    #[test]
    fn a_camera_that_is_away_is_looked_for_at_most_ten_times_a_second_and_takes_orders_for_later() {
        let start = Instant::now();
        let (mut camera, _poll) = camera(Path::new("/dev/there-is-no-such-camera"), start);
        let (mut now, mut turns) = (start, 0);
        while now < start + Duration::from_secs(10) {
            now = camera.poll_timeout().unwrap();
            camera.handle_timeout(now);
            camera.handle_ready(now);
            assert!(!camera.more() && !camera.lend(now, &mut |_| ()));
            turns += 1;
        }
        assert!((20..=30).contains(&turns), "{turns} in ten seconds");
        assert_eq!(camera.order(now, Order::Keyframe), Obeyed::Yes);
        assert!(matches!(camera.order(now, Order::FrameRate(5)), Obeyed::Cannot(_)));
        let change = Change { hflip: Some(true), bitrate: Some(Bitrate(3)), ..Change::default() };
        let outcomes = camera.change(now, &change);
        assert_eq!(outcomes.len(), 2);
        assert!(outcomes.iter().all(|outcome| outcome.result.as_ref().unwrap_err().contains("comes back")));
        camera.close();
    }
}
