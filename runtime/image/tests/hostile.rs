//! Hostile archives: what is refused, what is read and how, and that nothing is written outside.
//!
//! The table names each attack (advisories as in the security reference). The corpus in `tests/corpus` holds the
//! table's archives and some mutations of them, as seeds for fuzzing; a find of a fuzzer is added there as a file.

use std::path::Path;

use imgc_image::unpack::{TreeWriter, unpack};
use imgc_image::{ImageError, Kind, LayerIndex, Root};

use crate::support::{entry, installed, listing, run, tar};

/// An archive, header by header.
#[derive(Default, Clone)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl Raw {
    /// A member whose header is changed before its checksum is set.
    pub(crate) fn with(mut self, name: &str, kind: u8, data: &[u8], change: impl FnOnce(&mut [u8])) -> Self {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000007");
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        change(&mut header);
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.with(name, b'0', content.as_bytes(), |_| {})
    }

    fn dir(self, name: &str) -> Self {
        self.with(name, b'5', b"", |_| {})
    }

    fn link(self, kind: u8, name: &str, target: &str) -> Self {
        self.with(name, kind, b"", |header| {
            header[157..157 + target.len()].copy_from_slice(target.as_bytes());
        })
    }

    /// An extended header with these bytes.
    pub(crate) fn pax(self, records: &[u8]) -> Self {
        self.with("PaxHeader", b'x', records, |_| {})
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

pub(crate) fn raw() -> Raw {
    Raw::default()
}

/// `length key=value\n` with the right length.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..rest + 8).find(|length| rest + length.to_string().len() == *length).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn set(at: usize, bytes: &'static [u8]) -> impl Fn(&mut [u8]) {
    move |header| header[at..at + bytes.len()].copy_from_slice(bytes)
}

enum Want {
    /// The error has this text.
    Refused(&'static str),
    /// These entries.
    Reads(&'static [&'static str]),
}
use Want::{Reads, Refused};

