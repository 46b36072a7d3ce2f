//! EDGE: tiny_http in threads of its own, behind the gate. One thread takes requests: it answers what needs no loop
//! and hands the rest over; a second one (`desk`) gives the loop's replies to the waiting clients. Neither holds
//! anything of the loop, and the loop waits for neither. What requests mean is decided in `whep`, `camera`, `origin`, `page`.

mod desk;

use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::answer::Answer;
use super::gate::{BODY_MAX, ENTRANCE_FIELD, Entrance, PEER_FIELD};
use super::origin::Origins;
use super::whep::{self, Asked, Outcome};
use super::{Options, Reply, Request, Ticket, camera, page, priority, secret};
use desk::{Desk, lock, respond};

/// Pause before another try when the server behind the gate cannot be started again.
const RESTART_AFTER: Duration = Duration::from_millis(100);

/// Never dropped: `Drop for tiny_http::Server` panics where its socket has no path (0.12). [`close`] ends it.
type Server = ManuallyDrop<tiny_http::Server>;

/// Dropping it ends the server: its threads leave one by one, and nothing waits for them.
pub(super) struct Handle {
    inner: Arc<Inner>,
}

/// What start, stop and restart share.
struct Inner {
    stop: AtomicBool,
    /// A duplicate of the socket that tiny_http accepts on; `None` between its end and its next start.
    listener: Mutex<Option<UnixListener>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Release);
        if let Some(listener) = &*lock(&self.inner.listener) {
            close(listener);
        }
    }
}

/// Wakes the thread that accepts on this socket, for good: shutdown(2) works on every duplicate of it.
fn close(listener: &UnixListener) {
    // It fails only where there is nothing to shut down any more.
    let _ = socket2::SockRef::from(listener).shutdown(std::net::Shutdown::Both);
}

/// Starts the server and the desk.
///
/// # Errors
/// When the kernel gives no socket or no thread, as a sentence.
pub(super) fn start(
    options: Options,
    entrance: Arc<Entrance>,
    to_loop: Sender<(Ticket, Request)>,
    from_loop: Receiver<(Ticket, Reply)>,
    waker: Arc<mio::Waker>,
) -> io::Result<Handle> {
    let inner = Arc::new(Inner { stop: AtomicBool::new(false), listener: Mutex::new(None) });
    // Bound here, so that an error is heard and the gate finds it there; tiny_http comes up in the thread.
    let listener = listen(&entrance, &inner)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot start the HTTP server behind the gate: {e}")))?;
    let handle = Handle { inner: Arc::clone(&inner) };
    let desk = Desk::default();
    let replies = desk.clone();
    thread::Builder::new().name("replies".to_owned()).spawn(move || {
        priority::stand_back();
        replies.deliver(&from_loop);
    })?;
    let origins = Origins::new(&hostname(), &options.allow_origin);
    let reception = Reception { options, origins, entrance, to_loop, waker, desk, inner };
    thread::Builder::new().name("requests".to_owned()).spawn(move || reception.run(listener))?;
    Ok(handle)
}

/// Opens the inner socket, and leaves a duplicate to close it by.
fn listen(entrance: &Entrance, inner: &Inner) -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(&entrance.address)?;
    let duplicate = listener.try_clone()?;
    let mut shared = lock(&inner.listener);
    if inner.stop.load(Ordering::Acquire) {
        close(&duplicate);
    }
    *shared = Some(duplicate);
    Ok(listener)
}

/// This machine's name; empty where it cannot be had, which matches no Host.
fn hostname() -> String {
    let mut name = [0_u8; 65];
    // SAFETY: the buffer is writable for its whole length; HOST_NAME_MAX is 64, and the last byte stays zero.
    if unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0 {
        return String::new();
    }
    name.split(|byte| *byte == 0).next().map(String::from_utf8_lossy).unwrap_or_default().into_owned()
}

/// Takes requests.
struct Reception {
    options: Options,
    origins: Origins,
    entrance: Arc<Entrance>,
    to_loop: Sender<(Ticket, Request)>,
    waker: Arc<mio::Waker>,
    desk: Desk,
    inner: Arc<Inner>,
}

