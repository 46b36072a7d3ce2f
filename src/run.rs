//! EDGE: the loop. The only wait and the only reading of the clock; owns the slices, carries values between them and
//! holds no policy: an `if` about what is right belongs into one of them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook_mio::v1_0::Signals;

use crate::banner::{self, Guard, Info};
use crate::board::Board;
use crate::config::Config;
use crate::frame::{Bitrate, Order};
use crate::host;
use crate::link::gather::{self, Loopback};
use crate::link::udp::Udp;
use crate::link::{self, Crypto, Viewers};
use crate::message::{Severity, Topic};
use crate::notify::Notify;
use crate::signal::{self, Signal, Ticket};
use crate::trace::{self, Digest, LinkStats, SourceStats, Stats, TraceFile};
use crate::video::settings::{self, Change, NotRead};
use crate::video::{Source, Wakeup};

const UDP: Token = Token(0);
const SOURCE: Token = Token(1);
const WAKE: Token = Token(2);
const SIGNALS: Token = Token(3);
const BOARD: Token = Token(4);

/// Datagrams taken in one turn: a flood may fill a turn, not stop the picture.
const DATAGRAMS_A_TURN: usize = 64;

/// Frames and requests taken in one turn, for the same reason.
const FRAMES_A_TURN: usize = 4;
const REQUESTS_A_TURN: usize = 4;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// A sentence: what could not be had at start (a port, a file), or what broke the loop.
pub fn run(config: Config) -> io::Result<()> {
    let mut car = Car::start(config)?;
    let result = car.drive();
    car.stop();
    result
}

struct Car {
    poll: Poll,
    signals: Signals,
    source: Source,
    udp: Udp,
    viewers: Viewers,
    signal: Signal,
    notify: Notify,
    board: Board,
    digest: Digest,
    trace: Option<TraceFile>,
    started: Instant,
}

/// What this turn has to look at.
#[derive(Default)]
struct Due {
    udp: bool,
    source: bool,
    requests: bool,
    stop: bool,
}

impl Car {
    fn start(config: Config) -> io::Result<Self> {
        let now = Instant::now();
        let poll = Poll::new()?;
        let registry = poll.registry();
        let waker = Arc::new(Waker::new(registry, WAKE)?);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
        registry.register(&mut signals, SIGNALS, mio::Interest::READABLE)?;
        let udp = Udp::bind(config.udp, registry, UDP)?;
        let signal = Signal::start(
            signal::Options {
                listen: config.http,
                token: config.token.clone(),
                allow_origin: config.allow_origin.clone(),
                static_dir: config.static_dir.clone(),
            },
            waker.clone(),
        )?;
        let source = Source::open(&config.source, Wakeup { registry, token: SOURCE, waker }, now)?;
        let options = link::Options {
            port: udp.port(),
            playout_delay: config.playout_delay.map(|d| link::PlayoutDelay { min_ms: d.min_ms, max_ms: d.max_ms }),
            max_viewers: config.max_viewers,
            build: signal::BUILD_ID,
        };
        let mut viewers =
            Viewers::new(options, Crypto::kept(now, |name| std::env::var_os(name)).map_err(io::Error::other)?);
        let trace = config.trace.map(TraceFile::open).transpose()?;
        if trace.is_some() {
            viewers.keep_stamps();
        }
        let board = Board::open(Path::new("/"), registry, BOARD, now);
        let about = source.describe();
        log::info!("source: {about}");
        let guard = if config.token.is_some() { Guard::Token } else { Guard::Open };
        let (addresses, name) = (host::addresses(), host::mdns_name());
        host::print(&banner::banner(&Info {
            version: env!("CARGO_PKG_VERSION"),
            source: &about,
            http: signal.local_addr(),
            udp: udp.port(),
            addresses: &addresses,
            mdns_name: name.as_deref(),
            guard,
            qr: host::terminal(),
        }));
        let mut notify = Notify::from_env();
        notify.ready(Instant::now());
        let digest = Digest::default();
        Ok(Self { poll, signals, source, udp, viewers, signal, notify, board, digest, trace, started: now })
    }

