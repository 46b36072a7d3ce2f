//! EDGE: the loop. Car and viewers on one thread, turn by turn as `windshield::run` does it, with the tool's clock, which may
//! be virtual. Holds the phases of a run: everyone joins, a second passes, it is measured, the last frames come in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use windshield::clock::Micros;
use windshield::frame::Stamps;
use windshield::link::udp::Udp;
use windshield::link::{self, Answer, Crypto, Inbox, Offer, PlayoutDelay, Viewers};

use super::floor::Floor;
use super::knobs::{Knobs, Wire};
use super::ledger::{Fates, Halves, Ledger};
use super::path::Path;
use super::source::{self, Source};
use super::table::{FLOOR, TOTAL, Table};
use super::tap::{Carrier, Tap};
use super::time::Clock;
use super::viewer::{News, Viewer};
use super::{socket, wait};

const UDP: mio::Token = mio::Token(0);
const SOURCE: mio::Token = mio::Token(1);
const WAKE: mio::Token = mio::Token(2);

/// The car, in memory.
const CAR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 8080);

/// Everyone has a picture by then, or something is wrong. A clip may have a keyframe every ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens once (page faults, first resends) is over.
const WARM_UP: Duration = Duration::from_secs(1);

/// The car tells stamps after a fifth of a second.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// What has not come by then does not come.
const AT_LAST: Duration = Duration::from_secs(3);

/// As in the car: frames and datagrams of a turn.
const FRAMES_A_TURN: usize = 4;
const DATAGRAMS_A_TURN: usize = 64;

/// What came of a run.
#[derive(Debug)]
pub struct Measured {
    /// The figures.
    pub table: Table,
    /// The frames.
    pub fates: Fates,
    /// What was sent.
    pub source: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Joining,
    Warming,
    Measuring,
    Ending { since: Instant },
}

/// See the file.
pub struct World {
    knobs: Knobs,
    clock: Rc<Clock>,
    poll: Option<mio::Poll>,
    inbox: Option<Inbox>,
    tap: Tap,
    car: Viewers,
    viewers: Vec<Viewer>,
    halves: Vec<Halves<Stamps, (Micros, Micros)>>,
    source: Source,
    ledger: Ledger,
    table: Table,
    floor: Option<Floor>,
    floor_due: Option<Instant>,
    phase: Phase,
    /// When the phase ends at last.
    until: Instant,
    more: bool,
}

