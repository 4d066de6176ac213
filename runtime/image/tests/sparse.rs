//! Files with holes: GNU tar's forms read whole, and maps that lie are refused.

use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use imgc_image::archive::Archive;
use imgc_image::tar_read::TarReader;

use crate::hostile::{raw, record};
use crate::support::{installed, run};

#[test]
fn every_form_of_gnu_tar() {
    if !installed("tar") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut files = vec![("all-hole", vec![0; 100_000]), ("no-hole", vec![7; 5000]), ("nothing", Vec::new())];
    for (name, parts) in [("two", 2), ("some", 9), ("many", 60)] {
        let mut bytes = Vec::new();
        for part in 0..parts {
            bytes.extend(vec![part + 1; 700 + usize::from(part)]);
            bytes.resize(bytes.len() + 20_000, 0);
        }
        files.push((name, bytes));
    }
    for (name, bytes) in &files {
        // Blocks of zeros are not written: then they are holes on disk, which is what GNU tar looks for.
        let file = std::fs::File::create(dir.path().join(name)).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        for (at, block) in bytes.chunks(4096).enumerate().filter(|(_, block)| block.iter().any(|b| *b != 0)) {
            file.write_all_at(block, at as u64 * 4096).unwrap();
        }
    }
    let archive = dir.path().join("x.tar");
    for version in ["", "0.0", "0.1", "1.0"] {
        let format = if version.is_empty() { "--format=gnu" } else { "--format=pax" };
        let version = format!("--sparse-version={version}");
        let (to, from) = (archive.to_str().unwrap(), dir.path().to_str().unwrap());
        let mut args = vec!["-S", "--hole-detection=raw", format, "-cf", to, "-C", from];
        args.extend((format == "--format=pax").then_some(version.as_str()));
        args.extend(files.iter().map(|(name, _)| *name));
        run("tar", &args).unwrap();
        let packed = fs_err::read(&archive).unwrap();
        assert!(packed.len() < 1_000_000, "{version}: no holes were left out");

        let mut reader = TarReader::new(packed.as_slice());
        let mut sparse = 0;
        for (name, want) in &files {
            let member = reader.next_member().unwrap().unwrap();
            assert_eq!(
                (member.name.as_slice(), member.size),
                (name.as_bytes(), want.len() as u64),
                "{version}"
            );
            sparse += usize::from(member.sparse);
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            assert!(got == *want, "{version} {name}");
        }
        assert!(reader.next_member().unwrap().is_none());
        assert!(sparse >= 4, "{version}: {sparse}");

        // What is not read is skipped.
        let mut reader = TarReader::new(packed.as_slice());
        let count = std::iter::from_fn(|| reader.next_member().unwrap()).count();
        assert_eq!(count, files.len(), "{version}");

        // Members that are read in place can have no holes.
        let opened = Archive::open(std::fs::File::open(&archive).unwrap(), tempfile::tempfile);
        assert!(opened.unwrap_err().to_string().contains("sparse"), "{version}");
    }
}

#[test]
fn maps_that_lie() {
    let pax = |fields: &[(&str, &[u8])], content: &str| {
        let records: Vec<u8> =
            fields.iter().flat_map(|(name, value)| record(&format!("GNU.sparse.{name}"), value)).collect();
        raw().pax(&records).file("a", content).end()
    };
    let old = |size: &'static [u8], more: u8| {
        let raw = raw().with("a", b'S', b"12", |header| {
            header[257..265].copy_from_slice(b"ustar  \0");
            header[386..398].copy_from_slice(b"00000000001\0");
            header[398..410].copy_from_slice(b"00000000002\0");
            header[482] = more;
            header[483..495].copy_from_slice(size);
        });
        raw.0
    };
    let read = |bytes: &[u8]| {
        let mut reader = TarReader::new(bytes);
        let member = reader.next_member().map_err(|error| error.to_string())?.unwrap();
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        reader.next_member().map_err(|error| error.to_string())?;
        Ok::<_, String>((String::from_utf8(member.name).unwrap(), content))
    };
    let name = ("name", &b"x"[..]);
    assert_eq!(
        read(&pax(&[("size", b"5"), ("map", b"1,2"), name], "12")).unwrap(),
        ("x".into(), b"\x0012\0\0".to_vec())
    );
    assert_eq!(read(&old(b"00000000005\0", 0)).unwrap(), ("a".into(), b"\x0012\0\0".to_vec()));
    for (what, bytes, said) in [
        ("a bomb", pax(&[("size", b"999999999999999")], ""), "size of a sparse file"),
        ("outside", pax(&[("size", b"5"), ("map", b"4,2")], "12"), "leaves the file"),
        ("too much", pax(&[("size", b"5"), ("map", b"1,1")], "12"), "does not fit"),
        ("no size", pax(&[("map", b"1,2")], "12"), "no size"),
        ("another version", pax(&[("major", b"1"), ("minor", b"1"), ("size", b"5")], "12"), "version"),
        ("an end", pax(&[("major", b"1"), ("minor", b"0"), ("size", b"5")], "12"), "cut off"),
        ("old, outside", old(b"00000000002\0", 0), "leaves the file"),
        ("old, without an end", old(b"00000000005\0", 1)[..512].to_vec(), "cut off"),
        ("old, no number", old(b"0000000000x\0", 0), "not a number"),
    ] {
        let error = read(&bytes).unwrap_err();
        assert!(error.contains(said), "{what}: {error}");
    }
    // Many that are each allowed.
    let one = pax(&[("size", b"60000000000")], "");
    let all = [&one[..one.len() - 1024], &one].concat();
    let mut reader = TarReader::new(all.as_slice());
    assert!(reader.next_member().is_ok() && reader.next_member().is_err());
}