    fn drive(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(16);
        let mut due = Due::default();
        loop {
            let timeout = self.wait_for(&due);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let now = Instant::now();
            for event in &events {
                match event.token() {
                    UDP => due.udp = true,
                    SOURCE => due.source = true,
                    WAKE => (due.source, due.requests) = (true, true),
                    BOARD => self.board.handle_ready(),
                    SIGNALS => due.stop |= self.handle_signals(),
                    _ => {}
                }
            }
            if due.stop {
                return Ok(());
            }
            self.turn(now, &mut due);
        }
    }

    /// True if the program shall end.
    fn handle_signals(&mut self) -> bool {
        let (traces, stops): (Vec<_>, Vec<_>) = self.signals.pending().partition(|signal| *signal == SIGUSR1);
        match &mut self.trace {
            _ if traces.is_empty() => {}
            Some(file) => file.write(|| self.viewers.kept_stamps()),
            None => log::info!("SIGUSR1: nothing was kept to be written; start with --trace FILE"),
        }
        !stops.is_empty()
    }

    /// One turn, in the order of harm: what came in, the picture, those who want to join.
    fn turn(&mut self, now: Instant, due: &mut Due) {
        let Self { source, udp, viewers, .. } = self;
        if std::mem::take(&mut due.udp) {
            let outbox = &mut udp.outbox;
            due.udp = udp.inbox.receive(DATAGRAMS_A_TURN, &mut |d| {
                viewers.handle_datagram(now, d.source, d.destination, d.bytes, outbox);
            });
        }
        source.handle_timeout(now);
        if std::mem::take(&mut due.source) {
            source.handle_ready(now);
        }
        let lent = (0..FRAMES_A_TURN)
            .take_while(|_| source.lend(now, &mut |frame| viewers.handle_frame(now, &frame, &mut udp.outbox)))
            .count();
        due.source = source.more() || lent == FRAMES_A_TURN;
        viewers.handle_timeout(now, &mut udp.outbox);
        if due.requests {
            due.requests = (0..REQUESTS_A_TURN).all(|_| self.handle_request(now));
        }
        self.board.handle_timeout(now);
        self.tell(now);
        self.deliver(now);
        self.notify.beat(now);
    }

    /// Hands the next request over; false if there is none.
    fn handle_request(&mut self, now: Instant) -> bool {
        let Some((ticket, request)) = self.signal.next() else { return false };
        let Self { viewers, udp, .. } = self;
        let out = &mut udp.outbox;
        match request {
            signal::Request::Offer { sdp, own_page, host, .. } => {
                viewers.set_addresses(now, gather::addresses(Loopback::Exclude), out);
                viewers.handle_offer(now, ticket.0, link::Offer { sdp, own_page, host }, out);
            }
            signal::Request::Patch { session, if_match, fragment } => {
                viewers.set_addresses(now, gather::addresses(Loopback::Exclude), out);
                viewers.handle_patch(now, ticket.0, link::Patch { session, if_match, fragment }, out);
            }
            signal::Request::Close { session } => viewers.handle_close(now, ticket.0, &session, out),
            signal::Request::Camera => {
                let reply = signal::Reply::Json(self.camera(&[]));
                self.signal.reply(ticket, reply);
            }
            signal::Request::ChangeCamera { change } => {
                let reply = self.change_camera(now, &change);
                self.signal.reply(ticket, reply);
            }
            signal::Request::Stats => {
                let reply = signal::Reply::Json(self.stats(now).to_json());
                self.signal.reply(ticket, reply);
            }
            signal::Request::Metrics => {
                let reply = signal::Reply::Metrics(trace::metrics(&self.stats(now), self.viewers.stages()));
                self.signal.reply(ticket, reply);
            }
        }
        true
    }

    /// Passes on what the link wants of others, until it wants nothing more.
    fn deliver(&mut self, now: Instant) {
        while let Some(output) = self.viewers.poll_output() {
            match output {
                link::Output::Order(order) => self.order(now, order),
                link::Output::Answer(ticket, answer) => self.signal.reply(Ticket(ticket), reply(answer)),
                link::Output::WindowEnded => self.log(now),
            }
        }
    }

