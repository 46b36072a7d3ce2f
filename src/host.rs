//! EDGE: what the banner wants to know of this machine: its addresses, its name in the local network, its terminal.
//! Asked once at start by `run`; decides nothing, and what cannot be found out is left out.

use std::env;
use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::net::IpAddr;
use std::path::Path;

use crate::banner::Qr;

/// Where avahi, the mDNS responder of Debian and Raspberry Pi OS, listens while it runs.
const AVAHI: &str = "/run/avahi-daemon/socket";

/// All addresses of all interfaces, in the system's order; none where they cannot be read.
pub fn addresses() -> Vec<IpAddr> {
    if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect()
}

/// The name before `.local`, if a responder is there that answers to it.
pub fn mdns_name() -> Option<String> {
    if !Path::new(AVAHI).exists() {
        return None;
    }
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    // Avahi announces the first label, in whatever case; browsers show lower case.
    let label = name.trim().split('.').next()?.to_ascii_lowercase();
    (!label.is_empty() && label != "localhost").then_some(label)
}

/// Prints to standard output. That nobody listens there is no reason to stop driving.
pub fn print(text: &str) {
    let mut out = stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        log::debug!("cannot print: {error}");
    }
}

/// What standard output can show of a QR code.
pub fn terminal() -> Qr {
    qr_for(stdout().is_terminal(), |name| env::var(name).ok().filter(|value| !value.is_empty()))
}

/// The choice behind [`terminal`]: block characters need UTF-8, black on white needs escape sequences.
fn qr_for(is_terminal: bool, env: impl Fn(&str) -> Option<String>) -> Qr {
    // The first of these that is set decides (POSIX, base definitions, section 8.2).
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&env).unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
    match env("TERM").as_deref() {
        _ if !is_terminal || !is_utf8 => Qr::None,
        None | Some("dumb") => Qr::Plain,
        Some(_) => Qr::Coloured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(is_terminal: bool, env: &[(&str, &str)]) -> Qr {
        qr_for(is_terminal, |name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn a_qr_code_is_drawn_only_where_it_can_be_seen() {
        assert_eq!(with(true, &[("LANG", "en_GB.UTF-8"), ("TERM", "xterm")]), Qr::Coloured);
        assert_eq!(with(true, &[("LANG", "C.utf8"), ("TERM", "dumb")]), Qr::Plain);
        assert_eq!(with(true, &[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C"), ("TERM", "xterm")]), Qr::None);
        assert_eq!(with(true, &[("TERM", "xterm")]), Qr::None);
        assert_eq!(with(false, &[("LANG", "en_GB.UTF-8"), ("TERM", "xterm")]), Qr::None);
    }
}
