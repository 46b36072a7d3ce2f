//! EDGE: the gate, a thread of its own that owns the public listener. It bounds how many connections there are, how
//! long each may take and how large it may get, and lets whole requests through to the HTTP server (`http`), whose
//! weak sides (FACTS: unbounded threads, heads and waits) cannot be fenced from inside. It knows no paths or methods.
//!
//! Who has to go when all places are taken: first those who have their response, then the oldest that has not sent
//! a whole request, of the peer that holds most. So whoever sends its request at once gets through, however many
//! sit idle, and one that hoards connections loses its own.

mod connection;
mod framing;
mod listener;
mod relay;

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::priority;
use crate::random;
use connection::{Claim, Connection, Lane, Next};
pub(super) use framing::{BODY_MAX, ENTRANCE_FIELD, PEER_FIELD};
pub(super) use listener::Listener;

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);
/// Connections, if the process may have the descriptors.
const PLACES: usize = 256;
/// Requests with the HTTP server at a time; it has no bound of its own.
const ASKING: usize = 64;
/// Of them, those that only want something: the server answers one after the other, and an offer must not wait for
/// more than these.
const ASKING_PAGE: usize = 8;
/// Descriptors a request with the server takes: our end, its end, and its duplicate of that.
const DESCRIPTORS_ASKING: usize = 3;
/// Descriptors left to the rest of the program when the limit is low.
const DESCRIPTORS_OTHERS: usize = 48;
/// What we want the limit to be: enough for all places and the rest, below where tables cost memory.
const DESCRIPTORS_WANTED: u64 = 4096;
/// New connections in one turn, so that a flood of them does not hold up those already here.
const ACCEPT_BATCH: usize = 64;
/// Bytes of responses that clients have not taken; above it the slowest make room. The machine has 512 MB.
const HELD_MAX: usize = 16 * 1024 * 1024;
/// Pause before another try to reach the HTTP server when it or the descriptors are short.
const RETRY: Duration = Duration::from_millis(50);

/// Where the HTTP server listens, and the word by which it knows the gate: an abstract UNIX socket has no owner, so
/// every local program could connect to it.
pub(super) struct Entrance {
    pub(super) address: UnixAddr,
    pub(super) word: String,
}

impl Entrance {
    /// A new name and a new word.
    pub(super) fn random() -> io::Result<Self> {
        let address = UnixAddr::from_abstract_name(format!("windshield-{}", random::hex::<16>()))?;
        Ok(Self { address, word: random::hex::<16>() })
    }
}

