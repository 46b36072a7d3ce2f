//! A car that does nothing but signaling, for the tests of `signal`: the loop of `run.rs` reduced to its one wait and
//! a closure that answers; and a client that speaks in bytes, so that nothing mends what a test sends.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its own share")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use windshield::signal::{Options, Reply, Request, Signal};

/// Nothing here takes longer; what does has failed.
pub const GUARD: Duration = Duration::from_secs(20);

pub const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

pub fn options() -> Options {
    Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), token: None, allow_origin: Vec::new(), static_dir: None }
}

/// The loop: takes requests when woken, and answers what the closure answers.
pub struct Car {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Car {
    pub fn start(options: Options, mut answer: impl FnMut(Request) -> Option<Reply> + Send + 'static) -> Self {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let mut signal = Signal::start(options, Arc::clone(&waker)).unwrap();
        let mut address = signal.local_addr();
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut events = Events::with_capacity(8);
            while !stopped.load(Ordering::Acquire) {
                poll.poll(&mut events, None).unwrap();
                while let Some((ticket, request)) = signal.next() {
                    if let Some(reply) = answer(request) {
                        signal.reply(ticket, reply);
                    }
                }
            }
        });
        Self { address, stop, waker, thread: Some(thread) }
    }

    /// A car that says yes to everything.
    pub fn agreeable(options: Options) -> Self {
        Self::start(options, |request| Some(agree(&request)))
    }

    /// One request as bytes, one answer.
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> Answer {
        exchange(self.address, request.as_ref())
    }

    /// A request with the usual head; `fields` end with CRLF each.
    pub fn ask(&self, line: &str, fields: &str, body: &str) -> Answer {
        self.exchange(request(&self.address.to_string(), line, fields, body))
    }
}

impl Drop for Car {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake().unwrap();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

pub fn agree(request: &Request) -> Reply {
    match request {
        Request::Offer { .. } => {
            Reply::Created { session: "s1".to_owned(), etag: "e1".to_owned(), sdp: "v=0\r\n".to_owned() }
        }
        Request::Patch { .. } => Reply::Taken,
        Request::Close { .. } => Reply::Closed,
        Request::Stats | Request::Camera => Reply::Json("{}".to_owned()),
        Request::Metrics => Reply::Metrics("up 1\n".to_owned()),
        Request::ChangeCamera { change } => Reply::Json(change.clone()),
    }
}

pub fn request(host: &str, line: &str, fields: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n{body}")
}

/// Sends and reads until the server closes.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    // The server may refuse and close before it has read all.
    let _ = stream.write_all(request);
    read(stream)
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, GUARD).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream.set_write_timeout(Some(GUARD)).unwrap();
    stream
}

pub fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let _ = stream.shutdown(Shutdown::Both);
    Answer::parse(&bytes)
}

/// A response, taken apart.
#[derive(Debug)]
pub struct Answer {
    /// 0 when the server closed without a word.
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self { status: 0, fields: Vec::new(), body: Vec::new() };
        }
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned()));
        Self { status, fields: fields.collect(), body: bytes[end + 4..].to_vec() }
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value.map(String::as_str)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
