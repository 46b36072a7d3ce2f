//! Which names this server answers to and which pages may use it, as pure functions over header values. Two dangers
//! are met here: a page that makes its own name point at the car (DNS rebinding), by the Host check, and a foreign
//! page that sends requests across origins, by the Origin check. Programs that are no browsers pass both.

use std::net::{IpAddr, Ipv6Addr};

/// Who asks, as far as the browser vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// No Origin: not a page, or a page of ours that only reads.
    Program,
    /// A page from the same host and port as the request went to.
    SameOrigin,
    /// A page of an origin that was allowed by name.
    Allowed,
    /// A page that is allowed because every page is (`*`).
    Anyone,
    /// A page of any other origin.
    Foreign,
}

/// The names and origins that are ours or were allowed.
pub(super) struct Origins {
    hostname: String,
    allowed: Vec<Origin>,
    anyone: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads `scheme://host[:port]`, with or without a slash at the end; hosts are compared in lower case.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_port(rest.strip_suffix('/').unwrap_or(rest))?;
        let port = port.unwrap_or(default_port(&scheme));
        Some(Self { scheme, host, port })
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// The address by which `peer` reached us, where its Host field tells: behind a forwarded port, or at localhost, it is
/// one that this machine would not list by itself.
pub(super) fn reached_at(host: &str, peer: IpAddr) -> Option<IpAddr> {
    let (name, _) = split_port(host)?;
    match name.parse() {
        Ok(ip) => Some(ip),
        Err(_) => (name == "localhost" && peer.is_loopback()).then_some(peer),
    }
}

/// Splits `host[:port]`; the host without its brackets, in lower case, without the root's dot at its end.
fn split_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (ip, rest) = rest.split_once(']')?;
            ip.parse::<Ipv6Addr>().ok()?;
            (ip, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    // The colon is for IPv6, whose shape was checked.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || !host.bytes().all(plain) {
        return None;
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    Some((host, port))
}

impl Origins {
    /// `hostname` is this machine's own; `allow_origin` as in [`super::Options::allow_origin`].
    pub(super) fn new(hostname: &str, allow_origin: &[String]) -> Self {
        let allowed = allow_origin.iter().filter_map(|text| Origin::parse(text)).collect();
        let anyone = allow_origin.iter().any(|text| text == "*");
        Self { hostname: hostname.to_ascii_lowercase(), allowed, anyone }
    }

    /// Whether we answer to this Host. Refused is a name that could belong to anybody: its owner can let it point to
    /// this machine, and the browser then takes their page for ours. Addresses cannot be owned so, names in `.local`
    /// and bare names are not in the public DNS. `*` does not help here: it lets pages in, but not as our own.
    ///
    /// # Errors
    /// A sentence that says how to allow the name.
    pub(super) fn check_host(&self, host: &str) -> Result<(), String> {
        let Some((name, port)) = split_port(host) else {
            return Err("The Host of this request is not a host name or an address.".to_owned());
        };
        let ours = name.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.strip_suffix(".local").is_some_and(|label| !label.is_empty())
            || (!self.hostname.is_empty() && name == self.hostname)
            || self.allowed.iter().any(|origin| origin.host == name);
        if ours {
            return Ok(());
        }
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        Err(format!(
            "This server does not answer to the name {name}, so that no foreign page can pose as its own (DNS \
             rebinding). Open it by its IP address or its .local name, or start it with --allow-origin \
             http://{name}{port}"
        ))
    }

