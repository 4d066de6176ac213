//! What a command must not be able to do.

use imgc_sandbox::{MountSpec, Status, What};

use crate::bed::{Bed, path};
use crate::{Test, probe};

pub(crate) const TESTS: &[Test] = &[
    ("refused", refused),
    ("calls", calls),
    ("calls_of_32_bit_programs", calls_of_32_bit_programs),
    ("cve_2019_5736_the_program_cannot_be_reached", cve_2019_5736_the_program_cannot_be_reached),
    ("cve_2026_41579_dev_is_a_link", cve_2026_41579_dev_is_a_link),
    ("cve_2024_21626_no_descriptor_leads_out", cve_2024_21626_no_descriptor_leads_out),
    ("cve_2021_30465_mount_targets_stay_inside", cve_2021_30465_mount_targets_stay_inside),
    ("other_processes_cannot_be_seen", other_processes_cannot_be_seen),
    ("chroot_leads_nowhere", chroot_leads_nowhere),
];

fn refused(bed: &Bed) {
    for script in [
        "mount -t tmpfs none /data",
        "mount --bind / /data",
        "mount -o remount,rw /sys",
        "umount /proc/sys",
        "umount /etc/hosts",
        "unshare -r true",
        "unshare -m true",
        "mknod /n c 1 3",
        "mknod /n b 8 0",
        "hostname other",
        "date -s 2000-01-01; test $(date +%Y) = 2000",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo c > /proc/sysrq-trigger",
        "echo x > /etc/resolv.conf",
        "pivot_root /data /data",
        "nice -n -5 true && test $(nice -n -5 nice) -lt 0",
        "dmesg",
        "swapon /data/file",
        "for f in /proc/1/fd/*; do readlink $f && exit 0; done; false",
        "for f in /proc/1/fd/*; do head -c 1 $f && exit 0; done; false",
        "ls /proc/1/root/",
        "ls /proc/1/cwd/",
        "cat /proc/1/maps | grep .",
        "head -c 1 /proc/1/mem",
        "cat /proc/1/environ",
        "nsenter -t 1 -m true",
        "insmod /data/file",
        "reboot -f",
    ] {
        let outcome = bed.run(script);
        assert_ne!(outcome.status, Status::Code(0), "{script}: {}{}", outcome.stdout, outcome.stderr);
    }
}

fn calls(bed: &Bed) {
    let outcome = bed.run_command(probe::command(probe::TRY_CALLS, ""));
    let (refused, no_family) = (libc_errno::EPERM, libc_errno::EAFNOSUPPORT);
    let want = [
        format!("fsopen {refused}"),
        format!("open_tree {refused}"),
        format!("mount {refused}"),
        format!("pivot_root {refused}"),
        format!("sethostname {refused}"),
        format!("af_alg {no_family}"),
        format!("af_vsock {no_family}"),
        "af_unix works".to_owned(),
        format!("mknod {refused}"),
        format!("exe of 1 {}", libc_errno::EACCES),
        "openat2 works".to_owned(),
    ];
    assert_eq!(outcome.stdout.lines().collect::<Vec<_>>(), want, "{}", outcome.stderr);
}

