//! The board itself: kernel, clock, power, memory, ports. Pure; called by `examine`.

use super::facts::{Facts, Port};
use super::{Finding, Level};
use crate::board::Throttled;

/// KiB. Below, the kernel begins to throw out the program's own pages, and a page read back from an SD card takes
/// longer than a frame.
const LITTLE_MEMORY: u64 = 64 * 1024;
/// KiB. Below, the next viewer may get the program killed: one costs about 1 MiB, a libcamera child 40.
const NO_MEMORY: u64 = 16 * 1024;

pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![match &facts.model {
        Some(model) => Finding::ok("board", model.clone()),
        None => Finding::ok("board", "no Raspberry Pi: what is particular to one is left out"),
    }];
    findings.push(kernel(facts));
    findings.extend(facts.governor.as_deref().map(governor));
    findings.extend(power(facts));
    findings.extend(memory(facts));
    findings.extend(ports(facts));
    findings
}

/// Major, minor, patch of a release such as `6.6.51+rpt-rpi-v6`.
pub(super) fn version(release: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

pub(super) fn is_pi(facts: &Facts) -> bool {
    facts.model.as_deref().is_some_and(|model| model.contains("Raspberry Pi"))
}

fn kernel(facts: &Facts) -> Finding {
    let release = &facts.kernel;
    match version(release) {
        None => Finding::warning("kernel", format!("release {release:?} cannot be read"), &[]),
        // raspberrypi/linux issue 7568: 105 to 113 ms a round trip with 6.18.39 where 6.18.33 takes 4 to 6, and
        // issue 7533: drop-outs on the Zero W. Where it began between the two is not known.
        Some((6, 18, patch)) if is_pi(facts) && patch > 33 => Finding::warning(
            "kernel",
            format!(
                "{release}: later ones of 6.18 are reported to add 100 ms to every packet over Wi-Fi by themselves"
            ),
            &[
                "compare: windshield doctor --udp IP:PORT, here and with an older kernel",
                "sudo apt-mark hold linux-image-rpi-v6 keeps a kernel that is good; perf/on-pi.md says how to go back",
            ],
        ),
        Some((6, 12, 20)) if is_pi(facts) => Finding::warning(
            "kernel",
            format!("{release}: the legacy camera driver is reported broken in exactly this one"),
            &["sudo apt update && sudo apt full-upgrade brings a later 6.12"],
        ),
        Some(_) => Finding::ok("kernel", release.clone()),
    }
}

fn governor(governor: &str) -> Finding {
    if governor == "powersave" {
        let fix = ["echo ondemand | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"];
        return Finding::warning("clock", "governor powersave keeps the processor at its lowest clock", &fix);
    }
    Finding::ok("clock", format!("governor {governor}"))
}

fn power(facts: &Facts) -> Option<Finding> {
    let Some(bits) = facts.throttled.map(Throttled) else {
        return is_pi(facts).then(|| {
            let fix = ["sudo apt install raspi-utils, then: vcgencmd get_throttled (0x0 is good)"];
            Finding::warning("power", "voltage and heat could not be found out", &fix)
        });
    };
    let supply = "a supply of 5.1 V and 2.5 A, a short thick cable; not from the motors' battery without a converter";
    let (now, before) = (bits.names(), bits.before().names());
    Some(match (now.is_empty(), before.is_empty()) {
        (false, _) if bits.undervoltage() => Finding::fault("power", format!("now: {now}"), &[supply]),
        (false, _) => Finding::warning("power", format!("now: {now}"), &["cool it: air, a heat sink, no closed box"]),
        (true, false) => Finding::warning("power", format!("since the start: {before}; not now"), &[supply]),
        (true, true) => Finding::ok("power", "no undervoltage, no throttling since the start"),
    })
}

fn memory(facts: &Facts) -> Option<Finding> {
    let (available, total) = facts.memory?;
    let sentence = format!("{} of {} MiB can be had", available / 1024, total / 1024);
    let fix = ["stop what is not needed: systemctl --type=service; an image with \"Lite\" in its name has no desktop"];
    Some(match available {
        ..NO_MEMORY => Finding::fault("memory", sentence, &fix),
        NO_MEMORY..LITTLE_MEMORY => Finding::warning("memory", sentence, &fix),
        _ => Finding::ok("memory", sentence),
    })
}

fn ports(facts: &Facts) -> Vec<Finding> {
    let port = facts.port;
    [("TCP", &facts.tcp, "t"), ("UDP", &facts.udp, "u")]
        .into_iter()
        .map(|(kind, state, letter)| match state {
            Port::Free => Finding::ok("port", format!("{kind} {port} is free")),
            Port::Ours => Finding::ok("port", format!("{kind} {port} is served by windshield")),
            Port::Taken => Finding::fault(
                "port",
                format!("{kind} {port} is taken by another program"),
                &[&format!("who: sudo ss -{letter}lnp 'sport = {port}'; or start with another one: --http 8081")],
            ),
            Port::Unknown(why) => Finding {
                level: Level::Warning,
                ..Finding::ok("port", format!("whether {kind} {port} is free could not be found out: {why}"))
            },
        })
        .collect()
}
