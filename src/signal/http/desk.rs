//! EDGE (sockets, clock): where clients wait for the loop. A request is left here under a ticket; the thread in
//! [`Desk::deliver`] answers it with what the loop says, or with 503 when the loop says nothing.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Cors;
use crate::signal::answer::Answer;
use crate::signal::{Refusal, Reply, Ticket, page, whep};

/// A ticket without a reply is given up after this time. The loop answers within a turn, or within 1 s where it
/// waits for the first picture; the gate waits 12 s.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// How often tickets are looked through for that.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The waiting clients. Clones are the same desk.
#[derive(Clone, Default)]
pub(super) struct Desk {
    waiting: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    last: u64,
    clients: HashMap<Ticket, Client>,
}

struct Client {
    request: tiny_http::Request,
    cors: Cors,
    since: Instant,
}

/// Nothing is left half done under our locks, so a panic elsewhere does not spoil what they guard.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// Leaves a request until its ticket is answered.
    pub(super) fn leave(&self, request: tiny_http::Request, cors: Cors) -> Ticket {
        let mut book = lock(&self.waiting);
        book.last += 1;
        let ticket = Ticket(book.last);
        book.clients.insert(ticket, Client { request, cors, since: Instant::now() });
        ticket
    }

    /// Answers that nobody will answer.
    pub(super) fn give_up(&self, ticket: Ticket) {
        let sentence = "The server is stopping or too busy to answer; please try again in a moment.".to_owned();
        self.answer(ticket, Reply::Refused(Refusal::Busy { retry_after_s: 2, sentence }));
    }

    /// Gives the loop's replies to those who wait, until the loop is gone.
    pub(super) fn deliver(&self, from_loop: &Receiver<(Ticket, Reply)>) {
        let mut swept = Instant::now();
        loop {
            match from_loop.recv_timeout(SWEEP_EVERY) {
                Ok((ticket, reply)) => self.answer(ticket, reply),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now.duration_since(swept) >= SWEEP_EVERY {
                swept = now;
                self.sweep(|client| now.duration_since(client.since) >= GIVE_UP_AFTER);
            }
        }
        self.sweep(|_| true);
    }

    fn sweep(&self, is_late: impl Fn(&Client) -> bool) {
        let late: Vec<Ticket> = lock(&self.waiting)
            .clients
            .iter()
            .filter(|(_, client)| is_late(client))
            .map(|(&ticket, _)| ticket)
            .collect();
        for ticket in late {
            self.give_up(ticket);
        }
    }

    fn answer(&self, ticket: Ticket, reply: Reply) {
        // The lock is not held while writing.
        let client = lock(&self.waiting).clients.remove(&ticket);
        if let Some(client) = client {
            let mut answer = whep::answer(reply);
            answer.headers.extend(client.cors);
            respond(client.request, answer);
        }
    }
}

/// Sends an answer to the gate, which takes it as fast as it comes.
pub(super) fn respond(request: tiny_http::Request, answer: Answer) {
    let answer = page::protect(answer);
    let header = |(name, value): &(&str, String)| tiny_http::Header::from_bytes(name.as_bytes(), value.as_bytes()).ok();
    let headers = answer.headers.iter().filter_map(header).collect();
    let length = answer.body.len();
    let response =
        tiny_http::Response::new(answer.status.into(), headers, Cursor::new(answer.body), Some(length), None)
            // The gate wants a Content-Length, whatever the size.
            .with_chunked_threshold(usize::MAX);
    if let Err(e) = request.respond(response) {
        log::debug!("cannot answer through the gate: {e}");
    }
}
