//! EDGE: a TCP connection. The smallest HTTP client that can speak WHEP: one request a connection, plain text, whole reply.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A sender answers in milliseconds; one that does not in this time is not there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where to POST.
#[derive(Debug, Clone)]
pub struct Url {
    host: String,
    path: String,
}

impl Url {
    /// Reads `http://HOST[:PORT]/PATH`.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").ok_or_else(|| format!("{text} does not begin with http://"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { host, path: format!("/{path}") })
    }

    /// The same server, another path.
    pub fn at(&self, path: &str) -> Self {
        Self { host: self.host.clone(), path: path.to_owned() }
    }

    /// The address it resolves to, from whose side a viewer must send.
    ///
    /// # Errors
    /// A sentence.
    pub fn connect(&self) -> Result<TcpStream, String> {
        let stream = TcpStream::connect(&self.host).map_err(|e| format!("cannot reach {}: {e}", self.host))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        Ok(stream)
    }
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    /// Of the status line.
    pub status: u16,
    /// Where the session can be ended.
    pub location: Option<String>,
    /// Text.
    pub body: String,
}

/// One request on `stream`. HTTP/1.0, so that the body is not chunked and ends with the connection.
///
/// # Errors
/// A sentence.
pub fn request(mut stream: TcpStream, method: &str, url: &Url, body: &str) -> Result<Reply, String> {
    let Url { host, path } = url;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut text = String::new();
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .and_then(|()| stream.read_to_string(&mut text))
        .map_err(|e| format!("{method} to {host}{path} broke off: {e}"))?;
    parse(&text).ok_or_else(|| format!("{host} answered something that is no HTTP"))
}

fn parse(text: &str) -> Option<Reply> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let location = lines.filter_map(|l| l.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("location"));
    Some(Reply { status, location: location.map(|(_, value)| value.trim().to_owned()), body: body.to_owned() })
}
