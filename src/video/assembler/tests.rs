//! The rule under writers of every manner, in virtual time: what leaves, when, and whether it is whole.

use super::super::access_unit::tests::{AUD, PPS, SEI, SPS, idr, p, slice};
use super::*;

const MS: Duration = Duration::from_millis(1);
/// The interval of 30 frames a second, nearly.
const FRAME: Duration = Duration::from_millis(33);

/// An assembler, a clock, and what came out of it.
struct Bench {
    assembler: Assembler,
    start: Instant,
    now: Instant,
    out: Vec<Out>,
    last_write: Instant,
    /// When each picture had been written whole.
    written: Vec<Instant>,
}

#[derive(Debug, PartialEq)]
struct Out {
    /// Since the start.
    at: Duration,
    bytes: Vec<u8>,
    keyframe: bool,
    captured: Micros,
    dequeued: Micros,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self { assembler: Assembler::new(), start: now, now, out: Vec::new(), last_write: now, written: Vec::new() }
    }

    /// The bytes arrive, and more may be there.
    fn feed(&mut self, mut bytes: &[u8]) {
        self.last_write = self.now;
        while !bytes.is_empty() {
            let room = self.assembler.room();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.assembler.filled(self.now, count);
            bytes = &bytes[count..];
        }
        self.collect();
    }

    /// One write, seen whole by a reader who then finds the pipe empty.
    fn write(&mut self, bytes: &[u8]) {
        self.feed(bytes);
        self.assembler.dry(self.now, Fill::Never);
        self.collect();
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.assembler.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.assembler.handle_timeout(self.now);
            self.collect();
        }
        self.now = until;
    }

    fn collect(&mut self) {
        let at = self.now - self.start;
        let out = &mut self.out;
        while self.assembler.lend(&mut |frame| {
            let Frame { keyframe, captured, dequeued, .. } = frame;
            out.push(Out { at, bytes: frame.bytes.to_vec(), keyframe, captured, dequeued });
        }) {}
    }

    /// Picture n is written at n frame intervals, by `writer`, within its interval.
    fn run(&mut self, pictures: &[Vec<u8>], mut writer: impl FnMut(&mut Self, &[u8])) {
        for picture in pictures {
            let begun = self.now;
            writer(self, picture);
            self.written.push(self.last_write);
            let left = (begun + FRAME).saturating_duration_since(self.now);
            self.wait(left);
        }
    }

    /// How long after it was written whole each picture left.
    fn delays(&self) -> Vec<Duration> {
        self.out.iter().zip(&self.written).map(|(out, written)| self.start + out.at - *written).collect()
    }

    fn pictures(&self) -> Vec<Print> {
        self.out.iter().map(|out| print(&out.bytes)).collect()
    }
}

/// Length and checksum: tells pictures apart and is short in a failed test.
type Print = (usize, u32);

fn print(bytes: &[u8]) -> Print {
    (bytes.len(), bytes.iter().fold(0, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte)))
}

fn prints<T: AsRef<[u8]>>(pictures: &[T]) -> Vec<Print> {
    pictures.iter().map(|picture| print(picture.as_ref())).collect()
}

/// A stream with a keyframe every `gop` pictures; `slices` and `size` say what each is made of.
fn pictures(count: usize, gop: usize, slices: impl Fn(usize) -> usize, size: impl Fn(usize) -> usize) -> Vec<Vec<u8>> {
    let picture = |n: usize| {
        let key = n.is_multiple_of(gop);
        let mut bytes = if key { [SPS, PPS].concat() } else { Vec::new() };
        for i in 0..slices(n) {
            bytes.extend(slice(if key { 0x65 } else { 0x41 }, i == 0, size(n)));
        }
        bytes
    };
    (0..count).map(picture).collect()
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

#[test]
fn a_picture_written_at_once_leaves_with_its_last_byte() {
    let stream = pictures(60, 60, |_| 1, |n| 500 + n * 97);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| bench.write(picture));
    assert_eq!(bench.pictures(), prints(&stream));
    let delays = bench.delays();
    // Two pictures to see that it flushes at all, eight to be sure.
    assert!(delays[..2].iter().all(|delay| *delay == FRAME), "{delays:?}");
    assert!(delays[2..8].iter().all(|delay| *delay == QUIET), "{delays:?}");
    assert!(delays[9..].iter().all(|delay| *delay == Duration::ZERO), "{delays:?}");
    assert!(!bench.assembler.is_late());
}

#[test]
fn so_does_one_of_many_slices_however_many() {
    let stream = pictures(60, 60, |n| 1 + n * 7 % 5, |n| 300 + n);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| bench.write(picture));
    assert_eq!(bench.pictures(), prints(&stream));
    assert!(bench.delays()[9..].iter().all(|delay| delay.is_zero()));
}