/// The fields of an answer that depend on who asked.
type Cors = Vec<(&'static str, String)>;

impl Reception {
    fn run(self, listener: UnixListener) {
        // Here, as tiny_http's threads inherit it.
        priority::stand_back();
        let mut listener = Some(listener);
        while let Some(socket) = listener {
            let why = match tiny_http::Server::from_listener(socket, None) {
                Ok(server) => self.receive(ManuallyDrop::new(server)).to_string(),
                Err(e) => e.to_string(),
            };
            if self.inner.stop.load(Ordering::Acquire) {
                return;
            }
            // Its accept loop has ended for good: for want of a descriptor, if the gate's look ahead was wrong.
            log::warn!("the HTTP server behind the gate has ended ({why}); starting it again");
            listener = self.listen_again();
        }
    }

    /// Takes requests until the server has ended.
    fn receive(&self, server: Server) -> io::Error {
        loop {
            match server.recv() {
                Ok(request) => self.take(request),
                Err(e) => return e,
            }
        }
    }

    /// Opens the inner socket again, under its old name; `None` when the program stops meanwhile.
    fn listen_again(&self) -> Option<UnixListener> {
        // The name is free when the last duplicate is closed.
        *lock(&self.inner.listener) = None;
        while !self.inner.stop.load(Ordering::Acquire) {
            match listen(&self.entrance, &self.inner) {
                Ok(listener) => return Some(listener),
                Err(e) => log::debug!("cannot start the HTTP server behind the gate: {e}; trying again"),
            }
            thread::sleep(RESTART_AFTER);
        }
        None
    }

    fn take(&self, mut request: tiny_http::Request) {
        if !field(&request, ENTRANCE_FIELD).is_some_and(|word| secret::equal(word, &self.entrance.word)) {
            log::warn!("a program on this machine tried to reach the HTTP server past the gate; refused");
            return respond(request, Answer::sentence(403, "This socket is not for you; use the public address."));
        }
        let Some(peer) = field(&request, PEER_FIELD).and_then(|peer| peer.parse().ok()) else {
            return respond(request, Answer::sentence(400, "The gate sent no peer address."));
        };
        let mut body = Vec::new();
        // The gate has the whole body, so this waits for nobody; the limit is the gate's, too.
        if let Err(e) = request.as_reader().take(BODY_MAX as u64).read_to_end(&mut body) {
            return respond(request, Answer::sentence(400, &format!("The body could not be read: {e}.")));
        }
        let (outcome, cors) = self.decide(&request, &body, peer);
        match outcome {
            Outcome::Answer(mut answer) => {
                answer.headers.extend(cors);
                respond(request, answer);
            }
            Outcome::Ask(question) => {
                let ticket = self.desk.leave(request, cors);
                if self.to_loop.send((ticket, question)).is_err() || self.waker.wake().is_err() {
                    self.desk.give_up(ticket);
                }
            }
        }
    }

    fn decide(&self, request: &tiny_http::Request, body: &[u8], peer: SocketAddr) -> (Outcome, Cors) {
        let path = request.url().split('?').next().unwrap_or_default();
        let asked = Asked {
            method: request.method().as_str(),
            path,
            host: field(request, "Host").unwrap_or_default(),
            origin: field(request, "Origin"),
            content_type: field(request, "Content-Type"),
            if_match: field(request, "If-Match"),
            authorization: field(request, "Authorization"),
            page: field(request, "X-Windshield-Page") == Some("1"),
            peer,
            body,
        };
        if let Err(sentence) = self.origins.check_host(asked.host) {
            return (Outcome::Answer(Answer::sentence(421, &sentence)), Vec::new());
        }
        if whep::is_for_us(path) {
            let sender = self.origins.sender(asked.host, asked.origin);
            let outcome = whep::handle(&asked, sender, self.options.token.as_deref());
            return (outcome, whep::cors(&asked, &self.origins));
        }
        if path == camera::PATH {
            let sender = self.origins.sender(asked.host, asked.origin);
            return (camera::handle(&asked, sender, self.options.token.as_deref()), Vec::new());
        }
        let outcome = match (path, asked.method) {
            ("/stats", "GET" | "HEAD") => Outcome::Ask(Request::Stats),
            ("/metrics", "GET" | "HEAD") => Outcome::Ask(Request::Metrics),
            ("/healthz", "GET" | "HEAD") => Outcome::Answer(Answer::of(200, "text/plain; charset=utf-8", "ok\n")),
            _ => Outcome::Answer(page::serve(asked.method, path, self.options.static_dir.as_deref())),
        };
        let cors = if matches!(path, "/stats" | "/metrics") { whep::cors(&asked, &self.origins) } else { Vec::new() };
        (outcome, cors)
    }
}

/// The value of a field; the gate sees to it that there is one at most.
fn field<'a>(request: &'a tiny_http::Request, name: &'static str) -> Option<&'a str> {
    request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    use super::*;

    /// What the gate would send; `None` when the server did not answer.
    fn healthz(entrance: &Entrance) -> Option<String> {
        let mut stream = UnixStream::connect_addr(&entrance.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let word = &entrance.word;
        let head =
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Windshield-Peer: 127.0.0.1:1\r\n";
        stream.write_all(format!("{head}X-Windshield-Entrance: {word}\r\n\r\n").as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok().filter(|length| *length > 0)?;
        Some(text)
    }

    #[test]
    fn a_server_whose_accept_loop_has_ended_is_started_again() {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let entrance = Arc::new(Entrance::random().unwrap());
        let options = Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: None,
            allow_origin: Vec::new(),
            static_dir: None,
        };
        let (to_loop, _requests) = mpsc::channel();
        let (_replies, from_loop) = mpsc::channel();
        let handle = start(options, Arc::clone(&entrance), to_loop, from_loop, waker).unwrap();
        assert!(healthz(&entrance).unwrap().ends_with("ok\n"));
        for _ in 0..3 {
            // To tiny_http this looks like any accept error: its loop ends for good.
            close(lock(&handle.inner.listener).as_ref().unwrap());
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            while healthz(&entrance).is_none() {
                assert!(std::time::Instant::now() < deadline, "not back after 20 s");
                thread::yield_now();
            }
        }
    }
}
