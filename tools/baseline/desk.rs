//! EDGE: HTTP, in a thread of its own. As little signaling as gets a viewer in: POST an offer (any path), 201 with the answer;
//! GET gives an empty page to run a player in; DELETE is agreed to. Hands offers to `engine` and wakes it.

use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use tiny_http::{Header, Method, Request, Response, Server};

/// An offer and where its answer goes.
pub struct Offer {
    /// SDP.
    pub sdp: String,
    /// Takes the answer, or a sentence.
    pub reply: SyncSender<Result<String, String>>,
}

/// The receiving end, in the loop.
pub struct Desk {
    offers: Receiver<Offer>,
    wake: Arc<OwnedFd>,
}

impl Desk {
    /// Listens.
    ///
    /// # Errors
    /// A sentence.
    pub fn open(listen: SocketAddr) -> Result<Self, String> {
        let server = Server::http(listen).map_err(|e| format!("cannot listen on {listen}: {e}"))?;
        // SAFETY: takes two numbers and gives a descriptor or -1.
        let wake = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if wake < 0 {
            return Err(format!("cannot make an eventfd: {}", std::io::Error::last_os_error()));
        }
        // SAFETY: it was made two lines above and belongs to nobody else.
        let wake = Arc::new(unsafe { OwnedFd::from_raw_fd(wake) });
        let (sender, offers) = channel();
        let waker = Arc::clone(&wake);
        thread::spawn(move || {
            for request in server.incoming_requests() {
                serve(request, &mut |sdp| {
                    let (reply, answer) = sync_channel(1);
                    sender.send(Offer { sdp, reply }).map_err(|_| "the engine has ended".to_owned())?;
                    let one = 1u64;
                    // SAFETY: eight bytes that live here, to a descriptor that `waker` keeps open.
                    unsafe { libc::write(waker.as_raw_fd(), (&raw const one).cast(), 8) };
                    answer.recv().map_err(|_| "the engine has ended".to_owned())?
                });
            }
        });
        Ok(Self { offers, wake })
    }

    /// Readable when there is an offer.
    pub fn fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// The offers that came.
    pub fn take(&self) -> impl Iterator<Item = Offer> + '_ {
        let mut count = 0u64;
        // SAFETY: eight bytes that live here, from a descriptor that is ours.
        unsafe { libc::read(self.wake.as_raw_fd(), (&raw mut count).cast(), 8) };
        self.offers.try_iter()
    }
}

fn serve(mut request: Request, ask: &mut dyn FnMut(String) -> Result<String, String>) {
    let kind =
        |value: &str| Header::from_bytes("Content-Type", value).expect("a literal without line ends is a header");
    let response = match request.method() {
        Method::Post => {
            let mut sdp = String::new();
            let answer = request.as_reader().take(1 << 16).read_to_string(&mut sdp).map_err(|e| e.to_string());
            match answer.and_then(|_| ask(sdp)) {
                Ok(answer) => Response::from_string(answer)
                    .with_status_code(201)
                    .with_header(kind("application/sdp"))
                    .with_header(Header::from_bytes("Location", "/whep/1").expect("a literal is a header")),
                Err(sentence) => Response::from_string(sentence).with_status_code(400),
            }
        }
        _ => Response::from_string("").with_header(kind("text/html")),
    };
    // Whoever does not wait for the answer does not want it.
    let _ = request.respond(response);
}