    fn change_camera(&mut self, now: Instant, json: &str) -> signal::Reply {
        let change = match Change::from_json(json) {
            Ok(change) => change,
            Err(NotRead::NoJson(why)) => return signal::Reply::Refused(signal::Refusal::BadOffer(why)),
            Err(NotRead::Impossible(why)) => return signal::Reply::Refused(signal::Refusal::Unprocessable(why)),
        };
        let outcomes = self.source.change(now, &change);
        for outcome in &outcomes {
            log::info!("PATCH /camera: {outcome}");
        }
        signal::Reply::Json(self.camera(&outcomes))
    }

    fn camera(&self, outcomes: &[settings::Outcome]) -> String {
        let rate = self.source.stats().bitrate.map(Bitrate);
        settings::to_json(&self.source.describe(), self.source.settings(), rate, outcomes)
    }

    fn order(&mut self, now: Instant, order: Order) {
        let obeyed = self.source.order(now, order);
        self.viewers.order_answered(now, order, obeyed, &mut self.udp.outbox);
    }

    /// Says to viewers what they should know.
    fn tell(&mut self, now: Instant) {
        let source = self.source.notice().unwrap_or((Severity::Info, ""));
        for (topic, (severity, text)) in [(Topic::Source, source), (Topic::Board, self.board.notice())] {
            self.viewers.set_notice(now, topic, severity, text, &mut self.udp.outbox);
        }
    }

    fn log(&mut self, now: Instant) {
        let stats = self.stats(now);
        if let Some(line) = self.digest.line(&stats, self.viewers.stages()) {
            log::info!("{line}");
        }
    }

    /// How long nothing has to be done. Read against the clock as it is after the turn, or a long turn would make every
    /// timer late by its own length.
    fn wait_for(&self, due: &Due) -> Option<Duration> {
        if due.udp || due.source || due.requests {
            return Some(Duration::ZERO);
        }
        let Self { viewers, source, notify, board, .. } = self;
        let timeouts = [viewers.poll_timeout(), source.poll_timeout(), notify.poll_timeout(), board.poll_timeout()];
        let at = timeouts.into_iter().flatten().min()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    fn stats(&self, now: Instant) -> Stats {
        let (viewers, sent) = (self.viewers.link_stats(), self.udp.sent());
        Stats {
            version: env!("CARGO_PKG_VERSION"),
            build: format!("{:016x}", signal::BUILD_ID),
            uptime_s: now.duration_since(self.started).as_secs_f64(),
            source: SourceStats {
                profile_level_id: self.viewers.profile().map(|p| format!("{:06x}", p.0)),
                ..self.source.stats()
            },
            link: LinkStats {
                datagrams_in: self.udp.received().datagrams_in,
                datagrams_out: sent.datagrams_out,
                bytes_out: sent.bytes_out,
                send_calls: sent.send_calls,
                blocked: sent.blocked,
                send_errors: sent.send_errors,
                ..viewers
            },
            stages: self.viewers.stages().stats(),
            board: self.board.stats(),
            viewers: self.viewers.viewer_stats(now),
        }
    }

    fn stop(&mut self) {
        log::info!("stopping");
        self.notify.stopping();
        self.viewers.close_all(Instant::now(), &mut self.udp.outbox);
        self.source.close();
        if let Some(file) = self.trace.take() {
            file.finish(&self.viewers.kept_stamps());
        }
    }
}

/// The link's answer in the words of HTTP.
fn reply(answer: link::Answer) -> signal::Reply {
    use link::Refused;
    use signal::{Refusal, Reply};
    match answer {
        link::Answer::Created { session, etag, sdp } => Reply::Created { session, etag, sdp },
        link::Answer::Restarted { etag, fragment } => Reply::Restarted { etag, fragment },
        link::Answer::Taken => Reply::Taken,
        link::Answer::Closed => Reply::Closed,
        link::Answer::Refused(why) => Reply::Refused(match why {
            Refused::BadOffer(sentence) => Refusal::BadOffer(sentence),
            Refused::Unprocessable(sentence) => Refusal::Unprocessable(sentence),
            Refused::UnknownSession => Refusal::UnknownSession,
            Refused::EtagMissing => Refusal::EtagMissing,
            Refused::EtagMismatch => Refusal::EtagMismatch,
            Refused::Busy { retry_after_s, sentence } => Refusal::Busy { retry_after_s, sentence },
        }),
    }
}
