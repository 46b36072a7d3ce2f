//! When a picture was taken, by what a driver says of it, which may be nothing, the future, or a clock that runs at a
//! pace of its own. Pure; `feed` asks for each frame, and `encoder` for each raw picture. What is proven wrong is put
//! right, slowly; what only looks odd is told as it is, since a picture must never look younger than it is.

use std::time::Duration;

use super::super::v4l2::ring::Clock;
use crate::clock::Micros;

/// A driver's time that lies further off is none: no queue of ours holds a picture so long.
const FURTHEST: i64 = 5_000_000;

/// Pictures are stamped no closer than this where time allows: RTP's clock ticks every 11 us, and should tell them
/// apart.
const APART: u64 = 100;

/// Long enough that one picture of 50 to 300 met no delay beyond what it must; short enough to see a clock's pace.
const WINDOW: Duration = Duration::from_secs(10);

/// So many windows in a row must say that a clock is wrong: a minute, far beyond any stall of the machine.
const PROOF: u32 = 6;

/// Parts per million by which clocks of one machine part at most: NTP bends CLOCK_MONOTONIC by no more (adjtimex(2)).
/// A delay that grows faster is no clock's work but real. It is also the pace at which a clock is put right.
const PACE: i64 = 500;

/// Microseconds by which the least delay may really grow as slowly as a clock drifts: a frame at 20 a second. At dusk
/// exposure grows to the length of a frame, and with some cameras frames grow with it, so it is never less than a frame
/// and a half of the present rate. Beyond that it is the clock.
const SLACK: i64 = 50_000;

/// Maps a driver's stamps to CLOCK_MONOTONIC.
///
/// A delay is what lies between the driver's stamp and the moment we have the picture. It cannot be negative, and its
/// minimum over a window is what the camera itself takes, which may jump but cannot creep up for ever: a camera has only so
/// many buffers. If it is negative, or has crept up by more than [`SLACK`], for a minute on end, the driver's clock is
/// proven to drift. bcm2835-v4l2 is such a driver: it takes its offset at STREAMON and never again, while NTP bends our
/// clock. From then on the minimum is led back to where it was and held there, by [`PACE`] and never by a step. Until
/// then a picture looks at most [`SLACK`] and a minute's drift older than it is.
#[derive(Debug, Default)]
pub(in crate::video) struct Stamps {
    last: Option<Micros>,
    /// Microseconds by which the driver's clock is believed to be behind.
    skew: i64,
    slewed: Micros,
    window: Option<Window>,
    judgement: Option<Judgement>,
}

/// The least delay seen for a while, uncorrected.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Micros,
    least: i64,
    frames: i64,
}

impl Window {
    /// See [`SLACK`].
    fn slack(&self, now: Micros) -> i64 {
        let lasted = i64::try_from(now.since(self.since).as_micros()).unwrap_or(i64::MAX);
        SLACK.max(lasted / self.frames.max(1) * 3 / 2)
    }
}

/// What windows have shown so far; delays in microseconds.
#[derive(Debug)]
struct Judgement {
    /// When the last window ended, and its least delay, uncorrected.
    at: Micros,
    least: i64,
    /// What the least delay would be with a clock that keeps pace.
    reference: i64,
    /// The smallest one that ever was.
    floor: i64,
    /// Windows in a row that say the clock is wrong.
    wrong: u32,
    proven: bool,
}

impl Stamps {
    /// When the picture was taken that was dequeued at `now`: not after `now`, and not before the one before.
    pub(in crate::video) fn map(&mut self, clock: Clock, stamp: Micros, now: Micros) -> Micros {
        let told = match clock {
            Clock::Ours => Some(stamp),
            Clock::Monotonic | Clock::Copied => self.correct(stamp, now),
            Clock::Unknown => None,
        };
        let earliest = self.last.map_or(Micros(0), |last| Micros(last.0 + APART));
        // Stamps of vivid lie up to a frame ahead; a picture from the future is one of now.
        let captured = told.unwrap_or(now).max(earliest).min(now);
        self.last = Some(captured);
        captured
    }

    /// The stream was started again, and a driver that takes its offset then has taken another.
    pub(in crate::video) fn restart(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }

    /// A stamp by our clock; None if it is no time at all.
    fn correct(&mut self, stamp: Micros, now: Micros) -> Option<Micros> {
        // Any two numbers of 64 bits: what makes no sense is far off.
        let delay = now.0.wrapping_sub(stamp.0).cast_signed();
        if stamp.0 == 0 || delay.saturating_sub(self.skew).unsigned_abs() > FURTHEST.unsigned_abs() {
            return None;
        }
        self.watch(delay, now);
        self.slew(now);
        Some(Micros(now.0.saturating_add_signed(self.skew.saturating_sub(delay))))
    }

    fn watch(&mut self, delay: i64, now: Micros) {
        let window = self.window.get_or_insert(Window { since: now, least: delay, frames: 0 });
        window.least = window.least.min(delay);
        if now.since(window.since) < WINDOW {
            window.frames += 1;
        } else {
            let (least, slack) = (window.least, window.slack(now));
            self.window = None;
            match &mut self.judgement {
                Some(judgement) => judgement.judge(least, slack, self.skew, now),
                None => self.judgement = Some(Judgement::new(least, now)),
            }
        }
    }

