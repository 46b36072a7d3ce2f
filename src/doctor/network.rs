//! The way to the viewer: Wi-Fi's power save, rate and country, whether a peer can be reached, how long datagrams take.
//! Pure; called by `examine`.

use super::Finding;
use super::facts::{Facts, Link, Ping, Tool, Wifi};
use super::probe::RoundTrips;

/// Mbit/s. A 60 kB keyframe occupies the radio for 7 ms at 65 Mbit/s and for 74 ms at 6.5.
const SLOW_LINK: f64 = 20.0;
/// dBm. Below, rates fall to the lowest and packets are repeated.
const WEAK_SIGNAL: i32 = -70;
/// ms. On a good Wi-Fi a round trip takes 2 to 10; twice this is what steering can bear.
const SLOW_ROUND_TRIP: f64 = 30.0;
/// ms. Above, pictures arrive in bunches.
const MUCH_JITTER: f64 = 10.0;
/// Percent. Above, repairs by retransmission are visible.
const MUCH_LOSS: f64 = 2.0;

pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for wifi in &facts.wifi {
        findings.push(power_save(facts, wifi));
        findings.push(link(facts, wifi));
    }
    if !facts.wifi.is_empty() {
        findings.push(country(facts));
    }
    findings.extend(peer(facts));
    findings.extend(facts.round_trips.as_ref().map(round_trips));
    findings
}

fn unknown(facts: &Facts, what: String) -> Finding {
    let fix: &[&str] = if facts.iw == Tool::Missing { &["sudo apt install iw"] } else { &[] };
    Finding::warning("wi-fi", format!("{what} could not be found out"), fix)
}

fn power_save(facts: &Facts, wifi: &Wifi) -> Finding {
    let name = &wifi.name;
    match wifi.power_save {
        None => unknown(facts, format!("power save of {name}")),
        Some(false) => Finding::ok("wi-fi", format!("power save of {name} is off")),
        Some(true) => Finding::fault(
            "wi-fi",
            format!("power save of {name} is on: round trips of 50 to 130 ms, now and then 2 s, instead of 6 ms"),
            &[
                &format!("now: sudo iw dev {name} set power_save off"),
                "for good: the package and tools/deploy do it; by hand, with NetworkManager: \
                 sudo nmcli connection modify NAME 802-11-wireless.powersave 2",
            ],
        ),
    }
}

fn link(facts: &Facts, wifi: &Wifi) -> Finding {
    let name = &wifi.name;
    let Some(Link { rate_mbit, signal_dbm, frequency_mhz }) = wifi.link else {
        if facts.iw == Tool::Missing {
            return unknown(facts, format!("rate and signal of {name}"));
        }
        if facts.radio_blocked {
            let fix = ["sudo raspi-config nonint do_wifi_country DE (your country), or: sudo rfkill unblock wifi"];
            return Finding::fault("wi-fi", format!("{name}: the radio is switched off by software"), &fix);
        }
        return Finding::warning("wi-fi", format!("{name} is not connected to a network"), &["sudo nmtui"]);
    };
    let mut words = vec![name.clone()];
    words.extend(frequency_mhz.map(|mhz| format!("{mhz} MHz")));
    words.extend(rate_mbit.map(|rate| format!("{rate} Mbit/s")));
    words.extend(signal_dbm.map(|dbm| format!("{dbm} dBm")));
    let sentence = words.join(", ");
    let slow = rate_mbit.is_some_and(|rate| rate < SLOW_LINK);
    let weak = signal_dbm.is_some_and(|dbm| dbm < WEAK_SIGNAL);
    if slow || weak {
        let fix = ["nearer to the access point, antenna free of metal and motors, a channel of its own (1, 6 or 11)"];
        return Finding::warning("wi-fi", format!("{sentence}: a keyframe takes long on such a link"), &fix);
    }
    Finding::ok("wi-fi", sentence)
}

fn country(facts: &Facts) -> Finding {
    match facts.country.as_deref() {
        None => unknown(facts, "the country of the radio".into()),
        // "00": the world's smallest common set; 99: the driver's word for the same.
        Some("00" | "99") => Finding::warning(
            "wi-fi",
            "no country is set: low power, some channels forbidden, and Raspberry Pi OS may keep the radio off",
            &["sudo raspi-config nonint do_wifi_country DE (your country)"],
        ),
        Some(code) => Finding::ok("wi-fi", format!("country {code}")),
    }
}

fn peer(facts: &Facts) -> Option<Finding> {
    let (address, ping) = facts.peer?;
    Some(match ping {
        Ping::Impossible => Finding::warning("peer", "ping does not run here", &["sudo apt install iputils-ping"]),
        Ping::Answered { lost_percent, mean_ms, max_ms } => {
            let sentence = format!("{address} answers: {mean_ms:.1} ms, at most {max_ms:.1} ms, {lost_percent} % lost");
            match mean_ms > SLOW_ROUND_TRIP || f64::from(lost_percent) > MUCH_LOSS {
                true => Finding::warning("peer", sentence, &["see what is said about wi-fi above, on both machines"]),
                false => Finding::ok("peer", sentence),
            }
        }
        Ping::Silent => match facts.router {
            Some((router, Ping::Answered { .. })) => Finding::fault(
                "peer",
                format!("{address} does not answer, the router {router} does: most likely client isolation"),
                &[
                    "in the access point turn off \"client isolation\" (guest networks have it), or use another network",
                    "in the field: windshield-hotspot on makes the car its own access point",
                    "some systems, such as Windows, do not answer pings: then see whether the page loads there",
                ],
            ),
            _ => Finding::fault(
                "peer",
                format!("{address} does not answer, nor does a router"),
                &["is that the right address, and are both machines in one network?"],
            ),
        },
    })
}

fn round_trips(result: &Result<RoundTrips, String>) -> Finding {
    let trips = match result {
        Ok(trips) => trips,
        Err(why) => return Finding::fault("udp", why.clone(), &[]),
    };
    if trips.received == 0 {
        let fix = [
            "on the other machine: windshield doctor --echo PORT, with the same port",
            "a firewall there or on the way lets no UDP through: the picture needs it as well",
        ];
        return Finding::fault("udp", format!("none of {} datagrams came back", trips.sent), &fix);
    }
    let lost = 100.0 * f64::from(trips.sent - trips.received) / f64::from(trips.sent);
    let sentence = format!(
        "round trip of {} datagrams: half within {:.1} ms, 95 % within {:.1} ms, at most {:.1} ms; jitter {:.1} ms; {lost:.0} % lost",
        trips.sent, trips.p50_ms, trips.p95_ms, trips.max_ms, trips.jitter_ms
    );
    let bad = trips.p50_ms > SLOW_ROUND_TRIP || trips.jitter_ms > MUCH_JITTER || lost > MUCH_LOSS;
    match bad {
        true => Finding::warning("udp", sentence, &["see what is said about wi-fi above, on both machines"]),
        false => Finding::ok("udp", sentence),
    }
}
