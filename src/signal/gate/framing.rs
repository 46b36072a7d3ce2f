//! Where one request ends and whether its head is sound (RFC 9112), as pure functions over bytes. Stricter than the
//! RFC asks: whatever two readers could understand differently is refused. What passes is written anew for the HTTP
//! server, with the few fields it needs, so nothing a client makes up reaches it.

use std::net::SocketAddr;

/// Bytes of request line and fields; above it 431. Browsers stay under 2 kB here; servers elsewhere allow 8 to 16.
pub(super) const HEAD_MAX: usize = 16 * 1024;
/// Bytes of a body; above it 413. The largest real offers are about 10 kB.
pub(in crate::signal) const BODY_MAX: usize = 64 * 1024;
/// Fields in a head; above it 431. Browsers send about 15.
const FIELDS_MAX: usize = 64;

/// The fields that the HTTP server behind the gate gets; all are single-valued for us, so a second one is refused.
const FORWARDED: [&str; 5] = ["origin", "content-type", "if-match", "authorization", "x-windshield-page"];

/// Tells the server behind the gate that a request came through it.
pub(in crate::signal) const ENTRANCE_FIELD: &str = "X-Windshield-Entrance";
/// Tells the server behind the gate who the peer was.
pub(in crate::signal) const PEER_FIELD: &str = "X-Windshield-Peer";

/// Why a request is refused: a status and a sentence for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault(pub(super) u16, pub(super) &'static str);

/// A sound head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    method: String,
    target: String,
    host: String,
    fields: Vec<(&'static str, String)>,
    /// Bytes of the body that follows, at most [`BODY_MAX`].
    pub(super) body: usize,
    /// The client waits for "100 Continue" before it sends the body.
    pub(super) awaits_continue: bool,
}

/// The length of the head, empty line included, if `bytes` hold it; looks only at what was not `seen` before.
pub(super) fn head_end(bytes: &[u8], seen: usize) -> Option<usize> {
    // The end is "\n\r\n" or "\n\n" (RFC 9112 section 2.2 lets a reader take a bare LF); it may straddle `seen`.
    let from = seen.saturating_sub(2);
    (from..bytes.len()).find_map(|at| match &bytes[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

impl Head {
    /// Reads a whole head.
    ///
    /// # Errors
    /// The fault to answer with; the connection must then be closed, as the place of the next request is not known.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Fault(400, "The request ends in the middle of its head.")),
            Err(httparse::Error::TooManyHeaders) => return Err(Fault(431, "The request has more than 64 fields.")),
            Err(httparse::Error::Version) => return Err(Fault(505, "This server speaks HTTP/1.1 and HTTP/1.0.")),
            Err(_) => return Err(Fault(400, "This is not a well-formed HTTP request.")),
        }
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(Fault(400, "The request has no request line."));
        };
        let framing = Framing::of(request.headers, minor)?;
        let takes_body = matches!(method, "POST" | "PUT" | "PATCH");
        if takes_body && framing.length.is_none() {
            return Err(Fault(411, "The request needs a Content-Length."));
        }
        let (target, host) = split_target(method, target, single(request.headers, "host")?)?;
        let mut forwarded = Vec::new();
        for name in FORWARDED {
            if let Some(value) = single(request.headers, name)? {
                forwarded.push((name, value.to_owned()));
            }
        }
        Ok(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: host.to_owned(),
            fields: forwarded,
            body: framing.length.unwrap_or(0),
            awaits_continue: framing.awaits_continue,
        })
    }

    /// Whether the answer has no body, whatever its Content-Length says.
    pub(super) fn is_head_request(&self) -> bool {
        self.method == "HEAD"
    }

    /// The request as the HTTP server behind the gate gets it: one exact framing, our own fields, our own order.
    pub(super) fn forward(&self, entrance: &str, peer: SocketAddr, body: &[u8]) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Connection: close\r\nContent-Length: {}\r\n", body.len()));
        text.push_str(&format!("{ENTRANCE_FIELD}: {entrance}\r\n{PEER_FIELD}: {peer}\r\n\r\n"));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

/// What the fields say about the body (RFC 9112 section 6).
struct Framing {
    length: Option<usize>,
    awaits_continue: bool,
}

