//! What a command finds.

use imgc_sandbox::{Network, SandboxError, Security, Status};

use crate::Test;
use crate::bed::{Bed, path};

pub(crate) const TESTS: &[Test] = &[
    ("a_table_of_facts", a_table_of_facts),
    ("addresses_are_the_same_every_time", addresses_are_the_same_every_time),
    ("devices", devices),
    ("masked_and_read_only_paths", masked_and_read_only_paths),
    ("network_none_has_loopback_alone", network_none_has_loopback_alone),
    ("network_host_is_the_machines", network_host_is_the_machines),
    ("other_users", other_users),
    ("working_directory", working_directory),
    ("limits", limits),
    ("insecure", insecure),
];

const FACTS: &str = r#"
status() { grep "^$1:" /proc/self/status | cut -f2; }
echo "id=$(id)"
echo "hostname=$(hostname)"
echo "inherited=$(status CapInh)"
echo "permitted=$(status CapPrm)"
echo "effective=$(status CapEff)"
echo "bounding=$(status CapBnd)"
echo "ambient=$(status CapAmb)"
echo "nnp=$(status NoNewPrivs)"
echo "seccomp=$(status Seccomp)"
echo "umask=$(umask)"
echo "cwd=$(pwd)"
echo "env=$(env | sort | tr '\n' ',')"
echo "stdin=$(readlink /proc/self/fd/0)"
echo "pid=$$"
echo "first=$(cat /proc/1/comm)"
echo "core=$(ulimit -c)"
echo "stack=$(ulimit -s)"
echo "session=$(test $(cut -d' ' -f6 /proc/self/stat) = $$ && echo own)"
echo "hosts=$(head -1 /etc/hosts | tr '\t' ' ')"
echo "ignored=$(status SigIgn)"
echo "blocked=$(status SigBlk)"
"#;

fn a_table_of_facts(bed: &Bed) {
    let mut command = Bed::shell(FACTS);
    command.env.push(("A".to_owned(), "b c".to_owned()));
    let outcome = bed.run_command(command);
    let facts = outcome.table();
    let docker = "00000000a80425fb";
    for (name, want) in [
        ("hostname", "buildkitsandbox"),
        ("inherited", "0000000000000000"),
        ("permitted", docker),
        ("effective", docker),
        ("bounding", docker),
        ("ambient", "0000000000000000"),
        ("nnp", "0"),
        ("seccomp", "2"),
        ("umask", "0022"),
        ("cwd", "/"),
        ("env", "A=b c,PATH=/bin,PWD=/,SHLVL=1,"),
        ("stdin", "/dev/null"),
        ("pid", "2"),
        ("first", "imgc-sandbox"),
        ("core", "0"),
        ("stack", "8192"),
        ("session", "own"),
        ("hosts", "127.0.0.1 localhost buildkitsandbox"),
        ("ignored", "0000000000000000"),
    ] {
        assert_eq!(facts.get(name).map(String::as_str), Some(want), "{name}\n{}", outcome.stderr);
    }
    assert!(facts["id"].starts_with("uid=0"), "{}", facts["id"]);
    // The shell itself blocks SIGCHLD now and then.
    assert!(
        ["0000000000000000", "0000000000010000"].contains(&facts["blocked"].as_str()),
        "{}",
        facts["blocked"]
    );
    let mut command = Bed::shell("");
    command.args = vec!["ls".to_owned(), "/proc/self/fd".to_owned()];
    // The fourth is the directory that it reads.
    assert_eq!(bed.run_command(command).stdout, "0\n1\n2\n3\n");
    // No path of the machine can be learned.
    let mounts = bed.run("cat /proc/mounts /proc/self/mountinfo").stdout;
    let dir = bed.dir.path().to_str().unwrap();
    assert!(!mounts.contains(dir), "{mounts}");
}

fn addresses_are_the_same_every_time(bed: &Bed) {
    let script = "grep -E 'stack|heap|vdso' /proc/self/maps; cat /proc/self/personality";
    let one = bed.run(script).stdout;
    assert!(one.contains("[stack]") && one.ends_with("00040000\n"), "{one}");
    assert_eq!(one, bed.run(script).stdout);
}

fn devices(bed: &Bed) {
    let outcome = bed.run(
        "ls /dev | tr '\n' ' '; echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; \
         echo > /dev/full; test -w /dev/shm && test -e /dev/ptmx && readlink /dev/fd",
    );
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 4",
            "4",
            "/proc/self/fd"
        ],
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("No space left"), "{}", outcome.stderr);
}

fn masked_and_read_only_paths(bed: &Bed) {
    let outcome = bed.run(
        "for f in kcore keys timer_list interrupts sched_debug latency_stats; do \
           test -e /proc/$f && test -n \"$(head -c 9 /proc/$f 2>/dev/null)\" && echo readable $f; done; \
         for d in /proc/acpi /proc/scsi /proc/asound /sys/firmware /sys/devices/virtual/powercap /sys/fs/cgroup; do \
           test -d $d && test -n \"$(ls $d)\" && echo filled $d; done; \
         for f in /proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/x /proc/bus/x /sys/x; do \
           (echo 1 > $f) 2>/dev/null && echo written $f; done; true",
    );
    assert_eq!(outcome.stdout, "", "{}", outcome.stderr);
}

