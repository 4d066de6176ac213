//! Files and formats that are known to differ from build to build, and what to do about each.

use super::bytes::Meaning;

/// The name of a kind of difference, its likely cause, and what to do.
type Known = (&'static str, &'static str);

const MACHINE_ID: Known = (
    "random",
    "the id of a machine, made when systemd or dbus was installed: all containers would have it in common; remove the file, \
     the first start makes it",
);
const HOST_KEY: Known = (
    "random",
    "a host key, made when the ssh server was installed: who has the image has the key; remove it, and make one at the \
     first start (`ssh-keygen -A`)",
);
const PRIVATE_KEY: Known = (
    "random",
    "a private key that the step made: who has the image has the key; make it at run time, or mount it",
);
const CERTIFICATE: Known = (
    "random",
    "a certificate or public key that the step made, with a new key; make it at run time, or copy it in",
);
const PASSWORD: Known = (
    "random",
    "a password's hash, whose salt is random; give the hash itself (`usermod -p`, `chpasswd -e`), or no password",
);
const PASSWORD_DAY: Known = (
    "time",
    "the day on which a password was changed, by the clock; `useradd` and `usermod` take $SOURCE_DATE_EPOCH, other tools do not",
);
const TAR_TIME: Known = (
    "time",
    "the time of a member of a tar archive; `tar --mtime=@$SOURCE_DATE_EPOCH --sort=name` gives a fixed one",
);
const ZIP_TIME: Known = (
    "time",
    "the time of a member of a zip archive (jar, wheel); set the times of the files before (`touch -d @$SOURCE_DATE_EPOCH`), and `zip -X`",
);
const PACKED: Known = (
    "packed",
    "packed data: what was packed differs, mostly the times of files; `tar --mtime=@$SOURCE_DATE_EPOCH --sort=name`, `gzip -n`",
);
const KEY_STORE: Known = (
    "random",
    "a Java key store: its times, salts and keys are new each time; make it at run time, or copy it in",
);
const GIT_OBJECT: Known = (
    "time",
    "a commit that the step made has the clock's time in its name; set GIT_AUTHOR_DATE and GIT_COMMITTER_DATE, or do not commit",
);
const GIT_PACK: Known = (
    "packed",
    "a pack from a git server, which may pack the same objects otherwise each time; remove `.git`",
);
const BUILD_ID: Known = (
    "random",
    "the build id of a program, a hash over all of it: something else in it differs, such as a time, a path or the order of objects",
);
const DATABASE: Known = (
    "unknown",
    "a database file: rows with times, or pages in another order; make it at run time, or remove it",
);
const FONT_CACHE: Known =
    ("time", "the cache of fontconfig holds times of directories; remove it, programs make it again");

/// What is known of a place in a file by the file's name and format.
pub(super) fn known(path: &str, before: &[u8], after: &[u8], offset: usize) -> Option<Meaning> {
    let (word, cause) = by_name(path, before, offset).or_else(|| by_format(before, after, offset))?;
    Some(Meaning::Known { word, cause })
}

fn by_name(path: &str, bytes: &[u8], offset: usize) -> Option<Known> {
    let path = path.trim_start_matches('/');
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    match (dir, name) {
        ("etc" | "var/lib/dbus", "machine-id") => Some(MACHINE_ID),
        ("etc/ssh", name) if name.starts_with("ssh_host_") => Some(HOST_KEY),
        ("etc", "shadow" | "shadow-") => shadow(bytes, offset),
        ("var/cache/fontconfig", _) => Some(FONT_CACHE),
        (dir, _) if dir.ends_with(".git/objects/pack") => Some(GIT_PACK),
        (dir, _) if dir.contains(".git/objects/") || dir.contains(".git/refs/") => Some(GIT_OBJECT),
        _ => None,
    }
}

/// The fields of a line are name, hash, day of the last change.
fn shadow(bytes: &[u8], offset: usize) -> Option<Known> {
    let before = &bytes[..offset.min(bytes.len())];
    let line = before.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    match line.split(|&byte| byte == b':').count() {
        2 => Some(PASSWORD),
        3 => Some(PASSWORD_DAY),
        _ => None,
    }
}

fn by_format(before: &[u8], after: &[u8], offset: usize) -> Option<Known> {
    let both = |magic: &[u8]| before.starts_with(magic) && after.starts_with(magic);
    if both(b"-----BEGIN ") || both(b"ssh-") || both(b"ecdsa-") {
        let head = before.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let private = head.windows(7).any(|part| part == b"PRIVATE");
        return Some(if private { PRIVATE_KEY } else { CERTIFICATE });
    }
    if both(&[0xfe, 0xed, 0xfe, 0xed]) {
        return Some(KEY_STORE);
    }
    if both(b"SQLite format 3\0") || both(&[0xce, 0x9a, 0x57, 0x13]) {
        return Some(DATABASE);
    }
    // Berkeley DB, hash and tree: behind the header stands an id of the file, made of its inode and the time.
    let kind = |bytes: &[u8]| matches!(bytes.get(12..16), Some(b"\x61\x15\x06\0" | b"\x62\x31\x05\0"));
    if kind(before) && kind(after) {
        return Some(DATABASE);
    }
    let packed: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    // The header of gzip has its own meaning.
    if packed.iter().any(|magic| both(magic)) && offset >= 10 {
        return Some(PACKED);
    }
    let block = offset / 512 * 512;
    if before.get(block + 257..block + 262) == Some(b"ustar") && (136..156).contains(&(offset - block)) {
        return Some(TAR_TIME);
    }
    if both(b"PK\x03\x04") {
        return Some(zip(before, offset));
    }
    if both(b"\x7fELF") {
        // Four bytes of name length, of length and of kind stand before a note's name.
        let near = &before[offset.saturating_sub(24)..offset.min(before.len())];
        return near.windows(8).any(|part| part == b"\x03\0\0\0GNU\0").then_some(BUILD_ID);
    }
    None
}