impl Framing {
    fn of(fields: &[httparse::Header<'_>], minor: u8) -> Result<Self, Fault> {
        if fields.iter().any(|field| field.name.eq_ignore_ascii_case("transfer-encoding")) {
            // Section 6.1 offers 501 for codings we do not know; none is known here, and beside a Content-Length it
            // is the classic smuggling shape.
            return Err(Fault(501, "Transfer-Encoding is not supported; send a Content-Length."));
        }
        // Section 6.3 lets a recipient mend "5, 5"; no honest client sends it.
        let length = match single(fields, "content-length")? {
            None => None,
            Some(digits) if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(Fault(400, "The Content-Length is not a number."));
            }
            // All digits: what does not fit a usize is too large.
            Some(digits) => match digits.parse() {
                Ok(length) if length <= BODY_MAX => Some(length),
                _ => return Err(Fault(413, "The body is larger than 64 kB.")),
            },
        };
        let awaits_continue = match single(fields, "expect")? {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("100-continue") => minor >= 1,
            Some(_) => return Err(Fault(417, "This server knows no Expect but 100-continue.")),
        };
        Ok(Self { length, awaits_continue })
    }
}

/// The value of a field that may be there once.
fn single<'a>(fields: &[httparse::Header<'a>], name: &str) -> Result<Option<&'a str>, Fault> {
    let mut values = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Fault(400, "A field that may be there once is there twice."));
    }
    // httparse lets obs-text (0x80..) and tabs through; nothing we read needs them.
    if !value.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err(Fault(400, "A field has a value that is not plain ASCII."));
    }
    let text = std::str::from_utf8(value).map_err(|_| Fault(400, "A field has a value that is not plain ASCII."))?;
    Ok(Some(text.trim()))
}