/// Dropping it ends the gate's thread and closes the listener.
pub(super) struct Handle {
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Only if the waker works may we wait: the thread never blocks but in its poll.
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Starts the gate.
///
/// # Errors
/// When the kernel gives no epoll or no thread.
pub(super) fn start(mut listener: Listener, entrance: Arc<Entrance>) -> io::Result<Handle> {
    let limit = raise_descriptor_limit();
    let poll = Poll::new()?;
    poll.registry().register(&mut listener.socket, LISTENER, Interest::READABLE)?;
    let waker = Waker::new(poll.registry(), STOP)?;
    let stop = Arc::new(AtomicBool::new(false));
    let free = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(DESCRIPTORS_OTHERS);
    let gate = Gate {
        poll,
        listener,
        entrance,
        places: (free / 2).clamp(4, PLACES),
        asking: (free / 2 / DESCRIPTORS_ASKING).clamp(1, ASKING),
        connections: BTreeMap::new(),
        crowds: HashMap::new(),
        signaling: VecDeque::new(),
        page: VecDeque::new(),
        retry_at: None,
        last: 0,
        spare: File::open("/dev/null")?.into(),
        stop: Arc::clone(&stop),
    };
    let thread = thread::Builder::new().name("gate".to_owned()).spawn(move || gate.run())?;
    Ok(Handle { stop, waker, thread: Some(thread) })
}

struct Gate {
    poll: Poll,
    listener: Listener,
    entrance: Arc<Entrance>,
    places: usize,
    asking: usize,
    /// By the order of their arrival.
    connections: BTreeMap<usize, Connection>,
    /// How many of them each network has.
    crowds: HashMap<IpAddr, usize>,
    /// Whole requests in the order of their arrival; some may have gone since.
    signaling: VecDeque<usize>,
    page: VecDeque<usize>,
    /// When to try the queue again, if that failed.
    retry_at: Option<Instant>,
    last: usize,
    /// Duplicated to see how many descriptors are free.
    spare: OwnedFd,
    stop: Arc<AtomicBool>,
}

/// A connection has two tokens: even for the client's socket, odd for the one to the server.
fn client_token(id: usize) -> Token {
    Token(2 * id)
}

fn server_token(id: usize) -> Token {
    Token(2 * id + 1)
}

impl Gate {
    fn run(mut self) {
        priority::stand_back();
        let mut events = Events::with_capacity(256);
        while !self.stop.load(Ordering::Acquire) {
            let timeout = self.timeout(Instant::now());
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // EBADF and EINVAL are all that is left; going on would spin.
                Err(e) => return log::error!("the page and signaling stop: the gate cannot wait for its sockets: {e}"),
            }
            let now = Instant::now();
            for event in &events {
                match event.token() {
                    LISTENER => self.listener.ready(),
                    STOP => {}
                    Token(token) => {
                        let id = token / 2;
                        let lost = event.is_error() || (event.is_read_closed() && event.is_write_closed());
                        let Some(connection) = self.connections.get_mut(&id) else { continue };
                        let next = match token % 2 {
                            // Both directions are gone: nobody is left to answer.
                            0 if lost => Next::Close,
                            0 => connection.handle_client(now, &self.entrance.word),
                            _ => connection.handle_server(now),
                        };
                        self.carry_out(id, next);
                    }
                }
            }
            self.expire(now);
            self.accept(now);
            self.forward(now);
        }
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let connections = self.connections.values().map(Connection::deadline).min();
        let next = [connections, self.listener.deadline(now), self.retry_at].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    fn carry_out(&mut self, id: usize, next: Next) {
        match next {
            Next::Stay => {}
            Next::Forward(Lane::Signaling) => self.signaling.push_back(id),
            Next::Forward(Lane::Page) => self.page.push_back(id),
            Next::Close => self.forget(id),
        }
    }

