//! The demo source: a drawn driving scene for a machine without a camera, encoded in a thread of its own. This file is
//! the loop's end of it: it takes frames from the thread's channel, lends them, gives their buffers back, and passes
//! orders and controls on. It never blocks except in [`Demo::close`]. `Source` calls it; the thread is in `filming`.

pub mod car;
pub mod dash;
pub mod encoder;
mod filming;
pub mod picture;
pub mod road;
mod roadside;
pub mod scene;
pub mod strip;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Instant;

use mio::Waker;

use self::filming::{BUFFERS, Delivery, Film, Filming};
use crate::frame::{Bitrate, Frame, Obeyed, Order};
use crate::message::Severity;
use crate::trace::SourceStats;
use crate::video::Size;

/// The smallest picture on which the instruments can be read and the strip leaves room for a road.
const SMALLEST: Size = Size { width: 160, height: 120 };
/// The largest openh264 encodes.
const LARGEST: Size = Size { width: 3840, height: 2160 };
/// Frames a second: openh264's clock has no more, nor has any screen a use for it.
const FASTEST: u32 = 120;

/// A drawn scene as a source.
#[derive(Debug)]
pub struct Demo {
    filming: Filming,
    /// Taken in, not yet lent. Never more than [`BUFFERS`].
    films: VecDeque<Film>,
    state: State,
    frames: u64,
    keyframes: u64,
    bytes: u64,
}

#[derive(Debug)]
enum State {
    Running,
    /// The thread is gone; the sentence says why.
    Ended(String),
    Closed,
}

impl Demo {
    /// Starts the thread; its first frame is a keyframe and comes at once. `waker` is woken for each frame.
    ///
    /// An error is a sentence about what was asked for: size, frame rate, or a thread the system refused.
    pub fn open(size: Size, fps: u32, bitrate: Bitrate, waker: Arc<Waker>) -> io::Result<Self> {
        check(size, fps).map_err(|sentence| io::Error::new(io::ErrorKind::InvalidInput, sentence))?;
        let filming = Filming::start(size, fps, bitrate, waker)?;
        let films = VecDeque::with_capacity(BUFFERS);
        Ok(Self { filming, films, state: State::Running, frames: 0, keyframes: 0, bytes: 0 })
    }

    /// The waker fired: takes in what is there.
    pub fn handle_ready(&mut self, _now: Instant) {
        if !matches!(self.state, State::Running) {
            return;
        }
        // Bounded by the number of buffers: the thread has no more to send.
        while self.films.len() < BUFFERS {
            match self.filming.deliveries.try_recv() {
                Ok(Delivery::Film(film)) => self.films.push_back(film),
                Ok(Delivery::Failure(sentence)) => self.state = State::Ended(sentence),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if matches!(self.state, State::Running) {
                        self.state =
                            State::Ended("the demo stopped by an error of its own; start windshield again".into());
                    }
                    break;
                }
            }
        }
    }

    /// Lends the next frame. `false`: there is none now.
    pub fn lend(&mut self, now: Instant, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        if self.films.is_empty() {
            self.handle_ready(now);
        }
        let Some(film) = self.films.pop_front() else { return false };
        self.frames += 1;
        self.keyframes += u64::from(film.keyframe);
        self.bytes += film.bytes.len() as u64;
        take(Frame {
            bytes: &film.bytes,
            keyframe: film.keyframe,
            captured: film.captured,
            encoding: Some(film.drawn),
            dequeued: film.encoded,
        });
        self.filming.give_back(film.bytes);
        true
    }

    /// Frames are there that no event will announce again.
    pub fn more(&self) -> bool {
        !self.films.is_empty()
    }

    /// Obeys every order, with the next frame.
    pub fn order(&mut self, _now: Instant, order: Order) -> Obeyed {
        if !matches!(self.state, State::Running) {
            return Obeyed::Cannot("the demo has stopped");
        }
        match order {
            Order::Keyframe => self.filming.order_keyframe(),
            Order::Bitrate(bitrate) => {
                self.filming.order_bitrate(bitrate.clamp(encoder::LOWEST_BITRATE, encoder::HIGHEST_BITRATE));
            }
            Order::FrameRate(fps) => self.filming.order_frame_rate(fps.clamp(1, FASTEST)),
        }
        Obeyed::Yes
    }

    /// Takes the wheel: `steering` -1 (left) to 1 (right), `throttle` -1 (brake, then backwards) to 1. Beyond is
    /// limited, NaN is 0. The newest call counts until the next one; before the first the car drives itself.
    pub fn drive(&mut self, steering: f32, throttle: f32) {
        self.filming.drive(car::Controls::new(steering, throttle));
    }

    /// Why there is no picture; `None` when all is well.
    pub fn notice(&self) -> Option<(Severity, &str)> {
        match &self.state {
            State::Ended(sentence) => Some((Severity::Fault, sentence)),
            State::Running | State::Closed => None,
        }
    }

    /// Counters so far; `why` and `profile_level_id` are for the caller to fill.
    pub fn stats(&self) -> SourceStats {
        SourceStats {
            name: "demo".into(),
            state: match self.state {
                State::Running if self.frames == 0 => "waiting",
                State::Running => "running",
                State::Ended(_) | State::Closed => "ended",
            },
            sentence: self.notice().map_or_else(String::new, |(_, sentence)| sentence.to_owned()),
            frames: self.frames,
            keyframes: self.keyframes,
            bytes: self.bytes,
            dropped: self.filming.skipped(),
            bitrate: Some(self.filming.bitrate().0),
            keyframes_on_demand: true,
            ..SourceStats::default()
        }
    }

    /// Ends the thread and waits for it: one picture's time at most.
    pub fn close(&mut self) {
        self.filming.end();
        self.films.clear();
        if matches!(self.state, State::Running) {
            self.state = State::Closed;
        }
    }
}

