//! `ADD` of archives.

use std::io::Write;

use imgc_image::tar_write::LayerWriter;

use super::*;

/// `d name`, `f name content`, `l name target`, `h name first`; all 640, 3:4, time 9.
fn tar(lines: &[&str]) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new());
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let meta = Meta { mode: 0o640, uid: 3, gid: 4, mtime: 9, xattrs: Vec::new() };
        let (kind, content) = match words[0] {
            "d" => (Kind::Dir { opaque: false }, ""),
            "l" => (Kind::Symlink { target: words[2].into() }, ""),
            "h" => (Kind::Hardlink { to: path(words[2]) }, ""),
            "w" => (Kind::Whiteout, ""),
            _ => {
                let digest = FileDigest::of(b"");
                (Kind::File { size: words[2].len() as u64, digest }, words[2])
            }
        };
        writer.entry_with(&Entry { path: path(words[1]), kind, meta }, content.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

fn add(
    root: &[&str],
    files: &[(&str, Vec<u8>)],
    sources: &[&str],
    dest: &str,
) -> Result<Vec<String>, FileError> {
    add_with(root, files, Copy { unpack: Unpack::Archives, ..copy(sources, dest) })
}

fn add_with(root: &[&str], files: &[(&str, Vec<u8>)], copy: Copy) -> Result<Vec<String>, FileError> {
    let mut library = Library::default();
    let root = library.tree(root);
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs_err::write(dir.path().join(name), bytes).unwrap();
        fs_err::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    run(&library, &root, &Source::Context(&context(&dir, &[])), copy)
}

#[test]
fn every_compression_by_content() {
    let plain = tar(&["d a", "f a/b B"]);
    let mut gzip = imgc_image::compress::Compressor::new(imgc_image::Compression::Gzip, Vec::new()).unwrap();
    gzip.write_all(&plain).unwrap();
    let mut zstd = imgc_image::compress::Compressor::new(imgc_image::Compression::Zstd, Vec::new()).unwrap();
    zstd.write_all(&plain).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&plain).unwrap();
    let mut all =
        vec![plain.clone(), gzip.finish().unwrap(), zstd.finish().unwrap(), bzip2.finish().unwrap()];
    match xz(&plain) {
        Some(bytes) => all.push(bytes),
        None => eprintln!("SKIPPED: xz, there is no `xz` here"),
    }
    for bytes in all {
        // The name says nothing.
        let got = add(&[], &[("x.png", bytes)], &["x.png"], "/o").unwrap();
        assert_eq!(got, ["d 755 0:0 T /o/", "d 640 3:4 9 /o/a/", "f 640 3:4 9 /o/a/b=B"]);
    }
}

/// The machine's program as the writer: this one only reads xz.
fn xz(plain: &[u8]) -> Option<Vec<u8>> {
    use std::process::{Command, Stdio};
    let mut child = Command::new("xz").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    child.stdin.take()?.write_all(plain).ok()?;
    Some(child.wait_with_output().ok()?.stdout)
}

#[test]
fn what_is_no_archive_is_copied() {
    let mut gzip = imgc_image::compress::Compressor::new(imgc_image::Compression::Gzip, Vec::new()).unwrap();
    gzip.write_all(b"no tar").unwrap();
    let gzip = gzip.finish().unwrap();
    let files = [("a.tar", b"text".to_vec()), ("b.tgz", gzip), ("c.tar", Vec::new()), ("d", vec![0; 2048])];
    let mut library = Library::default();
    let root = library.tree(&[]);
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in &files {
        fs_err::write(dir.path().join(name), bytes).unwrap();
    }
    let context = context(&dir, &[]);
    let scratch = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    let cx = FileCx { contents: &library, time: TIME, scratch: scratch.path(), cancel: &cancel };
    let copy = Copy { unpack: Unpack::Archives, ..copy(&["."], "/o/") };
    let all = Copy { sources: files.iter().map(|(name, _)| (*name).to_owned()).collect(), ..copy };
    let inputs = [Source::Context(&context)];
    let planned =
        resolve(&FileOp { actions: vec![FileAction::Copy(Box::new(all))] }, &root, &inputs, &cx).unwrap();
    let index = planned.write(&mut io::sink(), None).unwrap();
    assert_eq!(index.entries().len(), 5, "{index:?}");
}