/// A program for i386: makes one call without arguments, and exits with its error number.
fn tiny_i386(call: u8) -> Vec<u8> {
    const BASE: u32 = 0x1_0000;
    let code = [
        0xb8, call, 0, 0, 0, // mov eax, call
        0x31, 0xdb, 0x31, 0xc9, 0x31, 0xd2, // xor ebx, ecx, edx
        0xcd, 0x80, // int 0x80
        0xf7, 0xd8, // neg eax
        0x89, 0xc3, // mov ebx, eax
        0xb8, 1, 0, 0, 0, // mov eax, exit
        0xcd, 0x80,
    ];
    let size = 84 + u32::try_from(code.len()).unwrap();
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
    for word in [BASE + 84, 52, 0, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for half in [52u16, 32, 1, 0, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    for word in [1, 0, BASE, BASE, size, size, 5, 0x1000] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&code);
    file
}

fn calls_of_32_bit_programs(bed: &Bed) {
    use std::os::unix::fs::PermissionsExt as _;
    let layer = bed.fresh();
    // getpid: its number comes back negated; mount is refused.
    for (name, call) in [("getpid", 20), ("mount", 21)] {
        let file = layer.path().join(name);
        fs_err::write(&file, tiny_i386(call)).unwrap();
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    if std::process::Command::new(layer.path().join("getpid")).status().is_err() {
        eprintln!("SKIPPED: this kernel runs no 32-bit programs");
        return;
    }
    let mut command = Bed::shell("/getpid; echo $(( 256 - $? )); /mount; echo $?");
    command.lower = vec![layer.path().to_path_buf()];
    let outcome = bed.run_command(command);
    assert_eq!(outcome.stdout, "3\n1\n", "{}", outcome.stderr);
}

/// Numbers of errors, as the kernel gives them.
mod libc_errno {
    pub(super) const EPERM: i32 = 1;
    pub(super) const EACCES: i32 = 13;
    pub(super) const EAFNOSUPPORT: i32 = 97;
}

fn cve_2019_5736_the_program_cannot_be_reached(bed: &Bed) {
    // Process 1 cannot be looked into; and a script that runs as `/proc/self/exe` gets a sealed copy.
    let outcome = bed.run(
        "readlink /proc/1/exe; cat /proc/1/exe | head -c 4; \
         printf '#!/proc/self/exe\n' > /tmp/x; chmod 755 /tmp/x; /tmp/x; (echo pwned > /proc/$$/exe) 2>/dev/null && echo written",
    );
    assert!(!outcome.stdout.contains("ELF") && !outcome.stdout.contains("written"), "{}", outcome.stdout);
}

fn cve_2026_41579_dev_is_a_link(bed: &Bed) {
    let outside = bed.fresh();
    for name in ["dev", "proc", "sys"] {
        let layer = bed.fresh();
        std::os::unix::fs::symlink(outside.path(), layer.path().join(name)).unwrap();
        let mut command = Bed::shell("true");
        command.lower = vec![layer.path().to_path_buf()];
        let error = bed.try_run(command, &imgc_base::Cancel::new()).err().unwrap();
        assert_eq!(error.to_string(), format!("`/{name}` of the image is no directory"));
    }
    assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 0);
}

fn cve_2024_21626_no_descriptor_leads_out(bed: &Bed) {
    for number in 0..12 {
        let mut command = Bed::shell("pwd; cat ../../../../etc/passwd ../../../../etc/shadow 2>/dev/null");
        command.cwd = path(&format!("proc/self/fd/{number}"));
        if let Ok(outcome) = bed.try_run(command, &imgc_base::Cancel::new()) {
            assert!(!outcome.stdout.contains("root:"), "{number}: {}", outcome.stdout);
        }
    }
}

fn cve_2021_30465_mount_targets_stay_inside(bed: &Bed) {
    let outside = bed.fresh();
    let target = outside.path().to_str().unwrap();
    for link in [target.to_owned(), format!("../../../../../../../..{target}")] {
        let layer = bed.fresh();
        std::os::unix::fs::symlink(&link, layer.path().join("evil")).unwrap();
        std::os::unix::fs::symlink("evil", layer.path().join("evil2")).unwrap();
        let mut command = Bed::shell("cat /evil/new/secret; cat /evil2/tmp/x; ls -d /evil/new");
        command.lower = vec![layer.path().to_path_buf()];
        let what = What::File { bytes: b"s3cret".to_vec(), mode: 0o400, uid: 0, gid: 0 };
        command.mounts = vec![
            MountSpec { target: path("evil/new/secret"), what: what.clone() },
            MountSpec { target: path("evil2/tmp"), what: What::Tmpfs { size: None, mode: 0o755 } },
            MountSpec { target: path("evil2/tmp/x"), what },
        ];
        let outcome = bed.run_command(command);
        assert_eq!(outcome.stdout, "s3crets3cret/evil/new\n", "{}", outcome.stderr);
        assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 0);
        // What had to be made for it in the root is gone; a directory that was there may have been copied up.
        assert!(outcome.changes().iter().all(|change| change == "dir tmp"), "{:?}", outcome.changes());
    }
}

fn other_processes_cannot_be_seen(bed: &Bed) {
    let outcome = bed.run(
        "ls /proc | grep -E '^[0-9]+$' | sort -n | head -2 | tr '\n' ' '; kill -0 -1; kill -9 1; echo alive",
    );
    assert!(outcome.stdout.starts_with("1 2 ") && outcome.stdout.ends_with("alive\n"), "{}", outcome.stdout);
}

fn chroot_leads_nowhere(bed: &Bed) {
    // The classic: a root below the working directory, then up.
    let outcome = bed.run("mkdir -p /tmp/j/bin && cp /bin/busybox /tmp/j/bin/ && chroot /tmp/j /bin/busybox ls / && ls -d /data");
    assert_eq!(outcome.stdout, "bin\n/data\n", "{}", outcome.stderr);
}