fn table() -> Vec<(&'static str, Vec<u8>, Want)> {
    let good = || raw().file("a", "hello").end();
    let many_links = || {
        (0..42)
            .fold(raw(), |raw, n| raw.link(b'2', &format!("l{n}"), &format!("l{}", n + 1)))
            .file("l0/x", "")
    };
    let long = "p/".repeat(2050);
    let name = "n".repeat(256);
    vec![
        // Cut off, broken, or with something behind the end.
        ("nothing", vec![], Reads(&[])),
        ("end-only", raw().end(), Reads(&[])),
        ("no-end", raw().file("a", "1").0, Reads(&["f a"])),
        ("one-zero-block", [raw().file("a", "1").0, vec![0; 512]].concat(), Reads(&["f a"])),
        ("behind-the-end", [good(), b"rest".to_vec()].concat(), Reads(&["f a"])),
        (
            "half-an-end",
            [raw().file("a", "1").0, vec![0; 512], good()].concat(),
            Refused("data after the end"),
        ),
        ("cut-in-header", good()[..300].to_vec(), Refused("cut off in a header")),
        ("cut-in-content", good()[..515].to_vec(), Refused("")),
        ("cut-in-padding", good()[..600].to_vec(), Refused("cut off in a file")),
        ("checksum", [b"b".to_vec(), good()[1..].to_vec()].concat(), Refused("checksum")),
        ("noise", (0..2048u32).map(|n| (n * 31 % 251) as u8).collect(), Refused("")),
        // Numbers.
        (
            "size-not-octal",
            raw().with("a", b'0', b"", set(124, b"00000000zz9")).end(),
            Refused("not a number"),
        ),
        (
            "size-huge",
            raw().with("a", b'0', b"", set(124, b"77777777777")).end(),
            Refused("cut off in a file"),
        ),
        (
            "size-base256-huge",
            raw()
                .with(
                    "a",
                    b'0',
                    b"",
                    set(124, &[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
                )
                .end(),
            Refused("over the limit"),
        ),
        (
            "size-base256-overflow",
            raw().with("a", b'0', b"", set(124, &[0x8f; 12])).end(),
            Refused("not a number"),
        ),
        ("size-negative", raw().with("a", b'0', b"", set(124, &[0xff; 12])).end(), Refused("over the limit")),
        ("uid-negative", raw().with("a", b'0', b"", set(108, &[0xff; 8])).end(), Refused("out of range")),
        (
            "uid-too-large",
            raw().pax(&record("uid", b"4294967296")).file("a", "").end(),
            Refused("out of range"),
        ),
        ("mode-with-type-bits", raw().with("a", b'0', b"", set(100, b"7777777")).end(), Reads(&["f a"])),
        ("mtime-negative", raw().with("a", b'0', b"", set(136, &[0xff; 12])).end(), Reads(&["f a"])),
        // Extended headers. CVE-2025-62518, RUSTSEC-2026-0066: whose size counts.
        (
            "pax-size-larger",
            raw().pax(&record("size", b"512")).file("a", "").file("b", "").end(),
            Reads(&["f a"]),
        ),
        ("pax-size-smaller", raw().pax(&record("size", b"0")).file("a", "0123").end(), Refused("")),
        (
            "pax-size-negative",
            raw().pax(&record("size", b"-1")).file("a", "").end(),
            Refused("`size` does not parse"),
        ),
        (
            "pax-size-overflow",
            raw().pax(&record("size", &[b'9'; 30])).file("a", "").end(),
            Refused("`size` does not"),
        ),
        (
            "pax-size-limit",
            raw().pax(&record("size", b"2000000000000")).file("a", "").end(),
            Refused("over the limit"),
        ),
        ("pax-length-long", raw().pax(b"99 path=x\n").file("a", "").end(), Refused("does not parse")),
        ("pax-length-short", raw().pax(b"5 path=x\n").file("a", "").end(), Refused("does not parse")),
        ("pax-length-zero", raw().pax(b"0 path=x\n").file("a", "").end(), Refused("does not parse")),
        (
            "pax-length-overflow",
            raw().pax(b"99999999999999999999 path=x\n").file("a", "").end(),
            Refused("not parse"),
        ),
        ("pax-no-newline", raw().pax(b"9 path=xy").file("a", "").end(), Refused("does not parse")),
        ("pax-no-equals", raw().pax(b"8 pathx\n").file("a", "").end(), Refused("does not parse")),
        (
            "pax-nul-in-path",
            raw().pax(&record("path", b"a\0b")).file("a", "").end(),
            Refused("does not parse"),
        ),
        (
            "pax-mtime-text",
            raw().pax(&record("mtime", b"now")).file("a", "").end(),
            Refused("`mtime` does not parse"),
        ),
        (
            "pax-twice",
            raw().pax(&record("path", b"x")).pax(&record("path", b"y")).file("a", "").end(),
            Reads(&["f y"]),
        ),
        ("pax-without-member", raw().file("a", "").pax(&record("path", b"x")).end(), Reads(&["f a"])),
        ("pax-huge", raw().with("p", b'x', b"", set(124, b"00077777777")).end(), Refused("over the limit")),
        (
            "pax-global-path",
            raw().with("g", b'g', &record("path", b"x"), |_| {}).file("a", "").end(),
            Reads(&["f a"]),
        ),
        (
            "pax-xattr-nul",
            raw().pax(&record("SCHILY.xattr.user.a\0b", b"1")).file("a", "").end(),
            Reads(&["f a"]),
        ),
        (
            "pax-xattr-large",
            raw().pax(&record("SCHILY.xattr.user.a", &vec![b'x'; 70_000])).file("a", "").end(),
            Refused("extended attribute is over"),
        ),
        (
            "gnu-long-name",
            raw().with("L", b'L', b"long/name\0rest", |_| {}).file("a", "1").end(),
            Reads(&["f long/name"]),
        ),
        (
            "gnu-long-name-huge",
            raw().with("L", b'L', b"", set(124, b"00077777777")).end(),
            Refused("over the limit"),
        ),
        (
            "star-prefix-without-end",
            raw()
                .with("a", b'0', b"", |header| {
                    header[345..476].fill(b'p');
                    header[476..500].fill(b'0');
                    header[508..512].copy_from_slice(b"tar\0");
                })
                .end(),
            Refused("star"),
        ),
        // Sparse files (CVE-2025-58183) and other types.
        ("sparse-old", raw().with("a", b'S', b"", |_| {}).end(), Refused("sparse")),
        ("sparse-pax", raw().pax(&record("GNU.sparse.major", b"1")).file("a", "").end(), Refused("sparse")),
        ("type-volume", raw().with("a", b'V', b"", |_| {}).end(), Refused("unknown member type")),
        ("type-multi-volume", raw().with("a", b'M', b"", |_| {}).end(), Refused("unknown member type")),
        ("type-unknown", raw().with("a", 0xfe, b"", |_| {}).end(), Refused("unknown member type")),
        ("type-old-directory", raw().with("a/", 0, b"", |_| {}).end(), Reads(&["d a"])),
        // Names.
        ("name-parent", raw().file("../x", "1").end(), Refused("`..`")),
        ("name-parent-inside", raw().file("a/../../x", "1").end(), Refused("`..`")),
        ("name-parent-backslash", raw().file("..\\x", "1").end(), Reads(&["f ..\\x"])),
        ("name-absolute", raw().file("/etc/passwd", "1").end(), Reads(&["f etc/passwd"])),
        ("name-dots", raw().file("././a/.//b", "1").end(), Reads(&["f a/b"])),
        ("name-empty", raw().file("", "1").file("a", "").end(), Reads(&["f a"])),
        (
            "name-too-long",
            raw().pax(&record("path", long.as_bytes())).file("a", "").end(),
            Refused("too long"),
        ),
        (
            "name-part-too-long",
            raw().pax(&record("path", name.as_bytes())).file("a", "").end(),
            Refused("too long"),
        ),
        // CVE-2021-29136: the root itself becomes a link.
        ("root-is-a-link", raw().link(b'2', ".", "/tmp").file("a", "1").end(), Reads(&["f a"])),
        // CVE-2026-17106, RUSTSEC-2018-0002 and kin: a link, then something through it.
        (
            "link-then-file",
            raw().link(b'2', "l", "/tmp").file("l/imgc-escaped", "1").end(),
            Reads(&["l l", "f tmp/imgc-escaped"]),
        ),
        (
            "link-up-then-file",
            raw().link(b'2', "l", "../../..").file("l/x", "1").end(),
            Reads(&["l l", "f x"]),
        ),
        (
            "link-to-proc",
            raw().link(b'2', "l", "/proc/self/cwd").file("l/x", "").end(),
            Reads(&["l l", "f proc/self/cwd/x"]),
        ),
        ("link-with-slash", raw().link(b'2', "l", "/tmp").file("l/", "1").end(), Reads(&["f l"])),
        ("link-then-directory", raw().link(b'2', "l", "/tmp").dir("l").end(), Reads(&["d l"])),
        (
            "link-loop",
            raw().link(b'2', "a", "b").link(b'2', "b", "a").file("a/x", "").end(),
            Refused("too many symbolic links"),
        ),
        ("link-chain", many_links().end(), Refused("too many symbolic links")),
        ("link-empty", raw().link(b'2', "l", "").end(), Refused("is no path")),
        (
            "link-too-long",
            raw().pax(&record("linkpath", &[b't'; 4096])).link(b'2', "l", "").end(),
            Refused("is no path"),
        ),
        // Hard links outside (CVE-2026-23745), to nothing, to themselves, in circles.
        ("hardlink-outside", raw().link(b'1', "a", "/etc/passwd").end(), Refused("not in this layer")),
        ("hardlink-parent", raw().link(b'1', "a", "../../etc/passwd").end(), Refused("`..`")),
        ("hardlink-forward", raw().link(b'1', "a", "b").file("b", "").end(), Refused("not in this layer")),
        ("hardlink-self", raw().file("a", "").link(b'1', "a", "a").end(), Refused("not in this layer")),
        (
            "hardlink-circle",
            raw().file("a", "1").link(b'1', "b", "a").link(b'1', "a", "b").end(),
            Reads(&["f a", "h b"]),
        ),
        ("hardlink-to-directory", raw().dir("d").link(b'1', "a", "d").end(), Refused("not in this layer")),
        (
            "hardlink-to-whiteout",
            raw().file(".wh.x", "").link(b'1', "a", "x").end(),
            Refused("not in this layer"),
        ),
        (
            "hardlink-to-link",
            raw().link(b'2', "l", "/etc/passwd").link(b'1', "a", "l").end(),
            Reads(&["l a", "l l"]),
        ),
        (
            "hardlink-through-link",
            raw().link(b'2', "l", "/etc").link(b'1', "a", "l/passwd").end(),
            Refused("not in this layer"),
        ),
        (
            "hardlink-with-size",
            raw()
                .file("a", "1")
                .with("b", b'1', b"", |header| {
                    header[157] = b'a';
                    header[124..135].copy_from_slice(b"00000001000");
                })
                .end(),
            Reads(&["f a", "h b"]),
        ),
        // The same name again.
        ("twice", raw().file("a", "1").file("a", "22").end(), Reads(&["f a"])),
        ("file-then-below", raw().file("a", "1").file("a/b", "2").end(), Reads(&["o a", "f a/b"])),
        ("directory-then-file", raw().dir("a").file("a/b", "1").file("a", "2").end(), Reads(&["f a"])),
        // Devices are entries, and nothing on disk.
        ("device", raw().with("a", b'3', b"", set(329, b"0000001\x000000003")).end(), Reads(&["c a"])),
        (
            "device-numbers",
            raw().with("a", b'4', b"", set(329, b"zzzzzzz\x00zzzzzzz")).end(),
            Reads(&["b a"]),
        ),
        ("whiteout-as-device", raw().with("a", b'3', b"", |_| {}).end(), Reads(&["c a"])),
        // Whiteouts.
        ("whiteout-of-nothing", raw().file("a/.wh.", "").end(), Refused("not a whiteout")),
        ("whiteout-of-dot", raw().file("a/.wh..", "").end(), Refused("not a whiteout")),
        ("whiteout-of-parent", raw().file("a/.wh...", "").end(), Refused("not a whiteout")),
        (
            "whiteout-of-root",
            raw().file(".wh..wh..opq", "").end(),
            Refused("root directory is marked opaque"),
        ),
        ("whiteout-directory", raw().dir(".wh.a").end(), Reads(&["w a"])),
        ("whiteout-aufs", raw().dir(".wh..wh.plnk").file(".wh..wh.aufs", "").end(), Reads(&[])),
        (
            "whiteout-through-link",
            raw().link(b'2', "l", "/etc").file("l/.wh.passwd", "").end(),
            Reads(&["w etc/passwd", "l l"]),
        ),
        (
            "opaque-through-link",
            raw().link(b'2', "l", "/etc").file("l/.wh..wh..opq", "").end(),
            Reads(&["o etc", "l l"]),
        ),
        ("opaque-file", raw().file("a", "1").file("a/.wh..wh..opq", "").end(), Reads(&["o a"])),
    ]
}

fn names(index: &LayerIndex) -> Vec<String> {
    let letter = |kind: &Kind| match kind {
        Kind::Dir { opaque: false } => 'd',
        Kind::Dir { opaque: true } => 'o',
        Kind::File { .. } => 'f',
        Kind::Symlink { .. } => 'l',
        Kind::Hardlink { .. } => 'h',
        Kind::Char { .. } => 'c',
        Kind::Block { .. } => 'b',
        Kind::Fifo => 'p',
        Kind::Whiteout => 'w',
    };
    index
        .entries()
        .iter()
        .map(|e| format!("{} {}", letter(&e.kind), String::from_utf8_lossy(e.path.as_bytes())))
        .collect()
}

/// Unpacks with and without a tree; both must say the same, and nothing may change outside the tree.
fn unpacked(bytes: &[u8]) -> Result<LayerIndex, ImageError> {
    let outer = tempfile::tempdir().unwrap();
    let inside = outer.path().join("inside/tree");
    fs_err::create_dir_all(&inside).unwrap();
    fs_err::write(outer.path().join("x"), "safe").unwrap();
    fs_err::write(outer.path().join("inside/x"), "safe").unwrap();
    let outside = || -> Vec<String> {
        listing(outer.path()).into_iter().filter(|line| !line.starts_with("inside")).collect()
    };
    let before = outside();
    let on_disk = unpack(bytes, Some(&mut TreeWriter::new(Root::open(&inside).unwrap())));
    assert_eq!(outside(), before);
    assert_eq!(fs_err::read_to_string(outer.path().join("inside/x")).unwrap(), "safe");
    assert_eq!(fs_err::read_dir(outer.path().join("inside")).unwrap().count(), 2);
    match (unpack(bytes, None), on_disk) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one, two);
            Ok(one)
        }
        // Writing can fail where reading does not: a name too long for this file system.
        (Ok(_) | Err(_), Err(error)) => Err(error),
        (Err(error), Ok(_)) => panic!("only the index is refused: {error}"),
    }
}