    /// Closes a connection. That takes its descriptors out of the epoll set, too.
    fn forget(&mut self, id: usize) {
        if let Some(connection) = self.connections.remove(&id)
            && let Entry::Occupied(mut crowd) = self.crowds.entry(connection.network())
        {
            *crowd.get_mut() -= 1;
            if *crowd.get() == 0 {
                crowd.remove();
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let late: Vec<usize> =
            self.connections.iter().filter(|(_, connection)| connection.deadline() <= now).map(|(&id, _)| id).collect();
        for id in late {
            if let Some(connection) = self.connections.get_mut(&id) {
                let next = connection.handle_timeout(now);
                self.carry_out(id, next);
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPT_BATCH {
            if self.connections.len() >= self.places && self.connections.values().all(|c| c.claim() == Claim::Busy) {
                // All places serve: new ones wait in the kernel's queue until one is done.
                return self.listener.pause(now);
            }
            let Some((mut stream, peer)) = self.listener.accept(now) else { return };
            if self.connections.len() >= self.places {
                self.make_room();
            }
            // Reused after 2^31 (32-bit machines) connections; by then the old ones are gone. 0 is the listener's.
            self.last = self.last.checked_add(1).filter(|id| *id < usize::MAX / 2).unwrap_or(1);
            let id = self.last;
            if let Err(e) =
                self.poll.registry().register(&mut stream, client_token(id), Interest::READABLE | Interest::WRITABLE)
            {
                log::warn!("cannot watch a new connection: {e}");
                continue;
            }
            let mut connection = Connection::new(stream, peer, now);
            // Most requests are there already; and who has asked does not have to make room for the next.
            let next = connection.handle_client(now, &self.entrance.word);
            *self.crowds.entry(connection.network()).or_default() += 1;
            self.connections.insert(id, connection);
            self.carry_out(id, next);
        }
    }

    /// Closes the connection with the least claim; of several the oldest, of the network that has most.
    fn make_room(&mut self) {
        let crowd = |connection: &Connection| self.crowds.get(&connection.network()).copied().unwrap_or(0);
        let idle = self.connections.iter().filter(|(_, connection)| connection.claim() != Claim::Busy);
        let first = idle.min_by_key(|(id, connection)| (connection.claim(), Reverse(crowd(connection)), **id));
        if let Some((&id, connection)) = first {
            log::debug!("all {} places are taken: connection {id} makes room ({:?})", self.places, connection.claim());
            self.forget(id);
        }
    }

    /// Closes the connection that holds most of a response it does not take.
    fn make_room_for_responses(&mut self) {
        let largest = self.connections.iter().max_by_key(|(_, connection)| connection.held()).map(|(&id, _)| id);
        if let Some(id) = largest {
            self.forget(id);
        }
    }

    /// Lets waiting requests through to the HTTP server.
    fn forward(&mut self, now: Instant) {
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.retry_at = None;
        while let Some((id, asking)) = self.next_waiting() {
            if self.connections.values().map(Connection::held).sum::<usize>() > HELD_MAX {
                self.make_room_for_responses();
            }
            let server = match self.reach_server(id, asking) {
                Ok(server) => server,
                Err(e) => {
                    log::debug!("cannot reach the HTTP server behind the gate now: {e}; trying again");
                    self.retry_at = Some(now + RETRY);
                    return;
                }
            };
            if let Some(connection) = self.connections.get_mut(&id) {
                let next = connection.ask(now, server);
                self.carry_out(id, next);
            }
        }
    }

    /// The next request to let through, if there is room for it, and how many are with the server already.
    fn next_waiting(&mut self) -> Option<(usize, usize)> {
        let connections = &self.connections;
        for lane in [&mut self.signaling, &mut self.page] {
            let waits = |id: &usize| connections.get(id).is_some_and(Connection::is_waiting);
            while lane.front().is_some_and(|id| !waits(id)) {
                lane.pop_front();
            }
        }
        let asking = connections.values().filter_map(Connection::asking);
        let (all, page) = asking.fold((0, 0), |(all, page), lane| (all + 1, page + usize::from(lane == Lane::Page)));
        let next = match (self.signaling.front(), self.page.front()) {
            _ if all >= self.asking => None,
            (Some(id), _) => Some(id),
            (None, id) => id.filter(|_| page < ASKING_PAGE),
        };
        next.map(|&id| (id, all))
    }

    /// Connects to the server, if it can have the descriptors it needs for that: where one is missing, tiny_http
    /// 0.12 ends its accept loop for good (EMFILE) or panics (`try_clone().unwrap()` in RefinedTcpStream).
    fn reach_server(&self, id: usize, asking: usize) -> io::Result<UnixStream> {
        // Those let through a moment ago may not have taken theirs yet; a few more for threads that open files.
        let mut probes = Vec::new();
        for _ in 0..DESCRIPTORS_ASKING * (asking + 1) + 4 {
            probes.push(self.spare.try_clone()?);
        }
        drop(probes);
        let mut server = UnixStream::connect_addr(&self.entrance.address)?;
        self.poll.registry().register(&mut server, server_token(id), Interest::READABLE | Interest::WRITABLE)?;
        Ok(server)
    }
}

/// Raises the soft limit of open files if it is below what we want; returns what it is then.
fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, writable rlimit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        // It has failed on no Linux; 1,024 is the default everywhere.
        return 1024;
    }
    let wanted = libc::rlim_t::try_from(DESCRIPTORS_WANTED).unwrap_or(libc::rlim_t::MAX).min(limit.rlim_max);
    if limit.rlim_cur < wanted {
        let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max };
        // SAFETY: `raised` is a valid rlimit; raising the soft limit up to the hard one needs no rights.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            limit.rlim_cur = wanted;
        }
    }
    #[allow(clippy::useless_conversion, reason = "rlim_t has 32 bits on some machines")]
    u64::from(limit.rlim_cur)
}
