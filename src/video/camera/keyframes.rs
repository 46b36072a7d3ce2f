//! How a camera is brought to make a keyframe: by its control if it has one; else by a short I-frame period for as long
//! as someone needs one; else by ending and starting the stream. Pure: what does not work is found out by trying, and
//! the next way is taken.

use std::time::{Duration, Instant};

/// An encoder that was asked has answered by then, at the lowest frame rates too.
const PATIENCE: Duration = Duration::from_secs(1);
/// STREAMOFF and STREAMON take 300 ms and more on VideoCore.
const RESTART_PATIENCE: Duration = Duration::from_secs(2);
/// And they stop the picture: not more often than this.
const RESTART_SPACING: Duration = Duration::from_secs(2);
/// A camera that makes keyframes of its own accord this often is waited for rather than stopped.
const OWN_ACCORD: Duration = Duration::from_secs(2);
/// A keyframe so soon after a start is the stream's first and says nothing about a period.
const BEGINNING: Duration = Duration::from_millis(500);
/// Failures in a row after which a way is no way.
const FAILURES: u32 = 2;

/// A way to a keyframe, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::video) enum Way {
    /// V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME.
    Force,
    /// A short period, and the long one again once the keyframe has come.
    Period,
    /// STREAMOFF, STREAMON.
    Restart,
}

impl Way {
    /// For the description of the camera.
    pub(in crate::video) fn describe(self) -> &'static str {
        match self {
            Self::Force => "keyframes on demand",
            Self::Period => "keyframes on demand by a short I-frame period (no force-keyframe control)",
            Self::Restart => {
                "keyframes on demand by starting the stream again, 0.3 s without a picture \
                 (neither a force-keyframe control nor an I-frame period)"
            }
        }
    }
}

/// What to do with the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::video) enum Act {
    Force,
    ShortPeriod,
    LongPeriod,
    Restart,
}

/// The ways that a device has, and how they fare.
#[derive(Debug, Default)]
pub(in crate::video) struct Keyframes {
    /// With failures in a row.
    ways: Vec<(Way, u32)>,
    state: State,
    /// The period is short now.
    short: bool,
    last_restart: Option<Instant>,
    /// When the last one came that nobody had asked for, and the time from the one before.
    own: Option<Own>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Own {
    last: Instant,
    period: Option<Duration>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// Asked by the way of this place; it must have come by then.
    Asked { at: usize, until: Instant },
    /// The stream was started again a moment ago; again only then.
    Spaced { at: usize, until: Instant },
}

impl Keyframes {
    pub(in crate::video) fn new(mut ways: Vec<Way>) -> Self {
        ways.sort();
        ways.dedup();
        Self { ways: ways.into_iter().map(|way| (way, 0)).collect(), ..Self::default() }
    }

    /// The way that would be taken now; None if there is none that works.
    pub(in crate::video) fn way(&self) -> Option<Way> {
        self.next(0).map(|at| self.ways[at].0)
    }

    /// Somebody needs a keyframe.
    pub(in crate::video) fn wish(&mut self, now: Instant) -> Option<Act> {
        match self.state {
            State::Idle => self.try_from(0, now),
            // It is on its way. The control costs nothing and may be pressed again: a keyframe that is being encoded
            // now may be older than the wish.
            State::Asked { at, .. } if self.ways[at].0 == Way::Force => Some(Act::Force),
            State::Asked { .. } | State::Spaced { .. } => None,
        }
    }

    /// Nothing can be shown without one: as a wish, unless it is on its way already.
    pub(in crate::video) fn need(&mut self, now: Instant) -> Option<Act> {
        if self.state == State::Idle { self.wish(now) } else { None }
    }

    /// A keyframe came.
    pub(in crate::video) fn came(&mut self, now: Instant) -> Option<Act> {
        let begun = self.last_restart.is_some_and(|last| now < last + BEGINNING);
        match self.state {
            State::Asked { at, .. } => {
                self.ways[at].1 = 0;
                self.own = None;
            }
            State::Idle | State::Spaced { .. } if begun => {}
            State::Idle | State::Spaced { .. } => {
                let period = self.own.map(|own| now.saturating_duration_since(own.last));
                self.own = Some(Own { last: now, period });
            }
        }
        self.state = State::Idle;
        std::mem::take(&mut self.short).then_some(Act::LongPeriod)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(in crate::video) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Asked { until, .. } | State::Spaced { until, .. } => Some(until),
        }
    }

    /// What was asked for has not come: the next way.
    pub(in crate::video) fn handle_timeout(&mut self, now: Instant) -> Option<Act> {
        match self.state {
            State::Asked { at, until } if until <= now => {
                self.ways[at].1 += 1;
                log::info!("no keyframe came by {:?} ({} in a row)", self.ways[at].0, self.ways[at].1);
                self.state = State::Idle;
                self.try_from(at + 1, now)
            }
            State::Spaced { at, until } if until <= now => {
                self.state = State::Idle;
                self.try_from(at, now)
            }
            State::Idle | State::Asked { .. } | State::Spaced { .. } => None,
        }
    }

