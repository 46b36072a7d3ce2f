//! EDGE: round trips of datagrams between two machines: [`measure`] on one, [`echo`] on the other. Waits and sleeps, as
//! nothing in the running program may: doctor is a program of its own. What the times mean `network` says.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Begins each datagram, so that an echo cannot be used to send anything else to a third party.
const MAGIC: [u8; 8] = *b"wshdoctr";
/// Bytes: magic, number, and filling up to the size of a typical small picture packet.
const SIZE: usize = 200;
/// Datagrams sent, and the pause between two: three seconds at the pace of a 30 fps stream.
const COUNT: u32 = 90;
const PAUSE: Duration = Duration::from_millis(33);
/// How long the last one may take. Power save alone can cost two seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long datagrams took there and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTrips {
    /// Datagrams sent.
    pub sent: u32,
    /// Of those, came back in time.
    pub received: u32,
    /// Half of them took no longer, ms.
    pub p50_ms: f64,
    /// 95 % of them took no longer, ms.
    pub p95_ms: f64,
    /// The longest, ms.
    pub max_ms: f64,
    /// Mean difference between one and the next, ms (the idea of RFC 3550 section 6.4.1, without its smoothing).
    pub jitter_ms: f64,
}

impl RoundTrips {
    /// From the round trips in the order of sending, in ms.
    pub fn new(sent: u32, trips: &[f64]) -> Self {
        let mut sorted = trips.to_vec();
        sorted.sort_by(f64::total_cmp);
        // The nearest rank: a value that really occurred.
        let percentile = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or_default()
        };
        let steps: f64 = trips.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
        Self {
            sent,
            received: u32::try_from(trips.len()).unwrap_or(u32::MAX),
            p50_ms: percentile(50),
            p95_ms: percentile(95),
            max_ms: percentile(100),
            jitter_ms: if trips.len() < 2 { 0.0 } else { steps / (trips.len() - 1) as f64 },
        }
    }
}

/// Sends datagrams to an [`echo`] and times them; takes three to six seconds.
///
/// # Errors
/// What the system says when nothing can be sent to this address at all.
pub fn measure(peer: SocketAddr) -> io::Result<RoundTrips> {
    measure_with(peer, COUNT, PAUSE, PATIENCE)
}

fn measure_with(peer: SocketAddr, count: u32, pause: Duration, patience: Duration) -> io::Result<RoundTrips> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(peer)?;
    let begin = Instant::now();
    let mut left = Vec::new();
    let mut trips: Vec<Option<f64>> = vec![None; count as usize];
    let mut datagram = [0; SIZE];
    datagram[..8].copy_from_slice(&MAGIC);
    for number in 0..count {
        datagram[8..12].copy_from_slice(&number.to_be_bytes());
        left.push(Instant::now());
        match socket.send(&datagram) {
            // The other side has no such port (ICMP): it shows as none coming back, with a better sentence.
            Err(error) if error.kind() != ErrorKind::ConnectionRefused => return Err(error),
            _ => {}
        }
        receive(&socket, &left, &mut trips, begin + pause * (number + 1), false)?;
    }
    receive(&socket, &left, &mut trips, Instant::now() + patience, true)?;
    let trips: Vec<f64> = trips.into_iter().flatten().collect();
    Ok(RoundTrips::new(count, &trips))
}

/// Takes in what comes back until the deadline, or until all are there.
fn receive(
    socket: &UdpSocket,
    left: &[Instant],
    trips: &mut [Option<f64>],
    deadline: Instant,
    until_all: bool,
) -> io::Result<()> {
    let mut buffer = [0; SIZE];
    while !(until_all && trips.iter().all(Option::is_some)) {
        let wait = deadline.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(wait))?;
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let now = Instant::now();
                let Some(number) = number(&buffer[..length]) else { continue };
                // A number that was never sent, or one that comes twice, is not ours to count.
                if let (Some(left), Some(trip @ None)) = (left.get(number), trips.get_mut(number)) {
                    *trip = Some(now.duration_since(*left).as_secs_f64() * 1e3);
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                // Reported once for each datagram that was refused, so this loop ends.
                ErrorKind::ConnectionRefused => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

fn number(datagram: &[u8]) -> Option<usize> {
    let rest = datagram.strip_prefix(&MAGIC)?;
    let bytes: [u8; 4] = rest.get(..4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

/// Binds the port on all addresses, IPv6 and IPv4.
///
/// # Errors
/// What the system says, as a rule that the port is taken.
pub fn bind(port: u16) -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|error| match error.kind() {
        ErrorKind::AddrInUse | ErrorKind::PermissionDenied => Err(error),
        // No IPv6 on this machine.
        _ => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)),
    })
}

/// Sends every datagram of [`measure`] back, for ever; others are ignored.
///
/// # Errors
/// When the socket itself breaks. That one datagram cannot be answered is no reason to end.
pub fn echo(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0; SIZE + 1];
    loop {
        match socket.recv_from(&mut buffer) {
            // Never more than came in, and only what `measure` sends: nothing to amplify with.
            Ok((length, from)) if length <= SIZE && number(&buffer[..length]).is_some() => {
                let _ = socket.send_to(&buffer[..length], from);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_up_by_values_that_occurred() {
        let trips: Vec<f64> = (1..=100).map(f64::from).collect();
        let sum = RoundTrips::new(120, &trips);
        assert_eq!((sum.sent, sum.received), (120, 100));
        assert_eq!((sum.p50_ms, sum.p95_ms, sum.max_ms, sum.jitter_ms), (50.0, 95.0, 100.0, 1.0));
        let none = RoundTrips::new(5, &[]);
        assert_eq!((none.received, none.p50_ms, none.max_ms, none.jitter_ms), (0, 0.0, 0.0, 0.0));
        let one = RoundTrips::new(5, &[7.0]);
        assert_eq!((one.p50_ms, one.p95_ms, one.jitter_ms), (7.0, 7.0, 0.0));
    }

    #[test]
    fn only_its_own_datagrams_are_counted_and_each_once() {
        let socket = bind(0).unwrap();
        let port = socket.local_addr().unwrap().port();
        // Answers everything twice, and with rubbish before.
        std::thread::spawn(move || {
            let mut buffer = [0; SIZE];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(b"rubbish", from);
                let _ = socket.send_to(&[&MAGIC[..], &[255; 4]].concat(), from);
                let _ = socket.send_to(&buffer[..length], from);
                let _ = socket.send_to(&buffer[..length], from);
            }
        });
        let here = (Ipv4Addr::LOCALHOST, port).into();
        let trips = measure_with(here, 5, Duration::from_millis(1), Duration::from_secs(60)).unwrap();
        assert_eq!((trips.sent, trips.received), (5, 5));
    }

    #[test]
    fn a_closed_port_is_silence_and_no_error() {
        let port = bind(0).unwrap().local_addr().unwrap().port();
        let here = (Ipv4Addr::LOCALHOST, port).into();
        let trips = measure_with(here, 3, Duration::from_millis(1), Duration::from_millis(1)).unwrap();
        assert_eq!((trips.sent, trips.received), (3, 0));
    }
}