/// What glibc makes of fwrite and fflush: the buffer, whole blocks, the rest; the reader wakes between them.
fn stdio_with_flush(bench: &mut Bench, picture: &[u8]) {
    let head = picture.len().min(4096);
    let blocks = head + (picture.len() - head) / 4096 * 4096;
    for piece in [&picture[..head], &picture[head..blocks], &picture[blocks..]] {
        if !piece.is_empty() {
            bench.write(piece);
            bench.wait(MS);
        }
    }
}

#[test]
fn a_picture_flushed_by_stdio_in_three_writes_is_never_broken() {
    let stream = pictures(200, 30, |_| 1, |n| 3000 + n * 331 % 30_000);
    let mut bench = Bench::new();
    bench.run(&stream, stdio_with_flush);
    assert_eq!(bench.pictures(), prints(&stream));
    let late = bench.delays()[12..].iter().filter(|delay| !delay.is_zero()).count();
    assert_eq!(late, 0, "a picture waited for its successor");
}

#[test]
fn parameter_sets_flushed_apart_from_their_keyframe_break_nothing() {
    let stream = pictures(100, 10, |_| 1, |n| 3000 + n * 331 % 30_000);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| {
        let sets = if picture.starts_with(SPS) { SPS.len() + PPS.len() } else { 0 };
        if sets > 0 {
            bench.write(&picture[..sets]);
            bench.wait(MS);
        }
        stdio_with_flush(bench, &picture[sets..]);
    });
    assert_eq!(bench.pictures(), prints(&stream));
}

#[test]
fn a_picture_that_fills_its_last_block_leaves_with_the_next_one_at_the_latest() {
    // Start code of three bytes and 4,093 of slice.
    let stream = pictures(40, 100, |_| 1, |n| if n > 20 { 4093 } else { 900 });
    let mut bench = Bench::new();
    bench.run(&stream, stdio_with_flush);
    bench.wait(SILENCE);
    assert_eq!(bench.pictures(), prints(&stream));
    assert!(bench.delays()[21..39].iter().all(|delay| *delay == FRAME));
    assert_eq!(bench.delays()[39], SILENCE);
}

#[test]
fn a_program_that_does_not_flush_is_late_but_whole_and_said_to_be() {
    let stream = pictures(120, 30, |_| 1, |n| 2000 + n * 331 % 9000);
    let mut bench = Bench::new();
    let mut buffer = Vec::new();
    bench.run(&stream, |bench, picture| {
        buffer.extend_from_slice(picture);
        while buffer.len() >= 4096 {
            bench.write(&buffer.drain(..4096).collect::<Vec<_>>());
        }
    });
    assert!(bench.out.len() >= stream.len() - 4, "{}", bench.out.len());
    assert_eq!(bench.pictures(), prints(&stream[..bench.out.len()]));
    assert!(bench.assembler.is_late());
}

#[test]
fn a_picture_flushed_in_odd_pieces_leaves_when_the_pipe_stays_quiet() {
    let stream = pictures(120, 30, |_| 1, |n| 2000 + n * 331 % 9000);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| {
        bench.write(&picture[..1000]);
        bench.wait(MS);
        bench.write(&picture[1000..]);
    });
    assert_eq!(bench.pictures(), prints(&stream));
    assert!(bench.delays()[2..].iter().all(|delay| *delay == QUIET), "{:?}", bench.delays());
}

#[test]
fn a_program_that_writes_slice_by_slice_is_understood() {
    const SLICES: usize = 4;
    let stream = pictures(400, 400, |_| SLICES, |n| 200 + n % 90);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| {
        let parameter_sets = if picture.starts_with(SPS) { SPS.len() + PPS.len() } else { 0 };
        let length = (picture.len() - parameter_sets) / SLICES;
        for i in 0..SLICES {
            let start = if i == 0 { 0 } else { parameter_sets + i * length };
            bench.write(&picture[start..parameter_sets + (i + 1) * length]);
            bench.wait(6 * MS);
        }
    });
    assert_eq!(bench.pictures(), prints(&stream), "not one is broken on the way to knowing");
    assert!(bench.delays()[200..].iter().all(|delay| delay.is_zero()));
}

#[test]
fn slices_one_by_one_in_changing_number_are_late_rather_than_broken() {
    let stream = pictures(300, 20, |n| 2 + n * 5 % 7, |_| 100);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| {
        let starts: Vec<_> = crate::h264::nals(picture).map(|nal| nal.offset - 3).chain([picture.len()]).collect();
        for piece in starts.windows(2) {
            bench.write(&picture[if piece[0] == 1 { 0 } else { piece[0] }..piece[1]]);
            bench.wait(2 * MS);
        }
    });
    let broken = bench.out.iter().filter(|out| !stream.contains(&out.bytes)).count();
    assert!(broken <= 3, "{broken} of {} broken", bench.out.len());
    assert!(bench.out.len() > 200, "{}", bench.out.len());
}