#[test]
fn attacks_by_name() {
    for (what, bytes, want) in table() {
        match (unpacked(&bytes), want) {
            (Ok(index), Reads(expected)) => assert_eq!(names(&index), expected, "{what}"),
            (Err(error), Refused(expected)) => {
                let text = format!("{error} {:?}", error.io_source());
                assert!(text.contains(expected), "{what}: {text}");
            }
            (Ok(index), Refused(_)) => panic!("{what} is accepted: {:?}", names(&index)),
            (Err(error), Reads(_)) => panic!("{what} is refused: {error}"),
        }
    }
    assert!(!Path::new("/tmp/imgc-escaped").exists());
}

/// A small generator, so that every run sees the same mutations.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

/// Changes an archive in one to three places; half of the changed headers get a right checksum again.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const FIELDS: [(usize, usize); 9] =
        [(0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (345, 155)];
    const VALUES: [&[u8]; 8] =
        [b"77777777777", &[0xff; 12], &[0x80; 12], b"../../x", b"/etc", b"", b"-1", b"          9"];
    for _ in 0..=random.below(3) {
        if bytes.len() < 1024 {
            return;
        }
        let block = random.below(bytes.len() / 512) * 512;
        match random.below(7) {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            2 => {
                let copy = bytes[block..block + 512].to_vec();
                let at = random.below(bytes.len() / 512) * 512;
                bytes.splice(at..at, copy);
            }
            3 => drop(bytes.drain(block..block + 512)),
            kind => {
                let (at, length) = FIELDS[random.below(FIELDS.len())];
                let field = &mut bytes[block + at..block + at + length];
                if kind == 4 {
                    let at = random.below(length);
                    field[at] = random.below(256) as u8;
                } else {
                    let value = VALUES[random.below(VALUES.len())];
                    let length = length.min(value.len());
                    field[..length].copy_from_slice(&value[..length]);
                }
                let header = &mut bytes[block..block + 512];
                header[148..156].copy_from_slice(b"        ");
                let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
                header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
        }
    }
}

/// Archives that mutations start from.
fn seeds() -> Vec<Vec<u8>> {
    let lines =
        ["d a", "f a/x one", "h a/y a/x", "l b a", "p c", "w d", "o e", "f e/f 12345", "c g", "d h", "w h/i"];
    let mut many: Vec<_> = lines.iter().map(|line| entry(line)).collect();
    many[1].0.meta.xattrs.push((b"user.k".to_vec(), b"v".to_vec()));
    many[4].0.meta.uid = 5_000_000;
    let long = format!("{}/x", "long".repeat(30));
    many.push(entry(&format!("d {}", "long".repeat(30))));
    many.push(entry(&format!("f {long} content")));
    vec![
        tar(&many),
        raw()
            .with("L", b'L', b"a/long/name\0", |_| {})
            .file("a", "1")
            .pax(&[record("path", b"p/q"), record("size", b"3")].concat())
            .file("b", "123")
            .link(b'2', "l", "/etc")
            .file("l/x", "2")
            .link(b'1', "h", "p/q")
            .file("d/.wh..wh..opq", "")
            .end(),
    ]
}

#[test]
fn mutations() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let seeds = seeds();
    let mut accepted = 0;
    for round in 0..2500 {
        let mut bytes = seeds[round % seeds.len()].clone();
        mutate(&mut bytes, &mut random);
        // Some also on disk; there is only one reader, and the disk is slow.
        let result = if round % 25 == 0 { unpacked(&bytes) } else { unpack(bytes.as_slice(), None) };
        if let Ok(index) = result {
            accepted += 1;
            // What was read is a sound layer: it can be stored and read back.
            assert_eq!(LayerIndex::decode(&index.encode()).unwrap(), index);
        }
    }
    assert!(
        (150..2400).contains(&accepted),
        "the mutations are neither all fatal nor all harmless: {accepted}"
    );
}

