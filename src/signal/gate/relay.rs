//! The way back through the gate: is the HTTP server's response whole, and how does it go to the client? Pure. It is
//! written anew with exactly one framing (Content-Length, Connection: close), as the server keeps connections open,
//! adds its name, and drops a Connection field it is given (tiny_http 0.12, `Response::add_header`).

use super::super::answer::{Answer, reason};

/// Bytes of a response; above it the client hears 502. The page is about 100 kB; `--static-dir` may hold more.
pub(super) const RESPONSE_MAX: usize = 8 * 1024 * 1024;

/// What was wrong with a response; for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

/// Whether a request was HEAD: its response ends with the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// As long as Content-Length says.
    Follows,
    /// None, whatever Content-Length says.
    Absent,
}

/// The response for the client, or `None` while the server has not sent all of it.
pub(super) fn rewrite(bytes: &[u8], body: Body) -> Result<Option<Vec<u8>>, Broken> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Broken("not a well-formed HTTP response")),
    };
    let status = response.code.unwrap_or(502);
    let mut length = None;
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for field in response.headers.iter() {
        let value = std::str::from_utf8(field.value).map_err(|_| Broken("a field is not UTF-8"))?;
        match field.name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse::<usize>().ok(),
            "transfer-encoding" => return Err(Broken("it is chunked")),
            "connection" | "keep-alive" | "server" | "upgrade" => {}
            _ => text.push_str(&format!("{}: {value}\r\n", field.name)),
        }
    }
    let length = length.ok_or(Broken("it has no Content-Length"))?;
    // RFC 9110 section 8.6: no Content-Length with 204.
    if status != 204 {
        text.push_str(&format!("Content-Length: {length}\r\n"));
    }
    text.push_str("Connection: close\r\n\r\n");
    let follows = if body == Body::Absent || status == 204 { 0 } else { length };
    let Some(content) = bytes.get(head..head.saturating_add(follows)) else { return Ok(None) };
    let mut whole = text.into_bytes();
    whole.extend_from_slice(content);
    Ok(Some(whole))
}

/// A response that the gate makes itself.
pub(super) fn serialise(answer: &Answer) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    text.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", answer.body.len()));
    let mut whole = text.into_bytes();
    whole.extend_from_slice(&answer.body);
    whole
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: tiny-http (Rust)\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn a_response_waits_until_it_is_whole() {
        for length in 0..PAGE.len() {
            assert_eq!(rewrite(&PAGE[..length], Body::Follows), Ok(None), "{length} bytes");
        }
        let whole = rewrite(PAGE, Body::Follows).unwrap().unwrap();
        let expected = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        assert_eq!(String::from_utf8(whole).unwrap(), expected);
    }

    #[test]
    fn the_answer_to_head_keeps_the_length_and_loses_the_body() {
        let whole = rewrite(&PAGE[..PAGE.len() - 5], Body::Absent).unwrap().unwrap();
        assert!(whole.ends_with(b"Content-Length: 5\r\nConnection: close\r\n\r\n"));
    }

    #[test]
    fn no_content_has_no_length() {
        let taken = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";
        let whole = rewrite(taken, Body::Follows).unwrap().unwrap();
        assert_eq!(String::from_utf8(whole).unwrap(), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn a_response_without_a_framing_of_ours_is_broken() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"garbage\r\n\r\n",
        ] {
            assert!(rewrite(bytes, Body::Follows).is_err(), "{bytes:?}");
        }
    }
}