/// The fields of a member's header, in front of it and in the directory at the end.
fn zip(bytes: &[u8], offset: usize) -> Known {
    let near = |magic: &[u8], times: std::ops::Range<usize>| {
        times.filter_map(|behind| offset.checked_sub(behind)).any(|at| bytes[at..].starts_with(magic))
    };
    // Info-ZIP's own field has the time of change, of use and of making, in seconds.
    let extra = near(b"UT", 5..17);
    if near(b"PK\x03\x04", 10..14) || near(b"PK\x01\x02", 12..16) || extra { ZIP_TIME } else { PACKED }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, one content, the other, and what is known.
    type Case = (&'static str, Vec<u8>, Vec<u8>, Option<Known>);

    fn words(path: &str, before: &[u8], after: &[u8]) -> Option<Known> {
        let offset = before.iter().zip(after).take_while(|(a, b)| a == b).count();
        match known(path, before, after, offset)? {
            Meaning::Known { word, cause } => Some((word, cause)),
            other => panic!("{other:?}"),
        }
    }

    fn tar(time: &str) -> Vec<u8> {
        let mut block = vec![0; 1024];
        block[0] = b'f';
        block[512] = b'g';
        block[512 + 136..512 + 147].copy_from_slice(time.as_bytes());
        block[512 + 257..512 + 262].copy_from_slice(b"ustar");
        block
    }

    fn elf(id: [u8; 4]) -> Vec<u8> {
        [&b"\x7fELF\x02\x01"[..], &[0; 60], b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", &id].concat()
    }

    #[test]
    fn names_and_formats() {
        let pem = |kind: &str, key: &str| format!("-----BEGIN {kind}-----\n{key}\n").into_bytes();
        let zip = |time: u8| [&b"PK\x03\x04\x14\0\0\0\x08\0"[..], &[time, 1, 2, 3], b"crc.name"].concat();
        let berkeley = |id: u8| [&[0; 12][..], b"\x61\x15\x06\0", &[0; 36], &[id, 1]].concat();
        let cases: [Case; 18] = [
            ("/etc/aliases.db", berkeley(1), berkeley(2), Some(DATABASE)),
            ("/etc/machine-id", b"0123\n".to_vec(), b"9876\n".to_vec(), Some(MACHINE_ID)),
            ("/var/lib/dbus/machine-id", b"0".to_vec(), b"9".to_vec(), Some(MACHINE_ID)),
            ("/srv/machine-id", b"0".to_vec(), b"9".to_vec(), None),
            ("/etc/ssh/ssh_host_rsa_key.pub", b"ssh-rsa A".to_vec(), b"ssh-rsa B".to_vec(), Some(HOST_KEY)),
            ("/etc/shadow", b"a:x:1:\nb:$y$1:2:".to_vec(), b"a:x:1:\nb:$y$2:2:".to_vec(), Some(PASSWORD)),
            ("/etc/shadow-", b"a:x:20001:0".to_vec(), b"a:x:20002:0".to_vec(), Some(PASSWORD_DAY)),
            ("/k.pem", pem("EC PRIVATE KEY", "a"), pem("EC PRIVATE KEY", "b"), Some(PRIVATE_KEY)),
            ("/c.pem", pem("CERTIFICATE", "a"), pem("CERTIFICATE", "b"), Some(CERTIFICATE)),
            ("/a.tar", tar("15302557520"), tar("15302557635"), Some(TAR_TIME)),
            ("/a.jar", zip(1), zip(2), Some(ZIP_TIME)),
            (
                "/a.tgz",
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc".to_vec(),
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03xyz".to_vec(),
                Some(PACKED),
            ),
            ("/a.gz", b"\x1f\x8b\x08\0\x01".to_vec(), b"\x1f\x8b\x08\0\x02".to_vec(), None),
            ("/x/.git/objects/8b/03", b"a".to_vec(), b"b".to_vec(), Some(GIT_OBJECT)),
            ("/x/.git/objects/pack/pack-1.pack", b"a".to_vec(), b"b".to_vec(), Some(GIT_PACK)),
            ("/a.db", b"SQLite format 3\0a".to_vec(), b"SQLite format 3\0b".to_vec(), Some(DATABASE)),
            ("/bin/a", elf([1, 2, 3, 4]), elf([5, 6, 7, 8]), Some(BUILD_ID)),
            ("/k.jks", vec![0xfe, 0xed, 0xfe, 0xed, 1], vec![0xfe, 0xed, 0xfe, 0xed, 2], Some(KEY_STORE)),
        ];
        for (path, before, after, want) in cases {
            assert_eq!(words(path, &before, &after), want, "{path}");
        }
    }

    /// A cut-off file is no reason to fall over.
    #[test]
    fn any_place_of_any_bytes() {
        for bytes in
            [tar("15302557520"), elf([1; 4]), b"PK\x03\x04".to_vec(), b"-----BEGIN ".to_vec(), vec![]]
        {
            for length in 0..=bytes.len() {
                for path in ["/x", "/etc/shadow"] {
                    known(path, &bytes[..length], &bytes, length);
                    known(path, &bytes, &bytes[..length], length);
                }
            }
        }
    }
}