/// What the encoder and the strip can do; the error is the sentence for the person who typed it.
fn check(Size { width, height }: Size, fps: u32) -> Result<(), String> {
    let fits =
        (SMALLEST.width..=LARGEST.width).contains(&width) && (SMALLEST.height..=LARGEST.height).contains(&height);
    if !fits || !width.is_multiple_of(2) || !height.is_multiple_of(2) {
        return Err(format!(
            "the demo cannot draw a picture of {width}x{height}: give --size even numbers from {}x{} to {}x{}, e.g. 640x480",
            SMALLEST.width, SMALLEST.height, LARGEST.width, LARGEST.height
        ));
    }
    if !(1..=FASTEST).contains(&fps) {
        return Err(format!(
            "the demo cannot draw {fps} frames a second: give --fps a number from 1 to {FASTEST}, e.g. 30"
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;

    use super::*;
    use crate::clock::Micros;

    const SIZE: Size = Size { width: 160, height: 120 };
    /// Long enough for any machine; a test that waits for it has failed.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// A loop around one source.
    struct Loop {
        poll: Poll,
        events: Events,
        demo: Demo,
    }

    /// What is kept of a frame.
    #[derive(Debug)]
    struct Kept {
        bytes: Vec<u8>,
        keyframe: bool,
        captured: Micros,
        dequeued: Micros,
    }

    impl Loop {
        fn open(fps: u32) -> Self {
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), Token(7)).unwrap());
            let demo = Demo::open(SIZE, fps, Bitrate(300_000), waker).unwrap();
            Self { poll, events: Events::with_capacity(8), demo }
        }

        /// The next `count` frames, in order.
        fn frames(&mut self, count: usize) -> Vec<Kept> {
            let mut kept = Vec::new();
            while kept.len() < count {
                let mut take = |frame: Frame<'_>| {
                    kept.push(Kept {
                        bytes: frame.bytes.to_vec(),
                        keyframe: frame.keyframe,
                        captured: frame.captured,
                        dequeued: frame.dequeued,
                    });
                };
                if !self.demo.lend(Instant::now(), &mut take) {
                    self.poll.poll(&mut self.events, Some(PATIENCE)).unwrap();
                    assert!(!self.events.is_empty(), "no frame: {:?}", self.demo.notice());
                    self.demo.handle_ready(Instant::now());
                }
            }
            kept
        }
    }

    fn strips(frames: &[Kept]) -> Vec<strip::Strip> {
        let mut decoder = Decoder::new().unwrap();
        frames
            .iter()
            .map(|frame| {
                let picture = decoder.decode(&frame.bytes).unwrap().unwrap();
                strip::read(picture.y(), picture.strides().0, SIZE.width as usize, SIZE.height as usize).unwrap()
            })
            .collect()
    }

    #[test]
    fn every_frame_arrives_once_in_order_with_the_time_that_its_pixels_say() {
        let mut run = Loop::open(100);
        assert_eq!(run.demo.stats().state, "waiting");
        let frames = run.frames(25);
        for (n, (frame, strip)) in (0..).zip(frames.iter().zip(strips(&frames))) {
            assert_eq!(strip, strip::Strip::new(n, frame.captured));
            assert_eq!(frame.keyframe, n == 0);
            assert!(frame.captured < frame.dequeued);
        }
        let stats = run.demo.stats();
        assert_eq!((stats.frames, stats.keyframes, stats.state), (25, 1, "running"));
        assert_eq!(stats.bytes, frames.iter().map(|f| f.bytes.len() as u64).sum::<u64>());
        assert_eq!(run.demo.notice(), None);
    }

    #[test]
    fn a_keyframe_order_is_obeyed_at_once() {
        let mut run = Loop::open(60);
        run.frames(3);
        for _ in 0..4 {
            // Those already made come first: as many as there are buffers, at most.
            assert_eq!(run.demo.order(Instant::now(), Order::Keyframe), Obeyed::Yes);
            let frames = run.frames(BUFFERS + 1);
            assert_eq!(frames.iter().filter(|frame| frame.keyframe).count(), 1, "{frames:?}");
        }
        assert_eq!(run.demo.stats().keyframes, 5);
    }

    #[test]
    fn a_loop_that_takes_nothing_loses_new_frames_and_never_the_thread_of_the_stream() {
        let mut run = Loop::open(120);
        // The loop does nothing until the thread has skipped ticks; each of them shows in the counter.
        let begin = Instant::now();
        while run.demo.stats().dropped < 5 {
            assert!(begin.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        let frames = run.frames(12);
        let numbers: Vec<u32> = strips(&frames).iter().map(|strip| strip.frame).collect();
        assert_eq!(numbers, (0..12).collect::<Vec<_>>(), "all decodable, none encoded and dropped");
    }

    #[test]
    fn frames_taken_in_together_are_announced_by_more() {
        let mut run = Loop::open(120);
        // However long the thread takes to make them.
        while run.demo.films.len() < BUFFERS {
            run.poll.poll(&mut run.events, Some(PATIENCE)).unwrap();
            assert!(!run.events.is_empty(), "no frame: {:?}", run.demo.notice());
            run.demo.handle_ready(Instant::now());
        }
        for left in (0..BUFFERS).rev() {
            assert!(run.demo.more());
            run.demo.lend(Instant::now(), &mut |_| {});
            assert_eq!(run.demo.more(), left > 0);
        }
    }

    #[test]
    fn rates_are_obeyed_and_said() {
        let mut run = Loop::open(120);
        assert_eq!(run.demo.order(Instant::now(), Order::Bitrate(Bitrate(1_000_000))), Obeyed::Yes);
        assert_eq!(run.demo.stats().bitrate, Some(1_000_000));
        assert_eq!(run.demo.order(Instant::now(), Order::Bitrate(Bitrate(1))), Obeyed::Yes);
        assert_eq!(run.demo.stats().bitrate, Some(encoder::LOWEST_BITRATE.0));
        run.frames(3);
        assert_eq!(run.demo.order(Instant::now(), Order::FrameRate(4)), Obeyed::Yes);
        let ordered = Micros::now();
        // One may have been under way, and one is due at once if the last was long ago; from there on it is 250 ms
        // instead of 8, whatever stalls: a tick is never early.
        let third = run.frames(BUFFERS + 3).into_iter().map(|frame| frame.captured).filter(|at| *at > ordered).nth(2);
        let gap = third.unwrap().since(ordered);
        assert!(gap >= Duration::from_millis(249), "{gap:?}");
        assert_eq!(run.demo.order(Instant::now(), Order::FrameRate(0)), Obeyed::Yes);
    }

    #[test]
    fn the_wheel_can_be_taken_with_any_numbers() {
        let mut run = Loop::open(120);
        for steering in [f32::NAN, f32::INFINITY, -3.0, 0.5] {
            run.demo.drive(steering, -steering);
            run.frames(2);
        }
    }

    #[test]
    fn closing_ends_the_thread_and_is_final() {
        let mut run = Loop::open(1);
        run.frames(1);
        let begin = Instant::now();
        run.demo.close();
        // The thread was asleep for the rest of its second, and woke for this.
        assert!(begin.elapsed() < PATIENCE);
        run.demo.close();
        assert_eq!(run.demo.stats().state, "ended");
        assert!(!run.demo.lend(Instant::now(), &mut |_| {}));
        assert!(matches!(run.demo.order(Instant::now(), Order::Keyframe), Obeyed::Cannot(_)));
        assert_eq!(run.demo.notice(), None);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_in_a_sentence() {
        let ask = |width, height, fps| check(Size { width, height }, fps).err().unwrap_or_default();
        assert_eq!(ask(640, 480, 30), "");
        assert_eq!(ask(3840, 2160, 120), "");
        for (width, height) in [(0, 0), (641, 480), (640, 481), (100, 100), (4000, 2000), (u32::MAX, u32::MAX)] {
            assert!(ask(width, height, 30).contains("640x480"), "{width}x{height}: {}", ask(width, height, 30));
        }
        assert!(ask(640, 480, 0).contains("--fps") && ask(640, 480, 121).contains("121"));
    }
}
