//! What can be wrong with a camera, and what is done about it when: open again, start again, wait. Pure: told what
//! happened, it says what to do next; `camera` and `encoder` do it. However a device fails, it is asked at most ten times
//! a second, and one that comes back is found within half a second.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// Between two attempts: short at first, since most faults are over in a moment, ..
const FIRST: Duration = Duration::from_millis(100);
/// .. and never longer, so that there is a picture again within a second of the device's return.
const MOST: Duration = Duration::from_millis(500);

/// A camera that streams and delivers nothing for so long is starved; at 5 frames a second that is five frames.
pub(in crate::video) const SILENCE: Duration = Duration::from_secs(1);
/// Starting again has not helped so far: it is done less and less often, up to this.
const LONGEST_SILENCE: Duration = Duration::from_secs(8);

/// STREAMON is refused so often before everything is opened anew.
const REFUSALS: u32 = 8;
/// A broken stream is started again so often before the device is opened anew.
const RESTARTS: u32 = 3;

/// What is wrong, named as a person would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is no such device.
    Missing,
    /// It may not be opened by this user.
    Forbidden,
    /// It is something else; what, in words.
    NoCamera(String),
    /// It is a camera, but not of this kind; what it offers, which may be nothing: a node that nobody feeds.
    WithoutFormat { wanted: &'static str, offers: String },
    /// Another program has it.
    Busy,
    /// It was there and is gone.
    Unplugged,
    /// The stream ended with an error, for ever until it is started again.
    Broken(String),
    /// STREAMON was refused; the buffers stay queued.
    Refused(String),
    /// No frame comes.
    Starved,
    /// Size or format are others now; everything must be agreed on anew.
    Changed,
    /// Something else was refused: what, and how.
    Unfit(String),
}

/// Which step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::video) enum Stage {
    Open,
    Identify,
    /// Formats, buffers.
    Prepare(&'static str),
    Start,
    Stream,
}

impl Fault {
    /// What the kernel's error means at this step.
    pub(in crate::video) fn of(stage: Stage, error: &io::Error) -> Self {
        let code = error.raw_os_error().unwrap_or(0);
        match (stage, code) {
            (Stage::Open, libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ENOTDIR) => Self::Missing,
            (Stage::Open, libc::EACCES | libc::EPERM) => Self::Forbidden,
            (_, libc::ENODEV | libc::ENXIO) => Self::Unplugged,
            (Stage::Open | Stage::Prepare(_), libc::EBUSY) => Self::Busy,
            (Stage::Open, libc::EISDIR) => Self::NoCamera("a folder".to_owned()),
            (Stage::Identify, libc::ENOTTY | libc::EINVAL) => Self::NoCamera("no video device at all".to_owned()),
            (Stage::Start, _) => Self::Refused(error.to_string()),
            (Stage::Stream, _) => Self::Broken(error.to_string()),
            (Stage::Prepare(what), _) => Self::Unfit(format!("{what}: {error}")),
            (Stage::Open | Stage::Identify, _) => Self::Unfit(error.to_string()),
        }
    }
}

/// What a person reads, about the device of this name.
pub(in crate::video) struct Sentence<'a>(pub(in crate::video) &'a str, pub(in crate::video) &'a Fault);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, fault) = self;
        match fault {
            Fault::Missing => write!(
                f,
                "there is no {path}: is the camera plugged in and switched on? (try: ls /dev/video*); waiting for it"
            ),
            Fault::Forbidden => {
                write!(f, "{path} may not be opened by this user; try: sudo usermod -aG video $USER, and log in again")
            }
            Fault::NoCamera(what) => write!(f, "{path} is no camera but {what}; try: v4l2-ctl --list-devices"),
            Fault::WithoutFormat { offers, .. } if offers.is_empty() => {
                write!(f, "{path} delivers nothing yet: is the program that feeds it running? waiting for it")
            }
            Fault::WithoutFormat { wanted, offers } => {
                write!(f, "{path} does not deliver {wanted} but {offers}")?;
                if *wanted == "H.264" {
                    write!(f, "; with an encoder use --source encoder:{path},/dev/video11")?;
                }
                Ok(())
            }
            Fault::Busy => write!(f, "{path} is busy: another program holds the camera (try: fuser {path}); waiting"),
            Fault::Unplugged => write!(f, "the camera {path} was unplugged or switched off; waiting for it"),
            Fault::Broken(error) => write!(f, "the camera {path} failed ({error}); starting it again"),
            Fault::Refused(error) => write!(f, "{path} refuses to start ({error}); trying again"),
            Fault::Starved => {
                write!(f, "the camera {path} has sent no picture for a second; starting it again (is its cable firm?)")
            }
            Fault::Changed => write!(f, "the picture of {path} has changed its size or format; opening it again"),
            Fault::Unfit(what) => write!(f, "{path} refuses what a camera must do ({what}); trying again"),
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::video) enum Act {
    /// Close what is open, open the device, prepare it and start the stream.
    Open,
    /// STREAMON alone.
    Start,
    /// STREAMOFF, queue everything, STREAMON.
    Restart,
}