#[test]
fn members_meet_what_is_there() {
    let root =
        ["d o", "d o/real", "l o/lib real", "l o/abs /o/real", "f o/file old", "d o/dir", "f o/dir/x x"];
    let one = |lines: &[&str]| add(&root, &[("t", tar(lines))], &["t"], "/o").map(|got| got[1..].to_vec());
    // A directory merges; through a link, inside the destination.
    assert_eq!(one(&["d lib", "f lib/a A"]).unwrap(), ["d 640 3:4 9 /o/real/", "f 640 3:4 9 /o/real/a=A"]);
    // An absolute link counts from the destination.
    assert_eq!(
        one(&["f abs/a A"]).unwrap(),
        ["d 755 0:0 T /o/o/", "d 755 0:0 T /o/o/real/", "f 640 3:4 9 /o/o/real/a=A"]
    );
    // Anything else replaces.
    assert_eq!(one(&["f lib A"]).unwrap(), ["f 640 3:4 9 /o/lib=A"]);
    assert_eq!(one(&["f dir A"]).unwrap(), ["f 640 3:4 9 /o/dir=A"]);
    assert_eq!(one(&["d file"]).unwrap(), ["d 640 3:4 9 /o/file/"]);
    // Hard links hold.
    assert_eq!(one(&["f a A", "h b a"]).unwrap(), ["f 640 3:4 9 /o/a=A", "h 640 3:4 9 /o/b=/o/a"]);
}

#[test]
fn cve_2020_10696_and_2026_28406_members_do_not_leave() {
    let root = ["d o", "l o/out ../etc", "d etc"];
    let error = add(&root, &[("t", tar(&["f out/a A"]))], &["t"], "/o").unwrap_err();
    assert!(error.to_string().contains("leads out of the destination"), "{error}");
    // Nor does a link that the archive brings.
    let error = add(&root, &[("t", tar(&["l esc ../../etc", "f esc/a A"]))], &["t"], "/o");
    assert!(error.is_err() || !error.unwrap().iter().any(|line| line.contains(" /etc")));
    let error = add(&root, &[("t", tar(&["w gone"]))], &["t"], "/o").unwrap_err();
    assert!(error.to_string().contains(".wh."), "{error}");
}

#[test]
fn owner_and_wildcards() {
    let files = [("1.tar", tar(&["f a A"])), ("2.tar", tar(&["f b B"])), ("n.txt", b"N".to_vec())];
    let copy = Copy {
        unpack: Unpack::Archives,
        owner: Some(owned_by("8", None)),
        ..copy(&["*.tar", "n.txt"], "/o/")
    };
    assert_eq!(
        add_with(&[], &files, copy).unwrap(),
        ["d 755 8:8 T /o/", "f 640 8:8 9 /o/a=A", "f 640 8:8 9 /o/b=B", "f 644 8:8 T /o/n.txt=N"]
    );
}

#[test]
fn a_broken_archive_says_so() {
    let mut bytes = tar(&["f a 0123456789"]);
    bytes.truncate(600);
    let error = add(&[], &[("t.tar", bytes)], &["t.tar"], "/o").unwrap_err();
    assert_eq!(error.to_string(), "failed to unpack `t.tar`");
}

#[test]
fn a_known_archive_is_not_unpacked_before_it_is_needed() {
    let (dir, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs_err::write(dir.path().join("t"), tar(&["d a", "f a/b B", "h c a/b"])).unwrap();
    // Change times are the machine's: let them settle.
    std::thread::sleep(std::time::Duration::from_millis(80));
    let (library, root, cancel) = (Library::default(), Tree::default(), Cancel::new());
    let round = || {
        let scratch = tempfile::tempdir().unwrap();
        let cache = StatCache::open(Some(store.path()));
        let context = Context::open(dir.path(), Ignore::default(), &cache).unwrap();
        let inputs = [Source::Context(&context)];
        let cx = FileCx { contents: &library, time: TIME, scratch: scratch.path(), cancel: &cancel };
        let add = Copy { unpack: Unpack::Archives, ..copy(&["t"], "/o") };
        let op = FileOp { actions: vec![FileAction::Copy(Box::new(add))] };
        let planned = resolve(&op, &root, &inputs, &cx).unwrap();
        let unpacked = fs_err::read_dir(scratch.path()).unwrap().count();
        let known = planned.known().unwrap();
        let mut bytes = Vec::new();
        assert_eq!(planned.write(&mut bytes, None).unwrap(), known);
        cache.save();
        (unpacked, bytes)
    };
    let (first, second) = (round(), round());
    assert_eq!((first.0, second.0), (1, 0));
    assert_eq!(first.1, second.1);
}