impl World {
    /// Opens everything; every viewer has made its offer.
    ///
    /// # Errors
    /// A sentence: a socket, the file.
    pub fn new(knobs: &Knobs) -> Result<Self, String> {
        let clock = Rc::new(if knobs.virtual_time { Clock::virtual_from_now() } else { Clock::Real });
        let now = clock.now();
        let io = |what: &'static str| move |e: std::io::Error| format!("cannot {what}: {e}");
        let poll = clock.is_real().then(mio::Poll::new).transpose().map_err(io("wait for sockets"))?;
        let (carrier, inbox, address) = match (&poll, knobs.wire) {
            (Some(poll), Wire::Udp) => {
                let udp = Udp::bind(0, poll.registry(), UDP).map_err(|e| e.to_string())?;
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, udp.port()));
                let Udp { inbox, outbox, .. } = udp;
                (Carrier::Udp(Box::new(outbox)), Some(inbox), address)
            }
            _ => (Carrier::Memory(Vec::new()), None, CAR),
        };
        let waker = poll.as_ref().map(|poll| source::waker(poll, WAKE)).transpose().map_err(io("wake the loop"))?;
        let source = Source::open(knobs, &clock, poll.as_ref().zip(waker).map(|(p, w)| (p, SOURCE, w)))?;
        let crypto = Crypto::new(now)?;
        let options = link::Options {
            port: address.port(),
            playout_delay: Some(PlayoutDelay { min_ms: 0, max_ms: 0 }),
            max_viewers: knobs.viewers,
            build: 0,
        };
        let mut world = Self {
            tap: Tap::new(carrier, Rc::clone(&clock), knobs.slow),
            poll,
            inbox,
            car: Viewers::new(options, crypto.clone()),
            viewers: Vec::new(),
            halves: Vec::new(),
            source,
            ledger: Ledger::new(knobs.period().as_micros() as u64, knobs.viewers),
            table: Table::default(),
            floor: clock.is_real().then(Floor::new).transpose()?,
            floor_due: None,
            phase: Phase::Joining,
            until: now + PATIENCE,
            more: false,
            knobs: knobs.clone(),
            clock,
        };
        world.car.set_addresses(now, vec![address.ip()], &mut world.tap);
        for number in 0..knobs.viewers {
            world.join(now, number, &crypto)?;
        }
        world.settle()?;
        Ok(world)
    }

    fn join(&mut self, now: Instant, number: usize, crypto: &Crypto) -> Result<(), String> {
        let (socket, local) = match self.inbox {
            Some(_) => {
                let socket = socket::open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                let local = socket.local_addr().map_err(|e| e.to_string())?;
                (Some(socket), local)
            }
            None => (None, SocketAddr::from(([10, 0, 1, 1 + number as u8], 5000))),
        };
        let between = self.inbox.is_none() || !self.knobs.clean_path();
        let paths = between.then(|| {
            let (n, slow) = (2 * number as u64, self.knobs.slow.network);
            (Path::new(&self.knobs, slow, n), Path::new(&self.knobs, Duration::ZERO, n + 1))
        });
        let (viewer, sdp) = Viewer::new(&self.clock, crypto, socket, local, paths, self.knobs.slow.receive)?;
        self.viewers.push(viewer);
        self.halves.push(Halves::default());
        self.car.handle_offer(now, number as u64, Offer { sdp, own_page: true, host: None }, &mut self.tap);
        Ok(())
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// A sentence: not everyone got a picture, or one was let go.
    pub fn run(mut self) -> Result<Measured, String> {
        loop {
            self.wait()?;
            self.turn()?;
            if self.phase_ends()? {
                break;
            }
        }
        let (now, at) = (self.clock.now(), self.clock.micros());
        let Self { ledger, table, .. } = &mut self;
        let fates = ledger.close(at, |us| table.record(TOTAL, us));
        self.car.close_all(now, &mut self.tap);
        Ok(Measured { table: self.table, fates, source: self.source.describe() })
    }

    /// Until something is due, or there.
    fn wait(&mut self) -> Result<(), String> {
        let viewers = self.viewers.iter().map(Viewer::poll_timeout);
        let others = [self.car.poll_timeout(), self.source.poll_timeout(), self.floor_due, Some(self.until)];
        let ending = match self.phase {
            Phase::Ending { since } => Some(since + self.stragglers()).filter(|at| *at > self.clock.now()),
            _ => None,
        };
        let until = viewers.chain(others.into_iter().flatten()).chain(ending).min();
        let until = if self.more { Some(self.clock.now()) } else { until };
        let Some(poll) = &mut self.poll else {
            self.clock.jump(until.unwrap_or(self.until));
            return Ok(());
        };
        let epoll = libc::pollfd { fd: poll.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let sockets = self.viewers.iter().filter_map(|v| v.socket.as_ref()).map(socket::readable);
        let mut set: Vec<_> = std::iter::once(epoll).chain(sockets).collect();
        wait::wait_slice(&mut set, until).map_err(|e| format!("cannot wait for sockets: {e}"))
    }

    fn turn(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        let mut ready = std::mem::take(&mut self.more);
        if let Some(poll) = &mut self.poll {
            let mut events = mio::Events::with_capacity(8);
            poll.poll(&mut events, Some(Duration::ZERO)).map_err(|e| format!("cannot wait for sockets: {e}"))?;
            for event in &events {
                match event.token() {
                    UDP => ready = true,
                    SOURCE | WAKE => self.source.handle_ready(now),
                    _ => {}
                }
            }
        }
        // As in the car: what came in, the picture, timers.
        if let Some(inbox) = self.inbox.as_mut().filter(|_| ready) {
            let Self { car, tap, .. } = self;
            self.more = inbox.receive(DATAGRAMS_A_TURN, &mut |d| {
                car.handle_datagram(now, d.source, d.destination, d.bytes, tap);
            });
        }
        for _ in 0..FRAMES_A_TURN {
            if !self.frame() {
                break;
            }
        }
        let now = self.clock.now();
        if self.car.poll_timeout().is_some_and(|at| at <= now) {
            self.car.handle_timeout(now, &mut self.tap);
        }
        self.settle()?;
        self.viewers_turn()?;
        self.settle()?;
        if let Some(floor) = self.floor.as_mut().filter(|_| self.floor_due.is_some_and(|at| at <= now)) {
            self.floor_due = None;
            if let Some(us) = floor.measure() {
                self.table.record(FLOOR, us);
            }
        }
        Ok(())
    }

    /// Hands the next frame to the car; false if none is due.
    fn frame(&mut self) -> bool {
        let Self { source, clock, car, tap, ledger, floor, floor_due, knobs, .. } = self;
        if !knobs.slow.camera.is_zero() && source.poll_timeout().is_some_and(|at| at <= clock.now()) {
            clock.spend(knobs.slow.camera);
        }
        let now = clock.now();
        source.lend(now, clock.micros(), &mut |frame| {
            ledger.made(frame.captured);
            tap.frame(true);
            car.handle_frame(now, &frame, tap);
            tap.frame(false);
            if let Some(floor) = floor.as_mut().filter(|_| ledger.is_measured(frame.captured)) {
                floor.set(frame.bytes);
                // In the middle of the pause.
                *floor_due = Some(clock.now() + knobs.period() / 2);
            }
        })
    }

    /// Everything that came to viewers, and what they say.
    fn viewers_turn(&mut self) -> Result<(), String> {
        for at in 0..self.viewers.len() {
            let viewer = &mut self.viewers[at];
            if viewer.socket.is_some() {
                viewer.handle_readable();
            }
            let now = self.clock.now();
            viewer.handle_timeout(now);
            if !viewer.is_alive() {
                return Err(format!("viewer {at} was let go by the car"));
            }
            for datagram in std::mem::take(&mut viewer.to_car) {
                let now = self.clock.now();
                self.car.handle_datagram(now, datagram.source, datagram.destination, &datagram.bytes, &mut self.tap);
            }
            for news in std::mem::take(&mut self.viewers[at].news) {
                self.note(at, &news);
            }
        }
        Ok(())
    }

    fn note(&mut self, viewer: usize, news: &News) {
        let Self { halves, ledger, table, .. } = self;
        let joined = match *news {
            News::Whole { rtp_time, arrived, at, shows } => {
                if shows {
                    ledger.shown(viewer, rtp_time, at, |us| table.record(TOTAL, us));
                }
                halves[viewer].join(rtp_time, None, Some((arrived, at)))
            }
            News::Told(stamps) => halves[viewer].join(stamps.rtp_time, Some(stamps), None),
        };
        if let Some((stamps, (arrived, whole))) = joined.filter(|(stamps, _)| ledger.is_measured(stamps.captured)) {
            table.way(&stamps, arrived, whole);
        }
    }

    /// Carries what the car ordered, answered, and (in memory) sent.
    fn settle(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        while let Some(output) = self.car.poll_output() {
            match output {
                link::Output::Order(order) => {
                    let obeyed = self.source.order(now, order);
                    self.car.order_answered(now, order, obeyed, &mut self.tap);
                }
                link::Output::Answer(ticket, Answer::Created { sdp, .. }) => {
                    self.viewers[ticket as usize].accept(&sdp)?;
                }
                link::Output::Answer(ticket, other) => {
                    return Err(format!("the car refused viewer {ticket}: {other:?}"));
                }
                // For who writes a log; the table has its own histograms.
                link::Output::WindowEnded => {}
            }
        }
        if let Carrier::Memory(left) = &mut self.tap.carrier {
            for (at, datagram) in std::mem::take(left) {
                let to = self.viewers.iter_mut().find(|v| v.local() == datagram.destination);
                if let Some(viewer) = to {
                    viewer.handle_sent(at, datagram);
                }
            }
        }
        Ok(())
    }

    /// The phase goes on, or the next begins, or (true) it was the last.
    fn phase_ends(&mut self) -> Result<bool, String> {
        let now = self.clock.now();
        match self.phase {
            Phase::Joining if self.ledger.all_see() => {
                self.viewers.iter_mut().for_each(Viewer::begin_losing);
                (self.phase, self.until) = (Phase::Warming, now + WARM_UP);
            }
            Phase::Joining if now >= self.until => {
                let (blind, all) = (self.ledger.blind(), self.viewers.len());
                let seconds = PATIENCE.as_secs();
                return Err(format!("{blind} of {all} viewers have no picture after {seconds} s; fewer viewers?"));
            }
            Phase::Warming if now >= self.until => {
                let end = self.ledger.measure(self.knobs.duration.as_micros() as u64);
                (self.phase, self.until) = (Phase::Measuring, now + end.since(Micros::of(now)));
            }
            Phase::Measuring if now >= self.until => {
                (self.phase, self.until) = (Phase::Ending { since: now }, now + AT_LAST + 4 * self.knobs.delay);
            }
            Phase::Ending { since } => {
                return Ok(now >= self.until || (now >= since + self.stragglers() && self.ledger.is_settled()));
            }
            _ => {}
        }
        Ok(false)
    }

    fn stragglers(&self) -> Duration {
        STRAGGLERS + 2 * (self.knobs.delay + self.knobs.jitter + self.knobs.slow.network)
    }
}