/// The target in origin form, and the host it is for (RFC 9112 section 3.2).
fn split_target<'a>(method: &str, target: &'a str, host: Option<&'a str>) -> Result<(&'a str, &'a str), Fault> {
    const UNKNOWN: Fault = Fault(400, "The request target is not a path.");
    if !target.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
        return Err(UNKNOWN);
    }
    let Some(host) = host else { return Err(Fault(400, "The request has no Host field.")) };
    if host.contains(' ') {
        return Err(Fault(400, "The Host field is not a host."));
    }
    if target.starts_with('/') || (method == "OPTIONS" && target == "*") {
        return Ok((target, host));
    }
    // The absolute form, as sent to proxies: its own authority counts, and Host is ignored (section 3.2.2).
    let rest = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://")).map(|_| &target[7..]);
    let (authority, path) = match rest.map(|rest| rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))) {
        Some((authority, path)) if !authority.is_empty() && !authority.contains(['@', '?', '#']) => (authority, path),
        _ => return Err(UNKNOWN),
    };
    Ok((path, authority))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        match Head::parse(head.as_bytes()) {
            Ok(_) => 200,
            Err(Fault(status, _)) => status,
        }
    }

    #[test]
    fn what_two_readers_could_frame_differently_is_refused() {
        let post = |fields: &str| status(&format!("POST /whep HTTP/1.1\r\nHost: car\r\n{fields}\r\n"));
        for (fields, expected) in [
            ("Content-Length: 5\r\n", 200),
            ("content-length:5\r\n", 200),
            ("Content-Length: 05\r\n", 200),
            ("", 411),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 501),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 501),
            ("Transfer-Encoding: chunked\r\n", 501),
            ("Transfer-Encoding: xchunked\r\n", 501),
            ("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", 501),
            ("Transfer-Encoding:\r\nContent-Length: 5\r\n", 501),
            ("TRANSFER-ENCODING : chunked\r\n", 400),
            ("Transfer-Encoding\x00: chunked\r\n", 400),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 5\r\nContent-length: 6\r\n", 400),
            ("Content-Length: 5, 5\r\n", 400),
            ("Content-Length: +5\r\n", 400),
            ("Content-Length: -1\r\n", 400),
            ("Content-Length: 0x5\r\n", 400),
            ("Content-Length: 5 5\r\n", 400),
            ("Content-Length:\r\n", 400),
            ("Content-Length: 65536\r\n", 200),
            ("Content-Length: 65537\r\n", 413),
            ("Content-Length: 99999999999999999999999999\r\n", 413),
            ("Content-Length: 5\r\n X: folded\r\n", 400),
            ("X: a\r\n\tb\r\nContent-Length: 5\r\n", 400),
            ("X: a\rContent-Length: 5\r\n", 400),
            ("X: a\0b\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 5\r\nExpect: 100-continue\r\n", 200),
            ("Content-Length: 5\r\nExpect: a miracle\r\n", 417),
            ("Content-Length: 5\r\nOrigin: a\r\nOrigin: b\r\n", 400),
            ("Content-Length: 5\r\nIf-Match: \u{e9}\r\n", 400),
            ("Content-Length: 5\r\nHost: other\r\n", 400),
        ] {
            assert_eq!(post(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_request_line_is_a_method_a_path_and_a_version_we_speak() {
        for (line, expected) in [
            ("GET / HTTP/1.1", 200),
            ("GET / HTTP/1.0", 200),
            ("GET / HTTP/1.2", 505),
            ("GET / HTTP/2.0", 505),
            ("GET / HTTP/0.9", 505),
            ("GET /", 400),
            ("GET  / HTTP/1.1", 400),
            ("GET / HTTP/1.1 ", 400),
            (" GET / HTTP/1.1", 400),
            ("G(T / HTTP/1.1", 400),
            ("GET whep HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("OPTIONS * HTTP/1.1", 200),
            ("CONNECT car:80 HTTP/1.1", 400),
            ("GET http://car/whep HTTP/1.1", 200),
            ("GET http:///whep HTTP/1.1", 400),
            ("GET http://user@car/ HTTP/1.1", 400),
            ("GET ftp://car/ HTTP/1.1", 400),
            ("GET /\u{e9} HTTP/1.1", 400),
            ("GET /\x7f HTTP/1.1", 400),
        ] {
            assert_eq!(status(&format!("{line}\r\nHost: car\r\n\r\n")), expected, "{line:?}");
        }
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400, "no Host");
        let many: String = (0..65).map(|n| format!("X-{n}: 1\r\n")).collect();
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: car\r\n{many}\r\n")), 431);
    }

    #[test]
    fn fields_made_up_by_a_client_do_not_reach_the_server() {
        let head = Head::parse(
            b"POST http://Car:8080/whep?x HTTP/1.0\r\nHost: evil\r\nX-Windshield-Entrance: guess\r\nX-Windshield-Peer: \
              1.2.3.4:5\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c\r\nTE: chunked\r\nExpect: 100-continue\r\n\
              Content-Type: application/sdp \r\nContent-Length: 3\r\n\r\n",
        )
        .unwrap();
        assert!(!head.awaits_continue, "HTTP/1.0 knows no 100 Continue");
        let forwarded = head.forward("word", "[::1]:9".parse().unwrap(), b"v=0");
        assert_eq!(
            String::from_utf8(forwarded).unwrap(),
            "POST /whep?x HTTP/1.1\r\nHost: Car:8080\r\ncontent-type: application/sdp\r\nConnection: close\r\n\
             Content-Length: 3\r\nX-Windshield-Entrance: word\r\nX-Windshield-Peer: [::1]:9\r\n\r\nv=0"
        );
    }

    #[test]
    fn the_end_of_a_head_is_found_however_it_is_cut() {
        for text in ["GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", "GET / HTTP/1.1\nHost: a\n\nrest"] {
            let end = text.find("rest").unwrap();
            let mut seen = 0;
            for length in 1..=text.len() {
                let found = head_end(&text.as_bytes()[..length], seen);
                assert_eq!(found, (length >= end).then_some(end), "{length} of {text:?}");
                seen = if found.is_some() { 0 } else { length };
            }
        }
        assert_eq!(head_end(b"", 0), None);
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_passes_is_framed_once() {
        let seeds: [&[u8]; 2] = [
            b"POST http://car:8080/whep?x HTTP/1.1\r\nHost: car\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
            b"GET / HTTP/1.0\nHost: [::1]:8080\nIf-Match: \"a\"\nTransfer-Encoding: chunked\n\n",
        ];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        let mut passed = 0;
        for round in 0..20_000 {
            let mut bytes = seeds[round % 2].to_vec();
            for _ in 0..next(4) {
                let at = next(bytes.len());
                match next(3) {
                    0 => bytes[at] = next(256) as u8,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b"\r\n :,0\0"[next(7)]),
                }
            }
            let Some(end) = head_end(&bytes, 0) else { continue };
            if let Ok(head) = Head::parse(&bytes[..end]) {
                passed += 1;
                let forwarded = head.forward("word", "[::1]:9".parse().unwrap(), b"");
                let text = String::from_utf8(forwarded).unwrap();
                assert_eq!(text.matches("\r\n\r\n").count(), 1, "{text:?}");
                assert_eq!(text.to_ascii_lowercase().matches("content-length:").count(), 1, "{text:?}");
                assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']), "{text:?}");
            }
        }
        assert!(passed > 1000, "only {passed} of 20,000 got through: the seeds are wrong");
    }
}