#[test]
fn a_wrong_guess_costs_the_pictures_up_to_the_next_keyframe_and_nothing_else() {
    let stream = pictures(60, 20, |_| 1, |n| 1000 + n);
    let mut bench = Bench::new();
    let mut n = 0;
    bench.run(&stream, |bench, picture| {
        if n == 25 {
            bench.write(&picture[..500]);
            bench.wait(10 * MS);
            bench.write(&picture[500..]);
        } else {
            bench.write(picture);
        }
        n += 1;
    });
    let mut expected = stream[..26].to_vec();
    expected[25].truncate(500);
    expected.extend_from_slice(&stream[40..]);
    assert_eq!(bench.pictures(), prints(&expected));
    assert_eq!(bench.assembler.tally().dropped, 1 + (40 - 26), "the rest of the broken one, and what referred to it");
    // Not trusted at once any more, but when quiet.
    let last = bench.start + bench.out.last().unwrap().at - *bench.written.last().unwrap();
    assert_eq!(last, QUIET);
}

#[test]
fn a_slice_that_comes_after_its_picture_was_sent_breaks_it_too() {
    let stream = pictures(40, 20, |_| 1, |n| 1000 + n);
    let mut bench = Bench::new();
    bench.run(&stream[..15], |bench, picture| bench.write(picture));
    bench.run(&stream[15..], |bench, picture| {
        bench.write(picture);
        if *picture == *stream[15] {
            bench.wait(MS);
            bench.write(&slice(0x41, false, 60));
        }
    });
    let expected = [&stream[..16], &stream[20..]].concat();
    assert_eq!(bench.pictures(), prints(&expected));
}

#[test]
fn filler_behind_a_picture_breaks_nothing() {
    let stream = pictures(40, 20, |_| 1, |n| 1000 + n);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| {
        bench.write(picture);
        bench.wait(10 * MS);
        bench.write(&[0, 0, 1, 12, 0xff, 0xff, 0x80]);
    });
    assert_eq!(bench.assembler.tally().dropped, 0);
    assert_eq!(bench.pictures()[10..], prints(&stream[10..]));
}

#[test]
fn a_pipe_that_may_have_been_full_is_no_sign_of_an_end() {
    let stream = pictures(40, 20, |_| 1, |n| 1000 + n);
    let mut bench = Bench::new();
    bench.run(&stream[..20], |bench, picture| bench.write(picture));
    bench.feed(&stream[20][..700]);
    bench.assembler.dry(bench.now, Fill::Maybe);
    bench.collect();
    assert_eq!(bench.out.len(), 20);
    bench.write(&stream[20][700..]);
    assert_eq!(bench.pictures(), prints(&stream[..21]));
}

#[test]
fn however_the_stream_is_chopped_the_same_pictures_come_out() {
    let stream = pictures(50, 9, |n| 1 + n % 3, |n| 5 + n * 331 % 3000);
    let with_more: Vec<_> = stream.iter().map(|picture| [AUD, SEI, picture].concat()).collect();
    let bytes = [with_more.concat(), AUD.to_vec()].concat();
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let largest = [1, 2, 3, 7, 100, 5000, 12_000][dice.roll(7)];
        let mut bench = Bench::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(1 + dice.roll(largest)));
            bench.feed(piece);
            if dice.roll(3) == 0 {
                bench.assembler.dry(bench.now, Fill::Maybe);
            }
            bench.wait(MS * dice.roll(50) as u32);
            rest = later;
        }
        assert!(bench.pictures() == prints(&with_more), "seed {seed}");
    }
}

#[test]
fn guesses_at_random_places_break_pictures_but_never_the_order() {
    let stream = pictures(200, 9, |n| 1 + n % 3, |n| 50 + n * 331 % 3000);
    let bytes = stream.concat();
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new();
        // First it deserves trust, then it betrays it.
        let trained = dice.roll(40);
        bench.run(&stream[..trained], |bench, picture| bench.write(picture));
        let mut rest = &bytes[stream[..trained].concat().len()..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(1 + dice.roll(2000)));
            bench.write(piece);
            bench.wait(MS * dice.roll(8) as u32);
            rest = later;
        }
        bench.assembler.finish(bench.now);
        bench.collect();
        let mut next = 0;
        let mut broken = false;
        for out in &bench.out {
            assert!(!broken || out.keyframe, "seed {seed}: nothing that refers to a broken picture");
            let found = stream[next..].iter().position(|picture| picture.starts_with(&out.bytes));
            let place = next + found.unwrap_or_else(|| panic!("seed {seed}: a piece of no picture"));
            broken = stream[place].len() != out.bytes.len() && place + 1 < stream.len();
            next = place + 1;
        }
        assert!(bench.out.len() > 20, "seed {seed}: {}", bench.out.len());
    }
}