#[test]
fn corpus_replays() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = fs_err::read_dir(dir).unwrap().map(|item| item.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 100, "the corpus is there");
    for file in files {
        let bytes = fs_err::read(&file).unwrap();
        let bytes = imgc_image::compress::reader(bytes.as_slice()).map(crate::support::read).unwrap();
        if let Ok(index) = unpacked(&bytes) {
            assert_eq!(LayerIndex::decode(&index.encode()).unwrap(), index, "{}", file.display());
        }
    }
}

/// Writes the corpus anew: `cargo test -p imgc-image --test image write_corpus -- --ignored`.
#[test]
#[ignore = "writes into the source tree"]
fn write_corpus() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    fs_err::create_dir_all(&dir).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let packed = crate::support::compressed(imgc_image::Compression::Gzip, bytes);
        fs_err::write(dir.join(format!("{name}.tar.gz")), packed).unwrap();
    };
    for (what, bytes, _) in table() {
        put(what, &bytes);
    }
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for (number, seed) in seeds().iter().cycle().take(40).enumerate() {
        let mut bytes = seed.clone();
        mutate(&mut bytes, &mut random);
        put(&format!("mutation-{number:02}"), &bytes);
    }
}

/// GNU tar names the same members as we do, in what both accept.
#[test]
fn gnu_tar_lists_the_same() {
    if !installed("tar") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.tar");
    let mut compared = 0;
    for (what, bytes, want) in table() {
        // GNU tar follows other rules there: global headers apply, the content of links counts, no end is an error.
        if matches!(what, "pax-global-path" | "hardlink-with-size" | "nothing" | "name-empty") {
            continue;
        }
        let Reads(_) = want else { continue };
        let mut reader = imgc_image::tar_read::TarReader::new(bytes.as_slice());
        let mut ours = Vec::new();
        while let Some(member) = reader.next_member().unwrap() {
            ours.push(String::from_utf8_lossy(&member.name).into_owned());
        }
        fs_err::write(&file, &bytes).unwrap();
        let listed = run("tar", &["-t", "--quoting-style=literal", "-P", "-f", file.to_str().unwrap()]);
        let Ok(theirs) = listed else { continue };
        let trim = |name: &str| name.trim_end_matches('/').to_owned();
        let theirs: Vec<String> = theirs.lines().filter(|l| !l.starts_with("tar: ")).map(trim).collect();
        assert_eq!(ours.iter().map(|name| trim(name)).collect::<Vec<_>>(), theirs, "{what}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