    /// Leads the correction to where it belongs.
    fn slew(&mut self, now: Micros) {
        let wanted = self.judgement.as_ref().map_or(0, Judgement::skew);
        let room = drift_in(now.since(self.slewed));
        if wanted == self.skew || room > SLACK {
            // There is nothing to do, or was nothing for long.
            self.slewed = now;
        } else if room > 0 {
            self.skew += (wanted - self.skew).clamp(-room, room);
            self.slewed = now;
        }
    }
}

impl Judgement {
    fn new(least: i64, now: Micros) -> Self {
        let reference = least.max(0);
        Self { at: now, least, reference, floor: reference, wrong: u32::from(least < 0), proven: false }
    }

    /// A window has ended with this least delay, while the clock was corrected by `skew`.
    fn judge(&mut self, least: i64, slack: i64, skew: i64, now: Micros) {
        let (step, corrected) = (least - self.least, least - skew);
        if step.abs() > drift_in(now.since(self.at)) {
            // The camera itself takes longer now, or less.
            self.floor = self.floor.min(corrected.max(0));
            self.reference = (self.reference + step).max(self.floor);
        }
        // One that shrank slowly is believed, but for as much as a clock may have done.
        self.reference = self.reference.min(corrected.max(0) + slack);
        (self.at, self.least) = (now, least);
        let right = (0..=self.reference + slack).contains(&corrected);
        self.wrong = if right { 0 } else { self.wrong + 1 };
        if self.wrong >= PROOF && !self.proven {
            self.proven = true;
            log::debug!("the driver's clock drifts: pictures seemed to take {corrected} us, not {}", self.reference);
        }
    }

    /// How far the driver's clock is behind.
    fn skew(&self) -> i64 {
        if self.proven { self.least - self.reference } else { 0 }
    }
}