/// How a camera is.
#[derive(Debug)]
pub(in crate::video) struct Health {
    state: State,
    fault: Option<Fault>,
    /// The next wait before an attempt.
    wait: Duration,
    /// Silences, refusals or breaks in a row, since the last frame.
    fruitless: u32,
    /// How often it was opened or started, beyond the first time.
    attempts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { until: Instant, then: Act },
    Running { silent_at: Instant },
}

impl Health {
    /// Nothing is open; the first attempt is due now.
    pub(in crate::video) fn new(now: Instant) -> Self {
        let state = State::Waiting { until: now, then: Act::Open };
        Self { state, fault: None, wait: FIRST, fruitless: 0, attempts: 0 }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(in crate::video) fn poll_timeout(&self) -> Instant {
        match self.state {
            State::Waiting { until, .. } => until,
            State::Running { silent_at } => silent_at,
        }
    }

    /// What is due. Say afterwards how it went: [`started`](Self::started) or [`failed`](Self::failed).
    pub(in crate::video) fn handle_timeout(&mut self, now: Instant) -> Option<Act> {
        let act = match self.state {
            State::Waiting { until, then } if until <= now => then,
            State::Running { silent_at } if silent_at <= now => {
                self.fault = Some(Fault::Starved);
                self.fruitless = self.fruitless.saturating_add(1);
                // A new start is quicker; opening anew finds a device that was replaced meanwhile.
                if self.fruitless % 2 == 1 { Act::Restart } else { Act::Open }
            }
            State::Waiting { .. } | State::Running { .. } => return None,
        };
        self.attempts += 1;
        // Until it is said how it went; nobody may ask in a circle.
        self.state = State::Waiting { until: now + MOST, then: Act::Open };
        Some(act)
    }

    /// The stream runs.
    pub(in crate::video) fn started(&mut self, now: Instant) {
        let patience = SILENCE.saturating_mul(1 << self.fruitless.min(3)).min(LONGEST_SILENCE);
        // A fault that is over stays on the page until there is a picture: only a starved camera runs so long.
        self.state = State::Running { silent_at: now + patience };
    }

    /// It failed, while starting or running.
    pub(in crate::video) fn failed(&mut self, now: Instant, fault: Fault) {
        self.fruitless = self.fruitless.saturating_add(1);
        let then = match fault {
            Fault::Refused(_) if self.fruitless < REFUSALS => Act::Start,
            Fault::Broken(_) if self.fruitless <= RESTARTS => Act::Restart,
            _ => Act::Open,
        };
        self.state = State::Waiting { until: now + self.wait, then };
        self.wait = (self.wait * 2).min(MOST);
        self.fault = Some(fault);
    }

    /// A frame came: all is well.
    pub(in crate::video) fn frame(&mut self, now: Instant) {
        (self.fault, self.fruitless, self.wait) = (None, 0, FIRST);
        self.state = State::Running { silent_at: now + SILENCE };
    }

    /// What is wrong, if something is.
    pub(in crate::video) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The stream is believed to run.
    pub(in crate::video) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Attempts after the first.
    pub(in crate::video) fn restarts(&self) -> u64 {
        self.attempts.saturating_sub(1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    /// Runs for ten seconds against a device that answers every act with `fault`, and tells what was done when (ms).
    fn acts(fault: &Fault) -> Vec<(u128, Act)> {
        let start = Instant::now();
        let mut health = Health::new(start);
        let mut acts = Vec::new();
        loop {
            let now = health.poll_timeout();
            if now > start + Duration::from_secs(10) {
                return acts;
            }
            let act = health.handle_timeout(now).unwrap();
            acts.push(((now - start).as_millis(), act));
            match fault {
                Fault::Starved => health.started(now),
                fault => health.failed(now, fault.clone()),
            }
            assert!(health.poll_timeout() > now, "never twice at once");
        }
    }

    #[test]
    fn a_device_that_is_away_is_looked_for_twice_a_second_at_least_and_ten_times_at_most() {
        for fault in [Fault::Missing, Fault::Busy, Fault::Unplugged, Fault::Forbidden, Fault::Unfit(String::new())] {
            let acts = acts(&fault);
            assert!(acts.iter().all(|(_, act)| *act == Act::Open), "{acts:?}");
            let gaps: Vec<_> = acts.windows(2).map(|two| two[1].0 - two[0].0).collect();
            assert_eq!(gaps[..4], [100, 200, 400, 500]);
            assert!(gaps.iter().all(|gap| (100..=500).contains(gap)));
        }
    }

    #[test]
    fn a_refused_start_is_tried_again_alone_before_everything_is_opened_anew() {
        let acts = acts(&Fault::Refused(String::new()));
        let kinds: Vec<_> = acts.iter().map(|(_, act)| *act).collect();
        assert_eq!(kinds[0], Act::Open);
        assert!(kinds[1..REFUSALS as usize].iter().all(|act| *act == Act::Start), "{kinds:?}");
        assert_eq!(kinds[REFUSALS as usize], Act::Open);
    }

    #[test]
    fn a_broken_stream_is_started_again_and_after_three_times_in_vain_opened_anew() {
        let acts = acts(&Fault::Broken(String::new()));
        let kinds: Vec<_> = acts.iter().map(|(_, act)| *act).collect();
        assert_eq!(kinds[..6], [Act::Open, Act::Restart, Act::Restart, Act::Restart, Act::Open, Act::Open]);
    }

    #[test]
    fn a_starved_camera_is_started_again_after_a_second_and_then_ever_less_often() {
        let acts = acts(&Fault::Starved);
        let times: Vec<_> = acts.iter().map(|(at, _)| *at).collect();
        assert_eq!(times[..4], [0, 1000, 3000, 7000]);
        assert_eq!((acts[1].1, acts[2].1), (Act::Restart, Act::Open));
    }

    #[test]
    fn a_frame_makes_everything_well_and_silence_after_it_is_noticed_in_a_second() {
        let mut now = Instant::now();
        let mut health = Health::new(now);
        assert_eq!(health.handle_timeout(now), Some(Act::Open));
        health.failed(now, Fault::Busy);
        assert_eq!(health.fault(), Some(&Fault::Busy));
        now = health.poll_timeout();
        assert_eq!(health.handle_timeout(now), Some(Act::Open));
        health.started(now);
        assert_eq!(health.fault(), Some(&Fault::Busy), "until there is a picture");
        health.frame(now);
        assert_eq!(health.fault(), None);
        assert_eq!(health.handle_timeout(now + SILENCE / 2), None);
        assert_eq!(health.handle_timeout(now + SILENCE), Some(Act::Restart));
        assert_eq!(health.fault(), Some(&Fault::Starved));
    }

    #[test]
    fn an_act_whose_end_is_not_told_is_followed_by_another_attempt_only_later() {
        let now = Instant::now();
        let mut health = Health::new(now);
        assert!(health.handle_timeout(now).is_some());
        assert!(health.handle_timeout(now).is_none());
        assert!(health.poll_timeout() > now);
    }

    #[test]
    fn the_kernels_errors_are_told_apart_by_the_step_that_failed() {
        use Stage::*;
        let of = |stage, code| Fault::of(stage, &error(code));
        assert_eq!(of(Open, libc::ENOENT), Fault::Missing);
        assert_eq!(of(Open, libc::EACCES), Fault::Forbidden);
        assert_eq!(of(Prepare("format"), libc::EBUSY), Fault::Busy);
        assert_eq!(of(Stream, libc::ENODEV), Fault::Unplugged);
        assert_eq!(of(Prepare("format"), libc::ENODEV), Fault::Unplugged);
        assert!(matches!(of(Identify, libc::ENOTTY), Fault::NoCamera(_)));
        assert!(matches!(of(Start, libc::EBUSY), Fault::Refused(_)));
        assert!(matches!(of(Stream, libc::EIO), Fault::Broken(_)));
        assert!(matches!(of(Prepare("buffers"), libc::EINVAL), Fault::Unfit(_)));
    }

    #[test]
    fn every_fault_is_a_sentence_that_names_the_device() {
        let faults = [
            Fault::Missing,
            Fault::Forbidden,
            Fault::NoCamera("a folder".into()),
            Fault::WithoutFormat { wanted: "H.264", offers: "YUYV, MJPG".into() },
            Fault::WithoutFormat { wanted: "H.264", offers: String::new() },
            Fault::Busy,
            Fault::Unplugged,
            Fault::Broken("x".into()),
            Fault::Refused("x".into()),
            Fault::Starved,
            Fault::Changed,
            Fault::Unfit("x".into()),
        ];
        for fault in faults {
            let sentence = Sentence("/dev/video7", &fault).to_string();
            assert!(sentence.contains("/dev/video7"), "{sentence}");
        }
    }
}