    /// The stream was started anew, for whatever reason: it begins with a keyframe, with the long period.
    pub(in crate::video) fn restarted(&mut self, now: Instant) {
        self.last_restart = Some(now);
        self.own = None;
        if let State::Asked { at, .. } = self.state {
            self.state = State::Asked { at, until: now + RESTART_PATIENCE };
        }
    }

    /// Until when a keyframe of the camera's own accord is worth waiting for.
    fn expected(&self) -> Option<Instant> {
        let Own { last, period } = self.own?;
        period.filter(|period| *period <= OWN_ACCORD).map(|period| last + period + period / 2)
    }

    fn next(&self, from: usize) -> Option<usize> {
        (from..self.ways.len()).find(|at| self.ways[*at].1 < FAILURES)
    }

    fn try_from(&mut self, from: usize, now: Instant) -> Option<Act> {
        let at = self.next(from)?;
        let (act, until) = match self.ways[at].0 {
            Way::Force => (Act::Force, now + PATIENCE),
            Way::Period => {
                self.short = true;
                (Act::ShortPeriod, now + PATIENCE)
            }
            Way::Restart => {
                let spaced = self.last_restart.map(|last| last + RESTART_SPACING);
                let earliest = spaced.max(self.expected()).unwrap_or(now);
                if earliest > now {
                    self.state = State::Spaced { at, until: earliest };
                    return None;
                }
                self.last_restart = Some(now);
                (Act::Restart, now + RESTART_PATIENCE)
            }
        };
        self.state = State::Asked { at, until };
        Some(act)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn all() -> Keyframes {
        Keyframes::new(vec![Way::Restart, Way::Force, Way::Period])
    }

    #[test]
    fn the_control_is_used_where_it_works_and_nothing_else() {
        let mut keyframes = all();
        let mut now = Instant::now();
        for _ in 0..100 {
            assert_eq!(keyframes.wish(now), Some(Act::Force));
            assert_eq!(keyframes.came(now), None);
            assert_eq!(keyframes.poll_timeout(), None);
            now += PATIENCE * 3;
        }
    }

    #[test]
    fn a_short_period_lasts_until_the_keyframe_comes() {
        let mut keyframes = Keyframes::new(vec![Way::Period, Way::Restart]);
        let now = Instant::now();
        assert_eq!(keyframes.wish(now), Some(Act::ShortPeriod));
        assert_eq!(keyframes.wish(now), None, "it is short already");
        assert_eq!(keyframes.came(now), Some(Act::LongPeriod));
        assert_eq!(keyframes.came(now), None, "a keyframe of its own accord changes nothing");
    }

    #[test]
    fn what_brings_nothing_is_followed_by_the_next_way_and_given_up_after_two_failures() {
        let mut keyframes = all();
        let mut now = Instant::now();
        for _ in 0..2 {
            assert_eq!(keyframes.wish(now), Some(Act::Force));
            now = keyframes.poll_timeout().unwrap();
            assert_eq!(keyframes.handle_timeout(now), Some(Act::ShortPeriod));
            assert_eq!(keyframes.came(now), Some(Act::LongPeriod));
        }
        assert_eq!(keyframes.way(), Some(Way::Period));
        assert_eq!(keyframes.wish(now), Some(Act::ShortPeriod));
    }

    #[test]
    fn a_camera_that_makes_none_by_any_means_is_left_alone() {
        let mut keyframes = Keyframes::new(vec![Way::Restart]);
        let mut now = Instant::now();
        let mut restarts = 0;
        for _ in 0..1000 {
            restarts += u32::from(keyframes.wish(now) == Some(Act::Restart));
            restarts += u32::from(keyframes.handle_timeout(now) == Some(Act::Restart));
            now += Duration::from_millis(100);
        }
        assert_eq!((restarts, keyframes.way(), keyframes.poll_timeout()), (FAILURES, None, None));
    }

    #[test]
    fn a_camera_that_makes_keyframes_by_itself_is_waited_for_as_long_as_it_does() {
        let mut keyframes = Keyframes::new(vec![Way::Restart]);
        let mut now = Instant::now();
        keyframes.restarted(now);
        for _ in 0..5 {
            now += Duration::from_secs(1);
            assert_eq!(keyframes.came(now), None);
        }
        assert_eq!(keyframes.wish(now + Duration::from_millis(700)), None);
        let due = keyframes.poll_timeout().unwrap();
        assert_eq!(due, now + Duration::from_millis(1_500), "by then it should have come");
        assert_eq!(keyframes.handle_timeout(due), Some(Act::Restart));
    }

    #[test]
    fn the_stream_is_not_started_again_more_often_than_every_two_seconds() {
        let mut keyframes = Keyframes::new(vec![Way::Restart]);
        let start = Instant::now();
        let mut restarts = Vec::new();
        // Every 100 ms somebody wishes, and each restart brings a keyframe at once.
        for n in 0..100 {
            let now = start + Duration::from_millis(100) * n;
            for act in [keyframes.handle_timeout(now), keyframes.wish(now)].into_iter().flatten() {
                assert_eq!(act, Act::Restart);
                restarts.push(now);
                keyframes.came(now);
            }
        }
        assert_eq!(restarts.len(), 5);
        assert!(restarts.windows(2).all(|two| two[1] - two[0] >= RESTART_SPACING));
    }
}