/// Microseconds by which two clocks can part in this time.
fn drift_in(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX) / (1_000_000 / PACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const HOUR: u64 = 3_600;
    const START: u64 = 1_000 * SECOND;

    /// One picture: what it is stamped with, when it really was taken, when we had it.
    struct Picture {
        captured: u64,
        truth: u64,
        now: u64,
    }

    impl Picture {
        /// By how much it looks older than it is.
        fn error(&self) -> i64 {
            self.truth.cast_signed() - self.captured.cast_signed()
        }
    }

    /// A camera of 30 frames a second whose clock goes wrong by `ppm`; `delay` tells the microseconds that it takes in
    /// a second of the film. To that come up to 3 ms of the machine's.
    fn film(seconds: u64, ppm: i64, offset: i64, delay: impl Fn(u64) -> u64) -> Vec<Picture> {
        let (mut stamps, mut noise) = (Stamps::default(), 1_u64);
        let mut picture = |n: u64| {
            let passed = n * SECOND / 30;
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let truth = START + passed;
            let now = truth + delay(passed / SECOND) + (noise >> 33) % 3_000;
            let told = truth.saturating_add_signed(offset + passed.cast_signed() * ppm / 1_000_000);
            Picture { captured: stamps.map(Clock::Monotonic, Micros(told), Micros(now)).0, truth, now }
        };
        (0..seconds * 30).map(&mut picture).collect()
    }

    /// No stamp is after its picture was in hand, or before the last one, or jumps.
    fn is_sane(film: &[Picture]) {
        assert!(film.iter().all(|picture| picture.captured <= picture.now));
        for two in film.windows(2) {
            assert!(two[0].captured < two[1].captured);
            let jump = (two[1].error() - two[0].error()).abs();
            assert!(jump <= 40 || two[1].captured == two[1].now || two[0].captured == two[0].now, "{jump} us");
        }
    }

    fn errors(film: &[Picture]) -> (i64, i64) {
        let errors = || film.iter().map(Picture::error);
        (errors().min().unwrap_or(0), errors().max().unwrap_or(0))
    }

    #[test]
    fn a_stamp_of_a_good_clock_is_taken_as_it_is_whatever_the_camera_takes() {
        let delays: [fn(u64) -> u64; 5] = [
            |_| 40_000,
            // Frames pile up in an encoder, and are gone again.
            |second| if (600..2_400).contains(&second) { 240_000 } else { 40_000 },
            // Dusk: exposure grows to a frame's length.
            |second| 20_000 + (second * 20).min(33_000),
            // Dawn.
            |second| 53_000 - (second * 20).min(33_000),
            // Something creeps up and jumps back, over and over, and the other way round.
            |second| 20_000 + second % 200 * 200,
        ];
        for (n, delay) in delays.into_iter().enumerate() {
            let film = film(HOUR, 0, 0, delay);
            is_sane(&film);
            assert_eq!(errors(&film), (0, 0), "case {n}");
        }
    }

    #[test]
    fn a_camera_that_takes_fewer_pictures_as_it_gets_dark_is_believed() {
        let (mut stamps, mut truth) = (Stamps::default(), START);
        while truth < START + HOUR * SECOND {
            let seconds = (truth - START) / SECOND;
            // From 30 a second to 5 in half an hour: 1 ms each 11 s, slower than a clock may drift.
            let apart = SECOND / 30 + (seconds * 93).min(166_667);
            truth += apart;
            let now = Micros(truth + apart + 10_000);
            assert_eq!(stamps.map(Clock::Monotonic, Micros(truth), now), Micros(truth), "after {seconds} s");
        }
    }

    #[test]
    fn a_clock_that_falls_behind_is_held_and_no_picture_looks_younger_than_it_is() {
        for ppm in [-50, -200] {
            let film = film(2 * HOUR, ppm, 0, |_| 40_000);
            is_sane(&film);
            let (least, most) = errors(&film);
            assert!(least >= -2_000, "{ppm} ppm: {least}");
            // The slack, and a minute more until it is proven.
            assert!(most <= SLACK + 80 * -ppm + 4_000, "{ppm} ppm: {most}");
            let (least, most) = errors(&film[film.len() - 30 * 1_800..]);
            assert!(least >= -2_000 && most <= 8_000, "{ppm} ppm, in the end: {least}..{most}");
        }
    }

    #[test]
    fn a_clock_that_runs_ahead_is_led_back_once_the_future_proves_it() {
        for ppm in [50, 200] {
            let film = film(2 * HOUR, ppm, 0, |_| 40_000);
            is_sane(&film);
            let (least, most) = errors(&film);
            assert!(least >= -40_000 - 3_000 && most <= 3_000, "{ppm} ppm: {least}..{most}");
            let (least, most) = errors(&film[film.len() - 30 * 1_800..]);
            assert!(least >= -8_000 && most <= 2_000, "{ppm} ppm, in the end: {least}..{most}");
        }
    }

    #[test]
    fn a_real_delay_is_told_even_by_a_clock_that_drifts() {
        let film = film(2 * HOUR, -50, 0, |second| if second < 5_000 { 40_000 } else { 140_000 });
        is_sane(&film);
        let (least, most) = errors(&film[30 * 4_000..]);
        assert!(least >= -2_000 && most <= 4_000, "{least}..{most}");
    }

    #[test]
    fn a_clock_that_is_ahead_from_the_start_is_put_right_by_what_is_proven() {
        let film = film(600, 0, 30_000, |_| 5_000);
        is_sane(&film);
        assert!(film[..30].iter().all(|picture| picture.captured == picture.now), "from the future is now");
        // The least delay is known to be no less than nothing, and no more is known.
        let (least, most) = errors(&film[30 * 300..]);
        assert!(least >= -5_100 && most <= -4_900, "{least}..{most}");
    }

    #[test]
    fn stamps_of_zero_of_another_clock_and_of_long_ago_are_now() {
        let now = Micros(100 * SECOND);
        for (clock, stamp) in [
            (Clock::Monotonic, 0),
            (Clock::Unknown, 99 * SECOND),
            (Clock::Monotonic, 101 * SECOND),
            (Clock::Monotonic, u64::MAX),
            (Clock::Monotonic, 1 << 63),
            (Clock::Monotonic, 1_800_000_000 * SECOND),
            (Clock::Copied, 0),
            (Clock::Monotonic, 3),
        ] {
            assert_eq!(Stamps::default().map(clock, Micros(stamp), now), now, "{clock:?} {stamp}");
        }
    }

    #[test]
    fn time_never_goes_back_nor_beyond_now_and_pictures_are_told_apart() {
        let mut stamps = Stamps::default();
        let mut last = Micros(0);
        for (n, stamp) in (0..).zip([99 * SECOND, 99 * SECOND, 98 * SECOND, 200 * SECOND, 200 * SECOND, 0]) {
            let now = Micros(100 * SECOND + n * 200);
            let captured = stamps.map(Clock::Monotonic, Micros(stamp), now);
            assert!(captured > last && captured <= now);
            assert_ne!(captured.rtp_90khz(), last.rtp_90khz());
            last = captured;
        }
        // Two in the same turn of the loop, of which nothing is known: the link tells them apart.
        assert_eq!(stamps.map(Clock::Unknown, Micros(0), last), last);
    }

    #[test]
    fn a_stream_that_starts_again_has_another_offset_and_is_judged_anew() {
        let (mut stamps, mut now) = (Stamps::default(), START);
        for _ in 0..30 * 300 {
            now += SECOND / 30;
            stamps.map(Clock::Monotonic, Micros(now + 30_000), Micros(now));
        }
        assert!(stamps.skew < -29_000, "{}", stamps.skew);
        stamps.restart();
        now += SECOND;
        assert_eq!(stamps.map(Clock::Monotonic, Micros(now - 7), Micros(now)), Micros(now - 7));
        assert_eq!(stamps.map(Clock::Unknown, Micros(0), Micros(now)).0, now, "and time still does not go back");
    }
}
