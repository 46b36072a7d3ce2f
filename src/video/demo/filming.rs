//! EDGE: the demo's thread and its clock. On every tick it lets the scene move, paints it, encodes it and hands the
//! frame over. It may sleep: it is not the loop. It never encodes what nobody has room for, since a frame that is
//! encoded and then dropped breaks every frame after it: no free buffer = the tick is skipped and counted.
//! [`super::Demo`] owns the other end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::Waker;

use super::car::Controls;
use super::encoder::{Coded, Encoder, HIGHEST_BITRATE, LOWEST_BITRATE};
use super::picture::Picture;
use super::scene::Scene;
use super::strip::Strip;
use crate::clock::Micros;
use crate::frame::Bitrate;
use crate::video::Size;

/// Frames that may be between the encoder and the loop: one being made, one being sent, one spare. More would only be
/// older pictures: a loop that is three frames late must catch up, not queue.
pub(super) const BUFFERS: usize = 3;
/// No controls were ever given: the car drives itself. Not a pair of numbers that [`Controls::new`] makes (it makes no NaN).
const NO_CONTROLS: u64 = u64::MAX;

/// An encoded frame on its way to the loop.
#[derive(Debug)]
pub(super) struct Film {
    pub(super) bytes: Vec<u8>,
    pub(super) keyframe: bool,
    /// When painting began.
    pub(super) captured: Micros,
    /// When painting was done and encoding began.
    pub(super) drawn: Micros,
    /// When encoding was done.
    pub(super) encoded: Micros,
}

#[derive(Debug)]
pub(super) enum Delivery {
    Film(Film),
    /// The last thing that is ever sent.
    Failure(String),
}

/// What the loop wants, newest only: a wish that is overtaken is never seen.
#[derive(Debug)]
struct Wishes {
    keyframe: AtomicBool,
    bitrate: AtomicU32,
    fps: AtomicU32,
    /// Bits of steering and throttle, or [`NO_CONTROLS`].
    controls: AtomicU64,
    end: AtomicBool,
    /// The other way round: ticks without a picture.
    skipped: AtomicU64,
}

/// The loop's hold of the thread.
#[derive(Debug)]
pub(super) struct Filming {
    pub(super) deliveries: Receiver<Delivery>,
    buffers: SyncSender<Vec<u8>>,
    wishes: Arc<Wishes>,
    thread: Option<JoinHandle<()>>,
}

