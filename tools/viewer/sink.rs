//! EDGE: UDP sockets. The far side of the bare baseline: takes the datagrams in and writes the same log as a viewer. A picture
//! ends with a datagram of less than 1,200 bytes (one whose size is an exact multiple runs into the next and is not joined).

use std::time::{Duration, Instant};

use crate::pictures::fingerprint;
use crate::report::Report;
use crate::socket;
use crate::wait::wait_slice;
use crate::watcher::{Counts, Seen};
use crate::{Options, PATIENCE, note, open_log};

/// Takes in until `--seconds` after everyone's first datagram.
///
/// # Errors
/// A sentence.
pub fn run(options: &Options) -> Result<Report, String> {
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let sockets = (0..options.viewers).map(|_| socket::open(local)).collect::<Result<Vec<_>, _>>()?;
    for socket in &sockets {
        eprintln!("to {}", socket.local_addr().map_err(|e| e.to_string())?);
    }
    let mut log = open_log(options)?;
    let mut counts = vec![Counts::default(); sockets.len()];
    let mut making: Vec<(Vec<u8>, Vec<u64>)> = vec![Default::default(); sockets.len()];
    let mut room = [0; 2048];
    let began = Instant::now();
    let mut end = None;
    loop {
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            return Ok(Report::new(options.seconds, counts));
        }
        if end.is_none() && now > began + PATIENCE {
            return Err(format!("nothing came for {} s", PATIENCE.as_secs()));
        }
        let mut set: Vec<_> = sockets.iter().map(socket::readable).collect();
        wait_slice(&mut set, Some(end.unwrap_or(began + PATIENCE).min(now + Duration::from_millis(500))))
            .map_err(|e| e.to_string())?;
        for (n, socket) in sockets.iter().enumerate().filter(|(n, _)| set[*n].revents != 0) {
            while let Some(((size, _), stamp)) = socket::receive_from(socket, &mut room) {
                let (picture, stamps) = &mut making[n];
                counts[n].packets += 1;
                counts[n].bytes += size as u64;
                picture.extend_from_slice(&room[..size]);
                stamps.push(stamp);
                if size < 1_200 {
                    counts[n].frames += 1;
                    let (Some(&first_ns), Some(&last_ns)) = (stamps.first(), stamps.last()) else { continue };
                    let (datagrams, bytes) = (stamps.len() as u32, picture.len());
                    let fingerprint = fingerprint(picture);
                    note(&mut log, n, &Seen { rtp_time: 0, datagrams, fingerprint, bytes, first_ns, last_ns })?;
                    (*picture, *stamps) = Default::default();
                }
            }
        }
        if end.is_none() && counts.iter().all(|c| c.packets > 0) {
            eprintln!("live");
            end = Some(Instant::now() + Duration::from_secs_f64(options.seconds));
            counts.iter_mut().for_each(Counts::restart);
        }
    }
}
