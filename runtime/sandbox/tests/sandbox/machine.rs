//! The machine that a command is told of.

use imgc_base::cancel::Cancel;
use imgc_sandbox::{CPUS, Command, Network, Security};

use crate::Test;
use crate::bed::Bed;
use crate::probe;

pub(crate) const TESTS: &[Test] = &[
    ("the_machine_is_the_same_everywhere", the_machine_is_the_same_everywhere),
    ("as_many_processors_as_asked_for", as_many_processors_as_asked_for),
    ("programs_with_threads_count_the_same", programs_with_threads_count_the_same),
    ("without_a_number_the_machine_shows", without_a_number_the_machine_shows),
    ("an_insecure_command_sees_the_machine", an_insecure_command_sees_the_machine),
];

fn told(cpus: u32, script: &str) -> Command {
    Command { cpus: Some(cpus), ..Bed::shell(script) }
}

const FACTS: &str = r#"
echo "nproc=$(nproc)"
echo "cpuinfo=$(grep -c ^processor /proc/cpuinfo)"
echo "stat=$(grep -c ^cpu /proc/stat)"
echo "online=$(cat /sys/devices/system/cpu/online)"
echo "uname=$(uname -s -n -r -m)"
echo "version=$(uname -v)"
echo "file=$(cat /proc/version)"
echo "osrelease=$(cat /proc/sys/kernel/osrelease)"
echo "kernel=$(cat /proc/sys/kernel/version)"
echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
echo "load=$(cat /proc/loadavg)"
echo "uptime=$(cat /proc/uptime)"
echo "total=$(grep MemTotal /proc/meminfo | tr -s ' ')"
echo "free=$(free | sed -n 2p | tr -s ' ' | cut -d' ' -f2)"
echo "up=$(uptime | sed 's/.*up/up/' | tr -s ' ')"
"#;

fn the_machine_is_the_same_everywhere(bed: &Bed) {
    for network in [Network::None, Network::Host] {
        let outcome = bed.run_command(Command { network, ..told(CPUS, FACTS) });
        let facts = outcome.table();
        let version = "#1 SMP Thu Jan  1 00:00:00 UTC 2026";
        let machine = std::env::consts::ARCH;
        for (name, want) in [
            ("nproc", "4"),
            ("cpuinfo", "4"),
            ("stat", "5"),
            ("online", "0-3"),
            ("uname", &format!("Linux buildkitsandbox 6.1.0-imgc {machine}")),
            ("version", version),
            ("file", &format!("Linux version 6.1.0-imgc (imgc@imgc) {version}")),
            ("osrelease", "6.1.0-imgc"),
            ("kernel", version),
            ("boot", "696d6763-0000-4000-8000-000000000001"),
            ("load", "0.00 0.00 0.00 1/1 1"),
            ("uptime", "60.00 60.00"),
            ("total", "MemTotal: 8388608 kB"),
            ("free", "8388608"),
            ("up", "up 1 min, 0 users, load average: 0.00, 0.00, 0.00"),
        ] {
            assert_eq!(facts.get(name).map(String::as_str), Some(want), "{name}\n{}", outcome.stderr);
        }
        assert_eq!(outcome.notes, Vec::<String>::new());
        assert_eq!(outcome.changes(), Vec::<String>::new());
    }
    let script = "for f in /proc/cpuinfo /proc/version /sys/devices/system/cpu/online; do \
                  (echo x > $f) 2>/dev/null && echo written $f; done; mkdir /sys/devices/system/cpu/x 2>/dev/null";
    assert_eq!(bed.run_command(told(CPUS, script)).stdout, "");
}

fn as_many_processors_as_asked_for(bed: &Bed) {
    for (asked, shown) in [(1, 1), (2, 2), (64, 64), (0, 1), (100_000, 1024)] {
        let script = "nproc; grep -c ^processor /proc/cpuinfo; cat /sys/devices/system/cpu/online; \
                      ls -d /sys/devices/system/cpu/cpu* | wc -l";
        let outcome = bed.run_command(told(asked, script));
        let lines: Vec<&str> = outcome.stdout.lines().collect();
        let online = if shown == 1 { "0".to_owned() } else { format!("0-{}", shown - 1) };
        assert_eq!(lines[..3], [shown.to_string(), shown.to_string(), online], "{}", outcome.stderr);
        // Tables by processor are at least as large as the machine.
        let machine = std::thread::available_parallelism().unwrap().get();
        assert!(lines[3].parse::<usize>().unwrap() >= machine.max(shown), "{lines:?}");
    }
    // More than there are is no error: what runs at once shares what there is.
    let parallel = "seq 64 | xargs -P $(nproc) -n 1 sh -c 'echo $0 done' | wc -l; taskset -c 3 echo pinned; \
                    taskset -c 5000 echo pinned 2>/dev/null || echo refused";
    assert_eq!(bed.run_command(told(CPUS, parallel)).stdout, "64\npinned\nrefused\n");
}

/// The standard library, of a program with the C library of this machine.
pub(crate) fn count() -> std::process::ExitCode {
    let many: Vec<_> = (0..16).map(|_| std::thread::spawn(std::thread::available_parallelism)).collect();
    for thread in many {
        println!("{}", thread.join().unwrap().unwrap());
    }
    std::process::ExitCode::SUCCESS
}

fn programs_with_threads_count_the_same(bed: &Bed) {
    let command = Command { cpus: Some(7), ..probe::command(probe::COUNT, "") };
    let outcome = bed.try_run(command, &Cancel::new()).unwrap();
    assert_eq!(outcome.stdout, "7\n".repeat(16), "{}", outcome.stderr);
}

fn without_a_number_the_machine_shows(bed: &Bed) {
    let outcome = bed.run("cat /proc/sys/kernel/osrelease; nproc; uname -r");
    let release = fs_err::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let cpus = std::thread::available_parallelism().unwrap();
    assert_eq!(outcome.stdout, format!("{release}{cpus}\n{release}"));
}

fn an_insecure_command_sees_the_machine(bed: &Bed) {
    let command = Command { security: Security::Insecure, ..told(64, "uname -r; nproc") };
    let release = fs_err::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let cpus = std::thread::available_parallelism().unwrap();
    assert_eq!(bed.run_command(command).stdout, format!("{release}{cpus}\n"));
}