fn network_none_has_loopback_alone(bed: &Bed) {
    let script = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; ping -c1 -w5 127.0.0.1 >/dev/null && echo up; \
                  cat /etc/resolv.conf; ls /sys/class/net";
    let outcome = bed.run(script);
    assert_eq!(outcome.stdout, "lo\nup\nlo\n", "{}", outcome.stderr);
}

fn network_host_is_the_machines(bed: &Bed) {
    let mut command = Bed::shell(
        "tail -n +3 /proc/net/dev | cut -d: -f1; echo --; cat /etc/resolv.conf; \
         ls /sys/fs/cgroup /sys/kernel/debug /sys/kernel/tracing 2>/dev/null | grep -v : | grep . >&2; \
         (echo x > /sys/kernel/profiling) 2>/dev/null && echo written >&2; grep -c sysfs /proc/mounts >&2",
    );
    command.network = Network::Host;
    let outcome = bed.run_command(command);
    let (devices, resolver) = outcome.stdout.split_once("--\n").unwrap();
    let own = fs_err::read_to_string("/proc/net/dev").unwrap();
    let own: Vec<&str> = own.lines().skip(2).filter_map(|line| line.split(':').next()).collect();
    assert_eq!(devices.lines().collect::<Vec<_>>(), own);
    // The machine's `/sys`, read-only, and nothing that is mounted in it.
    assert_eq!(outcome.stderr, "1\n");
    assert_eq!(resolver, fs_err::read_to_string("/etc/resolv.conf").unwrap_or_default());
    assert_eq!(outcome.changes(), ["dir etc"; 0]);
}

fn other_users(bed: &Bed) {
    let mut command = Bed::shell(
        "id -u; id -g; id -G; grep -E 'CapPrm|CapEff' /proc/self/status | cut -f2; touch /tmp/mine",
    );
    (command.uid, command.gid, command.groups) = (1000, 1001, vec![7, 1001, 8]);
    let outcome = bed.run_command(command);
    assert_eq!(
        outcome.stdout, "1000\n1001\n1001 7 8\n0000000000000000\n0000000000000000\n",
        "{}",
        outcome.stderr
    );
    assert_eq!(crate::single::owner(&outcome.upper().join("tmp/mine")), (1000, 1001));
}

fn working_directory(bed: &Bed) {
    for (cwd, want) in [("data", "/data\n"), ("new/deep", "/new/deep\n"), ("proc/self/fd", "")] {
        let mut command = Bed::shell("pwd");
        command.cwd = path(cwd);
        let result = bed.try_run(command, &imgc_base::Cancel::new()).map(|outcome| outcome.stdout);
        if !want.is_empty() {
            assert_eq!(result.unwrap(), want);
        }
    }
    let mut command = Bed::shell("pwd");
    command.cwd = path("data/file");
    assert!(matches!(bed.try_run(command, &imgc_base::Cancel::new()), Err(SandboxError::System { .. })));
}

fn limits(bed: &Bed) {
    let mut command = Bed::shell("ulimit -n; ulimit -Hn; ulimit -f");
    command.ulimits = vec![("nofile".to_owned(), 100, 200), ("fsize".to_owned(), 1024, u64::MAX)];
    let shell_blocks = "2"; // 512 bytes each
    assert_eq!(bed.run_command(command).stdout, format!("100\n200\n{shell_blocks}\n"));
    let mut command = Bed::shell("true");
    command.ulimits = vec![("nothing".to_owned(), 1, 1)];
    let error = bed.try_run(command, &imgc_base::Cancel::new()).err().unwrap();
    assert_eq!(error.to_string(), "there is no limit `nothing`");
    let mut command = Bed::shell("df -m /dev/shm | tail -1 | awk '{print $2}'");
    command.shm_size = Some(3 << 20);
    assert_eq!(bed.run_command(command).stdout, "3\n");
}

fn insecure(bed: &Bed) {
    let mut command = Bed::shell(
        "grep -E '^(CapEff|Seccomp):' /proc/self/status | cut -f2; mount -t tmpfs none /data && ls /data",
    );
    command.security = Security::Insecure;
    let outcome = bed.run_command(command);
    assert_eq!(outcome.status, Status::Code(0), "{}", outcome.stderr);
    let caps = outcome.stdout.lines().next().unwrap();
    assert!(u64::from_str_radix(caps, 16).unwrap().count_ones() > 35, "{caps}");
    // With one id there is the filter that asks about owners.
    assert_eq!(outcome.stdout.lines().nth(1), Some(if bed.is_single() { "2" } else { "0" }));
}