#[test]
fn a_frame_carries_the_time_of_its_first_byte_and_of_its_last() {
    let stream = pictures(20, 20, |_| 1, |_| 1000);
    let mut bench = Bench::new();
    bench.run(&stream[..19], |bench, picture| bench.write(picture));
    let first = Micros::of(bench.now);
    bench.feed(&stream[19][..600]);
    bench.wait(7 * MS);
    bench.write(&stream[19][600..]);
    let last = bench.out.last().unwrap();
    assert_eq!((last.captured, last.dequeued), (first, Micros::of(bench.now)));
    assert_eq!(bench.out.len(), 20);
}

#[test]
fn keyframes_get_the_parameter_sets_that_came_before() {
    let mut bench = Bench::new();
    bench.feed(&[SPS, PPS, &idr(50), &p(20), AUD, &idr(60), AUD].concat());
    assert_eq!(bench.pictures()[2], print(&[AUD, SPS, PPS, &idr(60)].concat()));
    assert!(bench.out[2].keyframe);
}

#[test]
fn a_stream_that_pauses_gives_its_last_picture_away() {
    let mut bench = Bench::new();
    bench.write(&[SPS, PPS, &idr(50)].concat());
    bench.wait(SILENCE - MS);
    assert_eq!(bench.out.len(), 0);
    bench.wait(MS);
    assert_eq!(bench.pictures(), prints(&[[SPS, PPS, &idr(50)].concat()]));
}

#[test]
fn a_stream_that_ends_gives_its_last_picture_away() {
    let mut bench = Bench::new();
    bench.feed(&[SPS, PPS, &idr(50), &p(30)].concat());
    bench.assembler.finish(bench.now);
    bench.collect();
    assert_eq!(bench.out.len(), 2);
    bench.assembler.finish(bench.now);
    bench.collect();
    assert_eq!(bench.out.len(), 2, "but once");
}

#[test]
fn a_new_stream_of_the_same_program_is_trusted_from_its_first_keyframe_on() {
    let stream = pictures(30, 30, |_| 1, |_| 1000);
    let mut bench = Bench::new();
    bench.run(&stream, |bench, picture| bench.write(picture));
    bench.write(&stream[1][..200]);
    bench.assembler.finish(bench.now);
    bench.assembler.restart();
    bench.collect();
    bench.out.clear();
    bench.write(&stream[1]);
    bench.write(&stream[0]);
    assert_eq!(bench.pictures(), prints(&[stream[0].clone()]));
    assert_eq!(bench.assembler.received(), (stream[0].len() + stream[1].len()) as u64);
}

#[test]
fn a_stream_joined_in_the_middle_begins_at_its_next_keyframe() {
    let stream = pictures(30, 10, |_| 2, |_| 1000);
    let mut bench = Bench::new();
    bench.feed(&stream[3][100..]);
    bench.run(&stream[4..], |bench, picture| bench.write(picture));
    assert_eq!(bench.pictures()[..20], prints(&stream[10..]));
}

#[test]
fn garbage_without_end_takes_bounded_memory_and_makes_no_picture() {
    let mut dice = Dice(7);
    let noise: Vec<u8> = (0..1 << 20).map(|_| dice.roll(256) as u8).collect();
    let mut codes = noise.clone();
    for at in (0..codes.len() - 3).step_by(4099) {
        codes[at..at + 3].copy_from_slice(&[0, 0, 1]);
    }
    for kind in [noise, codes, vec![0; 1 << 20], vec![0xff; 1 << 20], b"no camera found\n".repeat(1 << 16)] {
        let mut bench = Bench::new();
        for _ in 0..10 {
            bench.feed(&kind);
            bench.assembler.dry(bench.now, Fill::Never);
            bench.wait(FRAME);
        }
        assert!(bench.out.is_empty());
        let room = bench.assembler.room().len();
        assert!(room <= 16 << 20, "{room}");
    }
}

#[test]
fn a_picture_that_never_ends_is_dropped_and_the_next_keyframe_is_found() {
    let mut bench = Bench::new();
    bench.feed(&[SPS, PPS, &idr(9), &p(9)].concat());
    for _ in 0..6 {
        bench.feed(&vec![7; 1 << 20]);
    }
    bench.feed(&[&p(9)[..], SPS, PPS, &idr(8), AUD].concat());
    assert_eq!(bench.pictures(), prints(&[[SPS, PPS, &idr(9)].concat(), [SPS, PPS, &idr(8)].concat()]));
    assert_eq!(bench.assembler.tally().dropped, 2);
}