    /// Who sent a request with this Origin (`None`: without) to this Host.
    pub(super) fn sender(&self, host: &str, origin: Option<&str>) -> Sender {
        let Some(text) = origin else { return Sender::Program };
        if let Some(origin) = Origin::parse(text) {
            // The scheme is left out: behind a proxy that adds TLS it is not ours.
            let same = split_port(host).is_some_and(|(name, port)| {
                name == origin.host && port.unwrap_or(default_port(&origin.scheme)) == origin.port
            });
            if same {
                return Sender::SameOrigin;
            }
            if self.allowed.contains(&origin) {
                return Sender::Allowed;
            }
        }
        if self.anyone { Sender::Anyone } else { Sender::Foreign }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn origins(allow: &[&str]) -> Origins {
        Origins::new("Car-7", &allow.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_that_anybody_could_own_is_not_answered_to() {
        let origins = origins(&["http://drive.example:8080", "*"]);
        for host in [
            "127.0.0.1",
            "192.168.1.20:8080",
            "[::1]",
            "[fd00::1]:8080",
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "car.local",
            "car.local.:8080",
            "car-7",
            "CAR-7:8080",
            "drive.example",
            "drive.example:9",
        ] {
            assert_eq!(origins.check_host(host), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "car-7.evil.example",
            "local",
            ".local",
            "localhost.evil.example",
            "evillocal",
            "car-8",
            "",
            ":8080",
            "[::1",
            "[evil]",
            "[::1]8080",
            "a b",
            "127.0.0.1:port",
            "127.0.0.1:99999",
            "user@127.0.0.1",
            "127.0.0.1/",
            "::1",
        ] {
            assert!(origins.check_host(host).is_err(), "{host}");
        }
        assert!(Origins::new("", &[]).check_host("").is_err(), "an unknown hostname matches nothing");
        let sentence = origins.check_host("evil.example:8080").err().unwrap_or_default();
        assert!(sentence.contains("--allow-origin http://evil.example:8080"), "{sentence}");
    }

    #[test]
    fn the_address_a_viewer_knows_us_by_is_read_from_its_host_field() {
        let peer = |ip: &str| ip.parse::<IpAddr>().unwrap();
        let at = |host, from| reached_at(host, peer(from)).map(|ip| ip.to_string());
        assert_eq!(at("203.0.113.7:8080", "198.51.100.1").as_deref(), Some("203.0.113.7"));
        assert_eq!(at("[2001:db8::7]:8080", "2001:db8::1").as_deref(), Some("2001:db8::7"));
        assert_eq!(at("localhost:8080", "::1").as_deref(), Some("::1"));
        assert_eq!(at("localhost:8080", "198.51.100.1"), None, "somebody else's localhost");
        assert_eq!(at("car.local", "10.0.0.2"), None);
    }

    #[test]
    fn a_page_is_ours_only_from_the_very_host_and_port() {
        let ours = origins(&["http://Drive.example/", "https://player.example"]);
        for (host, origin, expected) in [
            ("car.local:8080", None, Sender::Program),
            ("car.local:8080", Some("http://car.local:8080"), Sender::SameOrigin),
            ("CAR.local:8080", Some("http://car.local:8080"), Sender::SameOrigin),
            ("car.local", Some("http://car.local:80"), Sender::SameOrigin),
            ("car.local", Some("https://car.local"), Sender::SameOrigin),
            ("[::1]:8080", Some("http://[::1]:8080"), Sender::SameOrigin),
            ("car.local:8080", Some("http://car.local"), Sender::Foreign),
            ("car.local:8080", Some("http://car.local:8081"), Sender::Foreign),
            ("car.local:8080", Some("http://evil.example:8080"), Sender::Foreign),
            ("car.local:8080", Some("null"), Sender::Foreign),
            ("car.local:8080", Some(""), Sender::Foreign),
            ("car.local:8080", Some("http://drive.example"), Sender::Allowed),
            ("car.local:8080", Some("http://drive.example:80"), Sender::Allowed),
            ("car.local:8080", Some("https://drive.example"), Sender::Foreign),
            ("car.local:8080", Some("https://player.example"), Sender::Allowed),
            ("car.local:8080", Some("https://player.example:444"), Sender::Foreign),
        ] {
            assert_eq!(ours.sender(host, origin), expected, "{origin:?} to {host}");
        }
        let all = origins(&["*"]);
        assert_eq!(all.sender("car.local", Some("http://evil.example")), Sender::Anyone);
        assert_eq!(all.sender("car.local", Some("null")), Sender::Anyone);
        assert_eq!(all.sender("car.local", Some("http://car.local")), Sender::SameOrigin);
    }
}