impl Filming {
    pub(super) fn start(size: Size, fps: u32, bitrate: Bitrate, waker: Arc<Waker>) -> io::Result<Self> {
        let bitrate = bitrate.clamp(LOWEST_BITRATE, HIGHEST_BITRATE);
        // One place more than there are buffers: for the sentence at the end.
        let (deliver, deliveries) = sync_channel(BUFFERS + 1);
        let (buffers, empty) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            // Room for a large keyframe, so that nothing grows while frames flow.
            let _ = buffers.try_send(Vec::with_capacity(size.width as usize * size.height as usize / 4));
        }
        let wishes = Arc::new(Wishes {
            keyframe: AtomicBool::new(false),
            bitrate: AtomicU32::new(bitrate.0),
            fps: AtomicU32::new(fps),
            controls: AtomicU64::new(NO_CONTROLS),
            end: AtomicBool::new(false),
            skipped: AtomicU64::new(0),
        });
        let encoder = Encoder::new(fps, bitrate)?;
        let mut studio = Studio {
            scene: Scene::new(),
            picture: Picture::new(size),
            encoder,
            frame: 0,
            empty,
            deliver,
            waker,
            wishes: wishes.clone(),
        };
        let thread = thread::Builder::new().name("demo".into()).spawn(move || studio.run()).map_err(|e| {
            io::Error::new(e.kind(), format!("the demo cannot start its thread ({e}): is a limit on tasks reached?"))
        })?;
        Ok(Self { deliveries, buffers, wishes, thread: Some(thread) })
    }

    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        // Never full: there are only as many buffers as places. Gone with the thread: then nobody needs it.
        let _ = self.buffers.try_send(buffer);
    }

    pub(super) fn order_keyframe(&self) {
        self.wishes.keyframe.store(true, Ordering::Relaxed);
        self.wake();
    }

    pub(super) fn order_bitrate(&self, bitrate: Bitrate) {
        self.wishes.bitrate.store(bitrate.0, Ordering::Relaxed);
    }

    pub(super) fn order_frame_rate(&self, fps: u32) {
        self.wishes.fps.store(fps, Ordering::Relaxed);
        self.wake();
    }

    pub(super) fn drive(&self, controls: Controls) {
        let bits = u64::from(controls.steering.to_bits()) << 32 | u64::from(controls.throttle.to_bits());
        self.wishes.controls.store(bits, Ordering::Relaxed);
    }

    pub(super) fn bitrate(&self) -> Bitrate {
        Bitrate(self.wishes.bitrate.load(Ordering::Relaxed))
    }

    /// Ticks without a picture so far: the loop had no room, or painting and encoding took too long.
    pub(super) fn skipped(&self) -> u64 {
        self.wishes.skipped.load(Ordering::Relaxed)
    }

    /// Ends the thread and waits for it.
    pub(super) fn end(&mut self) {
        self.wishes.end.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic in there was told on stderr; there is nothing left to end.
            let _ = thread.join();
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Filming {
    fn drop(&mut self) {
        self.end();
    }
}

/// The thread's own things.
struct Studio {
    scene: Scene,
    picture: Picture,
    encoder: Encoder,
    /// Frames encoded so far; the number in the strip.
    frame: u32,
    empty: Receiver<Vec<u8>>,
    deliver: SyncSender<Delivery>,
    waker: Arc<Waker>,
    wishes: Arc<Wishes>,
}

impl Studio {
    fn run(&mut self) {
        let mut fps = self.wishes.fps.load(Ordering::Relaxed);
        let mut ticks = Ticks::new(Instant::now(), fps);
        while !self.wishes.end.load(Ordering::Relaxed) {
            let now = Instant::now();
            let wished = self.wishes.fps.load(Ordering::Relaxed);
            if wished != fps {
                fps = wished;
                ticks.retime(now, fps);
            }
            if self.wishes.keyframe.load(Ordering::Relaxed) {
                // Whoever wants it has no picture: it is made now, not at the next tick.
                ticks.hasten(now);
            }
            if let Some(wait) = ticks.wait(now) {
                // May return early (an order, or for no reason): the loop looks again.
                thread::park_timeout(wait);
                continue;
            }
            let passed = ticks.pass(now);
            if passed > 1 {
                self.wishes.skipped.fetch_add(passed - 1, Ordering::Relaxed);
            }
            self.follow_controls();
            // A machine that slept for an hour has not driven for an hour.
            for _ in 0..passed.min(u64::from(fps)) {
                self.scene.step(1.0 / fps as f32);
            }
            match self.shoot(fps) {
                Ok(()) => {}
                Err(Ended::Over) => return,
                Err(Ended::Failure(e)) => {
                    let _ = self.deliver.try_send(Delivery::Failure(e.to_string()));
                    let _ = self.waker.wake();
                    return;
                }
            }
        }
    }

    fn follow_controls(&mut self) {
        let bits = self.wishes.controls.load(Ordering::Relaxed);
        if bits != NO_CONTROLS {
            self.scene.drive(Controls::new(f32::from_bits((bits >> 32) as u32), f32::from_bits(bits as u32)));
        }
    }

    /// One frame, from the clock to the channel.
    fn shoot(&mut self, fps: u32) -> Result<(), Ended> {
        let mut bytes = match self.empty.try_recv() {
            Ok(bytes) => bytes,
            Err(TryRecvError::Empty) => {
                self.wishes.skipped.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Err(TryRecvError::Disconnected) => return Err(Ended::Over),
        };
        let captured = Micros::now();
        self.encoder.order_frame_rate(fps)?;
        self.encoder.order_bitrate(Bitrate(self.wishes.bitrate.load(Ordering::Relaxed)))?;
        if self.wishes.keyframe.swap(false, Ordering::Relaxed) {
            self.encoder.order_keyframe();
        }
        self.scene.draw(&mut self.picture, Strip::new(self.frame, captured));
        let drawn = Micros::now();
        let coded = self.encoder.encode(&self.picture, &mut bytes)?;
        self.frame = self.frame.wrapping_add(1);
        let film = Film { bytes, keyframe: coded == Coded::Keyframe, captured, drawn, encoded: Micros::now() };
        // Never full: it has a place for every buffer.
        self.deliver.try_send(Delivery::Film(film)).map_err(|_| Ended::Over)?;
        // Fails only if the poll behind it is gone; then the channel is, too.
        let _ = self.waker.wake();
        Ok(())
    }
}

/// Why there will be no further frame.
enum Ended {
    /// The loop's end is gone.
    Over,
    Failure(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Failure(error)
    }
}

/// Deadlines at start + n / fps: each is computed from the start, so that lateness of one never moves the next. Pure.
#[derive(Debug)]
struct Ticks {
    start: Instant,
    fps: u32,
    /// The tick to come.
    next: u64,
    /// When the last one was passed.
    passed: Option<Instant>,
}

impl Ticks {
    fn new(start: Instant, fps: u32) -> Self {
        Self { start, fps: fps.max(1), next: 0, passed: None }
    }

    /// Another rate: the next tick comes one new period after the last one, or now if that is over.
    fn retime(&mut self, now: Instant, fps: u32) {
        let last = self.next.checked_sub(1).map(|last| self.at(last));
        *self = match last {
            Some(last) => Self { next: 1, ..Self::new(last.max(now.checked_sub(period(fps)).unwrap_or(last)), fps) },
            None => Self::new(now, fps),
        };
    }

    /// The next tick comes now, or half a period after the last one if that is later, and the others follow it: orders
    /// that come in a row never make more than twice the pictures.
    fn hasten(&mut self, now: Instant) {
        let soonest = self.passed.map_or(now, |last| now.max(last + period(self.fps) / 2));
        if soonest < self.at(self.next) {
            *self = Self { passed: self.passed, ..Self::new(soonest, self.fps) };
        }
    }

    fn at(&self, tick: u64) -> Instant {
        self.start + Duration::from_nanos((u128::from(tick) * 1_000_000_000 / u128::from(self.fps)) as u64)
    }

    /// Time until the next tick; `None` if it is due.
    fn wait(&self, now: Instant) -> Option<Duration> {
        self.at(self.next).checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Counts the due ticks off: 1, or more if some were missed.
    fn pass(&mut self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let due = (elapsed * u128::from(self.fps) / 1_000_000_000) as u64 + 1;
        let passed = due.saturating_sub(self.next).max(1);
        self.next += passed;
        self.passed = Some(now);
        passed
    }
}

fn period(fps: u32) -> Duration {
    Duration::from_nanos(1_000_000_000 / u64::from(fps.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_order_for_a_keyframe_brings_the_next_tick_forward_and_a_storm_of_them_at_most_doubles_the_rate() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, 10);
        assert_eq!(ticks.pass(start), 1);
        ticks.hasten(start + 70 * MS);
        assert_eq!(ticks.wait(start + 70 * MS), None, "now");
        assert_eq!(ticks.pass(start + 70 * MS), 1);
        assert_eq!(ticks.wait(start + 70 * MS), Some(100 * MS), "and the next a whole period later");

        let (mut ticks, mut pictures) = (Ticks::new(start, 10), 0);
        for n in 0..1_000 {
            let now = start + n * MS;
            ticks.hasten(now);
            while ticks.wait(now).is_none() {
                pictures += ticks.pass(now);
            }
        }
        assert!((20..=21).contains(&pictures), "{pictures} in a second");
    }

    #[test]
    fn deadlines_do_not_drift_whatever_the_lateness() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, 30);
        let mut now = start;
        for n in 0..3_000u32 {
            while let Some(wait) = ticks.wait(now) {
                now += wait;
            }
            now += MS * (n % 7);
            assert_eq!(ticks.pass(now), 1);
        }
        assert_eq!(ticks.at(ticks.next) - start, Duration::from_secs(100));
    }

    #[test]
    fn missed_ticks_are_counted_once_and_not_made_up() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, 50);
        assert_eq!(ticks.pass(start), 1);
        assert_eq!(ticks.pass(start + MS * 20), 1);
        assert_eq!(ticks.pass(start + MS * 105), 4);
        assert_eq!(ticks.wait(start + MS * 105), Some(MS * 15));
    }

    #[test]
    fn a_new_rate_begins_at_the_last_tick() {
        let start = Instant::now();
        let mut ticks = Ticks::new(start, 10);
        ticks.pass(start);
        ticks.retime(start + MS * 5, 50);
        assert_eq!(ticks.wait(start + MS * 5), Some(MS * 15));
        assert_eq!(ticks.pass(start + MS * 20), 1);
        ticks.retime(start + MS * 25, 1);
        assert_eq!(ticks.wait(start + MS * 25), Some(MS * 995));
        ticks.retime(start + MS * 900, 100);
        assert_eq!(ticks.wait(start + MS * 900), None, "over: now");
        assert_eq!(ticks.pass(start + MS * 900), 1);
    }
}
